"""Trains a final model: the sweep of one run that holds nobody out, carried out as any sweep, and its models put into a folder.

The work lies in `OUT.partial` until all of it is done: a stopped or killed training goes on there, and what stands at OUT is
whole.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from rich.console import Console

from merjax.models.card import read_card, write_card
from merjax.models.final_card import make_final_card, write_final_card
from merjax.models.final_model import FinalModel, load_final_model
from merjax.protocols.folds import NOBODY
from merjax.sweeps.final_recipe import Recipe
from merjax.sweeps.folder import open_folder
from merjax.sweeps.plan import Plan, open_data
from merjax.sweeps.running.planned import plan_sweep
from merjax.sweeps.running.run import train_plan
from merjax.sweeps.running.shards import WHOLE
from merjax.sweeps.saved_models import model_folder
from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError, full_disk_told
from merjax.system.locks import alone_at
from merjax.system.paths import refuse_taken
from merjax.training.data import TrainingData

_HASHES = {"store_hash": "clips", "feature_hash": "features", "label_hash": "labels"}


def train_final(
    recipe: Recipe, out: Path, console: Console, stopping: Callable[[], bool] = lambda: False
) -> FinalModel:
    """Train a final model into a folder, or go on with one that was stopped.

    Args:
        recipe: what to train, see `merjax.sweeps.final_recipe.recipe_of`.
        out: the folder, which must not exist yet.
        console: where progress is shown.
        stopping: is called again and again; once it returns true, the training ends.

    Returns:
        The model.

    Raises:
        MerjaxError: the folder exists, the store is not the sweep's any more, or a run diverged.
        merjax.system.signals.Interrupted: `stopping` said so; all is saved, and the same call goes on with it.
    """
    refuse_taken(out)
    partial = out.with_name(f"{out.name}.partial")
    with alone_at(out, "training a model into"), full_disk_told(partial):
        with at_work("planning the training of", out):
            plan = plan_sweep(recipe.sweep)
            _refuse_other_data(recipe, plan)
            plan = open_folder(partial / "training", plan)
        train_plan(partial / "training", plan, WHOLE, None, console, stopping)
        with at_work("writing the model", out):
            _put_together(recipe, plan, partial)
            (partial / "model").rename(out)
            shutil.rmtree(partial)
    return load_final_model(out)


def _refuse_other_data(recipe: Recipe, plan: Plan) -> None:
    """Refuse a store that is not the one on which the sweep scored its models."""
    was, now = recipe.result.plan.groups[recipe.group], plan.groups[0]
    for key, what in _HASHES.items():
        if getattr(was, key) != getattr(now, key):
            raise MerjaxError(
                f"{now.store} was replaced since {recipe.result.folder} was trained (its {what} differ), so that sweep's "
                "scores say nothing of a model of it; put the store back, or run the sweep again with another --out"
            )


def _put_together(recipe: Recipe, plan: Plan, partial: Path) -> None:
    """Write the model's folder from what was trained."""
    made, trained = partial / "model", partial / "training"
    shutil.rmtree(made, ignore_errors=True)  # of a process that was killed here
    names = [f"seed{seed}" for seed in plan.seeds]
    for name, seed in zip(names, plan.seeds, strict=True):
        shutil.copytree(model_folder(trained, plan.trials[0].name, seed, NOBODY, plan.fold_names), made / name)
        write_card(made / name, read_card(made / name) | {"scores": recipe.alone.scores})
    was = recipe.result.plan.groups[recipe.group]
    hashes = {key: getattr(was, key) for key in ("store_hash", "feature_hash", "split_hash", "label_hash")}
    data = open_data(plan.trials[0].config, plan.inner)
    assert isinstance(data, TrainingData)  # spotters have no recipe
    write_final_card(made, make_final_card(recipe.source, recipe.budget, recipe.expected, data, hashes, names))
    for name, member in zip(names, load_final_model(made).members, strict=True):
        if not all(np.isfinite(x).all() for own in member.learned.values() for x in jax.tree.leaves(own.variables)):
            raise MerjaxError(
                f"the training of {name} diverged, so there is no model; remove {partial}, run the sweep with a smaller "
                "learning rate, and train its model"
            )
