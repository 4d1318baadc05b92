"""An unfinished clip store: what has been done so far, on disk, so that a stopped preparation can go on.

A folder `<store>.partial` holds the crop files; `partial.json`, which says what is being prepared; and `journal.jsonl` with a
line for each clip that is done, written after the clip's crops.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merjax.datasets.clip import Clip
from merjax.faces.face_boxes import FaceBox
from merjax.faces.landmarks import STEPS
from merjax.stores.arrays import CROPS, read_rows
from merjax.stores.clip_crops import CropSettings
from merjax.stores.face_places import Seen
from merjax.stores.journals import JOURNAL, add_line, go_on_from
from merjax.stores.store import STORE_FORMAT
from merjax.stores.writing import allocate_rows, clip_hash, crop_arrays, is_allocated
from merjax.system.console import warn
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.own_files import read_json
from merjax.system.paths import holds_something, lacks_file, make_folder

_MARKER = "partial.json"


@dataclass(frozen=True)
class Prepared:
    """The result of preparing one clip: its landmarks and the hash of its crops, or the reason why it was dropped.

    `face` is the step that found the face in `box`, `others` are further faces; `size` is the first frame's rows and columns,
    `bits` how many bits of its values are in use.
    """

    clip: int
    reason: str = ""
    points: list[list[float]] | None = None
    hash: str = ""
    face: str = "sure"
    box: tuple[int, ...] | None = None
    others: Sequence[tuple[int, ...]] = ()
    size: tuple[int, ...] | None = None
    bits: int = 8

    @property
    def seen(self) -> Seen | None:
        """What the result says about faces: one that dlib found, or that it found none; None if its place came from others."""
        if self.size is None or (self.points is not None and (self.box is None or self.face not in STEPS[:2])):
            return None
        return Seen((self.size[0], self.size[1]), FaceBox(*self.box) if self.points and self.box else None)


def open_partial(partial: Path, clips: Sequence[Clip], settings: CropSettings) -> None:
    """Make the folder, or go on with the one of an earlier preparation of the same clips in the same way.

    A damaged `partial.json` does not say what was prepared, so a warning is printed and all is prepared anew. Files that are
    missing or cut off are made again, with a warning, and the clips in them are prepared again.

    Raises:
        MerjaxError: there are files that a preparation did not make, or nothing can be written there.
    """
    marker = partial / _MARKER
    fingerprint = _fingerprint(clips, settings)
    if _noted_fingerprint(marker) == fingerprint:
        _allocate(partial, clips, settings, warned=True)
        return
    if marker.is_file():
        shutil.rmtree(partial)
    elif holds_something(partial):
        raise MerjaxError(f"{partial} is in the way and was not made by merjax; remove it or choose another folder")
    make_folder(partial)
    # before the crop files, so that merjax knows what a full disk leaves of them as its own
    write_json(marker, {"fingerprint": ""})
    _allocate(partial, clips, settings, warned=False)
    write_json(marker, {"fingerprint": fingerprint})


def _noted_fingerprint(marker: Path) -> str:
    """The fingerprint of what is prepared here; "" if there is none, or it cannot be read."""
    if lacks_file(marker) == "does not exist":
        return ""
    try:
        return str(read_json(marker, "the preparation begins anew").get("fingerprint", ""))
    except MerjaxError as error:
        warn(str(error))
        return ""


def _allocate(partial: Path, clips: Sequence[Clip], settings: CropSettings, *, warned: bool) -> None:
    """Make the files to be filled that are not there yet."""
    frames = sum(len(clip.frames) for clip in clips)
    arrays = [(name, frames, shape, dtype) for name, shape, dtype in crop_arrays(settings.channels)]
    for array in arrays:
        if not is_allocated(partial, *array):
            if warned:
                warn(f"{partial / array[0]}.npy is missing or damaged: its clips are prepared again")
            allocate_rows(partial, *array)


def add_to_journal(partial: Path, result: Prepared) -> None:
    """Note that a clip is done; its crops are already written."""
    add_line(partial, asdict(result))


def read_journal(partial: Path, clips: Sequence[Clip], first_rows: Sequence[int]) -> dict[int, Prepared]:
    """The clips that are done, by number.

    A clip whose crops on disk differ from those that were noted, perhaps after a loss of power, does not count as done.
    Neither does a clip that was dropped, since its images may have been repaired since.
    """
    done = {}
    for noted in go_on_from(partial):
        result = _result_of(noted)
        if result is None or result.points is None or not 0 <= result.clip < len(clips):
            continue
        place = (first_rows[result.clip], len(clips[result.clip].frames))
        if _hash_on_disk(partial, place) == result.hash:
            done[result.clip] = result
    return done


def _result_of(noted: Any) -> Prepared | None:
    """What a line of the journal says; None if it is damaged."""
    try:
        noted.pop("cut_off", None)  # of motion, which earlier versions computed with the crops
        result = Prepared(**noted)
        whole = result.points is None or np.shape(result.points) == (68, 2)
        return result if whole and isinstance(result.clip, int) else None
    except (ValueError, TypeError, AttributeError):
        return None


def _hash_on_disk(partial: Path, place: tuple[int, int]) -> str:
    return clip_hash([read_rows(partial, region.name, *place) for region in CROPS])


def close_partial(partial: Path, out: Path) -> None:
    """Give a filled folder, with its `store.json`, the name of the store."""
    partial.rename(out)
    for name in (JOURNAL, _MARKER):
        (out / name).unlink(missing_ok=True)


def _fingerprint(clips: Sequence[Clip], settings: CropSettings) -> str:
    """Identifies what is being prepared and how, so that a partial store of something else is not continued."""
    # spelled out, since a class that is given another name must not change it: what was begun before would be lost
    made = f"Settings(colour={settings.colour!r}, align={settings.align!r}, flow=None)"
    if settings.faces != STEPS[-1]:
        made += f", faces={settings.faces!r}"
    if settings.geometry != "ours":
        made += f", geometry={settings.geometry!r}"
    # the first version that prepared as this one does: what it left unfinished goes on
    lines = [f"format {STORE_FORMAT}, version 0.1.0, {made}"]
    lines += [f"{clip.key} {frame}" for clip in clips for frame in clip.frames]
    return hashlib.blake2b("\n".join(lines).encode(errors="surrogateescape"), digest_size=16).hexdigest()
