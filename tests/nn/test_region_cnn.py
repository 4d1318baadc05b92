"""The spatial model is Eq. 2, or the simple CNN of Table 6, for one region and for six of different sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from merjax.faces.regions import FACE, REGIONS
from merjax.nn.region_cnn import NETWORKS, apply_regions, features_regions, init_regions
from merjax.nn.shallow_cnn import ShallowCNN, SpatialForm
from merjax.system.jax_setup import compiler_options

CLASSES_R = (3, 2, 4)
SIZES_R = ((16, 20), (15, 9), (8, 24))


def fast(f, **options):
    return jax.jit(f, compiler_options=compiler_options(), **options)


def images(sizes, channels=1, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(jnp.asarray(rng.random((channels, *size, batch)), jnp.float32) for size in sizes)


def drawn(classes_R, channels=1, network="shallow"):
    """Parameters as large as at the start, with biases that are not zero, so that a forgotten bias shows. NumPy draws them
    in no time, where XLA would first have to compile that."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: init_regions(jax.random.key(0), classes_R, channels, SpatialForm(network)))

    def draw(shape):
        inputs = np.prod(shape.shape[1:-1])  # 1 for a bias
        return jnp.asarray(rng.normal(size=shape.shape) * (0.05 if inputs == 1 else (2 / inputs) ** 0.5), jnp.float32)

    return jax.tree.map(draw, shapes)


@pytest.fixture(scope="module")
def params():
    """Three regions, with the network that compiles faster: what is proven for several regions holds for both."""
    return drawn(CLASSES_R, network="simple")


def region(params, r):
    return jax.tree.map(lambda leaf: leaf[r], params)


def plain_conv(x, layer):
    y = lax.conv_general_dilated(x, layer["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jax.nn.relu(y + layer["bias"])


def plain_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def plain_features(p, x_CxHxWxB, network="shallow"):
    """Eq. 2, or a plain stack in place of its convolutions, in plain lax, batch first and channels last."""
    conv, pool, x = plain_conv, plain_pool, x_CxHxWxB.transpose(3, 1, 2, 0)
    if network == "shallow":
        a = pool(conv(pool(conv(x, p["conv5"])), p["conv3"]))
        x = jnp.concatenate([pool(a), *(pool(conv(a, p[f"branches_{i}"])) for i in range(4))], axis=-1)
    else:
        for i in range(3):
            x = pool(conv(x, p[f"stack_{i}"]))
    x = x.mean((1, 2))
    for name in ("fc1024", "fc250", "fc20"):
        x = jax.nn.relu(x @ p[name]["kernel"] + p[name]["bias"])
    return x


def plain_scores(p, x_CxHxWxB, network="shallow"):
    return plain_features(p, x_CxHxWxB, network) @ p["out"]["kernel"] + p["out"]["bias"]


def test_parameter_count_is_the_papers():
    one = jax.eval_shape(ShallowCNN(3).init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 0.0, None)
    assert sum(leaf.size for leaf in jax.tree.leaves(one)) == 347_238 + 21 * 3
    assert all(leaf.shape[0] == len(CLASSES_R) for leaf in jax.tree.leaves(drawn(CLASSES_R)))


def test_the_simple_network_is_as_large_as_the_papers_and_ends_as_it_does():
    def layers(network):
        p = jax.eval_shape(NETWORKS[network](3).init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)), 0.0, None)["params"]
        return {name: {k: leaf.shape for k, leaf in layer.items()} for name, layer in p.items()}

    shallow, simple = layers("shallow"), layers("simple")
    fc = {name for name in shallow if not name.startswith(("conv", "branches"))}
    assert {name: simple[name] for name in fc} == {name: shallow[name] for name in fc}
    stack = {name: layer["kernel"] for name, layer in simple.items() if name not in fc}
    assert stack == {"stack_0": (3, 3, 1, 4), "stack_1": (3, 3, 4, 16), "stack_2": (3, 3, 16, 72)}

    def parameters(network):
        return sum(int(np.prod(shape)) for layer in network.values() for shape in layer.values())

    assert parameters(simple) == parameters(shallow) - 11_216 + 11_072


def test_initial_weights_are_he_normal_and_differ_between_regions():
    params = fast(init_regions, static_argnums=(1, 2, 3))(jax.random.key(0), CLASSES_R, 1, SpatialForm("simple"))
    kernel = np.asarray(params["fc1024"]["kernel"])
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / 72), rtol=0.02)
    assert not np.array_equal(kernel[0], kernel[1])
    assert not params["fc1024"]["bias"].any()


@pytest.mark.parametrize("network", ["simple", pytest.param("shallow", marks=pytest.mark.long)])
def test_one_region_equals_plain_lax_with_its_gradients(network):
    (x,) = images([(19, 14)])
    p = region(drawn((4,), 1, network), 0)
    model = NETWORKS[network](4)

    def ours(p, x):
        variables = {"params": p}
        return model.apply(variables, x, 0.0, None), model.apply(variables, x, method="features")

    def plain(p, x):
        return plain_scores(p, x, network), plain_features(p, x, network)

    def scores_features_and_gradient(f):
        def loss(p):
            scores, features = f(p, x)
            return jnp.sum(jnp.sin(scores)), (scores, features)

        return fast(jax.value_and_grad(loss, has_aux=True))(p)

    assert_close(scores_features_and_gradient(ours), scores_features_and_gradient(plain))


def assert_close(ours, reference, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(reference), strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b) + 1e-12


def plain_region(p, x, network):
    """Scores and features of a region, compiled together."""
    return fast(lambda p, x: (plain_scores(p, x, network), plain_features(p, x, network)))(p, x)


def regions(params, x, classes_R, network):
    """Scores and features of all regions, compiled together."""

    def both(params, x):
        scores_RxBxK = apply_regions(params, x, 0.0, None, classes_R, SpatialForm(network))
        return scores_RxBxK, features_regions(params, x, SpatialForm(network))

    return fast(both)(params, x)


def test_every_region_is_its_own_network(params):
    x = images(SIZES_R)
    logits_RxBxK, features_BxRx20 = regions(params, x, CLASSES_R, "simple")
    for r, classes in enumerate(CLASSES_R):
        scores_BxK, features_Bx20 = plain_region(region(params, r), x[r], "simple")
        assert_close(logits_RxBxK[r, :, :classes], scores_BxK[:, :classes])
        assert (logits_RxBxK[r, :, classes:] == -jnp.inf).all()
        assert_close(features_BxRx20[:, r], features_Bx20)


@pytest.mark.long
def test_columns_beyond_a_regions_classes_are_dead(params):
    x = images(SIZES_R)

    def loss(params):
        log_p = jax.nn.log_softmax(apply_regions(params, x, 0.0, None, CLASSES_R, SpatialForm("simple")))
        return -log_p[:, :, 0].sum()

    gradient = fast(jax.grad(loss))(params)["out"]
    for r, classes in enumerate(CLASSES_R):
        assert gradient["kernel"][r, :, :classes].any()
        assert not gradient["kernel"][r, :, classes:].any()
        assert not gradient["bias"][r, classes:].any()


@pytest.mark.long
def test_the_papers_sizes():
    """This takes the largest and the smallest region; `test_convolution` checks a layer on all of them."""
    sizes = sorted({(r.height, r.width) for r in REGIONS}, key=np.prod)
    x, classes_R = images((sizes[0], sizes[-1]), batch=1), (2, 4)
    params = drawn(classes_R)
    logits_RxBxK, _ = regions(params, x, classes_R, "shallow")
    for r, classes in enumerate(classes_R):
        assert_close(logits_RxBxK[r, :, :classes], plain_region(region(params, r), x[r], "shallow")[0][:, :classes])


@pytest.mark.parametrize("network", ["simple", pytest.param("shallow", marks=pytest.mark.long)])
def test_a_single_region_and_three_channels(network):
    params = drawn((3,), 3, network)
    x = images([(FACE.height // 4, FACE.width // 4)], channels=3)
    logits_RxBxK, features_BxRx20 = regions(params, x, (3,), network)
    assert_close((logits_RxBxK[0], features_BxRx20[:, 0]), plain_region(region(params, 0), x[0], network))


def test_dropout_is_random_in_the_key_only_and_off_at_rate_zero(params):
    x = images(SIZES_R)
    dropping = fast(lambda params, rate, key: apply_regions(params, x, rate, key, CLASSES_R, SpatialForm("simple")))
    apply = functools.partial(dropping, params)
    plain, _ = regions(params, x, CLASSES_R, "simple")
    first, again, other = (apply(0.5, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not jnp.array_equal(first, other)
    assert not jnp.array_equal(first, plain)
    assert_close(apply(0.0, jax.random.key(0))[2], plain[2], 1e-6)


@pytest.mark.long
def test_runs_in_vmap_and_map_equal_runs_alone(params):
    x, classes_R = images(SIZES_R[1:]), CLASSES_R[1:]
    runs = jax.tree.map(lambda leaf: jnp.stack([leaf[:2], leaf[1:], leaf[::2]]), params)
    keys, rates = jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 0.5, 0.9])

    def gradient(params, key, rate):
        def loss(params):
            return jax.nn.log_softmax(apply_regions(params, x, rate, key, classes_R, SpatialForm("simple")))[
                :, :, 0
            ].sum()

        return jax.grad(loss)(params)

    alone = fast(gradient)
    expected = [alone(jax.tree.map(lambda leaf, n=n: leaf[n], runs), keys[n], rates[n]) for n in range(3)]
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected)
    assert_close(fast(jax.vmap(gradient))(runs, keys, rates), expected)
    assert_close(fast(lambda *runs: lax.map(lambda run: gradient(*run), runs))(runs, keys, rates), expected)
