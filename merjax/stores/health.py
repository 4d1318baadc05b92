"""Whether a clip store on disk is whole: its files, their sizes, and, when asked, every byte of its pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from merjax.stores.store import CROPS, Store, open_store
from merjax.stores.writing import clip_hash, content_hash
from merjax.system.errors import MerjaxError
from merjax.system.health import Finding

_AGAIN = "remove the store and prepare it again"
CHEAP = 2**28  # bytes of pixels that are hashed in a second


def examine_store(path: Path, *, full: bool = False) -> Iterator[Finding]:
    """What a store holds, and which of its parts are missing or damaged.

    Args:
        path: its folder.
        full: read all its pixels, however many they are, and compare their hash with the one that was noted when they were
            written; otherwise this is done only for a store of up to `CHEAP` bytes.
    """
    try:
        store = open_store(path)
    except MerjaxError as error:
        yield Finding("store", str(error), _AGAIN)
        return
    except (OSError, ValueError, KeyError) as error:
        yield Finding("store", f"cannot be opened ({' '.join(str(error).split())})", _AGAIN)
        return
    index = store.index
    subjects = len(index[["database", "subject"]].drop_duplicates())
    databases = ", ".join(index["database"].unique())
    yield Finding("store", f"{len(index)} clips of {subjects} subjects ({databases}), {len(store.dropped)} dropped")
    sizes = list(_sizes(store))
    yield from sizes
    if not any(finding.fails for finding in sizes):
        yield _hash(store, full=full)


def _sizes(store: Store) -> Iterator[Finding]:
    """Whether every file has as many rows as the index says."""
    clips, noted = len(store.index), store.meta.get("clips", len(store.index))
    if clips != noted:
        yield Finding("index.parquet", f"{clips} clips, store.json says {noted}", _AGAIN)
    last = store.index["first_row"] + store.index["n_frames"] if store.crops else None
    rows = int(last.max()) if last is not None else 0
    for name, array in (store.crops | {f"flow_{name}": array for name, array in store.frame_flow.items()}).items():
        if len(array) < rows:
            yield Finding(f"{name}.npy", f"{len(array)} frames, but the index says {rows}", _AGAIN)
    if store.flow is not None and len(store.flow) != clips:
        yield Finding("flow.npy", f"{len(store.flow)} pictures of {clips} clips", _AGAIN)
    gigabytes = sum(array.nbytes for array in _arrays(store)) / 2**30
    yield Finding("pixels", f"{rows} frames, {gigabytes:.2f} GiB")


def _hash(store: Store, *, full: bool) -> Finding:
    if not full and sum(array.nbytes for array in _arrays(store)) > CHEAP:
        return Finding("hash", "not computed: the store is large", "add --full to read all of it", needed=False)
    found = content_hash(
        store.index, [_hash_of_clip(store, i) for i in range(len(store.index))], store.meta["settings"]
    )
    if found == store.hash:
        return Finding("hash", f"{found[:8]}, as it was when the store was made")
    return Finding(
        "hash", f"{found[:8]}, but the store was made with {store.hash[:8]}", f"the pixels changed: {_AGAIN}"
    )


def _hash_of_clip(store: Store, clip: int) -> str:
    """The hash of a clip, as `preparation` and `from_flow_images` computed it when they wrote the clip."""
    if not store.crops:
        assert store.flow is not None
        return clip_hash([store.flow[clip]])
    row = store.index.iloc[clip]
    frames = slice(int(row["first_row"]), int(row["first_row"] + row["n_frames"]))
    arrays = [store.crops[region.name][frames] for region in CROPS]
    arrays += [store.frame_flow[region.name][frames] for region in CROPS if region.name in store.frame_flow]
    return clip_hash([*arrays, store.flow[clip][None]] if store.flow is not None else arrays)


def _arrays(store: Store) -> list[np.ndarray]:
    flow = [store.flow] if store.flow is not None else []
    return [*store.crops.values(), *store.frame_flow.values(), *flow]
