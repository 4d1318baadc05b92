"""Parts of the clips that are scored by themselves."""

import pandas as pd

from merjax.datasets.clip import DATABASES
from merjax.protocols import SCHEMES
from merjax.scoring.entry import Entry


def part_names(data: dict, predictions: pd.DataFrame) -> tuple[str, ...]:
    """The parts that are scored by themselves, the whole first.

    Databases that were recognised under one set of folds are pooled to "FULL" ("together" if not all of the protocol's are
    there), then come the databases. In cross-database folds a clip is tested several times: each fold is a part, and
    nothing is pooled.
    """
    if _is_cross_database(data):
        return tuple(fold for fold in data["folds"] if (predictions["fold"] == fold).any())
    databases = tuple(name for name in DATABASES if (predictions["database"] == name).any())
    if len(databases) < 2:
        return databases
    return ("FULL" if set(databases) == set(SCHEMES[data["protocol"]].expected) else "together", *databases)


def part_title(part: str) -> str:
    """A part as papers write it: "CASME II part", "CASME II & SMIC-HS → SAMM"."""
    if "->" in part:
        train, test = part.split("->")
        return f"{' & '.join(DATABASES[name].title for name in train.split('+'))} → {DATABASES[test].title}"
    return DATABASES[part].title if part in DATABASES else part


def of_part(predictions: pd.DataFrame, part: str) -> pd.DataFrame:
    """The predictions of one part."""
    if part in ("FULL", "together"):
        return predictions
    return predictions[predictions["fold" if "->" in part else "database"] == part]


def _pooled_parts(entry: Entry) -> tuple[str, ...]:
    """What pools: all clips, or each cross-database fold by itself."""
    return part_names(entry.data, entry.predictions) if _is_cross_database(entry.data) else ("together",)


def _is_cross_database(data: dict) -> bool:
    return any("->" in fold for fold in data["folds"])
