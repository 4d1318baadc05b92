"""The table of trials, its charts from Python, and short names, on made grids."""

import itertools

import altair as alt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from support.fake_runs import small_clips, write_fake_run

import merjax
from merjax.report.charts import _scale_of
from merjax.report.names import readable
from merjax.report.pictures import chart_svg
from merjax.report.settings import axis_of
from merjax.system.errors import MerjaxError

GRID = {
    f"learning_rate={rate:g}, gamma={gamma:g}": {"spatial.learning_rate": rate, "loss.gamma": gamma}
    for rate, gamma in itertools.product((1e-4, 0.000464159, 1e-2), (0.0, 2.0))
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A grid of six trials on one database, without training."""
    skills = {name: 0.3 + 0.1 * number for number, name in enumerate(GRID)}
    folder = tmp_path_factory.mktemp("runs") / "grid"
    write_fake_run(folder, clips=small_clips(("casme2",)), skills=skills, overrides=GRID)
    return merjax.open_sweep(folder)


def test_the_table_of_trials_has_scikit_learns_scores_and_each_setting_in_a_column(result):
    table = result.trials.set_index("trial")
    for name, own in result.predictions.groupby("trial"):
        assert table.loc[name, "UF1"] == pytest.approx(f1_score(own["label"], own["prediction"], average="macro"))
        for key, value in GRID[name].items():
            assert table.loc[name, key] == value
    assert table["best"].sum() == 1
    assert table["UF1"].idxmax() == table.index[table["best"]][0]
    assert table["base"].tolist() == [True] + [False] * 5
    assert table["seconds"].isna().all()  # nothing was trained


def test_an_axis_chart_shows_the_mean_over_the_other_settings(result):
    chart = result.plot.axis("loss.gamma").to_dict()
    rows = [row for data in chart["datasets"].values() for row in data if "trials" in row]
    table = result.trials
    for row in rows:
        own = table[table["loss.gamma"] == row["value"]]
        assert row["score"] == pytest.approx(own["UF1"].mean())
        assert row["trials"] == len(own) == 3
        assert row["low"] < row["score"] < row["high"]
    log = result.plot.axis("learning_rate").to_dict()
    assert "log" in str(log)  # values that are even in their logarithms
    assert "log" not in str(chart["layer"])


def test_an_axis_names_its_values_as_tables_do():
    for values in ((16, 32, 64), (0.0, 0.25, 0.75), (1e-5, 0.000464159, 0.01), (2e5, 3e6)):
        axis = axis_of("a.key", "key", values)
        chart = alt.Chart(pd.DataFrame({"value": values})).mark_point().encode(_scale_of(axis))
        drawn = chart_svg(chart.properties(width=470).to_dict()).decode()
        assert [told for told in axis.values if f">{told}<" not in drawn] == []


def test_a_pair_a_share_and_the_optimism_are_drawn(result):
    cells = [row for data in result.plot.pair("gamma", "learning_rate").to_dict()["datasets"].values() for row in data]
    assert {(row["x"], row["y"]) for row in cells} == set(itertools.product(("0", "2"), ("1e-4", "4.6e-4", "0.01")))
    shares = [row for data in result.plot.importance().to_dict()["datasets"].values() for row in data]
    assert sum(row["share"] for row in shares) == pytest.approx(1)  # two axes and their pair: nothing is left over
    assert np.isfinite(
        [row["score"] for data in result.plot.optimism().to_dict()["datasets"].values() for row in data]
    ).all()


def test_what_cannot_be_drawn_is_a_sentence(result, tmp_path):
    with pytest.raises(MerjaxError, match="loss.alpha does not vary .* these do: loss.gamma, spatial.learning_rate"):
        result.plot.axis("loss.alpha")
    with pytest.raises(MerjaxError, match="is no search"):
        result.plot.history()
    alone = merjax.open_sweep(write_fake_run(tmp_path / "one", skills={"a": 0.5}, clips=small_clips(("samm",))))
    for draw in (alone.plot.importance, alone.plot.optimism, lambda: alone.plot.axis("loss.gamma")):
        with pytest.raises(MerjaxError, match="fewer than two finished trials"):
            draw()


def test_numbers_are_readable():
    told = {
        0.000464159: "4.6e-4",
        1e-4: "1e-4",
        0.5: "0.5",
        0.0: "0",
        2.0: "2",
        123456.0: "1.2e5",
        True: "True",
        7: "7",
    }
    assert {value: readable(value) for value in told} == told
    assert readable(["eyes", "mouth"]) == "eyes+mouth"
