"""Whether a sweep's folder is whole: its plan, what is finished, and what a killed process has left."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from merjax.sweeps.folder import checkpoint_folder, chunk_files, is_finished, read_plan
from merjax.sweeps.plan import Plan
from merjax.sweeps.saved_models import runs_without_model
from merjax.system.errors import MerjaxError
from merjax.system.health import Finding

_GO_ON = "run the sweep's line again to go on with it"


def examine_sweep(folder: Path) -> Iterator[Finding]:
    """What a sweep's folder holds, and what is missing or damaged in it."""
    try:
        plan = read_plan(folder)
    except MerjaxError as error:
        yield Finding("plan", str(error), "name the folder that a sweep wrote")
        return
    except (KeyError, TypeError, AttributeError) as error:
        yield Finding(
            "plan", f"{folder / 'plan.json'} cannot be read ({error!r})", "run the sweep again in another --out"
        )
        return
    yield Finding("plan", f"{plan.name}: {len(plan.trials)} trials, {plan.runs} runs in {len(plan.chunks)} chunks")
    yield from (Finding("not run", str(trial), needed=False) for trial in plan.not_run)
    yield from _chunks(folder, plan)
    yield from _models(folder, plan)


def _chunks(folder: Path, plan: Plan) -> Iterator[Finding]:
    finished = [chunk for chunk in plan.chunks if is_finished(folder, chunk)]
    missing = [chunk.number for chunk in plan.chunks if chunk not in finished]
    listed = f"; missing (counted from 0): {', '.join(map(str, missing[:20]))}" + (", ..." if len(missing) > 20 else "")
    yield Finding(
        "chunks",
        f"{len(finished)} of {len(plan.chunks)} finished{listed if missing else ''}",
        _GO_ON if missing else "",
    )
    damaged = [path for chunk in finished for path in chunk_files(folder, chunk) if not _is_table(path)]
    for path in damaged:
        yield Finding(path.name, "not a readable table", f"remove the file; then {_GO_ON}")
    if finished and not damaged:
        yield Finding("predictions", "all that are there can be read")
    begun = [chunk.number for chunk in plan.chunks if any(checkpoint_folder(folder, chunk).glob("*"))]
    if begun:
        yield Finding(
            "checkpoints",
            f"of the chunks {', '.join(map(str, begun))}, which are being trained or were stopped",
            needed=False,
        )


def _models(folder: Path, plan: Plan) -> Iterator[Finding]:
    if any(trial.config.engine.save_models for trial in plan.trials):
        finished = [chunk for chunk in plan.chunks if is_finished(folder, chunk)]
        without, runs = runs_without_model(folder, plan, finished), sum(len(chunk.runs) for chunk in finished)
        yield Finding("models", f"{runs - without} of {runs} finished runs have one", needed=False)


def _is_table(path: Path) -> bool:
    try:
        pd.read_parquet(path)
    except (OSError, ValueError):  # Arrow's errors are of these kinds
        return False
    return True
