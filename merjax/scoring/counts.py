"""Answers counted and scored, whatever is answered about a clip: one class of it, or of each class whether it has it.

Where a clip has one class, the counts are confusion matrices `[..., K, K]`, and `merjax.scoring.metrics` scores them. Where it
may have several, as with action units, each class has a matrix of its own, `[..., K, 2, 2]`, by truth and by answer: 0 for a
clip without the class, 1 for one with it. The names of the scores then mean:

- UF1: the mean over classes of F1, 2 TP / (2 TP + FP + FN): the macro F1 over action units of CD6ME (Varanka et al. 2023). A
  class that is in neither truth nor answers is left out.
- UAR: the mean over classes of the balanced accuracy, which is the unweighted mean of the recalls of clips with the class and
  of clips without it.
- accuracy: the share of right answers among all (clip, class) pairs.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int

from merjax.protocols.tasks import Task
from merjax.scoring import metrics
from merjax.scoring.metrics import SCORES, Score, mean_of_defined, ratio, times_drawn

Counts = Int[np.ndarray, "..."]
EVERY = "every class"  # the control that finds every class in every clip
WITHOUT_PICTURES = ("majority", "chance", EVERY)


def tally(task: Task, group_N: np.ndarray, groups: int, label_N: np.ndarray, answer_N: np.ndarray) -> Counts:
    """Counts of the clips of each group, `[groups, K, K]` or `[groups, K, 2, 2]`.

    Raises:
        ValueError: a label is not one of the task's.
    """
    label_N, answer_N, classes = np.asarray(label_N, int), np.asarray(answer_N, int), len(task.classes)
    both = np.stack([label_N, answer_N])
    if both.size and not (both.min() >= 0 and both.max() < task.labels):
        raise ValueError(f"labels must lie in 0..{task.labels - 1}, got {both.min()}..{both.max()}")
    cells: tuple[np.ndarray, ...] = (group_N, label_N, answer_N)
    shape: tuple[int, ...] = (groups, classes, classes)
    if task.several:
        truth_NxK, said_NxK = task.members(label_N), task.members(answer_N)
        places = np.broadcast_arrays(np.asarray(group_N)[:, None], np.arange(classes), truth_NxK, said_NxK)
        cells, shape = tuple(place.astype(int).ravel() for place in places), (groups, classes, 2, 2)
    counts = np.bincount(np.ravel_multi_index(cells, shape), minlength=int(np.prod(shape)))
    return counts.reshape(shape)


def counted_labels(task: Task, label_N: np.ndarray, answer_N: np.ndarray) -> Counts:
    """Counts of all clips together."""
    return tally(task, np.zeros(len(label_N), int), 1, label_N, answer_N)[0]


def scores_of(task: Task) -> Mapping[str, Score]:
    """The scores of a task's counts, by name."""
    return _OF_SEVERAL if task.several else SCORES


def f1_of_classes(task: Task, counts: Counts) -> Float[np.ndarray, "*batch K"]:
    """F1 of each class; NaN for a class in neither truth nor answers."""
    return _f1(counts) if task.several else metrics.f1_per_class(counts)


def recall_of_classes(task: Task, counts: Counts) -> Float[np.ndarray, "*batch K"]:
    """Share of each class's clips in which it is found; NaN for a class without clips."""
    if not task.several:
        return metrics.recall_per_class(counts)
    return ratio(counts[..., 1, 1], counts[..., 1, :].sum(-1))


def clips_of_classes(task: Task, counts: Counts) -> Int[np.ndarray, "*batch K"]:
    """How many clips have each class."""
    return counts[..., 1, :].sum(-1) if task.several else counts.sum(-1)


def clips_of(task: Task, counts: Counts) -> Float[np.ndarray, "*batch"]:
    """How many clips were counted."""
    return counts.sum((-1, -2, -3)) / len(task.classes) if task.several else counts.sum((-1, -2))


def right_of(task: Task, counts: Counts) -> Float[np.ndarray, "*batch"]:
    """How many clips are answered right; where a clip may have several classes, it counts by the share of them."""
    of_classes = np.trace(counts, axis1=-2, axis2=-1)
    return of_classes.mean(-1) if task.several else of_classes


def majority(task: Task, label_N: np.ndarray) -> Counts:
    """The counts of always giving the most frequent answer: the most frequent class, or each class as most clips have it."""
    (answer,) = task.answers(task.members(label_N).mean(0, keepdims=True))
    return counted_labels(task, label_N, np.full(len(label_N), answer))


def chance(task: Task, label_N: np.ndarray, *, draws: int = 2000, seed: int = 0) -> Counts:
    """Counts `[draws, ...]` of answers drawn at random with the frequencies of the truth; those of several classes apart."""
    rng, clips = np.random.default_rng(seed), len(label_N)
    with_K = task.members(label_N).sum(0)
    if not task.several:
        return np.stack([rng.multinomial(n, with_K / clips, size=draws) for n in with_K], axis=1)
    found_DxK, false_DxK = (rng.binomial(n, with_K / clips, (draws, len(with_K))) for n in (with_K, clips - with_K))
    rows = [clips - with_K - false_DxK, false_DxK, with_K - found_DxK, found_DxK]
    return np.stack(rows, axis=-1).reshape(draws, len(with_K), 2, 2)


def subject_bootstrap(
    task: Task,
    truth: Int[np.ndarray, "N"],
    prediction: Int[np.ndarray, "N"],
    subject: np.ndarray,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Counts:
    """Pooled counts `[draws, ...]` of resampled subjects.

    Clips of one person are not independent, so whole subjects are drawn with replacement, as many as there are. The same seed
    draws the same subjects, which makes differences of two trials on the same clips paired.

    Args:
        task: what is answered about a clip.
        truth, prediction: labels of the clips.
        subject: anything that identifies the subject, per clip.
        draws: number of resamples.
        seed: of the draws.
    """
    _, subject_N = np.unique(subject, return_inverse=True)
    n_subjects = int(subject_N.max()) + 1
    per_subject = tally(task, subject_N, n_subjects, truth, prediction)
    return np.tensordot(times_drawn(n_subjects, draws, seed), per_subject, axes=1)


def controls(task: Task, label_N: np.ndarray) -> dict[str, Counts]:
    """By name, the counts of answers that use no picture, with a leading axis of draws: the most frequent answer, and random
    ones. Where a clip may have several classes, also every class of every clip, which has a higher F1 than either."""
    drawn = {"majority": majority(task, label_N)[None], "chance": chance(task, label_N)}
    if not task.several:
        return drawn
    every_N = np.full(len(label_N), task.labels - 1)
    return drawn | {EVERY: counted_labels(task, label_N, every_N)[None]}


def log_loss(task: Task, label_N: np.ndarray, probability_NxK: Float[np.ndarray, "N K"]) -> float:
    """The mean of -log p(truth) over clips; where a clip may have several classes, over all (clip, class) pairs."""
    if not task.several:
        own_N = probability_NxK[np.arange(len(label_N)), label_N]
        return float(-np.log(np.maximum(own_N, 1e-12)).mean())
    own_NxK = np.where(task.members(label_N), probability_NxK, 1 - probability_NxK)
    return float(-np.log(np.maximum(own_NxK, 1e-12)).mean())


def _macro_f1(counts: Counts) -> Float[np.ndarray, "*batch"]:
    return mean_of_defined(_f1(counts))


def _f1(counts: Counts) -> Float[np.ndarray, "*batch K"]:
    return ratio(2 * counts[..., 1, 1], counts[..., 1, :].sum(-1) + counts[..., :, 1].sum(-1))


def _balanced(counts: Counts) -> Float[np.ndarray, "*batch"]:
    """The mean over classes of the mean of two recalls; of one, where all clips or none have the class."""
    return mean_of_defined(metrics.uar(counts))


def _share_right(counts: Counts) -> Float[np.ndarray, "*batch"]:
    return mean_of_defined(metrics.accuracy(counts))


_OF_SEVERAL: Mapping[str, Score] = MappingProxyType({"UF1": _macro_f1, "UAR": _balanced, "accuracy": _share_right})
