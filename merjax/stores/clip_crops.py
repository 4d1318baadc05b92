"""One clip's crops: reads its frames, finds its regions on the first frame and cuts them out of all frames."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from merjax.datasets.clip import Clip
from merjax.faces import landmarks
from merjax.faces.crops import Warp
from merjax.faces.face_boxes import padding_of
from merjax.faces.geometries import Geometry, cutter
from merjax.faces.head_motion import head_motion
from merjax.faces.landmarks import STEPS, FoundFace, Step
from merjax.faces.pictures import Colour, Image, first_of_clip, read_image
from merjax.stores.arrays import CROPS, crop_shape
from merjax.stores.face_places import Place
from merjax.system.errors import MerjaxError

Align = Literal["first", "frame"]


@dataclass(frozen=True)
class CropSettings:
    """How crops are made.

    Attributes:
        colour: "gray", or "rgb" for three channels.
        align: "first" keeps the boxes of the first frame's landmarks for all frames; "frame" lets them follow the head's
            rotation, scaling and translation (see `merjax.faces.head_motion`).
        faces: the lowest step of finding a face that may be taken (see `merjax.faces.landmarks.FoundFace`).
        geometry: whose boxes the regions have (see `merjax.faces.geometries`).
    """

    colour: Colour = "gray"
    align: Align = "first"
    faces: Step = "picture"
    geometry: Geometry = "ours"

    @property
    def channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def as_dict(self) -> dict[str, Any]:
        """The settings of the pixels, as the store keeps them: the geometry only if it is the authors', so that a store of
        merjax's own has the hash that it always had."""
        said = {key: value for key, value in asdict(self).items() if key != "faces"}
        return {key: value for key, value in said.items() if (key, value) != ("geometry", "ours")}


def refuse_unknown_settings(settings: CropSettings) -> None:
    """Refuse settings with unknown values.

    Raises:
        MerjaxError: a value is unknown (the message names the known ones), or two do not go together.
    """
    known = {"colour": get_args(Colour), "align": get_args(Align), "faces": STEPS, "geometry": get_args(Geometry)}
    for name, values in known.items():
        if getattr(settings, name) not in values:
            raise MerjaxError(f"{name} is {getattr(settings, name)!r}; write {' or '.join(values)}")
    if settings.geometry == "authors" and settings.colour != "rgb":
        raise MerjaxError(
            "the authors' geometry is in colour; leave gray out, or prepare gray crops with --geometry ours"
        )
    if settings.geometry == "authors" and settings.align != "first":
        raise MerjaxError(
            "the authors' geometry keeps one box for the whole clip; leave --align frame out, or add --geometry ours"
        )


class NoFaceError(MerjaxError):
    """The first frame, of `size` rows and columns, shows no face."""

    def __init__(self, name: str, size: tuple[int, int], steps: Sequence[str]) -> None:
        super().__init__(name, size, steps)  # what it is made of, so that another process can be told of it
        self.name = name
        self.size = size
        self.steps = steps

    def __str__(self) -> str:
        return f"dlib finds no face in {self.name} (steps taken: {', '.join(self.steps)})"


class CroppedClip(NamedTuple):
    """One clip's crops, and what was found in its pictures.

    Attributes:
        face: the face on its first frame, with the 68 points (x, y) in pixels.
        size: rows and columns of its pictures.
        bits: how many bits of their values are in use.
        crops: by region name, `frames x height x width` (x 3 for RGB), uint8.
    """

    face: FoundFace
    size: tuple[int, int]
    bits: int
    crops: dict[str, np.ndarray]


def crop_clip(clip: Clip, settings: CropSettings, model: Path, places: Sequence[Place] = ()) -> CroppedClip:
    """Cut one clip's crops.

    Args:
        clip: the clip to read.
        settings: how to cut it.
        model: the 68-point landmark model, as `merjax.faces.landmarks.find_model` returns it.
        places: where to look for a face that dlib's detector does not find.

    Raises:
        NoFaceError: the first frame shows no face.
        MerjaxError: an image cannot be read or has another size, or the face gives no box.
    """
    # always gray, so that crops in colour have the same boxes as those in gray
    first, bits = first_of_clip(clip.frames)
    size = (first.shape[0], first.shape[1])
    face = _face(first, settings, model, places)
    if face is None:
        raise NoFaceError(clip.frames[0].name, size, _steps_taken(settings.faces, places))
    cutting = cutter(settings.geometry, face.points)
    crops = {r.name: np.empty((len(clip.frames), *crop_shape(r, settings.channels)), np.uint8) for r in CROPS}
    warps = [None] * len(clip.frames) if settings.align == "first" else _warps(clip, face, bits, model)
    read = first if settings.colour == "gray" else None
    for t, (image, warp) in enumerate(zip(_images(clip, settings.colour, bits, read), warps, strict=True)):
        for name, crop in cutting.crops(image, warp).items():
            crops[name][t] = crop
    return CroppedClip(face, size, bits, crops)


def _face(first: Image, settings: CropSettings, model: Path, places: Sequence[Place]) -> FoundFace | None:
    if not places:
        return landmarks.find_face(first, model, settings.faces)
    padding = padding_of(*first.shape[:2])  # these places were asked for because the detector found nothing
    faces = (landmarks.face_in_box(first, place.box, padding, model, place.step) for place in places)
    return next((face for face in faces if face is not None), None)


def _steps_taken(lowest: Step, places: Sequence[Place]) -> list[str]:
    looked = [step for step in ("sure", "faint") if STEPS.index(step) <= STEPS.index(lowest)]
    return [*looked, *(place.step for place in places)]


def _warps(clip: Clip, face: FoundFace, bits: int, model: Path) -> Sequence[Warp]:
    # The frames are read once more for this: all frames of a large clip would not fit into memory beside other workers'.
    return list(head_motion(landmarks.track(_images(clip, "gray", bits), face, model), clip.fps))


def _images(clip: Clip, colour: Colour, bits: int, first: Image | None = None) -> Iterator[Image]:
    shape: tuple[int, ...] = ()
    for t, path in enumerate(clip.frames):
        image = first if t == 0 and first is not None else read_image(path, colour, bits)
        shape = shape or image.shape
        if image.shape != shape:
            raise MerjaxError(
                f"{path.name} is {image.shape[1]}x{image.shape[0]} pixels, the first frame {shape[1]}x{shape[0]}"
            )
        yield image
