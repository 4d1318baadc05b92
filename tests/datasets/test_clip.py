"""What is known about a clip, whatever its database."""

import os
from pathlib import Path

import pandas as pd
import pytest

from merjax.datasets.clip import Clip, Discrepancy, discrepancy_table, index_of, late_apex, target_frame
from merjax.faces.pictures import PictureError
from merjax.system.files import write_table


@pytest.mark.parametrize(
    ("apex", "to", "position"),
    [(49, "apex", 3), (46, "apex", 4), (None, "apex", 4), (49, "mid", 4), (54, "apex", 8)],
)
def test_a_clips_target_is_its_apex_if_that_comes_after_the_onset_else_the_middle(apex, to, position):
    clip = Clip("casme2", "sub01", "a", (Path(),) * 9, 46, apex, 54, "disgust", "4", None, 200.0)
    assert target_frame(clip, to) == position
    other = Clip("samm", "006", "b", (Path(),) * 2, 1, None, 2, "anger", "4", None, 200.0)
    for row in (index_of([clip, other]).iloc[0], index_of([clip]).iloc[0]):  # a column with and without a missing value
        assert target_frame(row, to) == position
        assert late_apex(row) == late_apex(clip)


def test_a_table_of_discrepancies_holds_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"img\xff7.jpg")
    reason = str(PictureError(Path(name), "cannot be read as an image; it is empty"))
    table = discrepancy_table([Discrepancy("casme2", "sub01", name, reason, dropped=True)])
    write_table(tmp_path / "discrepancies.parquet", table)
    (row,) = pd.read_parquet(tmp_path / "discrepancies.parquet").to_dict("records")
    assert (row["clip"], row["reason"]) == (
        "img\\udcff7.jpg",
        "img\\udcff7.jpg cannot be read as an image; it is empty",
    )
