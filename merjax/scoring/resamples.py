"""An entry's scores on resampled subjects, each computed once however many tables show it."""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from merjax.scoring.answers import counted
from merjax.scoring.counts import scores_of
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import times_drawn
from merjax.scoring.parts import Part

DRAWS = 2000
_RESAMPLED: WeakKeyDictionary[Entry, dict[tuple[str, int], dict[str, np.ndarray]]] = WeakKeyDictionary()


def resampled_entry(entry: Entry, part: Part) -> dict[str, np.ndarray]:
    """UF1, UAR and accuracy of `DRAWS` resamples of an entry's subjects, mean over seeds; all entries share the draws."""
    kept = _RESAMPLED.setdefault(entry, {})
    asked = (part.name, DRAWS)
    if asked not in kept:
        counts_SxQxKxK = counted(entry, part).counts_SxQxKxK
        times_DxQ = times_drawn(counts_SxQxKxK.shape[1], DRAWS, 0).astype(float)
        pooled_SxDxKxK = np.moveaxis(np.tensordot(times_DxQ, counts_SxQxKxK, axes=(1, 1)), 1, 0)
        kept[asked] = {name: score(pooled_SxDxKxK).mean(0) for name, score in scores_of(entry.task).items()}
    return kept[asked]


def comparable(entries: Sequence[Entry]) -> list[Entry]:
    """The entries among which one may choose: neither leaking nor trained on shuffled labels nor partial nor without any
    answer, and tested on the same clips as the first of them."""
    fit = [e for e in entries if not e.leaks and not e.control and not e.is_partial and e.has_answers]
    return [e for e in fit if e.tested == fit[0].tested]
