"""What trials that were trained on shuffled labels tell about all other trials.

Nothing can be learnt from permuted labels, so a score above chance is evidence of a leak. It is judged on all clips pooled, by
UF1 and UAR together, and by an interval that covers all sources of chance: which subjects were tested, and which permutations
were drawn. Every fold of every seed has a permutation of its own, and the answers to all clips of a fold depend on it, since
clips that look alike get the label that similar clips happened to get. So folds and seeds are resampled; if a part is a single
fold (across databases), its subjects and the seeds are.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from merjax.protocols.folds import subjects_of
from merjax.scoring.entry import Entry
from merjax.scoring.metrics import SCORES, interval
from merjax.scoring.parts import Part, of_part
from merjax.scoring.scores import LEVEL, resampled_seeds, score_controls, seed_scores
from merjax.scoring.written import number

_JUDGED = ("UF1", "UAR")
_FEW = 10  # permutations: an interval from fewer is too narrow to prove a leak
_SURE = 0.99  # level of the interval that counts as evidence: at 95 %, one in forty sound trials lies above chance


def over_permutations(entry: Entry, part: Part, level: float = LEVEL) -> dict[str, tuple[float, float]]:
    """Intervals of an entry's scores when the folds, or a single fold's subjects, and the seeds are resampled."""
    own = of_part(entry.predictions, part)
    of_seeds = resampled_seeds(own, entry.task, _drawn)
    rng = np.random.default_rng(0)
    intervals = {}
    for name in SCORES:
        draws_SxD = of_seeds[name]
        seeds, draws = draws_SxD.shape
        times_DxS = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
        intervals[name] = interval((times_DxS.T * draws_SxD).sum(0) / seeds, level)
    return intervals


def _drawn(predictions: pd.DataFrame) -> np.ndarray:
    return predictions["fold"].to_numpy() if predictions["fold"].nunique() > 1 else subjects_of(predictions)


def shuffled_notes(entries: Sequence[Entry], part: Part) -> list[str]:
    """A sentence for each of the entries with shuffled labels that scores above chance on a part.

    This is evidence of a leak, unless an oracle chose the budget or the permutations are few.

    Args:
        entries: all entries of a comparison.
        part: all clips pooled, or one fold across databases.
    """
    notes = []
    for entry in entries:
        own = of_part(entry.predictions, part)
        if entry.control != "shuffle" or own.empty:
            continue
        (chance,) = (row for row in score_controls(entry, [part]).to_dict("records") if row["entry"] == "chance")
        intervals = over_permutations(entry, part)
        if not _above(intervals, chance):
            continue
        sure = _above(over_permutations(entry, part, _SURE), chance)
        means = {name: values.mean() for name, values in seed_scores(own, entry.task).items()}
        scores = ", ".join(
            f"{name} {number(means[name])} [{', '.join(map(number, intervals[name]))}], chance {number(chance[name])}"
            for name in _JUDGED
        )
        notes.append(_note(entry, scores, len(own[["seed", "fold"]].drop_duplicates()), sure))
    return notes


def _above(intervals: dict[str, tuple[float, float]], chance: dict) -> bool:
    return all(intervals[name][0] > chance[name] for name in _JUDGED)


def _note(entry: Entry, scores: str, permutations: int, sure: bool) -> str:
    found = f"bove chance on shuffled labels, from which nothing can be learnt: {entry.label}: {scores}"
    drawn = f"{permutations} permutations, one per fold and seed"
    more = "train more seeds of it to be sure."
    if entry.selection == "oracle":
        return f"A{found}. That is the choice on the tested clips alone."
    if permutations < _FEW:
        return f"A{found}. It may be chance, since permutations are few (one per fold and seed, {permutations} in all): {more}"
    if not sure:
        return f"A{found}. It may be chance, which lifts one such trial in forty that high ({drawn}): {more}"
    return (
        f"EVIDENCE OF A LEAK: a{found} (95 % over {drawn}; above it at 99 % too). "
        "Find out why before you trust the other scores."
    )
