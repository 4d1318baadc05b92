"""The page on recordings of one's own: one file that stands alone, with the timeline and a card for each found interval."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from merjax.faces.regions import REGIONS
from merjax.models.own_video import Analysis, FoundInterval
from merjax.report.film_pictures import strip_of
from merjax.report.film_texts import LENGTH, can_tell, expected_of, result_of
from merjax.report.film_timeline import clock, length_of, timeline_of
from merjax.system.files import write_aside
from merjax.system.versions import __version__

_WIDE, _HIGH = 300, 100  # of the drawing of probabilities over time


def write_own_video_page(analyses: Sequence[Analysis], path: Path, *, faces: bool = True) -> None:
    """Write the page on one recording or several, which needs no other file and no network.

    Args:
        analyses: of the recordings, all by the same model.
        path: of the page.
        faces: whether to show crops of faces; without, landmarks are drawn, and no pixel of a recording is on the page.
    """
    page = render_own_video_page(analyses, faces=faces)
    write_aside(path, lambda aside: aside.write_text(page, encoding="utf-8"))


def render_own_video_page(analyses: Sequence[Analysis], *, faces: bool) -> str:
    """The page; see `write_own_video_page`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merjax.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    names = [analysis.name for analysis in analyses]
    expected, scores = expected_of(analyses[0].model)
    return environment.get_template("own_video.html").render(
        title=names[0] if len(names) == 1 else f"{len(names)} recordings",
        result=result_of(analyses),
        length=LENGTH,
        statements=list(dict.fromkeys(a.store.statement for a in analyses if a.store.statement)),
        can_tell=can_tell(analyses),
        expected=expected,
        scores=scores,
        videos=[_video(analysis, n, faces) for n, analysis in enumerate(analyses, 1)],
        faces=faces,
        version=__version__,
    )


def _video(analysis: Analysis, number: int, faces: bool) -> dict[str, Any]:
    timeline, table = timeline_of(analysis), analysis.table
    kinds = [one.kind for one in analysis.intervals]
    rows = table.to_dict("records")
    return {
        "id": f"v{number}",
        "name": analysis.name,
        "source": analysis.source.name,  # not its folder, which may name people
        "seconds": timeline.seconds,
        "fps": analysis.fps,
        "frames": analysis.n_frames,
        "stored": analysis.video.n_frames,
        "micro": kinds.count("micro"),
        "macro": kinds.count("macro"),
        "timeline": timeline,
        "highest": max((line for line in timeline.lines if "nose" not in line.name), key=lambda line: line.most),
        "intervals": [
            {"id": f"v{number}i{n}", "number": n} | _interval(analysis, one, row, faces)
            for n, (one, row) in enumerate(zip(analysis.intervals, rows, strict=True), 1)
        ],
        "shares": any(one.share_R for one in analysis.intervals),
        "columns": list(table.columns),
        "rows": [[_written(column, row[column]) for column in table.columns] for row in rows],
        "gaps": [_gap(gap, timeline.seconds) for gap in analysis.gaps],
        "told": [f"{said[:1].upper()}{said[1:].rstrip('.')}." for said in analysis.told],
    }


def _interval(analysis: Analysis, one: FoundInterval, row: dict[Any, Any], faces: bool) -> dict[str, Any]:
    """What the card of an interval shows; all numbers are those of its row in the table."""
    ends = f"{row['onset_s']:.2f} to {row['offset_s']:.2f} s"
    length = length_of(analysis)
    decided = {name: row[f"p_{name}"] for name in analysis.classes} if one.probability_K else {}
    return {
        "kind": one.kind,
        "title": f"{one.kind}-expression, {ends}" + (f" ({clock(row['onset_s'], length)})" if length >= 120 else ""),
        "answer": row.get("class", ""),
        "said": f"{one.kind}-expression, {ends}" + (f", {row['class']} {decided[row['class']]:.2f}" if decided else ""),
        "times": {end: f"{row[f'{end}_s']:.3f} s, frame {row[end]}" for end in ("onset", "apex", "offset")},
        "length": f"{(row['offset'] - row['onset'] + 1) / analysis.fps:.3f} s",
        "confidence": f"{row['confidence']:.2f}",
        "classes": decided,
        "shares": {region.name: row[f"share_{region.name}"] for region in REGIONS} if one.share_R else {},
        "over_time": _over_time(analysis, one) if len(one.probability_TxK) > 1 else None,
        "strip": strip_of(analysis, one, faces=faces),
    }


def _over_time(analysis: Analysis, one: FoundInterval) -> dict[str, Any]:
    """The probability of each class after each frame that the model looked at: lines, and the same as a table."""
    second_T = [analysis.seconds(frame) for frame in one.frame_T]
    probability_TxK = np.array(one.probability_TxK)
    x_T = _WIDE * (np.array(second_T) - second_T[0]) / max(second_T[-1] - second_T[0], 1e-9)
    lines = [
        "M" + "L".join(f"{x:.1f} {_HIGH * (1 - p):.1f}" for x, p in zip(x_T, probability_T, strict=True))
        for probability_T in probability_TxK.T
    ]
    return {
        "lines": list(zip(analysis.classes, lines, strict=True)),
        "first": second_T[0],
        "last": second_T[-1],
        "rows": [(second, own) for second, own in zip(second_T, probability_TxK.tolist(), strict=True)],
    }


def _gap(gap: tuple[float, float], seconds: float) -> str:
    return f"{gap[0]:.1f} to {gap[1]:.1f} s" + (f" ({clock(gap[0], seconds)})" if seconds >= 120 else "")


def _written(column: str, value: Any) -> str:
    """A cell of the table of intervals."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return "-"
    if column in ("onset", "apex", "offset"):
        return f"{value:.0f}"
    return f"{value:.2f}" if column == "confidence" else f"{value:.3f}"
