"""The SMIC-HS reader on placeholder releases: counters, other cameras, the long release."""

from pathlib import Path

import pytest
from support.placeholder_releases import smic_frames, write_frames

from merjax.datasets import Release, read_smic
from merjax.datasets.clip import target_frame
from merjax.system.errors import MerjaxError


def release(hs: Path) -> Path:
    smic_frames(hs, 1, "negative", 1)
    smic_frames(hs, 1, "surprise", 2)
    smic_frames(hs, 20, "positive", 11)
    write_frames(hs / "s1" / "non_micro" / "s1_n1", range(5), "image{:06d}.bmp")
    write_frames(hs / "s1" / "non_micro" / "negative" / "s1_ne_09", range(5), "image{:06d}.bmp")
    return hs


def dropped(found: Release) -> dict[str, str]:
    return {f"{d.subject}/{d.name}": d.reason for d in found.discrepancies if d.dropped}


@pytest.mark.parametrize(
    "top", ["SMIC_all_raw/HS", "SMIC_all_raw/SMIC_all_raw/HS", "SMIC_all_cropped/HS", "HS", "", "deep/SMIC/raw/HS"]
)
def test_folders_say_everything_and_names_become_those_of_the_megc_list(tmp_path, top):
    release(tmp_path / top)
    found = read_smic(tmp_path)
    assert [clip.key for clip in found.clips] == ["smic/s01/s01_ne_01", "smic/s01/s01_sur_02", "smic/s20/s20_po_11"]
    assert [clip.emotion for clip in found.clips] == ["negative", "surprise", "positive"]
    clip = found.clips[0]
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (99998, None, 100002, 100.0)
    assert (clip.action_units, clip.objective_class) == ("", None)
    # sorted as text, image100000 would come before image099998's successor image099999
    assert [path.name for path in clip.frames] == [f"image{n:06d}.bmp" for n in range(99998, 100003)]


def test_cropped_frames_are_read(tmp_path):
    write_frames(tmp_path / "HS" / "s3" / "micro" / "negative" / "s3_ne_04", range(7, 12), "reg_image{:06d}.bmp")
    assert len(read_smic(tmp_path).clips[0].frames) == 5


def test_the_other_cameras_are_no_part_of_hs(tmp_path):
    release(tmp_path / "HS")
    release(tmp_path / "VIS")
    release(tmp_path / "NIR")
    found = read_smic(tmp_path)
    assert len(found.clips) == 3
    assert all("HS" in path.parts for clip in found.clips for path in clip.frames)
    with pytest.raises(MerjaxError, match="nothing like HS/s1/micro/negative/s1_ne_01"):
        read_smic(tmp_path / "VIS")


def test_a_skipped_counter_is_told_and_the_clip_kept(tmp_path):
    hs = release(tmp_path / "HS")
    (hs / "s1" / "micro" / "negative" / "s1_ne_01" / "image100000.bmp").unlink()
    found = read_smic(tmp_path)
    assert dropped(found) == {}
    remark = next(d.reason for d in found.discrepancies if d.name == "s01_ne_01")
    assert remark == ("the camera's counter skips 100000 of 99998-100002: the clip has the 4 frames that are there")
    clip = found.clips[0]
    assert (clip.onset, clip.apex, clip.offset) == (99998, None, 100002)
    assert [path.name for path in clip.frames] == [f"image{n:06d}.bmp" for n in (99998, 99999, 100001, 100002)]
    assert len(found.clips) == 3


def test_an_apex_among_skipped_counters_is_at_the_place_of_its_picture(tmp_path):
    hs = release(tmp_path / "HS")
    (hs / "s1" / "micro" / "negative" / "s1_ne_01" / "image100000.bmp").unlink()
    clip = read_smic(tmp_path, overrides={"smic": {"s01/s01_ne_01": {"apex": 100001}}}).clips[0]
    assert (clip.apex, clip.skipped) == (100001, 1)
    assert clip.frames[target_frame(clip)].name == "image100001.bmp"
    found = read_smic(tmp_path, overrides={"smic": {"s01/s01_ne_01": {"apex": 100000}}})
    assert (found.clips[0].apex, found.clips[0].skipped) == (None, 0)
    assert any(d.reason.startswith("apex 100000 has no picture: read as no apex") for d in found.discrepancies)
    assert found.overrides == {"s01/s01_ne_01": {"apex": 100000}}


def test_an_onset_given_beyond_the_files_drops_the_clip(tmp_path):
    release(tmp_path / "HS")
    path = tmp_path / "overrides.yaml"
    path.write_text("smic:\n  s01/s01_ne_01: {onset: 99000}\n")
    assert dropped(read_smic(tmp_path, overrides=path)) == {
        "s01/s01_ne_01": "missing frames 99000-99997 of 99000-100002"
    }


def test_contradicting_and_empty_and_doubled_folders_are_dropped_with_their_reason(tmp_path):
    hs = release(tmp_path / "HS")
    write_frames(hs / "s2" / "micro" / "positive" / "s2_ne_01", range(5), "image{:06d}.bmp")
    write_frames(hs / "s3" / "micro" / "positive" / "s3_po_01", [], "")
    write_frames(hs / "s01" / "micro" / "negative" / "s1_ne_01", range(5), "image{:06d}.bmp")
    reasons = dropped(read_smic(tmp_path))
    assert reasons["s02/s02_ne_01"] == "lies in 'positive' of s02, where names begin with s02_po_"
    assert reasons["s03/s03_po_01"] == "folder without images"
    assert reasons["s01/s01_ne_01"].startswith("duplicate key: folders ")
    assert len(reasons) == 3


def test_overrides_take_the_emotions_of_smic_and_no_others(tmp_path):
    release(tmp_path / "HS")
    found = read_smic(tmp_path, overrides={"smic": {"s01/s01_ne_01": {"emotion": "Positive"}}})
    assert found.clips[0].emotion == "positive"
    with pytest.raises(MerjaxError, match="sets emotion to 'disgust'; expected one of negative, positive, surprise"):
        read_smic(tmp_path, overrides={"smic": {"s01/s01_ne_01": {"emotion": "disgust"}}})


def test_overrides_can_give_an_apex(tmp_path):
    release(tmp_path / "HS")
    path = tmp_path / "overrides.yaml"
    path.write_text("smic:\n  s01/s01_ne_01: {apex: 100000}\n")
    assert [clip.apex for clip in read_smic(tmp_path, overrides=path).clips] == [100000, None, None]


@pytest.mark.parametrize(
    ("top", "start"),
    [
        ("SMIC-E_raw image/HS_long/SMIC-HS-E", ""),
        ("SMIC-E_raw image/HS_long/SMIC-HS-E", "SMIC-E_raw image/HS_long/SMIC-HS-E"),
        ("SMIC_E_raw_image/HS_long/SMIC_HS_E", ""),
        ("renamed/HS", ""),
    ],
)
def test_the_long_release_is_named_as_another_product(tmp_path, top, start):
    write_frames(tmp_path / top / "s03" / "s3_sur_01", range(5), "image{:06d}.jpg")
    with pytest.raises(MerjaxError, match=r"this is SMIC-E, .*cut differently and cannot give the 164"):
        read_smic(tmp_path / start)


def test_the_long_release_beside_the_short_one_does_no_harm(tmp_path):
    release(tmp_path / "SMIC_all_raw" / "HS")
    write_frames(tmp_path / "SMIC-E_raw image" / "HS_long" / "SMIC-HS-E" / "s03" / "s3_sur_01", range(5), "image{}.jpg")
    assert len(read_smic(tmp_path).clips) == 3


def test_empty_clip_folders_are_not_taken_for_the_long_release(tmp_path):
    write_frames(tmp_path / "HS" / "s3" / "micro" / "negative" / "s3_ne_01", [], "")
    with pytest.raises(MerjaxError, match="there are 1 clip folders but no"):
        read_smic(tmp_path)
