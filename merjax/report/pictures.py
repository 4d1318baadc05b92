"""Pictures of the page: each as a static drawing for print and readers without scripts, many with data for a live chart."""

import base64
from functools import cache
from typing import Any, NamedTuple

import vl_convert
from matplotlib.figure import Figure

from merjax.report.figures import svg


class Picture(NamedTuple):
    """A picture to embed: its data URI, what it shows, and the Vega-Lite chart that scripts draw in its place, if any."""

    uri: str
    caption: str
    chart: dict[str, Any] | None = None


def drawn(figure: Figure, caption: str, chart: Any = None) -> Picture:
    """A figure, with a chart of the same content for scripts."""
    return Picture(uri_of(svg(figure), "image/svg+xml"), caption, chart.to_dict() if chart is not None else None)


def charted(chart: Any, caption: str) -> Picture:
    """A chart, drawn by scripts, and without them by Vega as SVG."""
    content = chart.to_dict()
    return Picture(uri_of(chart_svg(content), "image/svg+xml"), caption, content)


def chart_svg(content: dict[str, Any]) -> bytes:
    """A Vega-Lite chart as SVG."""
    return vl_convert.vegalite_to_svg(content).encode()


@cache
def vega() -> str:
    """The scripts of Vega, Vega-Lite and Vega-Embed in one, which define `window.vegaEmbed`."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed").replace("</script", "<\\/script")


def uri_of(content: bytes, kind: str) -> str:
    """Content as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
