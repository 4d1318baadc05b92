"""Whether cost is linear: `python -m benchmarks.sweep [--store DIR]`.

Trains the spatial and the temporal stage at a fixed chunk size on the clips of a store: a number of runs, twice as many
runs, and the same runs on every clip twice. Time should double, within 15 %, and peak memory stay flat. Compilation is not
counted: every case is trained once before it is timed. Then the spatial stage's training, with its stream of batches,
masks, logged curves and checkpoints, is compared with the bare compiled steps on batches that are already there. Figures are
good on an idle machine only.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from merjax.config import Config, make_config
from merjax.engine import Engine, train, walk
from merjax.engine.checkpoints import Checkpoints
from merjax.engine.stage import advance, start
from merjax.methods.local_regions import jobs, spatial_job
from merjax.methods.runs import RunId
from merjax.protocols import Fold
from merjax.system.jax_setup import prepare_backend
from merjax.training.data import TrainingData, data_of

SETTINGS = {
    "data": {"folds": "group:4", "frames": "count:4"},
    "spatial": {"epochs": 4, "batch": 16},
    "temporal": {"epochs": 16, "batch": 12, "units": 16},
}
CHUNK = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("data/quickstart/store"), help="a clip store")
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of so many counts")
    arguments = parser.parse_args()
    prepare_backend()
    config = make_config(SETTINGS, {"data.store": str(arguments.store)})
    once = data_of(config.data)
    engine = Engine("map", config.engine.steps_per_call, jax.local_devices()[:1])
    base = seconds(once, config, 2 * CHUNK, engine, arguments.repeats)
    report("runs", base, base)
    report("twice the runs", seconds(once, config, 4 * CHUNK, engine, arguments.repeats), base)
    report("twice the clips", seconds(twice(once), config, 2 * CHUNK, engine, arguments.repeats), base)
    report_overhead(once, replace(config, spatial=replace(config.spatial, batch=32)), engine, arguments.repeats)


def seconds(data: TrainingData, config: Config, runs: int, engine: Engine, repeats: int) -> float:
    """The time of the fastest of several trainings of `runs` runs, in chunks of `CHUNK`."""
    specs = [RunId(config, 0, run % len(data.folds)) for run in range(runs)]
    walk(jobs(data, specs[:CHUNK]), train(engine, seed=0))
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        for first in range(0, runs, CHUNK):
            walk(jobs(data, specs[first : first + CHUNK]), train(engine, seed=0))
        taken.append(time.perf_counter() - began)
    return min(taken)


def twice(data: TrainingData) -> TrainingData:
    """Every clip twice, the second under the name of another clip of the same subject."""
    n = len(data.index)
    again = data.index.assign(clip=data.index["clip"] + " again")
    double = lambda x: np.concatenate([x, x])  # noqa: E731
    return replace(
        data,
        index=pd.concat([data.index, again], ignore_index=True),
        target_N=double(data.target_N),
        target_NxR=double(data.target_NxR),
        folds=tuple(Fold(f.name, double(f.train_N), double(f.test_N)) for f in data.folds),
        row_S=double(data.row_S),
        clip_S=np.concatenate([data.clip_S, data.clip_S + n]),
        length_N=double(data.length_N),
    )


def report_overhead(data: TrainingData, config: Config, engine: Engine, repeats: int) -> None:
    """The spatial stage through the engine, a checkpoint a minute, against its program called on one set of batches."""
    stage, runs, frames, budget, _ = spatial_job(data, [RunId(config, 0, fold) for fold in range(CHUNK)])
    budget = budget._replace(steps=4 * engine.steps_per_call)
    batches = frames.batches(
        np.arange(budget.batch * engine.steps_per_call).reshape(-1, budget.batch) % len(frames.unit_S)
    )

    def whole() -> None:
        with tempfile.TemporaryDirectory() as folder:
            engine.fit(stage, runs, frames, budget, seed=0, checkpointer=Checkpoints(Path(folder), "", 60))

    def bare() -> None:
        placed, numbers = engine._place(runs), (np.int32(0), np.int32(engine.steps_per_call))
        state = engine.program(stage, "start", start, 1, placed)(placed)
        for _ in range(4):
            program = engine.program(stage, "advance", advance, 2, state, placed, batches, *numbers)
            state, metrics = program(state, placed, batches, *numbers)
            jax.block_until_ready(metrics)

    times: dict[str, list[float]] = {"whole": [], "bare": []}
    for _ in range(repeats + 1):
        for name, function in (("whole", whole), ("bare", bare)):
            began = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - began)
    engine_s, bare_s = (min(times[name][1:]) for name in ("whole", "bare"))  # the first turn compiles
    moved = sum(leaf.nbytes for leaf in jax.tree.leaves(batches)) / engine.steps_per_call / budget.batch
    print(f"engine over bare steps {engine_s / bare_s - 1:+.1%} ({engine_s:.2f} s, {bare_s:.2f} s)")
    print(f"bytes moved to the device: {moved / 1e3:.1f} KB a frame")


def report(name: str, seconds: float, base: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:16} {seconds:7.1f} s  x {seconds / base:.2f}  peak memory {peak:.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
