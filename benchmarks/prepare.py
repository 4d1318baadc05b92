"""How fast and in how much memory clips are prepared: `python -m benchmarks.prepare`.

Prepares a release of CASME II's size and layout and prints clips and frames per second, and the most memory that all
processes held together. Without --release, a few clips are synthesised and linked into as many as asked for: their files
are read once more for every link, as those of distinct clips would be.
"""

import argparse
import os
import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from merjax.datasets import read_casme2
from merjax.datasets.clip import Clip, Release
from merjax.stores.preparation import prepare_store
from merjax.synthesis import synthesize_release


def linked_release(folder: Path, clips: int, frames: int | None, width: int, height: int) -> Release:
    """A release of `clips` clips that repeats synthesised ones under other subjects' names.

    Args:
        folder: where it is made.
        clips: how many there are.
        frames: of each clip; None: all that were made.
        width, height: of the pictures, which are put in the middle of a gray one if it is larger.
    """
    made = read_casme2(synthesize_release(folder / "made", invent=4, clips_per_subject=6))
    made = replace(made, clips=tuple(_cut(clip, frames) for clip in made.clips[:clips]))
    for path in {path for clip in made.clips for path in clip.frames}:
        _widen(path, width, height)
    copies = []
    for i in range(clips):
        clip = made.clips[i % len(made.clips)]
        place = folder / "linked" / f"sub{i // 9:02d}" / f"EP{i % 9:02d}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(clip.frames[0].parent)
        frames = tuple(place / frame.name for frame in clip.frames)
        copies.append(replace(clip, subject=place.parent.name, name=place.name, frames=frames))
    return replace(made, clips=tuple(copies))


def _cut(clip: Clip, frames: int | None) -> Clip:
    """A clip of its first frames; an apex after them is its last one."""
    last = min(clip.onset + (frames or clip.n_frames) - 1, clip.offset)
    apex = None if clip.apex is None else min(clip.apex, last)
    return replace(clip, frames=clip.frames[: last - clip.onset + 1], offset=last, apex=apex)


def _widen(path: Path, width: int, height: int) -> None:
    image = cv2.imread(str(path))
    left, top = max(width - image.shape[1], 0), max(height - image.shape[0], 0)
    if left or top:
        edges = (top // 2, top - top // 2, left // 2, left - left // 2)
        cv2.imwrite(str(path), cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=(128, 128, 128)))


class PeakMemory:
    """The most memory that this process and its children held together, in MB; NaN where /proc does not say."""

    def __init__(self) -> None:
        self.peak, self._stop = float("nan"), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            family = [os.getpid(), *_descendants(os.getpid())]
            self.peak = float(np.fmax(self.peak, sum(map(_proportional_mb, family)) or np.nan))


def _descendants(pid: int) -> list[int]:
    try:
        own = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return own + [below for child in own for below in _descendants(child)]


def _proportional_mb(pid: int) -> float:
    """Memory of a process; what it shares with others is split among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prepare", description=__doc__)
    parser.add_argument("--release", type=Path, metavar="DIR", help="a release of CASME II (default: synthesised)")
    parser.add_argument("--clips", type=int, default=48, metavar="N", help="clips to link (default: %(default)s)")
    parser.add_argument("--frames", type=int, metavar="N", help="of each clip (default: all that are synthesised)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(640, 480), metavar="PX", help="width and height of pictures"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    parser.add_argument("--colour", choices=("gray", "rgb"), default="gray")
    parser.add_argument("--align", choices=("first", "frame"), default="first")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to work (default: the system's)")
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="prepare-", dir=arguments.folder))
    try:
        if arguments.release:
            release = read_casme2(arguments.release)
        else:
            release = linked_release(work, arguments.clips, arguments.frames, *arguments.size)
        start = time.perf_counter()
        with PeakMemory() as memory:
            store = prepare_store(
                [release], work / "store", colour=arguments.colour, align=arguments.align, workers=arguments.workers
            )
        seconds = time.perf_counter() - start
        clips, frames = len(store.index), int(store.index["n_frames"].sum())
        settings = f"{arguments.colour}, boxes of the {arguments.align}"
        print(f"{clips} of {clips + len(store.dropped)} clips, {frames} frames, {settings}: {seconds:.1f} s")
        print(f"{clips / seconds:.1f} clips/s, {frames / seconds:.0f} frames/s, {memory.peak:.0f} MB in all processes")
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
