"""Clips that are longer than `temporal.length` are counted in the plan and named with the scores."""

import json

from support.small_experiment import BASE, CLIPS, SUBJECTS, small_plan, use_small_experiment

from merjax.scoring.entry import GroupData
from merjax.sweeps.plan import left_out_sentences


def test_a_plan_counts_clips_that_are_cut_and_keeps_the_number(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    plain, cut = (small_plan(base=BASE | {"temporal": BASE["temporal"] | {"length": n}}).groups[0] for n in (2, 1))
    clips = SUBJECTS * CLIPS
    assert left_out_sentences([plain]) == []
    assert left_out_sentences([cut, cut]) == [
        f"{clips} of {clips} clips are cut at the end: they have more than the 1 frames of temporal.length"
    ]
    assert "cut" not in plain.to_json()  # as plans of older versions
    for group in (plain, cut):
        assert GroupData.from_json(json.loads(json.dumps(group.to_json()))) == group
