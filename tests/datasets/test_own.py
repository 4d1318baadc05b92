"""A user's own list of clips: folders of frames and videos, several clips in one, names, frame rates and what is left out."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.placeholder_releases import write_frames, write_sheet

from merjax.datasets import index_of, read_own
from merjax.faces.pictures import read_image
from merjax.system.errors import MerjaxError

HEADER = ("path", "subject", "onset", "apex", "offset", "label", "fps", "database")
FRAMES = 20


def listed(folder: Path, *rows, header=HEADER, **how) -> Path:
    with (folder / "clips.csv").open("w", newline="", **{"encoding": "utf-8"} | how) as file:
        csv.writer(file, delimiter=";" if how else ",").writerows([header, *rows])
    return folder / "clips.csv"


@pytest.fixture
def lab(tmp_path):
    write_frames(tmp_path / "Anna 1", range(1, 30), "frame{:04d}.png")
    write_frames(tmp_path / "ben" / "c1", range(100, 120), "{}.jpg")
    write_frames(tmp_path / "carl" / "c1", range(12), "c_{}.bmp")
    return tmp_path


def film(path: Path, frames: int = FRAMES) -> Path:
    """A video whose frames get brighter, by 10 gray values each."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (48, 32))
    for n in range(frames):
        writer.write(np.full((32, 48, 3), 20 + 10 * n, np.uint8))
    writer.release()
    return path


def told(releases):
    return [d.reason for release in releases for d in release.discrepancies]


def test_clips_of_folders_have_the_frames_that_the_list_names(lab):
    (release,) = read_own(
        listed(
            lab,
            ("Anna 1", "anna", 5, 8, 12, " Tense  Smile", "60", ""),
            ("ben/c1", "ben", 100, "", 109, "neutral", "29,97", ""),
            (str(lab / "carl" / "c1"), "carl", "", 4, "", "tense smile", 200, ""),
        )
    )
    anna, ben, carl = release.clips
    assert [clip.key for clip in release.clips] == ["own/anna/Anna 1", "own/ben/c1", "own/carl/c1"]
    assert [path.name for path in anna.frames] == [f"frame{n:04d}.png" for n in range(5, 13)]
    assert (anna.emotion, anna.onset, anna.apex, anna.offset, anna.fps) == ("tense smile", 5, 8, 12, 60.0)
    assert (ben.apex, ben.fps, ben.n_frames) == (None, 29.97, 10)
    assert (carl.onset, carl.offset, carl.n_frames) == (0, 11, 12)
    assert told([release]) == [
        "1 clip without onset in the list: the first frame of the folder or video is taken",
        "1 clip without offset in the list: the last frame of the folder or video is taken",
    ]


def test_several_clips_of_one_folder_and_alike_names_of_several_are_told_apart(lab):
    (release,) = read_own(
        listed(
            lab,
            ("ben/c1", "b", 100, 103, 105, "x", 60, ""),
            ("ben/c1", "b", 107, 109, 110, "y", 60, ""),
            ("carl/c1", "b", 1, 2, 3, "x", 60, ""),
        )
    )
    assert [clip.key for clip in release.clips] == ["own/b/ben_c1@100", "own/b/ben_c1@107", "own/b/carl_c1"]
    assert [clip.frames[0].name for clip in release.clips] == ["100.jpg", "107.jpg", "c_1.bmp"]


def test_each_database_of_the_list_is_a_release(lab):
    found = read_own(
        listed(
            lab,
            ("ben/c1", "1", 100, 103, 105, "x", 60, "Lab 2021"),
            ("carl/c1", "1", 1, 2, 3, "x", 90, ""),
            ("Anna 1", "001", 1, 2, 3, "anger", 200, "SAMM"),
        )
    )
    assert [release.clips[0].key for release in found] == ["lab_2021/1/c1", "own/1/c1", "samm/001/Anna 1"]
    assert index_of([clip for release in found for clip in release.clips])["fps"].tolist() == [60.0, 90.0, 200.0]
    assert "lab_2021 in " in repr(found[0])
    (namesake,) = told(found[:1])
    assert namesake.startswith("subject 1 stands in the databases lab_2021, own: taken for as many people")
    assert not any("subject 001" in reason for reason in told(found))
    corrections = {"own lab_2021": {"1/c1": {"apex": 104}}, "own": {"all": {"fps": 30}}, "casme2": {}}
    corrected = read_own(lab / "clips.csv", overrides=corrections)
    assert (corrected[0].clips[0].apex, corrected[1].clips[0].fps) == (104, 30.0)
    with pytest.raises(MerjaxError, match="names no clip of 'own lab_2012'; write .*; did you mean own lab_2021"):
        read_own(lab / "clips.csv", overrides={"own lab_2012": {}})
    (lab / "corrections.yaml").write_text("own lab_2012: {1/c1: {apex: 104}}\n")
    with pytest.raises(MerjaxError, match=r"corrections\.yaml: the list names no clip of 'own lab_2012'"):
        read_own(lab / "clips.csv", overrides=lab / "corrections.yaml")


def test_frames_of_a_video_are_those_of_the_file_and_decoded_in_any_order(lab):
    film(lab / "anna.avi")
    rows = (("anna.avi", "anna", 3, 5, 9, "x", "", ""), ("anna.avi", "anna", 12, "", "", "x", 100, ""))
    (release,) = read_own(listed(lab, *rows))
    by_onset = {clip.onset: clip for clip in release.clips}
    first, second = by_onset[3], by_onset[12]
    assert (first.name, first.fps, second.fps, second.offset) == ("anna@3", 25.0, 100.0, FRAMES - 1)
    assert any("says 100 fps, its video 25" in reason for reason in told([release]))
    for clip in (second, first, second):
        gray = [int(np.median(read_image(path))) for path in clip.frames]
        assert np.abs(np.array(gray) - (20 + 10 * np.arange(clip.onset, clip.offset + 1))).max() <= 2
    assert read_image(first.frames[2], "rgb").shape == (32, 48, 3)
    assert (read_image(first.frames[2]) == read_image(first.frames[2])).all()


def test_a_video_that_ends_before_it_says_so_is_told_by_frame(lab):
    path = film(lab / "cut.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    (release,) = read_own(listed(lab, ("cut.avi", "a", 0, 2, FRAMES - 1, "x", "", "")))
    (clip,) = release.clips
    assert read_image(clip.frames[0]).shape == (32, 48)
    with pytest.raises(MerjaxError, match="frame 19 of cut.avi cannot be read; the video is damaged, or ends before"):
        read_image(clip.frames[-1])


def test_a_list_may_be_a_workbook_or_have_semicolons_and_a_mark(lab):
    rows = (("ben/c1", "ben", 100, 103, 105, "x", 60, ""),)
    expected = read_own(listed(lab, *rows))[0].clips
    assert read_own(listed(lab, *rows, encoding="utf-8-sig"))[0].clips == expected
    assert read_own(write_sheet(lab / "clips.xlsx", [HEADER, *rows]))[0].clips == expected
    assert read_own(listed(lab, (rows[0][0].replace("/", "\\"), *rows[0][1:])))[0].clips == expected


def test_every_clip_that_is_left_out_has_its_row_and_reason(lab):
    (lab / "empty").mkdir()
    (lab / "broken.mp4").write_bytes(b"no video")
    rows = (
        ("ben/c1", "ben", 100, 103, 105, "x", 60, ""),
        ("ben/c2", "ben", 1, 2, 3, "x", 60, ""),
        ("empty", "ben", 1, 2, 3, "x", 60, ""),
        ("broken.mp4", "ben", 1, 2, 3, "x", 60, ""),
        ("gone.mp4", "ben", 1, 2, 3, "x", 60, ""),
        ("ben/c1", "", 1, 2, 3, "", 60, ""),
        ("carl/c1", "carl", 1, "soon", 3, "x", "fast", ""),
        ("carl/c1", "carl", 5, 6, 90, "x", 60, ""),
        ("carl/c1", "carl", "two", 6, 9, "x", 60, ""),
    )
    (release,) = read_own(listed(lab, *rows))
    assert [clip.key for clip in release.clips] == ["own/ben/c1"]
    left_out = {d.reason for d in release.discrepancies if d.dropped}
    assert left_out == {
        "'ben/c2' of row 3 of clips.csv does not exist; name a folder of frames, or a video (.mp4, .m4v, .mov, .avi, .mkv, "
        ".webm, .mpg, .mpeg, .wmv)",
        "'empty' of row 4 of clips.csv holds no .jpg, .jpeg, .bmp, .png file with a number in its name",
        "'broken.mp4' of row 5 of clips.csv cannot be read as a video; it is damaged, or of a kind that OpenCV does not know",
        "'gone.mp4' of row 6 of clips.csv does not exist",
        "subject and label are empty in row 7 of clips.csv",
        "there is no frame rate: give it in a column fps, or as fps by --overrides",
        "missing frames 12-90 of 5-90",
        "onset None and offset 9 are not an interval",
    }
    for cell in ("apex is 'soon' in row 8, column apex", "fps is 'fast' in row 8", "onset is 'two' in row 10"):
        assert any(reason.startswith(cell) for reason in told([release]))


@pytest.mark.parametrize(
    ("header", "row", "sentence"),
    [
        (HEADER[:5], ("ben/c1", "b", 1, 2, 3), "no sheet with the columns label"),
        (HEADER, ("ben/c1", "b", 1, 2, 3, "x", 60, "Labor Köln"), "database is 'Labor Köln' in row 2, column database"),
        (HEADER, ("ben/c1", "b", 1, 2, 3, "x", 60, "together"), "database is 'together'"),
        (
            HEADER,
            ("nowhere", "b", 1, 2, 3, "x", 60, ""),
            "no usable clip of own ('nowhere' of row 2 of clips.csv does not",
        ),
        (HEADER, ("", "b", 1, 2, 3, "x", 60, ""), "lists no clip (path is empty in row 2 of clips.csv)"),
    ],
)
def test_a_list_that_gives_no_clip_is_refused_with_the_place(lab, header, row, sentence):
    with pytest.raises(MerjaxError) as refusal:
        read_own(listed(lab, row, header=header))
    assert sentence in str(refusal.value)
    assert "clips.csv" in str(refusal.value)
