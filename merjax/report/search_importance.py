"""Which settings of a search mattered, by Optuna's estimator, since proposals are no grid on which shares are exact."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from merjax.report.names import short_keys
from merjax.report.search_charts import metric_of, searched_keys
from merjax.report.settings import axis_of
from merjax.system.errors import MerjaxError

_LEAST = 10  # proposals: with fewer the top ones are too few to say anything
_TOP = 5  # proposals that the estimator asks for at least
_ROUNDS = 40


def search_shares(tried: pd.DataFrame) -> pd.DataFrame:
    """The importance of each setting for reaching the best tenth of the proposals (PED-ANOVA), as shares of 1.

    The interval is the central 95 % of the same on resampled proposals; it says how far the shares depend on which settings
    happened to be proposed.

    Args:
        tried: see `merjax.sweeps.running.search.table`.

    Returns:
        A row per setting, the largest first: axis, share, low, high.

    Raises:
        MerjaxError: fewer than two settings vary, the proposals are too few, or Optuna is not installed.
    """
    done, keys = tried[tried["state"] == "complete"], searched_keys(tried)
    if len(keys) < 2:
        raise MerjaxError("fewer than two settings vary, so there is nothing to weigh against each other")
    if len(done) < _LEAST:
        raise MerjaxError(f"{len(done)} proposals are too few to tell which settings mattered; it takes {_LEAST}")
    from merjax.sweeps.samplers import optuna  # says how to install it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {key: _distribution(key, done[key].tolist()) for key in keys}
    score_T = done[metric_of(tried)].to_numpy(float)
    trials = [
        optuna.create_trial(params=dict(zip(keys, values, strict=True)), distributions=space, value=score)
        for values, score in zip(zip(*(map(_plain, done[key]) for key in keys), strict=True), score_T, strict=True)
    ]
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, _TOP / len(done)))
    rng = np.random.default_rng(0)
    every = [_shares(trials, keys, evaluator)]
    every += [
        _shares([trials[i] for i in rng.integers(0, len(trials), len(trials))], keys, evaluator) for _ in range(_ROUNDS)
    ]
    low_A, high_A = np.nanquantile(every[1:], [0.025, 0.975], axis=0)
    names = short_keys(keys)
    table = pd.DataFrame({"axis": [names[key] for key in keys], "share": every[0], "low": low_A, "high": high_A})
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def _shares(trials: Sequence[Any], keys: Sequence[str], evaluator: Any) -> np.ndarray:
    from merjax.sweeps.samplers import optuna

    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    if len({trial.value for trial in trials}) < 2:
        return np.full(len(keys), np.nan)
    told = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return np.array([told.get(key, 0.0) for key in keys])


def _distribution(key: str, values: Sequence[Any]) -> Any:
    from merjax.sweeps.samplers import optuna

    plain = list(map(_plain, values))
    axis = axis_of(key, key, plain)
    if axis.kind == "categories":
        return optuna.distributions.CategoricalDistribution(list(dict.fromkeys(plain)))
    return optuna.distributions.FloatDistribution(min(plain), max(plain), log=axis.kind == "log")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
