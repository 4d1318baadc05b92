"""Scores of entries and of parts of their clips, with their uncertainty over subjects, as tables of numbers.

A score is computed from the confusion matrix pooled over all folds of one seed; an entry's score is the mean of these over its
seeds. Intervals are 95 % percentile intervals of a bootstrap over subjects. The same subjects are drawn for all seeds and all
entries, so differences between entries on the same clips are paired.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from merjax.protocols.folds import subjects_of
from merjax.protocols.tasks import Task
from merjax.scoring.answers import Counted, answers_of, counted
from merjax.scoring.corrections import holm, p_value
from merjax.scoring.counts import (
    clips_of,
    clips_of_classes,
    controls,
    f1_of_classes,
    recall_of_classes,
    right_of,
    scores_of,
    subject_bootstrap,
)
from merjax.scoring.entry import Entry, GroupData
from merjax.scoring.metrics import SCORES, interval
from merjax.scoring.parts import TOGETHER, Part, of_part, pooled_parts
from merjax.scoring.predictions import counted_predictions, counts_of
from merjax.scoring.resamples import DRAWS, resampled_entry

LEVEL = 0.95
COVERAGE = {
    6: 0.87,
    15: 0.91,
    68: 0.94,
}  # of such intervals in simulations, by number of subjects; the tests repeat them
CLIP = ["database", "subject", "clip"]
OF_FOLDS = "mean of the folds' accuracies, as in the authors' code"


def score_entries(entries: Sequence[Entry], parts: Sequence[Part]) -> pd.DataFrame:
    """Scores of each entry on each part.

    Returns:
        A row per (part, entry): part, entry, run, trial, selection, control, clips, subjects, seeds, diverged (runs), and for
        UF1 (the macro F1, Eq. 8), UAR (Eq. 9) and accuracy: the mean over seeds, `_sd` over seeds (NaN with one),
        and the `_low` and `_high` ends of the interval over subjects; and `fold_accuracy`.
    """
    rows = []
    for part in parts:
        for entry in entries:
            own = counted(entry, part)
            if not own.people:
                continue
            row = _identity(part, entry) | _extent(own)
            draws = resampled_entry(entry, part)
            for name, values in entry_scores(entry, part).items():
                low, high = interval(draws[name], LEVEL)
                row |= {name: values.mean(), f"{name}_sd": _sd(values), f"{name}_low": low, f"{name}_high": high}
            rows.append(row | {"fold_accuracy": _of_folds(entry, part)})
    return pd.DataFrame(rows)


def score_controls(entry: Entry, parts: Sequence[Part]) -> pd.DataFrame:
    """The scores on an entry's clips of answers that use no picture.

    Returns:
        Rows for each part: "majority" answers the part's most frequent class, "chance" answers at random with the part's class
        frequencies (mean and central 95 % of the draws); where a clip may have several classes, "every class" finds them all.
        Columns as in `score_entries`.
    """
    rows = []
    for part in parts:
        own, truth_N = counted(entry, part), answers_of(entry).by_clip(part, truth=True)[0]
        for name, confusions in controls(entry.task, truth_N).items():
            row = {"part": part.name, "entry": name, "control": name} | _extent(own) | {"seeds": 1, "diverged": 0}
            for score, function in scores_of(entry.task).items():
                drawn = function(confusions)
                low, high = interval(drawn, LEVEL)
                spread = {f"{score}_low": low, f"{score}_high": high} if name == "chance" else {}
                row |= {score: float(drawn.mean())} | spread
            rows.append(row)
    return pd.DataFrame(rows)


def score_differences(base: Entry, others: Sequence[Entry], parts: Sequence[Part]) -> pd.DataFrame:
    """Each entry's scores minus the base's, with paired intervals over subjects.

    Entries whose clips are not those of the base (unfinished entries) are left out, see `are_paired`.

    Returns:
        A row per (part, entry): part, entry, base, and per score the difference, `_low` and `_high`, `_p` (see
        `merjax.scoring.corrections.p_value`) and `_holm`, the same corrected for the number of these comparisons on the part.
    """
    rows = []
    for part in parts:
        base_draws, base_scores = resampled_entry(base, part), entry_scores(base, part)
        for entry in (entry for entry in others if are_paired(base, entry)):
            draws, scores = resampled_entry(entry, part), entry_scores(entry, part)
            row: dict[str, Any] = {"part": part.name, "entry": entry.label, "base": base.label}
            for name in SCORES:
                low, high = interval(draws[name] - base_draws[name], LEVEL)
                difference = scores[name].mean() - base_scores[name].mean()
                p = p_value(difference, draws[name] - base_draws[name], len(counted(entry, part).people))
                row |= {name: difference, f"{name}_low": low, f"{name}_high": high, f"{name}_p": p}
            rows.append(row)
    return _corrected(pd.DataFrame(rows))


def _corrected(differences: pd.DataFrame) -> pd.DataFrame:
    """Differences with their p values corrected, within each part and score."""
    if differences.empty:
        return differences
    for numbers in differences.groupby("part").indices.values():
        for name in SCORES:
            own = differences[f"{name}_p"].to_numpy()[numbers]
            differences.loc[numbers, f"{name}_holm"] = holm(own)
    return differences


def are_paired(one: Entry, other: Entry) -> bool:
    """Whether two entries predict the same clips with the same truth in the same folds, and all of them in each seed."""
    if one.is_partial or other.is_partial or one.task != other.task:
        return False
    return one.tested == other.tested


def score_classes(entries: Sequence[Entry], parts: Sequence[Part]) -> pd.DataFrame:
    """F1 and recall of each class, mean over seeds: part, entry, class, clips, F1, recall (NaN: no clip of the class)."""
    rows = []
    for part in parts:
        for entry in entries:
            confusions = counted(entry, part).pooled_SxKxK
            f1_K, recall_K = (of(entry.task, confusions).mean(0) for of in (f1_of_classes, recall_of_classes))
            clips_K = clips_of_classes(entry.task, confusions[0])
            rows += [
                {"part": part.name, "entry": entry.label, "class": name, "clips": n, "F1": f1, "recall": recall}
                for name, n, f1, recall in zip(entry.classes, clips_K, f1_K, recall_K, strict=True)
            ]
    return pd.DataFrame(rows)


def score_subjects(entries: Sequence[Entry]) -> pd.DataFrame:
    """Each subject's clips and the share of them predicted right: entry, database, subject, clips, right, accuracy.

    `right` is the mean number over seeds. UF1 and UAR have no meaning for one subject, since most subjects show one or two
    classes. With cross-database folds a subject is tested several times and counts each time. Where a clip may have several
    classes, the share of them that is answered right counts.
    """
    tables = []
    for entry in entries:
        own = counted(entry, TOGETHER)
        counts_SxQxKxK, seeds = own.counts_SxQxKxK, len(entry.seeds)
        clips_Q = (clips_of(entry.task, counts_SxQxKxK).sum(0) // seeds).astype(int)
        right_Q = right_of(entry.task, counts_SxQxKxK).sum(0) / seeds
        database_Q, subject_Q = zip(*(name.split("/", 1) for name in own.people), strict=True)
        columns = {"entry": entry.label, "database": database_Q, "subject": subject_Q, "clips": clips_Q}
        tables.append(pd.DataFrame(columns | {"right": right_Q, "accuracy": right_Q / clips_Q}))
    return pd.concat(tables, ignore_index=True)


def pooled_confusion(entry: Entry, part: Part) -> np.ndarray:
    """Confusion matrix `[truth, prediction]` of a part, summed over seeds; or of each class, `[K, 2, 2]`."""
    return counted(entry, part).pooled_SxKxK.sum(0)


def entry_scores(entry: Entry, part: Part) -> dict[str, np.ndarray]:
    """UF1, UAR and accuracy of each seed of an entry, on a part."""
    return {name: score(counted(entry, part).pooled_SxKxK) for name, score in scores_of(entry.task).items()}


def seed_confusions(predictions: pd.DataFrame, task: Task) -> np.ndarray:
    """Pooled confusion matrices, seeds x K x K; or those of each class, seeds x K x 2 x 2."""
    return np.stack([counts_of(own, task) for _, own in predictions.groupby("seed")])


def seed_scores(predictions: pd.DataFrame, task: Task) -> dict[str, np.ndarray]:
    """UF1, UAR and accuracy of each seed."""
    confusions = seed_confusions(predictions, task)
    return {name: score(confusions) for name, score in scores_of(task).items()}


def resampled(predictions: pd.DataFrame, task: Task) -> dict[str, np.ndarray]:
    """UF1, UAR and accuracy of `DRAWS` resamples of the subjects, mean over seeds; all seeds share the drawn subjects."""
    return {name: draws_SxD.mean(0) for name, draws_SxD in resampled_seeds(predictions, task).items()}


def resampled_seeds(
    predictions: pd.DataFrame, task: Task, drawn: Callable[[pd.DataFrame], np.ndarray] = subjects_of
) -> dict[str, np.ndarray]:
    """The same for each seed, seeds x `DRAWS`; `drawn` gives for each clip the unit that is resampled as a whole."""
    of_seeds = [
        subject_bootstrap(task, own["label"].to_numpy(), counted_predictions(own, task), drawn(own), draws=DRAWS)
        for _, own in predictions.groupby("seed")
    ]
    return {name: np.stack([score(confusions) for confusions in of_seeds]) for name, score in scores_of(task).items()}


def fold_accuracy(predictions: pd.DataFrame) -> float:
    """The plain mean of the folds' accuracies, mean over seeds; NaN if there is one fold.

    The code published in 2022 reports this. A subject with one clip counts as much as one with thirty, so it differs from the
    pooled accuracy, which stands for the clips.
    """
    fold_N, folds = pd.factorize(predictions["fold"])
    if len(folds) < 2:
        return float("nan")
    seed_N, seeds = pd.factorize(predictions["seed"])
    right_N = predictions["label"].to_numpy() == predictions["prediction"].to_numpy()
    shape, run_N = (len(seeds), len(folds)), seed_N * len(folds) + fold_N
    clips_SxF = np.bincount(run_N, minlength=shape[0] * shape[1]).reshape(shape)
    right_SxF = np.bincount(run_N, right_N, minlength=shape[0] * shape[1]).reshape(shape)
    there_SxF = clips_SxF > 0
    return float(((right_SxF / np.maximum(clips_SxF, 1)).sum(1) / there_SxF.sum(1)).mean())


def _of_folds(entry: Entry, part: Part) -> float:
    """The mean of the folds' accuracies; NaN where a clip may have several classes, since that code has no such task."""
    return float("nan") if entry.task.several else fold_accuracy(of_part(entry.predictions, part))


def share_losing_a_class(predictions: pd.DataFrame, task: Task) -> float:
    """Share of the resamples that lack a class of the clips, so that UF1 and UAR are means over fewer classes."""
    own = predictions[predictions["seed"] == predictions["seed"].iloc[0]]
    truth_N = own["label"].to_numpy()
    clips_DxK = clips_of_classes(task, subject_bootstrap(task, truth_N, truth_N, subjects_of(own), draws=DRAWS))
    return float((clips_DxK[:, task.members(truth_N).any(0)] == 0).any(1).mean())


def score_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """Scores of each trial, pooled over folds; the mean over seeds and, with several, their standard deviation.

    Returns:
        A row per trial: trial, part, clips, then UF1, UAR and accuracy, each with `_sd`; `diverged`, how many runs did; and
        `fold_accuracy`, see the function of this name.
        Cross-database folds test the same clips several times: each is a part with rows of its own, and nothing is pooled.
    """
    rows = []
    for entry in entries:
        for part in pooled_parts(entry):
            own = counted(entry, part)
            row: dict[str, Any] = {"trial": entry.label, "part": part.title, "clips": own.clips}
            for name, values in entry_scores(entry, part).items():
                row |= {name: values.mean(), f"{name}_sd": _sd(values)}
            rows.append(row | {"diverged": own.diverged, "fold_accuracy": _of_folds(entry, part)})
    return pd.DataFrame(rows)


def control_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The scores of answers that use no picture, for each set of clips and labels; see `score_controls`.

    Returns:
        A row per control: trial, part, clips, UF1, UAR, accuracy.
    """
    tables: list[pd.DataFrame] = []
    seen: set[tuple[Any, ...]] = set()
    several = len({_evaluated(entry.data) for entry in entries}) > 1  # sets of clips or of labels
    for entry in entries:
        evaluated = _evaluated(entry.data)
        if evaluated in seen:
            continue
        number = f" ({len(seen) + 1}: {entry.data.protocol})" if several else ""
        seen.add(evaluated)
        parts = pooled_parts(entry)
        table, titles = score_controls(entry, parts), {part.name: part.title for part in parts}
        tables.append(table.assign(trial=table["entry"] + number, part=table["part"].map(titles)))
    return pd.concat(tables, ignore_index=True)[["trial", "part", "clips", *SCORES]]


def _evaluated(data: GroupData) -> tuple[str, str, str]:
    """What the labels of held-out clips depend on; `label_hash` covers the labels of regions too, which only training uses."""
    return data.store_hash, data.split_hash, data.protocol


def _identity(part: Part, entry: Entry) -> dict:
    return {
        "part": part.name,
        "entry": entry.label,
        "run": entry.run,
        "trial": entry.trial,
        "selection": "oracle (leaks)" if entry.selection == "oracle" else entry.selection,
        "control": entry.control,
    }


def _extent(own: Counted) -> dict[str, Any]:
    seeds, subjects = len(own.pooled_SxKxK), len(own.people)
    return {"clips": own.clips, "subjects": subjects, "seeds": seeds, "diverged": own.diverged}


def _sd(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
