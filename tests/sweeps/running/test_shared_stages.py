"""A stage that trials have in common: trained once, with the results of training it for each of them."""

import functools
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from support.commands import checkout_environment
from support.small_experiment import BASE, SHARED, small_experiment, small_plan, use_small_experiment

import merjax.methods.runs
import merjax.sweeps.plan
import merjax.sweeps.running.shared_stages
import merjax.sweeps.running.take_chunks
import merjax.sweeps.running.train_chunk
from merjax.config import make_config
from merjax.engine import Engine, Progress
from merjax.methods.runs import RunId, label_source
from merjax.methods.spatial_stage import SPATIAL
from merjax.sweeps.folder import read_curves, read_predictions, write_chunk
from merjax.sweeps.kept_stages import entries_in, is_there, read_entry, remove_unneeded, stages_of
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener
from merjax.sweeps.running.shared_stages import next_work
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.training.selection import training_name

KEPT = {"keep_features": True}
KILLS = 14  # fifty take two minutes of two cores


@functools.cache
def one_engine() -> Engine:
    """Shared by all sweeps of this file: tracing and compiling takes ten times as long as training."""
    return Engine("map", 2, jax.devices()[:1])


def use_one_engine(setattr) -> None:
    use_small_experiment(setattr)
    setattr(merjax.methods.runs, "Engine", lambda *args: one_engine())


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    use_one_engine(monkeypatch.setattr)


class Trainings(Listener):
    """Counts how often each chunk's stages were trained to the end."""

    def __init__(self) -> None:
        self.ends: Counter[tuple[int, str]] = Counter()
        self.warnings: list[str] = []

    def called(self, chunk: Chunk, progress: Progress) -> None:
        if progress.step == progress.steps:
            self.ends[chunk.number, training_name(progress.stage, progress.inner)] += 1

    def warned(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def of(self, stage: str) -> int:
        return sum(n for (_, name), n in self.ends.items() if name == stage)


def plan_of(folder: Path | None, engine=(), base=(), **content) -> Plan:
    settings = BASE | dict(base) | {"engine": BASE["engine"] | {"checkpoint_minutes": 60} | dict(engine)}
    return small_plan(folder, base=settings, **({"trials": SHARED} | content))


def trained(folder: Path, **content) -> tuple[Plan, Trainings]:
    plan, told = plan_of(folder, **content), Trainings()
    take_chunks(folder, told)
    return plan, told


def tables(folder: Path, plan: Plan) -> list[pd.DataFrame]:
    keys = ["trial", "fold", "seed"]
    found = read_predictions(folder, plan.chunks), read_curves(folder, plan.chunks)
    return [
        table.sort_values(
            [*keys, *(k for k in ("selection", "stage", "step", "clip") if k in table)], ignore_index=True
        )
        for table in found
    ]


def assert_same(one: tuple[Path, Plan], other: tuple[Path, Plan]) -> None:
    for first, second in zip(tables(*one), tables(*other), strict=True):
        pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.fixture(scope="module")
def apart(tmp_path_factory) -> tuple[Path, Plan]:
    folder = tmp_path_factory.mktemp("apart") / "run"
    with pytest.MonkeyPatch.context() as patch:
        use_one_engine(patch.setattr)
        plan, told = trained(folder, engine={"share": False})
    assert told.of("spatial") == 3
    return folder, plan


def test_a_shared_stage_is_trained_once_and_no_bit_differs_from_training_it_for_each_trial(apart, tmp_path):
    plan, told = trained(tmp_path / "run")
    assert told.ends == {(3, "spatial"): 1} | {(n, "temporal"): 1 for n in range(3)}
    assert_same((tmp_path / "run", plan), apart)
    assert not (tmp_path / "run" / "stages").exists()  # nothing waits for it any more
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))
    assert told.warnings == []


AUDIT = {
    "fold": {},
    "fold, shuffled": {"control": "shuffle everything"},
    "half": {"spatial.trained_on": "half of all frames"},
    "half, shuffled": {"spatial.trained_on": "half of all frames", "control": "shuffle everything"},
}


def test_a_stage_on_half_of_all_frames_is_trained_once_and_scores_take_the_labels_that_it_took(tmp_path):
    trials = {f"{name}{gamma}": AUDIT[name] | {"loss.gamma": gamma} for gamma in (0, 2) for name in [*AUDIT][2:]}
    plan, told = trained(tmp_path / "run", trials=trials)  # four jobs together, as in the other sweeps of this file
    (shared,) = plan.stages
    assert shared.runs == ((0, 0), (1, 0), (2, 0), (3, 0))
    assert told.ends[shared.number, "spatial"] == told.of("spatial") == 1
    rows, data = read_predictions(tmp_path / "run", plan.chunks), small_experiment()
    spec = RunId(make_config({"control": "shuffle everything"}), 0, 0)
    for control, source_N in (("half0", slice(None)), ("half, shuffled2", label_source(data, spec))):
        own = rows[rows["trial"].str.startswith(control)]
        truth = dict(zip(data.index["clip"], data.target_N[source_N], strict=True))
        assert len(own) == len(data.index)
        assert (own["label"] == own["clip"].map(truth)).all()
    assert (label_source(data, spec) != np.arange(len(data.index))).any()


@pytest.mark.long
def test_no_bit_differs_from_training_the_leaking_stage_for_each_fold(tmp_path):
    once, _ = trained(tmp_path / "once", trials=AUDIT, seeds=2)
    each, _ = trained(tmp_path / "each", trials=AUDIT, seeds=2, engine={"share": False})
    assert_same((tmp_path / "once", once), (tmp_path / "each", each))


@pytest.mark.long
def test_all_rules_of_selection_take_what_one_training_gave(tmp_path):
    rules = {"selection": {"rules": ["fixed", "inner", "oracle"], "looks": 3}}
    trials = {"fixed": {}, "all rules": rules, "all rules, mouth": rules | {"regions": ["mouth"]}}
    plan, told = trained(tmp_path / "run", trials=trials)
    assert (told.of("spatial"), told.of("inner spatial")) == (1, 1)
    assert (told.of("temporal"), told.of("inner temporal")) == (3, 2)
    other, _ = trained(tmp_path / "apart", trials=trials, engine={"share": False})
    assert_same((tmp_path / "run", plan), (tmp_path / "apart", other))


def test_features_are_kept_if_asked_for_and_are_those_of_all_frames_in_use(tmp_path):
    plan, _ = trained(tmp_path / "run", engine=KEPT)
    place = stages_of(tmp_path / "run")
    (shared,) = plan.stages
    assert entries_in(place) == sorted(shared.shared.entries)
    assert not list(place.glob(".*"))
    for entry in shared.shared.entries:
        kept = read_entry(place, entry, SPATIAL, variables=False)
        assert isinstance(kept.output, np.memmap)
        assert (kept.output.shape, kept.output.dtype) == ((24, 2, 20), np.float32)
        assert np.isfinite(kept.curves["loss"]).all()


@pytest.mark.long
def test_a_run_alone_and_in_any_chunk_gives_what_it_gives_in_company(apart, tmp_path):
    """Alone, the trial has nothing in common with another; in chunks of two, other runs train beside it."""
    whole, _ = tables(*apart)
    for name, content in {"alone": {"trials": {"slow": SHARED["slow"]}}, "pairs": {"engine": {"chunk": 2}}}.items():
        plan, _ = trained(tmp_path / name, **content)
        found, _ = tables(tmp_path / name, plan)
        both = whole.merge(found, on=["trial", "fold", "seed", "clip"], suffixes=("", "_found"))
        assert len(both) == len(found)
        for k in ("negative", "positive", "surprise"):
            np.testing.assert_allclose(both[f"p_{k}_found"], both[f"p_{k}"], atol=1e-5)


class Stop(Exception):
    pass


class StoppedAfter(Trainings):
    """Ends the process's work, as a kill does, after a chunk's stage was trained to the end."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def finished(self, chunk: Chunk) -> None:
        if chunk.number == self.number:
            raise Stop


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("file", ["features.npy", "curves.npz", "entry.json", "removed"])
def test_what_was_damaged_or_edited_is_trained_again_with_a_warning(apart, tmp_path, file):
    plan = plan_of(tmp_path / "run")
    with pytest.raises(Stop):
        take_chunks(tmp_path / "run", StoppedAfter(3))
    place, (shared,) = stages_of(tmp_path / "run"), plan.stages
    entry = shared.shared.entries[1]
    if file == "removed":
        (place / entry / "features.npy").unlink()
    elif file == "entry.json":
        path = place / entry / file
        path.write_text(path.read_text().replace('"version": "0.2.0"', '"version": "0.2.1"'))
    else:
        damage(place / entry / file)
    told = Trainings()
    take_chunks(tmp_path / "run", told)
    assert [entry in sentence and sentence.endswith("it is trained again") for sentence in told.warnings] == [True]
    assert told.of("spatial") == 1
    assert_same((tmp_path / "run", plan), apart)


def test_of_a_shared_chunk_only_what_is_lacking_is_trained(apart, tmp_path, monkeypatch):
    plan = plan_of(tmp_path / "run")
    with pytest.raises(Stop):
        take_chunks(tmp_path / "run", StoppedAfter(3))
    place, (shared,) = stages_of(tmp_path / "run"), plan.stages
    damage(place / shared.shared.entries[2] / "features.npy")
    runs = []
    train = merjax.sweeps.running.shared_stages.train_stage
    monkeypatch.setattr(
        merjax.sweeps.running.shared_stages,
        "train_stage",
        lambda plan, chunk, *rest: runs.append(chunk.runs) or train(plan, chunk, *rest),
    )
    take_chunks(tmp_path / "run")
    assert runs == [((0, 2),)]
    assert_same((tmp_path / "run", plan), apart)


def test_a_process_that_ends_between_two_outputs_has_trained_nothing_for_nothing(apart, tmp_path, monkeypatch):
    plan = plan_of(tmp_path / "run")
    write, written = merjax.sweeps.running.shared_stages.write_entry, []

    def write_two(place, entry, *rest, **which):
        if len(written) == 2:
            (place / f".{entry}.elsewhere.17").mkdir()
            raise Stop
        written.append(entry)
        write(place, entry, *rest, **which)

    with monkeypatch.context() as killed:
        killed.setattr(merjax.sweeps.running.shared_stages, "write_entry", write_two)
        with pytest.raises(Stop):
            take_chunks(tmp_path / "run")
    assert [is_there(stages_of(tmp_path / "run"), e) for e in plan.stages[0].shared.entries] == [
        True,
        True,
        False,
        False,
    ]
    told = Trainings()
    take_chunks(tmp_path / "run", told)
    assert told.of("spatial") == 0  # from its last checkpoint
    assert told.warnings == []
    assert_same((tmp_path / "run", plan), apart)
    assert not (tmp_path / "run" / "stages").exists()
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


def finish_elsewhere(folder: Path, plan: Plan) -> None:
    """As another process does that finishes all chunks, after which nothing waits for what they shared."""
    for chunk in plan.chunks:
        write_chunk(folder, chunk, pd.DataFrame({"x": [0]}), pd.DataFrame({"x": [0]}))
    remove_unneeded(folder, plan, plan.stages)


def test_the_next_shared_chunks_train_before_runs_that_could_train_but_not_all_of_them(tmp_path):
    """So nobody waits at the end while one process trains the last of them, and the disk holds a few at a time."""
    plan = plan_of(tmp_path / "run", engine={"chunk": 1}, seeds=2)
    assert len(plan.stages) == 8
    for entry in plan.stages[0].shared.entries:
        (tmp_path / "run" / "stages" / entry).mkdir(parents=True)
        (tmp_path / "run" / "stages" / entry / "entry.json").write_text("{}")
    work = [*next_work(tmp_path / "run", plan, plan.chunks)]
    offered = [chunk.number for chunk in work]
    first = offered.index(next(n for n in offered if n < len(plan.chunks)))
    assert offered[:first] == [stage.number for stage in plan.stages[1:4]]
    assert work[first].needs == (plan.stages[0].number,)


def test_what_another_process_has_trained_used_and_removed_meanwhile_is_not_trained_again(tmp_path, monkeypatch):
    plan, told = plan_of(tmp_path / "run"), Trainings()
    work = next_work(tmp_path / "run", plan, plan.chunks)
    assert next(work) == plan.stages[0]  # another process has it
    finish_elsewhere(tmp_path / "run", plan)
    assert list(work) == []
    plan = plan_of(tmp_path / "late")
    part = merjax.sweeps.running.take_chunks.part_to_train

    def late(*args):
        finish_elsewhere(tmp_path / "late", plan)  # between the look at what is there and the claim
        return part(*args)

    monkeypatch.setattr(merjax.sweeps.running.take_chunks, "part_to_train", late)
    take_chunks(tmp_path / "late", told)
    assert told.ends == {}


def test_a_sweep_takes_what_another_sweep_has_trained(apart, tmp_path):
    """The second sweep has other trials, another place of its store and results, and finds the spatial stage there."""
    library = {"stages": str(tmp_path / "library")}
    _, told = trained(tmp_path / "one", trials={"slow": SHARED["slow"]}, engine=library)
    assert told.of("spatial") == 1
    assert len(entries_in(tmp_path / "library")) == 4
    assert not (tmp_path / "one" / "stages").exists()
    plan, told = trained(tmp_path / "two", engine=library, base={"data": {"store": "elsewhere"}})
    assert (told.of("spatial"), told.of("temporal"), told.warnings) == (0, 3, [])
    assert_same((tmp_path / "two", plan), apart)
    victim = entries_in(tmp_path / "library")[0]
    damage(tmp_path / "library" / victim / "features.npy")
    plan, told = trained(tmp_path / "three", engine=library)
    (sentence,) = told.warnings
    assert victim in sentence
    assert told.of("spatial") == 1
    assert_same((tmp_path / "three", plan), apart)
    assert len(entries_in(tmp_path / "library")) == 4  # what was damaged there has been replaced


def test_a_shared_folder_that_cannot_be_used_does_not_stop_a_sweep(apart, tmp_path):
    (tmp_path / "library").write_text("a file")
    plan, told = trained(tmp_path / "run", engine={"stages": str(tmp_path / "library")})
    (sentence,) = told.warnings
    assert sentence.endswith("is a file, not a folder); the sweep goes on without it")
    assert_same((tmp_path / "run", plan), apart)


@pytest.mark.long
def test_models_have_what_a_shared_stage_learnt(tmp_path):
    import merjax

    models = {}
    for share in (True, False):
        folder = tmp_path / str(share)
        trained(folder, engine={"share": share, "save_models": True})
        found = sorted((folder / "models").glob("*/*/*"))
        assert len(found) == 12
        models[share] = [merjax.load_model(found[place]) for place in (0, 5)]
    for one, other in zip(models[True], models[False], strict=True):
        aside = {"files": {}, "config": {}}  # other files of the same arrays, and the setting itself
        assert one.card | aside == other.card | aside
        for stage, learned in one.learned.items():
            for name, values in learned.variables.params.items():
                np.testing.assert_equal(values, other.learned[stage].variables.params[name])


def test_what_is_held_out_does_not_reach_a_shared_job(tmp_path, monkeypatch):
    """The pixels and labels of the subject that fold 1 holds out change: that fold's job has the same key and another hash,
    and what it learnt, seen on all other clips, is the same in every bit."""
    kept = {}
    for name in ("before", "after"):
        if name == "after":
            monkeypatch.setattr(merjax.sweeps.plan, "data_of", lambda data: altered())
        plan, _ = trained(tmp_path / name, engine=KEPT)
        entries = dict(zip(plan.stages[0].runs, plan.stages[0].shared.entries, strict=True))
        place = stages_of(tmp_path / name)
        kept[name] = {
            fold: (entry, np.array(read_entry(place, entry, SPATIAL, variables=False).output))
            for (_, fold), entry in entries.items()
        }
    others_S = ~small_experiment().folds[1].test_N[small_experiment().clip_S]
    (entry, before), (changed, after) = kept["before"][1], kept["after"][1]
    assert entry != changed
    assert (before[others_S] == after[others_S]).all()
    assert (kept["before"][0][1][others_S] != kept["after"][0][1][others_S]).any()  # there it is trained on


def altered():
    data = small_experiment()
    test_N = data.folds[1].test_N
    crops = {name: np.where(test_N[data.clip_S, None, None], 255 - x, x) for name, x in data.store.crops.items()}
    return replace(
        data,
        store=replace(data.store, crops=crops, meta=data.store.meta | {"hash": "altered"}),
        target_N=np.where(test_N, (data.target_N + 1) % 3, data.target_N),
        target_NxR=np.where(test_N[:, None], 0, data.target_NxR),
    )


LINE = "fixed", "tiny", "shared"  # what small_worker takes to train trials that share a stage


def started(folder: Path, shard: str) -> subprocess.Popen:
    line = [sys.executable, "-m", "support.small_worker", str(folder), shard, *LINE]
    return subprocess.Popen(line, env=checkout_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def calls_of(process: subprocess.Popen) -> list[str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode in (0, -signal.SIGKILL), err
    assert "warning" not in out
    return [line for line in out.splitlines() if line.startswith("call")]


@pytest.mark.long
def test_kills_of_two_processes_lose_nothing_and_train_nothing_twice(tmp_path):
    """Two processes on one folder are killed at random moments; a folder that is finished meanwhile gives way to another. In
    every second folder they take chunks from each other, as the workers of one shard do."""
    code = started(tmp_path / "whole", "1/1")
    assert calls_of(code)
    whole = {path.name: pd.read_parquet(path) for path in (tmp_path / "whole").glob("*.parquet")}
    dice, kills, folders = random.Random(0), 0, []
    while kills < KILLS:
        folders.append(tmp_path / f"run{len(folders)}")
        calls: list[str] = []
        while True:
            both = [started(folders[-1], shard) for shard in (("1/2", "2/2") if len(folders) % 2 else ("1/1", "1/1"))]
            for process in both:
                calls += [process.stdout.readline().strip() for _ in range(dice.randint(0, 4))]
            time.sleep(dice.uniform(0, 0.2))
            for process in both if kills < KILLS else ():
                process.kill()
            for process in both:
                calls += calls_of(process)
                kills += process.returncode == -signal.SIGKILL
            if all(process.returncode == 0 for process in both):
                break
        assert_trained_once([call for call in calls if call])
        found = {path.name: pd.read_parquet(path) for path in folders[-1].glob("*.parquet")}
        assert found.keys() == whole.keys()
        for name, table in whole.items():
            pd.testing.assert_frame_equal(found[name], table, check_exact=True)
        left = [path for path in folders[-1].rglob("*") if path.name.startswith(".")]
        assert left == []
        assert not (folders[-1] / "stages").exists()
        assert not list((folders[-1] / "checkpoints").glob("*"))


def assert_trained_once(calls: list[str]) -> None:
    """A kill loses one call at most, which is then made again; no stage of a chunk is trained from its beginning to its end
    twice."""
    steps: dict[str, Counter[int]] = {}
    for call in calls:
        job, _, step = call.rpartition(" ")
        steps.setdefault(job, Counter())[int(step)] += 1
    for job, times in steps.items():
        assert min(times.values()) == 1, job
