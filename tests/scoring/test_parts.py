"""Parts that have scores of their own: known databases and a user's own, together and one by one."""

import pandas as pd
import pytest

from merjax.protocols import FoldId
from merjax.scoring.parts import TOGETHER, Part, of_part, parts_of

FOLDS = [FoldId("casme2/sub01"), FoldId("lab_2/anna"), FoldId("own/ben")]


def predictions(*databases: str) -> pd.DataFrame:
    return pd.DataFrame({"fold": "x", "database": databases, "clip": range(len(databases))})


def test_own_databases_are_parts_behind_the_known_ones():
    parts = parts_of("lab 3f2a", FOLDS, predictions("own", "lab_2", "casme2", "own"))
    assert [part.name for part in parts] == ["together", "casme2", "lab_2", "own"]
    assert [part.title for part in parts] == ["together", "CASME II", "lab_2", "own data"]
    assert [part.database for part in parts] == ["", "casme2", "lab_2", "own"]


@pytest.mark.parametrize(("part", "clips"), [(TOGETHER, [0, 1, 2]), (Part("own"), [0, 2]), (Part("lab_2"), [1])])
def test_a_part_has_the_clips_of_its_database_and_the_whole_has_all(part, clips):
    assert of_part(predictions("own", "lab_2", "own"), part)["clip"].tolist() == clips


def test_all_of_a_known_protocols_databases_are_full_and_with_others_they_are_not():
    whole = ("smic", "casme2", "samm")
    assert parts_of("megc3", FOLDS, predictions(*whole))[0] == Part("FULL")
    assert parts_of("megc3", FOLDS, predictions(*whole, "own"))[0] == TOGETHER
    assert parts_of("megc3", FOLDS, predictions("own")) == (Part("own"),)
