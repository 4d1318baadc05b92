"""An entry's answers as arrays, read from its predictions once however many tables show them."""

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Int

from merjax.protocols.tasks import Task
from merjax.scoring.counts import clips_of, tally
from merjax.scoring.entry import Entry
from merjax.scoring.parts import Part
from merjax.scoring.predictions import counted_predictions

_READ: WeakKeyDictionary[Entry, "Answers"] = WeakKeyDictionary()


class Answers:
    """The answers of an entry's seeds, a row per seed, fold and clip as in its predictions."""

    def __init__(self, entry: Entry) -> None:
        own = entry.predictions
        self._task = entry.task
        self._database_N, self._subject_N, self._clip_N, self._fold_N = (
            own[name].to_numpy(dtype=object) for name in ("database", "subject", "clip", "fold")
        )
        self._label_N, self._answer_N = own["label"].to_numpy(), counted_predictions(own, self._task)
        self._seed_N = np.unique(own["seed"].to_numpy(), return_inverse=True)[1]
        self._diverged_N = own["prediction"].to_numpy() < 0
        people = [f"{d}/{s}" for d, s in zip(self._database_N, self._subject_N, strict=True)]
        self._people, self._person_N = np.unique(people, return_inverse=True)
        self._counted: dict[str, Counted] = {}

    def counted(self, part: Part) -> "Counted":
        """The answers to the clips of a part, counted."""
        if part.name not in self._counted:
            self._counted[part.name] = self._count(self._within(part))
        return self._counted[part.name]

    def by_clip(self, part: Part, *, truth: bool = False) -> Int[np.ndarray, "S N"]:
        """Each seed's answers to the clips of a part, or the clips' classes, in one order for all entries tested alike."""
        in_N = np.flatnonzero(self._within(part))
        columns = (self._database_N, self._subject_N, self._clip_N, self._fold_N)
        keys = ["\0".join(map(str, key)) for key in zip(*(column[in_N] for column in columns), strict=True)]
        order = in_N[np.lexsort([np.array(keys), self._seed_N[in_N]])]
        return (self._label_N if truth else self._answer_N)[order].reshape(self._seed_N.max() + 1, -1)

    def _within(self, part: Part) -> Bool[np.ndarray, "N"]:
        """Whether rows are of a part, see `merjax.scoring.parts.of_part`."""
        if part.fold:
            return self._fold_N == part.name
        return self._database_N == part.database if part.database else np.ones(len(self._label_N), bool)

    def _count(self, in_N: Bool[np.ndarray, "N"]) -> "Counted":
        people, person_N = np.unique(self._person_N[in_N], return_inverse=True)
        seeds = int(self._seed_N.max()) + 1
        group_N = self._seed_N[in_N] * len(people) + person_N
        tallied = tally(self._task, group_N, seeds * len(people), self._label_N[in_N], self._answer_N[in_N])
        counts = tallied.reshape(seeds, len(people), *tallied.shape[1:])
        lost = in_N & self._diverged_N
        runs = set(zip(self._seed_N[lost], self._fold_N[lost], strict=True))
        return Counted(self._task, tuple(self._people[people].tolist()), counts, len(runs))


@dataclass(frozen=True, eq=False)
class Counted:
    """The answers to the clips of a part.

    Attributes:
        task: what is answered about a clip.
        people: the subjects, "database/subject", in alphabetical order.
        counts_SxQxKxK: of each seed and subject, clips by class and answer; the clips of a diverged run count as wrong. Where
            a clip may have several classes, the last axes are K, 2, 2: see `merjax.scoring.counts`.
        diverged: how many runs diverged.
    """

    task: Task
    people: tuple[str, ...]
    counts_SxQxKxK: Int[np.ndarray, "S Q *counts"]
    diverged: int

    @cached_property
    def pooled_SxKxK(self) -> Int[np.ndarray, "S *counts"]:
        """The confusion matrix of each seed, or of each of its classes."""
        return self.counts_SxQxKxK.sum(1)

    @property
    def clips(self) -> int:
        return int(clips_of(self.task, self.pooled_SxKxK)[0])


def answers_of(entry: Entry) -> Answers:
    """The answers of an entry."""
    if entry not in _READ:
        _READ[entry] = Answers(entry)
    return _READ[entry]


def counted(entry: Entry, part: Part) -> Counted:
    """The answers of an entry to the clips of a part."""
    return answers_of(entry).counted(part)
