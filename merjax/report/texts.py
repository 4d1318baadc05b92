"""The tables of a report as text: scores, what a choice adds, differences, classes, subjects, clips."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from merjax.datasets.clip import database_of, in_order
from merjax.protocols import LabelScheme, scheme_named
from merjax.report.section import Section, records, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.counts import WITHOUT_PICTURES
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import Part, of_part
from merjax.scoring.scores import COVERAGE, DRAWS, OF_FOLDS, share_losing_a_class
from merjax.scoring.shuffled import shuffled_notes
from merjax.scoring.written import number, p_text, with_interval

FEW_SUBJECTS = 20


def score_texts(section: Section) -> list[TextTable]:
    """Scores of all entries and controls, a table per part."""
    return [_score_text(section, part) for part in section.comparison.parts]


_ONE = (
    "UF1 is the macro F1 of the pooled predictions: both names mean the same number.",
    "majority: always the part's most frequent class; chance: random answers with the classes' frequencies.",
)
_SEVERAL = (
    "A clip may have several classes. UF1 is the macro F1, the mean over classes of F1 = 2 TP / (2 TP + FP + FN); UAR the mean "
    "over classes of the recalls of clips with the class and of clips without it; accuracy the share of right answers to all "
    "questions whether a clip has a class.",
    "majority: of each class, what most clips have, so that a class that fewer than half have is never found; every class: all "
    "classes in each clip, and a trial with a lower UF1 than this tells nothing; chance: random answers with each class's "
    "frequency.",
)


def _score_text(section: Section, part: Part) -> TextTable:
    comparison = section.comparison
    own = records(section.scores, part) + records(section.controls, part)
    rows = []
    for row in own:
        diverged = f" ({row['diverged']} runs diverged)" if row["diverged"] else ""
        cells = [with_interval(row, name) for name in SCORES]
        rows.append((row["entry"] + diverged, *cells, number(row["UF1"]), str(row["clips"]), str(row["subjects"])))
    for row in own:
        if row.get("fold_accuracy", np.nan) >= 0:
            cells = [number(row["fold_accuracy"]) if name == "accuracy" else "" for name in SCORES]
            rows.append((f"{row['entry']}: {OF_FOLDS}", *cells, "", str(row["clips"]), str(row["subjects"])))
    seeds = max(row["seeds"] for row in own)
    subjects = own[0]["subjects"]
    scores_mean, controls_mean = _SEVERAL if comparison.base.task.several else _ONE
    notes = [
        f"Pooled over folds. In brackets: 95 % interval of {DRAWS} bootstrap samples of the {subjects} subjects"
        + (f"; score: mean ± standard deviation over {seeds} seeds." if seeds > 1 else "; one seed."),
        scores_mean,
        f"{controls_mean} Its brackets hold 95 % of {DRAWS} such answers to the same clips; they are not an interval over "
        "subjects.",
    ]
    if any(row["diverged"] for row in own):
        notes.append("The clips of runs that diverged are scored as wrong.")
    if part == comparison.parts[0] or part.fold:
        notes += shuffled_notes(comparison.entries, part)
    if subjects < FEW_SUBJECTS:
        simulated = ", ".join(f"{100 * share:.0f} % with {people}" for people, share in COVERAGE.items())
        notes.append(
            f"{subjects} subjects are few: in simulated experiments such 95 % intervals held the truth in {simulated} subjects."
        )
    if (lost := share_losing_a_class(of_part(comparison.base.predictions, part), comparison.base.task)) >= 0.005:
        notes.append(
            f"A class is rare here: in {100 * lost:.0f} % of the bootstrap samples none of its clips is drawn; UF1 and UAR "
            "are then means over the classes that are left."
        )
    return TextTable(
        f"Scores on {part.title} ({comparison.protocol})",
        ("trial", *SCORES, "macro F1", "clips", "subjects"),
        tuple(rows),
        (*notes, *warnings_of(comparison.entries)),
    )


def difference_texts(section: Section) -> list[TextTable]:
    """Differences to each base, a table per part; none if nothing can be compared."""
    if section.differences.empty:
        return []
    tables = []
    for base in section.comparison.bases:
        compared, unpaired = section.compared(base), section.unpaired(base)
        notes = [
            "Paired bootstrap over subjects, 95 %. An interval that contains 0 gives no evidence of a difference; one interval "
            f"in twenty misses the truth by chance, and there are {len(SCORES) * (len(compared) - len(unpaired))} per part.",
            "p: of the difference in UF1, alone and corrected for the number of comparisons on the part (Holm); a corrected p "
            "below 0.05 is evidence of a difference. It is an approximation (t from the spread over resampled subjects).",
        ]
        if unpaired:
            notes.append(f"Not compared, since their clips differ: {', '.join(unpaired)}.")
        of_base = section.differences[section.differences["base"] == base.label]
        tables += [
            _difference_text(
                f"Difference to {base.label} on {part.title}",
                rows,
                (*notes, *warnings_of([base, *compared])),
                {"p": lambda row: p_text(row["UF1_p"]), "p, Holm": lambda row: p_text(row["UF1_holm"])},
            )
            for part in section.comparison.parts
            if (rows := records(of_base, part))
        ]
    return tables


def inflation_texts(section: Section) -> list[TextTable]:
    """What choosing the budget on the held-out subjects adds to each trial's scores, a table per part."""
    notes = [
        "The trainings and the clips are the same; only the moment at which each run is tested was chosen on the same clips "
        "that it is tested on. Paired bootstrap over subjects, 95 %.",
    ]
    if section.without_choice:
        notes.append(
            f"Not listed, since they have one snapshot and nothing to choose from: {', '.join(section.without_choice)}."
        )
    return [
        _difference_text(
            f"Inflation: oracle (leaks) minus fixed, on {part.title}",
            rows,
            (*notes, *warnings_of(section.comparison.entries)),
            {"snapshots": lambda row: f"{row['snapshots']} in {row['epochs']:g} epochs"},
        )
        for part in section.comparison.parts
        if (rows := records(section.inflation, part))
    ]


def budget_texts(section: Section) -> list[TextTable]:
    """The budgets that were chosen; no table if all are fixed."""
    if section.budgets.empty:
        return []
    columns = ("median", "least", "most")
    return [
        TextTable(
            "Chosen budgets",
            ("trial", "runs", *columns, "whole budget"),
            tuple(
                (row["entry"], str(row["runs"]), *(number(row[c], 0) for c in (*columns, "whole")))
                for row in section.budgets.to_dict("records")
            ),
            (
                "Optimiser steps of the last stage; each run (seed and fold) has a choice of its own.",
                *warnings_of(section.comparison.entries),
            ),
        )
    ]


def _difference_text(
    title: str,
    rows: Sequence[dict],
    notes: tuple[str, ...],
    more: Mapping[str, Callable[[dict], str]] = MappingProxyType({}),
) -> TextTable:
    """A table of differences, with further columns by their heads."""
    cells = (
        (
            row["entry"],
            *(with_interval(row, name, sign=True) for name in SCORES),
            *(told(row) for told in more.values()),
        )
        for row in rows
    )
    return TextTable(title, ("trial", *SCORES, *more), tuple(cells), notes)


def class_texts(section: Section) -> list[TextTable]:
    """F1 and recall of each class, a table per part."""
    classes = section.comparison.base.classes
    tables = []
    for part in section.comparison.parts:
        own = records(section.classes, part)
        clips = {row["class"]: row["clips"] for row in own}
        labels = dict.fromkeys(row["entry"] for row in own)
        cell = {(row["entry"], row["class"]): (row["F1"], row["recall"]) for row in own}
        tables.append(
            TextTable(
                f"F1 / recall per class on {part.title}",
                ("trial", *(f"{name} ({clips[name]} clips)" for name in classes)),
                tuple((e, *(" / ".join(map(number, cell[e, name])) for name in classes)) for e in labels),
                ("Mean over seeds of the pooled values.", *warnings_of(section.comparison.entries)),
            )
        )
    return tables


def subject_text(section: Section, entry: Entry) -> TextTable:
    """Clips and accuracy of each subject."""
    own = section.subjects[section.subjects["entry"] == entry.label]
    return TextTable(
        f"Per subject: {entry.label}",
        ("subject", "clips", "right", "accuracy"),
        tuple(
            (f"{row['database']}/{row['subject']}", str(row["clips"]), f"{row['right']:g}", number(row["accuracy"]))
            for row in own.to_dict("records")
        ),
        ("right: mean number over seeds.", *warnings_of([entry])),
    )


def shortened(section: Section, tables: Sequence[TextTable]) -> list[TextTable]:
    """Tables with the rows of the leading entries and of the controls alone; all rows if the entries are few."""
    more = len(section.comparison.entries) - len(section.shown)
    if not more:
        return list(tables)
    kept = (*section.shown, *WITHOUT_PICTURES)
    note = f"{more} more trials are left out here; all are in the page's table of trials and in the CSV files beside the page."

    def is_kept(name: str) -> bool:
        return any(name == label or name.startswith((f"{label} (", f"{label}: {OF_FOLDS}")) for label in kept)

    return [
        table._replace(rows=tuple(row for row in table.rows if is_kept(row[0])), notes=(note, *table.notes))
        for table in tables
    ]


def data_text(entry: Entry) -> TextTable:
    """How many of the published clips and subjects were used, by database."""
    scheme, data = scheme_named(entry.data.protocol, entry.data.classes), entry.data
    one_seed = entry.predictions[entry.predictions["seed"] == entry.seeds[0]].drop_duplicates(
        ["database", "subject", "clip"]
    )
    used = in_order(one_seed["database"])
    listed = used if data.statement else in_order([*used, *scheme.expected])
    counted = []
    for database in listed:
        own = one_seed[one_seed["database"] == database]
        of_classes = scheme.task.members(own["label"].to_numpy(int)).sum(0)
        tested = [len(own), own["subject"].nunique(), *of_classes.tolist()]
        counted.append((tested, _expected(scheme, database)))
    if len(listed) > 1:
        tested, expected = ([sum(column) for column in zip(*side, strict=True)] for side in zip(*counted, strict=True))
        counted.append((tested, expected))
    names = [*(database_of(name).title for name in listed), "all"][: len(counted)]
    rows = [
        (name, *(f"{n} / {'–' if data.statement or m != m else m}" for n, m in zip(*counts, strict=True)))
        for name, counts in zip(names, counted, strict=True)
    ]
    notes = ["Synthetic: no published count applies."] if data.statement else []
    if entry.is_partial:
        notes.append("Unfinished: only the clips of finished folds are counted.")
    return TextTable(
        f"Clips tested / expected ({scheme.name})",
        ("database", "clips", "subjects", *scheme.classes),
        tuple(rows),
        tuple(notes),
    )


def _expected(scheme: LabelScheme, database: str) -> list[float]:
    """The published numbers of clips, subjects, and clips per class; NaN for what is not published, 0 for a database without
    a part in the protocol."""
    if database not in scheme.expected:
        return [0 if scheme.expected else np.nan] * (2 + len(scheme.classes))
    clips, subjects = scheme.published_clips(database), scheme.expected_subjects.get(database)
    per_class = scheme.expected[database] or (np.nan,) * len(scheme.classes)
    return [np.nan if clips is None else clips, np.nan if subjects is None else subjects, *per_class]
