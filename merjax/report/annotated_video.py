"""A recording with its found intervals drawn into it, as a video that browsers play."""

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from merjax.faces.pictures import first_of_clip, read_image
from merjax.models.own_video import Analysis, FoundInterval
from merjax.report.film_timeline import highest, length_of
from merjax.report.moving_points import LINES, MovingPoints
from merjax.stores.motion_store import SIDE
from merjax.stores.video_motion import NOSE
from merjax.system.errors import MerjaxError
from merjax.system.files import write_aside
from merjax.system.videos import is_video

Frame = UInt8[np.ndarray, "rows columns 3"]
_TICKS = 90_000  # a second: the times of frames are whole numbers of these
_CODING = {"crf": "20", "preset": "veryfast"}
_COLOURS = {"micro": (60, 140, 255), "macro": (230, 160, 60)}  # blue, green, red; seen on light and on dark
_INK, _GROUND = (235, 235, 235), (26, 24, 22)
_STRIP = 1 / 9  # of the height: the timeline at the lower edge
_SHARE = 0.85  # of the height above it: the square of the landmarks, below which a chin may reach
_MIXED = 0.75  # how much of the strip covers the picture


def write_annotated_video(analysis: Analysis, path: Path, *, faces: bool = True) -> None:
    """Write a recording with its intervals drawn into it: H.264 in an mp4 file, without sound.

    The video has the recording's size (an odd row or column is left out, since H.264 has none), its frames and their times.
    While an interval lasts, the picture has a frame in its kind's colour, and a label with the kind and the class. A strip on
    the lower edge shows the motion and the intervals of the whole recording, and the time. One frame is in memory at a time.

    Args:
        analysis: of the recording, whose source must still be there.
        path: of the video.
        faces: whether to show the recording; without, its landmarks on a plain ground.

    Raises:
        MerjaxError: PyAV is not installed, or the recording cannot be read.
    """
    try:
        import av
    except ImportError:
        raise MerjaxError("the annotated video needs PyAV: pip install 'merjax[video]'") from None
    write_aside(path, lambda aside: _encode(av, aside, analysis, faces))


def _encode(av: Any, path: Path, analysis: Analysis, faces: bool) -> None:
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream, drawing, last = None, None, -1
        for shown in _shown(analysis):
            rows, columns = (length // 2 * 2 for length in shown.image.shape[:2])
            if stream is None or drawing is None:
                stream = container.add_stream("libx264", rate=Fraction(analysis.fps).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt, stream.options = columns, rows, "yuv420p", _CODING
                stream.codec_context.time_base = Fraction(1, _TICKS)
                drawing = _Drawing(analysis, rows, columns, faces)
            drawn = drawing.frame(shown.number, np.ascontiguousarray(shown.image[:rows, :columns]))
            frame = av.VideoFrame.from_ndarray(drawn, format="bgr24")
            last = max(last + 1, round(shown.second * _TICKS))
            frame.pts, frame.time_base = last, Fraction(1, _TICKS)
            container.mux(stream.encode(frame))
        if stream is None:
            raise MerjaxError(f"{analysis.source} cannot be read any more; name the recording where it lies now")
        container.mux(stream.encode(None))


class _Shown(NamedTuple):
    """A frame of a recording: its number from 0, its time, and its picture in blue, green and red."""

    number: int
    second: float
    image: Frame


def _shown(analysis: Analysis) -> Iterator[_Shown]:
    """All frames that were analysed, one after the other, upright as the recording's rotation flag says."""
    if not is_video(analysis.source):
        _, bits = first_of_clip([analysis.picture(0)])
        for number in range(analysis.n_frames):
            image = read_image(analysis.picture(number), "rgb", bits)
            yield _Shown(number, number / analysis.fps, image[..., ::-1])
        return
    capture = cv2.VideoCapture(str(analysis.source))
    try:
        for number in range(analysis.n_frames):
            found, image = capture.read()
            if not found or image is None:
                return
            told = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield _Shown(number, told if told > 0 else number / analysis.fps, image)  # some files tell no times
    finally:
        capture.release()


class _Drawing:
    """Draws into frames of one size."""

    def __init__(self, analysis: Analysis, rows: int, columns: int, faces: bool) -> None:
        self._analysis, self._faces = analysis, faces
        self._seconds = length_of(analysis)
        self._high = max(24, int(rows * _STRIP)) // 2 * 2
        self._strip = _strip(analysis, self._high, columns)
        self._points = MovingPoints(analysis.store, analysis.video)
        self._size = max(9, rows // 24)  # px of letters
        self._label = lru_cache(8)(self._drawn_label)

    def frame(self, number: int, image: Frame) -> Frame:
        """One frame of the video, drawn over the recording's own."""
        if not self._faces:
            image = np.full_like(image, _GROUND)
            self._draw_points(image, number)
        current = [n for n, one in enumerate(self._analysis.intervals) if one.onset <= number <= one.offset]
        for n in current[:1]:
            one = self._analysis.intervals[n]
            thick = max(2, image.shape[0] // 80)
            cv2.rectangle(
                image, (0, 0), (image.shape[1] - 1, image.shape[0] - self._high - 1), _COLOURS[one.kind], 2 * thick
            )
        top = self._size // 2
        for n in current:
            label = self._label(n)[: image.shape[0] - top, : image.shape[1] - self._size]
            image[top : top + len(label), self._size : self._size + label.shape[1]] = label
            top += len(label) + 2
        self._draw_strip(image, self._analysis.seconds(number))
        return image

    def _draw_strip(self, image: Frame, second: float) -> None:
        part = image[-self._high :]
        part[:] = cv2.addWeighted(part, 1 - _MIXED, self._strip, _MIXED, 0)
        x = int(second / self._seconds * image.shape[1])
        part[:, max(0, x - 1) : x + 1] = (255, 255, 255)
        size = min(self._size, self._high // 2)
        right = x > image.shape[1] // 2  # the time stands on the side where there is room
        said = f"{second:.2f} s"
        wide = _width(said, size)
        cv2.putText(part, said, (x - wide - 4 if right else x + 4, size), _INK, cv2.FontFace("sans"), size)

    def _draw_points(self, image: Frame, number: int) -> None:
        frame = self._analysis.stored(number)
        window = self._points.window(frame)
        if window is None:
            cv2.putText(image, "no face", (self._size, 3 * self._size), _INK, cv2.FontFace("sans"), self._size)
            return
        room = image.shape[0] - self._high
        scale = _SHARE * min(room, image.shape[1]) / SIDE
        origin = np.array([(image.shape[1] - SIDE * scale) / 2, 0])
        points = (origin + scale * self._points.at(frame, window)) * 16
        for line in LINES:
            own = points[list(line)].round().astype(np.int32)
            cv2.polylines(image, [own], False, _INK, max(1, image.shape[0] // 240), cv2.LINE_AA, 4)

    def _drawn_label(self, n: int) -> Frame:
        one = self._analysis.intervals[n]
        said, pad = _said(self._analysis, one, n), self._size // 3
        label = np.full((self._size + 3 * pad, _width(said, self._size) + 2 * pad, 3), _GROUND, np.uint8)
        cv2.putText(label, said, (pad, self._size + pad), _INK, cv2.FontFace("sans"), self._size)
        return label


def _said(analysis: Analysis, one: FoundInterval, n: int) -> str:
    if not one.probability_K:
        return f"{n + 1}: {one.kind}"
    k = int(np.argmax(one.probability_K))
    return f"{n + 1}: {one.kind}, {analysis.classes[k]} {one.probability_K[k]:.2f}"


def _width(said: str, size: int) -> int:
    """How wide a text is, in px."""
    return int(cv2.getTextSize((1, 1), said, (0, 0), cv2.FontFace("sans"), size)[2])


def _strip(analysis: Analysis, rows: int, columns: int) -> Frame:
    """The timeline: the motion of the region that moves most, and the intervals above it."""
    strip = np.full((rows, columns, 3), _GROUND, np.uint8)
    seconds, bars = length_of(analysis), rows // 4
    motion_F = np.delete(analysis.motion_FxR, NOSE, axis=1).max(1)  # the head moves the nose
    line = highest(motion_F, max(1, len(motion_F) // columns))
    height_X = line[np.arange(columns) * len(line) // columns] / max(float(np.quantile(motion_F, 0.999)), 1e-6)
    for x, height in enumerate((np.clip(height_X, 0, 1) * (rows - bars - 2)).astype(int)):
        strip[rows - height :, x] = 150
    for one in analysis.intervals:
        first, last = (int(analysis.seconds(end) / seconds * columns) for end in (one.onset, one.offset))
        strip[1:bars, first : max(last, first + 1) + 1] = _COLOURS[one.kind]
    return strip
