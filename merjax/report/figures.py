"""The figures of a report, as SVG and PDF, in colours that differ for the colour-blind and in gray print."""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from merjax.datasets.clip import database_of, in_order
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import Part
from merjax.scoring.scores import pooled_confusion

STYLE: Any = {
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "merjax",
    "figure.constrained_layout.use": True,
}
WIDTH = 5.2  # inches: readable on a phone's screen and in one column of a page
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_LETTER = 0.06  # inches: about the width of a letter of a class's name below a confusion matrix
_SUBJECTS = 36  # the most that one column of bars shows
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v")


def score_figure(rows: pd.DataFrame, part: Part, warnings: Sequence[str] = (), *, difference: bool = False) -> Figure:
    """Scores of one part with their intervals, one line per entry; or differences to the base.

    Args:
        rows: from `merjax.scoring.scores.score_entries` and `score_controls`, or from `score_differences`.
        part: the part whose rows are drawn.
        warnings: sentences that belong to these scores, drawn above them.
        difference: whether the rows are differences: marks zero instead of drawing from 0 to 1.
    """
    own = rows[rows["part"] == part.name].reset_index(drop=True)
    with matplotlib.rc_context(STYLE):
        labels = [wrapped(label) for label in own["entry"]]
        row = max(0.42, 0.15 * max((label.count("\n") + 1 for label in labels), default=1))
        figure = Figure((WIDTH, 0.9 + row * len(own) + title_height("", warnings)))
        entitle(figure, "", warnings)
        axes = figure.subplots()
        for i, name in enumerate(SCORES):
            colour, marker = COLOURS[i % len(COLOURS)], _MARKERS[i % len(_MARKERS)]
            at = np.arange(len(own)) + 0.66 / len(SCORES) * (i - (len(SCORES) - 1) / 2)
            value, low, high = (own[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
            axes.hlines(at, low, high, color=colour, lw=1.6)
            axes.plot(value, at, marker, color=colour, ms=4.5, label=name)
        axes.set_yticks(range(len(own)), labels)
        axes.set_ylim(len(own) - 0.5, -0.5)
        axes.grid(axis="x", color="#dddddd", lw=0.6)
        axes.set_axisbelow(True)
        if difference:
            axes.axvline(0, color="black", lw=0.8)
            bases = own["base"].unique()
            axes.set_xlabel(f"difference to {bases[0] if len(bases) == 1 else 'the fixed budget'}, {part.title}")
        else:
            axes.set_xlim(0, 1)
            axes.set_xlabel(part.title)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False)
    return figure


def confusion_figure(entry: Entry, parts: Sequence[Part], warnings: Sequence[str] = ()) -> Figure:
    """Confusion matrices of an entry's parts: clips (summed over seeds), shaded by the share of the true class; the entry's
    label and warnings above."""
    columns = min(2, len(parts))
    rows = -(-len(parts) // columns)
    with matplotlib.rc_context(STYLE):
        side = 0.55 + 0.42 * len(entry.classes)
        width = max(WIDTH * columns / 2, 3.2)
        figure = Figure((width, side * rows + 0.5 + title_height(entry.label, warnings, width)))
        entitle(figure, entry.label, warnings, width)
        panels = figure.subplots(rows, columns, squeeze=False)
        for axes in panels.flat[len(parts) :]:
            axes.set_axis_off()
        narrow = _LETTER * max(map(len, entry.classes)) > width / columns / (len(entry.classes) + 2)
        for axes, part in zip(panels.flat, parts, strict=False):
            _draw_confusion(axes, pooled_confusion(entry, part), entry.classes)
            if narrow:
                axes.tick_params(axis="x", rotation=45)
            axes.set_title(part.title, fontsize=8.5)
        figure.supxlabel("predicted", fontsize=8.5)
        figure.supylabel("true", fontsize=8.5)
    return figure


def _draw_confusion(axes: Axes, counts: np.ndarray, classes: Sequence[str]) -> None:
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), count in np.ndenumerate(counts):
        colour = "white" if share[i, j] > 0.55 else "black"
        axes.text(j, i, f"{count}\n{share[i, j]:.0%}", ha="center", va="center", color=colour, fontsize=7.5)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=7.5)


def subject_figure(subjects: pd.DataFrame, label: str, warnings: Sequence[str] = ()) -> Figure:
    """Accuracy per subject of one entry, with the number of clips; coloured by database; label and warnings above."""
    own = subjects[subjects["entry"] == label].reset_index(drop=True)
    columns = 1 if len(own) <= _SUBJECTS else 2  # a page of paper holds both halves side by side
    rows = -(-len(own) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH, 0.8 + 0.17 * rows + title_height(label, warnings)))
        entitle(figure, label, warnings)
        panels = figure.subplots(1, columns, squeeze=False)[0]
        colours = _colours_of(own["database"])
        for n, axes in enumerate(panels):
            _draw_subjects(axes, own.iloc[n * rows : (n + 1) * rows].reset_index(drop=True), rows, colours)
        handles = {name: bar for axes in panels for bar, name in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower right", ncols=3, frameon=False)
    return figure


_SAME_EVERYWHERE = ("smic", "casme2", "samm")  # the paper's databases, which have one colour in all figures


def _colours_of(databases: Iterable[str]) -> dict[str, str]:
    """A colour for each database that a figure shows."""
    order = in_order([*_SAME_EVERYWHERE, *databases])
    return {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(order)}


def _draw_subjects(axes: Axes, own: pd.DataFrame, rows: int, colours: Mapping[str, str]) -> None:
    for database, of_database in own.groupby("database", sort=False):
        axes.barh(
            of_database.index,
            of_database["accuracy"],
            color=colours[str(database)],
            height=0.75,
            label=database_of(str(database)).title,
        )
    names = [f"{row['subject']} ({row['clips']})" for row in own.to_dict("records")]
    axes.set_yticks(range(len(own)), names, fontsize=7)
    axes.set_xlabel("share right (in brackets: clips)")
    axes.set_ylim(rows - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)


def curve_figure(curves: pd.DataFrame, stage: str, trials: Sequence[str]) -> Figure:
    """Training loss and accuracy of a stage over its steps: the median over a trial's runs, and its central 80 %."""
    own = curves[curves["stage"] == stage]
    metrics = [name for name in ("loss", "accuracy") if name in own]
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH, 1.9 * len(metrics) + 0.3 + 0.15 * len(trials)))
        panels = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
        for axes, metric in zip(panels, metrics, strict=True):
            for i, trial in enumerate(trials):
                by_step = own[own["trial"] == trial].groupby("step")[metric]
                low, middle, high = (by_step.quantile(q) for q in (0.1, 0.5, 0.9))
                colour = COLOURS[i % len(COLOURS)]
                axes.fill_between(middle.index, low, high, color=colour, alpha=0.18, lw=0)
                axes.plot(middle.index, middle, _LINES[i % len(_LINES)], color=colour, lw=1.4, label=trial)
            axes.set_ylabel(f"training {metric}")
            axes.grid(color="#eeeeee", lw=0.6)
            if metric == "loss" and (own[metric] > 0).all():
                axes.set_yscale("log")
        panels[-1].set_xlabel("optimiser step")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
    return figure


def svg(figure: Figure) -> bytes:
    """A figure as SVG; equal content gives equal bytes."""
    return _written(figure, "svg", {"Date": None})


def pdf(figure: Figure) -> bytes:
    """A figure as PDF, for LaTeX."""
    return _written(figure, "pdf", {"CreationDate": None})


def _written(figure: Figure, kind: str, metadata: dict) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def entitle(figure: Figure, title: str, warnings: Sequence[str], width: float = WIDTH) -> None:
    """Draw a title and warnings into a figure, which may be shown without the page around it."""
    if lines := _lines(title, warnings, width):
        figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=8, color="#7a0018" if warnings else "black")


def title_height(title: str, warnings: Sequence[str], width: float = WIDTH) -> float:
    """The height in inches of a title and warnings."""
    return 0.14 * len(_lines(title, warnings, width))


def _lines(title: str, warnings: Sequence[str], width: float) -> list[str]:
    characters = int(16.5 * width)  # of the title's size
    return [line for text in (title, *warnings) for line in textwrap.wrap(text, characters)]


def wrapped(label: str) -> str:
    """A label on several lines, if it is long: what follows its name begins a new one."""
    name, comma, rest = label.partition(", ")
    return "\n".join([name + ",", *textwrap.wrap(rest, 36)]) if comma and len(label) > 24 else label
