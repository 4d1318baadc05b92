"""Whether a clip store on disk is whole: its files, their sizes, and, when asked, every byte of its pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from merjax.stores.store import CROPS, Store, damaged_store, open_store
from merjax.stores.writing import clip_hash, content_hash
from merjax.system.errors import MerjaxError
from merjax.system.health import Finding
from merjax.system.own_files import broken_seal, changed_files

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
        what, _, todo = str(error).rpartition("; ")
        yield Finding("store", what, todo)
        return
    index = store.index
    subjects = len(index[["database", "subject"]].drop_duplicates())
    databases = ", ".join(index["database"].unique())
    yield Finding("store", f"{len(index)} clips of {subjects} subjects ({databases}), {len(store.dropped)} dropped")
    gigabytes = sum(array.nbytes for array in _arrays(store)) / 2**30
    said = ", the authors' geometry" if store.geometry == "authors" else ""
    yield Finding("pixels", f"{index['n_frames'].sum()} frames, {gigabytes:.2f} GiB{said}")
    yield from _noted(store)
    yield _hash(store, full=full)


def _noted(store: Store) -> Iterator[Finding]:
    """The files of which sizes and hashes were noted, where they are not as they were."""
    changed = changed_files(store.path / "store.json", store.meta.get("files", {}), damaged_store(store.path))
    if broken_seal(store.path / "store.json"):
        changed.append("store.json")
    for name in changed:
        yield Finding(name, "not as it was when the store was made", damaged_store(store.path))


def _hash(store: Store, *, full: bool) -> Finding:
    if not full and sum(array.nbytes for array in _arrays(store)) > CHEAP:
        return Finding("hash", "not computed: the store is large", "add --full to read all of it", needed=False)
    found = content_hash(
        store.index, [_hash_of_clip(store, i) for i in range(len(store.index))], store.meta["settings"]
    )
    if found == store.hash:
        return Finding("hash", f"{found[:8]}, as it was when the store was made")
    todo = f"pixels, the index or store.json changed: {damaged_store(store.path)}"
    return Finding("hash", f"{found[:8]}, but the store was made with {store.hash[:8]}", todo)


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
