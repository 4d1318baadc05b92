"""The report's section "What the features knew": the protocol whose spatial stage leaks beside the honest one."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from merjax.report.figures import COLOURS, STYLE, WIDTH, entitle, title_height, wrapped
from merjax.report.section import Section, warnings_of
from merjax.report.tables import TextTable
from merjax.scoring.audit import SHUFFLED, TRUE, Audit
from merjax.scoring.entry import KNOWN
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import Part
from merjax.scoring.resamples import DRAWS
from merjax.scoring.written import number, with_interval

Drawn = TypeVar("Drawn")
_NOTE = (
    f"Both protocols have the same clips, folds, seeds and settings, except for spatial.trained_on. Brackets: 95 % of {DRAWS} "
    "bootstrap samples of the subjects; the leak's differences are paired by subject. All labels shuffled: one permutation "
    "per seed of all clips' labels within each database, in training and in scoring alike. chance: random answers with the "
    "classes' frequencies; its brackets hold 95 % of such answers."
)


def audit_texts(section: Section) -> list[TextTable]:
    """The rows of each audit as tables, a table per part; none if the comparison holds no audit. The first table of each has
    its sentences, too."""
    tables = []
    for audit in section.audits:
        first, *others = _tables(section, audit)
        tables += [first._replace(notes=(*audit_sentences(audit), *first.notes)), *others]
    return tables


def audit_context(section: Section, drawn: Callable[[Figure, str], Drawn]) -> list[dict[str, Any]]:
    """What the page shows of each audit.

    Args:
        section: of the page.
        drawn: (figure, caption) -> how the page embeds it.
    """
    warnings = warnings_of([entry for audit in section.audits for entry in audit.entries])
    caption = " ".join(["UF1 of both protocols, with true labels and with all labels shuffled.", *warnings])
    return [
        {
            "sentences": audit_sentences(audit),
            "tables": _tables(section, audit),
            "figure": drawn(audit_figure(audit, warnings), caption),
        }
        for audit in section.audits
    ]


def _tables(section: Section, audit: Audit) -> list[TextTable]:
    """The rows of one audit, what the leak adds, and chance."""
    which = f" ({audit.entries[0].trial})" if len(section.audits) > 1 else ""
    notes = (_NOTE, *warnings_of(audit.entries))
    return [
        TextTable(f"What the features knew, on {part.title}{which}", ("trained on", *SCORES), _rows(audit, part), notes)
        for part in audit.parts
    ]


def _rows(audit: Audit, part: Part) -> tuple[tuple[str, ...], ...]:
    rows = []
    for labels in (TRUE, SHUFFLED):
        for trained_on in ("fold", audit.trained_on):
            if row := audit.row(part, labels, trained_on):
                told = f"{trained_on}, {labels}" + (f", {KNOWN}" if trained_on != "fold" else "")
                rows.append((told, *(with_interval(row, name) for name in SCORES)))
        if row := audit.difference(part, labels):
            rows.append((f"the leak adds, {labels}", *(with_interval(row, name, sign=True) for name in SCORES)))
    if row := audit.row(part, "", ""):
        rows.append(("chance", *(with_interval(row, name) for name in SCORES)))
    return tuple(rows)


def audit_sentences(audit: Audit) -> tuple[str, str]:
    """What an audit found on all its clips, for a reader who knows no settings: with shuffled labels, and with true ones."""
    return _of_shuffled(audit), _of_true(audit)


def _of_shuffled(audit: Audit) -> str:
    part = audit.parts[0]
    honest, leaking = (audit.row(part, SHUFFLED, trained_on) for trained_on in ("fold", audit.trained_on))
    chance = audit.row(part, "", "")
    if honest is None or leaking is None or chance is None:
        return (
            "No row has all labels shuffled, so these rows cannot show whether the features know the tested clips; add both "
            "trials again with control: shuffle everything."
        )
    rate = f"chance is {number(chance['UF1'])}"
    if honest["UF1_low"] > chance["UF1"]:
        return (
            f"With the labels of all clips shuffled there is nothing to recognise, but even the honest protocol has UF1 "
            f"{with_interval(honest, 'UF1')} ({rate}): something else leaks, or seeds are few; find out before you trust the "
            "other rows."
        )
    start = (
        "With the labels of all clips shuffled there is nothing to recognise, and a spatial stage that is trained without the "
        f"tested subjects gives UF1 {with_interval(honest, 'UF1')}, not clearly above chance ({number(chance['UF1'])}); one "
        f"that is trained on {audit.trained_on} gives {with_interval(leaking, 'UF1')}"
    )
    if leaking["UF1_low"] > chance["UF1"]:
        return f"{start}, which it can only have by remembering the tested clips."
    return f"{start}, so at this size and budget nothing shows that it remembers the tested clips."


def _of_true(audit: Audit) -> str:
    part = audit.parts[0]
    honest, leaking = (audit.row(part, TRUE, trained_on) for trained_on in ("fold", audit.trained_on))
    difference = audit.difference(part, TRUE)
    if honest is None or leaking is None or difference is None:
        return "With true labels, what the leak adds is not known, since both rows must be there and finished."
    told = with_interval(difference, "UF1", sign=True)
    scores = f"from {number(honest['UF1'])} to {number(leaking['UF1'])}"
    if difference["UF1_low"] > 0:
        return (
            f"With true labels the same leak raises UF1 {scores}, by {told}: that part comes from having seen the tested "
            "people, and new people would not have it."
        )
    if difference["UF1_high"] < 0:
        return f"With true labels the same leak lowers UF1 {scores}, by {told}."
    return f"With true labels the same leak changes UF1 {scores}, by {told}, which is no evidence of a difference."


def audit_figure(audit: Audit, warnings: Sequence[str] = ()) -> Figure:
    """UF1 of each protocol with true and with shuffled labels, two dots with their intervals, a panel per part."""
    columns = min(2, len(audit.parts))
    rows = -(-len(audit.parts) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH, 1.3 * rows + 0.5 + title_height("", warnings)))
        entitle(figure, "", warnings)
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axes in panels.flat[len(audit.parts) :]:
            axes.set_axis_off()
        for axes, part in zip(panels.flat, audit.parts, strict=False):
            _draw(axes, audit, part)
        figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False)
    return figure


def _draw(axes: Axes, audit: Audit, part: Part) -> None:
    protocols = ("fold", audit.trained_on)
    for at, (labels, colour, filled) in enumerate(((TRUE, COLOURS[0], True), (SHUFFLED, COLOURS[1], False))):
        own = [(y, row) for y, name in enumerate(protocols) if (row := audit.row(part, labels, name))]
        for y, row in own:
            axes.hlines(y + 0.24 * at - 0.12, row["UF1_low"], row["UF1_high"], color=colour, lw=1.6)
        axes.plot(
            [row["UF1"] for _, row in own],
            [y + 0.24 * at - 0.12 for y, _ in own],
            "os"[at],
            color=colour,
            mfc=colour if filled else "white",
            ms=5,
            label=labels,
        )
    if chance := audit.row(part, "", ""):
        axes.axvline(chance["UF1"], color="black", lw=0.8, ls=":", label="chance")
    axes.set_yticks(range(2), [wrapped("trained on the fold"), wrapped(f"trained on {audit.trained_on}, {KNOWN}")])
    axes.set(xlim=(0, 1), ylim=(1.5, -0.5))
    axes.set_title(f"UF1 on {part.title}", fontsize=8.5)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
