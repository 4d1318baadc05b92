"""The report command as a user runs it: files, page, terminal, several runs, unfinished runs, wrong input."""

import base64
import hashlib
import html
import platform
import re
import subprocess
from contextlib import redirect_stdout
from html.parser import HTMLParser
from importlib.metadata import version
from io import StringIO

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score
from support.fake_runs import loso, small_clips, write_fake_run
from support.places import CHECKOUT
from support.report_command import page_of, report, word, words

import merjax
from merjax.sweeps.provenance import note_sitting
from merjax.sweeps.result import open_sweep
from merjax.system.console import duration

CASME2 = small_clips(("casme2",))


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    folder = write_fake_run(
        tmp_path_factory.mktemp("runs") / "mine",
        seeds=(0, 1),
        data={
            "dropped": [{"database": "casme2", "subject": "sub09", "clip": "EP02", "reason": "no face in frame 46"}],
            "left_out": [{"database": "samm", "subject": "006", "clip": "006_1", "reason": "emotion 'other'"}],
        },
    )
    return folder, report(folder, "--log-megc")


def test_the_command_writes_everything_and_says_where(reported):
    folder, result = reported
    assert result.returncode == 0, result.stderr
    out = folder / "report"
    assert f"page: {out / 'report.html'}" in result.stdout
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert names >= {
        *("report.html", "report.md", "scores.csv", "differences.csv", "classes.csv", "subjects.csv", "confusions.csv"),
        *("latex/scores-FULL.tex", "latex/differences-samm.tex", "latex/classes-casme2.tex"),
        *("figures/scores.pdf", "figures/confusion-focal.pdf", "logs/focal-seed0.txt", "logs/clips.csv"),
    }


def test_csv_terminal_page_markdown_and_latex_show_scikit_learns_scores(reported):
    folder, result = reported
    out = folder / "report"
    rows = pd.concat(map(pd.read_parquet, folder.glob("predictions-*.parquet")))
    scores = pd.read_csv(out / "scores.csv").set_index(["part", "entry"])
    for trial, own in rows.groupby("trial"):
        seeds = [own for _, own in own.groupby("seed")]
        uf1 = np.mean([f1_score(s["label"], s["prediction"], average="macro") for s in seeds])
        uar = np.mean([balanced_accuracy_score(s["label"], s["prediction"]) for s in seeds])
        assert scores.loc[("FULL", trial), "UF1"] == pytest.approx(uf1)
        assert scores.loc[("FULL", trial), "UAR"] == pytest.approx(uar)
        for text in (
            result.stdout,
            words((out / "report.html").read_text()),
            (out / "report.md").read_text(),
            (out / "latex/scores-FULL.tex").read_text(),
        ):
            line = text[text.index("Scores on FULL") :]
            assert re.search(rf"{trial}\W+{uf1:.3f} \S+ \S+", line), trial
            assert f"{uar:.3f}" in line
    assert {("FULL", "majority"), ("FULL", "chance")} <= set(scores.index)
    confusions = pd.read_csv(out / "confusions.csv")
    assert confusions[confusions["part"] == "FULL"]["clips"].sum() == len(rows)
    names = ["negative", "positive", "surprise"]
    for (part, trial), own in confusions.groupby(["part", "entry"]):
        mine = rows[(rows["trial"] == trial) & (rows["database"].eq(part) | (part == "FULL"))]
        counts = own.pivot(index="truth", columns="prediction", values="clips").loc[names, names]
        np.testing.assert_array_equal(counts, confusion_matrix(mine["label"], mine["prediction"], labels=range(3)))


class Balanced(HTMLParser):
    """Checks that tags are closed in order, and collects what the page would load."""

    void = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing(reported):
    page = (reported[0] / "report/report.html").read_text()
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert all(source.startswith(("data:", "#")) for source in parser.sources)
    images = [s for s in parser.sources if s.startswith("data:image/svg+xml;base64,")]
    assert len(images) >= 6
    for image in images:
        assert b"<svg" in base64.b64decode(image.split(",")[1])
    style = re.search(r"<style>.*?</style>", page, re.S)[0]
    assert "url(" not in style
    assert "@import" not in style
    assert all("src" not in tag for tag in re.findall(r"<script[^>]*>", page))


def test_the_page_holds_what_one_needs_to_distrust_or_recompute(reported):
    folder, _ = reported
    text = words((folder / "report/report.html").read_text())
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(folder.glob("predictions-*.parquet")))).hexdigest()
    for needed in (
        digest,
        "0" * 32,
        "1" * 16,
        "spatial.learning_rate 0.0001",
        "casme2/sub09/EP02: no face in frame 46",
        "1 × emotion 'other'",
        "12 / 164",
        "drawn with replacement",
        "What sets the trials apart",
    ):
        assert needed in text, needed


def snippet_scores(folder, page) -> dict[tuple[str, ...], list[float]]:
    """What the page's snippet prints for a run: by trial, seed, part, ... the scores."""
    code = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", page, re.S)[1]).replace('"RUN"', repr(str(folder)))
    with redirect_stdout(StringIO()) as out:
        exec(code, {})
    lines = [line.rsplit(maxsplit=3) for line in out.getvalue().splitlines()]
    return {tuple(line[0].split()): [float(word) for word in line[1:]] for line in lines}


@pytest.mark.usefixtures("undrawn")
def test_the_snippet_on_the_page_gives_the_printed_scores_of_diverged_runs_too(tmp_path):
    folder = write_fake_run(tmp_path / "r", seeds=(0, 1), diverged=[("focal", 2), ("focal", 5)])
    assert report(folder).returncode == 0
    found = snippet_scores(folder, (folder / "report/report.html").read_text())
    scores = pd.read_csv(folder / "report/scores.csv").set_index(["part", "entry"])
    assert len(found) == 4
    for trial in ("focal", "cross-entropy"):
        means = np.mean([values for names, values in found.items() if names[0] == trial], axis=0)
        np.testing.assert_allclose(means, scores.loc[("FULL", trial), ["UF1", "UAR", "accuracy"]].astype(float))


@pytest.mark.usefixtures("undrawn")
def test_the_snippet_on_the_page_pools_no_folds_across_databases(tmp_path):
    clips = small_clips()
    folds = {f"{a}->samm": (clips["database"] == "samm").to_numpy() for a in ("casme2", "smic", "casme2+smic")}
    folder = write_fake_run(tmp_path / "r", clips=clips, folds=folds, diverged=[("focal", 1)])
    assert report(folder).returncode == 0
    found = snippet_scores(folder, (folder / "report/report.html").read_text())
    scores = pd.read_csv(folder / "report/scores.csv").set_index(["part", "entry"])
    assert len(found) == 6
    for (trial, _, part), values in found.items():
        np.testing.assert_allclose(values, scores.loc[(part, trial), ["UF1", "UAR", "accuracy"]].astype(float))


def test_equal_predictions_give_an_equal_page(reported):
    folder, _ = reported
    assert page_of(folder) == (folder / "report/report.html").read_text()


@pytest.mark.usefixtures("undrawn")
def test_synthetic_data_is_said_on_the_page_and_in_every_table(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, data={"statement": "Made from still photographs."})
    text = words(page_of(folder))
    assert text.index("say nothing about people") < text.index("What was run")
    assert "Made from still photographs." in text
    assert "145" not in text  # no published count beside synthetic clips
    result = report(folder, "--out", tmp_path / "out")
    assert result.stdout.count("Synthetic data: these scores say nothing about people.") == 2
    for path in (tmp_path / "out/latex").iterdir():
        assert "say nothing about people" in path.read_text()
    assert set(pd.read_csv(tmp_path / "out/scores.csv")["data"]) == {"synthetic"}


def test_oracle_scores_are_called_leaking_wherever_they_stand(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2, skills={"a": 0.4}, selections={"fixed": 0.0, "oracle": 0.5})
    result = report(folder)
    assert result.returncode == 0
    assert "Inflation: oracle (leaks) minus fixed, on CASME II" in result.stdout
    out = folder / "report"
    assert not (out / "differences.csv").exists()  # a leaking score is compared with its own trial's alone
    for name in ("scores", "inflation", "budgets", "classes", "subjects", "confusions"):
        table = pd.read_csv(out / f"{name}.csv")
        assert set(table["entry"]) <= {"a", "a, oracle (leaks)", "majority", "chance"}
        assert "a, oracle (leaks)" in set(table["entry"])
    for path in (*(out / "latex").iterdir(), out / "report.md"):
        assert "oracle (leaks)" in path.read_text()
    page = (out / "report.html").read_text()
    assert words(page).count("does not estimate accuracy on new people") >= 6
    assert "Inflation: oracle (leaks) minus fixed, on CASME II" in words(page)
    assert "would leak more" in words(page)
    figures = [base64.b64decode(s).decode() for s in re.findall(r"svg\+xml;base64,([^\"]+)", page)]
    assert "oracle (leaks)" in figures[0]
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", page):
        assert "curves" in caption or caption.startswith("a: ") or "oracle (leaks)" in caption


@pytest.mark.usefixtures("undrawn")
def test_device_versions_and_time_of_the_training_are_on_the_page(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=CASME2)
    assert "device, versions, time not recorded by the run" in words(page_of(folder))
    plan = open_sweep(folder).plan
    for chunk in plan.chunks:
        note_sitting(folder, chunk, 90.0)
    note_sitting(folder, plan.chunks[0], 60.0)  # it was stopped and taken up again
    seconds = 90 * len(plan.chunks) + 60
    text = words(page_of(folder))
    assert f"training time {duration(seconds)} of its processes together" in text
    for package in ("jax", "flax", "optax", "numpy"):
        assert f"{package} {version(package)}" in text
    assert f"OpenCV {cv2.__version__}" in text
    assert f"scikit-learn {version('scikit-learn')}" in text
    if (CHECKOUT / ".git").exists():
        line = ["git", "-C", str(CHECKOUT), "rev-parse", "--short=12", "HEAD"]
        assert f"commit {subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()}" in text
    assert f"merjax {merjax.__version__}, Python {platform.python_version()}" in text
    report(folder)
    assert f"jax {version('jax')}" in (folder / "report/report.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_run_shows_what_is_finished_and_says_what_is_missing(tmp_path):
    n_folds = len(loso(CASME2))
    folder = write_fake_run(tmp_path / "r", clips=CASME2, chunk_runs=n_folds, unfinished=(1,))
    result = report(folder)
    assert result.returncode == 0, result.stderr
    sentence = f"{n_folds} of {2 * n_folds} training runs (trial x seed x fold) are missing (cross-entropy: {n_folds})"
    assert sentence in result.stdout
    page = words((folder / "report/report.html").read_text())
    assert sentence in page
    assert "cross-entropy, seed 0, fold casme2/s00" in page
    assert sentence in (folder / "report/report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{tmp}/none"], "does not exist; name a folder that `merjax sweep` wrote"),
        (["{tmp}/empty"], "not a sweep's folder"),
        (["{tmp}/begun"], "none of the 4 chunks of this run is finished"),
        (["{tmp}/mine", "{tmp}/mine"], "given twice"),
        ([], "give the folders of one or more sweeps"),
    ],
)
def test_wrong_input_is_a_sentence_and_exit_code_2(tmp_path, arguments, sentence):
    write_fake_run(tmp_path / "mine")
    write_fake_run(tmp_path / "begun", unfinished=range(4))
    (tmp_path / "empty").mkdir()
    result = report(*(word.format(tmp=tmp_path) for word in arguments))
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_rescore_prints_the_reported_score_to_four_digits(reported):
    folder, _ = reported
    logs = folder / "report/logs"
    result = word("rescore", logs / "focal-seed0.txt", "--clips", logs / "clips.csv")
    assert result.returncode == 0, result.stderr
    rows = pd.concat(map(pd.read_parquet, folder.glob("predictions-*.parquet")))
    own = rows[(rows["trial"] == "focal") & (rows["seed"] == 0)]
    line = next(line for line in result.stdout.splitlines() if line.strip().startswith("FULL"))
    assert f"{f1_score(own['label'], own['prediction'], average='macro'):.4f}" in line
    assert f"{balanced_accuracy_score(own['label'], own['prediction']):.4f}" in line
