"""Search: settings proposed by Optuna, scored on subjects held out inside training; each fold tests its own best settings.

A batch of proposals is a sweep of its own, `search/trials-0000/` in the results, whose folds test inner subjects only (see
`merjax.protocols.inner_subjects`). What Optuna proposed and the scores that it was given are kept in its storage, by default
`search/study.journal`; a search that was killed goes on with the proposals that have no score yet.

The choice is nested: each fold chooses the proposal that scores best on its own inner subjects (their clips pooled over seeds;
among equal scores the smaller log-loss on the same clips decides, then the lower number). Every fold is then trained on all its
training subjects with what it chose, and tested once; together the folds are one trial, "chosen", in `chosen-of-40/` after 40
proposals. A fold's tested subjects have no part in its choice, nor in any training that leads to it.

They do influence what is proposed: a sampler that learns, such as tpe, gets the score pooled over all folds, and a subject that
one fold tests is an inner subject of other folds. This affects which settings all folds choose from; `sampler: random` avoids
even that.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import Timeout

from merjax.config import trained_settings
from merjax.scoring.counts import log_loss, scores_of
from merjax.scoring.predictions import counts_of
from merjax.scoring.scores import seed_scores
from merjax.sweeps.entries import entries_of
from merjax.sweeps.folder import open_folder, read_plan, read_predictions
from merjax.sweeps.plan import Plan
from merjax.sweeps.running.proposals import propose, settings
from merjax.sweeps.samplers import JournalFileBackend, drawn_without_scores, make_sampler, optuna
from merjax.sweeps.stage_library import trim
from merjax.sweeps.sweep_file import SweepFile
from merjax.system.errors import MerjaxError
from merjax.system.files import write_aside
from merjax.system.locks import lock_at
from merjax.system.own_files import reading
from merjax.system.paths import make_folder, user_path
from merjax.system.settings import identity
from merjax.system.values import size_in_bytes

Train = Callable[[Path, Plan], None]
Make = Callable[[SweepFile], Plan]
CHOSEN = "chosen"  # the trial that all folds' choices make up together


def search(sweep: SweepFile, folder: Path, batch: int, make: Make, train: Train) -> tuple[SweepFile, pd.DataFrame]:
    """Carry out a search, or go on with it.

    Args:
        sweep: the sweep with its `search`; its only trial is the base.
        folder: of the results.
        batch: number of proposals to train together, or more as long as the sampler does not look at scores.
        make: plans a batch.
        train: carries out the plan of a batch in a folder.

    Returns:
        A sweep of what each fold chose, all under one name, and a row per proposal, see `table`.

    Raises:
        MerjaxError: another search is in the folder, or another process is searching there.
    """
    place = folder / "search"
    make_folder(place)
    try:
        with lock_at(place / "search.lock").acquire(timeout=0):
            study = _open_study(sweep, place)
            while waiting := _next_batch(study, sweep, batch, place):
                plan = _plan_of(waiting, place) or _begin(waiting, sweep, place, make)
                here = place / _batch_name(plan)
                train(here, plan)
                scores = inner_scores(plan, read_predictions(here, plan.chunks), sweep.searched.metric)
                trim(place / "stages", size_in_bytes(plan.trials[0].config.engine.stages_limit))
                for trial in waiting:
                    study.tell(trial.number, scores[trial_name(trial.number)])
                _write_tried(place, table(study, sweep))
            state = optuna.trial.TrialState.COMPLETE
            complete = {trial.number: trial for trial in study.get_trials(deepcopy=False, states=(state,))}
            folds = choices(_scores_on_disk(place, set(complete), sweep.searched.metric))
            tried = table(study, sweep, folds)
            _write_tried(place, tried)
            if not sweep.trials[0].config.engine.keep_features:
                shutil.rmtree(place / "stages", ignore_errors=True)
    except Timeout:
        raise MerjaxError(f"another process searches in {folder}; wait for it, or choose another --out") from None
    points = [(settings(complete[number].params), own) for number, own in sorted(folds.items())]
    return sweep.with_chosen(CHOSEN, points), tried


def rehearse(sweep: SweepFile, trials: int) -> SweepFile:
    """A sweep of `trials` random proposals, to plan with."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    asked = [propose(study, sweep, make_sampler("random", number)) for number in range(trials)]
    return inner_sweep({trial_name(trial.number): settings(trial.params) for trial in asked}, sweep)


def inner_sweep(points: dict[str, dict[str, Any]], sweep: SweepFile) -> SweepFile:
    """A batch of proposals as a sweep over inner subjects, scored after their whole budget."""
    fixed = {"selection.rules": ["fixed"], "engine.save_models": False}
    return sweep.with_trials({name: point | fixed for name, point in points.items()}, inner=sweep.searched.inner)


def inner_scores(plan: Plan, predictions: pd.DataFrame, metric: str) -> dict[str, float]:
    """Each proposal's score, pooled over all folds; the mean over seeds."""
    entries = entries_of(plan, predictions)
    return {e.trial: float(seed_scores(e.predictions, e.task)[metric].mean()) for e in entries}


def fold_scores(plan: Plan, predictions: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The score of each proposal on the inner subjects of each single fold.

    Returns:
        A row per (proposal, fold): number, fold (the outer one), score (the metric on the clips pooled over seeds), and loss,
        their mean log-loss (infinite if a run diverged).
    """
    task = plan.groups[0].task
    outer = {fold.name: fold.inside for group in plan.groups for fold in group.folds}
    rows = []
    for (trial, fold), own in predictions.groupby(["trial", "fold"], sort=False):
        probability_NxK = own[[f"p_{name}" for name in task.classes]].to_numpy()
        loss = log_loss(task, own["label"].to_numpy(), probability_NxK)
        score = float(scores_of(task)[metric](counts_of(own, task)))
        rows.append((_number(str(trial)), outer[str(fold)], score, loss if np.isfinite(loss) else np.inf))
    return pd.DataFrame(rows, columns=["number", "fold", "score", "loss"])


def choices(scores: pd.DataFrame) -> dict[int, list[str]]:
    """By proposal, the folds that choose it; see `fold_scores`."""
    best = scores.sort_values(["score", "loss", "number"], ascending=[False, True, True])
    chosen: dict[int, list[str]] = {}
    for number, fold in best.drop_duplicates("fold").sort_index()[["number", "fold"]].itertuples(index=False):
        chosen.setdefault(int(number), []).append(fold)
    return chosen


def trial_name(number: int) -> str:
    return f"trial {number}"


def table(study: "optuna.Study", sweep: SweepFile, folds: dict[int, list[str]] | None = None) -> pd.DataFrame:
    """A row per proposal: trial, state, the metric on inner subjects pooled over folds, its settings, and chosen_for: the
    folds that chose it, once they have."""
    rows = [
        {"trial": trial_name(t.number), "state": t.state.name.lower(), sweep.searched.metric: t.value}
        | settings(t.params)
        | ({} if folds is None else {"chosen_for": ", ".join(folds.get(t.number, ()))})
        for t in study.get_trials(deepcopy=False)
    ]
    return pd.DataFrame(rows)


def _write_tried(place: Path, tried: pd.DataFrame) -> None:
    write_aside(place / "search.csv", lambda aside: tried.to_csv(aside, index=False))


def _scores_on_disk(place: Path, numbers: set[int], metric: str) -> pd.DataFrame:
    """`fold_scores` of proposals, from the folders of their batches.

    Raises:
        MerjaxError: the predictions of a proposal are not there.
    """
    batches = [(path.parent, read_plan(path.parent)) for path in sorted(place.glob("trials-*/plan.json"))]
    found = pd.concat([fold_scores(plan, read_predictions(batch, plan.chunks), metric) for batch, plan in batches])
    if absent := numbers - set(found["number"]):
        raise MerjaxError(
            f"{place} lacks the predictions of {', '.join(map(trial_name, sorted(absent)))}, but the search's storage holds "
            "their scores; use the --out that they were trained with, or another storage"
        )
    return found[found["number"].isin(numbers)].reset_index(drop=True)


def _number(trial: str) -> int:
    return int(trial.split()[-1])


def _open_study(sweep: SweepFile, place: Path) -> "optuna.Study":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec, base = sweep.searched, sweep.trials[0].config
    about = json.dumps(
        [spec._replace(trials=0, storage=None), identity(base, trained_settings()), base.data.store, sweep.seeds],
        default=str,
    )
    signature = hashlib.blake2b(about.encode(), digest_size=8).hexdigest()
    named: dict[str, Any] = {"study_name": sweep.name, "direction": "maximize", "load_if_exists": True}
    try:
        if spec.storage is None:
            study = _journalled(place, named)
        else:
            study = optuna.create_study(storage=_at_home(spec.storage), **named)
    except MerjaxError:
        raise
    except Exception as error:  # Optuna, the driver and the database raise errors of many kinds
        raise MerjaxError(
            f"search: storage {spec.storage} cannot be used ({str(error).splitlines()[0]}); write a URL such as "
            "sqlite:///study.db, and install the driver that it names, or leave storage out"
        ) from None
    if study.user_attrs.setdefault("merjax", signature) != signature:
        raise MerjaxError(
            f"{spec.storage or place} holds a search `{sweep.name}` with another base, space, metric, sampler or seeds; "
            "choose another --out (and another storage, if the sweep file names one), or remove the folder"
        )
    study.set_user_attr("merjax", signature)
    return study


def _journalled(place: Path, named: dict[str, Any]) -> "optuna.Study":
    """The study in the journal of the search's own folder."""
    journal = place / "study.journal"
    # a process that was killed may have left the journal's own lock; no other process can be here now
    journal.with_name("study.journal.lock").unlink(missing_ok=True)
    with reading(journal, f"copy it again from where the search ran, or remove {place} and search again"):
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
        return optuna.create_study(storage=storage, **named)


def _at_home(storage: str) -> str:
    """A storage's URL with the home folder in place of the `~` of a file."""
    kind, slashes, file = storage.partition(":///")
    return f"{kind}{slashes}{user_path(file)}" if slashes and file.startswith("~") else storage


def _next_batch(study: "optuna.Study", sweep: SweepFile, batch: int, place: Path) -> list["optuna.trial.FrozenTrial"]:
    """The proposals that wait for a score: those of a batch that was killed, or else old ones filled up with new ones."""
    state = optuna.trial.TrialState
    waiting = []
    for trial in study.get_trials(states=(state.RUNNING,)):
        if trial.params.keys() == sweep.searched.space.keys():
            waiting.append(trial)
        else:
            study.tell(trial.number, state=state.FAIL)  # killed while it was proposed
    if waiting and _plan_of(waiting, place):
        return waiting
    complete = len(study.get_trials(deepcopy=False, states=(state.COMPLETE,)))
    unlearned = drawn_without_scores(sweep.searched.sampler, sweep.searched.trials) - complete
    for _ in range(min(max(batch, unlearned), sweep.searched.trials - complete) - len(waiting)):
        # the sampler's randomness depends on the trial's number alone, so that a resumed search proposes the same
        number = len(study.get_trials(deepcopy=False))
        waiting.append(propose(study, sweep, make_sampler(sweep.searched.sampler, number)))
    return waiting


def _begin(waiting: list["optuna.trial.FrozenTrial"], sweep: SweepFile, place: Path, make: Make) -> Plan:
    plan = make(inner_sweep({trial_name(t.number): settings(t.params) for t in waiting}, sweep))
    return open_folder(place / _batch_name(plan), plan)


def _plan_of(waiting: list["optuna.trial.FrozenTrial"], place: Path) -> Plan | None:
    """The plan that was made for proposals, if one was."""
    for path in place.glob("trials-*/plan.json"):
        plan = read_plan(path.parent)
        if {trial_name(t.number) for t in waiting} <= {t.name for t in plan.trials}:
            return plan
    return None


def _batch_name(plan: Plan) -> str:
    return f"trials-{_number(plan.trials[0].name):04d}"
