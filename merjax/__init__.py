"""merjax: micro-expression recognition from local facial regions, trained as array programs.

    release = merjax.read_casme2("data/casme2")                     # what a release says about its clips
    store = merjax.prepare_store(release, "stores/mine")            # landmarks, six regions, crops
    result = merjax.run_sweep("quickstart")                         # train all folds, seeds and trials
    merjax.make_report(result)                                      # a page with tables and figures

`dir(merjax)` lists the public names; each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from merjax.system.versions import __version__

if TYPE_CHECKING:
    from merjax.config import Config
    from merjax.datasets.casme1 import read_casme1
    from merjax.datasets.casme2 import read_casme2
    from merjax.datasets.casme3 import read_casme3
    from merjax.datasets.casme_squared import read_casme_squared
    from merjax.datasets.clip import Release
    from merjax.datasets.dfme import read_dfme
    from merjax.datasets.long_videos import long_videos
    from merjax.datasets.mmew import read_mmew
    from merjax.datasets.own import read_own
    from merjax.datasets.own_videos import read_own_videos
    from merjax.datasets.samm import read_samm
    from merjax.datasets.samm_long import read_samm_long
    from merjax.datasets.smic import read_smic
    from merjax.models import insight
    from merjax.models.analyse_video import analyse
    from merjax.models.final_model import FinalModel, load_final_model
    from merjax.models.model import Model, load_model
    from merjax.models.own_video import Analysis
    from merjax.report.files import make_report
    from merjax.scoring.megc_log import rescore
    from merjax.scoring.spotting.rescored import rescore_intervals
    from merjax.stores.motion_preparation import prepare_motion_store
    from merjax.stores.motion_store import MotionStore, open_motion_store
    from merjax.stores.preparation import prepare_store
    from merjax.stores.store import Store, open_store
    from merjax.sweeps.result import SweepResult, open_sweep
    from merjax.sweeps.running.run import run_sweep
    from merjax.synthesis.release import synthesize_release
    from merjax.system.errors import MerjaxError
    from merjax.training.data import TrainingData, load_data

__all__ = [
    "Analysis",
    "Config",
    "FinalModel",
    "MerjaxError",
    "Model",
    "MotionStore",
    "Release",
    "Store",
    "SweepResult",
    "TrainingData",
    "__version__",
    "analyse",
    "insight",
    "load_data",
    "load_final_model",
    "load_model",
    "long_videos",
    "make_report",
    "open_motion_store",
    "open_store",
    "open_sweep",
    "prepare_motion_store",
    "prepare_store",
    "read_casme1",
    "read_casme2",
    "read_casme3",
    "read_casme_squared",
    "read_dfme",
    "read_mmew",
    "read_own",
    "read_own_videos",
    "read_samm",
    "read_samm_long",
    "read_smic",
    "rescore",
    "rescore_intervals",
    "run_sweep",
    "synthesize_release",
]

_MODULES = {
    "config": ("Config",),
    "datasets.casme1": ("read_casme1",),
    "datasets.casme2": ("read_casme2",),
    "datasets.casme3": ("read_casme3",),
    "datasets.casme_squared": ("read_casme_squared",),
    "datasets.clip": ("Release",),
    "datasets.dfme": ("read_dfme",),
    "datasets.long_videos": ("long_videos",),
    "datasets.mmew": ("read_mmew",),
    "datasets.own": ("read_own",),
    "datasets.own_videos": ("read_own_videos",),
    "datasets.samm": ("read_samm",),
    "datasets.samm_long": ("read_samm_long",),
    "datasets.smic": ("read_smic",),
    "models.final_model": ("FinalModel", "load_final_model"),
    "models.analyse_video": ("analyse",),
    "models.insight": ("insight",),
    "models.model": ("Model", "load_model"),
    "models.own_video": ("Analysis",),
    "report.files": ("make_report",),
    "scoring.megc_log": ("rescore",),
    "scoring.spotting.rescored": ("rescore_intervals",),
    "stores.motion_preparation": ("prepare_motion_store",),
    "stores.motion_store": ("MotionStore", "open_motion_store"),
    "stores.preparation": ("prepare_store",),
    "stores.store": ("Store", "open_store"),
    "sweeps.result": ("SweepResult", "open_sweep"),
    "sweeps.running.run": ("run_sweep",),
    "synthesis.release": ("synthesize_release",),
    "system.errors": ("MerjaxError",),
    "training.data": ("TrainingData", "load_data"),
}
_PLACES = {name: f"merjax.{module}" for module, names in _MODULES.items() for name in names}
_WITH_JAX = (
    "analyse",
    "FinalModel",
    "Model",
    "SweepResult",
    "insight",
    "load_final_model",
    "load_model",
    "make_report",
    "open_sweep",
    "run_sweep",
)  # they import it


if not TYPE_CHECKING:  # a type checker would believe that every name exists

    def __getattr__(name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"module 'merjax' has no attribute '{name}'")
        if name in _WITH_JAX:
            from merjax.system.environment import put_aside_once

            put_aside_once()  # before JAX reads them
        module = import_module(_PLACES[name])  # not earlier: a worker pins its core before JAX is imported
        return module if name == "insight" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
