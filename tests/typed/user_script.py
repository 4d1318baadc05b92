"""A user's script that uses every public name; `tests/test_typed.py` checks it with a strict type checker."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import merjax
from merjax import (
    Analysis,
    Config,
    FinalModel,
    MerjaxError,
    Model,
    MotionStore,
    Release,
    Store,
    SweepResult,
    TrainingData,
    insight,
)


def releases(root: Path) -> list[Release]:
    made: Path = merjax.synthesize_release(root / "made", layout="samm", portraits="faces", subjects=4, seed=1)
    return [
        merjax.read_casme2("data/casme2", annotations="coding.xlsx", classes=Path("classes.xlsx")),
        merjax.read_samm(made, overrides={"samm": {"006/006_1_2": {"apex": 5566}}}),
        merjax.read_smic(root / "smic", overrides="corrections.yaml"),
        merjax.read_casme1(root / "casme1", annotations="casme.xlsx"),
        merjax.read_casme_squared(root / "casme_squared", kind="all", offsets="mirrored"),
        merjax.read_casme3("data/casme3", annotations=["JpgIndex_v2.xlsx", Path("part_A_v2.xls")], kind="macro"),
        merjax.read_samm_long("data/samm_long", emotions="SAMM_Micro_FACS_Codes_v2.xlsx"),
        merjax.read_dfme("data/dfme", annotations=["train.xlsx", "testA.xlsx"]),
        merjax.read_mmew(root / "mmew", overrides={"mmew": {"all": {"fps": 60}}}),
        *merjax.read_own("clips.csv"),
    ]


def store_of(found: Sequence[Release], out: str) -> Store:
    if Path(out).exists():
        return merjax.open_store(out)
    return merjax.prepare_store(found, out, colour="rgb", align="frame", features=["flow28", "motion"], workers=4)


def clips_per_subject(data: TrainingData) -> pd.Series:
    held_out: list[int] = [int(fold.test_N.sum()) for fold in data.folds]
    return pd.Series(held_out, index=[fold.name for fold in data.folds])


def train(store: Store) -> SweepResult:
    config: Config = merjax.load_model("runs/before/models/base/seed0/s01").config
    merjax.run_sweep(config, out=Path("runs/again"))
    return merjax.run_sweep({"base": {"data": {"store": str(store.path)}}}, out="runs/mine", loss={"gamma": 1.5})


def look_into(model: Model, store: Store) -> float:
    table: pd.DataFrame = model(store)
    evidence: pd.DataFrame = insight.regions(model, data=merjax.load_data(store, protocol="megc3", frames="count:8"))
    maps = insight.saliency(model, "casme2/sub01/EP02_01f", target="negative")
    return float(np.mean([values.max() for values in maps.values()])) + len(table) + len(evidence)


def motion_of(release: Release) -> MotionStore:
    if Path("stores/long").exists():
        return merjax.open_motion_store("stores/long")
    videos = [*merjax.long_videos(release), *merjax.read_own_videos("videos.csv", Path("intervals.csv"))]
    return merjax.prepare_motion_store(videos, "stores/long", face=1, hertz=30, workers=2)


def recorded(model: FinalModel) -> list[str]:
    analysis: Analysis = merjax.analyse("talk.mp4", model, out=Path("found"), face=1)
    table: pd.DataFrame = analysis.table
    print(table, analysis.motion_FxR.shape, merjax.analyse(Path("frames"), fps=30).told)
    return [one.kind for one in analysis.intervals]


def main() -> None:
    print(merjax.__version__)
    try:
        found = releases(Path("data"))
    except MerjaxError as error:
        raise SystemExit(str(error)) from error
    single: Store = merjax.prepare_store(found[0], Path("stores/one"))
    store = store_of(found, "stores/all")
    print(single, clips_per_subject(merjax.load_data("stores/all", folds="group:5")))
    result = train(store)
    again: SweepResult = merjax.open_sweep("runs/mine")
    scores: pd.DataFrame = again.scores
    print(scores, result.predictions, result.curves, result.plan, result.missing, result.report())
    page: Path = merjax.make_report([result, "runs/other"], "reports/both", base="base", crops=False)
    print(page, merjax.rescore("log.txt", clips="clips.csv"))
    spotted: pd.DataFrame = merjax.rescore_intervals("found.csv", truth=Path("truth.csv")).table
    print(spotted, [video.key for video in motion_of(found[4]).videos])
    print(recorded(merjax.load_final_model("models/mine")))
    print(look_into(merjax.load_model(Path("runs/mine/models/base/seed0/s01")), store))


if __name__ == "__main__":
    main()
