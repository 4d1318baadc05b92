"""What a finished sweep says of a final model: its settings, its budget, and what to expect of it.

A final model is one run that holds nobody out. It can have no scores of its own, so all that was to be chosen must have been
chosen by the sweep without its test subjects, and what to expect of it is what the sweep's models scored on theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merjax.config import Config, make_config
from merjax.datasets.shown import several
from merjax.methods.registry import method_of
from merjax.models.final_card import Budget, Expected, Source
from merjax.protocols.folds import held_by_nobody
from merjax.scoring.ensembles import seeds_together
from merjax.scoring.entry import Entry, GroupData, features_know
from merjax.scoring.metrics import SCORES
from merjax.scoring.parts import TOGETHER, are_across_databases
from merjax.scoring.scores import score_controls, score_entries
from merjax.sweeps.result import SweepResult
from merjax.sweeps.sweep_file import SweepFile, Trial
from merjax.system.errors import MerjaxError, meant
from merjax.system.settings import flatten

_RULES = ("inner", "fixed")  # of the rules of a trial, the first of these that it has


@dataclass(frozen=True)
class Recipe:
    """How a final model is trained, and what to expect of it.

    Attributes:
        result: the sweep.
        group: what its trial was trained on, by its number in the plan.
        source, budget, expected: as its card has them.
        alone: what the sweep's models scored one by one, for the cards of members.
        seeds: of its members.
    """

    result: SweepResult
    group: int
    source: Source
    budget: Budget
    expected: Expected
    alone: Expected
    seeds: tuple[int, ...]

    @property
    def sweep(self) -> SweepFile:
        """The sweep of one trial whose one fold holds nobody out."""
        return SweepFile(self.source.sweep, (Trial(self.source.trial, {}, self.source.config),), self.seeds)


def recipe_of(result: SweepResult, trial: str = "", *, ensemble: bool = False) -> Recipe:
    """The final model of a trial of a finished sweep.

    Args:
        result: the sweep.
        trial: the trial's name; "" for the only one.
        ensemble: whether all seeds are trained, and not the first alone.

    Raises:
        MerjaxError: there is no such trial, it is unfinished, or what it scored says nothing of new people.
    """
    name = _trial_named(result, trial)
    _refuse_without_scores(result, name)
    own = [t for t in result.plan.trials if t.name == name]
    picked = max(own, key=lambda t: len(t.folds))  # of a search, the settings that most folds chose
    group = result.plan.group_of_trial[result.plan.trials.index(picked)]
    entry = _entry_to_follow([entry for entry in result.entries if entry.trial == name], name)
    if ensemble and len(entry.seeds) < 2:
        raise MerjaxError(
            f"--ensemble trains a model for each seed of the sweep, and {result.name} has one; leave it out, or write "
            "`seeds: 3` into the sweep file and run the sweep again"
        )
    budget = _budget(entry, picked, result.plan.groups[group])
    config = _held_by_nobody(shortened(picked.config, budget.steps, budget.whole))
    source = Source(result.name, name, config, _settings_said(own, picked), len({t.name for t in result.plan.trials}))
    seeds = entry.seeds if ensemble else entry.seeds[:1]
    return Recipe(result, group, source, budget, _expected(entry, ensemble), _expected(entry, False), seeds)


def _trial_named(result: SweepResult, trial: str) -> str:
    names = [*dict.fromkeys(t.name for t in result.plan.trials)]
    if trial and trial not in names:
        near = meant(trial, names) or f"; write any of {', '.join(names)}"
        raise MerjaxError(f"{result.folder} has no trial `{trial}`{near}")
    if not trial and len(names) > 1:
        raise MerjaxError(f"{result.folder} has the trials {', '.join(names)}; say which one with --trial")
    return trial or names[0]


def _refuse_without_scores(result: SweepResult, trial: str) -> None:
    """Refuse a trial whose scores are not all there, or say nothing of a model that is trained on all subjects."""
    number = [t.name for t in result.plan.trials].index(trial)
    config, group = result.plan.trials[number].config, result.plan.groups[result.plan.group_of_trial[number]]
    method, where = method_of(config.method), f"{result.folder}: the trial `{trial}`"
    if missing := [run for run in result.missing if run.trial == trial]:
        raise MerjaxError(
            f"{where} lacks {several(len(missing), 'run')}, so its scores are not known yet; run the line of `merjax sweep` "
            "again to finish it"
        )
    if method.spots:
        raise MerjaxError(
            f"{where} spots intervals in long videos, and a final model names the classes of clips; choose another trial"
        )
    if not method.compiles:
        raise MerjaxError(
            f"{where} is of the method {config.method}, which has no network to keep; choose another trial"
        )
    if features_know(config):
        raise MerjaxError(
            f"{where} leaks: frames of its held-out subjects trained the features (spatial.trained_on: "
            f"{config.spatial.trained_on}), so its scores do not tell what to expect on new people; train a trial with "
            "spatial.trained_on: fold"
        )
    if config.control != "none":
        raise MerjaxError(f"{where} was trained on shuffled labels (control: {config.control}); choose another trial")
    if are_across_databases(group.folds):
        raise MerjaxError(
            f"{where} has folds across databases (data.folds: {config.data.folds}), which have no score in common for a model "
            "of all subjects; run the sweep with data.folds=loso"
        )


def _entry_to_follow(entries: Sequence[Entry], trial: str) -> Entry:
    """The entry whose budget was chosen without the test subjects; inner subjects' choice before the fixed one."""
    of_rule = {entry.selection: entry for entry in entries}
    for rule in _RULES:
        if rule in of_rule:
            return of_rule[rule]
    raise MerjaxError(
        f"the trial `{trial}` chose its budget on the held-out subjects alone (selection.rules: [oracle]), so nothing says how "
        "long to train for new people; run the sweep again with selection.rules=[fixed] or [inner]"
    )


def _budget(entry: Entry, trial: Trial, data: GroupData) -> Budget:
    """How long a final model trains, by the rule of an entry."""
    method = method_of(trial.config.method)
    *_, whole = method.steps(trial.config, data.frames, data.clips).values()
    epochs = method.epochs(trial.config)
    if entry.selection == "fixed":
        why = (
            f"The sweep's rule was its whole budget, {whole} steps of the last stage ({epochs:g} epochs), which was fixed "
            "before any score was known."
        )
        return Budget("fixed", whole, whole, epochs, (), why)
    rows = entry.predictions
    rows = rows[rows["fold"].isin(trial.folds)] if trial.folds else rows
    chosen = sorted(int(step) for step in rows.groupby(["seed", "fold"])["step"].first())
    steps = max(1, round(float(np.median(chosen))))
    epochs = method.epochs(shortened(trial.config, steps, whole))
    why = (
        f"Each fold and seed of the sweep chose after how many steps of the last stage to stop, on inner subjects that were "
        f"held out of its training, and never on those that it tests. This model trains for the median of these {len(chosen)} "
        f"choices, {steps} of {whole} steps ({epochs:.3g} epochs). All folds draw the same batches, so a step means the same "
        "in each of them, and a few folds whose inner subjects chose an early or a late moment do not move the median."
    )
    return Budget("inner", steps, whole, epochs, tuple(chosen), why)


def shortened(config: Config, steps: int, whole: int) -> Config:
    """The settings with as many epochs of the last stage as make it take some of its whole budget's steps."""
    method = method_of(config.method)
    return make_config(flatten(config), {method.last_epochs: method.epochs(config) * steps / whole})


def _held_by_nobody(config: Config) -> Config:
    """The settings of a trial for a model that holds nobody out and is kept."""
    folds = held_by_nobody(config.data.folds)
    changed = {"data.folds": folds, "selection.rules": ("fixed",), "engine.save_models": True}
    return make_config(flatten(config), changed)


def _settings_said(trials: Sequence[Trial], picked: Trial) -> str:
    """A sentence on the settings, where folds have settings of their own."""
    if len(trials) == 1:
        return ""
    folds = sum(len(t.folds) for t in trials)
    return (
        f"The sweep searched, and each of its {folds} folds chose settings without the subjects that it tests. This model has "
        f"those that most folds chose ({len(picked.folds)} of {folds})."
    )


def _expected(entry: Entry, ensemble: bool) -> Expected:
    """What models of an entry scored on held-out subjects: one by one, or those of all seeds together."""
    seeds = len(entry.seeds)
    scored = seeds_together([entry])[0] if ensemble else entry
    (row,) = score_entries([scored], [TOGETHER]).to_dict("records")
    controls = score_controls(entry, [TOGETHER]).to_dict("records")
    alone = "single models" + (f" (mean over {seeds} seeds)" if seeds > 1 else "")
    return Expected(
        f"the {seeds} seeds' models together" if ensemble else alone,
        entry.config.data.folds,
        entry.folds * seeds,
        int(row["clips"]),
        int(row["subjects"]),
        {name: {"mean": row[name], "interval": [row[f"{name}_low"], row[f"{name}_high"]]} for name in SCORES},
        {control["control"]: {name: float(control[name]) for name in SCORES} for control in controls},
    )
