"""The MMEW reader, on sheets made from its columns and traps: with and without folders of subjects, "others" in a folder of
either name, missing apexes and offsets. None of this was ever compared with a real sheet."""

import pytest
from support.placeholder_releases import write_frames
from support.unseen_releases import Mmew, mmew_frames, mmew_sheet

from merjax.datasets import read_mmew

LINES = (
    Mmew(),
    Mmew("01", "S01-05-001", emotion="others", action_units="24"),
    Mmew(13, "S13-07-001", emotion="Anger", action_units="4+7"),
    Mmew("S13", "S13-07-002", emotion="anger", action_units="4"),
)


def release(tmp_path, lines=LINES, **how):
    root = tmp_path / "MMEW_Final"
    lowered = [line._replace(emotion=line.emotion.lower()) for line in lines]
    mmew_frames(root / "Micro_Expression", lowered, **how)
    write_frames(root / "Macro_Expression" / "S01" / "happiness", [1, 2], "S01-01-{:03d}.jpg")  # stills
    write_frames(root / "Macro_Expression" / "S01" / "happiness" / "S01-01-003", range(3), "{}.jpg")
    mmew_sheet(root / "MMEW_Micro_Exp (20).xlsx", lines)
    return root


def reasons(found):
    return [d.reason for d in found.discrepancies]


@pytest.mark.parametrize("by_subject", [False, True])
@pytest.mark.parametrize("others", ["others", "repression"])
def test_clips_are_read_from_either_layout_whatever_the_folder_of_others_is_called(tmp_path, by_subject, others):
    found = read_mmew(release(tmp_path, by_subject=by_subject, others=others))
    assert [clip.key for clip in found.clips] == [
        "mmew/S01/S01-01-001",
        "mmew/S01/S01-05-001",
        "mmew/S13/S13-07-001",
        "mmew/S13/S13-07-002",
    ]
    assert [clip.emotion for clip in found.clips] == ["happiness", "others", "anger", "anger"]
    assert [clip.n_frames for clip in found.clips] == [8] * 4
    assert found.dropped.empty
    said = "the sheet says 'others' of 1 clip in the folder 'repression'"
    assert any(reason.startswith(said) for reason in reasons(found)) == (others == "repression")


def test_missing_apexes_and_offsets_are_listed(tmp_path):
    lines = [LINES[0]._replace(apex=None), LINES[1]._replace(offset=None), LINES[2]._replace(apex=0), LINES[3]]
    found = read_mmew(release(tmp_path, lines))
    assert [clip.apex for clip in found.clips] == [None, None, 4]
    assert found.dropped["reason"].tolist() == ["onset 1 and offset None are not an interval"]
    for said in (
        "apex is empty (or a formula without its value: save the sheet again in a spreadsheet program) in row 2, column "
        "ApexFrame of MMEW_Micro_Exp (20).xlsx: read as no apex",
        "apex 0 outside the interval 1-8: read as no apex; correct it by --overrides",
    ):
        assert said in reasons(found)
    corrections = {"mmew": {"S01/S01-05-001": {"offset": 6}}}
    assert len(read_mmew(tmp_path / "MMEW_Final", overrides=corrections).clips) == 4


def test_numbers_of_recordings_rather_than_files_are_told_with_what_was_assumed(tmp_path):
    lines = [LINES[0], LINES[2]._replace(onset=2100, apex=2104, offset=2110)]
    found = read_mmew(release(tmp_path, lines))
    assert found.dropped["reason"].tolist() == ["missing frames 2100-2110 of 2100-2110"]
    assert any("frame numbers are the names of the files" in reason for reason in reasons(found))


def test_the_assumed_frame_rate_is_said_and_can_be_set_for_all_clips(tmp_path):
    root = release(tmp_path)
    assert {clip.fps for clip in read_mmew(root).clips} == {90.0}
    assert any(reason.startswith("assumed: 90 frames per second") for reason in reasons(read_mmew(root)))
    found = read_mmew(root, overrides={"mmew": {"all": {"fps": "60"}, "S13/S13-07-002": {"fps": 30}}})
    assert [clip.fps for clip in found.clips] == [60.0, 60.0, 60.0, 30.0]
    assert found.overrides == {"all": {"fps": 60.0}, "S13/S13-07-002": {"fps": 30.0}}
    assert "all clips have 60 fps, says overrides" in reasons(found)
