"""Shares of the variance between a grid's trials, against sums of squares of linear models."""

import itertools

import numpy as np
import pytest

from merjax.scoring.importance import grid_order, variance_shares

GRID = {"rate": [1e-4, 1e-3, 1e-2], "gamma": [0, 2], "alpha": ["none", "inverse"]}
POINTS = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]


def explained(points, keys, score_T) -> float:
    """The variance that a linear model with one column per combination of the keys' values explains."""
    combined = [tuple(point[key] for key in keys) for point in points]
    design = np.array([[own == other for other in dict.fromkeys(combined)] for own in combined], float)
    fitted = design @ np.linalg.lstsq(design, score_T, rcond=None)[0]
    return float(np.var(fitted) / np.var(score_T))


def test_shares_of_axes_and_pairs_are_those_of_linear_models():
    rng = np.random.default_rng(0)
    points = [POINTS[i] for i in rng.permutation(len(POINTS))]
    axes, order = grid_order(points)
    score_T = rng.random(len(points))
    table = variance_shares(list(axes), order, score_T, score_T[:, None] + rng.normal(0, 0.1, (len(points), 50)))
    shares = table.set_index("axis")["share"]
    for one, other in itertools.combinations(axes, 2):
        alone = [explained(points, [key], score_T) for key in (one, other)]
        assert shares[one] == pytest.approx(alone[0])
        assert shares[f"{one} × {other}"] == pytest.approx(explained(points, [one, other], score_T) - sum(alone))
    third = 1 - shares.sum()
    assert third >= 0
    assert (table["low"] <= table["high"]).all()


def test_an_effect_of_one_axis_alone_has_the_whole_share():
    axes, order = grid_order(POINTS)
    score_T = np.array([0.3 + 0.1 * (point["gamma"] == 2) for point in POINTS])
    table = variance_shares(list(axes), order, score_T, score_T[:, None].repeat(3, 1))
    assert table.iloc[0].to_dict() == pytest.approx({"axis": "gamma", "share": 1, "low": 1, "high": 1})
    assert table["share"].sum() == pytest.approx(1)
    equal = variance_shares(list(axes), order, np.full(12, 0.5), np.full((12, 3), 0.5))
    assert equal["share"].isna().all()  # trials that score alike have no variance to share


def test_what_is_no_full_grid_is_told():
    assert grid_order(POINTS[1:]) is None
    assert grid_order(POINTS[1:] + POINTS[1:2]) is None
    assert grid_order([]) is None
    assert grid_order([{}]) is None
