"""A clip store of a few clips of two frames, as a preparation writes it, but of random pixels: it takes milliseconds."""

from pathlib import Path

import numpy as np
import pandas as pd
from support.crop_files import allocate

from merjax.datasets.clip import discrepancy_table
from merjax.stores.arrays import CROPS, frame_flow_name
from merjax.stores.store import STORE_FORMAT
from merjax.stores.writing import clip_hash, content_hash, write_rows
from merjax.system.files import write_json, write_table
from merjax.system.own_files import noted_files, sealed

CLIPS, FRAMES = 3, 2


def tiny_store(path: Path, *, motion: bool = False) -> Path:
    """Write the store.

    Args:
        path: its folder.
        motion: whether it was made with a flow image of each clip and the motion of every frame, as by earlier versions.
    """
    path.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), CLIPS * FRAMES
    allocate(path, rows, frame_flow=motion)
    names = [r.name for r in CROPS] + ([frame_flow_name(r) for r in CROPS] if motion else [])
    arrays = {}
    for name in names:
        there = np.load(path / f"{name}.npy", mmap_mode="r")
        arrays[name] = rng.integers(0, 100, there.shape).astype(there.dtype)
        write_rows(path, name, 0, arrays[name])
    flow = rng.integers(0, 255, (CLIPS, 28, 28, 3)).astype(np.uint8)
    settings = {"colour": "gray", "align": "first"}
    if motion:
        np.save(path / "flow.npy", flow)
        settings["flow"] = {"to": "apex", "every": True, "algorithm": "dis", "side": 28}
    np.save(path / "landmarks.npy", rng.uniform(0, 100, (CLIPS, 68, 2)).astype(np.float32))
    index = _index()
    write_table(path / "index.parquet", index)
    write_table(path / "discrepancies.parquet", discrepancy_table([]))
    hashes = [
        clip_hash([a[i * FRAMES : (i + 1) * FRAMES] for a in arrays.values()] + ([flow[i][None]] if motion else []))
        for i in range(CLIPS)
    ]
    meta = {
        "format": STORE_FORMAT,
        "version": "0.1.0",
        "sources": [{"database": "casme2", "root": "nowhere", "synthetic": ""}],
        "settings": settings,
        "clips": CLIPS,
        "hash": content_hash(index, hashes, settings),
        "files": noted_files(path, ["index.parquet", "discrepancies.parquet", "landmarks.npy"]),
    }
    write_json(path / "store.json", sealed(meta))
    return path


def _index() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "database": "casme2",
            "subject": [f"sub{i:02d}" for i in range(CLIPS)],
            "clip": [f"EP{i:02d}" for i in range(CLIPS)],
            "emotion": ["happiness", "disgust", "surprise"],
            "action_units": ["12", "4", "1+2"],
            "objective_class": pd.array([1, 4, 2], dtype="Int64"),
            "onset": pd.array([1] * CLIPS, dtype="Int64"),
            "apex": pd.array([2] * CLIPS, dtype="Int64"),
            "offset": pd.array([2] * CLIPS, dtype="Int64"),
            "fps": 200.0,
            "n_frames": FRAMES,
            "first_row": np.arange(CLIPS) * FRAMES,
        }
    )
