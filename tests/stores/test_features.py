"""Words that ask for features: what they stand for, and which are refused."""

import pytest

from merjax.faces import flow
from merjax.stores.features import Feature, features_of, side_of
from merjax.system.errors import MerjaxError


def test_names_and_settings():
    assert features_of("flow28,flow64:mid, dynamic:learnet ,motion,mosaic") == (
        Feature("flow28"),
        Feature("flow64", to="mid"),
        Feature("dynamic", weights="learnet"),
        Feature("motion"),
        Feature("mosaic"),
    )
    assert features_of([]) == ()
    assert [side_of(name) for name in ("flow28", "flow64", "flow112", "mosaic", "dynamic")] == [28, 64, 112, 28, 112]
    assert Feature("motion").settings == {"algorithm": "dis"}
    assert Feature("flow20", to="mid").settings == {"to": "mid", "algorithm": "dis", "side": 20}
    assert Feature("dynamic").settings == {"weights": "bilen", "side": 112}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("flows28", 'no feature "flows28"; did you mean flow28'),
        ("", 'no feature ""; write any of flow28, flow64, flow112, mosaic, dynamic, motion'),
        ("flow28,flow28:mid", "flow28 is asked for twice"),
        ("flow200", "flow200 is not between flow4 and flow160"),
        ("flow3", "flow3 is not between"),
        ("motion:mid", 'motion has no setting "mid"; write motion:dis or motion:tvl1'),
        ("dynamic:apex", "write dynamic:bilen or dynamic:learnet"),
    ],
)
def test_other_words_are_refused_in_a_sentence(words, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        features_of(words)


def test_an_algorithm_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.delattr(flow.cv2, "optflow", raising=False)
    with pytest.raises(MerjaxError, match="this OpenCV has no TV-L1 flow"):
        features_of("flow28:tvl1")


def test_a_network_cannot_read_the_motion_of_frames():
    with pytest.raises(MerjaxError, match='no feature "motion" with one picture per clip'):
        side_of("motion")
