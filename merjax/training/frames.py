"""Which frames of a clip the networks see: a config's `data.frames`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int

from merjax.config import Config
from merjax.datasets.clip import apex_position
from merjax.system import values
from merjax.system.errors import MerjaxError

HALF = "half of all frames"
_HELP = 'write "all", "count:8" (8 frames, uniform), "fps:100" (equalised) or "apex:9" (9 frames around the apex)'


def select_frames(spec: str, index: pd.DataFrame) -> list[Int[np.ndarray, "T"]]:
    """Positions of the frames to use, per clip, in order; 0 is the onset.

    Args:
        spec: "all", every frame from onset to offset; "count:N", N frames evenly spaced from onset to offset (fewer if the
            clip is shorter); "fps:F", as a camera of F frames per second would have seen it; "apex:N", N frames around the
            apex.
        index: a row per clip, with n_frames, fps, onset and apex. A clip without frames (from ready flow images) has no
            positions.

    Raises:
        MerjaxError: the spec has another form, its frame rate is above a clip's own, or it asks for frames around the apex of
            a clip without apex.
    """
    kind, number = _parse(spec)
    return [_positions(kind, number, clip) for clip in index.itertuples()]


def counted_at(config: Config, index: pd.DataFrame) -> tuple[tuple[float, ...], str]:
    """The frame rates of clips, the slowest first, and the setting that counts frames, whatever time they last.

    Both are empty if no setting does, or if no rate is more than twice another: the composite of MEGC 2019, of 100 and 200
    frames per second, is trained in papers as it is.
    """
    kind, _ = _parse(config.data.frames)
    setting = f"data.frames: {config.data.frames}" if kind in ("count", "apex") else ""
    if kind == "all" and config.temporal.length:
        setting = f"temporal.length: {config.temporal.length}"
    rates = tuple(sorted({float(rate) for rate in index["fps"].dropna()})) if setting else ()
    return (rates, setting) if rates and rates[-1] > 2 * rates[0] else ((), "")


def half_of(frames: int, key: Sequence[int]) -> Int[np.ndarray, "half"]:
    """The numbers of a random half of the frames, in order; of an odd number, the smaller half.

    Args:
        frames: how many there are.
        key: from which the half is drawn.
    """
    return np.sort(np.random.default_rng(key).permutation(frames)[: frames // 2])


def trained_frames(trained_on: str, frames: int) -> int:
    """How many of the frames in use the spatial stage trains on, under `spatial.trained_on`.

    A fold's stage goes through all of them, and those that it holds out have no weight.
    """
    return frames // 2 if trained_on == HALF else frames


def _parse(spec: str) -> tuple[str, float]:
    kind, _, number = spec.replace(" ", "").partition(":")
    if kind == "all" and not number:
        return kind, 0
    try:
        value = values.number(number)
    except ValueError:
        value = 0
    if kind not in ("count", "fps", "apex") or value <= 0 or (kind != "fps" and value != int(value)):
        raise MerjaxError(f'data.frames is "{spec}"; {_HELP}')
    return kind, value


def _positions(kind: str, number: float, clip) -> np.ndarray:
    last = clip.n_frames - 1
    if kind == "all" or last < 0:
        return np.arange(clip.n_frames)
    if kind == "count":
        return np.unique(np.linspace(0, last, int(number)).round().astype(int))
    if kind == "fps":
        if number > clip.fps:
            raise MerjaxError(
                f"data.frames is fps:{number:g}, but {clip.database}/{clip.subject}/{clip.clip} has {clip.fps:g} fps"
            )
        return np.arange(0, last + 1e-9, clip.fps / number).round().astype(int)
    if pd.isna(clip.apex):
        raise MerjaxError(
            f"data.frames is apex:{number:g}, but {clip.database}/{clip.subject}/{clip.clip} has no apex in its release; "
            "use count:N instead"
        )
    first = int(np.clip(apex_position(clip) - int(number) // 2, 0, max(last + 1 - int(number), 0)))
    return np.arange(first, min(first + int(number), last + 1))
