"""The final model of `merjax analyse --demo`: of the sweep `demo`, on the clips that the quickstart makes."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from merjax.models.card import FINAL
from merjax.sweeps.final_recipe import recipe_of
from merjax.sweeps.running.run import train_sweep
from merjax.sweeps.running.shards import WHOLE
from merjax.sweeps.running.train_final import train_final
from merjax.sweeps.shipped import shipped_folder
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.paths import is_file


def make_demo_model(folder: Path, console: Console, stopping: Callable[[], bool] = lambda: False) -> Path:
    """Make the demo's final model, if it is not there yet; one that was stopped goes on.

    Args:
        folder: gets `sweep/`, whose scores say what to expect, and `model/`.
        console: where progress is shown.
        stopping: is called again and again; once it returns true, the training ends.

    Returns:
        The model's folder, for `merjax.models.final_model.load_final_model`.

    Raises:
        MerjaxError: the folder holds something else, or nothing can be written there.
        merjax.system.signals.Interrupted: `stopping` said so; all is saved, and the same call goes on with it.
    """
    out = folder / "model"
    if not is_file(out / FINAL):
        sweep = read_sweep(shipped_folder("sweeps") / "demo.yaml")
        result = train_sweep(sweep, folder / "sweep", WHOLE, None, console, stopping)
        train_final(recipe_of(result), out, console, stopping)
    return out
