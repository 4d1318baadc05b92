"""Charts of a sweep for notebooks: what `SweepResult.plot` and `SweepResult.trials` return."""

from typing import Any

import altair as alt
import pandas as pd

from merjax.report.charts import axis_chart, choice_chart, importance_chart, pair_chart
from merjax.report.comparison import compare
from merjax.report.search_charts import history_chart
from merjax.report.search_importance import search_shares
from merjax.report.section import Section
from merjax.report.settings import Axis, Settings
from merjax.report.trials import trials_of
from merjax.sweeps.result import SweepResult
from merjax.system.errors import MerjaxError


def trials(result: SweepResult) -> pd.DataFrame:
    """A row per trial of a sweep, see `merjax.report.trials.trials_of`; of several protocols, one after another."""
    tables = [trials_of(Section(comparison), [result]) for comparison in compare([result])]
    return pd.concat(tables, ignore_index=True)


class Plots:
    """Charts of a sweep, by UF1 on all clips of its first protocol and split.

    Each is an Altair chart: notebooks show it, `.properties(...)` and `.configure_axis(...)` restyle it, `.save(path)` writes
    it.
    """

    def __init__(self, result: SweepResult) -> None:
        self._result = result
        self._section = Section(compare([result])[0])

    @property
    def _settings(self) -> Settings:
        if len(self._section.choosable) < 2:
            raise MerjaxError(f"{self._result.name} has fewer than two finished trials to compare, so nothing is drawn")
        return self._section.settings

    def axis(self, name: str) -> alt.LayerChart:
        """All trials' scores against a setting, such as "loss.gamma" or "gamma".

        Raises:
            MerjaxError: the setting does not vary, or there are fewer than two finished trials.
        """
        return axis_chart(self._settings, self._axis(name), self._section.names)

    def pair(self, one: str, other: str) -> alt.LayerChart:
        """The mean score at each pair of two settings' values; raises as `axis` does."""
        return pair_chart(self._settings, self._axis(one), self._axis(other))

    def importance(self) -> alt.LayerChart:
        """The share of the variance between trials that each setting and pair explains; for a search, see
        `merjax.report.search_importance.search_shares`.

        Raises:
            MerjaxError: the trials are no full grid, or the proposals are too few.
        """
        if self._result.tried is not None:
            return importance_chart(search_shares(self._result.tried), "share of the importance")
        if (shares := self._settings.importance) is None:
            raise MerjaxError(
                f"the trials of {self._result.name} are no full grid, so shares cannot be computed exactly"
            )
        return importance_chart(shares)

    def optimism(self) -> alt.LayerChart:
        """The highest score, the same less the optimism of choosing it, and the highest at chance."""
        choice, chance = self._section.choice, self._section.at_chance
        if choice is None or chance is None:
            raise MerjaxError(f"{self._result.name} has fewer than two finished trials, so nothing was chosen")
        return choice_chart(choice, chance)

    def history(self) -> Any:
        """A search's proposals in order, with their scores on inner subjects.

        Raises:
            MerjaxError: the sweep is no search.
        """
        if self._result.tried is None:
            raise MerjaxError(
                f"{self._result.name} is no search, so it has no history; a sweep file with `search:` has one"
            )
        return history_chart(self._result.tried)

    def _axis(self, name: str) -> Axis:
        if (axis := self._settings.axis(name)) is None:
            there = ", ".join(axis.key for axis in self._settings.axes) or "none"
            raise MerjaxError(f"{name} does not vary between the trials of {self._result.name}; these do: {there}")
        return axis
