"""A picture to look at: the motion of each subject's first clip, as a colour wheel and by channel."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from merjax.flow import colour_wheel

_SIDE, _GAP, _COLUMNS, _LINE = 96, 4, 4, 20


def write_flow_sheet(path: Path, index: pd.DataFrame, flow_NxHxWx3: np.ndarray) -> None:
    """Write a PNG that shows one clip per subject: direction and strength in colours, then u, v and strain in gray.

    The first tile is the key to the colours: what moves as its rim lies from its centre has the rim's colour.

    Args:
        path: the PNG file.
        index: a row per clip: database, subject, clip.
        flow_NxHxWx3: the clips' pictures, u, v and strain, each scaled over 0..255. Where rest lies on that scale is not
            kept, so a channel's median stands for it.
    """
    tiles = [_labelled("colours", [_key()])]
    for n in np.flatnonzero(~index.duplicated(["database", "subject"])):
        label = "/".join(index.iloc[n][["database", "subject", "clip"]])
        tiles.append(_labelled(label, _pictures(flow_NxHxWx3[n])))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
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
