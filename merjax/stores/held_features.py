"""The features that a store holds, read from its folder.

Each lies in a folder of its own, `features/NAME`, with `pictures.npy` (`clips x side x side x 3`, uint8, in the order of the
index) or, for the motion of every frame, one `<region>.npy` per region (`frames x height x width x 3`, int8); `sheet.png`,
which shows it; and `feature.json` with its settings and hash. The folder gets its name when it is whole.

Stores of earlier versions hold a flow image and motion in `flow.npy` and `flow_<region>.npy` beside their crops, and stores of
ready flow images hold these in `flow.npy`. Such a feature is part of the store's own hash and has none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.stores.arrays import CROPS, Form, crop_shape, frame_flow_name, memory_map
from merjax.stores.features import MOTION, side_of
from merjax.system.own_files import read_json, reading

FOLDER, RECORD, PICTURES = "features", "feature.json", "pictures"


@dataclass(frozen=True)
class HeldFeature:
    """A feature of a store.

    Attributes:
        arrays: read-only memory maps, one called "pictures", or one per region.
        settings: how it was made, by name.
        hash: of its content and settings, whatever the order of the clips; "" if the store's own hash covers it.
        cut_off: the share of its values that were larger than their type holds.
    """

    arrays: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]
    hash: str = ""
    cut_off: float = 0.0

    @property
    def pictures(self) -> np.ndarray:
        """One picture per clip, `clips x height x width x 3`."""
        return self.arrays[PICTURES]

    @property
    def enlarged(self) -> bool:
        """Whether its pictures are ready images with fewer pixels."""
        width, _, height = self.settings.get("from", "").partition("x")
        return bool(height) and (int(height) < self.settings["height"] or int(width) < self.settings["width"])


def arrays_made_with(settings: Mapping[str, Any], clips: int) -> Iterator[tuple[str, Form]]:
    """Names and forms of the files of motion that a store was made with, by its settings."""
    if flow := settings.get("flow"):
        yield "flow", ((clips, *_size_made_with(flow), 3), "|u1")
        if flow.get("every"):
            for region in CROPS:
                yield frame_flow_name(region), ((None, *crop_shape(region, 3)), "|i1")


def features_made_with(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, HeldFeature]:
    """The features that a store was made with, by name."""
    flow = meta.get("settings", {}).get("flow")
    if flow is None:
        return {}
    settings = {key: value for key, value in flow.items() if key != "every"}
    height, width = _size_made_with(flow)
    name = f"flow{height}" if height == width else f"flow{width}x{height}"
    held = {name: HeldFeature({PICTURES: arrays["flow"]}, settings)}
    if flow.get("every"):
        motion = {region.name: arrays[frame_flow_name(region)] for region in CROPS}
        cut_off = meta.get("flow_cut_off", 0.0)
        held[MOTION] = HeldFeature(motion, {"algorithm": flow["algorithm"]}, cut_off=cut_off)
    return held


def _size_made_with(flow: Mapping[str, Any]) -> tuple[int, int]:
    return flow.get("side", flow.get("height")), flow.get("side", flow.get("width"))


def read_features(path: Path, meta: Mapping[str, Any], index: pd.DataFrame) -> dict[str, HeldFeature]:
    """The features that were added to a store, by name.

    Raises:
        MerjaxError: one is damaged, or was made of other clips.
    """
    records = sorted(path.glob(f"{FOLDER}/*/{RECORD}"))
    return {name: _read(path, name, meta, index) for record in records if is_finished(name := record.parent.name)}


def is_finished(name: str) -> bool:
    """Whether a folder of features has a feature's name, rather than that of one that is being added."""
    return "." not in name


def damaged_feature(path: Path, name: str) -> str:
    """What to do about a damaged feature of a store, as the end of a sentence."""
    return f"remove {path / FOLDER / name} and add it again: merjax prepare --features {name} --out {path}"


def forms_of(name: str, index: pd.DataFrame) -> dict[str, tuple[tuple[int, ...], str]]:
    """Names and forms of the arrays of a feature of these clips."""
    if name == MOTION:
        rows = int((index["first_row"] + index["n_frames"]).max())
        return {region.name: ((rows, *crop_shape(region, 3)), "|i1") for region in CROPS}
    side = side_of(name)
    return {PICTURES: ((len(index), side, side, 3), "|u1")}


def _read(path: Path, name: str, meta: Mapping[str, Any], index: pd.DataFrame) -> HeldFeature:
    folder, todo = path / FOLDER / name, damaged_feature(path, name)
    record = read_json(folder / RECORD, todo)
    with reading(folder / RECORD, todo):
        if record["store"] != meta["hash"]:
            raise ValueError("it was made of other clips")
        settings, hashed, cut_off = dict(record["settings"]), record["hash"], float(record["cut_off"])
        if not (hashed and isinstance(hashed, str)):
            raise ValueError("it has no hash")
    arrays = {key: memory_map(folder / f"{key}.npy", form, todo) for key, form in forms_of(name, index).items()}
    return HeldFeature(arrays, settings, hashed, cut_off)
