"""Every method that a config can name: what trains it, and what is to be known of it beforehand."""

from collections.abc import Callable
from typing import NamedTuple

from merjax.config import Config
from merjax.methods import flow_networks, local_regions
from merjax.methods.flow_networks import NETWORKS
from merjax.methods.handcrafted import svm as handcrafted
from merjax.methods.runs import Trained
from merjax.training.data import TrainingData


class Method(NamedTuple):
    """A method.

    Attributes:
        train: (experiment, specs, engine, on_call, keeper) -> what a chunk of runs gave.
        refuse: raises MerjaxError for an experiment whose store lacks what the method needs.
        steps: (config, frames, clips) -> optimiser steps by stage, in the order in which they train.
        work: (experiment, config) -> rough multiply-adds of one run by stage, in units of 1e9.
        compiles: whether stages of it are compiled for the devices; what scikit-learn fits is not, and has no model to keep.
    """

    train: Callable[..., Trained]
    refuse: Callable[[TrainingData], None]
    steps: Callable[[Config, int, int], dict[str, int]]
    work: Callable[[TrainingData, Config], dict[str, float]]
    compiles: bool = True


def _of(module, *, compiles: bool = True) -> Method:
    return Method(module.train, module.refuse, module.stage_steps, module.stage_work, compiles)


METHODS = {
    "local_regions": _of(local_regions),
    **{name: _of(flow_networks) for name in NETWORKS},
    **{name: _of(handcrafted, compiles=False) for name in handcrafted.NAMES},
}
