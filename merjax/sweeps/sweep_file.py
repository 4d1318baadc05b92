"""Sweep files: a base config, axes over its keys, and seeds; and the trials that they stand for.

base: ../configs/quickstart.yaml        # a config file, or the settings themselves
trials:                                 # named points ...
  focal: {loss.gamma: 2, loss.alpha: inverse}
  cross-entropy: {loss.gamma: 0, loss.alpha: none}
axes:                                   # ... times every combination of these (or `combine: zip`, side by side)
  spatial.learning_rate: {log: [1e-4, 1e-2, 3]}    # 3 values, evenly spaced in the logarithm
  spatial.epochs: {range: [5, 15, 5]}              # 5, 10, 15
  data.input: [gray, difference]
seeds: [0, 1, 2]                        # or a number of seeds; a trial may have its own: focal: {loss.gamma: 2, seeds: 1}
synthesize:                             # make the store from portraits first, if it does not exist yet
  {invent: 6, clips_per_subject: 6}     # as in `merjax.synthesis.synthesize_release`; `layouts: {samm: , smic: }` for several;
                                        # for spotters, long videos: {invent: 4, videos: 2, empty: 1, seconds: 60}
small: ../configs/small.yaml            # what --scale small changes: settings of the base, seeds, synthesize
published: table7                       # a table of `merjax.scoring.published` whose scores reports print beside these; each
                                        # trial names its row: cross-entropy: {loss.gamma: 0, published: CE}; reports print
                                        # what it says of itself beside it: focal: {note: a tenth of the paper's epochs}
ensembles: {both: [focal, cross-entropy]}  # trials whose probabilities reports average, with all their seeds

In place of trials and axes, a file may hold a search (`merjax.sweeps.running.search`; needs `pip install 'merjax[search]'`):

search:
  sampler: tpe                          # or random, or one of Optuna's samplers by name, such as GPSampler
  trials: 40                            # proposals in all; more can be asked for later
  metric: UF1                           # or UAR, accuracy: pooled over folds, on inner subjects only
  inner_trials: 1                       # 4: of four proposals in a row, one draws the spatial settings and all have them
  inner: 0.2                            # share of each fold's training subjects to hold out for that
  space:
    spatial.learning_rate: {low: 1e-5, high: 1e-2, log: true}
    loss.gamma: {low: 0, high: 5}
    temporal.units: [32, 64, 128]       # a choice; a list within it is one value
  storage: sqlite:///study.db           # any storage of Optuna's; a journal in the results if left out
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from merjax.config import Config, make_config, read_settings, trained_settings
from merjax.methods.registry import refuse_unknown_method
from merjax.scoring.published.tables import refuse_unknown_rows
from merjax.sweeps.axes import points_of
from merjax.sweeps.leaking import refuse_with_leak, told_name
from merjax.sweeps.search_space import SearchSpec, read_search
from merjax.sweeps.shipped import find_config, find_sweep
from merjax.sweeps.sweep_keys import (
    SaidOfTrial,
    read_ensembles,
    read_seeds,
    refuse_misplaced,
    refuse_seeds_beyond,
    refuse_unknown_keys,
    refuse_untested,
    take_said,
)
from merjax.system import values
from merjax.system.errors import MerjaxError
from merjax.system.files import safe_name
from merjax.system.settings import Layer, flatten, identity

Scale = Literal["full", "small"]
SCALES: tuple[Scale, ...] = get_args(Scale)
_SMALL_KEYS = ("base", "seeds", "synthesize")
_MAY_BE_EMPTY = ("base", "trials", "axes", "synthesize", "small", "published", "ensembles")


class Trial(NamedTuple):
    """One point of hyper-parameters.

    Attributes:
        name: its name. Trials that share a name have different folds, and their predictions count as one trial's.
        overrides: the settings in which it differs from the base.
        config: all its settings.
        folds: names of the folds in which it is trained and tested; if empty, all folds.
        published: the method in the sweep's published table whose scores are shown beside its own; "" for none.
        seeds: its own; if empty, all of the sweep's.
        note: what a report says of it, such as how its budget differs from the published one.
    """

    name: str
    overrides: dict[str, Any]
    config: Config
    folds: tuple[str, ...] = ()
    published: str = ""
    seeds: tuple[int, ...] = ()
    note: str = ""

    @property
    def said(self) -> SaidOfTrial:
        """What its sweep file says of it beside its settings."""
        return SaidOfTrial(self.published, self.seeds, self.note)

    def is_of(self, fold: str) -> bool:
        return not self.folds or fold in self.folds

    def has(self, seed: int) -> bool:
        return not self.seeds or seed in self.seeds


@dataclass(frozen=True)
class SweepFile:
    """A sweep as its file describes it.

    Attributes:
        name: its name.
        trials: its trials in order; with a search, the base alone.
        seeds: its seeds.
        synthesize: how to make its data, if it is to be made.
        search: what to search for, if it has a search.
        inner: share of the training subjects to test on in place of the held-out subjects; 0 tests on the held-out ones.
        small: settings of the base that the small scale changed, by dotted key; empty at full scale.
        published: the published table that it repeats, by its name in `merjax.scoring.published.tables.TABLES`; "" for none.
        ensembles: by name, the trials whose probabilities reports average.
    """

    name: str
    trials: tuple[Trial, ...]
    seeds: tuple[int, ...]
    synthesize: dict[str, Any] | None = None
    search: SearchSpec | None = None
    inner: float = 0.0
    small: dict[str, Any] = field(default_factory=dict)
    published: str = ""
    ensembles: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def searched(self) -> SearchSpec:
        assert self.search is not None
        return self.search

    @property
    def store(self) -> Path:
        """The one store that all trials use.

        Raises:
            MerjaxError: the trials use several.
        """
        stores = {trial.config.data.store for trial in self.trials}
        if len(stores) > 1:
            raise MerjaxError(
                f"{self.name}: with `synthesize`, all trials must use one data.store, not {sorted(stores)}"
            )
        return Path(stores.pop())

    def with_trials(self, points: Mapping[str, dict[str, Any]], inner: float = 0.0) -> "SweepFile":
        """The sweep of named points over this one's base, without a search; trials that do not change keep their rows."""
        base, said = flatten(self.trials[0].config), {(t.name, repr(t.overrides)): t.said for t in self.trials}
        trials = tuple(_trial(name, own, base, name, said.get((name, repr(own)))) for name, own in points.items())
        return replace(self, trials=trials, search=None, inner=inner)

    def with_chosen(self, name: str, points: Sequence[tuple[dict[str, Any], Sequence[str]]]) -> "SweepFile":
        """The sweep of one trial whose folds have settings of their own: points over this one's base, with their folds."""
        base = flatten(self.trials[0].config)
        trials = tuple(Trial(name, own, make_config(base, own, source=name), tuple(folds)) for own, folds in points)
        return replace(self, trials=trials, search=None)

    def with_clips(self, **settings: Any) -> "SweepFile":
        """The same sweep on other made clips: `synthesize` with some of its settings changed."""
        return replace(self, synthesize=(self.synthesize or {}) | settings)


def read_sweep(path: Path, overrides: Sequence[Layer] = (), scale: Scale = "full") -> SweepFile:
    """Read a sweep file by its path or name; `overrides` ("key.sub=value", or mappings) change its base after the scale does.

    Raises:
        MerjaxError: there is no such file, a key is unknown, an axis is empty, a range is wrong, two trials are equal, the file
            has no such scale, or a published table or row does not exist.
    """
    file = find_sweep(path)
    content = values.read_yaml(file)
    for key in ("base", "small"):
        if isinstance(content.get(key), str) and not values.is_nothing(content[key]):
            content[key] = values.read_yaml(find_config(file, content[key]))
    return make_sweep(content, file.stem, overrides, source=str(file), scale=scale)


def make_sweep(
    content: Mapping[str, Any],
    name: str,
    overrides: Sequence[Layer] = (),
    source: str = "sweep",
    scale: Scale = "full",
) -> SweepFile:
    """A sweep from the content of a sweep file, with settings as its base and in its small scale.

    Raises:
        MerjaxError: see `read_sweep`; the message begins with `source`.
    """
    refuse_unknown_keys(content, source)
    content = {key: said for key, said in content.items() if key not in _MAY_BE_EMPTY or not values.is_nothing(said)}
    small: dict[str, Any] = {}
    if scale == "small":
        said = _small(content, source)
        small, name = read_settings(said["base"], source), f"{name}-small"  # another name is another folder of results
        content |= {key: value for key, value in said.items() if key != "base"}
    base = content.get("base", {})
    if not isinstance(base, Mapping):
        raise MerjaxError(
            f"{source}: base is {values.shown(base)}; write a config file's path, or settings as `key: value` lines"
        )
    settings: dict[str, Any] = {}
    for layer in (base, small, *overrides):
        refuse_misplaced(layer, source)
        settings |= read_settings(layer, source)
    trials, published = _trials(content, settings, source), str(content.get("published", ""))
    _refuse_unknown_methods(trials, source)
    _refuse_duplicates(trials, source)
    if len({trial.config.engine.precision for trial in trials}) > 1:
        raise MerjaxError(f"{source}: trials differ in engine.precision, which a sweep has one of; write it under base")
    refuse_unknown_rows(published, {trial.name: trial.published for trial in trials}, source)
    search = read_search(content, trials[0].config, source) if "search" in content else None
    seeds, synthesize = read_seeds(content.get("seeds", 1), source), values.plain(content.get("synthesize"))
    refuse_seeds_beyond(seeds, {trial.name: trial.seeds for trial in trials}, source)
    ensembles = read_ensembles(content, [trial.name for trial in trials], source)
    return SweepFile(name, trials, seeds, synthesize, search, small=small, published=published, ensembles=ensembles)


def _small(content: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """The `small` section of a sweep file."""
    said = content.get("small")
    if said is None:
        raise MerjaxError(f"{source} has no `small` section, which says what --scale small changes; leave --scale out")
    if (
        not isinstance(said, Mapping)
        or not said.keys() <= set(_SMALL_KEYS)
        or not isinstance(said.get("base"), Mapping)
    ):
        raise MerjaxError(
            f"{source}: small is {values.shown(said)}; write settings under base, and any of seeds, synthesize"
        )
    return said


def _trials(content: Mapping[str, Any], base: Mapping[str, Any], source: str) -> tuple[Trial, ...]:
    """The trials: each named point combined with every point of the axes, over the base."""
    named = content.get("trials") or {"": {}}
    if not isinstance(named, Mapping) or not all(
        isinstance(point, Mapping) or values.is_nothing(point) for point in named.values()
    ):
        raise MerjaxError(f"{source}: trials is {values.shown(named)}; write `name: {{key: value}}` lines")
    trials = []
    for (name, said), (label, along) in itertools.product(named.items(), points_of(content, source)):
        point = {} if values.is_nothing(said) else {**said}
        words = take_said(point, source)
        point = read_settings(point, source) | along
        whole = ", ".join(filter(None, (str(name), label))) or "base"
        trials.append(_trial(whole, point, base, source, words))
    return tuple(trials)


def _trial(
    name: str, point: dict[str, Any], base: Mapping[str, Any], source: str, words: SaidOfTrial | None = None
) -> Trial:
    config = make_config(base, point, source=source)
    refuse_with_leak(config, source)
    refuse_untested(config.data.folds, source)
    return Trial(told_name(name, config), point, config, **(words._asdict() if words else {}))


def _refuse_unknown_methods(trials: Sequence[Trial], source: str) -> None:
    for method in dict.fromkeys(trial.config.method for trial in trials):
        try:
            refuse_unknown_method(method)
        except MerjaxError as error:
            raise MerjaxError(f"{source}: {error}") from None


def _refuse_duplicates(trials: Sequence[Trial], source: str) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        key = f"{identity(trial.config, trained_settings())} {trial.config.data.store} {trial.config.selection}"
        if key in seen:
            raise MerjaxError(
                f'{source}: the trials "{seen[key]}" and "{trial.name}" have the same settings; remove one'
            )
        seen[key] = trial.name
    names = [trial.name for trial in trials]
    if len(set(names)) < len(names):
        raise MerjaxError(f"{source}: several trials are called {names}; give the axes values that differ in print")
    places: dict[str, str] = {}
    for name in names:
        if not safe_name(name):
            raise MerjaxError(f'{source}: the trial "{name}" has neither a letter nor a digit; its files need a name')
        other = places.setdefault(safe_name(name), name)
        if other != name:
            raise MerjaxError(
                f'{source}: the trials "{other}" and "{name}" would share the files called "{safe_name(name)}"; give them '
                "names that differ in letters or digits"
            )
