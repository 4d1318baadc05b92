"""What spotters need of a motion store besides what it holds: computed by several processes before they begin, and kept."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from merjax.stores import workers as worker_processes
from merjax.stores.motion_store import MotionStore, open_motion_store
from merjax.system.paths import is_file


class Needed(NamedTuple):
    """An array of a video over k frames.

    Attributes:
        video: the video's number in the store.
        what: flow pictures, or MDMD's differences.
        k: frames.
    """

    video: int
    what: Literal["flow", "difference"]
    k: int


def lacking(store: MotionStore, needed: Collection[Needed]) -> list[Needed]:
    """Those of these arrays that a store does not hold yet."""
    return sorted(
        one for one in needed if not is_file(store.path / store.videos[one.video].folder / f"{one.what}_{one.k}.npy")
    )


def keep_motion(
    store: MotionStore, arrays: Sequence[Needed], processes: int, progress: Callable[[int, int], None]
) -> None:
    """Compute arrays and keep them in a store.

    Args:
        store: the store.
        arrays: what it lacks.
        processes: how many compute at a time.
        progress: is called with (arrays done, arrays in all).
    """
    progress(0, len(arrays))
    jobs = [(store.path, *one) for one in arrays]
    for done, _ in enumerate(worker_processes.spread(_compute, jobs, processes), 1):
        progress(done, len(arrays))


def _compute(job: tuple[Path, int, str, int]) -> None:
    path, video, what, k = job
    store = open_motion_store(path)
    {"flow": store.flow, "difference": store.differences}[what](store.videos[video], k)
