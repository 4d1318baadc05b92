"""Reads a sweep file's `search` section; `merjax.sweeps.sweep_file` describes its syntax."""

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from merjax.config import Config, make_config, read_settings
from merjax.scoring.metrics import SCORES
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.values import flag, is_nothing, number, shown, text, whole

_NOT_SEARCHED = (
    *("data.store", "data.geometry", "data.colour", "data.protocol", "data.folds", "data.anger"),
    *("control", "selection.", "engine."),
)


class SearchSpec(NamedTuple):
    """The content of `search:`; see `merjax.sweeps.sweep_file`."""

    space: dict[str, Any]
    trials: int
    sampler: str = "tpe"
    metric: str = "UF1"
    inner: float = 0.2
    inner_trials: int = 1  # proposals in a row that share the settings of the stage that trials share
    storage: str | None = None


def read_search(content: Mapping[str, Any], base: Config, source: str) -> SearchSpec:
    """Read a sweep file's `search`.

    Args:
        content: the sweep file.
        base: its base, which proposals change.
        source: the file, named at the beginning of messages.

    Raises:
        MerjaxError: the section is wrong; the message says what to write instead.
    """
    if "trials" in content or "axes" in content:
        raise MerjaxError(f"{source}: a sweep with `search` has no trials and no axes; write axes under search: space:")
    said = content["search"]
    if not isinstance(said, dict) or not {"space", "trials"} <= said.keys() <= set(SearchSpec._fields):
        raise MerjaxError(
            f"{source}: search is {shown(said)}; write space and trials, and any of sampler, metric, inner, "
            "inner_trials, storage"
        )
    if not isinstance(said["space"], dict) or not said["space"]:
        raise MerjaxError(
            f"{source}: search: space is {shown(said['space'])}; write `key: [values]` or `key: {{low:, high:}}` lines"
        )
    spec = SearchSpec(**{key: _part(key, value, source) for key, value in said.items()})
    from merjax.sweeps.samplers import make_sampler

    make_sampler(spec.sampler, 0)
    settings = flatten(base)
    for key in spec.space:
        if key.startswith(_NOT_SEARCHED):
            raise MerjaxError(
                f"{source}: search: {key} does not change the training; leave out {', '.join(_NOT_SEARCHED)}, which say what "
                "is tested and how the work is done"
            )
    space = {key: _axis(key, axis, source, settings.get(key)) for key, axis in spec.space.items()}
    for key, axis in space.items():
        for value in axis if isinstance(axis, list) else (axis["low"], axis["high"]):
            make_config(settings, {key: value}, source=f"{source}: search")
    return spec._replace(space=space)


def _part(key: str, value: Any, source: str) -> Any:
    """A part of the section but `space`, read as what it has to be."""
    try:
        if key in ("trials", "inner_trials") and whole(value) >= 1:
            return whole(value)
        if key == "metric" and text(value) in [*SCORES]:
            return text(value)
        if key == "inner" and 0 < number(value) <= 0.5:
            return number(value)
        if key == "storage" and (is_nothing(value) or "://" in text(value)):
            return None if is_nothing(value) else text(value)
        if key == "sampler":
            return text(value)
    except ValueError:
        pass
    if key == "space":
        return value
    raise MerjaxError(f"{source}: search: {key} is {shown(value)}; write {_EXPECTED[key]}")


_EXPECTED = {
    "trials": "how many settings to try",
    "inner_trials": "how many proposals in a row share a spatial stage",
    "metric": f"any of {', '.join(SCORES)}",
    "inner": "a share of the training subjects, up to 0.5",
    "storage": "a URL such as sqlite:///study.db",
    "sampler": "tpe, random, or one of Optuna's samplers by name",
}


def _axis(key: str, axis: Any, source: str, default: Any) -> Any:
    """An axis of the space with its values read: a list, or the ends of a range."""
    if isinstance(axis, list) and axis:
        return [read_settings({key: value}, f"{source}: search")[key] for value in axis]
    if isinstance(axis, dict) and isinstance(default, bool):
        raise MerjaxError(f"{source}: search: {key} is true or false and has no range; write {key}: [true, false]")
    with contextlib.suppress(ValueError):
        if isinstance(axis, dict) and {"low", "high"} <= axis.keys() <= {"low", "high", "log"}:
            low, high, log = number(axis["low"]), number(axis["high"]), flag(axis.get("log", False))
            if isinstance(default, int) and not (isinstance(low, int) and isinstance(high, int)):
                raise MerjaxError(
                    f"{source}: search: the axis {key} is {shown(axis)}; it takes whole numbers, so write low and high as such"
                )
            if low < high and (low > 0 or not log):
                return {key: flag(value) if key == "log" else number(value) for key, value in axis.items()}
    raise MerjaxError(
        f"{source}: search: the axis {key} is {shown(axis)}; write a list of values, or {{low: , high: }} with low < high, "
        "and `log: true` where low is above 0"
    )
