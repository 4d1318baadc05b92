"""Folders of runs without training: a plan, and predictions that are right with a given probability."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.config import make_config
from merjax.protocols import SCHEMES
from merjax.protocols.tasks import Task
from merjax.scoring.entry import SHUFFLED_ALL, GroupData
from merjax.sweeps.folder import write_chunk
from merjax.sweeps.leaking import told_name
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.sweep_file import Trial
from merjax.system.files import write_json

SMALL = {"smic": (5, 4, 3), "casme2": (6, 4, 3), "samm": (4, 3, 3)}


def fake_clips(counts: Mapping[str, Sequence[int]], subjects: Mapping[str, int], seed: int = 0) -> pd.DataFrame:
    """Clips with database, subject, clip and label; every subject has at least one."""
    rng = np.random.default_rng(seed)
    tables = []
    for database, of_class in counts.items():
        label_N = rng.permutation(np.repeat(np.arange(len(of_class)), of_class))
        people = subjects[database]
        of_N = rng.permutation(np.concatenate([np.arange(people), rng.integers(0, people, len(label_N) - people)]))
        tables.append(
            pd.DataFrame(
                {
                    "database": database,
                    "subject": [f"s{s:02d}" for s in of_N],
                    "clip": [f"c{i:03d}" for i in range(len(label_N))],
                    "label": label_N,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def small_clips(databases: Sequence[str] = ("smic", "casme2", "samm")) -> pd.DataFrame:
    return fake_clips({name: SMALL[name] for name in databases}, dict.fromkeys(databases, 4))


def megc_clips(protocol: str = "megc3") -> pd.DataFrame:
    """As many clips and subjects as the protocol has, with invented names."""
    scheme = SCHEMES[protocol]
    return fake_clips(scheme.expected, scheme.expected_subjects)


def loso(clips: pd.DataFrame) -> dict[str, np.ndarray]:
    subject_N = (clips["database"] + "/" + clips["subject"]).to_numpy(str)
    return {subject: subject_N == subject for subject in sorted(set(subject_N))}


def unit_clips(counts: Mapping[str, int], subjects: int = 4, seed: int = 0) -> pd.DataFrame:
    """So many clips of databases, each with some of the twelve action units; each is shown by one clip in five."""
    clips = fake_clips({name: (n,) for name, n in counts.items()}, dict.fromkeys(counts, subjects), seed)
    task = SCHEMES["au12"].task
    shown_NxK = np.random.default_rng(seed).random((len(clips), len(task.classes))) < 0.2
    return clips.assign(label=task.label_of(shown_NxK))


def unit_predictions(clips: pd.DataFrame, task: Task, skill: float, rng: np.random.Generator) -> pd.DataFrame:
    """Predictions that are right about each class with probability `skill`, and probabilities that agree with them."""
    truth_NxK = task.members(clips["label"].to_numpy())
    said_NxK = np.where(rng.random(truth_NxK.shape) < skill, truth_NxK, rng.random(truth_NxK.shape) < 0.2)
    probability_NxK = np.where(said_NxK, rng.uniform(0.51, 1, said_NxK.shape), rng.uniform(0, 0.49, said_NxK.shape))
    probabilities = {f"p_{name}": probability_NxK[:, k] for k, name in enumerate(task.classes)}
    return clips.reset_index(drop=True).assign(prediction=task.label_of(said_NxK), **probabilities)


def fake_predictions(clips: pd.DataFrame, task: Task, skill: float, rng: np.random.Generator) -> pd.DataFrame:
    """Predictions that are right with probability `skill`, and class probabilities whose largest is that of the prediction."""
    if task.several:
        return unit_predictions(clips, task, skill, rng)
    classes = task.classes
    knows_N = rng.random(len(clips)) < skill
    probability_NxK = rng.dirichlet(np.ones(len(classes)), len(clips)).astype(np.float32)
    prediction_N = np.where(knows_N, clips["label"], probability_NxK.argmax(1))
    rows = np.arange(len(clips))
    top_N = probability_NxK.argmax(1)
    swapped = probability_NxK.copy()
    swapped[rows, top_N], swapped[rows, prediction_N] = (
        probability_NxK[rows, prediction_N],
        probability_NxK[rows, top_N],
    )
    probabilities = {f"p_{name}": swapped[:, k] for k, name in enumerate(classes)}
    return clips.reset_index(drop=True).assign(prediction=prediction_N, **probabilities)


def shuffled_within(clips: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The clips with the labels of each database permuted."""
    rng = np.random.default_rng(seed)
    return clips.assign(label=clips.groupby("database")["label"].transform(lambda own: rng.permutation(own)))


def write_fake_run(
    folder: Path,
    *,
    name: str = "mine",
    clips: pd.DataFrame | None = None,
    folds: Mapping[str, np.ndarray] | None = None,
    skills: Mapping[str, float] | None = None,
    seeds: Sequence[int] = (0,),
    selections: Mapping[str, float] | None = None,
    data: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    unfinished: Sequence[int] = (),
    published: str = "",
    rows: Mapping[str, str] | None = None,
    diverged: Sequence[tuple[str, int]] = (),
    chunk_runs: int = 6,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """A run's folder as `merjax.sweep` leaves it.

    Args:
        folder: to write.
        name: of the sweep.
        clips: as from `fake_clips`.
        folds: held-out clips by fold name; leave-one-subject-out without.
        skills: by trial name, the probability of knowing a clip's label.
        seeds: of the runs.
        selections: if given, a column `selection` and what each value adds to the skill.
        data: overrides what the plan says about the data, by the keys of plan.json.
        settings: of all trials' configs.
        unfinished: numbers of chunks to leave out.
        published: the published table that it repeats.
        rows: by trial name, the published row beside it.
        diverged: (trial, fold number) whose predictions are -1.
        chunk_runs: runs per chunk.
        overrides: by trial name, what it sets; without, loss.gamma is the trial's number.
    """
    clips = small_clips() if clips is None else clips
    folds = loso(clips) if folds is None else folds
    skills = {"focal": 0.7, "cross-entropy": 0.5} if skills is None else skills
    protocol = (data or {}).get("protocol", "megc3")
    task = SCHEMES[protocol].task if protocol in SCHEMES else Task(tuple((data or {})["classes"]))
    described = {
        "store": "nowhere",
        "store_hash": "0" * 32,
        "split_hash": "1" * 16,
        "label_hash": "2" * 16,
        "protocol": protocol,
        **task._asdict(),
        "folds": list(folds),
        "clips": len(clips),
        "frames": 8 * len(clips),
        "subjects": len(clips[["database", "subject"]].drop_duplicates()),
        "dropped": [],
        "left_out": [],
        "statement": "",
        "work": {"spatial": 1.0, "temporal": 1.0},
    } | dict(data or {})
    own_settings = overrides or {}
    settings_of = [dict(own_settings.get(trial, {"loss.gamma": float(i)})) for i, trial in enumerate(skills)]
    configs = [make_config(settings or {}, own) for own in settings_of]
    trials = tuple(
        Trial(told_name(trial, config), own, config, (), (rows or {}).get(trial, ""))
        for trial, own, config in zip(skills, settings_of, configs, strict=True)
    )
    runs = [(t, f) for t in range(len(trials)) for f in range(len(folds))]
    cut = [(seed, runs[i : i + chunk_runs]) for seed in seeds for i in range(0, len(runs), chunk_runs)]
    chunks = tuple(Chunk(n, 0, seed, tuple(part), chunk_runs) for n, (seed, part) in enumerate(cut))
    plan = Plan(
        name, trials, tuple(seeds), (0,) * len(trials), chunks, (GroupData.from_json(described),), published=published
    )
    folder.mkdir(parents=True)
    write_json(folder / "plan.json", plan.to_json())
    for chunk in chunks:
        if chunk.number in unfinished:
            continue
        predictions, curves = [], []
        for t, f in chunk.runs:
            trial, fold = trials[t].name, list(folds)[f]
            for selection, extra in (selections or {"": 0.0}).items():
                rng = np.random.default_rng([t, f, chunk.seed, len(selection)])
                known = shuffled_within(clips, chunk.seed) if trials[t].config.control == SHUFFLED_ALL else clips
                own = fake_predictions(known[folds[fold]], task, [*skills.values()][t] + extra, rng)
                own = own.assign(fold=fold, trial=trial, seed=chunk.seed)
                if (trial, f) in diverged:
                    own["prediction"] = -1
                step = int(rng.integers(1, 12)) if selection in ("inner", "oracle") else 12
                predictions.append(own.assign(selection=selection, step=step) if selection else own)
            curves += [
                _curve(trial, fold, chunk.seed, stage, steps) for stage, steps in (("spatial", 30), ("temporal", 12))
            ]
        write_chunk(folder, chunk, pd.concat(predictions, ignore_index=True), pd.concat(curves, ignore_index=True))
    return folder


def _curve(trial: str, fold: str, seed: int, stage: str, steps: int) -> pd.DataFrame:
    step = np.arange(steps)
    rng = np.random.default_rng([seed, steps, len(fold), len(trial)])
    loss = np.exp(-step / steps) * rng.uniform(0.8, 1.2, steps)
    return pd.DataFrame(
        {
            "trial": trial,
            "fold": fold,
            "seed": seed,
            "stage": stage,
            "step": step,
            "loss": loss,
            "accuracy": 1 - loss / 3,
        }
    )
