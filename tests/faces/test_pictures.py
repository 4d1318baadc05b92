"""Every picture is read rightly, whatever its format, depth and channels, or refused in a sentence that names its file."""

import io
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image
from support.odd_pictures import encoded, scene

from merjax.faces.pictures import PictureError, first_of_clip, holds_colours, read_image

COLOURS = scene(np.random.default_rng(0), 40, 50)
GRAY = cv2.cvtColor(COLOURS, cv2.COLOR_RGB2GRAY)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "frame.png"


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_wide_values_give_the_pixels_of_the_narrow_picture(path, bits, ending):
    for values, colour in ((GRAY, "gray"), (COLOURS[..., ::-1], "rgb")):
        full = np.maximum(values, 255 * (np.indices(values.shape).sum(0) == 0)).astype(np.uint16) << (bits - 8)
        path.write_bytes(cv2.imencode(ending, full)[1].tobytes())
        expected = (full >> (bits - 8)).astype(np.uint8)
        np.testing.assert_array_equal(read_image(path, colour), expected if colour == "gray" else expected[..., ::-1])
        assert first_of_clip([path])[1] == bits


def test_the_depth_is_one_for_all_frames_of_a_clip(tmp_path):
    """A clip in which only one frame is bright keeps the others dark: its frames do not flicker."""
    frames = [np.full((8, 8), value, np.uint16) for value in (200, 900, 4000, 900)]
    paths = [tmp_path / f"{n}.png" for n in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        cv2.imwrite(str(path), frame)
    first, bits = first_of_clip(paths)
    assert bits == 12
    np.testing.assert_array_equal(first, read_image(paths[0], "gray", bits))
    assert [int(read_image(path, "gray", bits)[0, 0]) for path in paths] == [12, 56, 250, 56]
    with pytest.raises(PictureError, match="2.png holds values up to 4000, other frames of the clip have 10 bits"):
        read_image(paths[2], "gray", 10)
    cv2.imwrite(str(paths[3]), np.full((8, 8), 90, np.uint8))
    with pytest.raises(PictureError, match="3.png holds values of 8 bits, other frames of the clip of 12"):
        read_image(paths[3], "gray", bits)


def test_the_depth_of_colours_is_that_of_the_brightest_channel(path):
    """In gray, this picture would need 10 bits only."""
    cv2.imwrite(str(path), np.full((4, 4, 3), (4000, 0, 0), np.uint16))
    assert first_of_clip([path])[1] == 12
    np.testing.assert_array_equal(read_image(path, "rgb")[0, 0], [0, 0, 250])
    assert read_image(path)[0, 0] == round(0.114 * 4000) >> 4


@pytest.mark.parametrize(
    "kind", ["rgba", "la", "palette", "one", "cmyk", "gray", "progressive", "opaque.tif", "16.rgba"]
)
def test_channels_of_all_kinds_become_gray_or_colours(path, kind):
    """Against Pillow's reading of the same file; alpha channels are left out."""
    content, expected = encoded(COLOURS, kind)
    path.write_bytes(content)
    lossy = 2 if kind in ("cmyk", "gray", "progressive") else 0
    assert np.abs(read_image(path, "rgb").astype(int) - expected).max() <= lossy
    gray = read_image(path).astype(int)
    assert np.abs(gray - cv2.cvtColor(expected.astype(np.uint8), cv2.COLOR_RGB2GRAY)).mean() <= 1
    assert holds_colours(path) == (kind not in ("la", "one", "gray"))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_ordinary_pictures_are_read_as_opencv_reads_them(path, ending):
    path.write_bytes(cv2.imencode(ending, COLOURS)[1].tobytes())
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    np.testing.assert_array_equal(read_image(path, "rgb"), cv2.imread(str(path), cv2.IMREAD_COLOR_RGB))
    assert first_of_clip([path])[1] == 8


def test_faults_are_told_in_a_sentence_with_the_file(tmp_path, capfd):
    whole = cv2.imencode(".png", COLOURS)[1].tobytes()
    floats = cv2.imencode(".tif", COLOURS.astype(np.float32))[1].tobytes()
    for name, content, said in (
        ("empty.png", b"", "cannot be read as an image; it is empty"),
        ("cut.png", whole[:-40], "cannot be read as an image; it is damaged, cut off"),
        ("clear.tif", encoded(COLOURS, "rgba.tif")[0], "is a TIFF file with transparent parts; save it without"),
        ("text.jpg", b"no picture", "cannot be read as an image"),
        ("floats.tif", floats, "holds values of the kind float32; save it with 8 or 16 bits"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureError, match=f"^{name} {said}"):
            read_image(tmp_path / name)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name, said in (
        ("absent.png", "does not exist"),
        ("folder.png", "is a folder"),
        ("loop.png", "leads to itself"),
    ):
        with pytest.raises(PictureError, match=f"^{name} .*{said}"):
            read_image(tmp_path / name)
    assert capfd.readouterr() == ("", "")  # what OpenCV would print of these


def test_the_message_of_a_portrait_names_its_whole_path(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:-200])
    with pytest.raises(PictureError) as caught:
        read_image(tmp_path / "cut.jpg")
    assert caught.value.fault.startswith("cannot be read as an image")


def test_a_picture_without_use_is_told_in_another_process_as_in_this_one(tmp_path):
    error = PictureError(tmp_path / "a.png", "does not exist")
    told = pickle.loads(pickle.dumps(error))
    assert (type(told), str(told), told.fault) == (PictureError, "a.png does not exist", error.fault)
