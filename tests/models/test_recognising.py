"""What a model says about found intervals: the members' mean, the regions' shares, the decision over time."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support.made_analysis import CLASSES, make_analysis
from support.tiny_store import tiny_store

from merjax.config import make_config
from merjax.faces.regions import REGIONS
from merjax.models import recognising
from merjax.models.final_model import FinalModel
from merjax.models.found_clips import Preparation, preparation_of
from merjax.models.model import Model
from merjax.models.recognising import Recogniser, recognised, recogniser_of
from merjax.stores.clip_crops import CropSettings
from merjax.stores.store import open_store
from merjax.system.errors import MerjaxError

SHARES = np.arange(1.0, 7.0)


def final_card(low=0.4):
    scores = {"UF1": {"mean": 0.6, "interval": [low, 0.7]}}
    expected = {"scores": scores, "controls": {"chance": {"UF1": 0.33}}, "clips": 9, "subjects": 3, "folds": "loso"}
    own = {"sweep": "mine", "trial": "focal", "classes": list(CLASSES), "data": {"statement": ""}}
    return own | {"expected": expected}


def fold_card(low=0.4):
    scores = {"UAR": {"mean": 0.6, "interval": [low, 0.7]}}
    own = {"sweep": "mine", "seed": 0, "classes": list(CLASSES), "held_out_subjects": ["own/anna"], "scores": scores}
    return own | {"data": {"fps": {"100": 3, "200": 6}, "statement": ""}}


def member(seed=0, **data):
    config = make_config({"data": {"frames": "count:2"} | data}, source="")
    return Model(fold_card() | {"seed": seed, "preparation": {"colour": "gray", "align": "first"}}, config, {})


class Stub(FinalModel):
    """Says the same of every clip."""

    def __call__(self, store):
        table = pd.DataFrame({"clip": store.index["clip"]})
        return table.assign(**{f"p_{name}": p for name, p in zip(CLASSES, (0.2, 0.7, 0.1), strict=True)})


@pytest.fixture
def known(monkeypatch, tmp_path):
    """Clips of the first two intervals, whose pictures are random, and networks that are known."""
    store = open_store(tiny_store(tmp_path / "store"))
    number = {clip: n for n, clip in enumerate(store.index["clip"])}
    monkeypatch.setattr(recognising, "_clip_store", lambda *_: store)
    monkeypatch.setattr(recognising, "_rehearse", lambda members: None)
    monkeypatch.setattr(recognising, "number_of", number.__getitem__)
    insight = recognising.insight
    monkeypatch.setattr(insight, "networks_of", lambda model: model.card["seed"])
    monkeypatch.setattr(insight, "features_of", lambda networks, images: np.zeros(images[0].shape[-1]))
    monkeypatch.setattr(
        insight,
        "after_each_frame",
        lambda networks, features, steps: np.linspace(
            [1 / 3] * 3, [0.1 + 0.2 * networks, 0.6, 0.3 - 0.2 * networks], 2
        ),
    )
    monkeypatch.setattr(
        insight,
        "pixel_gradients",
        lambda networks, images, target: [np.full((2, 2), s) for s in SHARES * (1 + networks)],
    )
    return store


def recogniser(members, rates=(30.0,)):
    return Recogniser(
        Stub(final_card(), members), members, preparation_of(members[0].card, members[0].config), tuple(rates)
    )


def test_every_interval_gets_what_the_model_says_and_the_members_evidence(known, tmp_path):
    members = member(0), member(1)
    analysis = recognised(
        make_analysis(tmp_path, frames=240, recognised=False), recogniser(members), tmp_path, tmp_path
    )
    assert (analysis.classes, analysis.told[1:]) == (CLASSES, ())
    for one in analysis.intervals:
        np.testing.assert_allclose(one.probability_K, (0.2, 0.6, 0.2))  # the members' mean after the last frame
        np.testing.assert_allclose(one.share_R, SHARES / SHARES.sum())
        np.testing.assert_allclose(one.probability_TxK, [[1 / 3] * 3, [0.2, 0.6, 0.2]])
        assert one.frame_T == (one.onset, one.offset)  # the two frames at which it looks
    assert analysis.table["class"].tolist() == ["positive"] * 3
    assert {f"share_{region.name}" for region in REGIONS} <= {*analysis.table.columns}


def test_the_rates_that_a_model_learnt_from_are_known_of_final_models_and_of_one_folds():
    for model in (member(), Stub(final_card(), (member(), member(1)))):
        assert recogniser_of(model).rates == (100.0, 200.0)


def test_another_rate_is_told_and_frames_are_the_videos_own(known, tmp_path):
    made = make_analysis(tmp_path, frames=240, recognised=False)
    analysis = recognised(made, recogniser((member(frames="all"),), rates=(100.0, 200.0)), tmp_path, tmp_path)
    assert (
        "30 frames per second and the model learnt from clips of 100: its clips here are resampled" in analysis.told[1]
    )
    assert [one.frame_T for one in analysis.intervals] == [(one.onset, one.onset) for one in made.intervals]
    counting = recognised(made, recogniser((member(),), rates=(100.0, 200.0)), tmp_path, tmp_path)
    assert "it takes as many pictures of a clip whatever its rate" in counting.told[1]
    unknown = recognised(made, recogniser((member(),), rates=()), tmp_path, tmp_path)
    assert "does not say at which frame rate" in unknown.told[1]


def test_a_folds_model_is_told_of(known, tmp_path, monkeypatch):
    monkeypatch.setattr(Model, "__call__", Stub.__call__)
    own = Recogniser(member(), (member(),), recogniser((member(),)).preparation, (30.0,))
    analysis = recognised(make_analysis(tmp_path, frames=240, recognised=False), own, tmp_path, tmp_path)
    assert "one fold of the sweep mine, trained on all subjects but own/anna" in analysis.told[1]
    assert analysis.table["class"].tolist() == ["positive"] * 3


def test_a_method_without_regions_gives_probabilities_alone(known, tmp_path, monkeypatch):
    def no_regions(model):
        raise MerjaxError("no regions")

    monkeypatch.setattr(recognising.insight, "networks_of", no_regions)
    analysis = recognised(
        make_analysis(tmp_path, frames=240, recognised=False), recogniser((member(),)), tmp_path, tmp_path
    )
    assert {(one.probability_K, one.share_R, one.probability_TxK) for one in analysis.intervals} == {
        ((0.2, 0.7, 0.1), (), ())
    }


def test_clips_are_prepared_once_and_as_those_that_the_model_learnt_from(tmp_path, monkeypatch):
    clips, asked = [], []

    def cut(analysis, seeing, folder, model):
        folder.mkdir()
        return SimpleNamespace(clips=clips)

    def prepare(release, out, **how):
        asked.append(how)
        return open_store(tiny_store(out))

    monkeypatch.setattr(recognising, "cut_out", cut)
    monkeypatch.setattr(recognising, "prepare_store", prepare)
    how = Preparation(CropSettings(colour="rgb", align="frame", geometry="authors"), ("flow28:mid:dis",))

    def made(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return recognising._clip_store(None, how, None, tmp_path / name, tmp_path / "model.dat", 2, None)

    assert made("without a face") is None
    clips.append("clip")
    assert made("talk").hash == made("talk").hash
    (own,) = asked
    assert (own["colour"], own["align"], own["geometry"], own["features"]) == (
        *("rgb", "frame", "authors"),
        ("flow28:mid:dis",),
    )
    assert (own["workers"], own["model"]) == (2, tmp_path / "model.dat")
    assert [entry.name for entry in (tmp_path / "talk").iterdir()] == ["clips"]  # no pictures of faces stay


def test_a_model_that_may_be_no_better_than_chance_is_refused_unless_asked_for():
    for model in (FinalModel(final_card(0.3), (member(),)), Model(fold_card(0.3), member().config, {})):
        with pytest.raises(MerjaxError, match="chance.*--anyway"):
            recogniser_of(model)
        assert recogniser_of(model, anyway=True).model is model
    assert "all subjects but own/anna" in recogniser_of(member()).told
    assert recogniser_of(Model(fold_card() | {"scores": None}, member().config, {})).members


def test_what_is_no_model_or_tells_several_classes_is_refused(tmp_path):
    with pytest.raises(MerjaxError, match="does not exist; name a folder that `merjax train` wrote"):
        recogniser_of(tmp_path / "nothing")
    with pytest.raises(MerjaxError, match="holds no final model"):
        recogniser_of(tmp_path)
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "card.json").write_text('{"format": 99}')
    with pytest.raises(MerjaxError, match="the model has format 99, but this merjax reads format 1"):
        recogniser_of(tmp_path / "later")
    with pytest.raises(MerjaxError, match="an interval is to have one class"):
        recogniser_of(member(protocol="au12"))
