"""Every method that a config can name: the stages that it trains, and what must be known about it before training."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import pandas as pd

from merjax.config import Config
from merjax.engine import Jobs
from merjax.methods import flow_networks, local_regions
from merjax.methods.flow_networks import NETWORKS, network_of
from merjax.methods.handcrafted import svm as handcrafted
from merjax.methods.held_out_clips import held_out_clips
from merjax.methods.runs import Pictures, RunId
from merjax.methods.spatial_stage import SPATIAL
from merjax.methods.spotting import regional, softnet, stored, training_free
from merjax.methods.spotting.found import held_out_videos
from merjax.methods.stage_identity import Job, StageReads
from merjax.stores.kept_motion import Needed
from merjax.system.errors import MerjaxError, meant
from merjax.system.settings import flatten
from merjax.training.data import TrainingData


class Method(NamedTuple):
    """A method. What it trains on are the clips of a store, or, of a spotter, the long videos of a motion store.

    Attributes:
        jobs: (data, specs) -> the stages of these runs, one after another, and in the end what they gave: see
            `merjax.engine.jobs`.
        tested: (data, data with inner subjects held out, spec, number of the run, what `jobs` gave on either) -> by rule of
            selection, what the run says of what it held out, with a column `selection`.
        identities: (data, spec) -> what each stage of a run is known by, in the order in which they train.
        shared: what the stage reads whose output trials may share, the first of two; None if there is one stage only.
        refuse: (data, config) -> nothing; raises MerjaxError for data whose store lacks what the method needs, or whose clips
            have several classes where it can tell one.
        feature: config -> the feature of the store that it reads, see `merjax.stores.features`; None if it reads crops alone.
        steps: (config, frames, clips) -> optimiser steps by stage, in the order in which they train.
        last_epochs: the setting that holds the epochs of the last stage, whose end or an earlier moment is tested; "" for what
            is fitted in one go.
        pictures: config -> what it looks at.
        cost: (data, config) -> the rough cost of one run by stage, in units of 1e9 multiply-adds at the speed of the
            convolutions.
        output_bytes: (config, frames) -> bytes that the shared stage's output of one job takes on the disk.
        cut: (data, config) -> how many clips are longer than what the method takes of a clip, and are cut.
        parameters: (config, classes) -> how many numbers one run's training fits to all clips; None if they are not counted.
        compiles: whether its jobs are stages for the devices; what scikit-learn fits is not compiled and has no model to keep.
        spots: whether it is a spotter.
        alike: (data, config, fold) -> what runs of one program group must have in common to train side by side.
        needed: (data, config) -> what is computed from a motion store before runs train, see `merjax.stores.kept_motion`.
        windows_said: (data, config) -> for a method whose window depends on the fold, a sentence on each window.
    """

    jobs: Callable[[Any, Sequence[RunId]], Jobs[Any]]
    tested: Callable[[Any, Any, RunId, int, Any, Any], Iterator[tuple[str, pd.DataFrame]]]
    identities: Callable[[Any, RunId], tuple[Job, ...]]
    refuse: Callable[[Any, Config], None]
    feature: Callable[[Config], str | None]
    steps: Callable[[Config, int, int], dict[str, int]]
    last_epochs: str
    pictures: Callable[[Config], Pictures]
    cost: Callable[[Any, Config], dict[str, float]]
    shared: StageReads | None = None
    output_bytes: Callable[[Config, int], int] = lambda config, frames: 0
    cut: Callable[[TrainingData, Config], int] = lambda data, config: 0
    parameters: Callable[[Config, int], int | None] = lambda config, classes: None
    compiles: bool = True
    spots: bool = False
    alike: Callable[[Any, Config, int], Hashable] = lambda data, config, fold: None
    needed: Callable[[Any, Config], Set[Needed]] = lambda data, config: frozenset()
    windows_said: Callable[[Any, Config], tuple[str, ...]] = lambda data, config: ()

    def epochs(self, config: Config) -> float:
        """The epochs of the last stage; 1 for what is fitted in one go."""
        return float(flatten(config)[self.last_epochs]) if self.last_epochs else 1.0


def _of(module, *, shared: StageReads | None = None, compiles: bool = True) -> Method:
    return Method(
        jobs=module.jobs,
        tested=held_out_clips,
        identities=module.identities,
        refuse=module.refuse,
        feature=module.feature,
        steps=module.stage_steps,
        last_epochs=module.LAST_EPOCHS,
        pictures=module.pictures,
        cost=module.stage_cost,
        shared=shared,
        compiles=compiles,
    )


def _spotter(module, *, compiles: bool = True) -> Method:
    return _of(module, compiles=compiles)._replace(
        tested=held_out_videos, spots=True, alike=module.alike, needed=module.needed
    )


_FLOW_NETWORK = _of(flow_networks)._replace(parameters=flow_networks.parameters)
METHODS = {
    "local_regions": _of(local_regions, shared=SPATIAL)._replace(
        output_bytes=local_regions.output_bytes, cut=local_regions.clips_cut
    ),
    **{name: _FLOW_NETWORK for name in NETWORKS},
    **{
        name: _of(handcrafted, compiles=False)._replace(parameters=handcrafted.parameters) for name in handcrafted.NAMES
    },
    **{name: _spotter(training_free, compiles=False) for name in stored.SPOTTERS},
    softnet.NAME: _spotter(softnet)._replace(windows_said=softnet.windows_said),
    regional.NAME: _spotter(regional),
}


def refuse_unknown_method(name: str) -> None:
    """Refuse a method that cannot be trained here.

    Raises:
        MerjaxError: there is no such method, or a network outside of merjax cannot be imported.
    """
    if method_of(name) is _FLOW_NETWORK:
        network_of(name)


def method_of(name: str) -> Method:
    """The method that a config names: one of `METHODS`, or a flow network that is defined outside of merjax.

    The module of an outside network is not imported, so what it once trained can be read without it.

    Args:
        name: a key of `METHODS`, or `package.module:NAME`, see `merjax.methods.flow_networks.network_of`.

    Raises:
        MerjaxError: there is no such method; the message says which one may be meant.
    """
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        near = meant(name, METHODS) or f"; write any of {', '.join(METHODS)}"
        raise MerjaxError(f'there is no method "{name}"{near}')
    return _FLOW_NETWORK


def as_named_today(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of a model or plan that an earlier version wrote, by dotted key, with the name that their method has today.

    What was called rcn_a until `peer.maps` was a setting is rcn_a_merjax: it differs from the network of its authors' code.
    """
    if settings.get("method") == "rcn_a" and "peer.maps" not in settings:
        return {**settings, "method": "rcn_a_merjax"}
    return settings
