"""Reads picture files: the one function that all pictures come through, frames, portraits and flow images.

Depth, channels, emptiness and damage are judged here. A fault is told in one sentence that names the file.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16

from merjax.faces.video_frames import VideoReader
from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError
from merjax.system.videos import frame_in

Image = UInt8[np.ndarray, "rows columns *channels"]
Colour = Literal["gray", "rgb"]

DEPTHS = (8, 10, 12, 14, 16)  # bits that cameras give a value; files hold 8 or 16


class PictureError(MerjaxError):
    """A picture that cannot be used. The message is the file's name and `fault`, the rest of the sentence."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(path, fault)  # what it is made of, so that another process can be told of it
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return f"{self.path.name} {self.fault}"


def read_image(path: Path, colour: Colour = "gray", bits: int | None = None) -> Image:
    """Read a picture file as gray values, `rows x columns`, or as RGB, `rows x columns x 3`.

    A gray file gives three equal channels of RGB. Palettes and CMYK become colours. An alpha channel is left out, since a
    camera has none; in TIFF files it is refused, unless all is opaque. Of values that are wider than 8 bits, the upper 8 of the
    bits in use are kept.

    Args:
        path: the file, in any format that OpenCV reads, or a frame of a video, see `merjax.system.videos`.
        colour: "gray" or "rgb".
        bits: how many bits of each value are in use, as `first_of_clip` says for all frames of a clip; None for a picture that
            stands alone.

    Raises:
        PictureError: there is no such file; it is empty, damaged or cut off, or not a picture; its values have another range.
    """
    with at_work("reading", path):
        values = _values(path, colour)
    wide = values.dtype == np.uint16
    if bits is None:
        bits = _bits(_values(path, "rgb")) if wide else 8
    elif not wide and bits > 8:
        raise PictureError(path, f"holds values of 8 bits, other frames of the clip of {bits}")
    elif int(values.max()) >= 2**bits:
        raise PictureError(path, f"holds values up to {int(values.max())}, other frames of the clip have {bits} bits")
    return (values >> (bits - 8)).astype(np.uint8) if wide else values


def first_of_clip(paths: Sequence[Path]) -> tuple[Image, int]:
    """The first picture of a clip as gray values, and how many bits of each value the clip's pictures use.

    The number is 8, or for files of 16 bits the least of 8, 10, 12, 14 and 16 that holds the largest value of all of them. (A
    number for each picture would make a clip flicker.) Only for files of 16 bits are all pictures read for it.

    Raises:
        PictureError: a picture cannot be read.
    """
    with at_work("reading", paths[0]):
        first = _values(paths[0], "gray")
    if first.dtype == np.uint8:
        return first, 8
    bits = max(_bits(_values(path, "rgb")) for path in paths)
    return (first >> (bits - 8)).astype(np.uint8), bits


def holds_colours(path: Path) -> bool:
    """Whether a picture file has three channels, rather than one that is repeated.

    Raises:
        PictureError: it cannot be read.
    """
    image = _decoded(_content(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim == 2:
        return False
    # a gray PNG with an alpha channel is given as three equal channels and alpha
    return image.shape[2] == 3 or bool((image[..., :3] != image[..., :1]).any())


Values = UInt8[np.ndarray, "rows columns *channels"] | UInt16[np.ndarray, "rows columns *channels"]


_VIDEO = VideoReader()


def _values(path: Path, colour: Colour) -> Values:
    if (frame := frame_in(path)) is not None:
        return _values_in_video(path, *frame, colour)
    content = _content(path)
    # not IMREAD_COLOR_RGB: with it, OpenCV 5.0 mixes up the values of TIFF files of 16 bits
    kind = cv2.IMREAD_GRAYSCALE if colour == "gray" else cv2.IMREAD_COLOR
    image = _decoded(content, kind | cv2.IMREAD_ANYDEPTH)
    if content[:4].tobytes() in _TIFF and (whole := _decoded(content, cv2.IMREAD_UNCHANGED)) is not None:
        if whole.dtype not in (np.uint8, np.uint16):
            raise PictureError(path, f"holds values of the kind {whole.dtype}; save it with 8 or 16 bits a value")
        if whole.ndim == 3 and whole.shape[2] == 4 and whole[..., 3].min() < np.iinfo(whole.dtype).max:
            # OpenCV multiplies the colours of such a file by their alpha, and what is lost cannot be had back
            raise PictureError(path, "is a TIFF file with transparent parts; save it without its alpha channel")
    if image is None or image.size == 0:
        raise PictureError(path, "cannot be read as an image; it is damaged, cut off or of another kind")
    if image.dtype not in (np.uint8, np.uint16):
        raise PictureError(path, f"holds values of the kind {image.dtype}; save it with 8 or 16 bits a value")
    return image if colour == "gray" else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _values_in_video(path: Path, video: Path, number: int, colour: Colour) -> Values:
    with _silent():
        image = _VIDEO.frame(video, number)
    if image is None:
        raise PictureError(path, f"of {video.name} cannot be read; the video is damaged, or ends before")
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if colour == "gray" else cv2.COLOR_BGR2RGB)


_TIFF = (b"II*\0", b"MM\0*")


def _content(path: Path) -> UInt8[np.ndarray, "bytes"]:
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise PictureError(path, _UNREADABLE.get(error.errno, f"cannot be read ({error.strerror})")) from None
    except ValueError:
        raise PictureError(path, "is not a file name") from None
    if not content.size:
        raise PictureError(path, "cannot be read as an image; it is empty")
    return content


_UNREADABLE: dict[int | None, str] = {
    errno.ENOENT: "does not exist",
    errno.EISDIR: "is a folder and not an image",
    errno.EACCES: "cannot be read: there is no permission to",
    errno.ELOOP: "is a link that leads to itself",
}


def _decoded(content: UInt8[np.ndarray, "bytes"], flags: int) -> np.ndarray | None:
    with _silent():
        try:
            return cv2.imdecode(content, flags)
        except cv2.error:
            return None


@contextmanager
def _silent() -> Iterator[None]:
    """OpenCV itself says nothing on the terminal. The libraries below it may: libpng and libjpeg write a line about a damaged
    picture to the standard error, past OpenCV's log."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _bits(values: Values) -> int:
    largest = int(values.max())
    return next(bits for bits in DEPTHS if largest < 2**bits)
