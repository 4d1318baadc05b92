"""Numbers fitted on a fold's training clips (class weights, mean and scale of the input), and the regions in use."""

from collections.abc import Sequence

import numpy as np

from merjax.config import Config
from merjax.faces.regions import FACE, REGIONS, Region
from merjax.protocols import Fold
from merjax.protocols.tasks import Task
from merjax.system.errors import MerjaxError
from merjax.system.values import number
from merjax.training.data import TrainingData


def region_mask(names: Sequence[str], streams: Sequence[Region]) -> np.ndarray:
    """1 for each stream that a list of region kinds or names includes, 0 for the others.

    Raises:
        MerjaxError: a name is neither a kind nor a region, or the list is empty.
    """
    known = {r.kind for r in REGIONS} | {r.name for r in REGIONS}
    for name in names:
        if name not in known:
            raise MerjaxError(f'regions: there is no region "{name}"; write any of {", ".join(sorted(known))}')
    if not names:
        raise MerjaxError(f"regions: the list is empty; write any of {', '.join(sorted(known))}")
    return np.array([s is FACE or s.kind in names or s.name in names for s in streams], np.float32)


def class_weights(alpha: str, count_K: np.ndarray) -> np.ndarray:
    """Focal loss's alpha per class (Sec. 3.2): by inverse frequency with mean 1, one number for all, or none.

    Raises:
        MerjaxError: alpha is anything else.
    """
    if alpha == "inverse":
        inverse = np.where(count_K > 0, 1 / np.maximum(count_K, 1), 0)
        return (inverse * (count_K > 0).sum() / inverse.sum()).astype(np.float32)
    try:
        value = 1.0 if alpha == "none" else float(number(alpha))
    except ValueError:
        value = 0.0
    if value <= 0:
        raise MerjaxError(f'loss.alpha is "{alpha}"; write "inverse", "none" or a number above 0')
    return np.full(len(count_K), value, np.float32)


def label_weights(alpha: str, label_N: np.ndarray, task: Task) -> np.ndarray:
    """Focal loss's alpha of training clips with these labels: per class `[K]`, see `class_weights`; or, where a clip may have
    several classes, per class of the clips without it and of those with it, `[K, 2]`."""
    with_K = task.members(label_N).sum(0)
    if not task.several:
        return class_weights(alpha, with_K)
    return np.stack([class_weights(alpha, np.array([len(label_N) - n, n])) for n in with_K])


def fitted_moments(data: TrainingData, fold: Fold, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale `[R, C]` of the input per stream and channel, from the fold's training frames; of symmetric scaling
    the same for all, so that 0 to 1 become -1 to 1."""
    if config.data.scaling == "symmetric":
        half_RxC = np.full((len(data.streams), data.channels), 0.5, np.float32)
        return half_RxC, half_RxC
    frames_N = data.length_N * fold.train_N
    mean_RxC, square_RxC = np.moveaxis(np.tensordot(frames_N / frames_N.sum(), data.moments_NxRxCx2, axes=1), -1, 0)
    scale_RxC = np.sqrt(np.maximum(square_RxC - mean_RxC**2, 1e-12))
    scale = scale_RxC if config.data.standardise else np.ones_like(scale_RxC)
    return mean_RxC.astype(np.float32), scale.astype(np.float32)
