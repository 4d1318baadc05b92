"""Whether a clip store on disk is whole: its files, their sizes, and, when asked, every byte of its pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from merjax.stores.adding_features import feature_hash
from merjax.stores.held_features import FOLDER, PICTURES, RECORD, HeldFeature, damaged_feature
from merjax.stores.store import Store, damaged_store, open_store
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
    for name in store.features:
        yield _feature(store, name, full=full)


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
    """The hash of a clip, as `preparation` and `from_flow_images` computed it when they wrote the clip.

    Of what a store was made with, the crops come first, then the motion of every frame, then the flow image.
    """
    made_with = [held for held in store.features.values() if not held.hash]
    crops = [array[_frames(store, clip)] for array in store.crops.values()]
    motion = [
        array[_frames(store, clip)] for held in made_with for name, array in held.arrays.items() if name != PICTURES
    ]
    picture = [held.pictures[clip][None] for held in made_with if PICTURES in held.arrays]
    return clip_hash([*crops, *motion, *picture])


def _frames(store: Store, clip: int) -> slice:
    row = store.index.iloc[clip]
    return slice(int(row["first_row"]), int(row["first_row"] + row["n_frames"]))


def _feature(store: Store, name: str, *, full: bool) -> Finding:
    """What a feature is, and whether its content is the one that it was made with."""
    held = store.features[name]
    size = (
        f"{held.pictures.shape[2]}x{held.pictures.shape[1]} pixels a clip" if PICTURES in held.arrays else "every frame"
    )
    found = ", ".join([size, *(f"{key} {value}" for key, value in held.settings.items() if key not in _SIZES)])
    if not held.hash:
        return Finding(name, f"{found}; made with the store")
    if not full and sum(array.nbytes for array in held.arrays.values()) > CHEAP:
        return Finding(name, f"{found}; hash not computed: it is large", "add --full to read all of it", needed=False)
    hashes = [_hash_of_part(store, held, clip) for clip in range(len(store.index))]
    broken = broken_seal(store.path / FOLDER / name / RECORD)
    if not broken and feature_hash(store.index, hashes, dict(held.settings)) == held.hash:
        return Finding(name, f"{found}; hash {held.hash[:8]}, as it was when it was made")
    return Finding(name, f"{found}; it changed since it was made", damaged_feature(store.path, name))


_SIZES = ("side", "height", "width")


def _hash_of_part(store: Store, held: HeldFeature, clip: int) -> str:
    """The hash of a clip's part of a feature, as `adding_features` computed it."""
    place = slice(clip, clip + 1) if PICTURES in held.arrays else _frames(store, clip)
    return clip_hash(array[place] for array in held.arrays.values())


def _arrays(store: Store) -> list[np.ndarray]:
    made_with = [held for held in store.features.values() if not held.hash]
    return [*store.crops.values(), *(array for held in made_with for array in held.arrays.values())]
