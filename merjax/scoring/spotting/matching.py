"""How far intervals of frames overlap, and which found interval is counted for which true one."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

HIT = 0.5  # the least overlap of a found interval with a true one that it is counted for, in all challenges

Intervals = Int[np.ndarray, "N 2"]
Overlaps = Float[np.ndarray, "found true"]


class Matched(NamedTuple):
    """What a rule says of one video's intervals of one kind.

    Attributes:
        pairs: (found, true) numbers of the intervals that are counted for each other.
        hits: true positives.
        false: false positives.
        missed: false negatives. Rules that count some interval twice can give less than none of these.
    """

    pairs: tuple[tuple[int, int], ...]
    hits: int
    false: int
    missed: int


def overlaps(found: Intervals, true: Intervals) -> Overlaps:
    """Intersection over union of each found and each true interval; both ends of an interval (onset, offset) are in it."""
    shared = np.maximum(_shared_span(found, true) + 1, 0)
    lengths = (found[:, 1] - found[:, 0] + 1)[:, None] + (true[:, 1] - true[:, 0] + 1)[None]
    return shared / (lengths - shared)


def one_to_one(hit: Bool[np.ndarray, "found true"], overlap: Overlaps) -> tuple[tuple[int, int], ...]:
    """As many pairs as possible of a found and a true interval that hit each other, each interval in at most one pair.

    Among the largest sets of pairs it is the one whose overlaps have the largest sum.
    """
    more_than_all_overlaps = min(hit.shape) + 1
    found_M, true_M = linear_sum_assignment(np.where(hit, more_than_all_overlaps + overlap, 0), maximize=True)
    return tuple((int(f), int(t)) for f, t in zip(found_M, true_M, strict=True) if hit[f, t])


def matched(found: Intervals, true: Intervals) -> Matched:
    """The common rule: an overlap of at least a half hits, and each interval is counted once."""
    overlap = overlaps(found, true)
    pairs = one_to_one(overlap >= HIT, overlap)
    return Matched(pairs, len(pairs), len(found) - len(pairs), len(true) - len(pairs))


def overlaps_without_ends(found: Intervals, true: Intervals) -> Overlaps:
    """The same of intervals as lengths on a line, offset minus onset; NaN for two of no length."""
    shared = np.maximum(_shared_span(found, true), 0)
    lengths = (found[:, 1] - found[:, 0])[:, None] + (true[:, 1] - true[:, 0])[None]
    with np.errstate(invalid="ignore"):
        return shared / (lengths - shared)


def overlaps_of_megc2020(found: Intervals, true: Intervals) -> Overlaps:
    """The same as the challenge's code computes it: intervals that do not meet share one frame, and one of a single frame
    overlaps with nothing."""
    shared = np.maximum(_shared_span(found, true), 0) + 1
    lengths = (found[:, 1] - found[:, 0] + 1)[:, None] + (true[:, 1] - true[:, 0] + 1)[None]
    empty = (found[:, 1] <= found[:, 0])[:, None] | (true[:, 1] <= true[:, 0])[None] | (lengths <= shared)
    return np.where(empty, 0.0, shared / np.where(lengths > shared, lengths - shared, 1))


def _shared_span(found: Intervals, true: Intervals) -> Int[np.ndarray, "found true"]:
    """From the later onset to the earlier offset; negative where two intervals do not meet."""
    return np.minimum(found[:, None, 1], true[None, :, 1]) - np.maximum(found[:, None, 0], true[None, :, 0])
