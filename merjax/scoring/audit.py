"""What a leak is worth: one trial's honest protocol beside the protocol whose spatial stage trained on held-out subjects.

Both have otherwise the same settings, clips, folds and seeds, so their difference is what the leak adds. With the labels of all
clips shuffled (`control: shuffle everything`), nothing can be learnt about a clip that was not trained on: a score above chance
shows that the features know the tested clips by heart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from merjax.config import Config, flatten
from merjax.scoring.entry import SHUFFLED_ALL, Entry, features_know
from merjax.scoring.parts import Part
from merjax.scoring.scores import score_controls, score_differences, score_entries

TRUE, SHUFFLED = "true labels", "all labels shuffled"
# in which the rows of one audit differ, and what changes no score
_ASIDE = ("control", "spatial.trained_on", "engine.")


@dataclass(frozen=True)
class Pair:
    """An honest entry and the one that leaks, with the same labels.

    Attributes:
        labels: TRUE or SHUFFLED.
        honest: its spatial stage trained on each fold's training subjects.
        leaking: its spatial stage trained on frames of all subjects.
    """

    labels: str
    honest: Entry
    leaking: Entry


@dataclass(frozen=True)
class Audit:
    """The rows of one comparison of the two protocols: two, or four if the labels were shuffled too.

    Attributes:
        pairs: with true labels, with shuffled labels, or both.
        parts: the parts of the clips that are scored.
    """

    pairs: tuple[Pair, ...]
    parts: tuple[Part, ...]

    @property
    def trained_on(self) -> str:
        """What the spatial stage that leaks trained on."""
        return self.pairs[0].leaking.config.spatial.trained_on

    @property
    def entries(self) -> list[Entry]:
        return [entry for pair in self.pairs for entry in (pair.honest, pair.leaking)]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows on each part, and chance: the columns of `score_entries`, labels (TRUE, SHUFFLED; "" for chance) and
        trained_on."""
        told = {
            entry.label: {"labels": pair.labels, "trained_on": entry.config.spatial.trained_on}
            for pair in self.pairs
            for entry in (pair.honest, pair.leaking)
        }
        rows = score_entries(self.entries, self.parts)
        about = pd.DataFrame([told[label] for label in rows["entry"]], index=rows.index)
        controls = score_controls(self.entries[0], self.parts)
        chance = controls[controls["control"] == "chance"].assign(labels="", trained_on="")
        return pd.concat([pd.concat([rows, about], axis=1), chance], ignore_index=True)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """The leaking entry's scores minus the honest one's, paired by subject, for each kind of labels: the columns of
        `score_differences`, and labels. A pair whose seeds and folds are not all finished has no rows."""
        tables = [
            score_differences(pair.honest, [pair.leaking], self.parts).assign(labels=pair.labels)
            for pair in self.pairs
            if pair.honest.seeds == pair.leaking.seeds
        ]
        found = [table for table in tables if len(table)]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["part", "entry", "labels"])

    def row(self, part: Part, labels: str, trained_on: str) -> dict[str, Any] | None:
        """One row of the scores; that of chance has neither labels nor trained_on."""
        own = self.scores[self.scores["part"] == part.name]
        return _only(own[(own["labels"] == labels) & (own["trained_on"] == trained_on)])

    def difference(self, part: Part, labels: str) -> dict[str, Any] | None:
        """What the leak adds on a part with these labels."""
        return _only(self.differences[(self.differences["part"] == part.name) & (self.differences["labels"] == labels)])


def audits_of(entries: Sequence[Entry], parts: Sequence[Part]) -> list[Audit]:
    """The audits that entries of one comparison hold: one for each leaking trial that has an honest one beside it, and its
    rows with shuffled labels."""
    honest = {_likeness(entry): entry for entry in entries if not features_know(entry.config)}
    found: dict[tuple[Any, ...], list[Pair]] = {}
    for leaking in entries:
        known = features_know(leaking.config) and leaking.control in ("", SHUFFLED_ALL)
        beside = honest.get(_likeness(leaking)) if known else None
        if beside is not None:
            labels = SHUFFLED if leaking.control else TRUE
            alike = (*_likeness(leaking)[:-1], leaking.config.spatial.trained_on)
            found.setdefault(alike, []).append(Pair(labels, beside, leaking))
    return [Audit(tuple(sorted(pairs, key=lambda pair: pair.labels != TRUE)), tuple(parts)) for pairs in found.values()]


def _only(rows: pd.DataFrame) -> dict[str, Any] | None:
    return {str(key): value for key, value in rows.iloc[0].items()} if len(rows) else None


def _likeness(entry: Entry) -> tuple[Any, ...]:
    """What the rows of one audit have in common, and last their control."""
    return (entry.run, entry.selection, *_settings(entry.config), entry.control)


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    for key, value in flatten(config).items():
        if not key.startswith(_ASIDE):
            yield key, repr(value)
