"""Reports whose figures and charts are composed as ever, but drawn as empty pictures."""

import pytest


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing, which takes most of a small report's time."""
    patch.setattr("merjax.report.pictures.svg", lambda figure: b"<svg></svg>")
    patch.setattr("merjax.report.pictures.chart_svg", lambda content: b"<svg></svg>")
    patch.setattr("merjax.report.pictures.vega", lambda: "")
    patch.setattr("merjax.report.files.pdf", lambda figure: b"%PDF-1.4")
