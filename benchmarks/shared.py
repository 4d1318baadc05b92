"""What sharing stages saves: `python -m benchmarks.shared [--rounds 3] [--parts table5 search apart]`.

Table 5 at its small scale, and a search of twelve temporal settings on the same clips, each with sharing and without it
(`engine.share: false`), in turns. Programs are compiled before: the same sweep goes first with few epochs. The search with
sharing off is the same twelve settings as trials of a sweep on the same inner subjects. Predictions of Table 5 are compared bit
by bit. At the end, a sweep whose trials have nothing in common is timed both ways.

Both wall time and CPU seconds of all processes are printed: on a shared machine the latter tell more.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from merjax.config import Config
from merjax.sweeps.folder import open_folder, read_predictions
from merjax.sweeps.plan import Plan
from merjax.sweeps.running.planned import plan_sweep
from merjax.sweeps.running.run import make_missing_store, train_plan
from merjax.sweeps.running.shards import WHOLE
from merjax.sweeps.shipped import find_sweep
from merjax.sweeps.sweep_file import SweepFile, read_sweep
from merjax.system.jax_setup import prepare_backend

TEMPORAL = [
    {"temporal.learning_rate": rate, "temporal.dropout_fc": dropout}
    for rate in (3e-4, 1e-3, 3e-3, 1e-2)
    for dropout in (0.0, 0.25, 0.5)
]
APART = {"focal": {"loss.gamma": 2}, "cross-entropy": {"loss.gamma": 0}}
PARTS = {"table5": "Table 5", "search": "a search of 12 temporal settings", "apart": "nothing in common"}
INNER = 0.2  # share of the training subjects that the search tests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="turns of both sides")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to time")
    parser.add_argument("--settings", nargs="*", default=[], help="settings of the small scale to change, key=value")
    arguments = parser.parse_args()
    prepare_backend()
    table = read_sweep(find_sweep(Path("table5_regions")), arguments.settings, "small")
    make_missing_store(table, Console(quiet=True))
    sweeps = {
        "table5": table,
        "search": table.with_trials({f"trial {i}": point for i, point in enumerate(TEMPORAL)}, inner=INNER),
        "apart": table.with_trials(APART),
    }
    for part in arguments.parts:
        compare(PARTS[part], sweeps[part], arguments.rounds, identical=part != "search")


def compare(name: str, sweep: SweepFile, rounds: int, *, identical: bool = False) -> None:
    """Time a sweep with sharing and without it, in turns, and print the ratio of the medians."""
    sides = {share: of_engine(sweep, share=share) for share in (True, False)}
    seconds: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    found: dict[bool, pd.DataFrame] = {}
    for turn in range(rounds + 1):
        for share, side in sides.items():
            if not turn:
                side = compiling(side)
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter(), cpu_seconds()
                plan = trained(side, Path(folder) / "run")
                taken = time.perf_counter() - began[0], cpu_seconds() - began[1]
                found[share] = in_order(read_predictions(Path(folder) / "run", plan.chunks))
            if turn:
                seconds[share].append(taken)
    wall, cpu = (
        statistics.median(x[i] for x in seconds[False]) / statistics.median(x[i] for x in seconds[True]) for i in (0, 1)
    )
    same = found[True].equals(found[False])
    assert same or not identical, f"{name}: predictions differ"
    print(
        f"{name}: {plan.runs} runs, {said(seconds[True])} with sharing, {said(seconds[False])} without, ratio of medians "
        f"{wall:.2f} (wall), {cpu:.2f} (CPU), predictions {'bit-equal' if same else 'not bit-equal'}",
        flush=True,
    )


def of_engine(sweep: SweepFile, **engine: Any) -> SweepFile:
    return with_configs(sweep, lambda config: replace(config, engine=replace(config.engine, **engine)))


def compiling(sweep: SweepFile) -> SweepFile:
    """The sweep with hardly any training, which needs the same programs: the number of epochs does not reach them."""
    return with_configs(
        sweep,
        lambda config: replace(
            config, spatial=replace(config.spatial, epochs=0.5), temporal=replace(config.temporal, epochs=1.0)
        ),
    )


def with_configs(sweep: SweepFile, change: Callable[[Config], Config]) -> SweepFile:
    return replace(sweep, trials=tuple(trial._replace(config=change(trial.config)) for trial in sweep.trials))


def trained(sweep: SweepFile, folder: Path) -> Plan:
    plan = open_folder(folder, plan_sweep(sweep))
    train_plan(folder, plan, WHOLE, None, Console(quiet=True), lambda: False)
    return plan


def in_order(predictions: pd.DataFrame) -> pd.DataFrame:
    keys = ["trial", "selection", "seed", "fold", "database", "subject", "clip"]
    return predictions.sort_values(keys, ignore_index=True)


def cpu_seconds() -> float:
    """Of this process and of the workers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def said(seconds: list[tuple[float, float]]) -> str:
    wall, cpu = (statistics.median(x[i] for x in seconds) for i in (0, 1))
    return f"{wall:.1f} s ({cpu:.1f} s of CPU)"


if __name__ == "__main__":
    main()
