"""LEARNet: its parameters, and the network against the published one in PyTorch."""

import jax
import numpy as np
import pytest
from support.torch_layers import parameters_of, scores_agree, training_step_agrees

from merjax.nn.learnet import LEARNet

IMAGES = np.random.default_rng(0).uniform(size=(3, 112, 112, 5)).astype(np.float32)


@pytest.mark.parametrize(("classes", "count"), [(3, 1_866_243), (8, 1_867_528)])
def test_it_has_as_many_parameters_as_the_published_code(classes, count):
    """Keras counts moving averages too."""
    shapes = jax.eval_shape(lambda: LEARNet(classes).init(jax.random.key(0), IMAGES, np.ones(5), 0.0, None))
    averages = sum(leaf.size for leaf in jax.tree.leaves(shapes["batch_stats"]))
    assert averages == 704
    assert parameters_of(LEARNet(classes), 3, 112, 112) + averages == count
    assert shapes["params"]["fc"]["kernel"].shape == (4 * 4 * 256, 256)


def in_torch(layers, x):
    """Odd lines of zeros stand at the ends, as in TensorFlow; epsilon and share of batch normalisation are Keras's."""
    torch, functional = layers.torch, layers.functional

    def conv(x, name):
        size, lines = layers.params[name]["kernel"].shape[0], x.shape[2]
        zeros = max((lines + 1) // 2 * 2 - 2 + size - lines, 0)
        edges = (zeros // 2, zeros - zeros // 2) * 2
        return functional.relu(layers.conv(functional.pad(x, edges), name, stride=2))

    def norm(x, name):
        return layers.norm(x, name, epsilon=1e-3, share=0.01)

    stem, ends = conv(x, "stem"), []
    assert stem.shape[1:] == (16, 56, 56)
    for plain, adding in ((1, 2), (3, 4)):
        first = conv(stem, f"path{plain}_1")
        second = conv(first, f"path{plain}_2")
        ends.append(conv(second, f"path{plain}_3"))
        y = norm(first + conv(stem, f"path{adding}_1"), f"norm{adding}_1")
        y = norm(second + conv(y, f"path{adding}_2"), f"norm{adding}_2")
        ends.append(conv(y, f"path{adding}_3"))
    y = torch.cat(ends, 1)
    assert y.shape[1:] == (256, 7, 7)
    y = conv(norm(y, "norm"), "conv")
    assert y.shape[1:] == (256, 4, 4)
    return layers.linear(functional.relu(layers.linear(y.flatten(1), "fc")), "out")


@pytest.mark.long
def test_scores_equal_pytorchs():
    scores_agree(LEARNet(3), in_torch, IMAGES)


@pytest.mark.long
def test_a_training_step_equals_pytorchs():
    training_step_agrees(LEARNet(3), in_torch, IMAGES)
