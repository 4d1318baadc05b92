"""How fast and in how much memory the motion in long videos is measured: `python -m benchmarks.long_videos`.

Makes ten seconds of video of two faces, 640 x 480 at 30 frames per second, and links their pictures, there and back again and
again, into videos as long as asked for. Prints frames per second and the most memory that one process held.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from merjax.datasets import read_casme_squared
from merjax.datasets.long_videos import LongVideo, long_videos, pictures_of
from merjax.stores.motion_preparation import prepare_motion_store
from merjax.synthesis import LongPlan, synthesize_long_videos


def linked_video(made: LongVideo, place: Path, frames: int) -> LongVideo:
    """A video whose pictures are those of a made one, from the first to the last and back, until there are enough."""
    pictures = [*pictures_of(made.frames).values()]
    there_and_back = [*pictures, *pictures[-2:0:-1]]
    place.mkdir(parents=True)
    for n in range(frames):
        (place / f"img{n + 1:05d}.jpg").symlink_to(there_and_back[n % len(there_and_back)])
    return LongVideo("own", place.name, place.name, place, made.fps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=2, help="number of videos (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=1500, help="of each video (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument(
        "--made", type=Path, help="a release of made videos in CAS(ME)^2's layout to take, in place of a new one"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = LongPlan(seconds=10, per_minute=(("micro", 6.0), ("macro", 6.0)))
        made = asked.made or synthesize_long_videos(Path(folder) / "made", videos=1, empty=0, plan=plan)
        ready = long_videos(read_casme_squared(made, kind="all"))
        videos = [
            linked_video(ready[n % len(ready)], Path(folder) / f"video{n}", asked.frames) for n in range(asked.videos)
        ]
        began = time.perf_counter()
        store = prepare_motion_store(videos, Path(folder) / "store", workers=asked.workers)
        seconds = time.perf_counter() - began
        frames, gaps = sum(v.n_frames for v in store.videos), sum(len(v.gaps) for v in store.videos)
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{frames} frames in {seconds:.1f} s: {frames / seconds:.1f} frames per second; {gaps} gaps")
    print(f"largest process: {largest / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
