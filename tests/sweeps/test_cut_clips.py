"""Clips that are longer than `temporal.length` are counted in the plan and named with the scores."""

import json
from dataclasses import replace

from support.small_experiment import BASE, CLIPS, SUBJECTS, small_plan, use_small_experiment

from merjax.scoring.entry import GroupData, left_out_sentences


def test_a_plan_counts_clips_that_are_cut_and_keeps_the_number(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    plain, cut = (small_plan(base=BASE | {"temporal": BASE["temporal"] | {"length": n}}).groups[0] for n in (2, 1))
    clips = SUBJECTS * CLIPS
    assert left_out_sentences([plain]) == []
    assert left_out_sentences([cut, cut]) == [
        f"{clips} of {clips} clips are cut at the end: they have more than the 1 frames of temporal.length"
    ]
    assert not {"cut", "rates"} & plain.to_json().keys()  # as plans of older versions
    mixed = replace(plain, rates=(30.0, 100.0, 200.0), counting="data.frames: count:8")
    assert left_out_sentences([mixed]) == [
        "clips have 30, 100 and 200 frames per second, and data.frames: count:8 counts frames, which last 5 to 33 ms; "
        "data.frames: fps:30 gives all clips the same steps"
    ]
    for group in (plain, cut, mixed):
        assert GroupData.from_json(json.loads(json.dumps(group.to_json()))) == group
