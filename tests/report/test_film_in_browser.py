"""The page on a recording in headless Chromium: links jump, the timeline widens, it fits a phone, and axe is content."""

import pytest
from support.browser import AXE, axe_script, found, found_in_window, measured, needs_axe, needs_chromium
from support.made_analysis import make_analysis

from merjax.report.film import render_own_video_page


@pytest.fixture(scope="module")
def analyses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    return [
        make_analysis(folder / "one"),
        make_analysis(folder / "two", name="a recording with a rather long name.mp4"),
    ]


LOOK = """const page = view.document, marks = [...page.querySelectorAll("a.mark")], inside = page.querySelector(".inside");
  marks[1].focus();
  const focused = page.activeElement === marks[1];
  page.activeElement.click();
  await new Promise(r => setTimeout(r, 300));
  const target = page.querySelector(":target")?.id, top = page.querySelector(":target")?.getBoundingClientRect().top;
  const narrow = inside.clientWidth, button = page.querySelector("[data-times='8']");
  button.click();
  return { focused, target, top, times: inside.clientWidth / narrow, pressed: button.getAttribute("aria-pressed"),
    fine: view.getComputedStyle(page.querySelector(".fine")).display, room: page.documentElement.clientWidth,
    content: page.documentElement.scrollWidth, sizes: marks.map(m => m.getBoundingClientRect().width) };"""


@pytest.mark.long
@needs_chromium
@pytest.mark.parametrize("width", [1280, 500])
def test_a_bar_is_reached_by_keyboard_and_jumps_to_its_card_and_the_timeline_widens(analyses, tmp_path, width):
    own = found_in_window(render_own_video_page(analyses[:1], faces=True), LOOK, tmp_path, width)
    assert isinstance(own, dict), own  # an error of the script
    assert own["focused"]
    assert own["target"] == "v1i2"
    assert 0 <= own["top"] < 200  # its card is in view
    assert own["times"] == pytest.approx(8, abs=0.1)
    assert own["pressed"] == "true"
    assert own["fine"] != "none"
    assert own["content"] <= own["room"]  # what is wide scrolls by itself
    assert min(own["sizes"]) >= 5


@needs_chromium
def test_nothing_sticks_out_of_a_phones_screen(analyses, tmp_path):
    screen, room, content, small, cut = measured(render_own_video_page(analyses, faces=True), 390, tmp_path)
    assert screen == 390
    assert content <= room
    assert small == 0
    assert cut == 0


@pytest.mark.long
@needs_chromium
@needs_axe
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_on_wide_and_narrow_screens(analyses, tmp_path, dark):
    for own, faces in ((analyses, True), (analyses[:1], False)):
        page = render_own_video_page(own, faces=faces)
        seen = found(page, AXE, tmp_path, axe_script(), dark=dark)
        assert [violations for _, violations in seen] == [[], []]
    spoilt = page.replace('role="img" aria-label="Landmarks', 'role="img" data-was="Landmarks')
    for _, violations in found(spoilt, AXE, tmp_path, axe_script(), dark=dark):
        assert {line.split(":")[0] for line in violations} == {"svg-img-alt"}
