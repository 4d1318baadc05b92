"""The crops of the authors' code, pixel by pixel, against references that are put together in another way."""

import io
import math

import numpy as np
import PIL.Image
import pytest
from support.face_shape import face_points

from merjax.faces.authors_crops import FaceEdges, corners_in_frame, cut_from_canvas, face_edges, on_canvas
from merjax.faces.geometries import cutter
from merjax.faces.regions import FACE, REGIONS
from merjax.system.errors import MerjaxError

# x0, x1, y0, y1 on the canvas: image-left eye, image-right eye, nose, the two cheeks, mouth
BOXES = (
    (0, 100, 20, 100),
    (140, 240, 20, 100),
    (60, 180, 80, 160),
    (0, 60, 120, 180),
    (180, 240, 120, 180),
    (40, 200, 180, 240),
)
SIZES = {
    "smaller": (150, 170),
    "as the canvas": (240, 280),
    "one side larger": (239, 300),
    "larger by a pixel": (241, 281),
    "wide": (500, 300),
    "tall": (250, 433),
    "CASME II's largest": (271, 306),
    "SAMM's": (294, 336),
    "so large that Pillow shrinks in two steps": (1100, 1310),
}


def made_frame(width: int, height: int) -> np.ndarray:
    """Waves of all lengths, an edge and noise."""
    rng, (y, x) = np.random.default_rng(width), np.mgrid[:height, :width]
    waves = [128 + 90 * np.sin((x * k + y) / (3 + 4 * k)) for k in (1, 2, 3)]
    frame = np.stack(waves, -1) + 60 * (x > width / 2)[..., None] + rng.normal(0, 12, (height, width, 3))
    return frame.clip(0, 255).astype(np.uint8)


def cut_by_hand(frame: np.ndarray, edges: FaceEdges) -> PIL.Image.Image:
    """The face out of a frame that has a wide black rim."""
    rim = 400
    padded = np.pad(frame, ((rim, rim), (rim, rim), (0, 0)))
    return PIL.Image.fromarray(padded[edges.top + rim : edges.bottom + rim, edges.left + rim : edges.right + rim])


def fitted_size(width: int, height: int) -> tuple[int, int]:
    """Of all sizes with one tight side, the one of the nearest aspect."""
    if width <= 240 and height <= 280:
        return width, height
    if 240 / width >= 280 / height:
        return min(range(1, 241), key=lambda n: abs(width / height - n / 280)), 280
    return 240, min(range(1, 281), key=lambda n: abs(width / height - 240 / n))


def regions_as_the_authors_save_them(frame: np.ndarray, edges: FaceEdges) -> list[np.ndarray]:
    """A canvas with alpha, six PNG files, and what a reader of three channels sees in them."""
    face = cut_by_hand(frame, edges)
    size = fitted_size(*face.size)
    if size != face.size:
        face = face.resize(size, PIL.Image.Resampling.LANCZOS, reducing_gap=2.0)
    canvas = PIL.Image.new("RGBA", (240, 280), (255, 255, 255, 0))
    canvas.paste(face, (math.ceil((240 - size[0]) / 2), math.ceil((280 - size[1]) / 2)))
    seen = []
    for x0, x1, y0, y1 in BOXES:
        file = io.BytesIO()
        canvas.crop((x0, y0, x1, y1)).save(file, "png")
        seen.append(np.asarray(PIL.Image.open(file))[..., :3])
    return seen


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("place", ["inside", "beyond the chin", "beyond a corner"])
def test_crops_are_the_authors_in_every_pixel(size, place):
    width, height = size
    left, top = (-7, -3) if place == "beyond a corner" else (31, 17)
    edges = FaceEdges(left, top, left + width, top + height)
    frame = made_frame(width + 60, height + (12 if place == "beyond the chin" else 40))
    canvas = on_canvas(frame, edges)
    for region, expected in zip(REGIONS, regions_as_the_authors_save_them(frame, edges), strict=True):
        np.testing.assert_array_equal(cut_from_canvas(canvas, region), expected, err_msg=region.name)


def lanczos_NxM(small: int, large: int) -> np.ndarray:
    """The weights of `large` pixels in each of `small`."""
    at = (np.arange(large) + 0.5 - (np.arange(small)[:, None] + 0.5) * large / small) * small / large
    weights = np.where(np.abs(at) < 3, np.sinc(at) * np.sinc(at / 3), 0)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("name", ["wide", "tall", "SAMM's"])
def test_a_face_is_shrunk_by_lanczos_formula(name):
    width, height = SIZES[name]
    frame = made_frame(width, height)
    small = fitted_size(width, height)
    columns = np.einsum("nm,hmc->hnc", lanczos_NxM(small[0], width), frame).round().clip(0, 255)
    expected = np.einsum("nm,mwc->nwc", lanczos_NxM(small[1], height), columns).round().clip(0, 255)
    canvas = on_canvas(frame, FaceEdges(0, 0, width, height)).astype(int)
    left, top = math.ceil((240 - small[0]) / 2), math.ceil((280 - small[1]) / 2)
    assert np.abs(canvas[top : top + small[1], left : left + small[0]] - expected).max() <= 1
    white = np.ones(canvas.shape[:2], bool)
    white[top : top + small[1], left : left + small[0]] = False
    assert (canvas[white] == 255).all()


def test_the_face_reaches_from_the_brows_second_points_to_the_chin_and_lies_between_their_outer_ends():
    points = face_points().round()
    points[[17, 18, 25, 26, 8]] = [[200.4, 150], [230, 141], [330, 139.6], [401.3, 152], [299, 420.2]]
    edges = face_edges(points)
    assert edges == (200, 140, 401, 420)
    assert edges.size == (201, 280)


def test_a_face_that_stands_on_its_head_is_refused():
    with pytest.raises(MerjaxError, match="does not stand upright; use --geometry ours"):
        face_edges([640, 480] - face_points())


@pytest.mark.parametrize("size", [(150, 170), (294, 336), (500, 300)])
def test_corners_in_the_frame_are_those_of_the_crops(size):
    """In a frame whose values are its coordinates, a crop's mean is the middle of its corners."""
    width, height = size
    y, x = np.mgrid[: height + 40, : width + 40]
    frame = np.stack([x * 255 / (width + 40), y * 255 / (height + 40), 0 * x], -1).round().astype(np.uint8)
    edges = FaceEdges(20, 20, 20 + width, 20 + height)
    canvas = on_canvas(frame, edges)
    for region in REGIONS:
        corners = corners_in_frame(region, edges)
        crop = cut_from_canvas(canvas, region).astype(float)
        low, high = corners.min(0), corners.max(0)
        np.testing.assert_allclose((high - low)[0] / (high - low)[1], region.width / region.height, rtol=0.01)
        if (low >= 20).all() and (high <= [20 + width, 20 + height]).all():
            middle = crop[..., :2].mean((0, 1)) * [(width + 40) / 255, (height + 40) / 255]
            np.testing.assert_allclose(middle + 0.5, (low + high) / 2, atol=0.6)


def test_the_whole_face_is_the_same_in_both_geometries_and_the_sizes_are_too():
    frame, points = made_frame(640, 480), face_points().round()
    ours, authors = (cutter(geometry, points).crops(frame) for geometry in ("ours", "authors"))
    np.testing.assert_array_equal(ours[FACE.name], authors[FACE.name])
    assert {name: crop.shape for name, crop in ours.items()} == {name: crop.shape for name, crop in authors.items()}
    assert all((ours[region.name] != authors[region.name]).any() for region in REGIONS)
