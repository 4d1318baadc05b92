"""How the scores of a comparison's trials depend on their settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from merjax.report.names import readable, short_keys
from merjax.scoring.entry import Entry
from merjax.scoring.importance import grid_order, variance_shares
from merjax.scoring.metrics import interval
from merjax.scoring.parts import Part
from merjax.scoring.resamples import resampled_entry
from merjax.scoring.scores import entry_scores
from merjax.system.settings import flatten

_NO_AXES = ("engine.", "selection.", "data.store")  # they do not change what is learnt


class Axis(NamedTuple):
    """A setting that varies between trials.

    Attributes:
        key: its dotted key.
        name: what pictures call it.
        values: its values as text, in order.
        kind: "log" or "linear" for numbers, "categories" for others.
    """

    key: str
    name: str
    values: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Settings:
    """The settings and scores of trials that were tested alike.

    Attributes:
        entries: the trials.
        part: the part of the clips that is scored.
        score: the score's name.
    """

    entries: tuple[Entry, ...]
    part: Part
    score: str = "UF1"

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """The settings that vary, in the order of the configuration."""
        configs = [flatten(entry.config) for entry in self.entries]
        keys = varying(configs)
        names = short_keys(keys)
        return tuple(axis_of(key, names[key], [config[key] for config in configs]) for key in keys)

    def axis(self, name: str) -> Axis | None:
        """The axis with this key or short name."""
        return next((axis for axis in self.axes if name in (axis.key, axis.name)), None)

    def value(self, entry: Entry, axis: Axis) -> Any:
        """An entry's value on an axis: a number, or text for categories."""
        value = flatten(entry.config)[axis.key]
        return readable(value) if axis.kind == "categories" else value

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per trial: entry, score, low, high, then its settings by the axes' keys."""
        rows = []
        for entry, score, draws_D in zip(self.entries, self.score_T, self.draws_TxD, strict=True):
            low, high = interval(draws_D)
            own = {axis.key: self.value(entry, axis) for axis in self.axes}
            rows.append({"entry": entry.label, "score": score, "low": low, "high": high} | own)
        return pd.DataFrame(rows)

    @cached_property
    def seeds(self) -> pd.DataFrame:
        """A row per trial and seed: entry, seed, score."""
        rows = [
            {"entry": entry.label, "seed": str(seed), "score": score}
            for entry in self.entries
            for seed, score in zip(sorted(entry.seeds), self._of_seeds[entry.label], strict=True)
        ]
        return pd.DataFrame(rows)

    @cached_property
    def _of_seeds(self) -> dict[str, np.ndarray]:
        return {entry.label: entry_scores(entry, self.part)[self.score] for entry in self.entries}

    @cached_property
    def score_T(self) -> np.ndarray:
        return np.array([own.mean() for own in self._of_seeds.values()])

    @cached_property
    def draws_TxD(self) -> np.ndarray:
        """Scores on resampled subjects, the same for all trials."""
        return np.stack([resampled_entry(entry, self.part)[self.score] for entry in self.entries])

    def means(self, axes: Sequence[Axis]) -> pd.DataFrame:
        """The mean score over all trials with the same values on some axes, with a 95 % interval over subjects.

        Returns:
            A row per combination that occurs: the axes' keys, score, low, high, trials.
        """
        keys = [axis.key for axis in axes]
        rows = []
        for values, numbers in self.scores.groupby(keys, sort=True).indices.items():
            low, high = interval(self.draws_TxD[numbers].mean(0))
            own = values if isinstance(values, tuple) else (values,)
            rows.append(
                dict(zip(keys, own, strict=True))
                | {"score": self.score_T[numbers].mean(), "low": low, "high": high, "trials": len(numbers)}
            )
        return pd.DataFrame(rows)

    @cached_property
    def importance(self) -> pd.DataFrame | None:
        """See `merjax.scoring.importance.variance_shares`; None if the trials are no full grid."""
        own = [{axis.key: self.value(entry, axis) for axis in self.axes} for entry in self.entries]
        if (grid := grid_order(own)) is None:
            return None
        names = [axis.name for axis in self.axes]
        return variance_shares(names, grid[1], self.score_T, self.draws_TxD)


def varying(configs: Sequence[dict[str, Any]]) -> list[str]:
    """The settings in which flat configurations differ, without those that do not change what is learnt."""
    return [
        key
        for key in (configs[0] if configs else ())
        if not key.startswith(_NO_AXES) and len({repr(config.get(key)) for config in configs}) > 1
    ]


def axis_of(key: str, name: str, values: Sequence[Any]) -> Axis:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        numbers = sorted(set(map(float, values)))
        kind = "log" if _is_log(numbers) else "linear"
        return Axis(key, name, tuple(map(readable, numbers)), kind)
    return Axis(key, name, tuple(dict.fromkeys(map(readable, values))), "categories")


def _is_log(numbers: Sequence[float]) -> bool:
    """Whether positive numbers span a factor of ten and are spread more evenly in their logarithms."""
    if numbers[0] <= 0 or numbers[-1] < 10 * numbers[0]:
        return False
    gaps, ratios = np.diff(numbers), np.diff(np.log(numbers))
    return bool(np.ptp(ratios) / ratios.mean() <= np.ptp(gaps) / gaps.mean())
