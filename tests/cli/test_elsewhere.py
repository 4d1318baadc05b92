"""`merjax sweep --plan --for MACHINE`: what it prints and what it refuses."""

import pytest
from support.no_compiler import without_compilers
from support.small_experiment import use_small_experiment

import merjax.engine.topology
import merjax.sweeps.running.elsewhere
import merjax.sweeps.running.planned
from merjax.cli import sweep
from merjax.system.accelerators import ACCELERATORS

FILE = """\
base:
  spatial: {epochs: 4, batch: 8, learning_rate: 1e-3}
  temporal: {epochs: 8, batch: 4, units: 4, learning_rate: 1e-3}
  engine: {steps_per_call: 2, chunk: 2, checkpoint_minutes: 0}
"""


@pytest.fixture
def plan(monkeypatch, tmp_path, capsys):
    """Runs `merjax sweep mine.yaml WORDS`; gives the exit code, and what was printed, its lines joined."""
    use_small_experiment(monkeypatch.setattr)
    without_compilers(monkeypatch)
    monkeypatch.setattr(merjax.engine.topology, "allow_absent", lambda accelerator: None)  # it sets variables for good
    monkeypatch.setenv("COLUMNS", "200")
    for module in (merjax.sweeps.running.planned, merjax.sweeps.running.elsewhere):
        monkeypatch.setattr(module, "memory_of", lambda plan, group: 2**30)  # else it compiles

    def run(*words):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.yaml").write_text(FILE)
        try:
            sweep.main(["mine.yaml", *words])
        except SystemExit as end:
            return end.code, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_both_machines_stand_side_by_side_and_every_figure_is_an_estimate(plan, tmp_path):
    code, out, _ = plan("--plan", "--for", "2xa100")
    assert code == 0
    assert "the whole sweep on 2 x NVIDIA A100 SXM, 80 GB, estimated: it was not run there" in out
    columns = next(line for line in out.splitlines() if "2xa100, estimated" in line)
    assert "this machine (" in columns
    assert columns.count("estimated") == 2
    rows = {line.split("│")[1].strip(): line for line in out.splitlines() if line.startswith("│")}
    assert "1.00 GiB" in rows["program memory of a device"]
    assert "spatial 0.0" in rows["program memory of a device"]
    assert "(its memory holds " in rows["runs side by side"]
    assert " to " in rows["time without compilation"]
    assert "rough counts by formulas" in out
    assert "pip install 'merjax[cuda]' and plan again" in out
    assert "no sweep was timed on such a device" in out
    assert "1 group" not in out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--plan", "--for", "h10"], "did you mean h100"),
        (["--plan", "--for", "h100,a100"], "name one kind"),
        (["--plan", "--for", "h100", "--for", "a100"], "name one kind"),
        (["--plan", "--for", "h100", "4xa100"], "--for h100,4xa100: runs are spread evenly over devices of one kind"),
        (
            ["--for", "h100"],
            "--for h100 plans for a machine that is not here and trains nothing; add --plan, or leave it out",
        ),
        (["--for", "h100", "--slurm", "2"], "add --plan"),
        (["--plan", "for=h100"], "for is a flag, not a setting; write --for h100"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(plan, words, sentence):
    code, out, err = plan(*words)
    assert code == 2
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert "estimated" not in out


def test_a_sweep_that_does_not_fit_is_one_sentence_and_exit_code_2(plan, monkeypatch):
    small = ACCELERATORS["v100"]._replace(memory=1000.0)
    monkeypatch.setitem(ACCELERATORS, "v100", small)
    code, _, err = plan("--plan", "--for", "v100")
    assert code == 2
    assert "error: one run of the spatial stage takes" in err
    assert len(err.splitlines()) == 1
