"""The report's page in headless Chromium: nothing sticks out of a phone's screen, everybody can use it, and its table works."""

import itertools

import pytest
from support.browser import AXE, axe_script, found, measured, needs_axe, needs_chromium
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of


@pytest.mark.long
@needs_chromium
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


@pytest.mark.long
@needs_chromium
@needs_axe
def test_axe_finds_nothing_on_wide_and_narrow_screens(grid_page, tmp_path):
    axe = axe_script()
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
@needs_chromium
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
