"""The dynamic image against approximate rank pooling written out, by another form of its weights."""

import numpy as np
import pytest

from merjax.faces.dynamic_image import dynamic_image, rank_weights

RNG = np.random.default_rng(0)


def closed_form(frames: int) -> list[float]:
    """Bilen et al.'s Eq. 3: 2 (T - t + 1) - (T + 1) (H_T - H_{t-1}) with the harmonic numbers H."""
    harmonic = [sum(1 / i for i in range(1, n + 1)) for n in range(frames + 1)]
    return [2 * (frames - t + 1) - (frames + 1) * (harmonic[frames] - harmonic[t - 1]) for t in range(1, frames + 1)]


@pytest.mark.parametrize("frames", [1, 2, 5, 60])
def test_the_weights_are_those_of_approximate_rank_pooling(frames):
    np.testing.assert_allclose(rank_weights(frames), closed_form(frames), atol=1e-9)
    as_in_learnets_code = [sum((2 * i - frames) / i for i in range(n, frames + 1)) for n in range(1, frames + 1)]
    np.testing.assert_allclose(rank_weights(frames, "learnet"), as_in_learnets_code, atol=1e-9)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("weights", ["bilen", "learnet"])
def test_the_picture_is_the_weighed_sum_shrunk_and_spread_over_the_range(channels, weights):
    frames = RNG.integers(0, 256, (7, 16, 16, *channels), np.uint8)
    alpha = closed_form(7)
    if weights == "learnet":
        alpha = [a + sum(1 / i for i in range(t, 8)) for t, a in enumerate(alpha, 1)]
    summed = sum(a * frame.astype(float) for a, frame in zip(alpha, frames, strict=True))
    shrunk = summed.reshape(8, 2, 8, 2, -1).mean((1, 3))
    expected = 255 * (shrunk - shrunk.min()) / (shrunk.max() - shrunk.min())
    picture = dynamic_image(frames, 8, weights)
    assert (picture.shape, picture.dtype) == ((8, 8, 3), np.uint8)
    assert np.abs(picture - expected).max() <= 0.5 + 1e-6  # gray values stand in all three channels
    assert (picture.min(), picture.max()) == (0, 255)


def test_time_has_a_direction_and_a_still_clip_shows_nothing():
    frames = np.full((5, 8, 8), 90, np.uint8)
    assert not dynamic_image(frames, 8).any()
    frames[3:, 2, 2] = 200  # grows brighter
    brighter, darker = dynamic_image(frames, 8), dynamic_image(frames[::-1], 8)
    assert (brighter[2, 2] == 255).all()
    assert (darker[2, 2] == 0).all()
