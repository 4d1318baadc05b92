"""Each rule of other code counts as plain loops that do the same, and differs from the common rule where that code does."""

import numpy as np
import pytest
from support.intervals import iou, random_intervals, spotted

from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rules import RULES


def megc2020(found, true):
    def overlap(one, other):
        shared = max(0, min(one[1], other[1]) - max(one[0], other[0])) + 1
        union = (one[1] - one[0] + 1) + (other[1] - other[0] + 1) - shared
        return 0.0 if one[1] <= one[0] or other[1] <= other[0] or union <= 0 else shared / union

    hits = sum(any(overlap(f, t) >= 0.5 for f in found) for t in true)
    return hits, len(found) - hits, len(true) - hits


def softnet(found, true):
    if not len(true):
        return 0, 0, 0
    found = list(map(tuple, found)) or [(-100, -100)]
    taken = []
    for f in found:
        order = np.argsort([iou(f, t) for t in true], kind="stable")[::-1]
        if iou(f, true[order[0]]) >= 0.5 and order[0] not in taken:
            taken.append(order[0])
    return len(taken), len(found) - len(taken), len(true) - len(taken)


def strs(found, true):
    if not len(true):
        return 0, 0, 0
    taken, hits, false = set(), 0, 0
    for f in found:
        own = [t for t in range(len(true)) if iou(f, true[t]) >= 0.5 and t not in taken]
        taken |= set(own)
        hits, false = hits + len(own), false + (not own)
    return hits, false, len(true) - len(taken)


def auw(found, true):
    def overlap(one, other):
        shared = max(min(one[1], other[1]) - max(one[0], other[0]), 0)
        union = one[1] - one[0] + other[1] - other[0] - shared
        return shared / union if union else 0

    hits = sum(any(overlap(f, t) > 0.5 for t in true) for f in found)
    return hits, len(found) - hits, len(true) - hits


PLAIN = {"megc2020": megc2020, "softnet": softnet, "strs": strs, "auw": auw}


@pytest.mark.parametrize("name", PLAIN)
def test_a_rule_counts_random_videos_as_plain_loops_do(name):
    rng, seen = np.random.default_rng(1), set()
    for _ in range(150):
        found, true = (random_intervals(rng, rng.integers(0, 7), 40, 25) for _ in range(2))
        if RULES[name].needs_truth and not len(true):
            continue
        matched = RULES[name].match(found, true)
        assert matched[1:] == PLAIN[name](found, true)
        assert matched.hits == len(matched.pairs)
        seen.add(matched[1:])
    assert len(seen) > 10


def counts(name, found, true, videos=None):
    return tuple(count(spotted(found, true, videos), RULES[name]).counts[["hits", "false", "missed"]].sum())


def test_rules_differ_from_the_common_one_at_the_border_and_for_a_single_frame():
    half = ([("s", "v", 1, 10)], [("s", "v", 1, 20)])
    single = ([("s", "v", 7, 7)], [("s", "v", 7, 7)])
    assert [counts(name, *half) for name in RULES] == [(1, 0, 0)] * 4 + [(0, 1, 1)]
    assert [counts(name, *single) for name in RULES] == [(1, 0, 0), (0, 1, 1), (1, 0, 0), (1, 0, 0), (0, 1, 1)]


def test_rules_count_several_found_on_one_and_one_found_on_several_as_their_code_does():
    three_on_one = ([("s", "v", 10, 20), ("s", "v", 11, 20), ("s", "v", 10, 19)], [("s", "v", 10, 20)])
    one_on_two = ([("s", "v", 10, 20)], [("s", "v", 10, 20), ("s", "v", 11, 20)])
    assert [counts(name, *three_on_one) for name in RULES] == [(1, 2, 0)] * 4 + [(3, 0, -2)]
    assert [counts(name, *one_on_two) for name in RULES] == [
        *((1, 0, 1), (2, -1, 0), (1, 0, 1), (2, 0, 0), (1, 0, 1)),
    ]


def test_rules_leave_videos_out_as_their_code_does_and_the_common_one_leaves_out_none():
    """A video without truth, in which two are found; one with truth, in which none is found; a subject without any found."""
    found = [("a", "1", 10, 20), ("a", "2", 10, 20), ("a", "2", 40, 50)]
    true = [("a", "1", 10, 20), ("a", "3", 10, 20), ("b", "4", 10, 20)]
    assert counts("", found, true) == counts("megc2020", found, true) == counts("auw", found, true) == (1, 2, 2)
    assert counts("softnet", found, true) == (1, 2, 2)  # one false positive for each video in which nothing is found
    assert counts("strs", found, true) == (1, 0, 1)


def test_softnet_tries_found_intervals_by_confidence():
    columns = ("subject", "video", "onset", "offset", "confidence")
    found = [("s", "v", 10, 20, 0.1), ("s", "v", 10, 21, 0.9)]
    counted = count(spotted(found, [("s", "v", 10, 20, 1.0)], columns=columns), RULES["softnet"])
    assert counted.pairs["found"].tolist() == [1]
