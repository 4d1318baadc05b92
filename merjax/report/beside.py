"""The paper's numbers beside ours."""

from collections.abc import Sequence

from merjax.datasets.clip import DATABASES
from merjax.metrics import SCORES
from merjax.plan import NotRun
from merjax.report.entries import Entry
from merjax.report.published import PublishedRow, PublishedTable, row_of, table_of
from merjax.report.runs import Comparison, Run
from merjax.report.scores import part_title
from merjax.report.sections import Section, records, warnings_of
from merjax.report.tables import TextTable, number, with_interval

_NOT = "NOT COMPARABLE"


def published_texts(section: Section, run: Run) -> list[TextTable]:
    """The paper's table beside the scores of a run that repeats it; none for other runs."""
    table = table_of(run.plan.name)
    entries = [entry for entry in section.comparison.entries if entry.run == run.name]
    if table is None or not entries or table.protocol != section.comparison.protocol:
        return []
    scores = [name for name in SCORES if any(name in row.scores for row in table.rows)]
    pairs = _matched_parts(section.comparison.parts, [row.part for row in table.rows])
    notes: list[str] = []
    rows: list[tuple[str, ...]] = []
    for part, printed in pairs:
        suffix = f" on {part_title(part)}" if len(pairs) > 1 else ""
        beside = _beside(table, section, entries, run.plan.not_run, (part, printed), scores, notes)
        rows += [(label + suffix, *cells) for label, *cells in beside]
    comparable = _comparability(section.comparison, pairs)
    verdict = f" ({_NOT})" if comparable.startswith(_NOT) else ""
    numbered = tuple(f"({i}) {note}" for i, note in enumerate(notes, 1))
    return [
        TextTable(
            f"{run.name} beside Table {table.number} of the paper{verdict}: {table.caption}",
            ("trial", *(head for name in scores for head in (f"{name}, merjax", "published"))),
            tuple(rows),
            (
                comparable,
                *numbered,
                *table.notes,
                *map(str, run.plan.not_run),
                *warnings_of(section.comparison.entries),
            ),
        )
    ]


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
    folds = comparison.base.trial.config.data.folds
    if "->" not in printed and not folds.startswith("loso"):
        return f"{_NOT}: published with leave-one-subject-out, these are scores with folds {folds}."
    if printed in DATABASES:
        return (
            f"{_NOT}: published is the {part_title(part)} part of a training on all databases, here only "
            f"{part_title(part)} was used."
        )
    return "published: as printed in the paper, without intervals; merjax: this run."


def _beside(
    table: PublishedTable,
    section: Section,
    entries: Sequence[Entry],
    not_run: Sequence[NotRun],
    parts: tuple[str, str],
    scores: Sequence[str],
    notes: list[str],
) -> list[tuple[str, ...]]:
    """Rows of a pair of parts, ours and the printed: entries and trials that are not run with their published row, then the
    other ones."""
    part, printed = parts
    own = {row["entry"]: row for row in records(section.scores, part)}
    pairs = [(entry, row_of(table, entry.trial.name, printed)) for entry in entries if entry.label in own]
    absent = [(trial.trial, row_of(table, trial.trial, printed)) for trial in not_run]
    matched = [row for _, row in pairs] + [row for _, row in absent]
    rows = []
    for entry, published in pairs:
        ours = [with_interval(own[entry.label], name) for name in scores]
        rows.append((entry.label + _marks(published, notes), *_alternating(ours, published, scores)))
    for name, published in absent:
        rows.append((name + _marks(published, notes), *_alternating(["not run"] * len(scores), published, scores)))
    for published in (row for row in table.rows if row.part == printed and row not in matched):
        label = f"{published.method} (paper){_marks(published, notes)}"
        rows.append((label, *_alternating([""] * len(scores), published, scores)))
    return rows


def _alternating(ours: Sequence[str], published: PublishedRow | None, scores: Sequence[str]) -> list[str]:
    printed = [number(published.scores.get(name, float("nan")), 2) if published else "–" for name in scores]
    return [cell for pair in zip(ours, printed, strict=True) for cell in pair]


def _marks(published: PublishedRow | None, notes: list[str]) -> str:
    """Numbers of a row's footnotes; new ones join the list."""
    own = published.notes if published else ()
    notes += [note for note in own if note not in notes]
    return "".join(f" ({notes.index(note) + 1})" for note in own)
