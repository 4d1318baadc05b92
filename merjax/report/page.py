"""The report as one self-contained HTML file: text, tables, and figures as data URIs."""

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import jinja2
import pandas as pd

from merjax.report.audit import audit_context
from merjax.report.beside import published_texts
from merjax.report.figures import confusion_figure, curve_figure, score_figure, subject_figure, svg
from merjax.report.mistakes import confident_mistakes, store_of, target_crops
from merjax.report.section import MOST_DETAILED, Section, warnings_of
from merjax.report.texts import (
    budget_texts,
    class_texts,
    data_text,
    difference_texts,
    inflation_texts,
    score_texts,
    subject_text,
)
from merjax.scoring.entry import Entry, GroupData
from merjax.scoring.parts import Part
from merjax.scoring.scores import COVERAGE, DRAWS
from merjax.scoring.written import number
from merjax.sweeps.costs import stage_jobs
from merjax.sweeps.result import SweepResult
from merjax.system.console import duration
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.versions import __version__


class Picture(NamedTuple):
    """A picture to embed: its data URI and what it shows."""

    uri: str
    caption: str


def render_page(runs: Sequence[SweepResult], sections: Sequence[Section], *, crops: bool) -> str:
    """The page.

    Args:
        runs: the runs on it.
        sections: their comparisons.
        crops: whether to show crops of faces.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merjax.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    statements = dict.fromkeys(s.comparison.statement for s in sections if s.comparison.statement)
    return environment.get_template("page.html").render(
        title=" and ".join(run.name for run in runs),
        version=__version__,
        statements=list(statements),
        missing=[run.missing_sentence for run in runs if run.missing_sentence],
        not_run=[str(trial) for run in runs for trial in run.plan.not_run],
        runs=[_run(run) for run in runs],
        sections=[_section(section, runs, crops) for section in sections],
        separate=separate_sentence(sections),
        draws=DRAWS,
        coverage=", ".join(
            f"{100 * share:.0f} % of experiments with {people} subjects" for people, share in COVERAGE.items()
        ),
        most=MOST_DETAILED,
    )


def separate_sentence(sections: Sequence[Section]) -> str:
    """Why trials are in several comparisons; "" if there is one."""
    if len(sections) < 2:
        return ""
    each = "; ".join(
        f"{s.comparison.protocol}, split {s.comparison.split_hash}: {', '.join(e.label for e in s.comparison.entries)}"
        for s in sections
    )
    return (
        f"These trials have {len(sections)} different protocols or splits (clips or folds differ). They are listed "
        f"separately, and no difference between them is computed. {each}."
    )


def _run(run: SweepResult) -> dict[str, Any]:
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
        "curves": _curves(run),
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
        "cut": group.cut_sentence,
        "dropped": [str(clip) for clip in group.dropped],
        "left_out": [str(clip) for clip in group.left_out],
        "reasons": [f"{n} × {reason}" for reason, n in reasons.items()],
    }


def _distinct(told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The given entries without repetitions: groups that train on the same data are shown once."""
    return [data for i, data in enumerate(told) if data not in told[:i]]


def _curves(run: SweepResult) -> list[Picture]:
    if run.curves.empty:
        return []
    names, pictures = dict.fromkeys(trial.name for trial in run.plan.trials), []
    for stage, own in run.curves.groupby("stage", sort=False):
        trained = set(own["trial"])
        trials = [name for name in names if name in trained][:MOST_DETAILED]
        if own["step"].max() > 0:  # a support vector machine is fitted in one step and has no curve
            figure = curve_figure(own, str(stage), trials)
            pictures.append(_figure(figure, f"{run.name}: training curves of the {stage} stage"))
    return pictures


def _section(section: Section, runs: Sequence[SweepResult], crops: bool) -> dict[str, Any]:
    comparison = section.comparison
    first, warnings = comparison.parts[0], warnings_of(comparison.entries)
    return {
        "title": f"{comparison.protocol}, split {comparison.split_hash}",
        "warnings": warnings,
        "data": data_text(max(comparison.entries, key=lambda entry: entry.folds)),
        "scores": score_texts(section),
        "score_figure": _figure(
            score_figure(section.scores_and_controls, first, warnings),
            " ".join(["Scores with 95 % intervals.", *warnings]),
        ),
        "audits": audit_context(section, _figure),
        "published": [table for run in runs for table in published_texts(section, run)],
        "inflation": inflation_texts(section),
        "budgets": budget_texts(section),
        "inflation_figure": _difference_figure(
            section.inflation, first, "Oracle (leaks) minus fixed, paired 95 % intervals.", warnings
        ),
        "differences": difference_texts(section),
        "difference_figures": [
            _difference_figure(
                section.differences[section.differences["base"] == base.label],
                first,
                f"Difference to {base.label}, paired 95 % intervals.",
                warnings_of([base, *section.compared(base)]),
            )
            for base in (comparison.bases if len(section.differences) else ())
            if (section.differences["base"] == base.label).any()
        ],
        "classes": class_texts(section),
        "entries": [_entry(section, entry, crops) for entry in section.detailed],
        "undetailed": len(comparison.entries) - len(section.detailed),
    }


def _difference_figure(rows: pd.DataFrame, part: Part, caption: str, warnings: Sequence[str]) -> Picture | None:
    if rows.empty:
        return None
    return _figure(score_figure(rows, part, warnings, difference=True), " ".join([caption, *warnings]))


def _entry(section: Section, entry: Entry, crops: bool) -> dict[str, Any]:
    seeds = f", summed over {len(entry.seeds)} seeds" if len(entry.seeds) > 1 else ""
    pictures, no_pictures = _mistakes(entry, crops)
    warnings = warnings_of([entry])
    return {
        "label": entry.label,
        "warnings": warnings,
        "confusion": _figure(
            confusion_figure(entry, section.comparison.parts, warnings),
            f"{entry.label}: confusion matrices, clips{seeds}",
        ),
        "subjects_figure": _figure(
            subject_figure(section.subjects, entry.label, warnings), f"{entry.label}: per subject"
        ),
        "subjects": subject_text(section, entry),
        "mistakes": pictures,
        "no_mistakes": no_pictures,
    }


def _mistakes(entry: Entry, crops: bool) -> tuple[list[Picture], str]:
    """Pictures of the most confident mistakes with captions; if there are no pictures, the captions and the reason."""
    rows = confident_mistakes(entry).to_dict("records")
    if not rows:
        return [], "No clip was predicted wrong." if (
            entry.predictions["prediction"] >= 0
        ).any() else "Nothing predicted."
    captions = [
        f"{row['database']}/{row['subject']}/{row['clip']}, seed {row['seed']}: {entry.classes[row['label']]}, predicted "
        f"{entry.classes[row['prediction']]} with {number(row['confidence'], 2)}"
        for row in rows
    ]
    if not crops:
        return [Picture("", caption) for caption in captions], "no crops are shown, as was asked for"
    try:
        store = store_of(entry)
    except MerjaxError as error:
        return [Picture("", caption) for caption in captions], str(error)
    pictures = []
    for row, caption in zip(rows, captions, strict=True):
        png, frame = target_crops(
            store, row["database"], row["subject"], row["clip"], whole_face=entry.config.data.whole_face
        )
        pictures.append(Picture(_uri(png, "image/png"), f"{caption} ({frame})"))
    return pictures, ""


def _figure(figure, caption: str) -> Picture:
    return Picture(_uri(svg(figure), "image/svg+xml"), caption)


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
