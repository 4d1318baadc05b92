"""What is shown while a sweep trains."""

import io
import re

import numpy as np
import pytest
from rich.console import Console
from support.small_experiment import BASE, small_plan, use_small_experiment

from merjax.engine import Progress, RunArrays
from merjax.engine.engine import _last_loss
from merjax.sweeps.costs import costs_of
from merjax.sweeps.plan import splitting_keys
from merjax.sweeps.running.progress import SweepProgress


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    use_small_experiment(monkeypatch.setattr)
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "cache"))


def drawn(plan, unfinished, tell=lambda progress: None, **terminal):
    """What a console shows of a sweep's progress."""
    out = io.StringIO()
    console = Console(file=out, width=160, **terminal)
    with SweepProgress(plan, plan.chunks, unfinished, console) as progress:
        tell(progress)
        progress.bars.refresh()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


CALL = Progress("spatial", 6, 12, 4, (0.25, 1.5), 3.0, 1)


def test_progress_tells_rate_losses_what_diverged_and_the_time_left():
    plan = small_plan(seeds=2)
    said = drawn(plan, plan.chunks, lambda progress: progress.called(plan.chunks[1], CALL), force_terminal=True)
    assert "chunk 2/2 spatial: 4 runs x 6/12 steps, 8.0 run-steps/s, loss 0.250-1.500, 1 diverged" in said
    costs = costs_of(plan, plan.chunks[1])
    share = 0.5 * costs["spatial"] / sum(costs.values()) / 2
    assert f"{100 * share:.0f}%" in next(line for line in said.splitlines()[::-1] if line.startswith("sweep"))
    assert "left" in said
    half = drawn(plan, plan.chunks[1:], force_terminal=True)
    assert "sweep, preparing programs" in half  # there was no call yet
    assert "50%" in half  # what was finished before counts


def test_trainings_without_the_inner_subjects_come_first_and_count_as_what_they_cost():
    # of four subjects, two folds have the same training subjects once the inner one is left out, and would share their stage
    apart = {"engine": BASE["engine"] | {"share": False}}
    plan = small_plan(base=BASE | apart | {"selection": {"rules": ["fixed", "inner"]}})
    costs = costs_of(plan, plan.chunks[0])
    assert list(costs) == ["inner spatial", "inner temporal", "spatial", "temporal"]
    progress = SweepProgress(plan, plan.chunks, plan.chunks, Console(file=io.StringIO()))
    progress.called(plan.chunks[0], CALL._replace(inner=True))
    assert progress.share[0] == pytest.approx(0.5 * costs["inner spatial"] / sum(costs.values()))
    progress.called(plan.chunks[0], CALL)
    inner = costs["inner spatial"] + costs["inner temporal"]
    assert progress.share[0] == pytest.approx((inner + 0.5 * costs["spatial"]) / sum(costs.values()))


def test_every_chunk_under_way_has_a_bar_and_the_next_one_takes_it_with_a_clock_of_its_own():
    plan = small_plan(seeds=3)
    now = [0.0]
    progress = SweepProgress(
        plan, plan.chunks, plan.chunks, Console(file=io.StringIO(), width=160, force_terminal=True)
    )
    progress.bars.get_time = lambda: now[0]
    progress.called(plan.chunks[0], CALL)
    progress.called(plan.chunks[1], CALL)  # another worker's
    assert len(progress.bars.tasks) == 3  # with the sweep's
    now[0] = 50
    progress.called(plan.chunks[0], CALL._replace(stage="temporal", step=12))
    progress.finished(plan.chunks[0])
    assert progress.share[0] == 1
    for now[0], stage in ((100, "spatial"), (103, "temporal")):
        progress.called(plan.chunks[2], CALL._replace(stage=stage))
    _, task, other = progress.bars.tasks
    assert "chunk 3/3" in task.description
    assert task.elapsed == 3
    assert 0 < task.time_remaining < 3
    assert not task.finished
    assert "chunk 2/3" in other.description


def test_a_batch_of_held_out_samples_is_no_divergence():
    weight_PxN = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)
    runs = RunArrays(np.zeros((3, 2), np.uint32), weight_PxN, {})
    unit_KxB = np.array([[0, 1], [2, 2], [0, -1]])  # run 0 has nothing in the second batch, run 2 in the third
    loss_PxK = np.array([[0.5, np.nan, 0.4], [0.5, np.nan, np.nan], [0.5, 0.3, np.nan]])
    np.testing.assert_equal(_last_loss(np.full(3, -1.0), loss_PxK, runs, unit_KxB), [0.4, np.nan, 0.3])
    np.testing.assert_equal(_last_loss(np.full(3, -1.0), loss_PxK[:, :2], runs, unit_KxB[:2]), [0.5, np.nan, 0.3])


def test_progress_is_silent_where_nobody_watches_but_for_warnings():
    plan = small_plan()
    assert drawn(plan, plan.chunks, lambda progress: progress.called(plan.chunks[0], CALL)) == ""
    warned = drawn(plan, plan.chunks, lambda progress: progress.warned("a checkpoint [bold]cannot be read"))
    assert warned == "a checkpoint [bold]cannot be read\n"
    assert "other processes are training what is left (1 chunks)" in drawn(
        plan, plan.chunks, lambda progress: progress.waiting(1)
    )
    assert drawn(plan, [], force_terminal=True).strip() == ""


def test_the_keys_that_split_groups_are_told():
    plan = small_plan(axes={"temporal.units": [4, 8], "loss.gamma": [0, 1]})
    assert splitting_keys(plan) == ("temporal.units",)
    assert splitting_keys(small_plan(axes={"loss.gamma": [0, 1]})) == ()
