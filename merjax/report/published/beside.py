"""Published numbers beside ours."""

from collections.abc import Sequence

from merjax.config import flatten, make_config
from merjax.datasets.clip import DATABASES
from merjax.protocols import SCHEMES
from merjax.report.comparison import Comparison
from merjax.report.published.peers import table_beside
from merjax.report.published.tables import PublishedRow, PublishedTable, row_of
from merjax.report.section import Section, records, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import part_title
from merjax.scoring.written import number, with_interval
from merjax.sweeps.plan import NotRun
from merjax.sweeps.result import Run

_NOT = "NOT COMPARABLE"
# settings that are told of elsewhere on a report, or have no bearing on scores
_ELSEWHERE = ("data.store", "data.protocol", "data.folds", "method", "control", "selection.", "engine.")


def published_texts(section: Section, run: Run) -> list[TextTable]:
    """Published scores beside those of a run that repeats them; none for other runs."""
    table = table_beside(run.plan.name)
    entries = [entry for entry in section.comparison.entries if entry.run == run.name]
    if table is None or not entries or table.protocol != section.comparison.protocol:
        return []
    scores = [name for name in SCORES if any(name in row.scores for row in table.rows)]
    pairs = _matched_parts(section.comparison.parts, [row.part for row in table.rows])
    comparable = _comparability(section.comparison, pairs)
    all_alike = not comparable.startswith(_NOT)
    notes: list[str] = []
    rows: list[tuple[str, ...]] = []
    for part, printed in pairs:
        suffix = f" on {part_title(part)}" if len(pairs) > 1 else ""
        beside = _beside(table, section, entries, run.plan.not_run, (part, printed), scores, notes, all_alike)
        rows += [(label + suffix, *cells) for label, *cells in beside]
    lacking = any(_NOT in row[0] for row in rows)
    verdict = f" ({'' if not all_alike else 'some rows '}{_NOT})" if lacking or not all_alike else ""
    told = [comparable] + [f"{_NOT}, n/m: tested on n of the protocol's m clips or subjects."] * lacking
    told += [f"({i}) {note}" for i, note in enumerate(notes, 1)]
    return [
        TextTable(
            f"{run.name} beside {table.called}{verdict}: {table.caption}",
            ("trial", *(head for name in scores for head in (f"{name}, merjax", "published"))),
            tuple(rows),
            (
                *told,
                *([_settings(entries)] if all_alike else []),
                *table.notes,
                *map(str, run.plan.not_run),
                *warnings_of(section.comparison.entries),
            ),
        )
    ]


def _lack(row: dict, entry: Entry) -> str:
    """What was tested of how much, where that is not all that the protocol has; "" where it is."""
    scheme, part = SCHEMES[entry.data["protocol"]], row["part"]
    databases = [part.split("->")[1]] if "->" in part else [part] if part in DATABASES else list(scheme.expected)
    counts = [
        (row["clips"], sum(sum(scheme.expected[name]) for name in databases), "clips"),
        (row["subjects"], sum(scheme.expected_subjects[name] for name in databases), "subjects"),
    ]
    if "->" in part:  # what was trained on counts as well
        used = {name for fold in entry.data["folds"] for side in fold.split("->") for name in side.split("+")}
        counts.append((entry.data["clips"], sum(sum(scheme.expected[name]) for name in used), "clips of all folds"))
    return ", ".join(f"{n}/{m} {what}" for n, m, what in counts if n != m)


def _settings(entries: Sequence[Entry]) -> str:
    """What trials were given beside what their names say: the defaults follow the paper, as far as it tells."""
    default = flatten(make_config())
    told: dict[str, list[str]] = {}
    for entry in entries:
        own = flatten(entry.config)
        other = [
            f"{key} {own[key]}"
            for key in default
            if own[key] != default[key] and key not in entry.overrides and not key.startswith(_ELSEWHERE)
        ]
        names = told.setdefault(", ".join(other), [])
        names += [entry.trial] * (entry.trial not in names)
    each = "; ".join(f"{' and '.join(names)}: {other}" for other, names in told.items() if other)
    return f"Settings beside what sets the trials apart that are not the defaults (these follow the paper): {each or 'none'}."


def _matched_parts(ours: Sequence[str], printed: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of parts to lay side by side: the common ones, or else the first of each."""
    return [(part, part) for part in ours if part in printed] or [(ours[0], printed[0])]


def _comparability(comparison: Comparison, pairs: Sequence[tuple[str, str]]) -> str:
    """Whether published numbers may be compared with these, and why not."""
    part, printed = pairs[0]
    if comparison.statement:
        return (
            f"{_NOT}: the published numbers are of real recordings, these clips are synthetic. Nothing is reproduced "
            "here."
        )
    if part != printed:
        return f"{_NOT}: published on {part_title(printed)}, these are scores on {part_title(part)}."
    folds = comparison.base.config.data.folds
    if "->" not in printed and not folds.startswith("loso"):
        return f"{_NOT}: published with leave-one-subject-out, these are scores with folds {folds}."
    if printed in DATABASES:
        return (
            f"{_NOT}: published is the {part_title(part)} part of a training on all databases, here only "
            f"{part_title(part)} was used."
        )
    return "published: as printed there, without intervals; merjax: this run."


def _beside(
    table: PublishedTable,
    section: Section,
    entries: Sequence[Entry],
    not_run: Sequence[NotRun],
    parts: tuple[str, str],
    scores: Sequence[str],
    notes: list[str],
    count: bool,
) -> list[tuple[str, ...]]:
    """Rows of a pair of parts, ours and the printed: entries and trials that are not run with their published row, then the
    other ones. With `count`, entries that were tested on other clips than the protocol's say so."""
    part, printed = parts
    own = {row["entry"]: row for row in records(section.scores, part)}
    pairs = [(entry, row_of(table, entry.trial, printed)) for entry in entries if entry.label in own]
    absent = [(trial.trial, row_of(table, trial.trial, printed)) for trial in not_run]
    matched = [row for _, row in pairs] + [row for _, row in absent]
    rows = []
    for entry, published in pairs:
        ours = [with_interval(own[entry.label], name) for name in scores]
        lack = _lack(own[entry.label], entry) if count else ""
        label = entry.label + (f" [{_NOT}, {lack}]" if lack else "") + _marks(published, notes)
        rows.append((label, *_alternating(ours, published, scores)))
    for name, published in absent:
        rows.append((name + _marks(published, notes), *_alternating(["not run"] * len(scores), published, scores)))
    for published in (row for row in table.rows if row.part == printed and row not in matched):
        label = f"{published.method} ({published.where}){_marks(published, notes)}"
        rows.append((label, *_alternating([""] * len(scores), published, scores)))
    return rows


def _alternating(ours: Sequence[str], published: PublishedRow | None, scores: Sequence[str]) -> list[str]:
    printed = [_as_printed(published.scores.get(name, float("nan"))) if published else "–" for name in scores]
    return [cell for pair in zip(ours, printed, strict=True) for cell in pair]


def _as_printed(score: float) -> str:
    return number(score, 2 if round(score, 2) == score else 4)


def _marks(published: PublishedRow | None, notes: list[str]) -> str:
    """Numbers of a row's footnotes; new ones join the list."""
    own = published.notes if published else ()
    notes += [note for note in own if note not in notes]
    return "".join(f" ({notes.index(note) + 1})" for note in own)
