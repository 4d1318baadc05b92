"""The mistakes on a report's page: which they are, and the crops that are shown of them."""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of, words

from merjax.report.comparison import compare
from merjax.report.mistakes import confident_mistakes, target_crops
from merjax.stores.store import open_store
from merjax.sweeps.result import open_sweep
from merjax.system.files import safe_name

CASME2 = small_clips(("casme2",))


def test_mistakes_are_the_wrong_predictions_of_highest_probability(tmp_path):
    entry = compare([open_sweep(write_fake_run(tmp_path / "r", seeds=(0, 1), skills={"a": 0.3}))])[0].base
    best = {}
    for row in entry.predictions.to_dict("records"):
        if row["prediction"] != row["label"]:
            key = (row["database"], row["subject"], row["clip"])
            best[key] = max(best.get(key, 0), row[f"p_{entry.classes[row['prediction']]}"])
    expected = sorted(best.values(), reverse=True)[:8]
    np.testing.assert_allclose(confident_mistakes(entry)["confidence"], expected)


@pytest.mark.usefixtures("undrawn")
def test_crops_of_mistakes_come_from_the_store_if_it_is_the_same(small_store, tmp_path):
    store = open_store(small_store)
    clips = store.index[["database", "subject", "clip"]].assign(label=np.arange(len(store.index)) % 3)
    here = {"store": str(small_store), "store_hash": store.hash}
    page = page_of(write_fake_run(tmp_path / "a", clips=clips, skills={"a": 0.2}, data=here))
    pictures = re.findall(r"image/png;base64,([^\"]+)", page)
    assert pictures
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert "its licence decides" in words(page)
    for data, crops, why in (
        (here | {"store_hash": "f" * 32}, True, "holds other clips now"),
        (here | {"store": str(tmp_path / "gone")}, True, "the clips are not there any more"),
        (here, False, "no crops are shown, as was asked for"),
    ):
        folder = write_fake_run(tmp_path / safe_name(why), clips=clips, skills={"a": 0.2}, data=data)
        page = page_of(folder, crops=crops)
        assert "image/png" not in page
        assert why in words(page)


def test_an_apex_at_the_onset_shows_the_middle_frame_and_says_so(small_store):
    """The onset shows no expression: nothing that is measured to the apex is measured to it, and no picture calls it apex."""
    store = open_store(small_store)
    row = store.index.iloc[1]
    own = (row["database"], row["subject"], row["clip"])
    middle = store.crops["face"][row["first_row"] + row["n_frames"] // 2]
    for apex in (row["onset"], pd.NA):
        index = store.index.copy()
        index.loc[1, "apex"] = apex
        png, which = target_crops(replace(store, index=index), *own, whole_face=True)
        assert which.startswith("middle frame, no apex after the onset is given, ")
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), middle)
    png, which = target_crops(store, *own, whole_face=True)
    assert which == f"apex, frame {row['apex']}, {5 * (row['apex'] - row['onset'])} ms after the onset at 200 fps"
    apex = store.crops["face"][row["first_row"] + row["apex"] - row["onset"]]
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), apex)
    two_skipped = store.index.assign(apex=store.index["apex"] + 2, skipped=2)
    png, later = target_crops(replace(store, index=two_skipped), *own, whole_face=True)
    assert f", {5 * (row['apex'] + 2 - row['onset'])} ms after the onset" in later
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), apex)


@pytest.mark.parametrize("whole_face", [False, True])
def test_crops_of_a_colour_store_keep_their_colours(small_store, tmp_path, whole_face):
    """Red stays red: the store holds RGB, and OpenCV reads the PNG file back as BGR."""
    store = open_store(small_store)
    colour = {name: np.stack([crop, crop // 2, crop // 4], -1) for name, crop in store.crops.items()}
    row = store.index.iloc[1]
    own = (row["database"], row["subject"], row["clip"])
    png, which = target_crops(replace(store, crops=colour), *own, whole_face=whole_face)
    gray, _ = target_crops(store, *own, whole_face=whole_face)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    plain = cv2.imdecode(np.frombuffer(gray, np.uint8), cv2.IMREAD_UNCHANGED)
    assert which.startswith("apex, frame")
    assert picture.shape == (*plain.shape, 3)
    np.testing.assert_array_equal(picture[..., 2], plain)
    assert (picture[..., 2] >= picture[..., 0]).all()
    assert picture[..., 2].mean() > picture[..., 0].mean() + 10
