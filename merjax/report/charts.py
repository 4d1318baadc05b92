"""The charts of a report, which pages show with tooltips, notebooks show as they are, and Vega draws as SVG or PDF.

Each is an Altair chart: `chart.properties(...)` and `chart.configure_axis(...)` restyle it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from merjax.report.names import readable
from merjax.report.settings import Axis, Settings
from merjax.scoring.choosing import AtChance, Choice
from merjax.scoring.corrections import Ranks
from merjax.scoring.metrics import SCORES

WIDTH = 470  # pixels of a static picture; a page fits the chart to its own width
_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"
_ROW = 26  # pixels of a row
# what leaks says so in whole, on lines of its own
_IN_LINES = "split(replace(replace(datum.label, ', leaks: ', '|leaks: '), ' frames trained', '|frames trained'), '|')"


def styled(chart: Any, height: int) -> Any:
    """A chart in the report's size and style, for one that is composed of layers or marks."""
    return (
        chart.properties(width=WIDTH, height=height, autosize=alt.AutoSizeParams(type="fit", contains="padding"))
        .configure(font="DejaVu Sans, Arial, sans-serif", background="transparent")
        .configure_axis(labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelLimit=230)
        .configure_view(stroke=None)
        .configure_legend(orient="bottom", labelFontSize=11, titleFontSize=11, titleFontWeight="normal", columns=3)
    )


def score_chart(
    rows: pd.DataFrame, names: Mapping[str, str], settings: Mapping[str, str], title: str, *, difference: bool = False
) -> alt.LayerChart:
    """Scores with intervals, a row per entry; or differences to a base.

    Args:
        rows: of one part, see `merjax.scoring.scores.score_entries` and `score_differences`.
        names: short names by label.
        settings: what each label sets, in words.
        title: of the axis.
        difference: whether the rows are differences.
    """
    long = pd.DataFrame(
        {
            "trial": names.get(row["entry"], row["entry"]),
            "settings": settings.get(row["entry"], ""),
            "measure": name,
            **{end: row.get(f"{name}{column}") for end, column in (("score", ""), ("low", "_low"), ("high", "_high"))},
        }
        for row in rows.to_dict("records")
        for name in SCORES
    )
    order = list(dict.fromkeys(long["trial"]))
    base = alt.Chart(long).encode(
        y=alt.Y("trial:N", sort=order, title=None, axis=alt.Axis(labelExpr=_IN_LINES)),
        yOffset=alt.YOffset("measure:N", sort=list(SCORES)),
        color=alt.Color("measure:N", sort=list(SCORES), scale=_colours(list(SCORES)), title=None),
        tooltip=_tooltip("trial", "settings", "measure", "score", "low", "high"),
    )
    scale = alt.Scale() if difference else alt.Scale(domain=[0, 1])
    marks = base.mark_point(filled=True, size=45).encode(
        x=alt.X("score:Q", scale=scale, title=title), shape=alt.Shape("measure:N", sort=list(SCORES), legend=None)
    )
    lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    zero = [alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color="gray").encode(x="x:Q")] if difference else []
    row = _ROW + (26 if any(", leaks: " in name for name in order) else 14)
    return styled(alt.layer(*zero, lines, marks), 60 + row * len(order))


def axis_chart(settings: Settings, axis: Axis, names: Mapping[str, str]) -> alt.LayerChart:
    """All trials' scores against one setting, each seed apart, and the mean over the other settings with its interval."""
    told = settings.scores.assign(
        trial=settings.scores["entry"].map(names), settings=list(said(settings).values())
    ).rename(columns={axis.key: "value"})[["entry", "trial", "settings", "value", "low", "high"]]
    points = settings.seeds.merge(told, on="entry")
    means = settings.means([axis]).rename(columns={axis.key: "value"})
    x = _scale_of(axis)
    y = alt.Y("score:Q", title=settings.score, scale=alt.Scale(zero=False))
    several = points["seed"].nunique() > 1
    seeds = alt.Color("seed:N", legend=alt.Legend() if several else None, scale=alt.Scale(scheme="tableau10"))
    shown = alt.Chart(points).mark_circle(size=42, opacity=0.55)
    dots = shown.encode(x, y, seeds, tooltip=_tooltip("trial", "settings", "seed", "score", "low", "high"))
    middle = alt.Chart(means).encode(x, y, tooltip=_tooltip("value", "score", "low", "high", "trials"))
    bars = middle.mark_rule(color="black", strokeWidth=2).encode(y=alt.Y("low:Q", title=settings.score), y2="high:Q")
    marks = middle.mark_point(color="black", filled=True, shape="diamond", size=80)
    line = [] if axis.kind == "categories" else [middle.mark_line(color="black", strokeWidth=1.5)]
    return styled(alt.layer(dots, *line, bars, marks), 250)


def pair_chart(settings: Settings, one: Axis, other: Axis) -> alt.LayerChart:
    """The mean score at each pair of two settings' values, with the number of trials."""
    cells = settings.means([one, other])
    for axis, column in ((one, "x"), (other, "y")):
        cells[column] = [value if axis.kind == "categories" else _told(value) for value in cells[axis.key]]
    cells = cells[["x", "y", "score", "low", "high", "trials"]].assign(
        text=[f"{score:.3f} ({trials})" for score, trials in zip(cells["score"], cells["trials"], strict=True)]
    )
    middle = float(cells["score"].quantile(0.6)) if len(cells) > 1 else 2.0
    base = alt.Chart(cells).encode(
        x=alt.X("x:N", sort=list(one.values), title=one.name, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("y:N", sort=list(reversed(other.values)), title=other.name),
        tooltip=_tooltip("x", "y", "score", "low", "high", "trials"),
    )
    colour = alt.Color("score:Q", scale=alt.Scale(scheme="viridis", zero=False), title=settings.score)
    ink = alt.condition(alt.datum.score > middle, alt.value("black"), alt.value("white"))
    labels = base.mark_text(fontSize=10).encode(text="text:N", color=ink)
    return styled(alt.layer(base.mark_rect().encode(color=colour), labels), 90 + 34 * max(3, len(other.values)))


def importance_chart(shares: pd.DataFrame, title: str = "share of the variance between trials") -> alt.LayerChart:
    """How much each axis, or pair of axes, matters: axis, share, low and high of each."""
    base = alt.Chart(shares).encode(
        y=alt.Y("axis:N", sort=list(shares["axis"]), title=None), tooltip=_tooltip("axis", "share", "low", "high")
    )
    bars = base.mark_bar(color=_BLUE, opacity=0.8).encode(
        x=alt.X("share:Q", title=title, scale=alt.Scale(domain=[0, 1]))
    )
    lines = base.mark_rule(color="black", strokeWidth=1.5).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    return styled(alt.layer(bars, lines), 50 + _ROW * len(shares))


def choice_chart(choice: Choice, chance: AtChance) -> alt.LayerChart:
    """The highest score, the same less the optimism of choosing, and the highest of as many trials at chance."""
    rows = pd.DataFrame(
        [
            ("highest, as shown", choice.score, choice.score, choice.score),
            (
                "less the optimism",
                choice.corrected,
                *(choice.corrected - choice.honest + e for e in (choice.low, choice.high)),
            ),
            (f"highest of {choice.trials} at chance", chance.highest, chance.low, chance.high),
            ("one trial at chance", chance.single, chance.single, chance.single),
        ],
        columns=["what", "score", "low", "high"],
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("what:N", sort=list(rows["what"]), title=None), tooltip=_tooltip("what", "score", "low", "high")
    )
    lines = base.mark_rule(color=_BLUE, strokeWidth=2).encode(x=alt.X("low:Q", title="UF1"), x2="high:Q")
    marks = base.mark_point(filled=True, color=_BLUE, size=70)
    points = marks.encode(x=alt.X("score:Q", title="UF1", scale=alt.Scale(domain=[0, 1])))
    return styled(alt.layer(lines, points), 50 + _ROW * len(rows))


def rank_chart(ranks: Ranks, names: Sequence[str]) -> alt.LayerChart:
    """Mean ranks over databases with Nemenyi's critical difference: trials whose bars overlap do not differ at 5 %."""
    half = ranks.critical / 2
    rows = pd.DataFrame({"trial": list(names), "rank": ranks.mean_T}).sort_values("rank", kind="stable")
    rows = rows.assign(low=rows["rank"] - half, high=rows["rank"] + half)
    base = alt.Chart(rows).encode(
        y=alt.Y("trial:N", sort=list(rows["trial"]), title=None, axis=alt.Axis(labelExpr=_IN_LINES)),
        tooltip=_tooltip("trial", "rank"),
    )
    title = f"mean rank, 1 is best (bars: critical difference {ranks.critical:.2f})"
    lines = base.mark_rule(color=_BLUE, strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    return styled(
        alt.layer(lines, base.mark_point(filled=True, color=_BLUE, size=60).encode(x="rank:Q")), 50 + _ROW * len(rows)
    )


def cost_chart(trials: pd.DataFrame, score: str = "UF1") -> alt.LayerChart:
    """Scores against seconds of training, with the trials that no other beats in both (the Pareto front).

    Args:
        trials: trial, settings, seconds, and the score with `_low` and `_high`.
        score: the score's name.
    """
    rows = trials.rename(columns={score: "score", f"{score}_low": "low", f"{score}_high": "high"})
    rows = rows[["trial", "settings", "seconds", "score", "low", "high"]]
    ranked = rows.sort_values(["seconds", "score"], ascending=[True, False], kind="stable")
    front = ranked[ranked["score"] > ranked["score"].cummax().shift(fill_value=-np.inf)]
    x = alt.X("seconds:Q", title="seconds of training", scale=alt.Scale(zero=False))
    y = alt.Y("score:Q", title=score, scale=alt.Scale(zero=False))
    tooltip = _tooltip("trial", "settings", "seconds", "score", "low", "high")
    dots = alt.Chart(rows).mark_circle(size=50, color=_BLUE).encode(x, y, tooltip=tooltip)
    line = alt.Chart(front).mark_line(color=_ORANGE, interpolate="step-after", point=True).encode(x, y, tooltip=tooltip)
    return styled(alt.layer(line, dots), 250)


def said(settings: Settings) -> dict[str, str]:
    """What each entry sets, in words, by its label."""
    return {
        entry.label: ", ".join(f"{axis.name}={_told(settings.value(entry, axis))}" for axis in settings.axes)
        for entry in settings.entries
    }


def _told(value: Any) -> str:
    return readable(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


# as `readable` writes numbers: a format of its own would be cut to the digits that tell ticks apart
_READABLE = (
    "datum.value != 0 && (abs(datum.value) < 0.01 || abs(datum.value) >= 1e5) "
    "? replace(format(datum.value, '.1~e'), '+', '') : format(datum.value, '.3~g')"
)


def _scale_of(axis: Axis) -> alt.X:
    if axis.kind == "categories":
        return alt.X("value:N", title=axis.name, sort=list(axis.values), axis=alt.Axis(labelAngle=0))
    scale = alt.Scale(type="log", padding=12) if axis.kind == "log" else alt.Scale(zero=False, padding=12)
    few = [float(value) for value in axis.values] if len(axis.values) <= 8 else alt.Undefined
    labels = alt.Axis(labelExpr=_READABLE, values=few, labelOverlap=True)
    return alt.X("value:Q", title=axis.name, scale=scale, axis=labels)


def _colours(measures: Sequence[str]) -> alt.Scale:
    return alt.Scale(domain=list(measures), range=[_BLUE, _ORANGE, _GREEN, "#CC79A7"][: len(measures)])


def _tooltip(*fields: str) -> list[alt.Tooltip]:
    numbers = {"score": ".3f", "low": ".3f", "high": ".3f", "share": ".3f", "rank": ".2f", "seconds": ".1f"}
    return [
        alt.Tooltip(f"{name}:Q", format=numbers[name]) if name in numbers else alt.Tooltip(f"{name}:N")
        for name in fields
    ]
