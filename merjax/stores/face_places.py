"""Where to look for the face of a clip in which dlib finds none: at the place of other clips' faces, if these show that the
pictures are plainly crops of faces."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from merjax.datasets.clip import Clip, Release
from merjax.faces.face_boxes import FaceBox
from merjax.faces.landmarks import STEPS, Step


class Seen(NamedTuple):
    """What is known of a clip's first frame: its rows and columns, and the box of a face that dlib found in it, if any."""

    size: tuple[int, int]
    box: FaceBox | None


class Place(NamedTuple):
    """A box to look in, and the step that gave it."""

    step: Step
    box: FaceBox


def places_of(releases: Sequence[Release], seen: Mapping[int, Seen], lowest: Step) -> dict[int, list[Place]]:
    """The places to look in, for each clip without a face for which there are any, by its number.

    Args:
        releases: the releases; their clips are numbered through.
        seen: by number, what is known of each clip whose first frame could be read.
        lowest: the lowest step that may be taken.

    Returns:
        Per clip, first the box of the subject's other clips, if at least two were found and all of these at one place of
        pictures of one size. Then, if the release's pictures are crops of faces, the place that faces have in them.
    """
    places: dict[int, list[Place]] = {}
    first = 0
    for release in releases:
        numbers = range(first, first + len(release.clips))
        own = {release.clips[n - first]: seen[n] for n in numbers if n in seen}
        found = _places_in(own, release.root, STEPS[: STEPS.index(lowest) + 1])
        places |= {n: found[clip] for n, clip in zip(numbers, release.clips, strict=True) if found.get(clip)}
        first = numbers.stop
    return places


def _places_in(seen: Mapping[Clip, Seen], root: Path, allowed: Sequence[Step]) -> dict[Clip, list[Place]]:
    faces = {clip: one for clip, one in seen.items() if one.box is not None}
    usual = _usual_place([*faces.values()], _is_called_cropped(root, seen))
    places: dict[Clip, list[Place]] = {}
    for clip in seen.keys() - faces.keys():
        (rows, columns), places[clip] = seen[clip].size, []
        others = [one for other, one in faces.items() if other.subject == clip.subject]
        same_size = all(one.size == seen[clip].size for one in others)
        if "subject" in allowed and same_size and (box := _common_box(others)) is not None:
            places[clip].append(Place("subject", box))
        if "picture" in allowed and usual is not None:
            box = FaceBox(*(np.array(usual) * [columns, rows, columns, rows]).round().astype(int).tolist())
            places[clip].append(Place("picture", box))
    return places


_FEWEST_OF_SUBJECT, _FEWEST_OF_RELEASE = 2, 3
_SAME = 0.15  # of a box's side: faces at one place differ by less
_FILLS = 0.7  # a face's box over its picture's shorter side; in raw frames it is below .55, in face crops .8 and more
_MOST = 0.9  # of the faces of a release that is cropped fill their pictures


def _common_box(own: Sequence[Seen]) -> FaceBox | None:
    boxes = np.array([one.box for one in own], float)
    if len(boxes) < _FEWEST_OF_SUBJECT:
        return None
    middle = np.median(boxes, axis=0)
    if np.abs(boxes - middle).max() > _SAME * (middle[2] - middle[0]):
        return None
    return FaceBox(*middle.round().astype(int).tolist())


def _usual_place(faces: Sequence[Seen], called_cropped: bool) -> Sequence[float] | None:
    """Left, top, right and bottom of the faces of a cropped release, in widths and heights of their pictures; None if the
    release's pictures are not crops of faces, or nothing tells."""
    if len(faces) < _FEWEST_OF_RELEASE:
        return (0.0, 0.0, 1.0, 1.0) if called_cropped else None
    boxes, sizes = np.array([one.box for one in faces], float), np.array([one.size for one in faces], float)
    fill = (boxes[:, 2] - boxes[:, 0]) / sizes.min(1)
    if np.mean(fill >= _FILLS) < _MOST:
        return None
    return np.median(boxes / sizes[:, [1, 0, 1, 0]], axis=0).tolist()


def _is_called_cropped(root: Path, clips: Iterable[Clip]) -> bool:
    """Whether the release itself says so, as the folders `Cropped` of CASME II and `SMIC_all_cropped` do."""
    top = root.resolve()  # readers give frames below the folder that a link stands for
    below = {part for clip in clips for part in clip.frames[0].parent.parts[len(top.parts) :]}
    return any(_CROPPED.search(part) for part in (root.name, top.name, *below))


_CROPPED = re.compile(r"(?<![^\W\d_])cropped(?![^\W\d_])", re.IGNORECASE)  # not as a part of "uncropped"


def further_faces(clip: Clip, others: Sequence[Sequence[int]]) -> str:
    """The sentence about faces in a clip's first frame that were not taken."""
    at = "; ".join(f"{left}, {top}, {right - left + 1} px wide" for left, top, right, _ in others)
    return f"{clip.frames[0].name} shows more than one face: the largest was taken, and not the one at {at}"
