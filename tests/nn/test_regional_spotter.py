"""The regional spotter: which frames and regions reach a score, and its layers in plain NumPy."""

import jax
import numpy as np

from merjax.nn.regional_spotter import CONTEXT, SCORES, RegionalSpotter, motion_channels
from merjax.system.jax_setup import compiler_options

RNG = np.random.default_rng(0)
FRAMES, REGIONS, UNITS = 160, 6, 4
X_BxTxRxC = RNG.normal(size=(1, FRAMES, REGIONS, 3)).astype(np.float32)
NETWORK = RegionalSpotter(UNITS)


def weights():
    shapes = jax.eval_shape(lambda: NETWORK.init(jax.random.key(0), X_BxTxRxC, 0.0, None))["params"]
    return jax.tree.map(lambda leaf: (RNG.normal(size=leaf.shape) * 0.3).astype(np.float32), shapes)


PARAMS = weights()
SCORED = jax.jit(lambda x: NETWORK.apply({"params": PARAMS}, x, 0.5, None), compiler_options=compiler_options())


def dilated(x_TxC, p, spread=1):
    width = p["kernel"].shape[0]
    padded = np.pad(x_TxC, ((width // 2 * spread,) * 2, (0, 0)))
    taps = [padded[i * spread : i * spread + len(x_TxC)] @ p["kernel"][i] for i in range(width)]
    return np.sum(taps, axis=0) + p["bias"]


def in_numpy(x_TxRxC):
    of_regions = []
    for r in range(REGIONS):
        own = jax.tree.map(lambda leaf, r=r: leaf[r].astype(float), PARAMS["regions"])
        y = dilated(x_TxRxC[:, r], own["in"])
        for spread in (1, 2, 4, 8, 16):
            y = y + dilated(np.maximum(y, 0), own[f"spread{spread}"], spread)
        of_regions.append(np.maximum(y, 0))
    together = np.maximum(dilated(np.concatenate(of_regions, 1), PARAMS["together"]), 0)
    return dilated(together, PARAMS["scores"])


def test_scores_are_those_of_its_layers_in_numpy():
    scores_TxS = np.asarray(SCORED(X_BxTxRxC)[0])
    assert scores_TxS.shape == (FRAMES, len(SCORES))
    np.testing.assert_allclose(scores_TxS, in_numpy(X_BxTxRxC[0].astype(float)), atol=1e-3)


def test_each_region_has_weights_of_its_own():
    assert jax.tree.leaves(PARAMS["regions"])[0].shape[0] == REGIONS


def test_a_score_depends_on_the_frames_within_the_context_and_on_no_other():
    changed = X_BxTxRxC.copy()
    changed[:, 80] += 1
    differs_T = (np.asarray(SCORED(changed)) != np.asarray(SCORED(X_BxTxRxC))).any((0, 2))
    assert (np.flatnonzero(differs_T)[0], np.flatnonzero(differs_T)[-1]) == (80 - CONTEXT, 80 + CONTEXT)


def test_motion_keeps_its_direction_and_large_motion_is_drawn_together():
    vectors = np.array([[3.0, 4.0], [0.0, -5.0]], np.float32)[None, None, None]
    small, large = (np.asarray(motion_channels(vectors * scale))[0, 0, 0] for scale in (1e-3, 1))
    np.testing.assert_allclose(small, [3e-3, 4e-3, 5e-3, 0, -5e-3, 5e-3], rtol=1e-2)
    np.testing.assert_allclose(large[:2] / large[2], [0.6, 0.8], rtol=1e-5)
    np.testing.assert_allclose(large[[2, 5]], np.log(6), rtol=1e-5)
    np.testing.assert_allclose(large[3:5] / large[5], [0, -1], atol=1e-5)
