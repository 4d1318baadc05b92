"""Confusion matrices of predictions."""

import numpy as np
import pandas as pd

from merjax.scoring.metrics import confusion_matrix


def confusion_of(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """Pooled confusion matrix of predictions, `[truth, prediction]`."""
    return confusion_matrix(predictions["label"].to_numpy(), counted_predictions(predictions, classes), classes)


def counted_predictions(predictions: pd.DataFrame, classes: int) -> np.ndarray:
    """Predicted classes as they are scored: the clips of a diverged run (-1) count as the first wrong class."""
    label_N, prediction_N = predictions["label"].to_numpy(), predictions["prediction"].to_numpy()
    return np.where(prediction_N < 0, (label_N + 1) % classes, prediction_N)
