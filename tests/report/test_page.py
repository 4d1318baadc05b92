"""The report command as a user runs it: files, page, terminal, several runs, unfinished runs, wrong input."""

import base64
import hashlib
import html
import platform
import re
import subprocess
from contextlib import redirect_stdout
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version
from io import StringIO

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score
from support.fake_runs import loso, megc_clips, small_clips, write_fake_run
from support.places import CHECKOUT
from support.report_command import page_of, report, word, words

import merjax
from merjax.report.comparison import compare
from merjax.report.figures import confusion_figure, score_figure, subject_figure, svg
from merjax.report.mistakes import confident_mistakes, target_crops
from merjax.report.page import render_page
from merjax.report.section import Section, warnings_of
from merjax.report.tables import TextTable, latex, markdown
from merjax.report.texts import data_text, score_texts
from merjax.scoring.parts import Part
from merjax.scoring.scores import score_controls, score_entries
from merjax.scoring.shuffled import over_permutations, shuffled_notes
from merjax.scoring.written import number
from merjax.stores.store import open_store
from merjax.sweeps.provenance import note_sitting
from merjax.sweeps.result import open_sweep, open_sweeps
from merjax.system.console import duration
from merjax.system.files import safe_name

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

    void = frozenset({"meta", "img", "br", "link"})

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
    assert "url(" not in page
    assert "<script" not in page


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
    code = html.unescape(re.search(r"<pre>(.*?)</pre>", page, re.S)[1]).replace('"RUN"', repr(str(folder)))
    with redirect_stdout(StringIO()) as out:
        exec(code, {})
    lines = [line.rsplit(maxsplit=3) for line in out.getvalue().splitlines()]
    return {tuple(line[0].split()): [float(word) for word in line[1:]] for line in lines}


def test_the_snippet_on_the_page_gives_the_printed_scores_of_diverged_runs_too(tmp_path):
    folder = write_fake_run(tmp_path / "r", seeds=(0, 1), diverged=[("focal", 2), ("focal", 5)])
    assert report(folder).returncode == 0
    found = snippet_scores(folder, (folder / "report/report.html").read_text())
    scores = pd.read_csv(folder / "report/scores.csv").set_index(["part", "entry"])
    assert len(found) == 4
    for trial in ("focal", "cross-entropy"):
        means = np.mean([values for names, values in found.items() if names[0] == trial], axis=0)
        np.testing.assert_allclose(means, scores.loc[("FULL", trial), ["UF1", "UAR", "accuracy"]].astype(float))


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


def test_equal_predictions_give_an_equal_page(tmp_path):
    folder = write_fake_run(tmp_path / "r", clips=small_clips(("casme2",)))
    assert page_of(folder) == page_of(folder)


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
    assert report(folder).returncode == 0
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
    figures = [base64.b64decode(s).decode() for s in re.findall(r"svg\+xml;base64,([^\"]+)", page)]
    assert "oracle (leaks)" in figures[0]
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", page):
        assert "curves" in caption or caption.startswith("a: ") or "oracle (leaks)" in caption


def test_curves_are_drawn_of_the_trials_that_have_them(tmp_path):
    """A stage's figure names the trials that have such a stage; what is fitted in one step has no curve."""
    folder = write_fake_run(tmp_path / "r", skills={"network": 0.4, "machine": 0.4})
    run = open_sweep(folder)
    network = run.curves[run.curves["trial"] == "network"]
    machine = run.curves[(run.curves["trial"] == "machine") & (run.curves["stage"] == "spatial")]
    machine = machine[machine["step"] == 0].assign(stage="svm")
    vars(run)["curves"] = pd.concat([network, machine])  # where the result keeps what it has read
    page = render_page([run], [Section(compare([run])[0])], crops=False)
    captions = [c for c in re.findall(r"<figcaption>(.*?)</figcaption>", page) if "curves" in c]
    assert [c.split("curves of ")[1] for c in captions] == ["the spatial stage", "the temporal stage"]
    figures = [base64.b64decode(s).decode() for s in re.findall(r"svg\+xml;base64,([^\"]+)", page)][-2:]
    assert all("network" in figure and "machine" not in figure for figure in figures)


def test_the_inflation_by_the_oracle_is_a_row_of_its_own(tmp_path):
    """Oracle minus fixed of each trial, recomputed with scikit-learn; leaking entries are in no other difference."""
    folder = write_fake_run(tmp_path / "r", selections={"fixed": 0.0, "inner": 0.0, "oracle": 0.25}, seeds=(0, 1))
    result = report(folder)
    assert result.returncode == 0, result.stderr
    rows = pd.concat(map(pd.read_parquet, folder.glob("predictions-*.parquet")))
    uf1 = {
        key: f1_score(own["label"], own["prediction"], average="macro")
        for key, own in rows.groupby(["trial", "selection", "seed"])
    }
    inflation = pd.read_csv(folder / "report/inflation.csv").set_index(["part", "entry"])
    for trial in ("focal", "cross-entropy"):
        added = np.mean([uf1[trial, "oracle", seed] - uf1[trial, "fixed", seed] for seed in (0, 1)])
        row = inflation.loc[("FULL", f"{trial}, oracle (leaks)")]
        assert row["UF1"] == pytest.approx(added)
        assert row["base"] == trial
        assert row["UF1_low"] < added < row["UF1_high"]
        for text in (result.stdout, words((folder / "report/report.html").read_text())):
            line = text[text.index("Inflation: oracle (leaks) minus fixed, on FULL") :]
            assert f"{trial}, oracle (leaks)" in line
            assert f"+{added:.3f}" in line
    differences = pd.read_csv(folder / "report/differences.csv")
    assert set(differences["entry"]) == {"focal, inner subjects", "cross-entropy", "cross-entropy, inner subjects"}
    chosen = pd.read_csv(folder / "report/budgets.csv").set_index("entry")
    own = rows[(rows["trial"] == "focal") & (rows["selection"] == "inner")].groupby(["seed", "fold"])["step"].first()
    assert chosen.loc["focal, inner subjects", "median"] == own.median()
    assert chosen.loc["focal, inner subjects", "runs"] == len(own)
    assert (chosen["whole"] == 12).all()


def test_shuffled_labels_above_chance_are_evidence_unless_an_oracle_chose(tmp_path):
    shuffled = {"skills": {"a": 0.0}, "settings": {"control": "shuffle"}, "clips": megc_clips(), "chunk_runs": 80}
    oracle = write_fake_run(tmp_path / "oracle", selections={"fixed": 0.0, "oracle": 0.5}, **shuffled)
    text = report(oracle).stdout
    assert "EVIDENCE OF A LEAK" not in text
    assert "nothing can be learnt: a, oracle (leaks), shuffled labels: UF1" in text
    leak = write_fake_run(tmp_path / "leak", selections={"fixed": 0.5}, **shuffled)
    text = report(leak).stdout
    assert "EVIDENCE OF A LEAK" in text
    assert "a, shuffled labels: UF1" in text
    assert "95 % over 68 permutations" in text
    assert text.count("EVIDENCE OF A LEAK") == 1  # on all clips pooled, not once more for every database


def test_few_permutations_are_no_evidence(tmp_path):
    """Three folds: clips of a fold that look alike get one answer, which is right for a third of them by chance."""
    clips = megc_clips()
    subject_N = (clips["database"] + clips["subject"]).to_numpy()
    groups = np.unique(subject_N, return_inverse=True)[1] % 3
    folds = {f"group {g}": groups == g for g in range(3)}
    settings = {"settings": {"control": "shuffle"}, "clips": clips, "skills": {"a": 0.5}, "folds": folds}
    text = report(write_fake_run(tmp_path / "r", **settings)).stdout
    assert "EVIDENCE OF A LEAK" not in text
    assert "It may be chance, since permutations are few (one per fold and seed, 3 in all)" in text


def test_the_interval_over_permutations_is_as_wide_as_their_luck(tmp_path):
    """Twelve folds, each of which gives every class an answer drawn at random: the deviation over 60 such experiments,
    and what the intervals hold it to be. That over subjects, of whom six share a fold's luck, is far too narrow."""
    clips = megc_clips()
    group_N = np.unique((clips["database"] + clips["subject"]).to_numpy(), return_inverse=True)[1] % 12
    folds = {f"group {g:02d}": group_N == g for g in range(12)}
    folder = write_fake_run(
        tmp_path / "r", settings={"control": "shuffle"}, clips=clips, skills={"a": 0.0}, folds=folds
    )
    entry = compare([open_sweep(folder)])[0].base
    fold_N = entry.predictions["fold"].str[-2:].astype(int).to_numpy()
    label_N = entry.predictions["label"].to_numpy()
    scores, over_folds, over_subjects = [], [], []
    for draw in range(60):
        answer_FxK = np.random.default_rng(draw).integers(0, 3, (12, 3))
        lucky = replace(entry, predictions=entry.predictions.assign(prediction=answer_FxK[fold_N, label_N]))
        scores.append(balanced_accuracy_score(label_N, lucky.predictions["prediction"]))
        over_folds.append(np.ptp(over_permutations(lucky, Part("FULL"))["UAR"]) / 3.92)
        over_subjects.append(np.ptp(score_entries([lucky], [Part("FULL")])[["UAR_low", "UAR_high"]].to_numpy()) / 3.92)
    assert np.mean(over_folds) == pytest.approx(np.std(scores), rel=0.25)
    assert np.mean(over_subjects) < 0.7 * np.std(scores)


def test_what_chance_does_now_and_then_is_no_evidence_yet(tmp_path):
    """Twelve folds as different as real ones, with rising scores: first no sentence, then a doubt, then evidence."""
    clips = megc_clips()
    group_N = np.unique((clips["database"] + clips["subject"]).to_numpy(), return_inverse=True)[1] % 12
    folds = {f"group {g:02d}": group_N == g for g in range(12)}
    settings = {"settings": {"control": "shuffle"}, "clips": clips, "skills": {"a": 0.0}}
    entry = compare([open_sweep(write_fake_run(tmp_path / "r", folds=folds, **settings))])[0].base
    right_F = np.array([3, 2, 5, 4, 3, 2, 2, 2, 1, 2, 2, 5]) / 6 - 0.3
    fold_N = entry.predictions["fold"].str[-2:].astype(int).to_numpy()
    label_N = entry.predictions["label"].to_numpy()
    place_N = np.random.default_rng(0).random(len(label_N))
    heard = []
    for lift in np.arange(0, 0.6, 0.02):
        answer_N = np.where(place_N < right_F[fold_N] + lift, label_N, (label_N + 1) % 3)
        notes = shuffled_notes(
            [replace(entry, predictions=entry.predictions.assign(prediction=answer_N))], Part("FULL")
        )
        heard.append("one such trial in forty" in notes[0] if notes else None)
    assert list(dict.fromkeys(heard)) == [None, True, False]
    assert "EVIDENCE OF A LEAK" in notes[0]


def test_of_a_single_fold_the_subjects_are_drawn(tmp_path):
    """This is the case across databases, where a part is a fold: with one seed, its interval is that of any score."""
    clips = megc_clips()
    settings = {"settings": {"control": "shuffle"}, "clips": clips, "skills": {"a": 0.5}}
    folder = write_fake_run(tmp_path / "r", folds={"all": np.ones(len(clips), bool)}, **settings)
    entry = compare([open_sweep(folder)])[0].base
    (row,) = score_entries([entry], [Part("FULL")]).to_dict("records")
    for name, (low, high) in over_permutations(entry, Part("FULL")).items():
        assert (low, high) == pytest.approx((row[f"{name}_low"], row[f"{name}_high"]))
        assert high - low > 0.05
    (note,) = shuffled_notes([entry], Part("FULL"))
    assert "1 in all" in note


def test_what_permutations_differ_in_is_part_of_the_evidence(tmp_path):
    """One of three permutations scores high by chance: over subjects alone this would be above chance, but not over seeds."""
    folder = write_fake_run(
        tmp_path / "r",
        skills={"a": 0.0},
        settings={"control": "shuffle"},
        clips=megc_clips(),
        seeds=(0, 1, 2),
        chunk_runs=80,
    )
    entry = compare([open_sweep(folder)])[0].base
    lucky = entry.predictions["seed"].eq(0) & (entry.predictions.index % 2 == 0)
    told = entry.predictions["prediction"].where(~lucky, entry.predictions["label"])
    entry = replace(entry, predictions=entry.predictions.assign(prediction=told))
    chance = score_controls(entry, [Part("FULL")]).set_index("entry").loc["chance"]
    assert score_entries([entry], [Part("FULL")])["UAR_low"].iloc[0] > chance["UAR"]
    assert over_permutations(entry, Part("FULL"))["UAR"][0] < chance["UAR"]
    assert shuffled_notes([entry], Part("FULL")) == []


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A run with oracles of 40 snapshots in 800 epochs, on synthetic clips."""
    return write_fake_run(
        tmp_path_factory.mktemp("chosen") / "r",
        skills={"a": 0.4},
        selections={"fixed": 0.0, "oracle": 0.4},
        settings={
            "method": "ststnet",
            "peer": {"epochs": 800, "batch": 16},
            "selection": {"rules": ["fixed", "oracle"], "looks": 40},
        },
        data={"statement": "Made up."},
    )


def test_an_oracles_snapshots_are_counted_beside_it(chosen):
    result = report(chosen)
    assert "The oracle chose among 40 snapshots in 800 epochs" in result.stdout
    assert "would leak more" in words((chosen / "report/report.html").read_text())
    table = pd.read_csv(chosen / "report/inflation.csv")
    assert set(table["snapshots"]) == {40}
    assert "40 in 800 epochs" in (chosen / "report/report.md").read_text()


def test_figures_say_what_they_are_without_the_page(chosen):
    """Figures of confusion matrices, subjects and scores name their trial, the choice of the budget, and what the clips are."""
    section = Section(compare([open_sweep(chosen)])[0])
    for entry in section.comparison.entries:
        own = warnings_of([entry])
        for figure in (
            confusion_figure(entry, section.comparison.parts, own),
            subject_figure(section.subjects, entry.label, own),
        ):
            drawn = " ".join(figure.get_suptitle().split())
            assert drawn.startswith(entry.label)
            assert "Synthetic data" in drawn
            assert ("does not estimate accuracy on new people" in drawn) == (entry.selection == "oracle")
    figures = [base64.b64decode(s).decode() for s in re.findall(r"svg\+xml;base64,([^\"]+)", page_of(chosen))]
    for text in figures[:-2]:  # the last ones are training curves
        assert "Synthetic data" in text
    assert sum("oracle (leaks)" in text for text in figures) >= 4


def test_what_has_one_snapshot_has_no_inflation(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        skills={"a": 0.6},
        clips=CASME2,
        selections={"fixed": 0.0, "oracle": 0.0},
        settings={"method": "hoof", "selection": {"rules": ["fixed", "oracle"]}},
    )
    section = Section(compare([open_sweep(folder)])[0])
    assert section.inflation.empty
    assert section.budgets.empty
    assert section.without_choice == ["a, oracle (leaks)"]
    assert "one snapshot, no choice" in " ".join(warnings_of(section.comparison.entries))
    assert "Inflation" not in report(folder).stdout


def test_any_trial_can_be_the_base_of_differences(tmp_path):
    folder = write_fake_run(tmp_path / "r", skills={"a": 0.4, "b": 0.6, "c": 0.8})
    result = report(folder, "--base", "c", "--base", "a")
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(folder / "report/differences.csv")
    pairs = set(zip(table["base"], table["entry"], strict=True))
    assert pairs == {("c", "a"), ("c", "b"), ("a", "b"), ("a", "c")}
    full = table[table["part"] == "FULL"].set_index(["base", "entry"])
    for name in ("UF1", "UAR", "accuracy"):
        assert full.loc[("c", "a"), name] == pytest.approx(-full.loc[("a", "c"), name])
        assert full.loc[("c", "a"), f"{name}_low"] == pytest.approx(-full.loc[("a", "c"), f"{name}_high"])
    assert "Difference to c on FULL" in result.stdout
    assert "Difference to a on FULL" in result.stdout
    assert (folder / "report/latex/differences-a-FULL.tex").is_file()
    assert {p.name for p in (folder / "report/figures").glob("differences*")} == {
        "differences.pdf",
        "differences-a.pdf",
    }
    unknown = report(folder, "--base", "d")
    assert unknown.returncode == 2
    assert 'no trial "d" to compare with; there are a, b, c' in unknown.stderr


def test_each_row_of_a_csv_file_has_its_own_datas_hash(tmp_path):
    a = write_fake_run(tmp_path / "a", clips=CASME2, skills={"x": 0.5}, data={"store_hash": "a" * 32})
    b = write_fake_run(tmp_path / "b", name="other", clips=CASME2, skills={"y": 0.5}, data={"store_hash": "b" * 32})
    assert report(a, b, "--out", tmp_path / "out").returncode == 0
    for name in ("scores", "classes", "confusions", "subjects"):
        table = pd.read_csv(tmp_path / "out" / f"{name}.csv").set_index("entry")
        assert set(table.loc[["mine: x"], "store_hash"]) == {"a" * 32}
        assert set(table.loc[["other: y"], "store_hash"]) == {"b" * 32}


def test_clips_used_have_a_total_and_absent_databases_a_row(tmp_path):
    entry = compare([open_sweep(write_fake_run(tmp_path / "r", clips=small_clips(("smic", "casme2"))))])[0].base
    rows = {row[0]: row[1:3] for row in data_text(entry).rows}
    assert rows == {
        "SMIC-HS": ("12 / 164", "4 / 16"),
        "CASME II": ("13 / 145", "4 / 24"),
        "SAMM": ("0 / 133", "0 / 28"),
        "all": ("25 / 442", "8 / 68"),
    }


def test_macro_f1_has_a_column_of_its_own_and_chance_says_what_its_brackets_are(reported):
    folder, _ = reported
    rows = pd.concat(map(pd.read_parquet, folder.glob("predictions-*.parquet")))
    own = [
        f1_score(r["label"], r["prediction"], average="macro")
        for _, r in rows[rows["trial"] == "focal"].groupby("seed")
    ]
    table = score_texts(Section(compare([open_sweep(folder)])[0]))[0]
    at = table.columns.index("macro F1")
    assert {row[0]: row[at] for row in table.rows}["focal"] == f"{np.mean(own):.3f}"
    notes = " ".join(table.notes)
    assert "not an interval over subjects" in notes
    assert "UF1 is the macro F1" in notes
    smic = next(t for t in score_texts(Section(compare([open_sweep(folder)])[0])) if "SAMM" in t.title)
    assert "A class is rare here" in " ".join(smic.notes)


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


def test_runs_of_one_split_stand_in_one_table_and_others_apart(tmp_path):
    clips = CASME2
    a = write_fake_run(tmp_path / "a", clips=clips, skills={"x": 0.5})
    b = write_fake_run(tmp_path / "b", clips=clips, skills={"x": 0.9})
    other = write_fake_run(tmp_path / "c", name="third", clips=small_clips(("samm",)), data={"split_hash": "2" * 16})
    together = compare(open_sweeps([a, b]))
    assert len(together) == 1
    assert [entry.label for entry in together[0].entries] == [f"{a}: x", f"{b}: x"]
    assert not Section(together[0]).differences.empty
    apart = report(a, other, "--out", tmp_path / "out")
    assert apart.returncode == 0, apart.stderr
    assert "2 different protocols or splits" in apart.stdout
    assert (tmp_path / "out/latex/2-scores-samm.tex").is_file()
    assert "2 different protocols or splits" in words((tmp_path / "out/report.html").read_text())


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
        (["{tmp}/none"], "not a sweep's folder"),
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


def test_mistakes_are_the_wrong_predictions_of_highest_probability(tmp_path):
    entry = compare([open_sweep(write_fake_run(tmp_path / "r", seeds=(0, 1), skills={"a": 0.3}))])[0].base
    best = {}
    for row in entry.predictions.to_dict("records"):
        if row["prediction"] != row["label"]:
            key = (row["database"], row["subject"], row["clip"])
            best[key] = max(best.get(key, 0), row[f"p_{entry.classes[row['prediction']]}"])
    expected = sorted(best.values(), reverse=True)[:8]
    np.testing.assert_allclose(confident_mistakes(entry)["confidence"], expected)


def test_crops_of_mistakes_come_from_the_store_if_it_is_the_same(small_store, tmp_path):
    store = open_store(small_store)
    clips = store.index[["database", "subject", "clip"]].assign(label=np.arange(len(store.index)) % 3)
    here = {"store": str(small_store), "store_hash": store.hash}
    page = page_of(write_fake_run(tmp_path / "a", clips=clips, skills={"a": 0.2}, data=here))
    pictures = re.findall(r"image/png;base64,([^\"]+)", page)
    assert pictures
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)
    assert "its licence decides" in words(page)
    for data, crops, why in (
        (here | {"store_hash": "f" * 32}, True, "holds other clips now"),
        (here | {"store": str(tmp_path / "gone")}, True, "the clips are not there any more"),
        (here, False, "no crops are shown, as was asked for"),
    ):
        folder = write_fake_run(tmp_path / safe_name(why), clips=clips, skills={"a": 0.2}, data=data)
        page = page_of(folder, crops=crops)
        assert "image/png" not in page
        assert why in words(page)


def test_an_apex_at_the_onset_shows_the_middle_frame_and_says_so(small_store):
    """The onset shows no expression: nothing that is measured to the apex is measured to it, and no picture calls it apex."""
    store = open_store(small_store)
    row = store.index.iloc[1]
    own = (row["database"], row["subject"], row["clip"])
    middle = store.crops["face"][row["first_row"] + row["n_frames"] // 2]
    for apex in (row["onset"], pd.NA):
        index = store.index.copy()
        index.loc[1, "apex"] = apex
        png, which = target_crops(replace(store, index=index), *own, whole_face=True)
        assert which == "middle frame, no apex after the onset is given"
        np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), middle)
    png, which = target_crops(store, *own, whole_face=True)
    assert which == f"apex, frame {row['apex']}"
    apex = store.crops["face"][row["first_row"] + row["apex"] - row["onset"]]
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), apex)


@pytest.mark.parametrize("whole_face", [False, True])
def test_crops_of_a_colour_store_keep_their_colours(small_store, tmp_path, whole_face):
    """Red stays red: the store holds RGB, and OpenCV reads the PNG file back as BGR."""
    store = open_store(small_store)
    colour = {name: np.stack([crop, crop // 2, crop // 4], -1) for name, crop in store.crops.items()}
    row = store.index.iloc[1]
    own = (row["database"], row["subject"], row["clip"])
    png, which = target_crops(replace(store, crops=colour), *own, whole_face=whole_face)
    gray, _ = target_crops(store, *own, whole_face=whole_face)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    plain = cv2.imdecode(np.frombuffer(gray, np.uint8), cv2.IMREAD_UNCHANGED)
    assert which.startswith("apex, frame")
    assert picture.shape == (*plain.shape, 3)
    np.testing.assert_array_equal(picture[..., 2], plain)
    assert (picture[..., 2] >= picture[..., 0]).all()
    assert picture[..., 2].mean() > picture[..., 0].mean() + 10


def test_a_figure_draws_each_score_where_it_is(tmp_path):
    section = Section(compare([open_sweep(write_fake_run(tmp_path / "r"))])[0])
    figure = score_figure(section.scores_and_controls, Part("FULL"))
    drawn = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    own = section.scores_and_controls.query("part == 'FULL'")
    for name in ("UF1", "UAR", "accuracy"):
        np.testing.assert_allclose(np.asarray(drawn[name]), own[name])
    assert svg(figure) == svg(figure)


def test_tables_escape_what_means_something_in_latex_and_markdown():
    rows = (("a & b|c", number(-0.5), "~ ^ \\ # $ {x}"), ("d", "≥ 1 – 2", ""))
    table = TextTable("50 % of a_b", ("trial_1", "x", "x"), rows, ("± 1 → 2", "<_>"))
    text = latex(table, "t")
    assert r"\caption{50 \% of a\_b. $\pm$ 1 $\rightarrow$ 2 $<$\_$>$}" in text
    assert r"\label{tab:t}" in text
    assert r"\begin{tabular}{lrr}" in text
    assert r"trial\_1 & x & x \\" in text  # two columns may have one head
    assert r"a \& b|c & $-$0.500 & \textasciitilde \space \textasciicircum \space \textbackslash" in text
    assert r"\# \$ \{x\} \\" in text
    assert r"d & $\geq$ 1 -- 2 &  \\" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]
    assert r"| a & b\|c | −0.500 |" in markdown(table)
    assert number(float("nan")) == "–"
