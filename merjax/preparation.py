"""From a release's clips to a clip store: landmarks of the first frame, boxes, crops; in parallel and restartable."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from merjax import __version__, landmarks
from merjax.contact_sheet import write_contact_sheet
from merjax.crops import cut, read_gray, region_boxes
from merjax.datasets import index_of
from merjax.datasets.clip import Clip, Release
from merjax.errors import MerjaxError
from merjax.store import CROPS, FORMAT, Store, allocate, clip_hash, content_hash, open_store, write_json, write_rows


@dataclass(frozen=True)
class Prepared:
    """What one clip's preparation gave: its landmarks and the hash of its crops, or the reason why it was dropped."""

    clip: int
    reason: str = ""
    points: list[list[float]] | None = None
    hash: str = ""


def prepare_store(
    releases: Sequence[Release],
    out: Path,
    *,
    workers: int | None = None,
    model: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    """Prepare the clips of one or more releases into a clip store at `out`.

    The store grows in `<out>.partial` and gets its name when it is whole. A clip that cannot be used (no face found, an
    unreadable image) is listed in the store with its reason.

    Args:
        releases: what the readers of `merjax.datasets` returned.
        out: folder of the store; must not exist. A `<out>.partial` of the same clips is continued.
        workers: processes; all cores by default.
        model: dlib's 68-point model; found as `merjax.landmarks.find_model` says by default.
        progress: called with (clips done, clips in all).

    Raises:
        MerjaxError: no clips, an output in the way, no landmark model, no usable clip at all.
    """
    clips = [clip for release in releases for clip in release.clips]
    if not clips:
        raise MerjaxError(f"there is no usable clip in {', '.join(str(r.root) for r in releases)}")
    if out.exists():
        raise MerjaxError(f"{out} exists; remove it or choose another --out")
    model = landmarks.find_model(model)
    partial = out.with_name(out.name + ".partial")
    first_rows = np.cumsum([0, *(len(clip.frames) for clip in clips)])
    _open_partial(partial, _fingerprint(releases), int(first_rows[-1]))

    done = _read_journal(partial)
    progress(len(done), len(clips))
    jobs = [(i, clip, int(first_rows[i])) for i, clip in enumerate(clips) if i not in done]
    with (partial / "journal.jsonl").open("a") as journal:
        for result in _run(jobs, partial, model, workers or os.cpu_count() or 1):
            journal.write(json.dumps(asdict(result)) + "\n")
            journal.flush()
            done[result.clip] = result
            progress(len(done), len(clips))
    _finish(partial, out, releases, clips, first_rows, [done[i] for i in range(len(clips))])
    return open_store(out)


def prepare_clip(clip: Clip, folder: Path, first_row: int, model: Path) -> tuple[np.ndarray, str]:
    """Cut one clip's crops into the store's files.

    Returns:
        The 68 points (x, y) of its first frame, and the hash of its crops.

    Raises:
        MerjaxError: when an image cannot be read or the first frame shows no face.
    """
    first = read_gray(clip.frames[0])
    points = landmarks.detect(first, model)
    if points is None:
        raise MerjaxError(f"dlib finds no face in {clip.frames[0].name}")
    boxes = region_boxes(points)
    frames = {r.name: np.empty((len(clip.frames), r.height, r.width), np.uint8) for r in CROPS}
    for t, path in enumerate(clip.frames):
        image = first if t == 0 else read_gray(path)
        if image.shape != first.shape:
            raise MerjaxError(f"{path.name} is {image.shape[1]}x{image.shape[0]} pixels, the first frame is not")
        for region in CROPS:
            frames[region.name][t] = cut(image, region, boxes[region.name])
    for region in CROPS:
        write_rows(folder, region, first_row, frames[region.name])
    return points, clip_hash(frames)


def _run(jobs: Sequence[tuple[int, Clip, int]], folder: Path, model: Path, workers: int) -> Iterator[Prepared]:
    if not jobs:
        return
    # spawned, not forked: the caller may hold threads (JAX does), and a forked child of those can hang
    with ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), initializer=_one_thread) as pool:
        futures = [pool.submit(_prepare_job, *job, folder, model) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _prepare_job(number: int, clip: Clip, first_row: int, folder: Path, model: Path) -> Prepared:
    try:
        points, crops_hash = prepare_clip(clip, folder, first_row, model)
    except MerjaxError as error:
        return Prepared(number, reason=str(error))
    return Prepared(number, points=np.asarray(points, float).round(3).tolist(), hash=crops_hash)


def _fingerprint(releases: Sequence[Release]) -> str:
    """Identifies what is being prepared, so that a partial store of something else is not continued."""
    lines = [f"format {FORMAT}"]
    for release in releases:
        lines += [f"{clip.key} {clip.frames[0]} {len(clip.frames)}" for clip in release.clips]
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _open_partial(partial: Path, fingerprint: str, n_frames: int) -> None:
    marker = partial / "partial.json"
    if marker.is_file() and json.loads(marker.read_text())["fingerprint"] == fingerprint:
        return
    if partial.exists():
        if not (marker.is_file() or not any(partial.iterdir())):
            raise MerjaxError(f"{partial} is in the way and was not made by merjax; remove it or choose another --out")
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    allocate(partial, n_frames)
    write_json(marker, {"fingerprint": fingerprint})


def _read_journal(partial: Path) -> dict[int, Prepared]:
    path = partial / "journal.jsonl"
    if not path.is_file():
        return {}
    done = {}
    for line in path.read_text().splitlines():
        try:
            result = Prepared(**json.loads(line))
        except ValueError:  # the line that a kill cut short
            continue
        done[result.clip] = result
    # a kill may have left half a line: end it, so that the next one starts anew
    with path.open("a") as journal:
        journal.write("\n")
    return done


def _finish(
    partial: Path,
    out: Path,
    releases: Sequence[Release],
    clips: Sequence[Clip],
    first_rows: np.ndarray,
    results: Sequence[Prepared],
) -> None:
    used = [i for i, result in enumerate(results) if result.points is not None]
    dropped = _dropped_table(releases, clips, results)
    if not used:
        reasons = "; ".join(f"{row.clip}: {row.reason}" for row in dropped.head(3).itertuples())
        raise MerjaxError(f"none of the {len(clips)} clips could be prepared ({reasons})")
    index = index_of([clips[i] for i in used])
    index["first_row"] = [int(first_rows[i]) for i in used]
    index.to_parquet(partial / "index.parquet", index=False)
    dropped.to_parquet(partial / "dropped.parquet", index=False)
    np.save(partial / "landmarks.npy", np.array([results[i].points for i in used], np.float32))
    write_contact_sheet(partial / "contact_sheet.png", [clips[i] for i in used], [results[i].points for i in used])
    meta: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "sources": [{"database": r.database, "root": str(r.root), "synthetic": r.synthetic} for r in releases],
        "clips": len(used),
        "dropped": len(dropped),
        "hash": content_hash(index, [results[i].hash for i in used]),
    }
    write_json(partial / "store.json", meta)
    (partial / "journal.jsonl").unlink()
    (partial / "partial.json").unlink()
    partial.rename(out)


def _dropped_table(releases: Sequence[Release], clips: Sequence[Clip], results: Sequence[Prepared]) -> pd.DataFrame:
    rows = [(d.database, d.subject, d.name, d.reason) for r in releases for d in r.discrepancies if d.dropped]
    rows += [
        (clips[r.clip].database, clips[r.clip].subject, clips[r.clip].name, r.reason) for r in results if not r.points
    ]
    return pd.DataFrame(rows, columns=["database", "subject", "clip", "reason"], dtype=str)
