"""Host memory while a store as large as the three databases together trains: `python -m benchmarks.memory`.

One run of the paper's method, both stages, on noise: 442 clips of 68 frames lie on disk and are mapped, as a store's are.
The budget is small, as memory does not depend on it: the moments of all frames are taken, the spatial stage trains some calls,
features are computed of every frame, and the temporal stage trains an epoch. Peak memory is the process's own, read from
/proc (Linux): what it holds itself, and with the pages of the store that happen to be mapped, which the system takes back
when it needs them.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SUBJECTS, CLIPS, FRAMES = 34, 13, 68
SETTINGS = {"spatial": {"epochs": 0.05, "batch": 64}, "temporal": {"epochs": 1, "batch": 32}}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    folder = parser.parse_args().folder
    if folder:
        train_and_report(Path(folder))
        return
    with tempfile.TemporaryDirectory() as made:
        # another process writes the pixels, or what that took would count
        write = "from benchmarks import memory as m; from benchmarks.loso import experiment; from pathlib import Path; "
        write += f"experiment(m.SUBJECTS, m.CLIPS, m.FRAMES, Path({made!r}))"
        subprocess.run([sys.executable, "-c", write], check=True)
        subprocess.run([sys.executable, "-m", "benchmarks.memory", "--folder", made], check=True)


def train_and_report(folder: Path) -> None:
    from benchmarks.loso import experiment
    from merjax.config import make_config
    from merjax.engine import Engine, train, walk
    from merjax.methods.local_regions import jobs
    from merjax.methods.runs import RunId
    from merjax.system.jax_setup import prepare_backend

    prepare_backend()
    peak = {"RssAnon": 0, "VmRSS": 0}
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            now = dict(re.findall(r"(\w+):\s+(\d+) kB", Path("/proc/self/status").read_text()))
            for name in peak:
                peak[name] = max(peak[name], int(now[name]))
            time.sleep(0.05)

    watching = threading.Thread(target=watch)
    watching.start()
    data, began = experiment(SUBJECTS, CLIPS, FRAMES, folder), time.perf_counter()
    walk(jobs(data, [RunId(make_config(SETTINGS), 0, 0)]), train(Engine(), seed=0))
    over.set()
    watching.join()
    print(f"{len(data.index)} clips, {len(data.row_S)} frames, {time.perf_counter() - began:.0f} s")
    print(f"peak memory {peak['RssAnon'] / 2**20:.2f} GiB, with mapped pages {peak['VmRSS'] / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
