"""A page on a sweep that is still being trained: what is finished, what is under way, and scores so far."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import jinja2
import pandas as pd

from merjax.report.charts import styled
from merjax.report.pictures import Picture, charted
from merjax.report.tables import TextTable
from merjax.scoring.metrics import SCORES
from merjax.scoring.spotting.scores import SPOTTING
from merjax.scoring.written import number
from merjax.sweeps.folder import chosen_folder
from merjax.sweeps.result import SweepResult, open_sweep
from merjax.sweeps.underway import Underway, read_underway, seconds_left_of
from merjax.system.console import duration
from merjax.system.files import write_aside
from merjax.system.paths import is_file, make_folder
from merjax.system.versions import __version__

PAUSE = 10  # seconds between two looks at the folder
_MOST_ROWS = 60
_WARNING = (
    "They are of the folds that are finished, which are other folds for each trial, so they cannot be compared, and they will "
    "change. Choose nothing by them, and stop no sweep because of them."
)


class Watched(NamedTuple):
    """A sweep as it stands, and whether it is over."""

    result: SweepResult
    is_over: bool


def look_at(folder: Path) -> Watched:
    """What stands in a sweep's folder; for a search that has not chosen yet, its newest proposals.

    Raises:
        MerjaxError: the folder holds no sweep, or a damaged one.
    """
    batches = sorted((folder / "search").glob("trials-*/plan.json"))
    if batches and not is_file(chosen_folder(folder) / "plan.json"):
        return Watched(
            replace(open_sweep(batches[-1].parent), alias=f"{folder.name}, {batches[-1].parent.name}"), False
        )
    result = open_sweep(folder)
    return Watched(result, not result.missing)


def state_of(result: SweepResult) -> tuple[Any, ...]:
    """What a page on a sweep depends on, to see whether it has to be written again."""
    notes = [(note.chunk, note.training, note.step, note.is_heard) for note in read_underway(result)]
    return result.folder, len(result.finished), notes


def write_live(watched: Watched, out: Path) -> Path:
    """Write the page on a sweep as it stands, `live.html`."""
    make_folder(out)
    page = live_page(watched)
    write_aside(out / "live.html", lambda aside: aside.write_text(page, encoding="utf-8"))
    return out / "live.html"


def live_page(watched: Watched) -> str:
    """The page on a sweep as it stands; a browser that shows it reads it again and again until the sweep is over."""
    result = watched.result
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merjax.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    notes = read_underway(result)
    done = result.plan.runs - len(result.missing)
    return environment.get_template("live.html").render(
        title=result.name,
        share=f"{100 * done / max(result.plan.runs, 1):.0f} %",
        running=not watched.is_over,
        pause=PAUSE,
        said=_said(result, notes),
        statements=list(dict.fromkeys(g.statement for g in result.plan.groups if g.statement)),
        warning=_WARNING,
        scores=_scores(result),
        underway=_underway(notes),
        curves=_curves(notes),
        diverged=_diverged(result, notes),
        trials=_trials(result),
        time=f"{datetime.now():%Y-%m-%d %H:%M:%S}",
        version=__version__,
    )


def _said(result: SweepResult, notes: Sequence[Underway]) -> str:
    done = result.plan.runs - len(result.missing)
    said = f"{done} of {result.plan.runs} training runs (trial × seed × fold) are finished"
    if not result.missing:
        return f"{said}. The scores are on the page report.html beside this one."
    seconds = seconds_left_of(result, list(notes))
    left = (
        f", about {duration(seconds)} left"
        if seconds is not None
        else ", and it is too early to say how long the rest takes"
    )
    heard = sum(note.is_heard for note in notes)
    idle = (
        ""
        if heard
        else " Nothing is heard: programs are being prepared, or no process is at work; the sweep's own line goes on."
    )
    return f"{said}{left}.{idle}"


def _scores(result: SweepResult) -> TextTable | None:
    if not result.finished:
        return None
    scores, names = result.scores, SPOTTING if result.spots else tuple(SCORES)
    rows = [
        (
            row["trial"]
            + (f", {row['kind']}" if result.spots else "")
            + ("" if row["part"] == "together" else f" on {row['part']}"),
            *(number(row[name]) for name in names),
        )
        for row in scores.to_dict("records")
    ]
    left_out = len(rows) - _MOST_ROWS
    notes = (f"{left_out} more rows are left out.",) if left_out > 0 else ()
    return TextTable(f"Scores so far, {result.name}", ("trial", *names), tuple(rows[:_MOST_ROWS]), notes)


def _underway(notes: Sequence[Underway]) -> TextTable | None:
    rows = tuple(
        (
            f"chunk {note.chunk + 1}, {note.training}",
            str(note.runs),
            f"{note.step} of {note.steps}",
            f"{duration(note.silent)} ago" + ("" if note.is_heard else ", stopped or killed"),
        )
        for note in notes
    )
    return TextTable("Chunks under way", ("chunk", "runs", "steps", "last heard"), rows) if rows else None


def _curves(notes: Sequence[Underway]) -> list[Picture]:
    """The training loss of what is under way, a picture per stage."""
    points = pd.DataFrame(
        [
            {"training": note.training, "trial": trial, "chunk": f"chunk {note.chunk + 1}", "step": step, "loss": loss}
            for note in notes
            for trial, curve in note.curves.items()
            for step, loss in curve
        ]
    )
    if points.empty:
        return []
    pictures = []
    for training, own in points.groupby("training", sort=False):
        line = alt.Chart(own.drop(columns="training")).mark_line(strokeWidth=1.5)
        chart = line.encode(alt.X("step:Q"), alt.Y("loss:Q", title="training loss"), color="trial:N", detail="chunk:N")
        caption = f"Training loss of the {training} stage so far, the median over the runs of a trial and chunk."
        pictures.append(charted(styled(chart, 240), caption)._replace(chart=None))  # the page has no scripts
    return pictures


def _diverged(result: SweepResult, notes: Sequence[Underway]) -> list[str]:
    runs = [name for note in notes for name in note.diverged]
    if result.finished and not result.spots:  # a spotter that has diverged finds nothing
        own = result.predictions
        lost = own.loc[own["prediction"] < 0, ["trial", "seed", "fold"]].drop_duplicates()
        runs += [f"{trial}, seed {seed}, fold {fold}" for trial, seed, fold in lost.itertuples(index=False)]
    return runs


def _trials(result: SweepResult) -> TextTable:
    plan: Any = result.plan
    planned = Counter(plan.trials[trial].name for chunk in plan.chunks for trial, _ in chunk.runs)
    missing = Counter(run.trial for run in result.missing)

    def state(name: str) -> str:
        return "finished" if not missing[name] else "waiting" if missing[name] == planned[name] else "in part"

    rows = tuple((name, f"{n - missing[name]} of {n}", state(name)) for name, n in planned.items())
    return TextTable("Finished and waiting trials", ("trial", "runs finished", "state"), rows)
