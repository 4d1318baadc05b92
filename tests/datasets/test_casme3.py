"""The reader of CAS(ME)^3 on placeholder recordings: two sheets, skipped numbers, ready-made clips, damaged pictures."""

from pathlib import Path

import pytest
from support.old_workbooks import xls
from support.placeholder_recordings import (
    CASME3,
    INDEX_HEADER,
    Casme3Row,
    Interval,
    casme3_release,
    index_sheet,
    remarks,
    units_sheet,
    write_recordings,
)

from merjax.datasets import read_casme3
from merjax.datasets.clip import late_apex, target_frame
from merjax.system.errors import MerjaxError

MICRO = tuple(row for row in CASME3 if row.kind.startswith("Micro"))


def test_emotions_are_those_of_one_sheet_and_frames_those_of_the_other(tmp_path):
    found = read_casme3(casme3_release(tmp_path))
    others, first, fear, sad = found.clips
    assert (first.key, first.emotion, first.objective_class, first.fps) == ("casme3/spNO.1/a_5", "disgust", 4, 30.0)
    assert (others.key, others.emotion, others.frames[0].parent.parent.name) == ("casme3/spNO.1/J_100", "others", "J")
    assert (fear.name, fear.onset, fear.apex, fear.offset) == ("d_2647", 1647, 1655, 1660)
    assert (sad.name, sad.offset) == ("e_30", 38)
    told = remarks(found)
    assert "spNO.20/d_2647: onset 2647 in JpgIndex.xlsx, but 1647 in part_A.xlsx, which is used" in told
    assert "spNO.20/e_30: offset 0 in JpgIndex.xlsx, but 38 in part_A.xlsx, which is used" in told
    assert found.class_source.endswith("JpgIndex.xlsx, column Objective class")


def test_an_apex_is_at_the_place_of_its_picture_among_skipped_numbers(tmp_path):
    found = read_casme3(casme3_release(tmp_path))
    clip = found.clips[1]
    assert [path.name for path in clip.frames] == [f"{n}.jpg" for n in (5, 6, 8, 9, 10, 11, 12)]
    assert (clip.apex, clip.skipped, late_apex(clip)) == (9, 1, 3)
    assert clip.frames[target_frame(clip)].name == "9.jpg"
    row = found.index.iloc[1]
    assert (row["skipped"], target_frame(row)) == (1, 3)
    assert "spNO.1/a_5: the camera's counter skips 7 of 5-12: the clip has the 7 frames that are there" in remarks(
        found
    )


def test_rows_that_are_wrong_in_both_sheets_are_left_out_with_corrections_to_choose(tmp_path):
    root = casme3_release(tmp_path)
    told = remarks(read_casme3(root))
    assert (
        "spNO.214/c_5: lasts 3456 frames, 115 s, which no micro-expression does; correct it by --overrides, as other people's "
        "code does: casme3: {spNO.214/c_5: {offset: 34}}"
    ) in told
    assert any(
        text.startswith("spNO.216/e_0: onset 0 has no picture, since the names of pictures begin at 1") for text in told
    )
    corrections = {"casme3": {"spNO.214/c_5": {"offset": 34}, "spNO.216/e_0": {"onset": 1, "apex": 1}}}
    corrected = read_casme3(root, overrides=corrections)
    assert len(corrected.clips) == 6
    assert corrected.dropped.empty


def test_macro_expressions_come_from_the_sheet_of_both_kinds(tmp_path):
    root = casme3_release(tmp_path)
    [macro] = read_casme3(root, kind="macro").clips
    assert (macro.key, macro.kind, macro.emotion, macro.objective_class) == ("casme3/spNO.1/a_20", "macro", "", 7)
    assert len(read_casme3(root, kind="all").clips) == 5
    (root / "part_A.xlsx").unlink()
    with pytest.raises(MerjaxError, match=r"macro-expressions stand in the sheet AU\+Emotion"):
        read_casme3(root, kind="macro")


@pytest.mark.parametrize("sheets", ["both", "turned", "one"])
def test_sheets_are_told_apart_by_their_columns(tmp_path, sheets):
    root, aside = casme3_release(tmp_path / "release"), tmp_path / "elsewhere"
    aside.mkdir()
    expected = read_casme3(root).clips
    index = (root / "JpgIndex.xlsx").rename(aside / "a.xlsx")
    units = (root / "part_A.xlsx").rename(aside / "b.xlsx")
    if sheets == "one":
        units.rename(root / "part_A.xlsx")
    given = {"both": [index, units], "turned": [units, str(index)], "one": index}[sheets]
    assert read_casme3(root, annotations=given).clips == expected


def test_one_sheet_alone_is_enough_and_what_it_lacks_is_said(tmp_path):
    root = casme3_release(tmp_path)
    (root / "part_A.xlsx").rename(root / "part_A.hidden")
    alone = read_casme3(root)
    assert any(text.startswith("no sheet AU+Emotion: frames are those of JpgIndex.xlsx") for text in remarks(alone))
    assert set(alone.dropped["clip"]) == {"c_5", "d_2647", "e_0", "e_30"}
    (root / "part_A.hidden").rename(root / "part_A.xlsx")
    (root / "JpgIndex.xlsx").unlink()
    without = read_casme3(root)
    assert {clip.emotion for clip in without.clips} == {""}
    assert any(text.startswith("no sheet JpgIndex: micro-expressions have no emotion") for text in remarks(without))


def test_sheets_of_two_versions_are_not_joined(tmp_path):
    root = casme3_release(tmp_path)
    units_sheet(root / "part_A.xlsx", CASME3[:-1])
    told = remarks(read_casme3(root))
    assert any(
        "JpgIndex.xlsx has 6 micro-expressions and part_A.xlsx 5: they are of different versions" in t for t in told
    )


@pytest.mark.parametrize(("count", "version"), [(921, "v1"), (860, "v2"), (859, "")])
def test_the_version_is_told_by_the_number_of_rows(tmp_path, count, version):
    rows = [
        Casme3Row(f"spNO.{1 + n % 3}", "abcdefghijklm"[n % 13], 10 * n + 1, 10 * n + 2, 10 * n + 3)
        for n in range(count)
    ]
    root = casme3_release(tmp_path, rows[:2], gap=None)
    (root / "part_A.xlsx").unlink()
    (root / "JpgIndex.xlsx").unlink()
    cells = [
        (x.subject, x.recording, x.onset, x.apex, x.offset, x.action_units, x.objective_class, x.emotion) for x in rows
    ]
    (root / "old.xls").write_bytes(xls([INDEX_HEADER, *[[str(cell) for cell in row] for row in cells]]))
    found = read_casme3(root)
    assert (found.version, len(found.clips)) == (version, 2)
    assert remarks(found)[0].startswith(
        f"version {version} of" if version else "assumed: a version of the annotations that is"
    )


@pytest.mark.parametrize("onset", [1647, 2647])
def test_ready_made_clips_are_found_by_either_sheets_onset(tmp_path, onset):
    root = casme3_release(tmp_path / "sheets")
    clips = tmp_path / "clips" / "Part_A_ME_clip"
    own = [
        Interval(f"frame/SPno.1_a_{CASME3[0].onset}", 5, 12),
        Interval("frame/spNO.1_j_100", 100, 108),
        Interval(f"frame/spNO.20_d_{onset}", 1647, 1660),
    ]
    write_recordings(clips, own, "{}.jpg")
    write_recordings(clips, [x._replace(recording=x.recording.replace("frame", "depth")) for x in own], "{}.png")
    write_recordings(clips.with_name("Part_A_MaE_clip"), [Interval("frame/spNO.1_a_20", 20, 90)], "{}.jpg")
    sheets = [root / "JpgIndex.xlsx", root / "part_A.xlsx"]
    found = read_casme3(tmp_path / "clips", annotations=sheets)
    assert [clip.name for clip in found.clips] == ["J_100", "a_5", "d_2647"]
    assert {path.suffix for clip in found.clips for path in clip.frames} == {".jpg"}
    assert [clip.name for clip in read_casme3(tmp_path / "clips", annotations=sheets, kind="macro").clips] == ["a_20"]


@pytest.mark.parametrize("layout", ["spNO.1/a", "spNO.1/a/color"])
def test_cropped_recordings_are_read_with_and_without_a_folder_of_colours(tmp_path, layout):
    write_recordings(tmp_path / "cropped", [Interval(layout, 1, 20)], "{:05d}.png")
    index_sheet(tmp_path / "JpgIndex.xlsx", MICRO[:1])
    assert len(read_casme3(tmp_path).clips[0].frames) == 8


def test_pictures_that_the_owner_lists_as_damaged_are_passed_over(tmp_path):
    root = casme3_release(tmp_path)
    lines = "".join(f"spNO.1 J {n}.jpg  the image cannot open\n" for n in (101, 102, 500))
    (root / "error_info.txt").write_text(lines)
    found = read_casme3(root)
    clip = next(clip for clip in found.clips if clip.name == "J_100")
    assert [path.name for path in clip.frames] == [f"{n}.jpg" for n in (100, *range(103, 109))]
    assert (clip.apex, late_apex(clip)) == (103, 1)
    assert "3 pictures are damaged, says error_info.txt: they are passed over" in remarks(found)


def test_a_recording_is_listed_once_for_all_its_clips(tmp_path, monkeypatch):
    """A release has millions of pictures: a recording whose clips are not asked for is never listed."""
    from merjax.datasets import recordings

    rows = [Casme3Row("spNO.1", "a", n, n + 1, n + 5) for n in range(1, 60, 9)]
    root = casme3_release(tmp_path, [*rows, CASME3[2]._replace(kind="Macro-expression")], gap=None)
    listed: list[Path] = []
    frames_of = recordings.frames_of
    monkeypatch.setattr(recordings, "_LOOKED_INTO", 1)
    monkeypatch.setattr(recordings, "frames_of", lambda folder, told: listed.append(folder) or frames_of(folder, told))
    assert len(read_casme3(root).clips) == len(rows)
    assert [folder.parent.name for folder in listed[1:]] == ["a"]
