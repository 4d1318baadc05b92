"""An entry's scores on resampled subjects, each computed once however many tables show it."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Int

from merjax.protocols.folds import subjects_of
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES, times_drawn
from merjax.scoring.parts import Part, of_part
from merjax.scoring.predictions import counted_predictions

DRAWS = 2000
_RESAMPLED: WeakKeyDictionary[Entry, dict[tuple[str, int], dict[str, np.ndarray]]] = WeakKeyDictionary()


def subject_counts(entry: Entry, part: Part) -> Int[np.ndarray, "S Q K K"]:
    """Confusion matrices of each seed and subject of a part, subjects in alphabetical order."""
    own, classes = of_part(entry.predictions, part), len(entry.classes)
    people, subject_N = np.unique(subjects_of(own).astype(str), return_inverse=True)
    seeds, seed_N = np.unique(own["seed"].to_numpy(), return_inverse=True)
    cell_N = (seed_N * len(people) + subject_N) * classes + own["label"].to_numpy()
    cell_N = cell_N * classes + counted_predictions(own, classes)
    shape = (len(seeds), len(people), classes, classes)
    return np.bincount(cell_N, minlength=int(np.prod(shape))).reshape(shape)


def resampled_entry(entry: Entry, part: Part) -> dict[str, np.ndarray]:
    """UF1, UAR and accuracy of `DRAWS` resamples of an entry's subjects, mean over seeds; all entries share the draws."""
    kept = _RESAMPLED.setdefault(entry, {})
    asked = (part.name, DRAWS)
    if asked not in kept:
        counts_SxQxKxK = subject_counts(entry, part)
        times_DxQ = times_drawn(counts_SxQxKxK.shape[1], DRAWS, 0).astype(float)
        pooled_SxDxKxK = np.moveaxis(np.tensordot(times_DxQ, counts_SxQxKxK, axes=(1, 1)), 1, 0)
        kept[asked] = {name: score(pooled_SxDxKxK).mean(0) for name, score in SCORES.items()}
    return kept[asked]


def comparable(entries: Sequence[Entry]) -> list[Entry]:
    """The entries among which one may choose: neither leaking nor trained on shuffled labels nor partial, and tested on the
    same clips as the first of them."""
    fit = [e for e in entries if e.selection != "oracle" and not e.control and not e.is_partial]
    return [e for e in fit if e.tested == fit[0].tested]


def answers_of(entry: Entry, part: Part, *, truth: bool = False) -> Int[np.ndarray, "S N"]:
    """Each seed's answers to the clips of a part, or the clips' classes, in one order for all entries tested alike."""
    own = of_part(entry.predictions, part)
    own = own.assign(answer=own["label"] if truth else counted_predictions(own, len(entry.classes)))
    table = own.pivot(index=["database", "subject", "clip", "fold"], columns="seed", values="answer")
    return table.to_numpy().T
