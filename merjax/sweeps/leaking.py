"""Trials whose spatial stage trains on held-out subjects: their names say so, and some settings make no sense with them."""

from merjax.config import Config
from merjax.scoring.entry import KNOWN, WINDOW_KNOWN, features_know, window_knows
from merjax.system.errors import MerjaxError


def told_name(name: str, config: Config) -> str:
    """A trial's name, which says that the trial leaks if it does: all that shows a trial shows its name."""
    leaks = [leak for leak, is_so in ((KNOWN, features_know(config)), (WINDOW_KNOWN, window_knows(config))) if is_so]
    return ", ".join([name, *(leak for leak in leaks if leak not in name)])


def refuse_with_leak(config: Config, source: str, *, searches: bool = False) -> None:
    """Refuse what would look honest beside a spatial stage that trains on held-out subjects, or would mean nothing.

    Args:
        config: of a trial.
        source: the file, named at the beginning of the message.
        searches: whether settings are searched.

    Raises:
        MerjaxError: something is refused; the message says what and why.
    """
    if not features_know(config):
        return
    trained_on = f"spatial.trained_on: {config.spatial.trained_on}"
    if searches:
        problem = (
            "a search chooses settings on inner subjects, whose frames would have trained the features; leave one out"
        )
    elif "inner" in config.selection.rules:
        problem = (
            "`inner` of selection.rules chooses on subjects held out of all training, and here none is; leave it out"
        )
    elif config.data.folds.startswith("cross_database"):
        problem = (
            f"data.folds: {config.data.folds} tests on a database of which nothing was trained on, but here the features come "
            "from all databases; choose loso or group:K"
        )
    elif config.control == "shuffle":
        problem = (
            "`control: shuffle` shuffles the training labels of each fold apart, so it cannot show what the features know of "
            "the test clips; write `control: shuffle everything`"
        )
    else:
        return
    raise MerjaxError(f"{source}: with {trained_on}, {problem}")
