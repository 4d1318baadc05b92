"""The reader of DFME's challenge subset, on sheets made from its columns, counts and traps: frames from 0, a frame rate for
each clip, three parts, folders that an unzip program doubled. None of this was ever compared with a real sheet."""

import pytest
from support.placeholder_releases import write_frames
from support.unseen_releases import DFME_HEADER, Dfme, dfme_frames, dfme_sheet

from merjax.datasets import index_of, read_dfme
from merjax.system.errors import MerjaxError

TRAIN = (Dfme(), Dfme("sub0003_02", 2, emotion="happiness"), Dfme("sub0010_01", fps=300, action_units=4))
TEST_A = (Dfme("sub0100_01", fps=200, emotion="contempt"),)
TEST_B = (Dfme("sub0200_01", fps=300, action_units="R14+AD38"), Dfme("sub0200_02", fps=300, emotion="fear"))
PARTS = {"DFME_train": TRAIN, "test_data_A": TEST_A, "test_data_B/test_data_B": TEST_B}


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "DFME"
    for folder, lines in PARTS.items():
        dfme_frames(root / folder, lines)
    for name, lines in {"training": TRAIN, "testA": TEST_A, "testB": TEST_B}.items():
        dfme_sheet(root / f"{name}_full_with_AU.xlsx", lines)
    return root


def reasons(found):
    return [d.reason for d in found.discrepancies]


def test_three_parts_are_one_release_in_which_each_clip_has_its_part_and_frame_rate(release):
    found = read_dfme(release)
    assert [clip.name for clip in found.clips] == [line.name for line in (*TRAIN, *TEST_A, *TEST_B)]
    assert [clip.fps for clip in found.clips] == [500.0, 500.0, 300.0, 200.0, 300.0, 300.0]
    assert index_of(found.clips)["part"].tolist() == ["train"] * 3 + ["test A"] + ["test B"] * 2
    assert (found.clips[0].subject, found.clips[0].onset, found.clips[0].n_frames) == ("sub0003", 0, 7)
    assert found.clips[0].frames[0].name == "00000.png"
    assert found.dropped.empty
    assert "train: 3 clips of 2 people are annotated, NOT the published 1,856 of 176" in reasons(found)


@pytest.mark.parametrize(("folder", "part"), [("DFME_train", "train"), ("test_data_B", "test B")])
def test_one_part_is_enough(release, folder, part):
    found = read_dfme(release / folder)  # its sheet lies above
    assert {clip.part for clip in found.clips} == {part}
    assert {d.reason for d in found.discrepancies if d.dropped} == {"row without folder"}  # of the other parts' sheets


def test_the_published_counts_are_recognised(tmp_path):
    root = tmp_path / "test_data_A"
    lines = [Dfme(f"sub{n % 42:04d}_{n:02d}", fps=200) for n in range(474)]
    for line in lines:
        write_frames(root / line.name, [0, 6], "{:05d}.png")
    dfme_frames(root, lines[:1])
    dfme_sheet(root / "coding.xlsx", lines)
    assert "test A: 474 clips of 42 people are annotated, as published" in reasons(read_dfme(root))
    assert not any("sheet version" in reason for reason in reasons(read_dfme(root)))


def test_a_part_is_told_by_its_sheet_where_folders_do_not_tell_it(release, tmp_path):
    dfme_frames(tmp_path / "clips", TEST_B)
    found = read_dfme(tmp_path / "clips", annotations=release / "testB_full_with_AU.xlsx")
    assert {clip.part for clip in found.clips} == {"test B"}
    dfme_sheet(tmp_path / "coding.xlsx", TEST_B)
    unknown = read_dfme(tmp_path / "clips")
    assert {clip.part for clip in unknown.clips} == {""}
    assert any(reason.startswith("2 clips lie in no part that can be told") for reason in reasons(unknown))


def test_sheets_can_be_named_and_copies_are_passed_over(release):
    sheets = sorted(release.glob("*.xlsx"))
    dfme_sheet(release / "copy.xlsx", TRAIN, DFME_HEADER[:6])
    expected = read_dfme(release)
    assert (
        f"passed over: {release / 'copy.xlsx'}: says the same as {release / 'training_full_with_AU.xlsx'}"
        in reasons(expected)
    )
    assert read_dfme(release, annotations=sheets).clips == expected.clips


def test_sheets_that_differ_on_the_same_clips_are_refused(release):
    dfme_sheet(release / "other.xlsx", [TRAIN[0]._replace(apex=4)])
    with pytest.raises(MerjaxError, match="name the same clips and differ; choose by --dfme-annotations"):
        read_dfme(release)


def test_without_a_frame_rate_a_clip_is_left_out_until_it_gets_one(tmp_path):
    dfme_frames(tmp_path / "train", TRAIN)
    dfme_sheet(tmp_path / "coding.xlsx", TRAIN, DFME_HEADER[:6])
    with pytest.raises(MerjaxError, match="there is no frame rate: give it in a column fps"):
        read_dfme(tmp_path)
    found = read_dfme(tmp_path, overrides={"dfme": {"sub0003/sub0003_01": {"fps": 500}}})
    assert [(clip.name, clip.fps) for clip in found.clips] == [("sub0003_01", 500.0)]
    assert any("coding.xlsx has no column Fps" in reason for reason in reasons(found))


def test_a_folder_that_an_unzip_program_renamed_is_named_beside_its_row(release):
    folder = release / "DFME_train" / "sub0003_01"
    folder.rename(folder.with_name("sub0003_01 (1)"))
    told = {f"{d.subject}/{d.name}": d.reason for d in read_dfme(release).discrepancies if d.dropped}
    assert told == {
        "sub0003/sub0003_01": "row without folder: give 'sub0003_01 (1)' its name back, if it is this one",
        "sub0003/sub0003_01 (1)": "folder without row",
    }


def test_a_clip_in_both_folders_of_a_doubled_part_is_left_out(release):
    dfme_frames(release / "test_data_B", TEST_B[:1])
    (reason,) = (d.reason for d in read_dfme(release).discrepancies if d.dropped)
    assert reason.startswith("duplicate key: folders")
