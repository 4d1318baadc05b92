"""The sweep command: what it prints as it was typed, what its flags print, and what they refuse."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console
from support.small_experiment import BASE, SHARED, small_plan, use_small_experiment

import merjax.sweeps.running.planned
import merjax.sweeps.running.run
from merjax.cli import merge, sweep
from merjax.cli.parser import is_setting
from merjax.cli.terminal import print_diverged, print_plan, print_search, too_much_memory
from merjax.sweeps.folder import write_chunk
from merjax.sweeps.plan import make_plan
from merjax.sweeps.running.shards import WHOLE, Shard
from merjax.sweeps.sweep_file import make_sweep, read_sweep
from merjax.system.console import TextConsole
from merjax.system.signals import Interrupted

FILE = """\
base:
  spatial: {epochs: 4, batch: 8, learning_rate: 1e-3}
  temporal: {epochs: 8, batch: 4, units: 4, learning_rate: 1e-3}
  engine: {steps_per_call: 2, chunk: 2, checkpoint_minutes: 0}
small: {base: {spatial: {epochs: 1}}}
"""
SEARCH = FILE + "search: {sampler: random, trials: 5, space: {loss.gamma: {low: 0, high: 2}}}\n"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)
    monkeypatch.setattr(merjax.sweeps.running.planned, "memory_of", lambda plan, group: 2**30)  # else it compiles


@pytest.fixture
def say(monkeypatch, tmp_path, capsys):
    """Runs the command in a folder with a sweep file; gives its exit code, and what it printed in one line each."""

    def run(*words, text=FILE, command=sweep):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.yaml").write_text(text)
        try:
            command.main(words)
        except SystemExit as end:
            return end.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_the_line_that_goes_on_is_the_line_that_was_typed(say, monkeypatch):
    def stopped(*arguments):
        raise Interrupted

    monkeypatch.setattr(merjax.sweeps.running.run, "train_sweep", stopped)
    words = ["mine.yaml", "regions=[eyes,mouth]", "--out", "my [bold] runs"]
    _, out, _ = say(*words)
    assert f"  python -m merjax.sweep {shlex.join(words)}" in out.splitlines()
    assert "all is saved in my [bold] runs." in out


def test_settings_may_follow_flags(say, monkeypatch):
    asked = []

    def remember(sweep, *rest):
        asked.append(sweep)
        raise Interrupted

    monkeypatch.setattr(merjax.sweeps.running.run, "train_sweep", remember)
    say("mine.yaml", "--scale", "small", "loss.gamma=0.5")
    (sweep,) = asked
    assert sweep.name == "mine-small"
    assert sweep.trials[0].config.loss.gamma == 0.5
    assert sweep.trials[0].config.spatial.epochs == 1


def test_help_teaches_sweep_files_searches_shards_and_memory(say):
    code, out, _ = say("--help")
    assert code == 0
    for word in ("trials:", "axes:", "{range:", "{log:", "combine: zip", "seeds:", "search:", "--shard 1/3",
                 "merjax merge FILE DIR", "--slurm 3", "engine.chunk", "merjax/config.py", "train nothing"):  # fmt: skip
        assert word in out, word


def test_names_and_settings_in_brackets_are_printed_as_they_are(capsys):
    content = {"base": BASE, "trials": {"[eyes]": {"regions": ["eyes"]}, "both": {}}}
    plan = make_plan(make_sweep(content, "my [sweep]"), 1)
    print_plan(plan, WHOLE, 1, [2**30], TextConsole(width=200))
    out = capsys.readouterr().out
    for said in ("my [sweep]: 2 trials", "[eyes] ", "regions=['eyes']", "1.00 GiB a worker"):
        assert said in out


def test_a_plan_says_when_its_workers_take_more_memory_than_is_free(capsys):
    plan = make_plan(make_sweep({"base": BASE}, "mine"), 1)
    print_plan(plan, WHOLE, 2, [2**50], TextConsole(width=200))
    out = capsys.readouterr().out
    assert "2 worker(s) of 1048576.0 GiB take more than the" in out
    assert "choose a smaller engine.chunk" in out
    assert too_much_memory(2**30, 2, 2**31) == ""
    assert too_much_memory(2**30, 2, None) == ""


def test_a_plan_counts_what_is_finished(say, tmp_path):
    plan = small_plan(tmp_path / "runs" / "mine", base=BASE | {"engine": {**BASE["engine"], "chunk": 2}})
    write_chunk(tmp_path / "runs" / "mine", plan.chunks[1], pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1]}))
    code, out, _ = say("mine.yaml", "--plan")
    assert code == 0
    assert "1 of 2 chunks are finished already" in out
    assert "1 chunks here" in out
    code, _, err = say("mine.yaml", "loss.gamma=1", "--plan")
    assert code == 2
    assert "had loss.gamma 2.0, now it has 1.0" in err
    code, _, err = say("mine.yaml", "engine.precision=bfloat16", "--plan")
    assert code == 2
    assert "had engine.precision highest, now it has bfloat16" in err


def test_a_plan_tells_what_trials_share_and_what_is_there_already(say, tmp_path):
    """Three trials of four folds have one spatial stage, another trial has its own; one of two shared chunks is there."""
    trials = SHARED | {"focal": {"loss.gamma": 0.5}}
    text = yaml.safe_dump({"base": BASE | {"engine": BASE["engine"] | {"chunk": 2}}, "trials": trials}, sort_keys=False)
    code, out, _ = say("mine.yaml", "--plan", text=text)
    assert code == 0
    assert "16 spatial jobs asked for, 8 distinct, 0 found ready, 8 to train; about" in out
    assert re.search(r"0 MiB of features while they are needed; sharing makes the work 1\.\d\d times smaller", out)
    plan = small_plan(base=BASE | {"engine": BASE["engine"] | {"chunk": 2}}, trials=trials)
    for entry in plan.stages[0].shared.entries:
        place = tmp_path / "library" / entry
        place.mkdir(parents=True)
        (place / "entry.json").write_text("{}")
    (tmp_path / "library" / "stages.json").write_text('{"format": 1}')
    code, out, _ = say("mine.yaml", "--plan", f"engine.stages={tmp_path / 'library'}", text=text)
    assert "16 spatial jobs asked for, 8 distinct, 2 found ready, 6 to train" in out


def test_the_plan_of_a_search_tells_how_it_goes_and_that_its_trials_are_examples(say, tmp_path):
    code, out, _ = say("mine.yaml", "engine.chunk=8", "engine.workers=1", "--plan", text=SEARCH)
    assert code == 0
    assert (
        "search: 5 proposals by random, all together, each scored by UF1 on 20 % of each fold's training subjects;"
        in out
    )
    assert "then each of the 4 folds is trained with what it chose, 4 further runs" in out
    assert "examples, drawn at random" in out
    assert out.count("loss.gamma=") == 5
    (tmp_path / "runs" / "mine" / "search").mkdir(parents=True)
    pd.DataFrame({"trial": ["a", "b"], "state": ["complete", "running"]}).to_csv(
        tmp_path / "runs" / "mine" / "search" / "search.csv"
    )
    assert "(1 of them are scored already)" in say("mine.yaml", "--plan", text=SEARCH)[1]
    assert "a search cannot be divided" in say("mine.yaml", "runs/mine", text=SEARCH, command=merge)[2]


def test_merging_too_little_names_the_chunks_and_is_an_error(say, tmp_path):
    base = BASE | {"engine": {**BASE["engine"], "chunk": 1}}
    plan = small_plan(tmp_path / "part", base=base)
    for chunk in Shard(1, 2).of(plan):
        write_chunk(tmp_path / "part", chunk, pd.DataFrame({"x": [1]}), pd.DataFrame({"x": [1]}))
    code, _, err = say("mine.yaml", "engine.chunk=1", "part", "--out", "a b", command=merge)
    assert code == 2
    assert "2 of 4 chunks are in none of the folders: 1, 3 (" in err
    assert "python -m merjax.sweep mine.yaml engine.chunk=1 --out 'a b'\n" in err


def test_runs_that_diverged_are_named(capsys):
    rows = [("wild", seed, fold, -1) for seed in (0, 1) for fold in ("casme2/sub01", "casme2/sub02")]
    rows += [("calm", 0, "casme2/sub01", 2), ("wild", 2, "casme2/sub01", 1), ("wild", 0, "casme2/sub01", -1)]
    table = pd.DataFrame(rows, columns=["trial", "seed", "fold", "prediction"])
    print_diverged(table, Console(width=20))
    assert capsys.readouterr().out.splitlines() == [
        f"diverged: wild, seed {seed}, 2 folds: casme2/sub01, casme2/sub02" for seed in (0, 1)
    ]


def test_a_search_tells_its_best_proposals_and_how_many_folds_chose_each(capsys):
    tried = pd.DataFrame(
        {
            "trial": ["trial 0", "trial 1", "trial 2"],
            "state": ["complete", "fail", "complete"],
            "UF1": [0.25, float("nan"), 0.5],
            "regions": [["eyes"], ["mouth"], ["eyes", "mouth"]],
            "chosen_for": ["casme2/sub01", "", "casme2/sub02, casme2/sub03"],
        }
    )
    print_search(tried, Console(width=150))
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert rows == [
        ["trial 2", "0.5", "['eyes', 'mouth']", "2 folds"],
        ["trial 0", "0.25", "['eyes']", "1 fold"],
    ]
    assert lines[-1].endswith("tested once: trial 2 in 2, trial 0 in 1 of 3 folds")


def test_the_flag_that_became_a_word_answers_with_the_whole_new_line(say):
    _, _, err = say("mine.yaml", "loss.gamma=1", "--merge", "a b", "c", "--scale", "small", "--out", "z")
    assert err == (
        "error: --merge is now a word of its own; write: "
        "merjax merge mine.yaml loss.gamma=1 'a b' c --scale small --out z\n"
    )
    assert "merjax merge quickstart a\n" in say("--merge", "a")[2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mine.yaml", "--plann"], "there is no flag --plann; did you mean --plan?"),
        (["mine.yaml", "loss.gama=1"], "did you mean loss.gamma?"),
        (["mine.yaml", "selection"], "`selection` is not a setting"),
        (["mine.yaml", "loss.gamma:2"], "`loss.gamma:2` is not a setting; write settings as loss.gamma=2"),
        (["mine.yaml", "loss.gamma", "=", "2"], "write settings as loss.gamma=1.5, without blanks"),
        (["mine.yaml", "--loss.gamma=2"], "settings have no dashes: write loss.gamma=2"),
        (["mine.yaml", "regions=eyes,nose"], "regions is eyes,nose; write regions=[eyes,nose]"),
        (["mine.yaml", "data.store="], "data.store has no value (an unset variable?)"),
        (["mine.yaml", "--out="], "--out has no value (an unset variable?)"),
        (["mine.yaml", "--out", ""], "--out has no value (an unset variable?)"),
        ([""], "a word has no value (an unset variable?)"),
        (["mine.yaml", "scale=small"], "scale is a flag, not a setting; write --scale small"),
        (["mine.yaml", "seeds=3"], "`seeds` belongs in the sweep file: write `seeds:` in mine.yaml"),
        (["mine.yaml", "search.trials=80"], "`search` belongs in the sweep file"),
        (["mine.yaml", "base.loss.gamma=1"], "words on the command line change the base, so write loss.gamma=1"),
        (["mine.yaml", "name=mine"], "a sweep is named after its file; --out DIR names the folder"),
        (["mine.yaml", "--scale", "tiny"], "invalid choice: 'tiny'"),
        (["quikstart"], "neither a sweep file nor the name of one; did you mean quickstart?"),
        (["--show", "quikstart"], "did you mean quickstart?"),
    ],
)
def test_wrong_words_are_a_sentence_that_names_what_is_near(say, words, sentence):
    code, _, err = say(*words)
    assert code == 2
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mine.yaml", "loss.gamma=1"], "name those of the shards: merjax merge mine.yaml DIR ..."),
        (["part"], "part is a folder; the sweep file comes first"),
        ([], "the following arguments are required: FILE"),
        (["mine.yaml", "part"], "part is not a sweep's folder"),
    ],
)
def test_wrong_lines_of_merge_say_how_it_is_written(say, tmp_path, words, sentence):
    (tmp_path / "part").mkdir()
    code, _, err = say(*words, command=merge)
    assert code == 2
    assert sentence in err


def test_a_folder_that_is_named_like_a_sweep_hides_it_from_no_word(say, tmp_path):
    (tmp_path / "table7_loss").mkdir()
    (tmp_path / "part").mkdir()
    _, _, err = say("table7_loss", "part", command=merge)
    assert "part is not a sweep's folder" in err


def test_wrong_parameters_of_slurm_are_refused_before_clips_are_made(say, monkeypatch):
    monkeypatch.setattr(merjax.sweeps.running.run, "make_missing_store", lambda *given: pytest.fail("made"))
    for written in ("gpus", "=2"):
        code, _, err = say("mine.yaml", "--slurm", "1", "--slurm-set", written)
        assert code == 2
        assert f"--slurm-set {written}: write the name of a parameter and its value" in err


def test_the_list_has_a_line_for_each_sweep_here_and_in_the_package(say, tmp_path):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text("# Mine: what it is.\n")
    code, out, _ = say("--list")
    assert code == 0
    lines = {line.split()[0]: line for line in out.split("\n\n")[0].splitlines()}
    assert lines["own"].endswith("  Mine: what it is.")
    assert "The demo" in lines["quickstart"]


def test_what_is_shown_runs_in_any_folder(say, tmp_path):
    code, shown, _ = say("--show", "quickstart")
    assert code == 0
    (tmp_path / "copy.yaml").write_text(shown)
    assert read_sweep(tmp_path / "copy.yaml").trials == read_sweep(Path("quickstart")).trials


def test_a_setting_that_is_longer_than_any_file_name_is_a_setting(say):
    regions = ["left_eye"] * 40
    assert is_setting(f"data.regions=[{','.join(regions)}]")
    code, _, err = say("mine.yaml", f"spatial.epochs={'x' * 300}", "--plan")
    assert code == 2
    assert "spatial.epochs" in err
