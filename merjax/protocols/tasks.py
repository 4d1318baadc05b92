"""What is answered about a clip: which one of the classes it has, or of each class whether it has it; and about a long video:
where its expressions are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


class Task(NamedTuple):
    """What is answered about a clip.

    A label and an answer are numbers. Where a clip has one class, it is the class's number k. Where it may have several
    classes or none, as with action units, it is the sum of 2**k over its classes, so that one number holds all of them:

    >>> Task(("1", "2", "4"), several=True).named(5)
    '1+4'

    Attributes:
        classes: the names of the K classes, by number.
        several: whether a clip may have several of them, or none.
        spots: whether the answer is a list of intervals in a long video, each of one of the classes; labels and the methods
            below have no meaning then. See `merjax.scoring.spotting.trials`.
    """

    classes: tuple[str, ...]
    several: bool = False
    spots: bool = False

    @property
    def labels(self) -> int:
        """How many labels there are; they are the numbers from 0."""
        return 2 ** len(self.classes) if self.several else len(self.classes)

    def with_classes(self, classes: int) -> "Task":
        """A task of the same kind with so many classes, named by their numbers."""
        return self._replace(classes=tuple(map(str, range(classes))))

    def named(self, label: int) -> str:
        """A label as people read it."""
        if not self.several:
            return self.classes[label]
        return "+".join(name for k, name in enumerate(self.classes) if label >> k & 1) or "none"

    def members(self, label_N: Int[np.ndarray, "N"]) -> Bool[np.ndarray, "N K"]:
        """Whether a clip with this label has each class."""
        number_K = np.arange(len(self.classes))
        labels_Nx1 = np.asarray(label_N, int)[:, None]
        return (labels_Nx1 >> number_K & 1).astype(bool) if self.several else labels_Nx1 == number_K

    def label_of(self, member_NxK: Bool[np.ndarray, "N K"]) -> Int[np.ndarray, "N"]:
        """The labels of clips that have these classes; where a clip has one class, the first that it has."""
        member_NxK = np.asarray(member_NxK, bool)
        return member_NxK @ (1 << np.arange(len(self.classes))) if self.several else member_NxK.argmax(1)

    def answers(self, probability_NxK: Float[np.ndarray, "N K"]) -> Int[np.ndarray, "N"]:
        """The labels that probabilities stand for: the likeliest class, or all classes that are likelier than not."""
        return self.label_of(probability_NxK > 0.5) if self.several else probability_NxK.argmax(1)

    def wrong(self, label_N: Int[np.ndarray, "N"]) -> Int[np.ndarray, "N"]:
        """Answers that are wrong for clips with these labels: the next class, or wrong about every class."""
        return (2 ** len(self.classes) - 1) ^ label_N if self.several else (label_N + 1) % len(self.classes)


SPOTTING = Task(("micro", "macro"), spots=True)
