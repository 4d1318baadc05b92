"""Proposals of a search: drawn by Optuna from the search's space, and read as settings."""

import json
from typing import Any

from merjax.methods.registry import method_of
from merjax.sweeps.samplers import optuna, with_fixed
from merjax.sweeps.sweep_file import SweepFile
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten


def propose(
    study: "optuna.Study", sweep: SweepFile, sampler: "optuna.samplers.BaseSampler"
) -> "optuna.trial.FrozenTrial":
    """The next proposal.

    With `inner_trials: 4`, the settings of the stage that trials share are drawn for the first of four proposals, and the
    others have the same: they cost their last stage only.

    Raises:
        MerjaxError: a package is missing, or the sampler cannot take this space.
    """
    trials = study.get_trials(deepcopy=False)
    first = len(trials) // sweep.searched.inner_trials * sweep.searched.inner_trials
    held = trials[first].params if first < len(trials) else {}
    study.sampler = with_fixed(sampler, {key: held[key] for key in shared_keys(sweep) if key in held})
    try:
        asked = study.ask(_distributions(sweep))
    except (ImportError, ValueError) as error:
        raise MerjaxError(f"search: sampler {sweep.searched.sampler}: {str(error).splitlines()[0]}") from None
    return study.get_trials(deepcopy=False)[asked.number]


def shared_keys(sweep: SweepFile) -> list[str]:
    """The settings of a search's space that the stage reads which trials may share."""
    shared = method_of(sweep.trials[0].config.method).shared
    return [key for key in sweep.searched.space if shared and key in shared.settings]


def settings(params: dict[str, Any]) -> dict[str, Any]:
    """A proposal as settings: lists are restored from the text under which Optuna keeps them."""
    return {key: json.loads(value[1:]) if _is_text_of_list(value) else value for key, value in params.items()}


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
