"""Parts of the clips, each with scores of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from merjax.datasets.clip import database_of, in_order
from merjax.protocols import SCHEMES, FoldId
from merjax.scoring.entry import Entry


@dataclass(frozen=True)
class Part:
    """Clips that have scores of their own.

    Attributes:
        name: "FULL" (all databases of a protocol), "together" (all clips that there are), a database, or a fold's name; the
            column `part` of tables holds it.
        fold: the fold that holds these clips out; None if a part covers all folds.
    """

    name: str
    fold: FoldId | None = None

    @classmethod
    def of_fold(cls, fold: FoldId) -> "Part":
        """The clips that one fold holds out."""
        return cls(fold.name, fold)

    @property
    def database(self) -> str:
        """The database whose clips it has; "" for a fold, or for all databases together."""
        return "" if self.fold or self.name in ("FULL", "together") else self.name

    @property
    def title(self) -> str:
        """Its name as papers write it: "CASME II", "CASME II & SMIC-HS → SAMM"."""
        if self.fold:
            return f"{' & '.join(map(_title, self.fold.train_databases))} → {_title(self.fold.test_database)}"
        return _title(self.name)


def _title(side: str) -> str:
    """A database, or a part of one, as papers write it: "DFME test A"."""
    database, _, part = side.partition(" ")
    return f"{database_of(database).title} {part}".rstrip()


TOGETHER = Part("together")


def parts_of(protocol: str, folds: Sequence[FoldId], predictions: pd.DataFrame) -> tuple[Part, ...]:
    """The parts that have scores of their own, the whole first.

    Databases that were recognised under one set of folds are pooled to "FULL" ("together" if not all of the protocol's
    databases are there); then come the single databases. With cross-database folds a clip is tested several times, so each
    fold is a part and nothing is pooled.

    Args:
        protocol: name of the label scheme.
        folds: the folds of the predictions' trial.
        predictions: columns fold and database.
    """
    if are_across_databases(folds):
        return tuple(Part.of_fold(fold) for fold in folds if (predictions["fold"] == fold.name).any())
    databases = in_order(predictions["database"])
    if len(databases) < 2:
        return tuple(map(Part, databases))
    scheme = SCHEMES.get(protocol)
    whole = Part("FULL") if scheme and set(databases) == set(scheme.expected) else TOGETHER
    return (whole, *map(Part, databases))


def of_part(predictions: pd.DataFrame, part: Part) -> pd.DataFrame:
    """The predictions of one part."""
    if part.fold:
        return predictions[predictions["fold"] == part.name]
    return predictions[predictions["database"] == part.database] if part.database else predictions


def pooled_parts(entry: Entry) -> tuple[Part, ...]:
    """The parts over which scores are pooled: all clips, or each cross-database fold by itself."""
    data = entry.data
    if are_across_databases(data.folds):
        return parts_of(data.protocol, data.folds, entry.predictions)
    return (TOGETHER,)


def are_across_databases(folds: Sequence[FoldId]) -> bool:
    """Whether folds train on some databases and test on another, so that clips are tested several times."""
    return any(fold.test_database for fold in folds)
