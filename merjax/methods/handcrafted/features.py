"""Each clip's features, computed once for a store and kept in it.

`python -m merjax.methods.handcrafted.features STORE METHOD FOLDER` takes a share of the work of the process that starts it.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from merjax.datasets.clip import target_frame
from merjax.faces.crops import Points, face_points
from merjax.faces.flow import dense_flow
from merjax.faces.regions import FACE
from merjax.methods.handcrafted.directions import bi_woof, hoof, main_regions, mdmo
from merjax.methods.handcrafted.lbp_top import lbp_top
from merjax.stores.store import Store, open_store
from merjax.stores.writing import write_array
from merjax.system.errors import MerjaxError
from merjax.system.locks import lock_at
from merjax.system.processes import cores, helping

VERSION = 2  # of the descriptors and their pieces: features of another version are computed again
_BLOCK = 8  # clips that a process computes at a time
_FRAMES = 10  # frames of a clip over which MDMO takes its mean


class FaceClip(NamedTuple):
    """What the descriptors see of a clip.

    Attributes:
        faces_TxHxW: the face crops, gray, onset to offset.
        target: position of the frame that motion is measured to, see `merjax.datasets.clip.target_frame`.
        points_68x2: landmarks (x, y) of the first frame in pixels of the crop.
    """

    faces_TxHxW: UInt8[np.ndarray, "frames height width"]
    target: int
    points_68x2: Points


DESCRIPTORS: dict[str, Callable[[FaceClip], np.ndarray]] = {
    "lbp_top": lambda clip: lbp_top(clip.faces_TxHxW),
    "hoof": lambda clip: hoof(dense_flow(clip.faces_TxHxW[0], clip.faces_TxHxW[clip.target])),
    "bi_woof": lambda clip: bi_woof(dense_flow(clip.faces_TxHxW[0], clip.faces_TxHxW[clip.target])),
    "mdmo": lambda clip: _mdmo(clip),
}


def clip_features(store: Store, method: str) -> Float[np.ndarray, "clips features"]:
    """The features of every clip of a store, in the order of its index.

    They are computed on all cores that this process may use and kept in the store's folder `features`, in pieces that the
    processes share: each takes pieces that no other process is computing. If that folder cannot be written, each of a sweep's
    workers computes all pieces.

    Raises:
        MerjaxError: the store holds no frames.
    """
    require_frames(store, method)
    folder = store.path / "features"
    try:
        folder.mkdir(exist_ok=True)
        kept = os.access(folder, os.W_OK)
    except OSError:
        kept = False
    if kept:
        return _shared(store, method, folder)
    with tempfile.TemporaryDirectory() as aside:
        return _shared(store, method, Path(aside))


def fill(store: Store, method: str, folder: Path) -> None:
    """Compute the pieces that no process has computed or is computing."""
    pieces = _pieces(store, method, folder)
    mine = os.getpid() % len(pieces)  # where to begin, at a different piece from the other processes
    for place, file in pieces[mine:] + pieces[:mine]:
        _fill(store, method, place, file, wait=False)


def require_frames(store: Store, method: str) -> None:
    """Refuse a store that holds flow images only.

    Raises:
        MerjaxError: the store is refused; the message says how to make one that has frames.
    """
    if not store.crops:
        raise MerjaxError(
            f"{store.path} holds flow images and no frames, but {method} is computed from frames; prepare the clips with "
            "`merjax prepare --casme2 RELEASE --out STORE`"
        )


def read_face_clip(store: Store, n: int) -> FaceClip:
    """What the descriptors see of a store's n-th clip."""
    row = store.index.iloc[n]
    faces = np.asarray(store.crops[FACE.name][row["first_row"] : row["first_row"] + row["n_frames"]])
    if faces.ndim == 4:
        faces = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces])
    landmarks = np.load(store.path / "landmarks.npy", mmap_mode="r")
    return FaceClip(faces, target_frame(row), face_points(np.asarray(landmarks[n], float)))


def _shared(store: Store, method: str, folder: Path) -> np.ndarray:
    pieces = _pieces(store, method, folder)
    missing = sum(not _is_whole(file, len(place)) for place, file in pieces)
    with helping(min(len(cores()), missing) - 1, "merjax.methods.handcrafted.features", store.path, method, folder):
        fill(store, method, folder)
        for place, file in pieces:
            _fill(store, method, place, file, wait=True)
    return np.concatenate([np.load(file) for _, file in pieces])


def _pieces(store: Store, method: str, folder: Path) -> list[tuple[range, Path]]:
    """Which clips, and the file of their features."""
    starts = range(0, len(store.index), _BLOCK)
    places = [range(start, min(start + _BLOCK, len(store.index))) for start in starts]
    return [(place, folder / f"{method}-{VERSION}-{store.hash}-{place.start:05d}.npy") for place in places]


def _fill(store: Store, method: str, place: range, file: Path, *, wait: bool) -> None:
    if _is_whole(file, len(place)):
        return
    lock = lock_at(file.with_suffix(".lock"))
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except TimeoutError:
        return
    try:
        if not _is_whole(file, len(place)):
            aside = file.with_suffix(f".{os.getpid()}")
            write_array(aside, _compute(store, method, place))
            aside.replace(file)
    finally:
        lock.release()


def _is_whole(file: Path, clips: int) -> bool:
    """Whether a piece was computed and its file is not damaged; otherwise it is computed anew."""
    try:
        return len(np.load(file, mmap_mode="r")) == clips
    except Exception:  # of a damaged file, NumPy raises errors of many kinds
        return False


def _compute(store: Store, method: str, place: range) -> np.ndarray:
    return np.stack([DESCRIPTORS[method](read_face_clip(store, n)) for n in place]).astype(np.float32)


def _mdmo(clip: FaceClip) -> np.ndarray:
    """MDMO of the flow from the onset to each of ten evenly spaced frames."""
    faces = clip.faces_TxHxW
    at = np.unique(np.linspace(0, len(faces) - 1, _FRAMES + 1).round().astype(int))[1:]
    regions = main_regions(clip.points_68x2, faces.shape[1:])
    return mdmo([dense_flow(faces[0], faces[t]) for t in at] or [np.zeros((*faces.shape[1:], 2), np.float32)], regions)


if __name__ == "__main__":
    fill(open_store(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
