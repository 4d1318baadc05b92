"""Charts of a search: what was proposed, in which order, and what the folds chose."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from merjax.report.charts import styled
from merjax.report.names import readable, short_keys
from merjax.report.settings import varying

_KNOWN = ("trial", "state", "chosen_for")  # columns of a search's table that are no settings; the third is the metric


def metric_of(tried: pd.DataFrame) -> str:
    """The score by which a search chose."""
    return str(tried.columns[2])


def searched_keys(tried: pd.DataFrame) -> list[str]:
    """The settings that a search varied."""
    others = (*_KNOWN, metric_of(tried))
    return varying([{str(k): v for k, v in row.items() if k not in others} for row in tried.to_dict("records")])


def history_chart(tried: pd.DataFrame, outer: tuple[float, float, float] | None = None) -> alt.LayerChart:
    """Each proposal's score on inner subjects in the search's order, the best so far, and the score on the tested subjects.

    Args:
        tried: see `merjax.sweeps.running.search.table`.
        outer: the chosen settings' score on the tested subjects with its interval, if they were tested.
    """
    metric = metric_of(tried)
    done = tried[tried["state"] == "complete"]
    rows = pd.DataFrame(
        {
            "proposal": [int(str(name).split()[-1]) for name in done["trial"]],
            "score": done[metric].to_numpy(float),
            "best": np.maximum.accumulate(done[metric].to_numpy(float)),
            "settings": [_settings(row, searched_keys(tried)) for row in done.to_dict("records")],
        }
    )
    x, title = (
        alt.X("proposal:Q", title="proposal"),
        [f"{metric}: points on inner subjects,", "band on tested subjects"],
    )
    tooltip = [alt.Tooltip("proposal:Q"), alt.Tooltip("settings:N"), alt.Tooltip("score:Q", format=".3f")]
    y = alt.Y("score:Q", title=title, scale=alt.Scale(zero=False))
    layers = [
        alt.Chart(rows).mark_circle(size=50, color="#0072B2").encode(x, y, tooltip=tooltip),
        alt.Chart(rows).mark_line(color="#0072B2", interpolate="step-after").encode(x, alt.Y("best:Q", title=title)),
    ]
    if outer is not None:
        own = pd.DataFrame([outer], columns=["score", "low", "high"])
        layers += [
            alt.Chart(own).mark_rect(color="#D55E00", opacity=0.15).encode(y=alt.Y("low:Q", title=title), y2="high:Q"),
            alt.Chart(own).mark_rule(color="#D55E00", strokeWidth=2).encode(y=y),
        ]
    return styled(alt.layer(*layers), 260)


def parallel_chart(tried: pd.DataFrame) -> alt.Chart:
    """Parallel coordinates of a search's proposals, coloured by their score on inner subjects."""
    metric, keys = metric_of(tried), searched_keys(tried)
    done = tried[tried["state"] == "complete"]
    names = short_keys(keys)
    rows = []
    for key in [*keys, metric]:
        places = _places(done[key])
        for row, place in zip(done.to_dict("records"), places, strict=True):
            value = row[key] if isinstance(row[key], str) else readable(float(row[key]))
            told = {"axis": names.get(key, metric), "place": place, "value": value}
            rows.append({"proposal": row["trial"], "score": row[metric], "settings": _settings(row, keys)} | told)
    order = [*names.values(), metric]
    chart = alt.Chart(pd.DataFrame(rows)).mark_line(opacity=0.7, point=True)
    return styled(
        chart.encode(
            x=alt.X("axis:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("place:Q", title="lowest to highest value (ranks)", axis=alt.Axis(labels=False, ticks=False)),
            color=alt.Color(
                "score:Q", scale=alt.Scale(scheme="viridis", zero=False), title=f"{metric}, inner subjects"
            ),
            detail="proposal:N",
            tooltip=[
                *map(alt.Tooltip, ("proposal:N", "settings:N", "axis:N", "value:N")),
                alt.Tooltip("score:Q", format=".3f"),
            ],
        ),
        260,
    )


def chosen_rows(tried: pd.DataFrame) -> list[tuple[str, int, str]]:
    """What the folds chose: proposal, how many folds, settings; the most frequent first."""
    keys = searched_keys(tried)
    rows = [
        (str(row["trial"]), len(str(row["chosen_for"]).split(", ")), _settings(row, keys))
        for row in tried.to_dict("records")
        if row.get("chosen_for")
    ]
    return sorted(rows, key=lambda row: -row[1])


def _settings(row: dict, keys: Sequence[str]) -> str:
    names = short_keys(keys)
    return ", ".join(f"{names[key]}={row[key] if isinstance(row[key], str) else readable(row[key])}" for key in keys)


def _places(values: pd.Series) -> list[float]:
    """Where values stand between the lowest (0) and the highest (1), by rank; equal values stand together."""
    ranks = values.rank(method="dense").to_numpy(float)
    return ((ranks - 1) / max(ranks.max() - 1, 1)).tolist()
