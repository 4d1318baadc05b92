"""Reads a sweep file's `search` section; `merjax.sweeps.sweep_file` describes its syntax."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from merjax.config import Config, flatten, is_number, make_config
from merjax.scoring.metrics import SCORES
from merjax.system.errors import MerjaxError

_NOT_SEARCHED = ("data.store", "data.protocol", "data.folds", "data.anger", "control", "selection.", "engine.")


class SearchSpec(NamedTuple):
    """The content of `search:`; see `merjax.sweeps.sweep_file`."""

    space: dict[str, Any]
    trials: int
    sampler: str = "tpe"
    metric: str = "UF1"
    inner: float = 0.2
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
            f"{source}: search is {said!r}; write space and trials, and any of sampler, metric, inner, storage"
        )
    spec = SearchSpec(**said)
    if not isinstance(spec.trials, int) or isinstance(spec.trials, bool) or spec.trials < 1:
        raise MerjaxError(f"{source}: search: trials is {spec.trials!r}; write how many settings to try")
    if spec.metric not in [*SCORES]:
        raise MerjaxError(f"{source}: search: metric is {spec.metric!r}; write any of {', '.join(SCORES)}")
    if not is_number(spec.inner) or not 0 < spec.inner <= 0.5:
        raise MerjaxError(
            f"{source}: search: inner is {spec.inner!r}; write a share of the training subjects, up to 0.5"
        )
    if not isinstance(spec.storage, str | None):
        raise MerjaxError(f"{source}: search: storage is {spec.storage!r}; write a URL such as sqlite:///study.db")
    from merjax.sweeps.samplers import make_sampler

    make_sampler(str(spec.sampler), 0)
    if not isinstance(spec.space, dict) or not spec.space:
        raise MerjaxError(
            f"{source}: search: space is {spec.space!r}; write `key: [values]` or `key: {{low:, high:}}` lines"
        )
    settings = flatten(base)
    for key, values in spec.space.items():
        if str(key).startswith(_NOT_SEARCHED):
            raise MerjaxError(
                f"{source}: search: {key} does not change the training; leave out {', '.join(_NOT_SEARCHED)}, which say what "
                "is tested and how the work is done"
            )
        for value in _ends(key, values, source, settings.get(key)):
            make_config(settings, {key: value}, source=f"{source}: search")
    return spec


def _ends(key: str, values: Any, source: str, default: Any) -> list[Any]:
    """Values of a search space's axis; the axis is allowed if they all are."""
    if isinstance(values, list) and values:
        return values
    if isinstance(values, dict) and isinstance(default, bool):
        raise MerjaxError(f"{source}: search: {key} is true or false and has no range; write {key}: [true, false]")
    whole = isinstance(values, dict) and all(isinstance(values.get(end), int) for end in ("low", "high"))
    if isinstance(values, dict) and isinstance(default, int) and not whole:
        raise MerjaxError(
            f"{source}: search: the axis {key} is {values!r}; it takes whole numbers, so write low and high as such"
        )
    if isinstance(values, dict) and {"low", "high"} <= values.keys() <= {"low", "high", "log"}:
        low, high, log = values["low"], values["high"], values.get("log", False)
        if all(map(is_number, (low, high))) and low < high and (low > 0 or log is not True):
            return [low, high]
    raise MerjaxError(
        f"{source}: search: the axis {key} is {values!r}; write a list of values, or {{low: , high: }} with low < high, "
        "and `log: true` where low is above 0"
    )
