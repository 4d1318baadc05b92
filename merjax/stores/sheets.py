"""Pictures to check a store by eye, with one clip per subject: a contact sheet of its first frame with landmarks and region
boxes, and its crops below; and sheets of features."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from merjax.datasets.clip import Clip
from merjax.faces.flow import colour_wheel
from merjax.faces.geometries import Geometry, cutter
from merjax.faces.pictures import Colour, read_image
from merjax.faces.regions import REGIONS

_COLOURS = {"eyes": (60, 200, 60), "nose": (60, 160, 255), "cheeks": (230, 120, 60), "mouth": (80, 80, 240)}  # BGR
_TILE_WIDTH, _COLUMNS = 420, 4


def write_contact_sheet(
    path: Path,
    clips: Sequence[Clip],
    points: Sequence,
    index: pd.DataFrame,
    colour: Colour = "gray",
    geometry: Geometry = "ours",
) -> None:
    """Write a PNG that shows one clip per subject: the first frame with its boxes, and its six crops.

    Where a lower step than "sure" found the face, the tile says so in red. A subject has one more tile for each such step.

    Args:
        path: the PNG file.
        clips: the clips, in the order of `points`.
        points: 68 points (x, y) of each clip's first frame, in pixels.
        index: a row per clip, in the same order, with the step that found its face and the bits in use.
        colour: how the crops are stored and shown.
        geometry: whose boxes they have.
    """
    first = ~index.duplicated(["database", "subject"])
    first_of_step = ~index.duplicated(["database", "subject", "face"]) & (index["face"] != "sure")
    tiles = [
        _tile(clips[i], np.asarray(points[i]), colour, geometry, index["face"].iloc[i], int(index["bits"].iloc[i]))
        for i in np.flatnonzero(first | first_of_step).tolist()
    ]
    height = max(tile.shape[0] for tile in tiles)
    tiles = [cv2.copyMakeBorder(t, 0, height - t.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=_PAPER) for t in tiles]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(_COLUMNS, len(tiles)))
    columns = min(_COLUMNS, len(tiles))
    sheet = np.vstack([np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)])
    path.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


_PAPER, _RIM, _WARNING = (255, 255, 255), (170, 170, 170), (30, 30, 200)


def _tile(clip: Clip, points: np.ndarray, colour: Colour, geometry: Geometry, step: str, bits: int) -> np.ndarray:
    image = read_image(clip.frames[0], colour, bits)
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if colour == "gray" else cv2.COLOR_RGB2BGR)
    cutting = cutter(geometry, points)
    crops = cutting.crops(image)
    thick = max(1, round(image.shape[1] / _TILE_WIDTH))
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 2 * thick, (0, 230, 230), -1, cv2.LINE_AA)
    for region in REGIONS:
        outline = cutting.corners(region).round().astype(np.int32)
        cv2.polylines(image, [outline], True, _COLOURS[region.kind], 2 * thick, cv2.LINE_AA)
    image = cv2.resize(
        image, (_TILE_WIDTH, round(_TILE_WIDTH * image.shape[0] / image.shape[1])), interpolation=cv2.INTER_AREA
    )
    _write(image, clip.key, 0, (0, 0, 0))
    if step != "sure":
        _write(image, f"face: {step}", 30, _WARNING)
        cv2.rectangle(image, (0, 0), (image.shape[1] - 1, image.shape[0] - 1), _WARNING, 6)
    return np.vstack(
        [image, _crop_rows([["eye_right", "nose", "eye_left"], ["cheek_right", "mouth", "cheek_left"]], crops)]
    )


def _write(image: np.ndarray, text: str, top: int, ground: tuple[int, int, int]) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    cv2.rectangle(image, (0, top), (width + 16, top + height + 16), ground, -1)
    cv2.putText(image, text, (8, top + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _PAPER, 1, cv2.LINE_AA)


def _crop_rows(names: list[list[str]], crops: dict[str, np.ndarray]) -> np.ndarray:
    rows = []
    for row in names:
        canvas = np.full((84, _TILE_WIDTH, 3), 255, np.uint8)
        x = 4
        for name in row:
            height, width = crops[name].shape[:2]
            canvas[2 : 2 + height, x : x + width] = crops[name]
            cv2.rectangle(canvas, (x - 1, 1), (x + width, 2 + height), _RIM, 1)  # the authors' crops have white bars
            x += width + 6
        rows.append(canvas)
    return np.vstack(rows)


_SIDE, _GAP, _LINE = 96, 4, 20


def write_flow_sheet(path: Path, index: pd.DataFrame, flow_NxHxWx3: np.ndarray) -> None:
    """Write a PNG that shows one clip per subject: direction and strength in colours, then u, v and strain in gray.

    The first tile is the key to the colours: motion in some direction has the colour of the tile's rim in that direction.

    Args:
        path: the PNG file.
        index: a row per clip: database, subject, clip.
        flow_NxHxWx3: the clips' pictures, u, v and strain, each scaled over 0..255. Pictures do not keep which value of that
            scale means no motion, so a channel's median is taken for it.
    """
    _write_tiles(path, [_labelled("colours", [_key()]), *_tiles(index, flow_NxHxWx3, _pictures)])


def write_dynamic_sheet(path: Path, index: pd.DataFrame, dynamic_NxHxWx3: np.ndarray) -> None:
    """Write a PNG that shows the dynamic image of one clip per subject.

    Args:
        path: the PNG file.
        index: a row per clip: database, subject, clip.
        dynamic_NxHxWx3: the clips' pictures.
    """
    _write_tiles(path, _tiles(index, dynamic_NxHxWx3, lambda picture: [picture]))


def _tiles(
    index: pd.DataFrame, pictures_NxHxWx3: np.ndarray, shown: Callable[[np.ndarray], list[np.ndarray]]
) -> list[np.ndarray]:
    """A tile for the first clip of each subject."""
    return [
        _labelled("/".join(index.iloc[n][["database", "subject", "clip"]]), shown(pictures_NxHxWx3[n]))
        for n in np.flatnonzero(~index.duplicated(["database", "subject"]))
    ]


def _write_tiles(path: Path, tiles: list[np.ndarray]) -> None:
    tiles = tiles + [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
    sheet = np.vstack([np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)])
    path.write_bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())


def _pictures(flow_HxWx3: np.ndarray) -> list[np.ndarray]:
    moved = flow_HxWx3[..., :2].astype(np.float32)
    moved -= np.median(moved, axis=(0, 1))
    wheel = colour_wheel(moved, float(np.quantile(np.hypot(*np.moveaxis(moved, -1, 0)), 0.98)))
    return [wheel, *(cv2.cvtColor(np.ascontiguousarray(flow_HxWx3[..., c]), cv2.COLOR_GRAY2RGB) for c in range(3))]


def _key() -> np.ndarray:
    at = np.linspace(-1, 1, _SIDE)
    field = np.stack(np.meshgrid(at, at), -1)
    picture = colour_wheel(field, 1.0)
    picture[np.hypot(field[..., 0], field[..., 1]) > 1] = 255
    return picture


def _labelled(label: str, pictures: list[np.ndarray]) -> np.ndarray:
    tile = np.full((_LINE + _SIDE + _GAP, 4 * (_SIDE + _GAP) + _GAP, 3), 255, np.uint8)
    cv2.putText(tile, label, (_GAP, _LINE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    for i, picture in enumerate(pictures):
        x = _GAP + i * (_SIDE + _GAP)
        shown = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
        tile[_LINE : _LINE + _SIDE, x : x + _SIDE] = shown
    return tile
