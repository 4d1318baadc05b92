"""The reader of the first CASME, on sheets made from its columns and traps: two apex columns, irregular names, several rows in
one folder, numbers with and without leading zeros. None of this was ever compared with a real sheet."""

import pytest
from support.placeholder_releases import Line, casme2_frames, casme2_sheet, class_sheet
from support.unseen_releases import Casme1, casme1_frames, casme1_sheet

from merjax.datasets import read_casme1, read_casme2
from merjax.system.errors import MerjaxError

LINES = (
    Casme1(1, "EP01_12"),
    Casme1(1, "EP01_12", 73, 80, None, 85, "12", "happiness"),
    Casme1(1, "EP12_2_1", 7, 9, 11, 13, "1+2", "Surprise"),
    Casme1(2, "EP07", 1, None, 5, 9, 4, "repression"),
)
FOLDERS = {"sub01/EP01_12": range(1, 90), "sub01/EP12_2_1": range(1, 20), "sub02/EP07": range(1, 12)}


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "CASME"
    casme1_frames(root / "CASME_raw_selected", FOLDERS)
    casme1_sheet(root / "anything.xlsx", LINES)
    return root


def told(found):
    return {f"{d.subject}/{d.name}": d.reason for d in found.discrepancies if d.name}


def test_several_rows_of_one_folder_are_clips_named_after_their_onsets(release):
    found = read_casme1(release)
    first, second, surprise, repression = found.clips
    assert [clip.key for clip in found.clips[:2]] == ["casme1/sub01/EP01_12@5", "casme1/sub01/EP01_12@73"]
    assert (first.emotion, first.onset, first.apex, first.offset, first.fps) == ("tense", 5, 8, 12, 60.0)
    assert [path.name for path in second.frames] == [f"EP01_12-{n}.jpg" for n in range(73, 86)]
    assert (surprise.name, surprise.emotion) == ("EP12_2_1", "surprise")
    assert (repression.key, repression.action_units) == ("casme1/sub02/EP07", "4")


def test_the_first_apex_column_is_used_and_what_was_assumed_is_said(release):
    found = read_casme1(release)
    assert found.clips[2].apex == 9  # and not 11
    assert found.clips[3].apex is None
    assert "apex is empty" in told(found)["sub02/EP07"]
    assumed = [d.reason for d in found.discrepancies if d.reason.startswith("assumed: ")]
    assert any("column ApexF1 of anything.xlsx" in reason and "--overrides (apex)" in reason for reason in assumed)
    assert any("4 clips are annotated, 189 in the published CASME" in d.reason for d in found.discrepancies)


@pytest.mark.parametrize("pattern", ["{name}-{{:03d}}.jpg", "reg_{name}-{{}}.jpg", "reg_{name}-{{:03d}}.jpg"])
def test_numbers_are_read_with_any_padding_raw_or_cropped(release, tmp_path, pattern):
    other = tmp_path / "other" / "Cropped"
    casme1_frames(other, FOLDERS, pattern)
    found = read_casme1(other, annotations=release / "anything.xlsx")
    expected = read_casme1(release).clips
    assert [(c.key, c.n_frames, c.apex) for c in found.clips] == [(c.key, c.n_frames, c.apex) for c in expected]


def test_a_folder_whose_name_is_padded_otherwise_is_found_and_told(tmp_path):
    root = tmp_path / "CASME"
    casme1_frames(root, {"sub01/EP01_05": range(1, 20), "sub03/EP03_1": range(1, 20), "sub03/EP03_01": range(1, 20)})
    casme1_sheet(root / "a.xlsx", [Casme1(1, "EP01_5"), Casme1(3, "EP03_1"), Casme1(3, "EP03_001")])
    found = read_casme1(root)
    assert [clip.key for clip in found.clips] == ["casme1/sub01/EP01_5", "casme1/sub03/EP03_1"]
    assert told(found)["sub01/EP01_5"] == "lies in the folder EP01_05, which the sheet writes EP01_5"
    assert told(found)["sub03/EP03_001"] == "row without folder"  # two folders may be meant


def test_corrections_name_a_clip_of_a_shared_folder_by_its_onset(release):
    found = read_casme1(release, overrides={"casme1": {"sub01/EP01_12@73": {"onset": 75, "emotion": "Tense"}}})
    assert (found.clips[1].name, found.clips[1].onset, found.clips[1].emotion) == ("EP01_12@73", 75, "tense")


def test_an_onset_after_the_offset_is_left_out_with_both_numbers(release):
    casme1_sheet(release / "anything.xlsx", [*LINES[:3], LINES[3]._replace(onset=9, offset=3)])
    found = read_casme1(release)
    assert len(found.clips) == 3
    assert found.dropped["reason"].tolist() == ["onset 9 and offset 3 are not an interval"]


def test_casme_and_casme_ii_are_told_apart_in_one_folder(release):
    lines = [Line("01", "EP02_01f"), Line("02", "EP07")]
    casme2_frames(release / "CASME2", lines)
    casme2_sheet(release / "coding.xlsx", lines)
    class_sheet(release / "classes.xlsx", lines)
    assert [clip.key for clip in read_casme2(release).clips] == ["casme2/sub01/EP02_01f", "casme2/sub02/EP07"]
    assert len(read_casme1(release).clips) == 4


def test_a_sheet_with_other_titles_is_taken_if_it_is_named(release):
    casme2_sheet(release / "anything.xlsx", [Line(1, "EP12_2_1", 7, 9, 13, emotion="tense")])
    with pytest.raises(MerjaxError, match="no sheet of this database with the columns Subject, Filename, OnsetF"):
        read_casme1(release)
    (clip,) = read_casme1(release, annotations=release / "anything.xlsx").clips
    assert (clip.key, clip.apex, clip.emotion) == ("casme1/sub01/EP12_2_1", 9, "tense")
