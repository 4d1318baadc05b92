"""Pictures of all kinds, whole, cut off and scrambled: each gives the right values, or one sentence that names the file."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.odd_pictures import KINDS, encoded, scene, wide

from merjax.faces.pictures import PictureError, first_of_clip, holds_colours, read_image
from merjax.stores.from_flow_images import _read

pytestmark = pytest.mark.long
MANY = settings(
    max_examples=800, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# PNG files carry check sums: no changed byte of them goes unseen.
CHECKED = ("rgb", "rgba", "la", "palette", "one")
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))


def result(path, colour):
    """The values that the reader makes of a file; None where it gives a sentence instead, which names the file."""
    try:
        return read_image(path, colour)
    except PictureError as error:
        said = str(error)
    assert said.startswith(f"{path.name} ")
    assert "\n" not in said
    return None


def picture(size):
    rows, columns, seed = size
    return scene(np.random.default_rng(seed), rows, columns)


@MANY
@given(size=SIZES, kind=st.sampled_from(KINDS))
def test_every_kind_gives_the_values_that_another_library_reads(tmp_path, size, kind):
    content, expected = encoded(picture(size), kind)
    path = tmp_path / "picture"
    path.write_bytes(content)
    got = result(path, "rgb")
    lossy = 2 if kind in ("cmyk", "gray", "progressive", "webp") else 0
    assert got is not None
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - expected).max() <= lossy
    assert result(path, "gray").shape == got.shape[:2]
    assert isinstance(_read(path), np.ndarray) == holds_colours(path)


@MANY
@given(
    size=SIZES,
    depth=st.integers(8, 16),
    colour=st.sampled_from(["gray", "rgb"]),
    ending=st.sampled_from([".png", ".tif"]),
    frames=st.integers(1, 3),
)
def test_every_depth_is_brought_to_8_bits_alike_in_all_frames(tmp_path, size, depth, colour, ending, frames):
    rows, columns, seed = size
    rng = np.random.default_rng(seed)
    shape = (frames, rows, columns) if colour == "gray" else (frames, rows, columns, 3)
    values = rng.integers(0, 2**depth, shape, np.uint16)
    paths = [tmp_path / f"{n}{ending}" for n in range(frames)]
    for path, frame in zip(paths, values, strict=True):
        path.write_bytes(wide(frame, ending))
    first, bits = first_of_clip(paths)
    assert bits in (8, 10, 12, 14, 16)
    assert values.max() < 2**bits
    assert bits == 8 or values.max() >= 2 ** (bits - 2)
    np.testing.assert_array_equal(first, read_image(paths[0], "gray", bits))
    for path, frame in zip(paths, values, strict=True):
        np.testing.assert_array_equal(read_image(path, colour, bits), frame >> (bits - 8))


@MANY
@given(size=SIZES, kind=st.sampled_from(KINDS), where=st.floats(0, 0.999))
def test_a_file_that_is_cut_off_is_refused(tmp_path, size, kind, where):
    """Or it lacks nothing but what follows the values."""
    content, expected = encoded(picture(size), kind)
    path = tmp_path / "cut"
    path.write_bytes(content[: int(where * len(content))])
    got = result(path, "rgb")
    assert got is None or np.abs(got.astype(int) - expected).max() <= 2
    said = _read(path)
    assert isinstance(said, np.ndarray) or said.startswith("cut ")


@MANY
@given(
    size=SIZES,
    kind=st.sampled_from(KINDS),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_changed_bytes_give_values_or_a_sentence(tmp_path, size, kind, changes):
    content, expected = encoded(picture(size), kind)
    changed = bytearray(content)
    for where, byte in changes:
        changed[int(where * len(changed))] = byte
    path = tmp_path / "changed"
    path.write_bytes(bytes(changed))
    for colour in ("gray", "rgb"):
        got = result(path, colour)
        assert got is None or (got.dtype == np.uint8 and got.ndim == (2 if colour == "gray" else 3))
    if kind in CHECKED and got is not None:  # a changed byte in a chunk without a picture's values changes nothing
        assert np.abs(got.astype(int) - expected).max() == 0


@MANY
@given(head=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM", b"II*\0", b"RIFF", b"GIF89a", b"P5\n"]),
       rest=st.binary(max_size=300))  # fmt: skip
def test_any_bytes_give_values_or_a_sentence(tmp_path, head, rest):
    path = tmp_path / "bytes"
    path.write_bytes(head + rest)
    for colour in ("gray", "rgb"):
        got = result(path, colour)
        assert got is None or got.dtype == np.uint8
    assert isinstance(_read(path), np.ndarray | str)
