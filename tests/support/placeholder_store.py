"""A clip store with the published numbers of clips and subjects and no pictures, as a licence holder's would be."""

from pathlib import Path

import numpy as np
import pandas as pd
from support.crop_files import allocate

from merjax.stores.store import STORE_FORMAT
from merjax.system.files import write_json

FRAMES = 2  # of each clip; the crop files are sparse, whatever there are

# emotion -> clips; those of the MEGC protocol as in the paper's Table 3, then the others of the release
_EMOTIONS = {
    "smic": ({"negative": 70, "positive": 51, "surprise": 43}, {}),
    "casme2": ({"disgust": 61, "repression": 27, "happiness": 32, "surprise": 25}, {"others": 110}),
    "samm": ({"anger": 57, "contempt": 12, "disgust": 9, "fear": 8, "sadness": 6, "happiness": 26, "surprise": 15},
             {"other": 26}),
}  # fmt: skip
_SUBJECTS = {"smic": (16, 16), "casme2": (24, 26), "samm": (28, 29)}  # in the MEGC protocol, in the release
_CLASSES = {"casme2": (25, 15, 99, 26, 20, 1, 69), "samm": (24, 13, 20, 8, 3, 7, 84)}  # I to VII, Table 4
_CLASS_SUBJECTS = {"casme2": 26, "samm": 21}  # whose clips have classes I to V


def placeholder_store(path: Path, synthetic: str = "") -> Path:
    """Write the store of all three databases: 578 clips of 71 subjects."""
    index = pd.concat([_clips(database) for database in _EMOTIONS], ignore_index=True)
    index["first_row"] = np.arange(len(index)) * FRAMES
    path.mkdir(parents=True)
    allocate(path, len(index) * FRAMES)
    index.to_parquet(path / "index.parquet")
    nothing = pd.DataFrame({name: pd.Series(dtype=str) for name in ("database", "subject", "clip", "reason")})
    nothing.assign(dropped=pd.Series(dtype=bool)).to_parquet(path / "discrepancies.parquet")
    sources = [{"database": database, "root": "nowhere", "synthetic": synthetic} for database in _EMOTIONS]
    write_json(path / "store.json", {"format": STORE_FORMAT, "hash": "placeholder", "sources": sources})
    return path


def _clips(database: str) -> pd.DataFrame:
    in_protocol, others = ([e for e, n in part.items() for _ in range(n)] for part in _EMOTIONS[database])
    of_protocol, in_all = _SUBJECTS[database]
    subject_N = [*(i % of_protocol for i in range(len(in_protocol))), *(-1 - i % in_all for i in range(len(others)))]
    subject_N = np.array(subject_N) % in_all
    n = len(subject_N)
    return pd.DataFrame(
        {
            "database": database,
            "subject": [f"sub{s:02d}" for s in subject_N],
            "clip": [f"c{i:03d}" for i in range(n)],
            "emotion": in_protocol + others,
            "action_units": "",
            "objective_class": pd.array(_classes(database, subject_N), dtype="Int64"),
            "onset": pd.array([1] * n, dtype="Int64"),
            "apex": pd.array([2] * n, dtype="Int64"),
            "offset": pd.array([FRAMES] * n, dtype="Int64"),
            "fps": 100.0 if database == "smic" else 200.0,
            "n_frames": FRAMES,
        }
    )


def _classes(database: str, subject_N: np.ndarray) -> list[int | None]:
    """Objective classes, I to V dealt in turn to as many subjects as have any, VI and VII to the rest."""
    if database not in _CLASSES:
        return [None] * len(subject_N)
    counts = _CLASSES[database]
    classes_N = np.repeat(np.arange(1, 8), counts)
    rng = np.random.default_rng(0)
    order_N = np.lexsort((rng.permutation(len(subject_N)), subject_N >= _CLASS_SUBJECTS[database]))
    firsts = [np.flatnonzero(subject_N == s)[0] for s in range(_CLASS_SUBJECTS[database])]
    order_N = np.array([*firsts, *(i for i in order_N if i not in firsts)])
    dealt_N = np.empty(len(subject_N), int)
    dealt_N[order_N] = [*rng.permutation(classes_N[: sum(counts[:5])]), *classes_N[sum(counts[:5]) :]]
    return dealt_N.tolist()
