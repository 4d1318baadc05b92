"""A face followed from picture to picture of a long video, in memory that does not grow with its length.

Motion is measured from the first frame of a block of some seconds. Where the next block begins, landmarks are found anew and
the crop stays where the head has carried it, so that motion can be added up over blocks. The face is lost where a crop is too
unlike the block's first one; then it is looked for until it is found, and nothing is added up across this gap.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from merjax.faces.crops import Points
from merjax.faces.head_tracking import (
    PART,
    Placement,
    Reference,
    cut_crop,
    followed,
    in_crop,
    moved,
    pixels_per_unit,
    placed,
)
from merjax.faces.pictures import Image
from merjax.faces.region_motion import PLACES, Measured, Parts, measured, parts_of
from merjax.faces.regions import REGIONS

LIKE = 0.6  # the least correlation of a face's crop with that of its block's first frame
_STAYS, _ANOTHER = (
    20.0,
    64.0,
)  # px of a crop between landmarks that are found and those that were followed: see `_points`
_SCALES = (0.7, 1.4)  # of the head from one frame to the next
_STILL = Measured(np.zeros((len(PLACES), 2)), np.zeros((len(REGIONS), 2)), np.zeros(2))

Find = Callable[[Image, Points | None], Points | None]


class Seen(NamedTuple):
    """A face in a frame.

    Attributes:
        new: whether the face was found anew here, so that nothing can be said of its motion from earlier frames.
        points: the landmarks in pixels of the crop, where a block begins; None elsewhere.
        moved: its motion since the block's first frame; on this frame, since the block before.
        nose_at: where the head carries the tip of the nose, in pixels of the crop.
        crop: the face without the head's motion.
    """

    new: bool
    points: Points | None
    moved: Measured
    nose_at: Float[np.ndarray, "2"]
    crop: UInt8[np.ndarray, "side side"]


class _Block:
    """What motion is measured from."""

    def __init__(self, image: Image, placement: Placement, points: Points) -> None:
        self.points, self.frames = points, 1
        self.reference = Reference(cut_crop(image, placement), points)
        self.parts: Parts = parts_of(points, PART)


def follow(images: Iterable[Image], find: Find, block: int, retry: int, side: int) -> Iterator[Seen | None]:
    """What each picture shows of a face; None where it shows none that can be used.

    Args:
        images: gray pictures of one size.
        find: gives the landmarks of the face in a picture, of several the one closest to given ones, or None.
        block: frames from one set of landmarks to the next.
        retry: frames from one search to the next, while there is no face.
        side: of the crops that are given.
    """
    own: _Block | None = None
    placement, last, wait = np.eye(2, 3), None, 0
    unit, nose = 1.0, np.zeros(2)
    for image in images:
        if own is None:
            points = find(image, last) if wait == 0 else None
            wait = 0 if points is not None else (wait or retry) - 1
            if points is None:
                yield None
                continue
            placement, last = placed(points), points
            own = _Block(image, placement, in_crop(points, placement))
            unit, nose = pixels_per_unit(placement), own.points[30]
            yield Seen(True, own.points, _STILL, _nose_at(nose, placement, unit), cut_crop(image, placement, side))
            continue
        result = own.reference.followed(cut_crop(image, placement))
        scale = pixels_per_unit(result.head)
        if result.likeness < LIKE or not _SCALES[0] < scale < _SCALES[1]:
            own, wait = None, 0
            yield None
            continue
        placement = followed(placement, result.head)
        motion = measured(result.flow, result.head, own.parts, PART)
        found = None
        if own.frames == block:
            found = _points(find(image, moved(own.points, placement)), placement, own.points)
            if found is None:
                own, wait = None, 0
                yield None
                continue
            own, last = _Block(image, placement, found), moved(found, placement)
        else:
            own.frames += 1
        yield Seen(False, found, motion, _nose_at(nose, placement, unit), cut_crop(image, placement, side))


def _points(found: Points | None, placement: Placement, before: Points) -> Points | None:
    """A block's landmarks in its crop: those found, or those of the block before if no face was found where the head is.

    None where the face was found somewhat beside the place to which the head was followed: then it was not followed well.
    """
    points = before if found is None else in_crop(found, placement)
    away = float(np.median(np.linalg.norm(points - before, axis=1)))
    return points if away < _STAYS else None if away < _ANOTHER else before


def _nose_at(nose: Float[np.ndarray, "2"], placement: Placement, unit: float) -> Float[np.ndarray, "2"]:
    return moved(nose[None], placement)[0] / unit
