"""The sweep command as a user runs it: results on disk, a second call, wrong input."""

import json
import os
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score
from support.commands import run
from support.report_command import word
from support.small_command import tiny_networks
from support.small_experiment import use_networks

from merjax.config import make_config
from merjax.sweeps.chunks import balanced_width
from merjax.sweeps.folder import claimed, read_predictions, write_chunk
from merjax.sweeps.plan import make_plan, plan_from_json
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.errors import MerjaxError
from merjax.training.data import data_of

# of the whole face, since networks for six regions take twice as long to compile; test_model.py trains those
SWEEP = """\
base:
  data: {{store: {store}, folds: "group:3", frames: "count:3", input: difference, standardise: true, whole_face: true}}
  spatial: {{epochs: 4, batch: 16, learning_rate: 1e-3}}
  temporal: {{epochs: 4, batch: 8, units: 8, learning_rate: 1e-3}}
  engine: {{workers: 1}}
trials:
  focal: {{loss.gamma: 2, loss.alpha: inverse}}
  cross-entropy: {{loss.gamma: 0, loss.alpha: none}}
"""


@pytest.fixture(scope="module")
def sweep_file(small_store, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sweeps") / "mine.yaml"
    path.write_text(SWEEP.format(store=small_store))
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> dict[str, str]:
    """What all commands of this file have in their environment: tiny networks, and a memory of times of their own."""
    return tiny_networks(tmp_path_factory.mktemp("tiny")) | {"MERJAX_CACHE": str(tmp_path_factory.mktemp("cache"))}


@pytest.fixture(scope="module")
def finished(sweep_file, own, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "mine"
    result = run(sweep_file, "--out", out, **own)
    assert result.returncode == 0, result.stderr
    return out, result


def test_every_clip_is_predicted_once_per_trial_by_the_fold_that_held_it_out(finished, sweep_file):
    out, _ = finished
    plan = plan_from_json(json.loads((out / "plan.json").read_text()))
    predictions = read_predictions(out, plan.chunks)
    experiment = data_of(plan.trials[0].config.data)
    keys = ["database", "subject", "clip"]
    for _, own in predictions.groupby("trial"):
        merged = experiment.index.assign(truth=experiment.target_N).merge(own, on=keys, validate="one_to_one")
        assert len(merged) == len(experiment.index) == len(own)
        assert (merged["truth"] == merged["label"]).all()
        for fold in experiment.folds:
            held_out = set(map(tuple, experiment.index.loc[fold.test_N, keys].to_numpy()))
            assert held_out == set(map(tuple, own.loc[own["fold"] == fold.name, keys].to_numpy()))
    probabilities = predictions[["p_negative", "p_positive", "p_surprise"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert (probabilities.argmax(1) == predictions["prediction"]).all()


def test_printed_scores_are_those_of_the_saved_predictions(finished):
    out, result = finished
    scores = pd.read_csv(out / "scores.csv").set_index("trial")
    predictions = pd.concat(pd.read_parquet(path) for path in out.glob("predictions-*.parquet"))
    for trial, own in predictions.groupby("trial"):
        uf1 = f1_score(own["label"], own["prediction"], average="macro")
        assert scores.loc[trial, "UF1"] == pytest.approx(uf1)
        assert scores.loc[trial, "UAR"] == pytest.approx(balanced_accuracy_score(own["label"], own["prediction"]))
        line = next(line for line in result.stdout.splitlines() if f"│ {trial} " in line)
        assert f"{uf1:.3f}" in line
    assert {"majority", "chance"} <= set(scores.index)
    assert "says nothing about people" in " ".join(result.stdout.split())


@pytest.fixture
def own_here(own, monkeypatch) -> None:
    """The same for commands in this process, which has loaded already what they need; on one device, as in others."""
    use_networks(monkeypatch.setattr)
    monkeypatch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
    monkeypatch.setenv("MERJAX_CACHE", own["MERJAX_CACHE"])


@pytest.mark.usefixtures("own_here")
def test_a_second_call_computes_nothing_and_prints_the_same(finished, sweep_file):
    out, first = finished
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("predictions-*.parquet")}
    second = word("sweep", sweep_file, "--out", out)
    assert second.returncode == 0
    assert second.stdout == first.stdout
    assert stamps == {path: path.stat().st_mtime_ns for path in out.glob("predictions-*.parquet")}


@pytest.mark.long
def test_a_lost_chunk_is_computed_again_with_the_same_result(finished, sweep_file, own):
    out, _ = finished
    path = sorted(out.glob("predictions-*.parquet"))[-1]
    before = pd.read_parquet(path)
    path.unlink()
    assert run(sweep_file, "--out", out, **own).returncode == 0
    pd.testing.assert_frame_equal(pd.read_parquet(path), before)


@pytest.mark.usefixtures("own_here")
def test_another_sweep_is_refused_in_the_same_folder(finished, sweep_file):
    out, _ = finished
    result = word("sweep", sweep_file, "loss.gamma=1", "temporal.units=16", "--out", out)
    assert result.returncode == 2
    assert 'trial "focal" had temporal.units 8, now it has 16' in result.stderr


@pytest.mark.usefixtures("finished", "own_here")
def test_plan_prints_groups_and_computes_nothing(sweep_file, tmp_path):
    result = word("sweep", sweep_file, "--plan", "--out", tmp_path / "none")
    assert result.returncode == 0
    assert "2 trials, 6 runs" in result.stdout
    assert "group 0: 6 runs in chunks of 3, 3 folds, 9 clips" in result.stdout
    assert "GiB a worker" in result.stdout
    assert "about " in result.stdout
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.yaml"], "nowhere.yaml does not exist"),
        (["data.store=/nowhere/store"], "does not exist; name a clip store"),
        (["los.gamma=1"], "write loss.gamma"),
        (["temporal.units=many"], "temporal.units"),
        (["data.folds=halves"], "halves"),
        (["data.frames=some"], 'data.frames is "some"'),
        (["regions=[ears]"], 'no region "ears"'),
    ],
)
def test_wrong_input_is_a_sentence_and_exit_code_2(sweep_file, tmp_path, arguments, sentence):
    words = arguments if arguments[0].endswith(".yaml") else [sweep_file, *arguments]
    result = word("sweep", *words, "--out", tmp_path / "out")
    assert result.returncode == 2, result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("alpha", ["half", "-1", "nan"])
def test_class_weights_that_mean_nothing_are_refused_before_anything_is_trained(small_store, tmp_path, alpha):
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: {{data: {{store: {small_store}}}, loss: {{alpha: {alpha}}}}}\n")
    with pytest.raises(MerjaxError, match="loss.alpha"):
        make_plan(read_sweep(path), workers=1)


def test_a_folder_of_something_else_is_left_alone(sweep_file, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = word("sweep", sweep_file, "--out", tmp_path)
    assert result.returncode == 2
    assert "holds no sweep" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_output_is_a_sentence(sweep_file, tmp_path):
    tmp_path.chmod(0o500)
    result = run(sweep_file, "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "no permission" in result.stderr


def test_a_full_disk_is_a_sentence(sweep_file):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    from merjax.system.errors import command

    @command
    def main():
        with open("/dev/full", "w") as file:
            file.write("x" * 10**6)

    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2


def test_plans_keep_runs_balanced_and_survive_json(sweep_file):
    plan = make_plan(read_sweep(sweep_file), workers=4)
    assert [len(chunk.runs) for chunk in plan.chunks] == [2, 2, 2]
    assert sorted(run for chunk in plan.chunks for run in chunk.runs) == [(t, f) for t in range(2) for f in range(3)]
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    assert balanced_width(68, 8) == 8
    assert balanced_width(12, 8) == 6


def test_a_chunk_is_claimed_by_one_process_at_a_time(sweep_file, tmp_path):
    plan = make_plan(read_sweep(sweep_file), workers=1)
    chunk = plan.chunks[0]
    with claimed(tmp_path, chunk) as first, claimed(tmp_path, chunk) as second:
        assert first
        assert not second
    write_chunk(tmp_path, chunk, pd.DataFrame({"x": [1]}), pd.DataFrame({"y": [1]}))
    with claimed(tmp_path, chunk) as again:
        assert not again  # finished


def test_two_groups_when_a_shape_differs(sweep_file, tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(sweep_file.read_text() + "axes: {temporal.units: [8, 16]}\n")
    plan = make_plan(read_sweep(path), workers=1)
    assert plan.group_of_trial == (0, 1, 0, 1)
    assert make_config().temporal.units == 64
