"""The report's page in headless Chromium: as wide as a phone's screen, nothing sticks out of it."""

import base64
import re
import shutil
import subprocess

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
