"""Ensembles: the mean of class probabilities over the seeds of a trial, or over several trials, as rows of a report.

The members are what a sweep trained anyway, each on the same folds, so an ensemble of them has seen no held-out subject. Only
entries that do not leak have one, and trials for an ensemble of several are named in the sweep file, before anything is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from merjax.scoring.entry import SHUFFLED_ALL, Entry
from merjax.scoring.scores import CLIP, are_paired

_ROW = [*CLIP, "fold"]


def seeds_together(entries: Sequence[Entry]) -> list[Entry]:
    """An ensemble of its seeds for each entry that has several."""
    several = [entry for entry in entries if _may_join(entry) and len(entry.seeds) > 1]
    return [_together(f"{entry.label}, {len(entry.seeds)} seeds together", [entry]) for entry in several]


def trials_together(entries: Sequence[Entry], named: Mapping[tuple[str, str], Sequence[str]]) -> list[Entry]:
    """The ensembles of several trials after their whole budgets, with all their seeds; one that lacks a finished trial is left
    out.

    Args:
        entries: of one comparison.
        named: by run and name, the trials of each ensemble.
    """
    found = []
    for (run, name), trials in named.items():
        fixed = {e.trial: e for e in entries if _may_join(e) and e.run == run and e.selection == "fixed"}
        members = [fixed[trial] for trial in trials if trial in fixed]
        if len(members) == len(trials) and all(are_paired(members[0], member) for member in members):
            found.append(_together(f"{name} ({' + '.join(trials)} together)", members))
    return found


def _may_join(entry: Entry) -> bool:
    return not entry.leaks and not entry.is_partial and entry.control != SHUFFLED_ALL


def _together(label: str, members: Sequence[Entry]) -> Entry:
    """One entry whose probabilities are the mean over the seeds of each member, and then over the members."""
    columns = [f"p_{name}" for name in members[0].classes]
    means = [_over_seeds(member.predictions, columns) for member in members]
    rows = members[0].predictions.drop_duplicates(_ROW)[[*_ROW, "label"]]
    keys = pd.MultiIndex.from_frame(rows[_ROW])
    probability_MxNxK = np.stack([mean.reindex(keys).to_numpy() for mean in means])
    there_MxN = np.isfinite(probability_MxNxK).all(-1)
    total_NxK = np.where(there_MxN[..., None], probability_MxNxK, 0).sum(0)
    count_N = there_MxN.sum(0)
    probability_NxK = total_NxK / np.where(count_N, count_N, np.nan)[:, None]
    answer_N = np.where(count_N > 0, members[0].data.task.answers(np.nan_to_num(probability_NxK)), -1)
    predictions = rows.assign(**dict(zip(columns, probability_NxK.T, strict=True)), prediction=answer_N, seed=0)
    return replace(
        members[0], label=label, seeds=(0,), planned_seeds=(0,), predictions=predictions.reset_index(drop=True)
    )


def _over_seeds(predictions: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The mean probabilities of each clip; seeds whose run diverged do not count."""
    sound = predictions[predictions["prediction"] >= 0]
    return sound.groupby(_ROW)[columns].mean()
