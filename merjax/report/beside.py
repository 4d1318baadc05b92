"""Tables of published scores beside those of a sweep."""

from collections.abc import Sequence

from merjax.config import make_config
from merjax.datasets.clip import DATABASES
from merjax.protocols import SCHEMES
from merjax.report.comparison import Comparison
from merjax.report.section import Section, records, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import Part
from merjax.scoring.published.rows import PublishedRow, PublishedTable
from merjax.scoring.published.tables import TABLES
from merjax.scoring.written import number, with_interval
from merjax.sweeps.plan import NotRun
from merjax.sweeps.result import SweepResult
from merjax.system.settings import flatten

_NOT = "NOT COMPARABLE"
# settings that a report shows elsewhere, or that do not affect scores
_ELSEWHERE = ("data.store", "data.protocol", "data.folds", "method", "control", "selection.", "engine.")


def published_texts(section: Section, run: SweepResult) -> list[TextTable]:
    """Published scores beside those of a sweep that names their table; none for others."""
    table = TABLES.get(run.plan.published)
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
        suffix = f" on {part.title}" if len(pairs) > 1 else ""
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


def published_row(comparison: Comparison, run: SweepResult, entry: Entry) -> PublishedRow | None:
    """The published scores of a trial's method on all clips, if they may be compared with a report's."""
    table, part = TABLES.get(run.plan.published), comparison.parts[0]
    if table is None or table.protocol != comparison.protocol or not entry.published:
        return None
    row = table.row(entry.published, part)
    return row if row and not _comparability(comparison, [(part, row.part)]).startswith(_NOT) else None


def _lack(row: dict, entry: Entry, part: Part) -> str:
    """How many of the protocol's clips or subjects were tested, if not all of them; "" if all were."""
    scheme = SCHEMES[entry.data.protocol]
    one = part.fold.test_database if part.fold else part.name
    databases = [one] if one in DATABASES else list(scheme.expected)
    counts = [
        (row["clips"], sum(sum(scheme.expected[name]) for name in databases), "clips"),
        (row["subjects"], sum(scheme.expected_subjects[name] for name in databases), "subjects"),
    ]
    if part.fold:  # the clips that were trained on count as well
        used = {name for fold in entry.data.folds for name in (*fold.train_databases, fold.test_database)}
        counts.append((entry.data.clips, sum(sum(scheme.expected[name]) for name in used), "clips of all folds"))
    return ", ".join(f"{n}/{m} {what}" for n, m, what in counts if n != m)


def _settings(entries: Sequence[Entry]) -> str:
    """Settings that the trials' names do not show and that are not the defaults, which follow the paper as far as it tells."""
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
    return f"Further settings of the trials that are not the defaults (which follow the paper): {each or 'none'}."


def _matched_parts(ours: Sequence[Part], printed: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Pairs of parts to show side by side: the common parts, or else the first of each."""
    return [(part, part) for part in ours if part in printed] or [(ours[0], printed[0])]


def _comparability(comparison: Comparison, pairs: Sequence[tuple[Part, Part]]) -> str:
    """Whether published numbers may be compared with these, and why not."""
    part, printed = pairs[0]
    if comparison.statement:
        return (
            f"{_NOT}: the published numbers are of real recordings, but these clips are synthetic. Nothing is reproduced "
            "here."
        )
    if part != printed:
        return f"{_NOT}: the published scores are on {printed.title}, these are on {part.title}."
    folds = comparison.base.config.data.folds
    if not printed.fold and not folds.startswith("loso"):
        return f"{_NOT}: the published scores are with leave-one-subject-out, these are with folds {folds}."
    if printed.name in DATABASES:
        return (
            f"{_NOT}: the published scores are on the {part.title} part of a training on all databases; here only "
            f"{part.title} was used."
        )
    return "published: as printed there, without intervals; merjax: this run."


def _beside(
    table: PublishedTable,
    section: Section,
    entries: Sequence[Entry],
    not_run: Sequence[NotRun],
    parts: tuple[Part, Part],
    scores: Sequence[str],
    notes: list[str],
    count: bool,
) -> list[tuple[str, ...]]:
    """Rows of a pair of parts, ours and the printed one: first entries, and trials that were not run, each with its published
    row, then the other published rows. With `count`, entries that were tested on other clips than the protocol's say so."""
    part, printed = parts
    own = {row["entry"]: row for row in records(section.scores, part)}
    pairs = [(entry, table.row(entry.published, printed)) for entry in entries if entry.label in own]
    absent = [(trial.trial, table.row(trial.published, printed)) for trial in not_run]
    matched = [row for _, row in pairs] + [row for _, row in absent]
    rows = []
    for entry, published in pairs:
        ours = [with_interval(own[entry.label], name) for name in scores]
        lack = _lack(own[entry.label], entry, part) if count else ""
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
    """Numbers of a row's footnotes; new notes are added to the list."""
    own = published.notes if published else ()
    notes += [note for note in own if note not in notes]
    return "".join(f" ({notes.index(note) + 1})" for note in own)
