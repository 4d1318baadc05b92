"""Search: settings proposed by Optuna, scored on subjects held out inside training, and the best one tested.

A batch of proposals is a sweep of its own, `search/trials-0000/` in the results, whose folds test inner subjects only (see
`merjax.inner`). What Optuna proposed and what it was told is kept in its storage, by default `search/study.journal`; a
search that was killed takes up the proposals that have no score yet. In the end the best setting is trained on all of each
fold's training subjects and tested on those that the fold holds out: `chosen-trial-7/`.

One setting is chosen for all folds, by the score pooled over them. A subject that one fold tests has thus been an inner
subject of others: the choice of a few numbers has seen it, no training that is tested on it has.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from merjax.config import flatten, identity
from merjax.errors import MerjaxError
from merjax.plan import Plan
from merjax.report.entries import entries_of
from merjax.report.scores import seed_scores
from merjax.results import open_folder, read_plan, read_predictions
from merjax.trials import SweepFile

try:
    import optuna
    from optuna.storages.journal import JournalFileBackend
except ImportError:
    raise MerjaxError("sweep files with `search:` need Optuna: pip install 'merjax[search]'") from None

Train = Callable[[Path, Plan], None]
Make = Callable[[SweepFile], Plan]


def search(sweep: SweepFile, folder: Path, batch: int, make: Make, train: Train) -> tuple[SweepFile, pd.DataFrame]:
    """Carry out a search, or go on with it.

    Args:
        sweep: with its `search`; its one trial is the base.
        folder: of the results.
        batch: proposals to train together.
        make: plans a batch.
        train: carries out the plan of a batch in a folder.

    Returns:
        A sweep whose one trial is the best setting, and a row per proposal: trial, state, the metric, its settings.

    Raises:
        MerjaxError: another search is in the folder, or another process is at it.
    """
    place = folder / "search"
    place.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place / "search.lock", timeout=0):
            study = _open_study(sweep, place)
            while waiting := _next_batch(study, sweep, batch, place):
                plan = _plan_of(waiting, place) or _begin(waiting, sweep, place, make)
                here = place / _batch_name(plan)
                train(here, plan)
                scores = inner_scores(plan, read_predictions(here, plan), sweep.searched.metric)
                for trial in waiting:
                    study.tell(trial.number, scores[trial_name(trial.number)])
                table(study, sweep).to_csv(place / "search.csv", index=False)
    except Timeout:
        raise MerjaxError(f"another process searches in {folder}; wait for it, or choose another --out") from None
    best = study.best_trial
    return sweep.with_trials({trial_name(best.number): settings(best.params)}), table(study, sweep)


def rehearse(sweep: SweepFile, trials: int) -> SweepFile:
    """The sweep of as many random proposals, to plan with."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = [study.ask(_distributions(sweep)) for _ in range(trials)]
    return inner_sweep({trial_name(trial.number): settings(trial.params) for trial in asked}, sweep)


def inner_sweep(points: dict[str, dict[str, Any]], sweep: SweepFile) -> SweepFile:
    """A batch of proposals as a sweep over inner subjects, scored after their whole budget."""
    fixed = {"selection.rules": ["fixed"], "engine.save_models": False}
    return sweep.with_trials({name: point | fixed for name, point in points.items()}, inner=sweep.searched.inner)


def inner_scores(plan: Plan, predictions: pd.DataFrame, metric: str) -> dict[str, float]:
    """Each proposal's score, pooled over all folds; the mean over seeds."""
    entries = entries_of(plan, predictions)
    return {e.trial.name: float(seed_scores(e.predictions, e.classes)[metric].mean()) for e in entries}


def settings(params: dict[str, Any]) -> dict[str, Any]:
    """A proposal as settings: lists come back from the text that Optuna knows them by."""
    return {key: json.loads(value[1:]) if _is_text_of_list(value) else value for key, value in params.items()}


def trial_name(number: int) -> str:
    return f"trial {number}"


def table(study: "optuna.Study", sweep: SweepFile) -> pd.DataFrame:
    """A row per proposal: trial, state, the metric on inner subjects, its settings."""
    rows = [
        {"trial": trial_name(t.number), "state": t.state.name.lower(), sweep.searched.metric: t.value} | t.params
        for t in study.get_trials(deepcopy=False)
    ]
    return pd.DataFrame(rows)


def _open_study(sweep: SweepFile, place: Path) -> "optuna.Study":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spec, base = sweep.searched, sweep.trials[0].config
    about = json.dumps(
        [spec._replace(trials=0, storage=None), identity(base), base.data.store, sweep.seeds], default=str
    )
    signature = hashlib.blake2b(about.encode(), digest_size=8).hexdigest()
    storage: Any = spec.storage
    if storage is None:
        # a process that was killed may have left the journal's own lock; this one alone may be here
        (place / "study.journal.lock").unlink(missing_ok=True)
        backend = JournalFileBackend(str(place / "study.journal"))
        storage = optuna.storages.JournalStorage(backend)
    study = optuna.create_study(storage=storage, study_name=sweep.name, direction="maximize", load_if_exists=True)
    if study.user_attrs.setdefault("merjax", signature) != signature:
        raise MerjaxError(
            f"{spec.storage or place} holds a search `{sweep.name}` with another base, space, metric, sampler or seeds; "
            "choose another --out (and another storage, if the sweep file names one), or remove the folder"
        )
    study.set_user_attr("merjax", signature)
    return study


def _next_batch(study: "optuna.Study", sweep: SweepFile, batch: int, place: Path) -> list["optuna.trial.FrozenTrial"]:
    """The proposals that wait for a score: those of a killed batch as it was begun, else filled up with new ones."""
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
    for _ in range(min(batch, sweep.searched.trials - complete) - len(waiting)):
        # the sampler's randomness hangs on the trial's number alone, so that a resumed search proposes the same
        study.sampler = make_sampler(sweep.searched.sampler, len(study.get_trials(deepcopy=False)))
        asked = study.ask(_distributions(sweep))
        waiting.append(study.get_trials(deepcopy=False)[asked.number])
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
    return f"trials-{int(plan.trials[0].name.split()[-1]):04d}"


def make_sampler(name: str, seed: int) -> "optuna.samplers.BaseSampler":
    """One of Optuna's samplers: "tpe", "random", or the name of its class.

    Raises:
        MerjaxError: there is none of that name.
    """
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # proposals of one batch keep apart
    sampler = getattr(optuna.samplers, "RandomSampler" if name == "random" else name, None)
    if sampler is None:
        known = ", ".join(n for n in dir(optuna.samplers) if n.endswith("Sampler") and n != "BaseSampler")
        raise MerjaxError(f'search: sampler is "{name}"; write tpe, random, or one of Optuna\'s: {known}')
    return sampler(seed=seed)


def _distributions(sweep: SweepFile) -> dict[str, "optuna.distributions.BaseDistribution"]:
    base = flatten(sweep.trials[0].config)
    return {key: _distribution(values, base[key]) for key, values in sweep.searched.space.items()}


def _distribution(values: Any, default: Any) -> "optuna.distributions.BaseDistribution":
    if isinstance(values, list):
        choices = ["=" + json.dumps(v) if isinstance(v, list) else v for v in values]
        return optuna.distributions.CategoricalDistribution(choices)
    whole = isinstance(default, int) and not isinstance(default, bool)
    make = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    return make(values["low"], values["high"], log=values.get("log", False))


def _is_text_of_list(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("=[")
