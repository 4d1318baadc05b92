"""The report's page in headless Chromium: nothing sticks out of a phone's screen, everybody can use it, and its table works."""

import base64
import itertools
import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)
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


def found(page: str, look: str, tmp_path, script: str = "") -> list:
    """What JavaScript finds in the page on a wide and on a narrow screen; `view` is the page's window."""
    holder = tmp_path / "frames.html"
    page, script = (base64.b64encode(content.encode()).decode() for content in (page, script))
    holder.write_text(FRAMES.format(page=page, script=script, look=look))
    line = [
        CHROMIUM,
        *QUIET,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=60000",
        "--window-size=1800,17000",
    ]
    result = subprocess.run(
        [*line, "--dump-dom", holder.as_uri()], capture_output=True, text=True, timeout=120, check=True
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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_nothing_sticks_out_of_a_phones_screen(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        clips=small_clips(("casme2",)),
        skills={"a trial with a rather long name that no screen holds": 0.4, "b": 0.6},
        selections={"fixed": 0.0, "oracle": 0.3},
        data={"statement": "Made up."},
    )
    page = page_of(folder)
    screen, room, content, small, cut = measured(page, 420, tmp_path)
    assert screen == 420
    assert content <= room
    assert small == 0
    assert cut == 0
    wider = page.replace("<h1>", '<p style="white-space: nowrap">' + "wide " * 100 + "</p><h1>")
    _, room, content, *_ = measured(wider, 420, tmp_path)
    assert content > room  # what sticks out is seen


@pytest.fixture(scope="module")
def grid_page(tmp_path_factory):
    """The page of a grid of six trials on two databases, two of them with the leaking rule."""
    grid = itertools.product((1e-4, 4.64159e-4, 1e-2), (0.0, 2.0))
    overrides = {f"rate={r:g}, gamma={g:g}": {"spatial.learning_rate": r, "loss.gamma": g} for r, g in grid}
    return page_of(
        write_fake_run(
            tmp_path_factory.mktemp("runs") / "grid",
            clips=small_clips(("casme2", "samm")),
            skills={name: 0.3 + 0.1 * number for number, name in enumerate(overrides)},
            overrides=overrides,
            selections={"fixed": 0.0, "oracle": 0.2},
        )
    )


AXE = """const { violations } = await view.axe.run(view.document, { resultTypes: ["violations"] });
  return [view.document.querySelectorAll("figure.drawn").length, violations.map(v => v.id + ": " + v.nodes[0].html)];"""


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.skipif(find_spec("axe_core_python") is None, reason="axe-core-python is not installed")
def test_axe_finds_nothing_on_wide_and_narrow_screens(grid_page, tmp_path):
    axe = Path(find_spec("axe_core_python").submodule_search_locations[0], "axe.min.js").read_text(encoding="utf-8")
    looks = (found(grid_page, AXE, tmp_path, axe) for _ in range(3))  # on a busy machine it may look too early
    seen = next((own for own in looks if all(drawn for drawn, _ in own)), [])
    assert len(seen) == 2
    for drawn, violations in seen:
        assert drawn >= 6  # the charts were there when it looked
        assert violations == []
    spoilt = grid_page.replace("<main>", "<div>").replace("</main>", "</div>").replace('<html lang="en">', "<html>")
    for _, violations in found(spoilt, AXE, tmp_path, axe):
        assert {"html-has-lang", "landmark-one-main", "region"} <= {line.split(":")[0] for line in violations}


TABLE = """const work = view.document.querySelector(".trials"), input = work.querySelector("input[type=search]");
  const names = () => [...work.querySelectorAll("tbody tr")].filter(r => !r.hidden).map(r => r.cells[0].dataset.v);
  const ask = text => { input.value = text; input.dispatchEvent(new view.Event("input")); return names(); };
  const filtered = ask("gamma=2"), few = ask("learning_rate<1e-3 gamma=0"), every = ask("");
  const column = [...work.querySelectorAll("thead button")].find(b => b.textContent === "UF1");
  column.click();
  const sorted = [...work.querySelectorAll("tbody tr")].map(r => Number(r.querySelectorAll("td")[3].dataset.v));
  work.querySelector("[data-copy=latex]").click();
  const latex = work.dataset.copied;
  work.querySelector("[data-copy=csv]").click();
  return { filtered, few, every: every.length, sorted, caption: work.querySelector("caption").textContent, latex,
    csv: work.dataset.copied };"""


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_table_of_trials_filters_sorts_says_so_and_is_copied(grid_page, tmp_path):
    for own in found(grid_page, TABLE, tmp_path):
        assert len(own["filtered"]) == 6
        assert all("gamma=2" in name for name in own["filtered"])
        assert {name.split(",")[0] for name in own["few"]} == {"rate=0.0001", "rate=0.000464159"}
        assert all("gamma=0" in name for name in own["few"])
        assert own["every"] == 12
        assert own["sorted"] == sorted(own["sorted"], reverse=True)
        assert "sorted by UF1 on the tested subjects: the first is first in part by luck" in own["caption"]
        assert own["csv"].splitlines()[0].startswith("trial,marks,")
        assert len(own["csv"].splitlines()) == 13
        assert own["latex"].count("\\\\") == 13
        assert "learning\\_rate" in own["latex"]
