"""What happens in a made long video: expressions at known frames, and what a face does besides.

Besides expressions there are blinks, looks to the side, mouth motion as in speech, motion of the head in the picture's plane,
and light that changes: what spotters take for expressions. All of it is a script; it says nothing about people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from merjax.datasets.clip import Kind
from merjax.synthesis.movements import EXPRESSIONS, Movement, draw_movements
from merjax.system.errors import MerjaxError

Beside = Literal["blink", "gaze", "speech", "head", "light"]
BESIDE: tuple[Beside, ...] = get_args(Beside)

_SECONDS = {"micro": (0.25, 0.5), "macro": (0.8, 3.0)}  # from onset to offset
_APART = 1.0  # the least seconds between expressions, and before the first and after the last
_BLINK, _BLINK_EVERY, _BLINK_PEAK = (0.15, 0.3), (2.0, 6.0), 9.0
_GAZE, _GAZE_EVERY, _GAZE_PEAK = 0.05, (1.0, 4.0), 3.0
_SPEECH, _SPEECH_EVERY, _SPEECH_PEAK, _SYLLABLES = (1.0, 2.5), (6.0, 14.0), 5.0, (2.5, 4.5)
_NOD, _NOD_EVERY, _NOD_PIXELS, _SWAY_PIXELS, _SWAY_DEGREES = (0.6, 1.4), (7.0, 15.0), 6.0, 4.0, 1.0
_LAMP, _LAMP_EVERY, _LAMP_SHARE, _DAY_SHARE = 0.3, (8.0, 20.0), 0.05, 0.03


class Expression(NamedTuple):
    """One expression: its frames from the first of the video, 0; its largest displacement in px at d = 105."""

    kind: Kind
    emotion: str
    movements: tuple[Movement, ...]
    peak: float
    onset: int
    apex: int
    offset: int


class Event(NamedTuple):
    """Something that is no expression: what, and its first and last frame."""

    what: Beside
    onset: int
    offset: int


class Track(NamedTuple):
    """Movements whose strength changes over the video; at strength 1 the largest displacement is `peak` px at d = 105."""

    movements: tuple[Movement, ...]
    peak: float
    strength_T: Float[np.ndarray, "T"]


@dataclass(frozen=True)
class LongPlan:
    """How long videos are scripted.

    Attributes:
        seconds: length of a video.
        per_minute: how many expressions of each kind there are in a minute.
        peaks: range of the largest displacement of each kind, in px where the eyes are 105 px apart.
        emotions: emotions to draw from, see `merjax.synthesis.movements.EXPRESSIONS`.
        beside: what else happens.
    """

    seconds: float = 60.0
    per_minute: tuple[tuple[Kind, float], ...] = (("micro", 2.0), ("macro", 2.0))
    peaks: tuple[tuple[Kind, tuple[float, float]], ...] = (("micro", (1.5, 3.0)), ("macro", (4.0, 9.0)))
    emotions: tuple[str, ...] = ("happiness", "disgust", "surprise", "anger")
    beside: tuple[Beside, ...] = BESIDE


@dataclass(frozen=True)
class LongScript:
    """What happens in one video, frame by frame.

    Attributes:
        fps, frames: its rate and length.
        expressions: in order of time.
        events: what else happens, in order of time; the sway of the head and the drift of the light have no ends.
        tracks: all movements of the face, those of expressions among them.
        head_Tx3: where the head is: x and y in px at d = 105, and its angle in degrees.
        light_T: brightness, around 1.
    """

    fps: float
    frames: int
    expressions: tuple[Expression, ...]
    events: tuple[Event, ...]
    tracks: tuple[Track, ...] = field(repr=False)
    head_Tx3: Float[np.ndarray, "T 3"] = field(repr=False)
    light_T: Float[np.ndarray, "T"] = field(repr=False)


def script_video(plan: LongPlan, fps: float, rng: np.random.Generator, *, empty: bool = False) -> LongScript:
    """Draw what happens in a video.

    Args:
        plan: what to draw from.
        fps: frames per second.
        rng: all that is drawn depends on its state.
        empty: whether there are no expressions, only the rest.

    Raises:
        MerjaxError: the expressions do not fit into the video.
    """
    frames = round(plan.seconds * fps)
    expressions = () if empty else tuple(_expressions(plan, fps, frames, rng))
    tracks = [Track(e.movements, e.peak, _rise(frames, e.onset, e.apex, e.apex, e.offset)) for e in expressions]
    events: list[Event] = []
    for what, made in (("blink", _blinks), ("gaze", _gaze), ("speech", partial(_speech, expressions=expressions))):
        if what in plan.beside:
            track, own = made(frames, fps, rng)
            tracks.append(track)
            events += own
    head_Tx3, nods = _head(frames, fps, rng) if "head" in plan.beside else (np.zeros((frames, 3)), [])
    light_T, lamps = _light(frames, fps, rng) if "light" in plan.beside else (np.ones(frames), [])
    events = sorted([*events, *nods, *lamps], key=lambda event: event.onset)
    return LongScript(fps, frames, expressions, tuple(events), tuple(tracks), head_Tx3, light_T)


def _expressions(plan: LongPlan, fps: float, frames: int, rng: np.random.Generator) -> list[Expression]:
    peaks = dict(plan.peaks)
    kinds = [kind for kind, number in plan.per_minute for _ in range(round(number * plan.seconds / 60))]
    rng.shuffle(kinds)
    lengths = [round(rng.uniform(*_SECONDS[kind]) * fps) for kind in kinds]
    made = []
    for kind, length, onset in zip(kinds, lengths, _places(lengths, frames, round(_APART * fps), rng), strict=True):
        emotion = str(rng.choice(plan.emotions))
        units = EXPRESSIONS[emotion][rng.integers(len(EXPRESSIONS[emotion]))]
        apex = onset + round(rng.uniform(0.3, 0.6) * length)
        movements = draw_movements(units, rng)
        made.append(Expression(kind, emotion, movements, float(rng.uniform(*peaks[kind])), onset, apex, onset + length))
    return made


def _places(lengths: Sequence[int], frames: int, apart: int, rng: np.random.Generator) -> list[int]:
    """First frames of intervals that lie at random, in this order and so far apart."""
    spare = frames - sum(lengths) - apart * (len(lengths) + 1)
    if spare < 0:
        raise MerjaxError(
            f"{len(lengths)} expressions do not fit into a video of {frames} frames; make it longer, or ask for fewer"
        )
    before = np.sort(rng.integers(0, spare + 1, len(lengths)))
    return [int(before[n]) + apart * (n + 1) + sum(lengths[:n]) for n in range(len(lengths))]


def _rise(frames: int, onset: int, apex: int, held: int, offset: int) -> Float[np.ndarray, "T"]:
    """From 0 at the onset to 1 at the apex, held there, and back to 0 at the offset, as raised cosines."""
    phase = np.interp(np.arange(frames), [onset, apex, held + 1e-6, offset], [0, np.pi, np.pi, 2 * np.pi])
    return 0.5 * (1 - np.cos(phase))


def _times(
    frames: int, fps: float, every: tuple[float, float], lasting: tuple[float, float], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """First and last frames of events that come after pauses of some seconds."""
    times: list[tuple[int, int]] = []
    frame = 0.0
    while True:
        onset = frame + rng.uniform(*every) * fps
        frame = onset + max(2.0, rng.uniform(*lasting) * fps)
        if frame >= frames - 1:
            return times
        times.append((round(onset), round(frame)))


def _blinks(frames: int, fps: float, rng: np.random.Generator) -> tuple[Track, list[Event]]:
    times = _times(frames, fps, _BLINK_EVERY, _BLINK, rng)
    strength_T = np.zeros(frames)
    for onset, offset in times:
        strength_T += _rise(frames, onset, (onset + offset) // 2, (onset + offset) // 2, offset)
    return Track((Movement(45, "both", 1.0),), _BLINK_PEAK, strength_T), [Event("blink", *time) for time in times]


def _gaze(frames: int, fps: float, rng: np.random.Generator) -> tuple[Track, list[Event]]:
    times = _times(frames, fps, _GAZE_EVERY, (_GAZE, _GAZE), rng)
    looked_at = np.repeat([0.0, *rng.uniform(-1, 1, len(times))], 2)[1:-1]  # before and after each jump
    at = [frame for time in times for frame in time]
    strength_T = np.interp(np.arange(frames), at, looked_at) if times else np.zeros(frames)
    # both eyes to the subject's left; to the right where the strength is below 0
    both = (Movement(61, "left", 1.0), Movement(62, "right", 1.0))
    return Track(both, _GAZE_PEAK, strength_T), [Event("gaze", *time) for time in times]


def _speech(
    frames: int, fps: float, rng: np.random.Generator, expressions: Sequence[Expression]
) -> tuple[Track, list[Event]]:
    """Never while an expression lasts, which would not be known from it then."""
    free = [
        (onset, offset)
        for onset, offset in _times(frames, fps, _SPEECH_EVERY, _SPEECH, rng)
        if all(offset < e.onset - fps / 3 or onset > e.offset + fps / 3 for e in expressions)
    ]
    strength_T, seconds_T = np.zeros(frames), np.arange(frames) / fps
    for onset, offset in free:
        edge = min(round(0.2 * fps), (offset - onset) // 2)
        syllables_T = 0.5 * (1 - np.cos(2 * np.pi * rng.uniform(*_SYLLABLES) * (seconds_T - onset / fps)))
        strength_T += _rise(frames, onset, onset + edge, offset - edge, offset) * syllables_T
    return Track((Movement(26, "both", 1.0),), _SPEECH_PEAK, strength_T), [Event("speech", *time) for time in free]


def _head(frames: int, fps: float, rng: np.random.Generator) -> tuple[Float[np.ndarray, "T 3"], list[Event]]:
    largest = np.array([_SWAY_PIXELS, _SWAY_PIXELS, _SWAY_DEGREES])
    head_Tx3 = _sway(frames, fps, (0.05, 0.3), 3, rng) * largest
    nods = _times(frames, fps, _NOD_EVERY, _NOD, rng)
    for onset, offset in nods:
        way = rng.uniform(-1, 1, 3) * [_NOD_PIXELS, _NOD_PIXELS, _SWAY_DEGREES]
        nod_T = _rise(frames, onset, (onset + offset) // 2, (onset + offset) // 2, offset)
        head_Tx3 = head_Tx3 + nod_T[:, None] * way
    return head_Tx3, [Event("head", *nod) for nod in nods]


def _light(frames: int, fps: float, rng: np.random.Generator) -> tuple[Float[np.ndarray, "T"], list[Event]]:
    light_T = 1 + _DAY_SHARE * _sway(frames, fps, (0.02, 0.2), 1, rng)[:, 0]
    lamps = _times(frames, fps, _LAMP_EVERY, (_LAMP, _LAMP), rng)
    for onset, offset in lamps:
        light_T += rng.uniform(-1, 1) * _LAMP_SHARE * np.interp(np.arange(frames), [onset, offset], [0, 1])
    return light_T, [Event("light", *lamp) for lamp in lamps]


def _sway(
    frames: int, fps: float, hertz: tuple[float, float], ways: int, rng: np.random.Generator
) -> Float[np.ndarray, "T W"]:
    """Slow motion in each of some ways, at most 1 in size, and 0 at the first frame."""
    seconds_Tx1x1 = np.arange(frames)[:, None, None] / fps
    hertz_3xW, phase_3xW = rng.uniform(*hertz, (3, ways)), rng.uniform(0, 2 * np.pi, (3, ways))
    return (np.sin(2 * np.pi * hertz_3xW * seconds_Tx1x1 + phase_3xW) - np.sin(phase_3xW)).mean(1) / 2
