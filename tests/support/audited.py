"""A sweep's folder that holds an audit, without training."""

from pathlib import Path

from support.fake_runs import write_fake_run

HALF = {"spatial.trained_on": "half of all frames"}
ALL_SHUFFLED = {"control": "shuffle everything"}
POINTS = {"fold": {}, "fold, shuffled": ALL_SHUFFLED, "half": HALF, "half, shuffled": HALF | ALL_SHUFFLED}
SKILLS = {"fold": 0.3, "fold, shuffled": 0.0, "half": 0.8, "half, shuffled": 0.7}


def audited_run(folder: Path, **asked) -> Path:
    """The folder of a sweep with the four rows of an audit; see `write_fake_run`."""
    return write_fake_run(folder, **{"skills": SKILLS, "overrides": POINTS, "seeds": (0, 1)} | asked)
