"""Optuna, if it is installed, and its samplers by their names in sweep files."""

import inspect
import warnings
from typing import Any

from merjax.system.errors import MerjaxError

try:
    import optuna
    from optuna.storages.journal import JournalFileBackend
except ImportError:
    raise MerjaxError("sweep files with `search:` need Optuna: pip install 'merjax[search]'") from None

__all__ = ["JournalFileBackend", "drawn_without_scores", "make_sampler", "optuna", "with_fixed"]

STARTUP = 10  # proposals that tpe draws at random before it looks at scores; Optuna's own number


def make_sampler(name: str, seed: int) -> "optuna.samplers.BaseSampler":
    """One of Optuna's samplers: "tpe", "random", or the name of its class.

    Raises:
        MerjaxError: there is no sampler of that name, or it needs a package that is not installed.
    """
    if name == "tpe":
        return optuna.samplers.TPESampler(
            n_startup_trials=STARTUP, seed=seed, constant_liar=True
        )  # the liar keeps the proposals of one batch apart
    known = _known()
    sampler = known.get("RandomSampler" if name == "random" else name)
    if sampler is None:
        raise MerjaxError(f'search: sampler is "{name}"; write tpe, random, or one of Optuna\'s: {", ".join(known)}')
    try:
        return sampler(seed=seed)
    except ImportError as error:
        raise MerjaxError(f"search: sampler {name}: {str(error).splitlines()[0]}") from None


def drawn_without_scores(name: str, trials: int) -> int:
    """How many of a search's proposals, from the first, a sampler draws without looking at scores; they can train together.

    >>> drawn_without_scores("tpe", 40), drawn_without_scores("random", 40), drawn_without_scores("GPSampler", 40)
    (10, 40, 0)
    """
    return {"tpe": min(STARTUP, trials), "random": trials}.get(name, 0)


def with_fixed(sampler: "optuna.samplers.BaseSampler", fixed: dict[str, Any]) -> "optuna.samplers.BaseSampler":
    """A sampler that proposes only what is not fixed."""
    if not fixed:
        return sampler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.PartialFixedSampler(fixed, sampler)


def _known() -> dict[str, type]:
    """Optuna's samplers that need no argument but a seed."""
    classes = {name: getattr(optuna.samplers, name) for name in dir(optuna.samplers) if name.endswith("Sampler")}
    return {name: found for name, found in classes.items() if not inspect.isabstract(found) and _takes_seed(found)}


def _takes_seed(sampler: type) -> bool:
    parameters = inspect.signature(sampler).parameters
    asked = [name for name, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return "seed" in parameters and not asked
