"""The folder of a sweep of spotters without training: what each trial finds is said by a function."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from support.made_motion import make_motion_store

from merjax.methods.runs import RunId
from merjax.methods.spotting.found import Found, held_out_videos
from merjax.methods.spotting.signals import Spot
from merjax.sweeps.folder import open_folder, write_chunk
from merjax.sweeps.plan import Chunk, Plan, make_plan, open_data
from merjax.sweeps.sweep_file import make_sweep

Finds = Callable[[Sequence[Spot]], Sequence[Spot]]  # the true intervals of a video and kind -> what is found


def all_and_one_false(true: Sequence[Spot]) -> Sequence[Spot]:
    return [*true, Spot(0, 9, 5, true[0].kind if true else "micro", 0.4)]


def nothing(true: Sequence[Spot]) -> Sequence[Spot]:
    return []


def write_spotted_run(top: Path, finds: Mapping[str, Finds]) -> Path:
    """A run of three folds on made videos, tested at the end and by an oracle: two videos a subject, the second one empty."""
    store, methods = make_motion_store(top / "store", subjects=3, videos=2), ("peaks", "mdmd", "valleys")
    base = {"data": {"store": str(store.path)}, "selection": {"rules": ["fixed", "oracle"]}, "engine": {"chunk": 3}}
    trials = {name: {"method": method} for name, method in zip(finds, methods, strict=False)}
    plan = open_folder(top / "run", make_plan(make_sweep({"base": base, "trials": trials}, "made"), 1))
    for chunk in plan.chunks:
        write_chunk(
            top / "run", chunk, _predictions(plan, chunk, finds), pd.DataFrame(columns=["trial", "stage", "step"])
        )
    return top / "run"


def _predictions(plan: Plan, chunk: Chunk, finds: Mapping[str, Finds]) -> pd.DataFrame:
    tables = []
    for trial, fold in chunk.runs:
        config, name = plan.trials[trial].config, plan.trials[trial].name
        data = open_data(config, 0)

        def find(p, moment, setting, v, kind, data=data, name=name):
            true = [Spot(t.onset, t.offset, t.apex, kind, 0.9) for t in data.videos[v].truth if t.kind == kind]
            return finds[name](true)

        found = Found(find, (0.5,), {kind: np.array([7]) for kind in ("micro", "macro")}, {})
        for _, table in held_out_videos(data, None, RunId(config, 0, fold), 0, found, None):
            tables.append(table.assign(trial=name, seed=0))
    return pd.concat(tables, ignore_index=True)
