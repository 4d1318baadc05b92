"""What a run says of the clips that it held out, by every rule of selection."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from merjax.methods.runs import RunId, Trained, label_source, training_labels
from merjax.protocols.folds import subjects_of
from merjax.training.data import TrainingData
from merjax.training.selection import chosen_snapshot


def held_out_clips(
    data: TrainingData, inside: TrainingData | None, spec: RunId, p: int, outer: Trained | None, inner: Trained | None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """By rule of selection, the predictions for the clips that run p held out, and the step of the snapshot that each is from.

    Args:
        data, inside: the clips, and the same with inner subjects held out, if a rule needs it.
        spec: the run.
        p: its number among the runs.
        outer, inner: what the runs gave that train on all training subjects, and on all but the inner ones.
    """
    selection, fold = spec.config.selection, spec.fold
    tested_N, trained = data.target_N[label_source(data, spec)], outer or inner
    assert trained is not None
    for rule in selection.rules:
        # inner subjects are training subjects: if a control shuffles labels, it shuffles theirs too
        target_N = training_labels(data, spec)[0] if rule == "inner" else tested_N
        chosen_N, probability_NxK = chosen_snapshot(
            rule,
            selection.after,
            outer and outer.snapshots_PxLxNxK[p],
            inner and inner.snapshots_PxLxNxK[p],
            target_N,
            data.folds[fold].test_N,
            inside.folds[fold].test_N if inside else None,
            data.task,
            subjects_of(data.index),
        )
        step_N = trained.step_L[chosen_N[data.folds[fold].test_N]]
        yield rule, _held_out(data, fold, tested_N, probability_NxK).assign(selection=rule, step=step_N.astype(int))


def _held_out(data: TrainingData, fold: int, target_N: np.ndarray, probability_NxK: np.ndarray) -> pd.DataFrame:
    test_N = data.folds[fold].test_N
    probability_NxK = probability_NxK[test_N]
    sound_N = np.isfinite(probability_NxK).all(1)
    table = data.index.loc[test_N, ["database", "subject", "clip"]].reset_index(drop=True)
    table["fold"] = data.folds[fold].name
    table["label"] = target_N[test_N].astype(np.int64)
    table["prediction"] = np.where(sound_N, data.task.answers(np.nan_to_num(probability_NxK)), -1)
    for k, name in enumerate(data.classes):
        table[f"p_{name}"] = probability_NxK[:, k]
    return table
