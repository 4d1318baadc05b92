"""Focal loss and class weights (Sec. 3.2) against optax, hand-computed values and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from merjax.nn.layers import losses
from merjax.nn.layers.losses import several_right

# as they are trained with, in one program each for all values of gamma and smoothing
focal_loss, binary_focal_loss, several_focal_loss = (
    jax.jit(f) for f in (losses.focal_loss, losses.binary_focal_loss, losses.several_focal_loss)
)
# of a loss summed over its samples, with respect to the scores
focal_gradient, binary_gradient, several_gradient = (
    jax.jit(jax.grad(lambda *inputs, f=f: f(*inputs).sum()))
    for f in (losses.focal_loss, losses.binary_focal_loss, losses.several_focal_loss)
)
LOGITS_BxK = jnp.array([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0], [-1.0, 0.2, 0.1], [5.0, 5.0, 5.0]])
LABEL_B = jnp.array([0, 2, 1, 1])
ALPHA_K = jnp.array([0.5, 1.0, 2.0])


def plain_focal_loss(logits, label, alpha, gamma, smoothing):
    """Eq. 5 as it is written, in float64."""
    p = np.exp(np.float64(logits))
    p /= p.sum(1, keepdims=True)
    y = np.eye(p.shape[1])[label] * (1 - smoothing) + smoothing / p.shape[1]
    return -(alpha * y * (1 - p) ** gamma * np.log(p)).sum(1)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_equation_5(gamma, smoothing):
    ours = focal_loss(LOGITS_BxK, LABEL_B, ALPHA_K, gamma, smoothing)
    plain = plain_focal_loss(LOGITS_BxK, np.asarray(LABEL_B), np.asarray(ALPHA_K), gamma, smoothing)
    np.testing.assert_allclose(ours, plain, rtol=1e-5)


def test_gamma_zero_is_the_cross_entropy():
    @jax.jit
    def cross_entropy(logits):
        loss_B, transpose = jax.vjp(
            lambda logits: optax.softmax_cross_entropy_with_integer_labels(logits, LABEL_B), logits
        )
        return loss_B, transpose(jnp.ones(len(LABEL_B)))[0]

    loss_B, gradient_BxK = cross_entropy(LOGITS_BxK)
    np.testing.assert_allclose(focal_loss(LOGITS_BxK, LABEL_B, np.ones(3), 0.0), loss_B, rtol=1e-6)
    np.testing.assert_allclose(focal_gradient(LOGITS_BxK, LABEL_B, np.ones(3), 0.0), gradient_BxK, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_gradient_is_finite_where_the_model_is_certain(gamma):
    logits_BxK = np.array([[0.0, -1e4], [-1e4, 0.0], [0.0, 0.0]])
    unsmoothed, smoothed = (
        np.asarray(focal_gradient(logits_BxK, np.zeros(3, int), np.ones(2), gamma, smoothing)) for smoothing in (0, 0.1)
    )
    assert np.isfinite(unsmoothed).all()
    assert np.isfinite(smoothed).all()
    assert not unsmoothed[0].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_class_switched_off_changes_nothing(smoothing):
    off_BxK = np.concatenate([LOGITS_BxK, np.full((4, 2), -np.inf)], axis=1)
    wide, narrow = (off_BxK, LABEL_B, np.array([*ALPHA_K, 1, 1])), (LOGITS_BxK, LABEL_B, ALPHA_K)
    np.testing.assert_allclose(focal_loss(*wide, 2.0, smoothing), focal_loss(*narrow, 2.0, smoothing), rtol=1e-6)
    gradient_BxK = np.asarray(focal_gradient(*wide, 2.0, smoothing))
    np.testing.assert_allclose(gradient_BxK[:, :3], focal_gradient(*narrow, 2.0, smoothing), atol=1e-6)
    assert not gradient_BxK[:, 3:].any()


def test_gamma_can_be_traced_and_vmapped():
    gammas = jnp.array([0.0, 1.0, 2.0])
    together = jax.jit(jax.vmap(lambda gamma: focal_loss(LOGITS_BxK, LABEL_B, ALPHA_K, gamma)))(gammas)
    alone = jnp.stack([focal_loss(LOGITS_BxK, LABEL_B, ALPHA_K, gamma) for gamma in (0.0, 1.0, 2.0)])
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("gamma", "smoothing"),
    [(2.0, 0.1), *(pytest.param(*pair, marks=pytest.mark.long) for pair in ((2, 0), (0, 0), (0.5, 0)))],
)
def test_binary_focal_loss_adds_up_one_class_against_the_others(gamma, smoothing):
    """As it is written, in float64; and its gradient against differences of that."""

    def plain(logits):
        p = np.exp(np.float64(logits))
        p /= p.sum(1, keepdims=True)
        y = np.eye(3)[np.asarray(LABEL_B)] * (1 - smoothing) + smoothing / 3
        terms = y * (1 - p) ** gamma * np.log(p) + (1 - y) * p**gamma * np.log(1 - p)
        return -np.asarray(ALPHA_K)[np.asarray(LABEL_B)] * terms.sum(1)

    settings = LABEL_B, ALPHA_K, float(gamma), float(smoothing)
    np.testing.assert_allclose(binary_focal_loss(LOGITS_BxK, *settings), plain(LOGITS_BxK), rtol=1e-5)
    gradient_BxK = np.asarray(binary_gradient(LOGITS_BxK, *settings))
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        slope_B = (plain(np.float64(LOGITS_BxK) + step) - plain(np.float64(LOGITS_BxK) - step)) / 2e-6
        np.testing.assert_allclose(gradient_BxK[:, k], slope_B, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, *(pytest.param(gamma, marks=pytest.mark.long) for gamma in (0.0, 2.0))])
def test_binary_focal_loss_has_a_finite_gradient_where_the_model_is_certain(gamma):
    logits_BxK = np.array([[0.0, -80.0, -90.0], [-60.0, 0.0, -60.0], [0.0, 0.0, 0.0]])
    for f in (binary_focal_loss, binary_gradient):
        assert np.isfinite(f(logits_BxK, np.zeros(3, int), np.ones(3), gamma)).all()


SEVERAL_B = jnp.array([0, 5, 2, 7])
ALPHA_KX2 = jnp.array([[0.5, 1.5], [1.0, 2.0], [1.0, 0.0]])


def plain_several_focal_loss(logits, label, alpha, gamma, smoothing):
    """One class after another, in float64."""
    loss_B = np.zeros(len(label))
    for k in range(logits.shape[1]):
        p = 1 / (1 + np.exp(-np.float64(logits[:, k])))
        y = (np.asarray(label) // 2**k % 2) * (1 - smoothing) + smoothing / 2
        loss_B -= alpha[k, 1] * y * (1 - p) ** gamma * np.log(p)
        loss_B -= alpha[k, 0] * (1 - y) * p**gamma * np.log(1 - p)
    return loss_B / logits.shape[1]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_several_classes_have_a_focal_loss_each(gamma, smoothing):
    ours = several_focal_loss(LOGITS_BxK, SEVERAL_B, ALPHA_KX2, gamma, smoothing)
    plain = plain_several_focal_loss(LOGITS_BxK, SEVERAL_B, np.asarray(ALPHA_KX2), gamma, smoothing)
    np.testing.assert_allclose(ours, plain, rtol=1e-5)


def test_without_focus_it_is_the_binary_cross_entropy_of_optax():
    truth_BxK = (np.asarray(SEVERAL_B)[:, None] // 2 ** np.arange(3) % 2).astype(np.float32)
    expected = optax.sigmoid_binary_cross_entropy(LOGITS_BxK, truth_BxK).mean(1)
    np.testing.assert_allclose(several_focal_loss(LOGITS_BxK, SEVERAL_B, jnp.ones((3, 2)), 0.0), expected, rtol=1e-6)


def test_a_class_switched_off_changes_no_loss_of_several_and_certainty_has_a_gradient():
    off_BxK = np.concatenate([LOGITS_BxK, np.full((4, 1), -np.inf)], axis=1)
    alpha = np.concatenate([ALPHA_KX2, np.zeros((1, 2))])
    np.testing.assert_allclose(
        several_focal_loss(off_BxK, SEVERAL_B, alpha, 2.0), several_focal_loss(LOGITS_BxK, SEVERAL_B, ALPHA_KX2, 2.0)
    )
    certain_BxK = np.array([[1e4, -1e4], [-1e4, 1e4]])
    for gamma in (0.0, 0.5, 2.0):
        assert np.isfinite(several_gradient(certain_BxK, np.array([1, 1]), np.ones((2, 2)), gamma)).all()


def test_the_share_of_classes_that_are_answered_right():
    """Answers 101, 010, 011 and 111, the first class first, against 000, 101, 010 and 111; a class switched off does not
    count."""
    off_BxK = np.concatenate([LOGITS_BxK, np.full((4, 1), -np.inf)], axis=1)
    for logits_BxK in (LOGITS_BxK, off_BxK):
        np.testing.assert_allclose(several_right(logits_BxK, SEVERAL_B), [1 / 3, 0, 2 / 3, 1], rtol=1e-6)
