"""How a sweep is cut: jobs that runs have in common are trained once, and what waits for them is cut along them."""

import json
from itertools import chain

import pytest
from support.flow_experiment import experiment_of, flow_images
from support.placeholder_store import placeholder_store
from support.places import CHECKOUT
from support.small_experiment import BASE, small_plan, use_small_experiment

from merjax.methods.registry import method_of
from merjax.methods.runs import RunId
from merjax.sweeps.chunks import GroupRuns, balanced_width
from merjax.sweeps.costs import stage_jobs, total_cost
from merjax.sweeps.plan import Plan, make_plan, open_data, plan_from_json
from merjax.sweeps.running.shards import Shard, refuse_idle
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.errors import MerjaxError
from merjax.training.selection import trains_inner, trains_outer

REGIONS = {"all": {}, "mouth": {"regions": ["mouth"]}, "slow": {"temporal.learning_rate": 1e-4}}


@pytest.fixture
def small(monkeypatch):
    use_small_experiment(monkeypatch.setattr)


def jobs_by_hand(plan: Plan) -> dict[tuple, str]:
    """The sharing hash of what every run asks for, by trial, fold, seed and side: each computed anew."""
    jobs = {}
    for chunk in plan.chunks:
        for trial, fold in chunk.runs:
            config = plan.trials[trial].config
            data = open_data(config, plan.inner)
            inside = data.held_out_inside(config.selection.inner) if trains_inner(config.selection) else None
            sides = [data] * trains_outer(config.selection) + [inside] * trains_inner(config.selection)
            for side in sides:
                job, *_ = method_of(config.method).identities(side, RunId(config, chunk.seed, fold))
                jobs[trial, fold, chunk.seed, side is inside] = job.hash
    return jobs


def shared_jobs(plan: Plan) -> list[str]:
    return [entry for chunk in plan.stages for entry in chunk.shared.entries]


@pytest.mark.parametrize(
    ("trials", "seeds"),
    [
        (REGIONS, 1),
        (REGIONS | {"other loss": {"loss.gamma": 1}}, 2),
        ({"fixed": {}, "all rules": {"selection.rules": ["fixed", "inner", "oracle"]}}, 1),
        ({"kept": {"selection": {"rules": ["inner"], "after": "keep"}}, "inner": {"selection.rules": ["inner"]}}, 1),
        ({"units": {"temporal.units": 8}, "others": {}}, 1),
    ],
)
@pytest.mark.usefixtures("small")
def test_each_job_is_in_one_shared_chunk_and_each_run_waits_for_its_own(trials, seeds):
    plan = small_plan(trials=trials, seeds=seeds)
    by_hand = jobs_by_hand(plan)
    alone = {chunk.runs[0][0] for chunk in plan.chunks if not chunk.needs}
    asked = [entry for (trial, *_), entry in by_hand.items() if trial not in alone]
    assert len(asked) > len(set(asked))
    assert sorted(shared_jobs(plan)) == sorted(set(asked))  # each once
    for chunk in plan.chunks:
        needed = {e for shared in plan.needed_by([chunk]) for e in shared.shared.entries}
        own = {entry for (t, f, s, _), entry in by_hand.items() if (t, f) in chunk.runs and s == chunk.seed}
        assert own <= needed if chunk.needs else not own & set(asked)
    runs = [(chunk.seed, run) for chunk in plan.chunks for run in chunk.runs]
    assert sorted(runs) == sorted((s, (t, f)) for s in range(seeds) for t in range(len(trials)) for f in range(4))


@pytest.mark.usefixtures("small")
def test_a_sweep_with_nothing_in_common_is_cut_as_ever():
    plan = small_plan(trials={"focal": {"loss.gamma": 2}, "cross-entropy": {"loss.gamma": 0}}, seeds=2)
    assert plan.stages == ()
    assert [chunk.runs for chunk in plan.chunks] == [tuple((t, f) for f in range(4)) for t in (0, 1)] * 2
    assert {chunk.needs for chunk in plan.chunks} == {()}
    assert "stages" not in plan.to_json()
    assert {key for chunk in plan.to_json()["chunks"] for key in chunk} == {"number", "group", "seed", "runs", "width"}


@pytest.mark.usefixtures("small")
def test_a_trial_with_fewer_seeds_is_trained_with_those_alone():
    """Also where it shares a stage with trials that have more."""
    trials = REGIONS | {"mouth": {"regions": ["mouth"], "seeds": 1}, "other": {"loss.gamma": 1, "seeds": [1]}}
    plan = small_plan(trials=trials, seeds=2)
    seeds = {(plan.trials[t].name, chunk.seed) for chunk in plan.chunks for t, _ in chunk.runs}
    assert seeds == {("all", 0), ("all", 1), ("slow", 0), ("slow", 1), ("mouth", 0), ("other", 1)}
    assert dict(zip(plan.table["trial"], plan.table["runs"], strict=True)) == {
        "all": 8,
        "mouth": 4,
        "slow": 8,
        "other": 4,
    }
    assert plan.runs == 24
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.usefixtures("small")
def test_without_sharing_the_same_runs_train_together():
    shared = small_plan(trials=REGIONS)
    apart = small_plan(base=BASE | {"engine": BASE["engine"] | {"share": False}}, trials=REGIONS)
    assert apart.stages == ()
    assert [chunk._replace(needs=()) for chunk in shared.chunks] == list(apart.chunks)
    assert {chunk.width for chunk in (*shared.stages, *shared.chunks)} == {4}


@pytest.mark.parametrize("engine", [{"keep_features": True}, {"stages": "elsewhere"}])
@pytest.mark.usefixtures("small")
def test_what_is_kept_for_later_is_trained_on_its_own(engine):
    plan = small_plan(base=BASE | {"engine": BASE["engine"] | engine})
    assert len(shared_jobs(plan)) == 4
    assert all(chunk.needs for chunk in plan.chunks)


@pytest.mark.usefixtures("small")
def test_a_plan_with_shared_chunks_is_read_back_as_it_was_written():
    plan = small_plan(trials=REGIONS, seeds=2)
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    numbers = [chunk.number for chunk in (*plan.chunks, *plan.stages)]
    assert numbers == list(range(len(numbers)))
    assert all(plan.chunk(number).number == number for number in numbers)


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.usefixtures("small")
def test_no_two_shards_train_one_job(total):
    plan = small_plan(trials=REGIONS, seeds=3, base=BASE | {"engine": BASE["engine"] | {"chunk": 2}})
    shares = [Shard(i + 1, total).of(plan) for i in range(total)]
    assert sorted(chunk.number for share in shares for chunk in share) == list(range(len(plan.chunks)))
    needed = [{chunk.number for chunk in plan.needed_by(share)} for share in shares]
    assert sorted(chain.from_iterable(needed)) == [chunk.number for chunk in plan.stages]
    assert max(map(len, needed)) - min(map(len, needed)) <= 1


@pytest.mark.usefixtures("small")
def test_a_job_of_inner_subjects_that_chunks_of_several_shards_would_take_keeps_them_together():
    """Two folds may have the same training subjects once the inner ones are left out; chunks are then cut along other lines."""
    base = BASE | {"engine": BASE["engine"] | {"chunk": 2}, "selection": {"rules": ["fixed", "inner"]}}
    plan = small_plan(trials=REGIONS, base=base, seeds=2)
    assert sum(shared.shared.inner for shared in plan.stages) > 1
    needed = [{chunk.number for chunk in plan.needed_by(Shard(i, 2).of(plan))} for i in (1, 2)]
    assert needed[0]
    assert not needed[0] & needed[1]


@pytest.mark.parametrize("total", [2, 3, 4, 5, 6])
@pytest.mark.usefixtures("small")
def test_every_shard_has_something_to_do_or_each_says_that_one_has_not(total):
    """Three chunks of each seed share one stage, and one has another."""
    trials = REGIONS | {"known": {"spatial.trained_on": "all frames"}}
    plan = small_plan(trials=trials, seeds=2)
    shares = [Shard(i + 1, total).of(plan) for i in range(total)]
    if all(shares):
        refuse_idle(Shard(1, total), plan)
        return
    parts = sum(map(bool, shares))
    with pytest.raises(
        MerjaxError, match=f"in {parts} parts, since those .* so that {total - parts} of {total} shards"
    ):
        refuse_idle(Shard(1, total), plan)
    assert total > 4


@pytest.mark.usefixtures("small")
def test_half_precision_is_another_output_of_the_same_job():
    plan = small_plan(
        trials={
            "half": {"temporal.precision": "float16"},
            "half, slow": {"temporal": {"precision": "float16", "learning_rate": 1e-5}},
            "whole": {},
        }
    )
    entries = shared_jobs(plan)
    assert len(entries) == 4
    assert all(entry.endswith("-float16") for entry in entries)
    assert {entry.partition("-")[0] for entry in entries} <= set(jobs_by_hand(plan).values())


@pytest.fixture(scope="module")
def published_store(tmp_path_factory):
    return placeholder_store(tmp_path_factory.mktemp("stores") / "all")


@pytest.mark.parametrize(
    ("name", "asked", "distinct"),
    [("table5_regions", 816, 408), ("table6_cnn", 408, 408), ("table7_loss", 612, 612)],
)
def test_the_papers_tables_at_full_size_train_as_many_jobs_as_counted_by_hand(published_store, name, asked, distinct):
    """Table 5 has 68 folds and 3 seeds, and of four trials three have one spatial stage; in the other two, none has."""
    plan = make_plan(read_sweep(CHECKOUT / "sweeps" / f"{name}.yaml", [{"data.store": str(published_store)}]), 2)
    runs = sum(len(chunk.runs) for chunk in plan.chunks)
    alone = sum(len(chunk.runs) for chunk in plan.chunks if not chunk.needs)
    assert (runs, alone + len(shared_jobs(plan))) == (asked, distinct)


def test_the_plan_and_the_report_count_jobs_as_by_hand(published_store):
    """Per group: three trials of regions share 204 jobs, the whole face has its own; the work without sharing is the sum of
    all stages of all runs."""
    plan = make_plan(read_sweep(CHECKOUT / "sweeps" / "table5_regions.yaml", [{"data.store": str(published_store)}]), 2)
    regions, face = (stage_jobs(plan, [g]) for g in (0, 1))
    assert (regions.asked, regions.distinct, regions.ready, regions.left) == (612, 204, 0, 204)
    assert (face.asked, face.distinct, face.ready, face.left) == (204, 204, 0, 204)
    costs = [group.cost for group in plan.groups]
    with_sharing = 204 * (costs[0]["spatial"] + 3 * costs[0]["temporal"])
    assert regions.saved == pytest.approx(612 * sum(costs[0].values()) / with_sharing)
    assert face.saved == 1
    assert regions.bytes == 204 * plan.groups[0].frames * 6 * 20 * 4
    together = stage_jobs(plan, [0, 1])
    assert str(together) == "816 spatial jobs asked for, 408 distinct, 0 found ready, 408 to train"
    assert total_cost(plan, [*plan.chunks, *plan.stages]) == pytest.approx(with_sharing + 204 * sum(costs[1].values()))
    first = plan.stages[0]
    found = stage_jobs(plan, [0], is_ready=lambda entry: entry in first.shared.entries)
    assert (found.ready, found.left) == (len(first.runs), 204 - len(first.runs))
    assert stage_jobs(plan, [0], finished=plan.chunks).left == 0


@pytest.mark.usefixtures("small")
def test_a_method_with_one_stage_has_nothing_to_share(monkeypatch):
    monkeypatch.setattr("merjax.sweeps.plan.data_of", lambda data: experiment_of(flow_images()))
    plan = small_plan(base={"method": "off_apexnet"}, trials={"one": {}, "two": {"svm.cost": 2}})
    assert plan.stages == ()
    assert stage_jobs(plan, [0]) is None


@pytest.mark.parametrize(
    ("runs", "workers", "width"),
    [
        (12, 2, 3),  # three chunks of four would leave one of two workers without the last
        (12, 1, 4),
        (6, 2, 3),
        (68, 2, 4),
        (20, 2, 4),
        (18, 4, 3),
        (3, 8, 1),
        (1, 2, 1),
    ],
)
def test_workers_get_equal_numbers_of_chunks_where_the_user_has_not_said_how_many_runs_train_together_and_runs_allow(
    runs, workers, width
):
    group = GroupRuns(None, (0,), (), most=4, divided=True)
    assert group.together(range(runs), workers) == width
    asked = group._replace(divided=False)
    assert asked.together(range(runs), workers) == balanced_width(runs, 4)
