"""What a report says of a search, on made tables of proposals."""

import numpy as np
import pandas as pd
import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of, words

import merjax
from merjax.report.search_importance import search_shares
from merjax.system.errors import MerjaxError


def proposals(number: int = 40) -> pd.DataFrame:
    """A search in which the learning rate alone matters, and a good one is near 3e-4."""
    rng = np.random.default_rng(3)
    rate = 10 ** rng.uniform(-5, -2, number)
    return pd.DataFrame(
        {
            "trial": [f"trial {n}" for n in range(number)],
            "state": "complete",
            "UF1": 0.7 - 0.1 * (np.log10(rate) + 3.5) ** 2 + rng.normal(0, 0.01, number),
            "spatial.learning_rate": rate,
            "loss.gamma": rng.uniform(0, 5, number),
            "loss.alpha": rng.choice(["none", "inverse"], number),
            "chosen_for": ["casme2/s00, casme2/s01, casme2/s02"] + ["casme2/s03"] + [""] * (number - 2),
        }
    )


@pytest.fixture
def searched(tmp_path):
    folder = tmp_path / "mine"
    write_fake_run(folder / "chosen-of-40", skills={"chosen": 0.6}, clips=small_clips(("casme2",)))
    (folder / "search").mkdir()
    proposals().to_csv(folder / "search" / "search.csv", index=False)
    return folder


def test_the_setting_that_mattered_is_found_with_an_interval_and_the_same_each_time():
    shares = search_shares(proposals())
    assert shares["axis"].iloc[0] == "learning_rate"
    assert shares["share"].sum() == pytest.approx(1)
    assert shares["share"].iloc[0] > 0.6
    assert (shares["low"] <= shares["share"]).all()
    assert (shares["high"] >= shares["share"]).all()
    assert shares["low"].iloc[0] > shares["share"].iloc[1:].max()
    pd.testing.assert_frame_equal(shares, search_shares(proposals()))


def test_too_few_proposals_or_settings_are_a_sentence():
    with pytest.raises(MerjaxError, match="9 proposals are too few"):
        search_shares(proposals(9))
    with pytest.raises(MerjaxError, match="fewer than two settings vary"):
        search_shares(proposals().drop(columns=["loss.gamma", "loss.alpha"]))


@pytest.mark.usefixtures("undrawn")
def test_the_page_marks_what_was_chosen_and_says_how_often_folds_agreed(searched):
    text = words(page_of(searched))
    assert "Chosen by inner subjects: chosen, UF1" in text
    assert "2 different settings, the most frequent one in 75 % of the folds" in text
    assert "trial 0 3 of 4" in text
    assert "PED-ANOVA" in text
    assert "The price of choosing" not in text  # nothing is chosen by its tested score


def test_a_search_has_a_history_and_shares_for_notebooks(searched):
    plot = merjax.open_sweep(searched).plot
    told = [row for data in plot.history().to_dict()["datasets"].values() for row in data]
    best = [row["best"] for row in told if "best" in row]
    assert best == np.maximum.accumulate(proposals()["UF1"]).tolist()
    assert "share of the importance" in str(plot.importance().to_dict())
