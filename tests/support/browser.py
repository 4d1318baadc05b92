"""Pages in headless Chromium: what JavaScript finds in them on wide and narrow screens, and what axe has to say."""

import base64
import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
needs_axe = pytest.mark.skipif(find_spec("axe_core_python") is None, reason="axe-core-python is not installed")

# a window is never that narrow; a frame may be
FRAME = """<!doctype html><meta charset="utf-8"><iframe id="f" width="{width}" height="900"></iframe><script>
const frame = document.getElementById("f");
frame.srcdoc = new TextDecoder().decode(Uint8Array.from(atob("{page}"), c => c.charCodeAt(0)));
frame.onload = () => {{
  const page = frame.contentDocument.documentElement;
  const small = [...page.querySelectorAll("p, td, th, li, dd, figcaption")].filter(
    e => e.innerText && parseFloat(frame.contentWindow.getComputedStyle(e).fontSize) < 11);
  const images = [...page.querySelectorAll("img")].filter(e => !e.naturalWidth || e.width > page.clientWidth);
  document.body.append(`MEASURED ${{frame.contentWindow.innerWidth}} ${{page.clientWidth}} ${{page.scrollWidth}} `
    + `${{small.length}} ${{images.length}} END`);
}};
</script>"""


# a page's frames, one as wide as each screen and high enough that all charts are drawn, and what `look` finds in each
FRAMES = """<!doctype html><meta charset="utf-8"><body><script>
const text = of => new TextDecoder().decode(Uint8Array.from(atob(of), c => c.charCodeAt(0)));
const page = text("{page}"), script = text("{script}");
const look = async (view) => {{ {look} }};
const all = [1280, 390].map(width => new Promise(done => {{
  const frame = document.createElement("iframe");
  Object.assign(frame, {{ width, height: 16000, srcdoc: page }});
  frame.onload = async () => {{
    const charts = end => frame.contentDocument.querySelectorAll("figure.chart" + end).length;
    for (let n = 0; n < 250 && charts(".drawn") < charts(""); n++) await new Promise(r => setTimeout(r, 100));
    const own = frame.contentDocument.createElement("script");
    own.textContent = script;
    frame.contentDocument.head.append(own);
    done(await look(frame.contentWindow).catch(String));
  }};
  document.body.append(frame);
}}));
const said = found => btoa(encodeURIComponent(JSON.stringify(found)));
Promise.all(all).then(found => {{ document.body.textContent = `FOUND ${{said(found)}} END`; }});
</script></body>"""


def found(page: str, look: str, tmp_path, script: str = "", *, dark: bool = False) -> list:
    """What JavaScript finds in the page on a wide and on a narrow screen; `view` is the page's window."""
    holder = tmp_path / "frames.html"
    page, script = (base64.b64encode(content.encode()).decode() for content in (page, script))
    holder.write_text(FRAMES.format(page=page, script=script, look=look))
    shown = ["--blink-settings=preferredColorScheme=0"] if dark else []
    return _answer(holder, tmp_path, "--window-size=1800,17000", *shown)


def _answer(page: Path, tmp_path, *options: str):
    line = [CHROMIUM, *QUIET, *options, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=60000"]
    result = subprocess.run(
        [*line, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    (answer,) = re.findall(r"FOUND (\S+) END", result.stdout)
    return json.loads(unquote(base64.b64decode(answer).decode()))


def measured(page: str, width: int, tmp_path) -> tuple[int, ...]:
    """Width of the screen, of the page's room and of its content; texts below 11 pixels; pictures that are broken or cut."""
    holder = tmp_path / "frame.html"
    holder.write_text(FRAME.format(width=width, page=base64.b64encode(page.encode()).decode()))
    line = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", holder.as_uri()]
    result = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    (numbers,) = re.findall(r"MEASURED ([\d ]+) END", result.stdout)
    return tuple(map(int, numbers.split()))


# what `look` finds in a page that is the window's own: links within a page lead out of a frame
SCRIPT = """<script>addEventListener("load", async () => {{
  const view = window, found = await (async () => {{ {look} }})().catch(String);
  document.body.textContent = `FOUND ${{btoa(encodeURIComponent(JSON.stringify(found)))}} END`;
}});</script>"""


def found_in_window(page: str, look: str, tmp_path, width: int) -> object:
    """What JavaScript finds in the page in a window of its own, which is at least 500 px wide."""
    (tmp_path / "page.html").write_text(page.replace("</body>", SCRIPT.format(look=look) + "</body>"))
    return _answer(tmp_path / "page.html", tmp_path, f"--window-size={width},900")


AXE = """const { violations } = await view.axe.run(view.document, { resultTypes: ["violations"] });
  return [view.document.querySelectorAll("figure.drawn").length, violations.map(v => v.id + ": " + v.nodes[0].html)];"""


def axe_script() -> str:
    """The script that defines `axe`."""
    return Path(find_spec("axe_core_python").submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
