"""Whether a sweep's folder is whole: its plan, what is finished, and what a killed process has left."""

from collections.abc import Iterator
from pathlib import Path

from merjax.models.card import DAMAGED_MODEL, read_card
from merjax.sweeps.folder import checkpoint_folder, chunk_files, is_finished, read_plan, record_path
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.saved_models import runs_without_model
from merjax.system.errors import MerjaxError
from merjax.system.health import Finding
from merjax.system.own_files import broken_seal, changed_files, read_json, read_table, refuse_other_sizes
from merjax.system.paths import is_file, lacks_file

_GO_ON = "run the sweep's line again to go on with it"
_ANEW = "run the sweep again in another --out"


def examine_sweep(folder: Path) -> Iterator[Finding]:
    """What a sweep's folder holds, and what is missing or damaged in it."""
    try:
        plan = read_plan(folder)
    except MerjaxError as error:
        what, _, todo = str(error).rpartition("; ")
        yield Finding("plan", what, todo)
        return
    if broken_seal(folder / "plan.json"):
        yield Finding("plan.json", "not as it was when the sweep began", f"copy it again, or {_ANEW}")
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
    damaged = [(path.name, why) for chunk in plan.chunks for path, why in _damaged(folder, chunk)]
    for name, why in damaged:
        yield Finding(name, why, f"remove the file; then {_GO_ON}")
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
    for card in sorted((folder / "models").glob("*/*/*/card.json")):
        try:
            refuse_other_sizes(card, read_card(card.parent).get("files", {}), DAMAGED_MODEL)
        except MerjaxError as error:
            what, _, todo = str(error).rpartition("; ")
            yield Finding("model", what, todo)


def _damaged(folder: Path, chunk: Chunk) -> Iterator[tuple[Path, str]]:
    """The files of a chunk that cannot be read, or are not as they were when the chunk was finished."""
    record, noted, changed = record_path(folder, chunk), {}, list[str]()
    try:
        if is_file(record):
            noted = read_json(record, _GO_ON).get("files", {})
            if broken_seal(record):
                yield record, "not as it was written"
        changed = changed_files(record, noted, _GO_ON)
    except MerjaxError as error:
        yield record, str(error).rpartition("; ")[0]
    for path in chunk_files(folder, chunk):
        if lacks_file(path) == "does not exist":
            continue
        try:
            read_table(path, _GO_ON)
        except MerjaxError as error:
            yield path, f"not a readable table: {str(error).rpartition('; ')[0]}"
        else:
            if path.name in changed:
                yield path, "not as it was when its chunk was finished"
