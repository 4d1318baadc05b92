"""The page on a recording of one's own, from made analyses: its numbers, its links, and no face where none is wanted."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from support.made_analysis import CLASSES, make_analysis

from merjax.models.final_model import FinalModel
from merjax.report.film import write_own_video_page
from merjax.report.film_timeline import area, clock, highest, ticks_of, timeline_of


class Read(HTMLParser):
    """A page's tables by their captions, as rows of cells; its links, its names, and the start tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables, self.links, self.names, self.tags = {}, [], [], []
        self._rows, self._text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        own = dict(attributes)
        self.tags.append((tag, own))
        self.names += [own["id"]] if "id" in own else []
        self.links += [own] if tag == "a" else []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th", "caption"):
            self._text = []
        if tag == "table":
            self._rows = []

    def handle_data(self, data):
        self._text.append(data)

    def handle_endtag(self, tag):
        text = "".join(self._text).strip()
        if tag in ("td", "th"):
            self._rows[-1].append(text)
        if tag == "caption":
            self._caption = text
        if tag == "table" and self._rows:
            self.tables.setdefault(self._caption, []).append(self._rows)


def page_of(tmp_path, *analyses, **options) -> str:
    write_own_video_page(analyses, tmp_path / "page.html", **options)
    return (tmp_path / "page.html").read_text()


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    return make_analysis(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def page(analysis, tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("page"), analysis)


def test_the_numbers_on_the_page_are_those_of_the_table(analysis, page):
    read = Read(page)
    (rows,) = read.tables["Intervals of talk, as in intervals.csv; frames count from 1"]
    assert [head.replace(" ", "_") for head in rows[0][1:]] == list(analysis.table.columns)
    for shown, (_, row) in zip(rows[1:], analysis.table.iterrows(), strict=True):
        for cell, value in zip(shown[1:], row, strict=True):
            if isinstance(value, str):
                assert cell == value
            elif np.isnan(value):
                assert cell == "-"
            else:
                assert float(cell) == pytest.approx(value, abs=0.006)
    of_cards, shares = read.tables["Probability of each class"], read.tables["Share of each region in the answer"]
    for one, own, share in zip(analysis.intervals[:2], of_cards, shares, strict=True):
        assert [row[0] for row in own[1:]] == list(CLASSES)
        np.testing.assert_allclose([float(row[2]) for row in own[1:]], one.probability_K, atol=5e-4)
        np.testing.assert_allclose([float(row[2]) for row in share[1:]], one.share_R, atol=5e-4)
        surest = CLASSES[int(np.argmax(one.probability_K))]
        assert f"<strong>{surest}</strong>, {max(one.probability_K):.3f}" in page
        for p_K in one.probability_TxK:
            assert "".join(f"<td>{p:.3f}</td>" for p in p_K) in page


def test_each_interval_is_a_bar_in_its_place_that_leads_to_its_card(analysis, page):
    read = Read(page)
    marks = [link for link in read.links if link.get("class", "").startswith("mark")]
    for n, (one, mark) in enumerate(zip(analysis.intervals, marks, strict=True), 1):
        assert mark["href"] == f"#v1i{n}"
        assert mark["class"] == f"mark {one.kind}"
        left, width = map(float, re.findall(r":([\d.]+)%", mark["style"]))
        assert left == pytest.approx(100 * one.onset / 300, abs=0.01)
        assert width == pytest.approx(100 * (one.offset + 1 - one.onset) / 300, abs=0.01)
        assert f"{one.onset / 30:.2f} to {one.offset / 30:.2f} s" in mark["aria-label"]
    assert {link["href"][1:] for link in read.links} <= set(read.names)
    assert len(read.names) == len(set(read.names))


def test_the_page_stands_alone_and_each_picture_has_a_text(page):
    read = Read(page)
    assert not re.search(r"https?://|@import|url\(", page)
    pictures = [own for tag, own in read.tags if tag == "img"]
    assert len(pictures) == 3 * 6
    for own in pictures:
        assert own["src"].startswith("data:image/jpeg;base64,")
        assert re.match(r"Face at the (onset|apex|offset), \d+\.\d{3} s", own["alt"])


def test_it_says_what_such_a_result_can_tell_and_what_was_seen_of_the_recording(page):
    for said in (
        "F1 scores of .05 to .20",
        "It must not be used to judge people",
        "this recording has 30 frames per second",
        "No face could be used here, so nothing can be found: 9.3 to 9.7 s",
        "Its rate changes: at even times of 30 per second 3 pictures are taken again.",
        "The model gives no answer here",  # the last interval has no decision
    ):
        assert said in page


def test_without_faces_no_pixel_of_the_recording_gets_into_the_page(tmp_path):
    own, other = (make_analysis(tmp_path / name) for name in ("own", "other"))
    other = dataclasses.replace(other, source=own.source)
    crops = np.lib.format.open_memmap(other.store.path / other.video.folder / "crops.npy", "r+")
    crops[:] = 255 - crops
    crops.flush()
    without = [page_of(tmp_path, analysis, faces=False) for analysis in (own, other)]
    assert without[0] == without[1]
    assert "<img" not in without[0]
    assert "image/" not in without[0]
    assert without[0].count('class="points"') == 3 * 6
    assert page_of(tmp_path, own) != page_of(tmp_path, other)  # with faces they show


def test_without_a_model_there_are_intervals_and_motion_alone(tmp_path):
    page = page_of(tmp_path, make_analysis(tmp_path / "made", recognised=False))
    assert "No model was given, so intervals have no class" in page
    for absent in ("Probability of each class", "The model's answer", "gives no answer", "The model names"):
        assert absent not in page
    assert page.count('<article class="card') == 3


def test_where_nothing_is_found_the_page_says_so(tmp_path):
    page = page_of(tmp_path, make_analysis(tmp_path / "made", found=False))
    assert "Nothing was found in 10 s of talk" in page
    assert "No interval was found in this recording" in page
    assert {link["href"][1:] for link in Read(page).links} <= set(Read(page).names)


def test_several_recordings_are_on_one_page_with_a_table_of_them(analysis, tmp_path):
    other = make_analysis(tmp_path / "made", found=False, name="a <b>walk & talk")
    read = Read(page_of(tmp_path, analysis, other))
    (rows,) = read.tables["All recordings"]
    assert rows[1:] == [["talk", "10.0", "2", "1", "1"], ["a <b>walk & talk", "10.0", "0", "0", "1"]]
    assert {link["href"][1:] for link in read.links} <= set(read.names)
    assert len(read.names) == len(set(read.names))


def test_what_to_expect_of_a_final_model_is_said_with_its_people(analysis, tmp_path, monkeypatch):
    monkeypatch.setattr(FinalModel, "expectation", "On people that it never saw, recognition was better than chance")
    scores = {"UF1": {"mean": 0.5123, "interval": [0.4456, 0.5789]}}
    expected = {"scores": scores, "of": "one model", "controls": {"chance": {"UF1": 0.3333}}}
    people = [{"title": "CASME II", "clips": 145, "subjects": 24, "frames_per_second": [200.0]}]
    card = {"sweep": "mine", "trial": "focal", "members": ["seed0"], "expected": expected}
    card |= {"training": {"databases": people}, "data": {"statement": ""}}
    page = page_of(tmp_path, dataclasses.replace(analysis, model=FinalModel(card, ())))
    assert "recognition was better than chance." in page
    assert "145 clips of 24 subjects from CASME II, 200 frames per second; this recording has 30" in page
    (rows,) = Read(page).tables["Scores of one model on subjects that were held out"]
    assert rows[1] == ["UF1", "0.512", "0.446 to 0.579", "0.333"]


def test_a_line_keeps_its_peaks_however_long_the_recording_is(analysis):
    motion_F = np.zeros(18_000)  # ten minutes
    motion_F[[17, 9_001, 17_999]] = 1.0, 0.5, 1.0
    line = highest(motion_F, 6)
    assert len(line) == 3_000
    assert line[[2, 1_500, 2_999]].tolist() == [1.0, 0.5, 1.0]
    assert line.sum() == 2.5
    assert area(np.array([0, 0, 1, 0.5, 0])) == "M0 100H0V100H2V0H3V50H4V100H5V100Z"
    lines = timeline_of(analysis).lines
    assert [line.name for line in lines] == [
        *("eye right", "eye left", "nose, with the head", "cheek right", "cheek left", "mouth")
    ]
    for n, one in enumerate(lines):
        assert one.most == analysis.motion_FxR[:, n].max()
        assert one.second == pytest.approx(analysis.motion_FxR[:, n].argmax() / 30, abs=1e-4)


@pytest.mark.parametrize("seconds", [1.3, 10, 61, 600.01, 4000])
def test_the_axis_has_few_times_and_more_where_it_is_wide(seconds):
    ticks = ticks_of(seconds)
    coarse = [tick for tick in ticks if not tick.fine]
    assert 3 <= len(coarse) <= 6
    np.testing.assert_allclose(np.diff([tick.left for tick in coarse]), coarse[1].left)
    assert len(coarse) < len(ticks) <= 41
    assert ticks[0].left == 0
    assert all(0 <= tick.left <= 100 for tick in ticks)


def test_times_of_a_long_recording_are_minutes_and_seconds():
    assert [clock(s, 600.0) for s in (0, 62, 600, 62.5)] == ["0:00", "1:02", "10:00", "1:02.5"]
    assert clock(62.5, 70.0) == "62.5 s"
