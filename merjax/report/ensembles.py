"""Ensembles in a report: scores of the mean of several seeds' probabilities, or of several trials', beside the trials."""

from merjax.report.section import Section, records, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.metrics import SCORES
from merjax.scoring.scores import score_differences
from merjax.scoring.written import with_interval

_NOTES = (
    "The class with the highest mean of the probabilities that the seeds give a clip, or the seeds of several trials that the "
    "sweep file names. No member saw the clip's subject. In brackets: 95 % interval over subjects.",
    "An ensemble does not show what one training gives: compare it with other ensembles.",
)


def ensemble_texts(section: Section) -> list[TextTable]:
    """Scores of ensembles and their difference to the base in UF1, a table per part; none if no trial has several seeds."""
    if not section.together:
        return []
    base, parts = section.comparison.base, section.comparison.parts
    paired = () if base.leaks or base.control else section.together
    differences = score_differences(base, paired, parts)
    tables = []
    for part in parts:
        to_base = {row["entry"]: with_interval(row, "UF1", sign=True) for row in records(differences, part)}
        rows = tuple(
            (row["entry"], *(with_interval(row, name) for name in SCORES), to_base.get(row["entry"], ""))
            for row in records(section.ensembles, part)
        )
        heads = ("ensemble", *SCORES, f"UF1 minus that of {base.label}")
        notes = (*_NOTES, *warnings_of(section.comparison.entries))
        tables.append(TextTable(f"Ensembles on {part.title} ({section.comparison.protocol})", heads, rows, notes))
    return tables
