"""A video that is measured in pieces has the motion of one that is measured as a whole."""

from functools import partial

import numpy as np
import pytest
from support.recordings import SKIN, know_faces, write_film

from merjax.datasets.long_videos import LongVideo
from merjax.faces.following import Seen
from merjax.faces.region_motion import PLACES, Measured
from merjax.faces.regions import REGIONS
from merjax.stores import motion_preparation
from merjax.stores.motion_pieces import folder_of_piece, pieces_of, put_together
from merjax.stores.motion_preparation import prepare_motion_store
from merjax.stores.motion_store import SIDE
from merjax.stores.motion_writing import GrowingArray
from merjax.stores.video_motion import MeasuredPiece, MotionSettings, Piece, SeenStretch, summed_up

BLOCK, FRAMES = 4, 14
rng = np.random.default_rng(0)
PLACES_T, REGIONS_T, NOSE_T, HEAD_T = (
    rng.normal(size=(FRAMES, *size)).cumsum(0) for size in ((len(PLACES), 2), (len(REGIONS), 2), (2,), (2,))
)


def seen(first: int, last: int, away: float = 0.0) -> list[Seen]:
    """What is seen of the face from one frame to another by a piece that begins there, whose crop is placed elsewhere."""
    steps = []
    for t in range(first, last + 1):
        begun = first if t == first else first + (t - 1 - first) // BLOCK * BLOCK
        moved = Measured(*(own[t] - own[begun] for own in (PLACES_T, REGIONS_T, NOSE_T)))
        points = np.full((68, 2), float(t)) if (t - first) % BLOCK == 0 else None
        steps.append(Seen(t == first, points, moved, HEAD_T[t] + away, np.zeros((0, 0), np.uint8)))
    return steps


def together(folder, pieces, measured):
    for n, piece in enumerate(measured):
        folder_of_piece(folder, n).mkdir(parents=True)
        with GrowingArray(folder_of_piece(folder, n), "crops") as crops:
            for number in piece.numbers:
                crops.add(np.full((SIDE, SIDE), number + 1, np.uint8))
    whole = put_together(folder, pieces, measured)
    assert not [*folder.glob("piece*")]
    return whole, np.load(folder / "crops.npy")[:, 0, 0].tolist()


@pytest.mark.parametrize("joint", [8, 6])  # where a block of the piece before ends, and within one
def test_motion_is_added_up_over_the_joint(tmp_path, joint):
    pieces = [Piece(0, joint), Piece(joint, None)]
    measured = [
        MeasuredPiece([SeenStretch(0, seen(0, joint))], [*range(joint + 1)]),
        MeasuredPiece([SeenStretch(0, seen(joint, FRAMES - 1, away=5.0))], [*range(joint, FRAMES)]),
    ]
    whole, crops = together(tmp_path, pieces, measured)
    [(first, steps)] = whole.stretches
    summed = summed_up(steps)
    assert (first, whole.numbers, crops) == (0, [*range(FRAMES)], [*range(1, FRAMES + 1)])
    np.testing.assert_allclose(summed.places, PLACES_T - PLACES_T[0], atol=1e-12)
    np.testing.assert_allclose(summed.regions, REGIONS_T - REGIONS_T[0], atol=1e-12)
    np.testing.assert_allclose(summed.nose, NOSE_T - NOSE_T[0] + HEAD_T, atol=1e-12)
    assert [t for t, step in enumerate(steps) if step.points is not None] == sorted({0, 4, joint, joint + 4})
    assert [step.new for step in steps] == [True] + [False] * (FRAMES - 1)


def test_between_two_faces_and_around_a_lost_one_there_is_a_gap(tmp_path):
    pieces, numbers = [Piece(0, 6), Piece(6, None)], [[*range(7)], [*range(6, FRAMES)]]
    for case, before, after, expected, gaps in (
        ("another face", (0, 0, 6), (0, 6, 13, 100.0), [(0, 5), (6, 8)], [5]),
        ("lost before", (0, 0, 3), (0, 6, 13), [(0, 4), (6, 8)], [4, 5]),
        ("lost on the joint", (0, 0, 5), (0, 6, 13), [(0, 6), (6, 8)], []),
        ("found later", (0, 0, 6), (2, 8, 13), [(0, 6), (8, 6)], [6, 7]),
    ):
        measured = [
            MeasuredPiece([SeenStretch(start, seen(*ends))], own)
            for (start, *ends), own in zip((before, after), numbers, strict=True)
        ]
        whole, crops = together(tmp_path / case, pieces, measured)
        assert [(s.first, len(s.seen)) for s in whole.stretches] == expected, case
        assert [t for t, crop in enumerate(crops) if crop == 0] == gaps, case


def test_pieces_are_of_whole_blocks_and_cover_the_video(tmp_path):
    film = write_film(tmp_path / "film.avi", [SKIN] * 26)
    video = LongVideo("own", "anna", "film", film, 30.0)
    settings = MotionSettings(window=0.4, pieces=3)  # blocks of 6
    assert pieces_of(video, settings) == [Piece(0, 12), Piece(12, 24), Piece(24, None)]
    assert pieces_of(video, MotionSettings(window=0.4)) == [Piece(0, None)]
    assert pieces_of(LongVideo("own", "anna", "film", film, 120.0), settings)[:2] == [Piece(0, 6), Piece(6, None)]


def test_a_store_of_pieces_is_that_of_the_whole_video(tmp_path, monkeypatch):
    know_faces(monkeypatch)
    monkeypatch.setattr(motion_preparation, "MotionSettings", partial(MotionSettings, window=0.4))  # blocks of 6
    pictures = [np.roll(SKIN, max(0, n - 5) // 3, 0) for n in range(11)]
    video = LongVideo("own", "anna", "film", write_film(tmp_path / "film.avi", pictures), 30.0)
    whole = prepare_motion_store([video], tmp_path / "whole")
    pieces = prepare_motion_store([video], tmp_path / "pieces", pieces=2)
    assert "pieces" not in whole.settings
    assert pieces.settings["pieces"] == 2
    for name in ("numbers", "windows"):
        np.testing.assert_array_equal(pieces.array(pieces.videos[0], name), whole.array(whole.videos[0], name))
    for name, most in (("regions", 0.05), ("signals", 0.05), ("crops", 0)):
        own, other = (np.asarray(store.array(store.videos[0], name), float) for store in (pieces, whole))
        assert np.abs(own - other).max() <= most, name
    assert pieces.videos[0].gaps == whole.videos[0].gaps
