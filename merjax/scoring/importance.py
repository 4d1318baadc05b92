"""Which settings the scores of a grid's trials depend on: exact shares of the variance between trials."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from merjax.scoring.metrics import interval


def grid_order(settings: Sequence[Mapping[str, Any]]) -> tuple[dict[str, list[Any]], np.ndarray] | None:
    """The axes of a full grid with their values, and the number of the trial at each of its points.

    Args:
        settings: of each trial, the values of the settings that vary.

    Returns:
        None if the trials are no full grid: a combination of values is missing or occurs twice.
    """
    axes: dict[str, list[Any]] = {key: [] for key in (settings[0] if settings else {})}
    for own in settings:
        for key, values in axes.items():
            if own[key] not in values:
                values.append(own[key])
    shape = tuple(map(len, axes.values()))
    if not axes or int(np.prod(shape)) != len(settings):
        return None
    order = np.full(shape, -1)
    for number, own in enumerate(settings):
        order[tuple(values.index(own[key]) for key, values in axes.items())] = number
    return (axes, order) if (order >= 0).all() else None


def variance_shares(
    axes: Sequence[str], order: np.ndarray, score_T: Float[np.ndarray, "T"], draws_TxD: Float[np.ndarray, "T D"]
) -> pd.DataFrame:
    """The share of the variance between a full grid's trials that each axis and each pair of axes explains.

    This is the functional analysis of variance on all points of the grid, so nothing is estimated by a model: an axis explains
    the variance of its means over all other axes, a pair what its means add to those of its two axes. The shares of axes,
    pairs and higher interactions add up to 1. A part of each share is noise of the tested clips.

    Args:
        axes: names of the axes.
        order: see `grid_order`.
        score_T: the trials' scores.
        draws_TxD: the same on resampled subjects, for the intervals.

    Returns:
        A row per axis and pair, the largest first: axis ("a" or "a × b"), share, low and high (95 % over subjects).
    """
    values = np.concatenate([score_T[:, None], draws_TxD], axis=1)[order.ravel()].reshape(*order.shape, -1)
    dimensions = range(len(axes))
    centred = values - values.mean(axis=tuple(dimensions), keepdims=True)
    total = np.square(centred).mean(axis=tuple(dimensions))
    effects: dict[tuple[int, ...], np.ndarray] = {(i,): _mean_except(centred, (i,)) for i in dimensions}
    for i, j in itertools.combinations(dimensions, 2):
        effects[i, j] = _mean_except(centred, (i, j)) - effects[i,] - effects[j,]
    rows = []
    for members, effect in effects.items():
        variance = np.square(effect).mean(axis=tuple(dimensions))
        share_D = np.divide(variance, total, out=np.full_like(total, np.nan), where=total > 1e-15)
        low, high = interval(share_D[1:]) if np.isfinite(share_D[1:]).any() else (np.nan, np.nan)
        rows.append({"axis": " × ".join(axes[i] for i in members), "share": share_D[0], "low": low, "high": high})
    return pd.DataFrame(rows).sort_values("share", ascending=False, kind="stable", ignore_index=True)


def _mean_except(values: np.ndarray, kept: tuple[int, ...]) -> np.ndarray:
    others = tuple(i for i in range(values.ndim - 1) if i not in kept)
    return values.mean(axis=others, keepdims=True)
