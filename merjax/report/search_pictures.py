"""What the page shows of a search: its history, which settings mattered, and what the folds chose."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from merjax.report.charts import importance_chart
from merjax.report.pictures import Picture, charted
from merjax.report.search_charts import chosen_rows, history_chart, metric_of, parallel_chart
from merjax.report.search_importance import search_shares
from merjax.report.section import SYNTHETIC, Section
from merjax.report.tables import TextTable
from merjax.sweeps.result import SweepResult
from merjax.system.errors import MerjaxError


def search_context(run: SweepResult, sections: Sequence[Section]) -> dict[str, Any]:
    """A search's history, the importance of its settings, its proposals side by side, and what the folds chose."""
    tried = run.tried
    assert tried is not None
    metric, done = metric_of(tried), tried[tried["state"] == "complete"]
    if done.empty:
        return {"name": run.name, "said": ["No proposal is scored yet."]}
    warnings = [SYNTHETIC] * any(group.statement for group in run.plan.groups)
    best = done["trial"].iloc[int(done[metric].to_numpy(float).argmax())]
    history = history_chart(tried, _outer(run, metric, sections))
    importance, unsaid = _importance(run.name, tried, warnings)
    told = f"{run.name}: settings and inner {metric} of all proposals."
    return {
        "name": run.name,
        "said": [f"Which settings mattered is not told: {unsaid}."] if unsaid else [],
        "history": charted(history, " ".join([f"{run.name}: the search, best {best}.", *warnings])),
        "importance": importance,
        "parallel": charted(parallel_chart(tried), " ".join([told, *warnings])),
        "chosen": _chosen(tried, len(done), warnings),
    }


def _importance(name: str, tried: pd.DataFrame, warnings: Sequence[str]) -> tuple[Picture | None, str]:
    """The picture of the settings' importance, or why there is none."""
    try:
        shares = search_shares(tried)
    except MerjaxError as error:
        return None, str(error)
    if shares["share"].isna().any():
        return None, "all proposals have the same score"
    caption = (
        f"{name}: how much each setting mattered for the best tenth of the proposals, by Optuna's PED-ANOVA on the inner "
        f"{metric_of(tried)}; lines: 95 % over resampled proposals."
    )
    return charted(importance_chart(shares, "share of the importance"), " ".join([caption, *warnings])), ""


def _chosen(tried: pd.DataFrame, scored: int, warnings: Sequence[str]) -> list[TextTable]:
    """What the folds chose, and how often they agreed; no table if they have not chosen."""
    chosen = chosen_rows(tried)
    if not chosen:
        return []
    folds = sum(n for _, n, _ in chosen)
    note = (
        f"{scored} proposals were scored by {metric_of(tried)} on inner subjects. Each fold chose by its own inner subjects: "
        f"{len(chosen)} different settings, the most frequent one in {100 * chosen[0][1] / folds:.0f} % of the folds."
    )
    rows = tuple((name, f"{n} of {folds}", told) for name, n, told in chosen)
    return [TextTable("What the folds chose", ("proposal", "folds", "settings"), rows, (note, *warnings))]


def _outer(run: SweepResult, metric: str, sections: Sequence[Section]) -> tuple[float, float, float] | None:
    for section in sections:
        for entry in section.comparison.chosen:
            rows = section.scores[section.scores["entry"] == entry.label]
            if entry.run == run.name and not rows.empty:
                low, mean, high = (float(rows.iloc[0][f"{metric}{end}"]) for end in ("_low", "", "_high"))
                return (mean, low, high) if not np.isnan(mean) else None
    return None
