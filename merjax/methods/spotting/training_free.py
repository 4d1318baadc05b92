"""The spotters that need no training as methods: valleys, mdmd and peaks."""

import functools
import time
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from merjax.config import Config
from merjax.engine import HostJob, Jobs, Progress, StageResult, Variables
from merjax.methods.runs import Pictures, RunId
from merjax.methods.spotting.found import Found
from merjax.methods.spotting.mdmd import MACRO_MDMD, MICRO_MDMD, half_window
from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.stored import OWN_SHARES, SHARES, SPOTTERS
from merjax.methods.spotting.trained import READS, settings_of
from merjax.methods.spotting.trained import refuse as refuse
from merjax.methods.stage_identity import Job, make_job
from merjax.stores.kept_motion import Needed
from merjax.stores.motion_store import open_motion_store
from merjax.training.shuffled_motion import ShuffledMotion
from merjax.training.spotting_data import SpottingData

LAST_EPOCHS = ""  # a search has none
_STAGE = "search"


def jobs(data: SpottingData, specs: Sequence[RunId]) -> Jobs[Found]:
    """The one job of runs of one method and one `alike`: to search the videos with every setting that a rule may choose.

    Args:
        data: the videos.
        specs: the runs.
    """
    config = specs[0].config
    settings = settings_of(config, OWN_SHARES[config.method], SHARES[config.method])
    if config.selection.rules == ("fixed",):
        settings, wanted_N = settings[:1], np.any([data.folds[spec.fold].test_N for spec in specs], axis=0)
    else:
        wanted_N = np.ones(len(data.videos), bool)
    seed = specs[0].seed if config.control == "shuffle" else None
    search = _search(config.method, str(data.store.path), data.store.hash, seed)
    asked = [(v, setting) for v in np.flatnonzero(wanted_N).tolist() for setting in settings]

    def compute(on_call: Callable[[Progress], None]) -> StageResult:
        began = time.perf_counter()
        for done, (v, setting) in enumerate(asked, 1):
            search(v, setting)
            seconds = time.perf_counter() - began
            on_call(Progress(_STAGE, done, len(asked), len(specs), (0.0, 0.0), seconds, 0))
        return StageResult(Variables({}), np.zeros(len(specs)), {}, None)

    yield HostJob(_STAGE, compute)

    def find(p: int, moment: int, setting: int, v: int, kind: str) -> list[Spot]:
        return [spot for spot in search(v, settings[setting]) if spot.kind == kind]

    return Found(find, settings, {kind: np.ones(1, int) for kind in data.task.classes}, {})


@functools.lru_cache(maxsize=4)
def _search(method: str, path: str, store_hash: str, seed: int | None) -> Callable[[int, float], tuple[Spot, ...]]:
    """Finds the intervals of a video by its number with a setting, and remembers them for all runs."""
    del store_hash  # another store at this path is searched anew
    store = open_motion_store(path)
    seen = store if seed is None else ShuffledMotion.of(store, seed)

    @functools.cache
    def spots(v: int, setting: float) -> tuple[Spot, ...]:
        return SPOTTERS[method](seen, store.videos[v], setting)

    return spots


def alike(data: SpottingData, config: Config, fold: int) -> Hashable:
    """Runs search the same motion: permuted in time, or not; with settings of their own."""
    return (config.control, config.spotter.share)


def needed(data: SpottingData, config: Config) -> frozenset[Needed]:
    """MDMD's differences over its k, which depends on how long a stretch of a video is."""
    if config.method != "mdmd":
        return frozenset()
    return frozenset(
        Needed(v, "difference", half_window(last + 1 - first, video.fps, rule))
        for v, video in enumerate(data.videos)
        for first, last, _ in data.store.stretches(video)
        for rule in (MICRO_MDMD, MACRO_MDMD)
    )


def identities(data: SpottingData, spec: RunId) -> tuple[Job, ...]:
    """The identity of a run's search."""
    return (make_job(READS, data, spec.config, spec.seed, spec.fold),)


def feature(config: Config) -> None:
    """Motion belongs to the store."""


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """One search."""
    return {_STAGE: 1}


def pictures(config: Config) -> Pictures:
    """The regions' motion."""
    return "motion"


def stage_cost(data: SpottingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9: seconds a video."""
    return {_STAGE: len(data.videos) / len(data.folds)}
