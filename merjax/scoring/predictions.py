"""Counts of predictions."""

import numpy as np
import pandas as pd

from merjax.protocols.tasks import Task
from merjax.scoring.counts import Counts, counted_labels


def counts_of(predictions: pd.DataFrame, task: Task) -> Counts:
    """Pooled counts of predictions; for one class per clip, the confusion matrix `[truth, prediction]`."""
    return counted_labels(task, predictions["label"].to_numpy(), counted_predictions(predictions, task))


def counted_predictions(predictions: pd.DataFrame, task: Task) -> np.ndarray:
    """Predictions as they are scored: the clips of a diverged run (-1) count as wrong, see `Task.wrong`."""
    label_N, prediction_N = predictions["label"].to_numpy(), predictions["prediction"].to_numpy()
    return np.where(prediction_N < 0, task.wrong(label_N), prediction_N)
