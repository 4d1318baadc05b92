"""The table of action units, and the expressions that consist of them."""

import numpy as np
import pytest

from merjax.protocols.action_units import objective_class_from_aus
from merjax.synthesis.layouts import LAYOUTS
from merjax.synthesis.movements import ACTION_UNITS, EXPRESSIONS, ONE_SIDED, Movement, coded, draw_movements


def test_every_expression_is_made_of_units_of_the_table():
    assert {unit for sets in EXPRESSIONS.values() for units in sets for unit in units} == set(ACTION_UNITS)
    assert {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25} <= set(ACTION_UNITS)


def test_emotions_carry_the_objective_classes_of_their_kind():
    """Davison's classes I, II and IV are named after happiness, surprise and disgust."""
    classes = {e: {objective_class_from_aus("+".join(map(str, u))) for u in EXPRESSIONS[e]} for e in EXPRESSIONS}
    assert classes["happiness"] == {1}
    assert classes["surprise"] == {2}
    assert 4 in classes["disgust"]
    assert classes["sadness"] == {5}
    assert classes["fear"] == {6}


def test_the_three_classes_of_megc_cover_the_objective_classes_one_to_five():
    groups = LAYOUTS["casme2"].groups
    emotions = [emotion for name in ("negative", "positive", "surprise") for emotion in groups[name]]
    classes = {objective_class_from_aus("+".join(map(str, u))) for e in emotions for u in EXPRESSIONS[e]}
    assert {1, 2, 3, 4, 5} <= classes


def test_units_are_written_as_coders_write_them():
    assert coded([Movement(4, "both", 1.0), Movement(10, "left", 0.7)]) == "4+L10"
    assert coded([Movement(12, "right", 1.0)]) == "R12"


def test_units_of_the_midline_never_move_on_one_side():
    drawn = draw_movements([15, 17], np.random.default_rng(0), one_sided=1.0)
    assert drawn[0].side in ("left", "right")
    assert drawn[1].side == "both"
    assert not {17, 24, 25} & ONE_SIDED


def test_sides_and_intensities_vary_and_the_strongest_is_one():
    rng = np.random.default_rng(1)
    draws = [draw_movements([1, 2], rng) for _ in range(200)]
    assert {draw[0].side for draw in draws} == {"both", "left", "right"}
    assert all(max(movement.intensity for movement in draw) == 1 for draw in draws)
    assert min(movement.intensity for draw in draws for movement in draw) == pytest.approx(0.6, abs=0.05)
