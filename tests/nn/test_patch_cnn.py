"""The networks of the code published in 2022: parameter counts, and each against plain NumPy and PyTorch on copied weights."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.plain_networks import bilinear, dense, focal, patch_features, shallow_features, slope_along

from merjax.faces.regions import REGIONS
from merjax.methods.optimisers import adamw
from merjax.nn import patch_cnn
from merjax.nn.layers.losses import focal_loss
from merjax.nn.patch_cnn import COLUMNS, ROWS, cut, resized
from merjax.nn.region_cnn import apply_regions, features_regions, init_regions, network_of
from merjax.nn.shallow_cnn import SpatialForm
from merjax.system.jax_setup import compiler_options

AUTHORS_2021 = SpatialForm("shallow", "ceil", "normal", drop_features=True)
AUTHORS = {m: SpatialForm("patches", "ceil", "normal", drop_features=True, patches=m) for m in (4, 9, 16)}
SIZE = (21, 15)  # of small images: every pool meets an odd size
CLASSES = 4
QUICKLY = compiler_options() | {"xla_backend_optimization_level": 0}  # programs that run for moments


def shapes_of(form, classes, channels=3):
    image = jnp.zeros((channels, 8, 8, 1))
    return jax.eval_shape(network_of(form, classes).init, jax.random.key(0), image, 0.0, None)["params"]


def parameters(form, classes, channels=3):
    return sum(leaf.size for leaf in jax.tree.leaves(shapes_of(form, classes, channels)))


@pytest.mark.parametrize(("classes", "count"), [(5, 347_543), (2, 347_480), (4, 347_522)])
def test_the_head_of_2021_has_as_many_parameters_as_inferred(classes, count):
    assert parameters(AUTHORS_2021, classes) == count == 347_438 + 21 * classes
    assert parameters(AUTHORS_2021, classes, channels=1) == count - 200


@pytest.mark.parametrize(
    ("patches", "count", "classes"),
    [(4, 992_682, 5), (4, 992_682, 2), (4, 992_682, 4), (9, 1_277_012, 4), (16, 1_892_802, 4)],
)
def test_the_successor_has_as_many_parameters_as_its_code(patches, count, classes):
    shapes = shapes_of(AUTHORS[patches], classes)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count + 257 * classes
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["trunks"])) == 11_416 * patches


@pytest.mark.parametrize(("patches", "size"), [(4, (100, 70)), (9, (66, 46)), (16, (50, 35))])
def test_patches_are_cut_row_by_row_and_what_is_left_over_is_dropped(patches, size):
    x_CxHxWxB = np.arange(ROWS * COLUMNS, dtype=np.float32).reshape(1, ROWS, COLUMNS, 1)
    got = np.asarray(cut(jnp.asarray(x_CxHxWxB), patches))
    assert got.shape == (patches, 1, *size, 1)
    side = round(patches**0.5)
    for m in range(patches):
        top, left = m // side * size[0], m % side * size[1]
        np.testing.assert_array_equal(got[m], x_CxHxWxB[:, top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize("size", sorted({(region.height, region.width) for region in REGIONS}))
def test_regions_are_resized_bilinearly_with_pixels_centres_at_halves(size):
    image = np.random.default_rng(0).integers(0, 256, size).astype(np.float32)
    got = np.asarray(resized(jnp.asarray(image)[None, :, :, None]))[0, :, :, 0]
    np.testing.assert_allclose(got, bilinear(image, ROWS, COLUMNS), atol=5e-3)


def test_initial_weights_are_the_codes():
    """Of each region's last layer too, whose spread depends on how many classes the region has."""
    classes_R = (5, 2)
    init = jax.jit(init_regions, static_argnums=(1, 2, 3), compiler_options=QUICKLY)
    params = init(jax.random.key(0), classes_R, 3, SpatialForm("simple", "ceil", "normal"))
    assert np.std(params["stack_2"]["kernel"]) == pytest.approx(0.1, rel=0.05)
    assert np.std(params["fc1024"]["kernel"]) == pytest.approx(0.01, rel=0.02)
    assert np.std(params["fc250"]["kernel"]) == pytest.approx(0.01, rel=0.02)
    for own, classes in zip(params["out"]["kernel"], classes_R, strict=True):
        limit = (6 / (20 + classes)) ** 0.5
        assert 0.8 * limit < np.abs(own).max() <= 1.0001 * limit
    assert not any(np.any(layer["bias"]) for layer in params.values())


def drawn(form, classes):
    """Weights that keep the signal's size, and biases that are not zero."""
    rng = np.random.default_rng(0)

    def draw(path, shape):
        inputs = np.prod(shape.shape[-4:-1] if len(shape.shape) >= 4 else shape.shape[:1])
        scale = 0.1 if path[-1].key == "bias" else (2 / inputs) ** 0.5
        return (rng.normal(size=shape.shape) * scale).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes_of(form, classes))


def plain_scores(form, p, x_BxHxWxC):
    of_form = shallow_features if form.network == "shallow" else functools.partial(patch_features, patches=form.patches)
    features_BxD = of_form(x_BxHxWxC, p)
    return features_BxD, dense(features_BxD, p["out"])


@pytest.fixture(autouse=True)
def small(request, monkeypatch):
    if "form" in request.fixturenames:
        monkeypatch.setattr(patch_cnn, "ROWS", SIZE[0])
        monkeypatch.setattr(patch_cnn, "COLUMNS", SIZE[1])


LABEL_B = np.array([1, 3])
X_CxHxWxB = np.random.default_rng(1).uniform(-1, 1, (3, *SIZE, 2)).astype(np.float32)
IMAGES = (jnp.asarray(X_CxHxWxB),)
X_BxHxWxC = np.float64(X_CxHxWxB.transpose(3, 1, 2, 0))
FORMS = [AUTHORS[4], *(pytest.param(form, marks=pytest.mark.long) for form in (AUTHORS_2021, AUTHORS[9], AUTHORS[16]))]


def scores_and_gradient(form, p):
    """Of one region: its scores, and the gradient of their mean focal loss."""

    def loss(params):
        scores_BxK = apply_regions(params, IMAGES, 0.0, None, (CLASSES,), form)[0]
        return focal_loss(scores_BxK, LABEL_B, jnp.ones(CLASSES), 2.0).mean(), scores_BxK

    (_, scores_BxK), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=QUICKLY)(one_region(p))
    return scores_BxK, jax.tree.map(lambda leaf: np.asarray(leaf[0], np.float64), gradient)


def one_region(p):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], p)


@pytest.mark.parametrize("form", FORMS)
def test_scores_and_gradients_equal_plain_numpy(form):
    """The gradient in a random direction of each layer's weights, against a difference of the plain loss in float64."""
    p = drawn(form, CLASSES)
    scores_BxK, gradient = scores_and_gradient(form, p)
    np.testing.assert_allclose(scores_BxK, plain_scores(form, p, X_BxHxWxC)[1], rtol=1e-4, atol=1e-4)
    rng = np.random.default_rng(2)
    for layer in p:
        direction = jax.tree.map(lambda leaf: np.zeros(leaf.shape), p)
        direction[layer] = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), p[layer])
        plain = slope_along(lambda p: focal(plain_scores(form, p, X_BxHxWxC)[1], LABEL_B).mean(), p, direction, 1e-7)
        own = sum(np.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(direction), strict=True))
        assert own == pytest.approx(plain, rel=2e-3, abs=1e-6), layer


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_features_equal_plain_numpy(form):
    p = drawn(form, CLASSES)
    features = jax.jit(lambda params: features_regions(params, IMAGES, form), compiler_options=QUICKLY)
    plain_BxD = plain_scores(form, p, X_BxHxWxC)[0]
    np.testing.assert_allclose(features(one_region(p))[:, 0], plain_BxD, rtol=1e-4, atol=1e-4)


def torch_scores(torch, form, p, x_BxCxHxW):
    """The same networks in PyTorch."""
    functional = torch.nn.functional

    def conv_relu(x, layer):
        kernel = layer["kernel"].permute(3, 2, 0, 1)
        return torch.relu(functional.conv2d(x, kernel, layer["bias"], padding=kernel.shape[-1] // 2))

    def pool(x):
        return functional.max_pool2d(x, 2, ceil_mode=True)

    def trunk(x, p):
        a = pool(conv_relu(pool(conv_relu(x, p["conv5"])), p["conv3"]))
        return torch.cat([pool(a), *(pool(conv_relu(a, p[f"branches_{i}"])) for i in range(4))], 1)

    def fc(x, layer):
        return x @ layer["kernel"] + layer["bias"]

    if form.network == "shallow":
        x = trunk(x_BxCxHxW, p).mean((2, 3))
        names = ("fc1024", "fc250", "fc20")
    else:
        side = round(form.patches**0.5)
        rows, columns = SIZE[0] // side, SIZE[1] // side
        own = [jax.tree.map(lambda leaf, m=m: leaf[m], p["trunks"]["of_patches"]) for m in range(form.patches)]
        corners = [(m // side * rows, m % side * columns) for m in range(form.patches)]
        maps = [
            trunk(x_BxCxHxW[:, :, top : top + rows, left : left + columns], trunk_of)
            for trunk_of, (top, left) in zip(own, corners, strict=True)
        ]
        x = torch.cat(maps, 1)
        gate_out = p["gate_out"]["kernel"].permute(3, 2, 0, 1), p["gate_out"]["bias"]
        x = x * torch.sigmoid(functional.conv2d(conv_relu(x, p["gate_in"]), *gate_out))
        x = conv_relu(x, p["merge"]).mean((2, 3))
        names = ("fc2048", "fc256")
    for name in names:
        x = torch.relu(fc(x, p[name]))
    return fc(x, p["out"])


@pytest.mark.parametrize("form", FORMS)
def test_a_training_step_equals_pytorchs(form):
    """Every gradient, and every weight after a step of Adam."""
    torch = pytest.importorskip("torch")
    p = drawn(form, CLASSES)
    _, gradient = scores_and_gradient(form, p)
    theirs = jax.tree.map(lambda leaf: torch.tensor(np.float64(leaf), requires_grad=True), p)
    scores = torch_scores(torch, form, theirs, torch.tensor(np.float64(X_CxHxWxB.transpose(3, 0, 1, 2))))
    log_p_B = torch.log_softmax(scores, 1)[torch.arange(2), torch.tensor(LABEL_B)]
    (-((1 - log_p_B.exp()) ** 2) * log_p_B).mean().backward()
    for own, plain in zip(jax.tree.leaves(gradient), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(own, plain.grad, atol=1e-5 * np.abs(plain.grad.numpy()).max(), rtol=1e-4)
    optimiser = torch.optim.Adam(jax.tree.leaves(theirs), lr=1e-2, eps=1e-3)
    optimiser.step()
    numbers = SimpleNamespace(learning_rate=1e-2, beta1=0.9, beta2=0.999, weight_decay=0.0)
    step = adamw(numbers, epsilon=1e-3)
    updates, _ = step.update(gradient, step.init(p), p)
    for own, plain in zip(jax.tree.leaves(optax.apply_updates(p, updates)), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(own, plain.detach(), atol=1e-5)
