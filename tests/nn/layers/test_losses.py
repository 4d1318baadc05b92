"""Focal loss and class weights (Sec. 3.2) against optax, hand-computed values and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from merjax.nn.layers.losses import binary_focal_loss, focal_loss, several_focal_loss, several_right

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
    def focal(logits):
        return focal_loss(logits, LABEL_B, jnp.ones(3), 0.0)

    def cross_entropy(logits):
        return optax.softmax_cross_entropy_with_integer_labels(logits, LABEL_B)

    np.testing.assert_allclose(focal(LOGITS_BxK), cross_entropy(LOGITS_BxK), rtol=1e-6)
    gradients = (jax.grad(lambda logits, f=f: f(logits).sum())(LOGITS_BxK) for f in (focal, cross_entropy))
    np.testing.assert_allclose(*gradients, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_gradient_is_finite_where_the_model_is_certain(gamma):
    logits_BxK = jnp.array([[0.0, -1e4], [-1e4, 0.0], [0.0, 0.0]])
    for smoothing in (0.0, 0.1):
        gradient_BxK = jax.grad(lambda z, s=smoothing: focal_loss(z, jnp.zeros(3, int), jnp.ones(2), gamma, s).sum())(
            logits_BxK
        )
        assert jnp.isfinite(gradient_BxK).all()
    assert not jax.grad(lambda z: focal_loss(z, jnp.zeros(3, int), jnp.ones(2), gamma).sum())(logits_BxK)[0].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_class_switched_off_changes_nothing(smoothing):
    def loss(logits, alpha):
        return focal_loss(logits, LABEL_B, alpha, 2.0, smoothing).sum()

    off_BxK = jnp.concatenate([LOGITS_BxK, jnp.full((4, 2), -jnp.inf)], axis=1)
    wide = jax.value_and_grad(loss)(off_BxK, jnp.concatenate([ALPHA_K, jnp.ones(2)]))
    narrow = jax.value_and_grad(loss)(LOGITS_BxK, ALPHA_K)
    np.testing.assert_allclose(wide[0], narrow[0], rtol=1e-6)
    np.testing.assert_allclose(wide[1][:, :3], narrow[1], atol=1e-6)
    assert not wide[1][:, 3:].any()


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

    def ours(logits):
        return binary_focal_loss(logits, LABEL_B, ALPHA_K, gamma, smoothing)

    np.testing.assert_allclose(ours(LOGITS_BxK), plain(LOGITS_BxK), rtol=1e-5)
    gradient_BxK = jax.grad(lambda logits: ours(logits).sum())(LOGITS_BxK)
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        slope_B = (plain(np.float64(LOGITS_BxK) + step) - plain(np.float64(LOGITS_BxK) - step)) / 2e-6
        np.testing.assert_allclose(gradient_BxK[:, k], slope_B, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.5, *(pytest.param(gamma, marks=pytest.mark.long) for gamma in (0.0, 2.0))])
def test_binary_focal_loss_has_a_finite_gradient_where_the_model_is_certain(gamma):
    logits_BxK = jnp.array([[0.0, -80.0, -90.0], [-60.0, 0.0, -60.0], [0.0, 0.0, 0.0]])
    value_B, transpose = jax.vjp(lambda z: binary_focal_loss(z, jnp.zeros(3, int), jnp.ones(3), gamma), logits_BxK)
    assert jnp.isfinite(value_B).all()
    assert jnp.isfinite(transpose(jnp.ones(3))[0]).all()


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
    off_BxK = jnp.concatenate([LOGITS_BxK, jnp.full((4, 1), -jnp.inf)], axis=1)
    alpha = jnp.concatenate([ALPHA_KX2, jnp.zeros((1, 2))])
    np.testing.assert_allclose(
        several_focal_loss(off_BxK, SEVERAL_B, alpha, 2.0), several_focal_loss(LOGITS_BxK, SEVERAL_B, ALPHA_KX2, 2.0)
    )
    certain_BxK = jnp.array([[1e4, -1e4], [-1e4, 1e4]])
    for gamma in (0.0, 0.5, 2.0):
        gradient = jax.grad(lambda z, g=gamma: several_focal_loss(z, jnp.array([1, 1]), jnp.ones((2, 2)), g).sum())
        assert jnp.isfinite(gradient(certain_BxK)).all()


def test_the_share_of_classes_that_are_answered_right():
    """Answers 101, 010, 011 and 111, the first class first, against 000, 101, 010 and 111; a class switched off does not
    count."""
    off_BxK = jnp.concatenate([LOGITS_BxK, jnp.full((4, 1), -jnp.inf)], axis=1)
    for logits_BxK in (LOGITS_BxK, off_BxK):
        np.testing.assert_allclose(several_right(logits_BxK, SEVERAL_B), [1 / 3, 0, 2 / 3, 1], rtol=1e-6)
