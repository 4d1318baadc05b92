"""What a group of trials trains on, as a plan keeps it."""

from typing import Any

import pandas as pd

from merjax.config import Config
from merjax.methods.registry import method_of
from merjax.scoring.entry import GroupData, SkippedClip
from merjax.training.frames import counted_at
from merjax.training.selection import training_name, trains_inner, trains_outer
from merjax.training.spotting_data import Data, SpottingData


def describe(data: Data, config: Config) -> GroupData:
    """What a group trains on, for the plan."""
    common: dict[str, Any] = {
        "store": str(data.store.path),
        "store_hash": data.store.hash,
        "feature_hash": "".join(data.feature_hashes(method_of(config.method).feature(config))),
        "split_hash": data.split_hash,
        "label_hash": data.label_hash,
        **data.task._asdict(),
        "folds": tuple(fold.id for fold in data.folds),
        "clips": len(data.index),
        "subjects": len(data.index[["database", "subject"]].drop_duplicates()),
        "cost": cost_of_run(data, config),
    }
    if isinstance(data, SpottingData):
        windows = method_of(config.method).windows_said(data, config)
        dropped = tuple(SkippedClip._make([*key.split("/", 2), why]) for key, why in data.store.dropped.items())
        return GroupData(
            **common,
            protocol="spotting",
            frames=data.frames,
            statement=data.store.statement,
            dropped=dropped,
            windows=windows,
        )
    n_cut = method_of(config.method).cut(data, config)
    rates, counting = counted_at(config, data.index)
    return GroupData(
        **common,
        protocol=data.scheme.name,
        frames=len(data.row_S),
        dropped=_skipped(data.store.dropped),
        left_out=_skipped(data.left_out),
        statement=data.store.statement,
        cut=n_cut,
        length=config.temporal.length if n_cut else 0,
        rates=rates,
        counting=counting,
    )


def cost_of_run(data: Data, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run's stages, in units of 1e9, in the order in which they train: those without the inner
    subjects first. They serve to estimate a sweep's progress."""
    selection, once = config.selection, method_of(config.method).cost(data, config)
    inner = {training_name(stage, inner=True): work for stage, work in once.items()} if trains_inner(selection) else {}
    return inner | (once if trains_outer(selection) else {})


def _skipped(clips: pd.DataFrame) -> tuple[SkippedClip, ...]:
    return tuple(map(SkippedClip._make, clips[[*SkippedClip._fields]].to_numpy().tolist()))
