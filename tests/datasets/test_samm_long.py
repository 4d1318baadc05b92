"""The reader of SAMM Long Videos on placeholder recordings: fractions, a name twice, intervals beyond the recording."""

import pytest
from support.placeholder_recordings import LONG, LongRow, long_release, long_sheet, remarks
from support.placeholder_releases import Line, samm_sheet, write_frames

from merjax.datasets import read_samm_long
from merjax.system.errors import MerjaxError


def test_micro_expressions_are_cut_out_unless_others_are_asked_for(tmp_path):
    root = long_release(tmp_path)
    found = read_samm_long(root)
    assert [clip.key for clip in found.clips] == [
        *("samm_long/006/006_1_2", "samm_long/007/007_3_1", "samm_long/037/037_4_1@50")
    ]
    clip = found.clips[0]
    assert (clip.onset, clip.apex, clip.offset, clip.fps, clip.kind) == (30, 33, 36, 200.0, "micro")
    assert [path.name for path in clip.frames] == [f"006_1_{n:04d}.jpg" for n in range(30, 37)]
    assert [clip.kind for clip in read_samm_long(root, kind="all").clips].count("macro") == 3


def test_fractions_are_rounded(tmp_path):
    macro = read_samm_long(long_release(tmp_path), kind="macro")
    assert (macro.clips[0].onset, macro.clips[0].apex, macro.clips[0].offset) == (10, 13, 21)
    assert (
        "2 rows of SAMM_LongVideos_V2_Release.xlsx have frame numbers with fractions, multiples of 0.2: they are rounded"
        in remarks(macro)
    )


def test_an_interval_that_reaches_beyond_its_recording_ends_with_it(tmp_path):
    root = long_release(tmp_path, LONG)
    long_sheet(root / "SAMM_LongVideos_V2_Release.xlsx", [*LONG[:3], LONG[3]._replace(offset=60), *LONG[4:]])
    found = read_samm_long(root, kind="macro")
    clip = next(clip for clip in found.clips if clip.name == "007_3_2")
    assert (clip.onset, clip.offset, len(clip.frames)) == (1, 44, 44)
    assert "007/007_3_2: onset 0 is before the recording's first picture, 1: the clip begins there" in remarks(found)
    assert "007/007_3_2: offset 60 is beyond the recording's last picture, 44: the clip ends there" in remarks(found)


def test_an_apex_of_minus_one_is_none(tmp_path):
    found = read_samm_long(long_release(tmp_path))
    assert found.clips[1].apex is None
    assert any(text.startswith("007/007_3_1: apex is '-1' in row 13, column Apex of") for text in remarks(found))


def test_rows_of_one_name_are_told_apart_by_their_onset_whatever_is_asked_for(tmp_path):
    root = long_release(tmp_path)
    keys = [clip.key for clip in read_samm_long(root, kind="all").clips]
    assert keys[-2:] == ["samm_long/037/037_4_1@49", "samm_long/037/037_4_1@50"]
    corrected = read_samm_long(root, overrides={"samm_long": {"037/037_4_1@50": {"apex": 51}}})
    assert corrected.clips[-1].apex == 51


def test_micro_expressions_have_the_emotions_of_samms_own_sheet(tmp_path):
    root = long_release(tmp_path)
    assert any(text.startswith("no sheet of emotions") for text in remarks(read_samm_long(root)))
    lines = [Line("006", "006_1_2", emotion="Anger", objective_class=3), Line("037", "037_4_1", emotion="Happiness")]
    samm_sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", lines)
    found = read_samm_long(root)
    assert [(clip.emotion, clip.objective_class) for clip in found.clips] == [
        ("anger", 3),
        ("", None),
        ("happiness", 4),
    ]
    assert found.class_source.endswith("SAMM_Micro_FACS_Codes_v2.xlsx, column Objective Classes")
    told = remarks(found)
    assert "007/007_3_1: has no emotion in SAMM_Micro_FACS_Codes_v2.xlsx" in told
    assert any(
        text.startswith("assumed: emotions of micro-expressions are those of the clips of the same") for text in told
    )
    assert {clip.emotion for clip in read_samm_long(root, kind="macro").clips} == {""}


@pytest.mark.parametrize("name", ["006_1 (1)", "006_1-copy", "006_1_long"])
def test_recordings_are_found_whatever_follows_their_number(tmp_path, name):
    root = long_release(tmp_path)
    (root / "SAMM_longvideos" / "006_1").rename(root / "SAMM_longvideos" / name)
    assert len(read_samm_long(root).clips) == (2 if name == "006_1_long" else 3)


def test_clips_of_samm_beside_the_recordings_do_no_harm(tmp_path):
    root = long_release(tmp_path)
    write_frames(root / "SAMM" / "006" / "006_1_2", range(30, 37), "006_{:05d}.jpg")
    assert len(read_samm_long(root).clips) == 3


def test_numbers_of_five_digits_are_read(tmp_path):
    rows = [LongRow("008_1_1", 9998, 10000, 10003)]
    names = [path.name for path in read_samm_long(long_release(tmp_path, rows)).clips[0].frames]
    assert names == ["008_1_9998.jpg", "008_1_9999.jpg", *(f"008_1_{n}.jpg" for n in range(10000, 10004))]


def test_a_type_that_is_neither_is_left_out(tmp_path):
    root = long_release(tmp_path, [LONG[1], LONG[2]._replace(kind="Mikro")])
    found = read_samm_long(root)
    assert len(found.clips) == 1
    assert "type is" not in found.dropped["reason"].iloc[0]  # the column is called kind in merjax
    assert (
        "'Mikro' in row 12, column Type of SAMM_LongVideos_V2_Release.xlsx: it is neither micro nor macro"
        in "".join(remarks(found))
    )


def test_samms_own_sheet_is_not_that_of_the_long_videos(tmp_path):
    root = long_release(tmp_path)
    sheet = samm_sheet(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", [Line("006", "006_1_2")])
    with pytest.raises(MerjaxError, match="no sheet with the columns Type"):
        read_samm_long(root, annotations=sheet)
