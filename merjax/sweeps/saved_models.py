"""The models of a sweep's runs; each has a folder inside the sweep's folder."""

import functools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
import pandas as pd

from merjax.models.card import RunFacts, make_card, read_card, scored_part, write_card
from merjax.models.learned import Learned, by_name
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import Part
from merjax.scoring.scores import score_entries
from merjax.sweeps.entries import entries_of
from merjax.sweeps.plan import Chunk, Plan
from merjax.system.files import safe_name
from merjax.system.own_files import noted_files
from merjax.system.paths import is_file
from merjax.training.data import TrainingData
from merjax.training.spotting_data import Data


def save_models(folder: Path, plan: Plan, chunk: Chunk, data: Data, learned: Mapping[str, Learned]) -> None:
    """Save what the runs of a chunk learnt, one folder for each; folders from an earlier process are replaced.

    A method that does not train by the engine has nothing to save.
    """
    if not learned:
        return
    assert isinstance(data, TrainingData)  # spotters refuse to keep models
    for p, (trial, fold) in enumerate(chunk.runs):
        of_run = {stage: own.of_run(p) for stage, own in learned.items()}
        place = model_folder(folder, plan.trials[trial].name, chunk.seed, data.folds[fold].name, plan.fold_names)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(place.absolute() / "parameters", {s: by_name(own.variables) for s, own in of_run.items()})
        numbers = {stage: own.numbers for stage, own in of_run.items()}
        asked = plan.trials[trial]
        facts = RunFacts(plan.name, asked.name, chunk.seed, fold, asked.config, plan.groups[chunk.group])
        written = [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]
        write_card(place, make_card(facts, data, numbers) | {"files": noted_files(place, sorted(written))})


def add_scores(folder: Path, plan: Plan, predictions: pd.DataFrame) -> None:
    """Write the pooled scores of a finished sweep's trials, after their whole budget, into the cards of their models."""
    for entry in entries_of(plan, predictions):
        cards = sorted((folder / "models" / safe_name(entry.trial)).glob("*/*/card.json"))
        if entry.selection != "fixed" or not cards:
            continue
        score = functools.cache(functools.partial(_scores, entry))
        for path in cards:
            card = read_card(path.parent)
            write_card(path.parent, card | {"scores": score(scored_part(card))})


def _scores(entry: Entry, part: Part) -> dict[str, Any]:
    (row,) = score_entries([entry], [part]).to_dict("records")
    return {name: {"mean": row[name], "interval": [row[f"{name}_low"], row[f"{name}_high"]]} for name in SCORES}


def model_folder(folder: Path, trial: str, seed: int, fold: str, folds: Sequence[str] = ()) -> Path:
    """Where the model of a run lies in a sweep's folder; `folds` are all the sweep's folds, whose models lie beside it."""
    return folder / "models" / safe_name(trial) / f"seed{seed}" / safe_name(fold, folds)


def runs_without_model(folder: Path, plan: Plan, chunks: Sequence[Chunk]) -> int:
    """How many runs of finished chunks have no model, though the sweep saves models."""
    wanted = [
        model_folder(
            folder, plan.trials[trial].name, chunk.seed, plan.groups[chunk.group].folds[fold].name, plan.fold_names
        )
        for chunk in chunks
        for trial, fold in chunk.runs
        if plan.trials[trial].config.engine.save_models
    ]
    return sum(not is_file(place / "card.json") for place in wanted)
