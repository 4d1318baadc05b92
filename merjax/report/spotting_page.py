"""The report on spotters as one self-contained HTML file, and the tables beside it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from merjax.report.figures import COLOURS, STYLE, WIDTH, wrapped
from merjax.report.pictures import Picture, drawn, uri_of
from merjax.report.run_facts import run_facts
from merjax.report.spotting_causes import Signals, likely_cause, signals_of
from merjax.report.spotting_strips import captions, expression_picture, strip_figure
from merjax.report.spotting_texts import difference_texts, false_text, gain_text, score_text, spotter_texts
from merjax.report.tables import TextTable, markdown
from merjax.scoring.entry import Entry
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rules import RULES
from merjax.scoring.spotting.scores import OVERALL
from merjax.scoring.spotting.trials import (
    CHOSEN_ON_TESTED,
    oracle_gains,
    score_spotters,
    spotted_of,
    spotter_differences,
)
from merjax.stores.motion_store import MotionStore, StoredVideo, open_motion_store
from merjax.sweeps.result import SweepResult
from merjax.system.errors import MerjaxError
from merjax.system.paths import make_folder, user_path
from merjax.system.versions import __version__

_MOST_VIDEOS = 40  # that have a strip
_MOST_FALSE = 5  # of a trial that are listed
_MOST_FACES = 6  # of a video's expressions
_VIDEO = ["database", "subject", "clip"]


class SpotterReport:
    """All that is computed of sweeps of spotters; everything is computed once.

    Args:
        runs: the sweeps.
        bases: trials, or rows by their labels, that the others are compared with; if there are none, the first row is.

    Raises:
        MerjaxError: a base is not a trial.
    """

    def __init__(self, runs: Sequence[SweepResult], bases: Sequence[str] = ()) -> None:
        self.runs = runs
        several = len(runs) > 1
        self.entries = [e.called(f"{e.run}: {e.label}") if several else e for run in runs for e in run.entries]
        self.bases = [self._named(name) for name in bases] or self.entries[:1]

    def _named(self, name: str) -> Entry:
        found = [e for e in self.entries if e.label == name] or [e for e in self.entries if e.trial == name]
        if not found:
            labels = ", ".join(entry.label for entry in self.entries)
            raise MerjaxError(f'there is no trial "{name}" to compare with; there are {labels}')
        return found[0]

    @cached_property
    def scores(self) -> pd.DataFrame:
        return score_spotters(self.entries)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Of each base: of the other entries that leak no more than it."""
        tables = []
        for base in self.bases:
            others = [e for e in self.entries if e is not base and (base.leaks or not e.leaks)]
            tables.append(spotter_differences(base, others))
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def gains(self) -> pd.DataFrame:
        return oracle_gains(self.entries)

    @cached_property
    def shown(self) -> dict[str, Entry]:
        """By trial, the entry whose intervals strips and lists show: chosen on inner subjects if it was, else fixed."""
        honest = sorted((e for e in self.entries if e.selection != "oracle"), key=lambda e: e.selection == "inner")
        chosen = {(e.run, e.trial): e for e in honest}
        return {
            e.trial if len(self.runs) == 1 else f"{e.run}: {e.trial}": e for e in self.entries if e in chosen.values()
        }

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """Every true and found interval of the shown entries' first seed: their predictions, and hit, whether it is
        a true positive, or for a true one is found."""
        tables = []
        for name, entry in self.shown.items():
            own = entry.predictions[entry.predictions["seed"] == entry.seeds[0]]
            counted = count(spotted_of(own), RULES[""])
            for row, column in (("true", "truth"), ("found", "found")):
                of_row = own[own["row"] == row].reset_index(drop=True)
                tables.append(of_row.assign(trial=name, hit=of_row.index.isin(counted.pairs[column])))
        return pd.concat(tables, ignore_index=True)

    @property
    def tables(self) -> list[TextTable]:
        """All tables of numbers."""
        gain = gain_text(self.gains)
        return [*spotter_texts(self.scores), *difference_texts(self.differences), *([gain] if gain else [])]

    @property
    def sentence(self) -> str:
        """The result first: the honest trial with the highest overall F1."""
        honest = {entry.label for entry in self.entries if not entry.leaks}
        part = self.scores["part"].iloc[0]
        own = self.scores[(self.scores["part"] == part) & self.scores["trial"].isin(honest)]
        whole = own[own["kind"] == OVERALL].dropna(subset=["F1"])
        if whole.empty:
            return "Nothing was found, and there was nothing to find."
        best = whole.loc[whole["F1"].idxmax()]
        each = {row["kind"]: row for row in own[own["trial"] == best["trial"]].to_dict("records")}
        kinds = ", ".join(f"{kind} {score_text(each[kind], 'F1')}" for kind in ("micro", "macro"))
        return f"{best['trial']} spots best: F1 {score_text(best, 'F1')} overall, {kinds}."


def write_spotter_report(out: str | Path | None, report: SpotterReport, *, crops: bool) -> Path:
    """Write the page, Markdown and CSV files; see `merjax.report.files.make_report`."""
    folder = user_path(out) if out else report.runs[0].folder / "report"
    make_folder(folder)
    (folder / "report.html").write_text(render_spotters(report, crops=crops), encoding="utf-8")
    title = f"# {' and '.join(run.name for run in report.runs)}"
    text = "\n\n".join([title, *_warnings(report), report.sentence, *map(markdown, report.tables)])
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")
    for name in ("scores", "differences", "gains", "intervals"):
        if len(table := getattr(report, name)):
            table.to_csv(folder / f"{name}.csv", index=False)
    return folder / "report.html"


def render_spotters(report: SpotterReport, *, crops: bool) -> str:
    """The page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("merjax.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    seen, lacking = _seen(report)
    keys = _videos(report, seen)
    many = len(keys) > _MOST_VIDEOS
    return environment.get_template("spotting.html").render(
        title=" and ".join(run.name for run in report.runs),
        version=__version__,
        sentence=report.sentence,
        statements=_statements(report),
        missing=[run.missing_sentence for run in report.runs if run.missing_sentence],
        not_run=[str(trial) for run in report.runs for trial in run.plan.not_run],
        warnings=_warnings(report)[len(_statements(report)) :],
        score_figure=drawn(score_figure(report.scores), "F1 with 95 % intervals over resampled subjects."),
        scores=spotter_texts(report.scores),
        differences=difference_texts(report.differences),
        gains=gain_text(report.gains),
        false_intervals=false_text(_false(report, seen)),
        videos=[_video(report, seen, key, crops) for key in keys[:_MOST_VIDEOS]],
        shown=f"The {_MOST_VIDEOS} videos with most mistakes of {len(keys)} are drawn." if many else "",
        chosen_inside=any(entry.selection == "inner" for entry in report.shown.values()),
        no_strips=lacking,
        faces_shown=crops and bool(keys),
        runs=[run_facts(run, ()) for run in report.runs],
    )


def score_figure(scores: pd.DataFrame) -> Figure:
    """F1 of each kind with its interval, a line for each row of the scores."""
    own = scores[scores["part"] == scores["part"].iloc[0]]
    names = list(dict.fromkeys(own["trial"]))
    with matplotlib.rc_context(STYLE):
        figure = Figure((WIDTH + 1.5, 0.9 + 0.42 * len(names)))
        axes = figure.subplots()
        for i, (kind, colour) in enumerate(
            zip(("micro", "macro", OVERALL), (COLOURS[1], COLOURS[0], "#333333"), strict=True)
        ):
            rows = own[own["kind"] == kind].set_index("trial").loc[names]
            at = np.arange(len(names)) + 0.22 * (i - 1)
            axes.hlines(at, rows["F1_low"], rows["F1_high"], color=colour, lw=1.6)
            axes.plot(rows["F1"], at, "os^"[i], color=colour, ms=4.5, label=kind)
        axes.set_yticks(range(len(names)), [wrapped(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("F1")
        axes.grid(axis="x", color="#dddddd", lw=0.6)
        axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    return figure


class _Seen(dict[tuple[str, str, str], tuple[MotionStore, StoredVideo]]):
    """The stored video of each held-out one, by database, subject and name."""


def _seen(report: SpotterReport) -> tuple[_Seen, str]:
    """The videos that are still there, and a sentence on those that are not."""
    seen, lacking = _Seen(), ""
    for group in {(g.store, g.store_hash): g for run in report.runs for g in run.plan.groups}.values():
        try:
            store = open_motion_store(group.store)
        except MerjaxError as error:
            lacking = f"No video is drawn, since the motion store is not there any more: {error}"
            continue
        if store.hash != group.store_hash:
            lacking = f"No video is drawn: the motion store {group.store} holds other videos now (its hash differs)."
            continue
        seen.update({(v.database, v.subject, v.name): (store, v) for v in store.videos})
    return seen, lacking


def _videos(report: SpotterReport, seen: _Seen) -> list[tuple[str, str, str]]:
    """The videos that can be drawn, those with most mistakes first."""
    wrong = report.intervals[~report.intervals["hit"]].groupby(_VIDEO).size().to_dict()
    tested = {tuple(key) for e in report.entries for key in e.predictions[_VIDEO].drop_duplicates().to_numpy().tolist()}
    return sorted((key for key in seen if key in tested), key=lambda key: (-wrong.get(key, 0), key))


def _video(report: SpotterReport, seen: _Seen, key: tuple[str, str, str], crops: bool) -> dict[str, Any]:
    store, video = seen[key]
    own = report.intervals[(report.intervals[_VIDEO] == list(key)).all(axis=1)]
    first = own[own["trial"] == next(iter(report.shown))]
    true = first[first["row"] == "true"]
    found = {name: own[(own["trial"] == name) & (own["row"] == "found")] for name in report.shown}
    numbers_T = store.array(video, "numbers")
    strip = strip_figure(video, _signals(report, store, video), true, found, numbers_T)
    each = [f"{name} {of['hit'].sum():d} right, {(~of['hit']).sum():d} false" for name, of in found.items()]
    faces = None
    if crops and len(true):
        shown = true.sort_values("onset").head(_MOST_FACES)
        rate = video.fps * (float(np.median(np.diff(numbers_T))) if len(numbers_T) > 1 else 1)
        png = expression_picture(store, video, shown, numbers_T)
        faces = Picture(
            uri_of(png, "image/png"), f"Onset, apex and offset, from the top: {'; '.join(captions(shown, rate))}"
        )
    return {
        "name": "/".join(key),
        "said": f"{len(true)} true intervals in {video.n_frames / video.fps:.0f} s; found: {'; '.join(each)}",
        "strip": drawn(strip, f"{'/'.join(key)}: truth, found intervals and motion"),
        "faces": faces,
    }


def _signals(report: SpotterReport, store: MotionStore, video: StoredVideo) -> Signals:
    known: dict[str, Signals] = report.__dict__.setdefault("_signals", {})
    key = f"{store.path}/{video.key}"
    if key not in known:
        known[key] = signals_of(store, video)
    return known[key]


def _false(report: SpotterReport, seen: _Seen) -> list[dict[str, Any]]:
    """The surest false intervals of each shown trial."""
    false = report.intervals[(report.intervals["row"] == "found") & ~report.intervals["hit"]]
    rows = []
    for trial, own in false.groupby("trial", sort=False):
        for one in own.sort_values("confidence", ascending=False, kind="stable").head(_MOST_FALSE).to_dict("records"):
            key = (one["database"], one["subject"], one["clip"])
            if key not in seen:
                continue
            store, video = seen[key]
            onset, offset = np.searchsorted(store.array(video, "numbers"), [one["onset"], one["offset"]])
            rows.append(
                {
                    "trial": trial,
                    "video": "/".join(key),
                    "from": onset / video.fps,
                    "length": (offset + 1 - onset) / video.fps,
                    "kind": one["kind"],
                    "sure": one["confidence"],
                    "cause": likely_cause(_signals(report, store, video), int(onset), int(offset)) or "not known",
                }
            )
    return rows


def _statements(report: SpotterReport) -> list[str]:
    return list(dict.fromkeys(g.statement for run in report.runs for g in run.plan.groups if g.statement))


def _warnings(report: SpotterReport) -> list[str]:
    oracle = any(entry.selection == "oracle" for entry in report.entries)
    return [*_statements(report), *([CHOSEN_ON_TESTED] if oracle else [])]
