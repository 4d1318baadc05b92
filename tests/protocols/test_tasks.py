"""Labels of clips that have one class or several."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merjax.protocols.tasks import Task

NAMES = ("AU1", "AU2", "AU4")


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=8))
def test_several_classes_are_one_number_and_come_back(rows):
    task, member_NxK = Task(NAMES, several=True), np.array(rows)
    label_N = task.label_of(member_NxK)
    np.testing.assert_array_equal(task.members(label_N), member_NxK)
    assert all(0 <= label < task.labels == 8 for label in label_N)
    for label, row in zip(label_N.tolist(), rows, strict=True):
        assert task.named(label) == ("+".join(name for name, has in zip(NAMES, row, strict=True) if has) or "none")
    np.testing.assert_array_equal(task.members(task.wrong(label_N)), ~member_NxK)


@pytest.mark.parametrize("label", range(3))
def test_one_class_is_its_number(label):
    task = Task(NAMES)
    assert task.members([label]).tolist() == [[k == label for k in range(3)]]
    assert task.label_of(task.members([label])).tolist() == [label]
    assert (task.named(label), task.labels) == (NAMES[label], 3)
    assert task.wrong(np.array([label])) != label


def test_answers_are_the_likeliest_class_or_all_likelier_than_not():
    probability_NxK = np.array([[0.6, 0.1, 0.7], [0.2, 0.4, 0.4]])
    assert Task(NAMES).answers(probability_NxK).tolist() == [2, 1]
    assert Task(NAMES, several=True).answers(probability_NxK).tolist() == [5, 0]
