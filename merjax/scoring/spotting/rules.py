"""The rules by which published numbers of spotting were computed, so that they can be computed again.

The rule without a name is the challenges' rule as it is written down: see `merjax.scoring.spotting.matching.matched`. The
others do what public code does where it differs: the challenge of 2020 and 2021 (HeyingGithub/Baseline-project-for-
MEGC2020_spotting, result_helper.py), SOFTNet (genbing99/SoftNet-SpotME, training.py and mean_average_precision), STRS
(genbing99/STRS-Metric, strs_metric.py) and AUW-GCN (xjtupanda/AUW-GCN, utils/eval_utils.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from merjax.scoring.spotting.matching import (
    HIT,
    Intervals,
    Matched,
    matched,
    overlaps,
    overlaps_of_megc2020,
    overlaps_without_ends,
)


@dataclass(frozen=True)
class Rule:
    """How one video's intervals of one kind are counted, and which videos are.

    Attributes:
        name: what `--compat` calls it; "" for the rule as it is written down.
        about: how it differs from that rule, a sentence; "" if it does not.
        match: counts the found intervals of one video against the true ones.
        ranked: whether found intervals are tried by falling confidence, if they have one, and not as the table has them.
        needs_truth: whether videos without a true interval of the kind are left out.
        needs_subject_found: whether subjects without any found interval are left out.
    """

    name: str
    about: str
    match: Callable[[Intervals, Intervals], Matched]
    ranked: bool = False
    needs_truth: bool = False
    needs_subject_found: bool = False


def _megc2020(found: Intervals, true: Intervals) -> Matched:
    hit = overlaps_of_megc2020(found, true) >= HIT
    pairs = tuple((int(np.argmax(hit[:, t])), t) for t in range(len(true)) if hit[:, t].any())
    return Matched(pairs, len(pairs), len(found) - len(pairs), len(true) - len(pairs))


def _softnet(found: Intervals, true: Intervals) -> Matched:
    overlap, pairs, taken = overlaps(found, true), [], set()
    for f in range(len(found)):
        best = len(true) - 1 - int(np.argmax(overlap[f, ::-1]))  # the last of equal ones
        if overlap[f, best] >= HIT and best not in taken:
            taken.add(best)
            pairs.append((f, best))
    false = max(len(found), 1) - len(pairs)  # a video in which nothing is found counts as one found interval
    return Matched(tuple(pairs), len(pairs), false, len(true) - len(pairs))


def _strs(found: Intervals, true: Intervals) -> Matched:
    hit, pairs, free = overlaps(found, true) >= HIT, [], set(range(len(true)))
    for f in range(len(found)):
        own = [t for t in sorted(free) if hit[f, t]]
        pairs += [(f, t) for t in own]
        free -= set(own)
    return Matched(tuple(pairs), len(pairs), len(found) - len({f for f, _ in pairs}), len(free))


def _auw(found: Intervals, true: Intervals) -> Matched:
    if not len(true):
        return Matched((), 0, len(found), 0)
    overlap = np.nan_to_num(overlaps_without_ends(found, true))
    pairs = tuple((f, int(np.argmax(overlap[f]))) for f in range(len(found)) if overlap[f].max() > HIT)
    return Matched(pairs, len(pairs), len(found) - len(pairs), len(true) - len(pairs))


RULES = {
    rule.name: rule
    for rule in (
        Rule("", "", matched),
        Rule(
            "megc2020",
            "As in the code of MEGC 2020 and 2021, a true interval is a hit if any found one overlaps with it by half, so one "
            "found interval may be counted for two true ones, and an interval of one frame hits nothing.",
            _megc2020,
        ),
        Rule(
            "softnet",
            "As in SOFTNet's code, videos without a true interval of the kind are left out, a video in which nothing is found "
            "counts as one false positive, and a found interval is tried on the true one that it overlaps with most, alone.",
            _softnet,
            ranked=True,
            needs_truth=True,
        ),
        Rule(
            "strs",
            "As in the code of STRS, videos without a true interval are left out, subjects without a found one too, and a "
            "found interval is counted for every free true one that it overlaps with by half.",
            _strs,
            needs_truth=True,
            needs_subject_found=True,
        ),
        Rule(
            "auw",
            "As in AUW-GCN's code, intervals are lengths without the last frame, the overlap must be more than half, and every "
            "found interval with such an overlap is a hit, also several on one true interval.",
            _auw,
        ),
    )
}
