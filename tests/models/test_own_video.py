import numpy as np
from support.made_analysis import CLASSES, make_analysis

from merjax.faces.regions import REGIONS


def test_the_table_has_frames_from_1_seconds_classes_and_shares(tmp_path):
    analysis = make_analysis(tmp_path, frames=240)
    table = analysis.table
    assert table[["onset", "apex", "offset"]].to_numpy().tolist() == [[31, 37, 45], [91, 111, 141], [201, 208, 214]]
    np.testing.assert_allclose(table["apex_s"], [36 / 30, 110 / 30, 207 / 30], atol=1e-3)
    surest = [CLASSES[int(np.argmax(one.probability_K))] for one in analysis.intervals[:2]]
    assert table["class"].tolist() == [*surest, ""]  # no face was found in the last one
    np.testing.assert_allclose(table.loc[:1, [f"p_{name}" for name in CLASSES]].sum(axis=1), 1)
    np.testing.assert_allclose(table.loc[:1, [f"share_{region.name}" for region in REGIONS]].sum(axis=1), 1)


def test_without_a_model_the_table_has_no_class_and_without_intervals_no_row(tmp_path):
    assert "class" not in make_analysis(tmp_path / "spotted", recognised=False).table
    empty = make_analysis(tmp_path / "nothing", found=False).table
    assert len(empty) == 0
    assert {"onset_s", "kind", "class", "p_positive", "confidence"} <= {*empty.columns}


def test_a_time_is_that_of_the_stored_frame_that_shows_the_frame(tmp_path):
    analysis = make_analysis(tmp_path, frames=240, found=False)
    numbers_F = np.arange(240) * 7  # every 7th picture was read
    np.save(analysis.store.path / analysis.video.folder / "numbers.npy", numbers_F.astype(np.int32))
    assert [analysis.stored(frame) for frame in (0, 6, 7, 20, 10_000)] == [0, 0, 1, 2, 239]
    assert analysis.seconds(20) == np.float32(2 / 30)
