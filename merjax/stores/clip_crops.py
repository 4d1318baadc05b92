"""One clip's crops: reads its frames, finds its regions on the first frame and cuts them out of all frames."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from merjax.datasets.clip import Clip
from merjax.faces import landmarks
from merjax.faces.crops import Colour, Image, Points, Warp, cut, read_image, region_boxes
from merjax.faces.flow import require
from merjax.faces.head_motion import head_motion
from merjax.stores.clip_motion import FlowSettings
from merjax.stores.store import CROPS, crop_shape
from merjax.system.errors import MerjaxError

Align = Literal["first", "frame"]


@dataclass(frozen=True)
class CropSettings:
    """How crops are made.

    Attributes:
        colour: "gray", or "rgb" for three channels.
        align: "first" keeps the boxes of the first frame's landmarks for all frames; "frame" lets them follow the head's
            rotation, scaling and translation (see `merjax.faces.head_motion`).
        flow: the motion to be computed from the crops, if any.
    """

    colour: Colour = "gray"
    align: Align = "first"
    flow: FlowSettings | None = None

    @property
    def channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def as_dict(self) -> dict[str, Any]:
        """The settings as the store keeps them; motion is among them only if it is computed."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def refuse_unknown_settings(settings: CropSettings) -> None:
    """Refuse settings with unknown values.

    Raises:
        MerjaxError: a value is unknown (the message names the known ones), or this OpenCV lacks the flow algorithm.
    """
    for name, known in (("colour", get_args(Colour)), ("align", get_args(Align))):
        if getattr(settings, name) not in known:
            raise MerjaxError(f"{name} is {getattr(settings, name)!r}; write {' or '.join(known)}")
    if settings.flow:
        require(settings.flow.algorithm)


def crop_clip(clip: Clip, settings: CropSettings, model: Path) -> tuple[Points, dict[str, np.ndarray]]:
    """Cut one clip's crops.

    Args:
        clip: the clip to read.
        settings: how to cut it.
        model: the 68-point landmark model, as `merjax.faces.landmarks.find_model` returns it.

    Returns:
        The 68 points (x, y) on its first frame, in pixels, and per crop `frames x height x width` (x 3 for RGB), uint8.

    Raises:
        MerjaxError: an image cannot be read or has another size, or the first frame shows no face.
    """
    first = read_image(clip.frames[0])  # always gray, so that crops in colour have the same boxes as those in gray
    points = landmarks.detect(first, model)
    if points is None:
        raise MerjaxError(f"dlib finds no face in {clip.frames[0].name}")
    boxes = region_boxes(points)
    crops = {r.name: np.empty((len(clip.frames), *crop_shape(r, settings.channels)), np.uint8) for r in CROPS}
    warps = [None] * len(clip.frames) if settings.align == "first" else _warps(clip, model)
    read = first if settings.colour == "gray" else None
    for t, (image, warp) in enumerate(zip(_images(clip, settings.colour, read), warps, strict=True)):
        for region in CROPS:
            crops[region.name][t] = cut(image, region, boxes[region.name], warp)
    return points, crops


def _warps(clip: Clip, model: Path) -> Sequence[Warp]:
    # The frames are read once more for this: all frames of a large clip would not fit into memory beside other workers'.
    points_Tx68x2 = landmarks.track(_images(clip, "gray"), model)
    assert points_Tx68x2 is not None  # a face was already found in the same first frame
    return list(head_motion(points_Tx68x2, clip.fps))


def _images(clip: Clip, colour: Colour, first: Image | None = None) -> Iterator[Image]:
    shape: tuple[int, ...] = ()
    for t, path in enumerate(clip.frames):
        image = first if t == 0 and first is not None else read_image(path, colour)
        shape = shape or image.shape
        if image.shape != shape:
            raise MerjaxError(
                f"{path.name} is {image.shape[1]}x{image.shape[0]} pixels, the first frame {shape[1]}x{shape[0]}"
            )
        yield image
