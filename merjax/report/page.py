"""The report as one self-contained HTML file: the result first, what was run last."""

from collections.abc import Sequence
from typing import Any

import jinja2
import pandas as pd

from merjax.report import pictures
from merjax.report.audit import audit_context
from merjax.report.beside import published_texts
from merjax.report.charts import choice_chart, said, score_chart
from merjax.report.choices import choice_texts, first_sentence
from merjax.report.details import detail, on_request
from merjax.report.ensembles import ensemble_texts
from merjax.report.figures import score_figure
from merjax.report.gaps import gaps_of, repeated
from merjax.report.leaderboard import leaderboard_texts
from merjax.report.pictures import Picture, charted, drawn
from merjax.report.run_facts import run_facts
from merjax.report.search_pictures import search_context
from merjax.report.section import MOST_DETAILED, Section, warnings_of
from merjax.report.settings_pictures import rank_picture, settings_context
from merjax.report.texts import (
    budget_texts,
    class_texts,
    data_text,
    difference_texts,
    inflation_texts,
    score_texts,
    shortened,
)
from merjax.report.trials import page_table, trials_of
from merjax.scoring.counts import WITHOUT_PICTURES
from merjax.scoring.scores import COVERAGE, DRAWS
from merjax.sweeps.result import SweepResult
from merjax.system.versions import __version__


def render_page(runs: Sequence[SweepResult], sections: Sequence[Section], *, crops: bool) -> str:
    """The page.

    Args:
        runs: the runs on it.
        sections: their comparisons.
        crops: whether to show crops of faces.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merjax.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    statements = dict.fromkeys(s.comparison.statement for s in sections if s.comparison.statement)
    return environment.get_template("page.html").render(
        title=" and ".join(run.name for run in runs),
        version=__version__,
        statements=list(statements),
        missing=[run.missing_sentence for run in runs if run.missing_sentence],
        not_run=[str(trial) for run in runs for trial in run.plan.not_run],
        sentences=[first_sentence(section) for section in sections],
        runs=[run_facts(run, sections) for run in runs],
        sections=[_section(section, runs, crops) for section in sections],
        searches=[search_context(run, sections) for run in runs if run.tried is not None],
        repeated=repeated(runs),
        separate=separate_sentence(sections),
        draws=DRAWS,
        coverage=", ".join(
            f"{100 * share:.0f} % of experiments with {people} subjects" for people, share in COVERAGE.items()
        ),
        most=MOST_DETAILED,
        several=any(s.comparison.base.task.several for s in sections),
        vega=pictures.vega(),
    )


def separate_sentence(sections: Sequence[Section]) -> str:
    """Why trials are in several comparisons; "" if there is one."""
    if len(sections) < 2:
        return ""
    each = "; ".join(
        f"{s.comparison.protocol}, split {s.comparison.split_hash}: {', '.join(e.label for e in s.comparison.entries)}"
        for s in sections
    )
    return (
        f"These trials have {len(sections)} different protocols or splits (clips or folds differ). They are listed "
        f"separately, and no difference between them is computed. {each}."
    )


def _section(section: Section, runs: Sequence[SweepResult], crops: bool) -> dict[str, Any]:
    comparison = section.comparison
    warnings = warnings_of(comparison.entries)
    leading = section.shown
    trials = trials_of(section, runs)
    return {
        "title": f"{comparison.protocol}, split {comparison.split_hash}",
        "warnings": [*warnings, *gaps_of(section)],
        "data": data_text(max(comparison.entries, key=lambda entry: entry.folds)),
        "leaderboard": leaderboard_texts(section, runs),
        "scores": shortened(section, score_texts(section)),
        "score_figure": _score_picture(section, leading, warnings),
        "audits": audit_context(section, drawn),
        "choice": choice_texts(section),
        "choice_figure": _choice_picture(section, warnings),
        "published": [table for run in runs for table in published_texts(section, run)],
        "ensembles": ensemble_texts(section),
        "inflation": shortened(section, inflation_texts(section)),
        "inflation_figure": _difference_picture(
            section, section.inflation, "Oracle (leaks) minus fixed, paired 95 % intervals.", leading, warnings
        ),
        "budgets": shortened(section, budget_texts(section)),
        "differences": shortened(section, difference_texts(section)),
        "difference_figures": [
            _difference_picture(
                section,
                section.differences[section.differences["base"] == base.label],
                f"Difference to {base.label}, paired 95 % intervals.",
                leading,
                warnings_of([base, *section.compared(base)]),
            )
            for base in (comparison.bases if len(section.differences) else ())
        ],
        "ranks": rank_picture(section),
        "settings": settings_context(section, trials),
        "trials": page_table(section, trials),
        "classes": shortened(section, class_texts(section)),
        "entries": [detail(section, entry, crops) for entry in section.detailed],
        "others": on_request(section),
    }


def _score_picture(section: Section, leading: Sequence[str], warnings: Sequence[str]) -> Picture:
    part, rows = section.comparison.parts[0], section.scores_and_controls
    own = rows[(rows["part"] == part.name) & (rows["entry"].isin(leading) | rows["control"].isin(WITHOUT_PICTURES))]
    shown = own.assign(entry=own["entry"].map(section.names).fillna(own["entry"]))
    more = len(section.comparison.entries) - len(leading)
    which = (
        f" The chosen, the bases and the best of {len(section.comparison.entries)} trials are drawn." if more else ""
    )
    return drawn(
        score_figure(shown, part, warnings),
        " ".join([f"Scores with 95 % intervals.{which}", *warnings]),
        score_chart(own, section.names, said(section.settings), part.title),
    )


def _difference_picture(
    section: Section, rows: pd.DataFrame, caption: str, leading: Sequence[str], warnings: Sequence[str]
) -> Picture | None:
    part = section.comparison.parts[0]
    if rows.empty or (own := rows[(rows["part"] == part.name) & rows["entry"].isin(leading)]).empty:
        return None
    shown = own.assign(**{column: own[column].map(section.names) for column in ("entry", "base")})
    bases = own["base"].unique()
    against = section.names[bases[0]] if len(bases) == 1 else "the fixed budget"
    chart = score_chart(own, section.names, said(section.settings), f"difference to {against}", difference=True)
    return drawn(score_figure(shown, part, warnings, difference=True), " ".join([caption, *warnings]), chart)


def _choice_picture(section: Section, warnings: Sequence[str]) -> Picture | None:
    if section.choice is None or section.at_chance is None:
        return None
    caption = (
        f"The highest of {section.choice.trials} UF1, with and without the optimism of choosing it, and at chance."
    )
    return charted(choice_chart(section.choice, section.at_chance), " ".join([caption, *warnings]))
