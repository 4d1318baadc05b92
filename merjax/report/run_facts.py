"""What was run: settings, data, devices and versions of each sweep, for the end of the page."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from merjax.report.figures import curve_figure
from merjax.report.pictures import Picture, drawn
from merjax.report.section import MOST_DETAILED, Section
from merjax.scoring.entry import GroupData
from merjax.sweeps.costs import stage_jobs
from merjax.sweeps.result import SweepResult
from merjax.system.console import duration
from merjax.system.settings import flatten


def run_facts(run: SweepResult, sections: Sequence[Section]) -> dict[str, Any]:
    """The facts of a sweep, its settings and its curves."""
    configs = [flatten(trial.config) for trial in run.plan.trials]
    common = {k: v for k, v in configs[0].items() if all(config.get(k) == v for config in configs)}
    varying = [key for key in configs[0] if key not in common]
    return {
        "name": run.name,
        "facts": _facts(run),
        "common": {key: _said(value) for key, value in common.items()},
        "varying": varying,
        "trials": [
            (
                trial.name + (f" (on {', '.join(trial.folds)})" if trial.folds else ""),
                [_said(config.get(key)) for key in varying],
            )
            for trial, config in zip(run.plan.trials, configs, strict=True)
        ],
        "missing": [f"{trial}, seed {seed}, fold {fold}" for trial, seed, fold in run.missing],
        "data": _distinct([_data(group) for group in run.plan.groups]),
        "curves": _curves(run, sections),
    }


def _facts(run: SweepResult) -> dict[str, str]:
    plan = run.plan
    return {
        "folder": str(run.folder),
        "trained by": f"merjax {plan.version}",
        "seeds": ", ".join(map(str, plan.seeds)),
        "training runs": f"{plan.runs - len(run.missing)} of {plan.runs} finished (trial × seed × fold)",
        "files": f"planned {run.began:%Y-%m-%d %H:%M}, last predictions {run.ended:%Y-%m-%d %H:%M} (times of the files)",
        **_stage_jobs(run),
        **_conditions(run),
        "SHA-256 of the predictions": f"{run.digest} (cat {run.folder}/predictions-*.parquet | sha256sum)",
    }


def _stage_jobs(run: SweepResult) -> dict[str, str]:
    """How much was trained once for several runs."""
    jobs = stage_jobs(run.plan, range(len(run.plan.groups)), run.finished)
    if jobs is None:
        return {}
    return {"stage jobs": f"{jobs}; sharing makes the work {jobs.saved:.2f} times smaller"}


def _conditions(run: SweepResult) -> dict[str, str]:
    if run.conditions is None:
        return {"device, versions, time": "not recorded by the run"}
    return {
        "device": " and ".join(run.conditions.devices),
        "versions": "; ".join(run.conditions.versions),
        "training time": f"{duration(run.conditions.seconds)} of its processes together, compilation included",
    }


def _data(group: GroupData) -> dict[str, Any]:
    reasons = Counter(clip.reason for clip in group.left_out)
    return {
        "facts": {
            "store": group.store,
            "data hash": group.store_hash,
            "split hash": group.split_hash,
            "protocol": f"{group.protocol}, classes {', '.join(group.classes)}",
            "folds": str(len(group.folds)),
            "clips": f"{group.clips} of {group.subjects} subjects, {group.frames} frames in use",
        },
        "remarks": [*filter(None, [group.cut_sentence, group.rates_sentence])],
        "dropped": [str(clip) for clip in group.dropped],
        "left_out": [str(clip) for clip in group.left_out],
        "reasons": [f"{n} × {reason}" for reason, n in reasons.items()],
    }


def _distinct(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The given entries without repetitions: groups that train on the same data are shown once."""
    return [data for i, data in enumerate(told) if data not in told[:i]]


def _curves(run: SweepResult, sections: Sequence[Section]) -> list[Picture]:
    """The training curves of the leading trials, a picture per stage."""
    if run.curves.empty:
        return []
    leading = {entry.trial: None for s in sections for entry in s.detailed if entry.run == run.name}
    names, pictures = dict.fromkeys(trial.name for trial in run.plan.trials), []
    ordered = [name for name in names if name in leading] or list(names)
    for stage, own in run.curves.groupby("stage", sort=False):
        trained = set(own["trial"])
        trials = [name for name in ordered if name in trained][:MOST_DETAILED]
        if trials and own["step"].max() > 0:  # a support vector machine is fitted in one step and has no curve
            figure = curve_figure(own, str(stage), trials)
            pictures.append(drawn(figure, f"{run.name}: training curves of the {stage} stage"))
    return pictures


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
