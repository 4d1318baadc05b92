"""What may have caused a false interval, as far as a video's signals tell."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from merjax.faces.regions import REGIONS
from merjax.stores.motion_store import MotionStore, StoredVideo

_NAMES = [region.name for region in REGIONS]
_EYES = [n for n, name in enumerate(_NAMES) if name.startswith("eye")]
_NOSE, _MOUTH = _NAMES.index("nose"), _NAMES.index("mouth")
_REST = [n for n in range(len(_NAMES)) if n not in (*_EYES, _NOSE, _MOUTH)]
_LIGHT = 6.0  # gray values by which the face becomes brighter or darker
_MUCH = 2.0  # times a video's usual value
_LID = 2.0  # px by which the upper lids go down in a blink, at least


class Signals(NamedTuple):
    """What is seen of a video beside its expressions.

    Attributes:
        motion_TxR: how far each region has moved in a tenth of a second, without the head; the nose's with the head; in px
            where the inner eye corners are 64 px apart.
        light_T: the mean gray value of the face.
        lid_T: how far down the upper lids are, in the same px, against some frame of the seconds around.
        fps: frames per second.
    """

    motion_TxR: Float[np.ndarray, "T R"]
    light_T: Float[np.ndarray, "T"]
    lid_T: Float[np.ndarray, "T"]
    fps: float


def signals_of(store: MotionStore, video: StoredVideo) -> Signals:
    """The signals of a stored video."""
    crops = store.array(video, "crops")
    light_T = np.array([float(crop[::4, ::4].mean()) for crop in crops])
    lid_T = np.zeros(len(crops))
    for first, motion in store.windows(video):
        lids_LxT = np.array(motion["lid"])
        lid_T[first : first + lids_LxT.shape[1]] = lids_LxT.mean(0)
    return Signals(np.linalg.norm(store.motion(video), axis=2).astype(float), light_T, lid_T, video.fps)


def likely_cause(signals: Signals, onset: int, offset: int) -> str:
    """What stands out between two stored frames: light, head, lids, the eyes alone or the mouth alone; "" if nothing does."""
    within = slice(onset, offset + 1)
    around = slice(max(0, onset - (offset - onset)), offset + 1)
    if np.ptp(signals.light_T[around]) > max(_LIGHT, _MUCH * _usual_change(signals, offset - onset)):
        return "light"
    usual_R = np.median(signals.motion_TxR, 0) + 1e-6
    times_R = signals.motion_TxR[within].max(0) / usual_R
    if times_R[_NOSE] > _MUCH * max(times_R[_EYES + [_MOUTH]].max(), _MUCH):
        return "head motion"
    eyes, mouth, rest = times_R[_EYES].max(), times_R[_MOUTH], times_R[_REST].max()
    if np.ptp(signals.lid_T[within]) > _LID and eyes > mouth:
        return "blink"
    if eyes > _MUCH * max(mouth, rest):
        return "gaze: the eyes alone move"
    if mouth > _MUCH * eyes:
        return "speech: the mouth alone moves"
    return "head motion" if times_R[_NOSE] > 2 * _MUCH else ""


def _usual_change(signals: Signals, length: int) -> float:
    """How much the light usually changes in so many frames."""
    step = max(1, length)
    return (
        float(np.median(np.abs(signals.light_T[step:] - signals.light_T[:-step])))
        if len(signals.light_T) > step
        else 0.0
    )
