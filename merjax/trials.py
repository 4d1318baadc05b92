"""Sweep files: a base config, axes over its keys, seeds; and the trials they stand for.

base: ../configs/quickstart.yaml        # a config file, or the settings themselves
trials:                                 # named points ...
  focal: {loss.gamma: 2, loss.alpha: inverse}
  cross-entropy: {loss.gamma: 0, loss.alpha: none}
axes:                                   # ... times every combination of these (or `combine: zip`, side by side)
  spatial.learning_rate: {log: [1e-4, 1e-2, 3]}    # 3 values, evenly spaced in the logarithm
  spatial.epochs: {range: [5, 15, 5]}              # 5, 10, 15
  data.input: [gray, difference]
seeds: [0, 1, 2]                        # or a number of seeds
synthesize: {...}                       # make the store from portraits first, where it does not exist yet
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merjax.config import Config, identity, make_config, read_yaml
from merjax.errors import MerjaxError

Layer = str | Mapping[str, Any]
_KEYS = ("base", "trials", "axes", "combine", "seeds", "synthesize")


class Trial(NamedTuple):
    """One point of hyper-parameters: what sets it apart from the base, and the whole config."""

    name: str
    overrides: dict[str, Any]
    config: Config


@dataclass(frozen=True)
class SweepFile:
    """A sweep as written: its name, its trials in order, its seeds, and how to make its data, if it says so."""

    name: str
    trials: tuple[Trial, ...]
    seeds: tuple[int, ...]
    synthesize: dict[str, Any] | None


def read_sweep(path: Path, overrides: Sequence[Layer] = ()) -> SweepFile:
    """Read a sweep file; `overrides` ("key.sub=value", or mappings) change its base.

    Raises:
        MerjaxError: an unknown key, an empty axis, a bad range, two trials that are one.
    """
    content = read_yaml(path)
    base = content.get("base")
    if isinstance(base, str):
        content["base"] = read_yaml(path.parent / base)
    return make_sweep(content, path.stem, overrides, source=str(path))


def make_sweep(
    content: Mapping[str, Any], name: str, overrides: Sequence[Layer] = (), source: str = "sweep"
) -> SweepFile:
    """A sweep from what a sweep file says, the base being settings.

    Raises:
        MerjaxError: as `read_sweep`, beginning with `source`.
    """
    for key in content:
        if key not in _KEYS:
            raise MerjaxError(f"{source}: there is no key `{key}` in a sweep file; write any of {', '.join(_KEYS)}")
    layers = (content.get("base") or {}, *overrides)
    trials = tuple(
        Trial(label, point, make_config(*layers, point, source=source)) for label, point in _points(content, source)
    )
    _refuse_duplicates(trials, source)
    return SweepFile(name, trials, _seeds(content.get("seeds", 1), source), content.get("synthesize"))


def _points(content: Mapping[str, Any], source: str) -> list[tuple[str, dict[str, Any]]]:
    named = content.get("trials") or {"": {}}
    if not isinstance(named, dict):
        raise MerjaxError(f"{source}: trials must be `name: {{key: value}}` lines")
    axes = {key: _values(key, axis, source) for key, axis in (content.get("axes") or {}).items()}
    combine = content.get("combine", "product")
    if combine not in ("product", "zip"):
        raise MerjaxError(f'{source}: combine is "{combine}"; write product or zip')
    lengths = {key: len(values) for key, values in axes.items()}
    if combine == "zip" and len(set(lengths.values())) > 1:
        raise MerjaxError(f"{source}: axes to zip must be equally long, but they have {lengths} values")
    rows = list(zip(*axes.values(), strict=True) if combine == "zip" else itertools.product(*axes.values())) or [()]
    points = []
    for (name, point), row in itertools.product(named.items(), rows):
        along = dict(zip(axes, row, strict=True))
        parts = [name] * bool(name) + [f"{key.rsplit('.', 1)[-1]}={_short(value)}" for key, value in along.items()]
        points.append((", ".join(parts) or "base", (point or {}) | along))
    return points


def _values(key: str, axis: Any, source: str) -> list[Any]:
    if isinstance(axis, list) and axis:
        return axis
    if isinstance(axis, dict) and len(axis) == 1:
        (kind, numbers), *_ = axis.items()
        if isinstance(numbers, list) and len(numbers) == 3 and all(isinstance(n, int | float) for n in numbers):
            first, last, third = numbers
            if kind == "log" and 0 < first < last and third >= 2:
                return [float(f"{v:.6g}") for v in np.geomspace(first, last, int(third))]
            if kind == "range" and third > 0 and first <= last:
                values = np.arange(first, last + third * 1e-9, third).tolist()
                return values if isinstance(first + third, float) else [int(v) for v in values]
    raise MerjaxError(
        f"{source}: the axis {key} is {axis!r}; write a list of values, {{range: [first, last, step]}} with a step above 0, "
        "or {log: [first, last, how many]} with 0 < first < last"
    )


def _seeds(seeds: Any, source: str) -> tuple[int, ...]:
    if isinstance(seeds, int) and seeds > 0:
        return tuple(range(seeds))
    if isinstance(seeds, list) and seeds and all(isinstance(s, int) and s >= 0 for s in seeds):
        return tuple(dict.fromkeys(seeds))
    raise MerjaxError(f"{source}: seeds is {seeds!r}; write how many, or a list such as [0, 1, 2]")


def _refuse_duplicates(trials: Sequence[Trial], source: str) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        key = str(identity(trial.config)) + trial.config.data.store
        if key in seen:
            raise MerjaxError(
                f'{source}: the trials "{seen[key]}" and "{trial.name}" have the same settings; remove one'
            )
        seen[key] = trial.name
    names = [trial.name for trial in trials]
    if len(set(names)) < len(names):
        raise MerjaxError(f"{source}: several trials are called {names}; give the axes values that differ in print")


def _short(value: Any) -> str:
    return (
        "+".join(map(str, value))
        if isinstance(value, list)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
