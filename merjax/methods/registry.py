"""Every method that a config can name: the stages that it trains, and what must be known about it before training."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from merjax.config import Config
from merjax.engine import Jobs
from merjax.methods import flow_networks, local_regions
from merjax.methods.flow_networks import NETWORKS, network_of
from merjax.methods.handcrafted import svm as handcrafted
from merjax.methods.runs import RunId, Trained
from merjax.system.errors import MerjaxError, meant
from merjax.training.data import TrainingData


class Method(NamedTuple):
    """A method.

    Attributes:
        jobs: (data, specs) -> the stages of these runs, one after another, and in the end what they gave: see
            `merjax.engine.jobs`.
        refuse: raises MerjaxError for data whose store lacks what the method needs.
        steps: (config, frames, clips) -> optimiser steps by stage, in the order in which they train.
        cost: (data, config) -> the rough cost of one run by stage, in units of 1e9 multiply-adds at the speed of the
            convolutions.
        compiles: whether its jobs are stages for the devices; what scikit-learn fits is not compiled and has no model to keep.
    """

    jobs: Callable[[TrainingData, Sequence[RunId]], Jobs[Trained]]
    refuse: Callable[[TrainingData], None]
    steps: Callable[[Config, int, int], dict[str, int]]
    cost: Callable[[TrainingData, Config], dict[str, float]]
    compiles: bool = True


def _of(module, *, compiles: bool = True) -> Method:
    return Method(module.jobs, module.refuse, module.stage_steps, module.stage_cost, compiles)


METHODS = {
    "local_regions": _of(local_regions),
    **{name: _of(flow_networks) for name in NETWORKS},
    **{name: _of(handcrafted, compiles=False) for name in handcrafted.NAMES},
}


def method_of(name: str) -> Method:
    """The method that a config names: one of `METHODS`, or a flow network that is defined outside of merjax.

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
    network_of(name)
    return _of(flow_networks)
