"""All files of a report."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from merjax.report.audit import audit_figure, audit_texts
from merjax.report.beside import published_texts
from merjax.report.comparison import compare
from merjax.report.ensembles import ensemble_texts
from merjax.report.figures import confusion_figure, pdf, score_figure, subject_figure
from merjax.report.leaderboard import leaderboard_of, leaderboard_texts
from merjax.report.page import render_page, separate_sentence
from merjax.report.section import Section, warnings_of
from merjax.report.spotting_page import SpotterReport, write_spotter_report
from merjax.report.tables import TextTable, latex, markdown
from merjax.report.texts import budget_texts, class_texts, data_text, difference_texts, inflation_texts, score_texts
from merjax.scoring.counts import WITHOUT_PICTURES
from merjax.scoring.entry import KNOWN, SHUFFLED_ALL, Entry, features_know
from merjax.scoring.megc_log import log_text
from merjax.scoring.parts import are_across_databases
from merjax.scoring.scores import CLIP
from merjax.sweeps.result import SweepResult, open_sweeps
from merjax.system.console import duration
from merjax.system.errors import MerjaxError
from merjax.system.files import safe_name
from merjax.system.paths import make_folder, user_path


def make_report(
    sweeps: str | Path | SweepResult | Sequence[str | Path | SweepResult],
    out: str | Path | None = None,
    *,
    base: str | Sequence[str] = (),
    crops: bool = True,
) -> Path:
    """Report one or several sweeps, finished or not: a page, Markdown, CSV files, LaTeX tables and figures.

    >>> merjax.make_report("runs/mine").name
    'report.html'
    >>> merjax.make_report(["runs/mine", "runs/other"], out="compared", base="focal")

    Trials that share protocol and folds are compared; the others are shown in sections of their own.

    Args:
        sweeps: one or several, each a sweep's folder or what `run_sweep` and `open_sweep` return.
        out: folder of the report, made if it does not exist; files of an earlier report are replaced. None means `report` in
            the first sweep's folder.
        base: trials, or rows by their labels, that the others are compared with; if there are none, the first row is.
        crops: whether the page shows crops of faces; without them it may be passed on.

    Returns:
        The page, `report.html`; `report.md`, CSV files, `latex/` and `figures/` lie beside it.

    Raises:
        MerjaxError: a folder holds no sweep, nothing of a sweep is finished, a sweep is given twice, or a base is not a trial.
    """
    results = open_sweeps(sweeps)
    if are_spotters(results):
        return write_spotter_report(out, SpotterReport(results, [base] if isinstance(base, str) else base), crops=crops)
    return write_report(out, results, sections_of(results, base), crops=crops)


def are_spotters(results: Sequence[SweepResult]) -> bool:
    """Whether these are sweeps of spotters, which have a page of their own.

    Raises:
        MerjaxError: some are and others are not.
    """
    if len({result.spots for result in results}) > 1:
        raise MerjaxError(
            "some of these sweeps spot in long videos and others recognise clips; report each kind by itself"
        )
    return results[0].spots


def sections_of(results: Sequence[SweepResult], base: str | Sequence[str] = ()) -> list[Section]:
    """The comparisons of sweeps with all their numbers; see `make_report`."""
    return [Section(comparison) for comparison in compare(results, [base] if isinstance(base, str) else base)]


def write_report(
    out: str | Path | None, runs: Sequence[SweepResult], sections: Sequence[Section], *, crops: bool
) -> Path:
    """Write the files of a report from its sections; see `make_report`."""
    out = user_path(out) if out else runs[0].folder / "report"
    make_folder(out)
    (out / "report.html").write_text(render_page(runs, sections, crops=crops), encoding="utf-8")
    (out / "report.md").write_text(_markdown(runs, sections), encoding="utf-8")
    for name in (
        "scores_and_controls",
        "audit",
        "ensembles",
        "inflation",
        "budgets",
        "differences",
        "classes",
        "subjects",
        "confusions",
    ):
        tables = [_marked(getattr(section, name), section) for section in sections if len(getattr(section, name))]
        if tables:
            pd.concat(tables, ignore_index=True).to_csv(out / f"{name.split('_')[0]}.csv", index=False)
    boards = [_marked(board, section) for section in sections if len(board := leaderboard_of(section, runs))]
    if boards:
        pd.concat(boards, ignore_index=True).to_csv(out / "leaderboard.csv", index=False)
    for folder in ("latex", "figures"):
        (out / folder).mkdir(exist_ok=True)
    for number, section in enumerate(sections, 1):
        prefix = f"{number}-" if len(sections) > 1 else ""
        for name, table in _named_tables(section, runs):
            (out / "latex" / f"{prefix}{name}.tex").write_text(latex(table, prefix + name), encoding="utf-8")
        _write_figures(out / "figures", prefix, section)
    return out / "report.html"


def write_logs(out: Path, sections: Sequence[Section]) -> list[Path]:
    """Write each entry's predictions of each seed in the organisers' format, and the list of the clips to rescore them with.

    Returns:
        The logs: `logs/TRIAL-seedS.txt`, or `logs/TRIAL-seedS-FOLD.txt` with cross-database folds. `clips.csv`, for `--clips`,
        lies beside each comparison's logs; a log of shuffled labels has its own, `logs/TRIAL-seedS.clips.csv`.
    """
    folder = out / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, section in enumerate(sections, 1):
        prefix = f"{number}-" if len(sections) > 1 else ""
        for entry in section.comparison.entries:
            for name, predictions in _logs_of(entry, [other.label for other in section.comparison.entries]):
                path = folder / f"{prefix}{name}.txt"
                path.write_text(log_text(predictions, KNOWN if features_know(entry.config) else ""), encoding="utf-8")
                written.append(path)
                if entry.control == SHUFFLED_ALL:  # each seed has labels of its own
                    predictions[[*CLIP, "label"]].to_csv(path.with_suffix(".clips.csv"), index=False)
        true = [entry for entry in section.comparison.entries if entry.control != SHUFFLED_ALL]
        if true:
            clips = true[0].predictions[[*CLIP, "label"]].drop_duplicates()
            clips.to_csv(folder / f"{prefix}clips.csv", index=False)
    return written


def _logs_of(entry: Entry, labels: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    sides = {fold.name: f"{'+'.join(fold.train_databases)}-to-{fold.test_database}" for fold in entry.data.folds}
    for seed, of_seed in entry.predictions.groupby("seed"):
        if not are_across_databases(entry.data.folds):
            yield safe_name(f"{entry.label}-seed{seed}", [f"{label}-seed{seed}" for label in labels]), of_seed
            continue
        for fold, of_fold in of_seed.groupby("fold", sort=False):
            end = f"-seed{seed}-{sides[str(fold)]}"
            yield safe_name(entry.label + end, [label + end for label in labels]), of_fold


def _marked(table: pd.DataFrame, section: Section) -> pd.DataFrame:
    """A table with columns for its protocol and split, and for each row the data's hash and whether it is synthetic; for
    controls, those of the base."""
    comparison, base = section.comparison, section.comparison.base.data
    data = {entry.label: entry.data for entry in comparison.entries}
    own = [data.get(label, base) for label in table["entry"]]
    return table.assign(
        protocol=comparison.protocol,
        split_hash=comparison.split_hash,
        store_hash=[of_row.store_hash for of_row in own],
        data=["synthetic" if of_row.statement else "recorded" for of_row in own],
    )


def _named_tables(section: Section, runs: Sequence[SweepResult]) -> Iterator[tuple[str, TextTable]]:
    """Names for files and labels, with their tables."""
    parts, bases = [safe_name(part.name) for part in section.comparison.parts], section.comparison.bases
    differences = [part if base is bases[0] else f"{safe_name(base.label)}-{part}" for base in bases for part in parts]
    for kind, tables, names in (
        ("leaderboard", leaderboard_texts(section, runs), parts),
        ("scores", score_texts(section), parts),
        ("ensembles", ensemble_texts(section), parts),
        ("inflation", inflation_texts(section), parts),
        ("budgets", budget_texts(section), parts),
        ("differences", difference_texts(section), differences),
        ("classes", class_texts(section), parts),
    ):
        yield from zip((f"{kind}-{name}" for name in names), tables, strict=False)
    for number, table in enumerate(audit_texts(section)):
        audit, part = divmod(number, len(parts))
        yield f"audit{audit + 1 if audit else ''}-{parts[part]}", table
    for run in runs:
        yield from ((f"published-{safe_name(run.name)}", table) for table in published_texts(section, run))


def _write_figures(folder: Path, prefix: str, section: Section) -> None:
    comparison, first = section.comparison, section.comparison.parts[0]
    warnings = warnings_of(comparison.entries)
    scores, shown = section.scores_and_controls, [*section.shown, *WITHOUT_PICTURES]
    figures = {"scores": score_figure(scores[scores["entry"].isin(shown)], first, warnings)}
    for name, all_rows, base in (("inflation", section.inflation, None), *_differences(section)):
        rows = all_rows[all_rows["entry"].isin(shown)] if len(all_rows) else all_rows
        if not rows.empty:
            of = [base, *section.compared(base)] if base else comparison.entries
            figures[name] = score_figure(rows, first, warnings_of(of), difference=True)
    for number, audit in enumerate(section.audits, 1):
        figures[f"audit{number if number > 1 else ''}"] = audit_figure(audit, warnings_of(audit.entries))
    labels = [entry.label for entry in comparison.entries]
    for entry in section.detailed:
        own, label = warnings_of([entry]), safe_name(entry.label, labels)
        if not entry.task.several:
            figures[f"confusion-{label}"] = confusion_figure(entry, comparison.parts, own)
        figures[f"subjects-{label}"] = subject_figure(section.subjects, entry.label, own)
    for name, figure in figures.items():
        (folder / f"{prefix}{name}.pdf").write_bytes(pdf(figure))


def _differences(section: Section) -> Iterator[tuple[str, pd.DataFrame, Entry]]:
    """A name for each base's figure, its rows, and the base."""
    for base in section.comparison.bases if len(section.differences) else ():
        name = "differences" if base is section.comparison.base else f"differences-{safe_name(base.label)}"
        yield name, section.differences[section.differences["base"] == base.label], base


def _markdown(runs: Sequence[SweepResult], sections: Sequence[Section]) -> str:
    pieces = [f"# {' and '.join(run.name for run in runs)}"]
    for run in runs:
        pieces += [f"> {run.missing_sentence}"] if run.missing else []
        pieces += [f"> {trial}" for trial in run.plan.not_run]
        if run.conditions:
            devices, versions, seconds = run.conditions
            pieces.append(
                f"{run.name}: {' and '.join(devices)}; {'; '.join(versions)}; {duration(seconds)} of training"
            )
        lines = []
        for group in run.plan.groups:
            lines.append(
                f"{run.name}: data {group.store_hash}, split {group.split_hash}, {group.protocol}, "
                f"merjax {run.plan.version}, predictions {run.digest}"
            )
            lines += [f"- dropped {clip}" for clip in group.dropped]
        pieces += dict.fromkeys(lines)
    pieces += [separate_sentence(sections)] if len(sections) > 1 else []
    for section in sections:
        pieces.append(f"## {section.comparison.protocol}, split {section.comparison.split_hash}")
        pieces += [f"> {warning}" for warning in warnings_of(section.comparison.entries)]
        pieces.append(markdown(data_text(max(section.comparison.entries, key=lambda entry: entry.folds))))
        pieces += [markdown(table) for _, table in _named_tables(section, runs)]
    return "\n\n".join(pieces) + "\n"
