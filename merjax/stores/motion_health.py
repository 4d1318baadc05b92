"""Whether a motion store on disk is whole: its files, their shapes, and, when asked, every byte of its arrays."""

from collections.abc import Iterator
from pathlib import Path

from merjax.stores.health import CHEAP
from merjax.stores.motion_store import FORMS, MARKER, MotionStore, damaged_motion, open_motion_store
from merjax.stores.motion_writing import motion_hash, video_hash
from merjax.system.errors import MerjaxError
from merjax.system.health import Finding
from merjax.system.own_files import broken_seal


def examine_motion_store(path: Path, *, full: bool = False) -> Iterator[Finding]:
    """What a motion store holds, and which of its parts are missing or damaged.

    Args:
        path: its folder.
        full: read all its arrays, however large they are, and compare their hash with the one that was noted when they were
            written; otherwise this is done only for a store of up to `merjax.stores.health.CHEAP` bytes.
    """
    try:
        store = open_motion_store(path)
    except MerjaxError as error:
        what, _, todo = str(error).rpartition("; ")
        yield Finding("motion store", what, todo)
        return
    subjects = len({(video.database, video.subject) for video in store.videos})
    yield Finding("motion store", f"{len(store.videos)} videos of {subjects} subjects, {len(store.dropped)} dropped")
    if broken_seal(path / MARKER):
        yield Finding(MARKER, "not as it was when the store was made", damaged_motion(path))
    size = 0
    for video in store.videos:
        for name in FORMS:
            try:
                size += store.array(video, name).nbytes
            except MerjaxError as error:
                what, _, todo = str(error).rpartition("; ")
                yield Finding(video.name, what, todo)
                return
    frames = sum(video.n_frames for video in store.videos)
    yield Finding("motion", f"{frames} frames, {sum(len(v.gaps) for v in store.videos)} gaps, {size / 2**30:.2f} GiB")
    yield _hash(store, size, full=full)


def _hash(store: MotionStore, size: int, *, full: bool) -> Finding:
    if not full and size > CHEAP:
        return Finding("hash", "not computed: the store is large", "add --full to read all of it", needed=False)
    hashes = [video_hash(store.path / video.folder) for video in store.videos]
    found = motion_hash(store.videos, hashes, store.settings)
    if found == store.hash:
        return Finding("hash", f"{found[:8]}, as it was when the store was made")
    todo = f"an array or {MARKER} changed: {damaged_motion(store.path)}"
    return Finding("hash", f"{found[:8]}, but the store was made with {store.hash[:8]}", todo)
