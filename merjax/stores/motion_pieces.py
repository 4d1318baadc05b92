"""One long video measured by several processes: cut into pieces, each measured by itself, and put together again.

Where a piece begins, landmarks are found anew, as they are where a block begins. The piece before it is measured one frame
further. So the motion up to that frame is known, and the next piece's motion is added to it. The head's place is that of the
new landmarks; only in this a video in pieces differs from one that is measured as a whole. Pieces depend on the video, never on
the number of processes.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merjax.datasets.long_videos import LongVideo, pictures_of
from merjax.faces.frame_streams import every_nth
from merjax.stores.motion_store import SIDE
from merjax.stores.motion_writing import GrowingArray, rows_of
from merjax.stores.video_motion import WHOLE, MeasuredPiece, MotionSettings, Piece, SeenStretch, block_of
from merjax.system.videos import facts_of, is_video

_ANOTHER = 64.0  # px of a crop between the noses of two pieces in the same frame: then they follow different faces


def pieces_of(video: LongVideo, settings: MotionSettings) -> list[Piece]:
    """The pieces that a video is measured in, of whole blocks."""
    if settings.pieces == 1:
        return [WHOLE]
    every = every_nth(video.fps, settings.hertz)
    own = facts_of(video.frames).frames if is_video(video.frames) else len(pictures_of(video.frames, video.damaged))
    block = block_of(settings, video.fps / every)
    length = max(1, -(-own // (every * settings.pieces * block))) * block
    starts = [*range(0, max(1, -(-own // every)), length)]
    return [Piece(first, last) for first, last in zip(starts, [*starts[1:], None], strict=True)]


def folder_of_piece(folder: Path, number: int) -> Path:
    """Where a piece of a video is measured."""
    return folder / f"piece{number}"


def put_together(folder: Path, pieces: Sequence[Piece], measured: Sequence[MeasuredPiece]) -> MeasuredPiece:
    """What was seen in a whole video; its crops are written, and those of the pieces removed.

    Args:
        folder: of the video, in which the pieces' folders lie.
        pieces: its pieces.
        measured: what was seen in each of them.
    """
    whole = measured[0]
    for piece, own in zip(pieces[1:], measured[1:], strict=True):
        whole = _with_next(whole, own, piece.first)
    within = [range(s.first, s.first + len(s.seen)) for s in whole.stretches]
    with GrowingArray(folder, "crops") as crops:
        for n, piece in enumerate(pieces):
            place = folder_of_piece(folder, n)
            for frame, crop in zip(
                range(piece.first, piece.last or len(whole.numbers)), rows_of(place, "crops"), strict=False
            ):
                crops.add(crop if any(frame in one for one in within) else np.zeros((SIDE, SIDE), np.uint8))
            shutil.rmtree(place)
    return whole


def _with_next(before: MeasuredPiece, after: MeasuredPiece, first: int) -> MeasuredPiece:
    """A piece with the one that begins at a frame of it, the last that it has."""
    later = [SeenStretch(s.first + first, s.seen) for s in after.stretches]
    numbers = before.numbers[:first] + after.numbers
    earlier = before.stretches
    if not earlier or earlier[-1].first + len(earlier[-1].seen) <= first:  # no face there
        return MeasuredPiece(earlier + later, numbers)
    *earlier, last = earlier
    goes_on, there = last.seen[:-1], last.seen[-1]
    if later and later[0].first == first and goes_on:
        begins, *seen = later[0].seen
        away = there.nose_at - begins.nose_at
        if float(np.hypot(*away)) < _ANOTHER:
            joint = begins._replace(new=False, moved=there.moved, nose_at=there.nose_at)
            moved_on = [step._replace(nose_at=step.nose_at + away) for step in seen]
            return MeasuredPiece([*earlier, SeenStretch(last.first, [*goes_on, joint, *moved_on]), *later[1:]], numbers)
        goes_on = goes_on[:-1]  # a gap between two faces, so that nothing is added up across it
    return MeasuredPiece([*earlier, *([SeenStretch(last.first, goes_on)] if goes_on else []), *later], numbers)
