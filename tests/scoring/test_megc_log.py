"""Logs in the organisers' format: written, read back, scored like scikit-learn, and refused when they are not whole."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from support.fake_runs import fake_predictions, megc_clips, small_clips, write_fake_run
from support.report_command import word

from merjax.protocols import SCHEMES
from merjax.report.comparison import compare
from merjax.report.files import write_logs
from merjax.report.section import Section
from merjax.scoring.megc_log import (
    absent_databases,
    check_against_counts,
    check_against_list,
    log_text,
    read_log,
    rescore,
)
from merjax.sweeps.result import open_sweep
from merjax.system.errors import MerjaxError

MEGC3 = SCHEMES["megc3"]


@pytest.fixture(scope="module")
def predictions():
    clips = megc_clips()
    return fake_predictions(clips, MEGC3.task, 0.6, np.random.default_rng(0))


@pytest.fixture
def log(predictions, tmp_path):
    path = tmp_path / "log.txt"
    path.write_text(log_text(predictions))
    return path


def write(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_log_comes_back_as_it_was(predictions, log):
    columns = ["database", "subject", "clip", "label", "prediction"]
    there = predictions[columns].sort_values(columns).reset_index(drop=True)
    back = read_log(log, MEGC3).sort_values(columns).reset_index(drop=True)
    assert back.astype(str).equals(there.astype(str))


def test_what_a_log_says_about_itself_is_told_and_changes_no_score(predictions, log, tmp_path):
    said = tmp_path / "said.txt"
    said.write_text(log_text(predictions, "leaks: <b>"))
    assert said.read_text() == "# leaks: <b>\n" + log.read_text()
    scores, plain = rescore(said), rescore(log)
    pd.testing.assert_frame_equal(scores.table, plain.table)
    assert (scores.remarks, plain.remarks) == (("leaks: <b>",), ())
    assert "leaks: &lt;b&gt;" in scores._repr_html_()
    assert word("rescore", said).stdout.startswith("leaks: <b>\n")


def test_pooled_scores_of_a_log_are_scikit_learns_to_four_digits(predictions, log):
    rows = rescore(log).table.set_index("part")
    for part, own in [("FULL", predictions), *predictions.groupby("database")]:
        truth, prediction = own["label"], own["prediction"]
        assert f"{rows.loc[part, 'UF1']:.4f}" == f"{f1_score(truth, prediction, average='macro'):.4f}"
        assert f"{rows.loc[part, 'UAR']:.4f}" == f"{balanced_accuracy_score(truth, prediction):.4f}"
        assert f"{rows.loc[part, 'accuracy']:.4f}" == f"{accuracy_score(truth, prediction):.4f}"
    assert rows["clips"].tolist() == [442, 164, 145, 133]


def test_the_real_list_of_442_clips_is_whole(shared, tmp_path):
    listed = pd.read_csv(shared / "annotations/protocol_megc2019_442.csv", dtype={"subject": str, "clip": str})
    listed = listed.rename(columns={"data": "database"}).assign(prediction=0)
    path = tmp_path / "log.txt"
    path.write_text(log_text(listed))
    scores = rescore(path)
    row = scores.table.iloc[0]
    assert scores.absent == ""
    assert (f"{row['UF1']:.3f}", f"{row['UAR']:.3f}") == ("0.241", "0.333")


def test_a_log_in_other_spellings_and_of_one_database_is_taken(predictions, tmp_path):
    casme2 = predictions[predictions["database"] == "casme2"]
    path = tmp_path / "log.txt"
    path.write_text(log_text(casme2).replace("casme2", "CASME-II").replace("\n", "\r\n\r\n"))
    scores = rescore(path)
    assert scores.table["part"].tolist() == ["casme2"]
    assert "NOT THE WHOLE PROTOCOL" in scores.absent


def test_a_log_without_a_whole_database_is_told_loudly(predictions, log):
    assert absent_databases(read_log(log, MEGC3), MEGC3) == ""
    log.write_text(log_text(predictions[predictions["database"] != "samm"]))
    sentence = absent_databases(read_log(log, MEGC3), MEGC3)
    assert "NOT THE WHOLE PROTOCOL: 309 / 442 clips of megc3 (SAMM 0 / 133)" in sentence
    printed = word("rescore", log)
    assert printed.returncode == 0
    assert "NOT THE WHOLE PROTOCOL: 309 / 442" in printed.stdout
    assert not any(line.strip().startswith("FULL") for line in printed.stdout.splitlines())


def test_missing_clips_and_wrong_subjects_are_refused_by_the_protocols_counts(predictions, tmp_path):
    renamed = predictions.assign(subject=predictions["subject"].where(predictions.index != 5, "s99"))
    for lost in (predictions.drop(index=5), predictions[predictions["subject"] != "s03"], renamed):
        path = tmp_path / "log.txt"
        path.write_text(log_text(lost))
        with pytest.raises(MerjaxError, match=r"clips \(.* of .* subjects, but megc3 has .* complete the log"):
            check_against_counts(read_log(path, MEGC3), MEGC3, "log")


def test_a_changed_truth_is_refused_by_the_protocols_counts(predictions, tmp_path):
    changed = predictions.assign(label=predictions["label"].where(predictions.index != 3, 0))
    changed.loc[3, "label"] = (predictions.loc[3, "label"] + 1) % 3
    path = tmp_path / "log.txt"
    path.write_text(log_text(changed))
    with pytest.raises(MerjaxError, match="negative/positive/surprise"):
        check_against_counts(read_log(path, MEGC3), MEGC3, "log")


def test_duplicate_clips_are_refused(predictions, log):
    doubled = pd.concat([predictions, predictions.head(2)])
    with pytest.raises(MerjaxError, match="2 clips .* occur more than once"):
        log_text(doubled)
    log.write_text(log.read_text() + log.read_text())
    with pytest.raises(MerjaxError, match=r"442 clips .* occur more than once"):
        read_log(log, MEGC3)


def test_a_list_of_clips_finds_what_is_missing_too_much_or_of_another_truth(predictions, log, tmp_path):
    clips = tmp_path / "clips.csv"
    keys = predictions[["database", "subject", "clip", "label"]]
    read = read_log(log, MEGC3)
    keys.to_csv(clips, index=False)
    check_against_list(read, clips, "log")
    keys.iloc[:-1].to_csv(clips, index=False)
    with pytest.raises(MerjaxError, match=r"1 clips \(samm/.*\) are not in"):
        check_against_list(read, clips, "log")
    keys.to_csv(clips, index=False)
    with pytest.raises(MerjaxError, match="but not in the log"):
        check_against_list(read.iloc[4:], clips, "log")
    keys.assign(label=(keys["label"] + 1) % 3).to_csv(clips, index=False)
    with pytest.raises(MerjaxError, match="the truth of 442 clips"):
        check_against_list(read, clips, "log")
    keys.drop(columns="subject").to_csv(clips, index=False)
    with pytest.raises(MerjaxError, match="no sheet with the columns subject"):
        check_against_list(read, clips, "log")
    with pytest.raises(MerjaxError, match="no such file; --clips names"):
        check_against_list(read, tmp_path / "none.csv", "log")


PLAIN = "casme2 sub01\nEP02_01f 1 1\nEP03_02 0 -1\nsamm 006\n006_1_2 2 0\n"
LISTED = "database,subject,clip,label\ncasme2,sub01,EP02_01f,1\ncasme2,sub01,EP03_02,0\nsamm,006,006_1_2,2\n"


@pytest.mark.parametrize(
    ("old", "new", "encoding"),
    [("", "", "utf-8-sig"), ("", "", "utf-16"), ("\n", "\r\n", "utf-8"), ("\n", "\r", "utf-8"), (" ", "\t", "utf-8")]
    + [(" ", ",", "utf-8"), (" ", ";", "utf-8"), (" 1 1", " 1.0 1.0", "utf-8"), (" 1 1", ";1,0;1,0", "utf-8")]
    + [(" 0 -1", " 0.0 -1.0", "utf-8"), ("casme2 ", "CASME II;", "utf-8"), ("samm 006", "samm 6", "utf-8")]
    + [("samm 006", "samm;006;", "utf-8")],
)  # fmt: skip
def test_logs_of_other_programs_are_read_as_the_plain_one(tmp_path, old, new, encoding):
    expected = read_log(write(tmp_path / "plain.txt", [PLAIN]), MEGC3)
    (tmp_path / "log.txt").write_bytes(PLAIN.replace(old, new).encode(encoding) if old else PLAIN.encode(encoding))
    pd.testing.assert_frame_equal(read_log(tmp_path / "log.txt", MEGC3), expected)


@pytest.mark.parametrize(
    ("old", "new", "encoding"),
    [("", "", "utf-8-sig"), ("", "", "utf-16"), (",", ";", "utf-8"), (",", ", ", "utf-8"), (",1\n", ",1.0\n", "utf-8")]
    + [("samm,006,", "SAMM,6,", "utf-8"), ("database,subject", "Data,Subject", "utf-8")],
)  # fmt: skip
def test_lists_of_other_programs_are_read_as_the_plain_one(tmp_path, old, new, encoding):
    log = read_log(write(tmp_path / "log.txt", [PLAIN]), MEGC3)
    (tmp_path / "clips.csv").write_bytes((LISTED.replace(old, new) if old else LISTED).encode(encoding))
    check_against_list(log, tmp_path / "clips.csv", "log")


def test_a_listed_label_that_is_no_number_is_named_by_its_cell(tmp_path):
    log = read_log(write(tmp_path / "log.txt", [PLAIN]), MEGC3)
    (tmp_path / "clips.csv").write_text(LISTED.replace(",0\n", ",negative\n"))
    with pytest.raises(
        MerjaxError, match=r'clips.csv, row 3, column label: label is "negative"; write the number of a class'
    ):
        check_against_list(log, tmp_path / "clips.csv", "log")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["EP02_01f 1 1"], 'line 1: "EP02_01f 1 1" is neither'),
        (["casme2 sub01", "EP02_01f 1"], 'line 2: there is no database "EP02_01f"'),
        (["casme2 sub01", "EP02_01f 1 1 0.9"], "line 2"),
        (["casme9 sub01", "EP02_01f 1 1"], 'no database "casme9"'),
        (["casme2 sub01", "EP02_01f 1 3"], "0 negative, 1 positive, 2 surprise"),
        (["casme2 sub01", "EP02_01f happy sad"], '"happy" and "sad"'),
        (["casme2 sub01", "EP02_01f -1 0"], "0 negative"),
        (["casme2 sub01"], "holds no clip"),
    ],
)
def test_lines_that_are_none_are_refused_with_their_number(tmp_path, lines, sentence):
    with pytest.raises(MerjaxError, match=sentence.replace("(", r"\(")):
        read_log(write(tmp_path / "log.txt", lines), MEGC3)


def test_unreadable_logs_and_databases_outside_the_protocol_are_refused(tmp_path):
    with pytest.raises(MerjaxError, match="none.txt: no such file; give a log"):
        read_log(tmp_path / "none.txt", MEGC3)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MerjaxError, match="neither a workbook nor a text"):
        read_log(tmp_path / "binary", MEGC3)
    au5 = SCHEMES["au5"]
    log = read_log(write(tmp_path / "log.txt", ["smic s01", "s01_ne_01 0 0"]), au5)
    with pytest.raises(MerjaxError, match="SMIC-HS has no part in au5"):
        check_against_counts(log, au5, "log")


def test_written_logs_rescore_to_the_reported_scores(tmp_path):
    folder = write_fake_run(tmp_path / "r", seeds=(0, 1), diverged=[("focal", 2)])
    section, unpredicted = Section(compare([open_sweep(folder)])[0]), []
    logs = write_logs(tmp_path / "out", [section])
    assert [path.name for path in logs] == [f"{t}-seed{s}.txt" for t in ("focal", "cross-entropy") for s in (0, 1)]
    for entry in section.comparison.entries:
        values = []
        for path in logs:
            if path.name.startswith(entry.label):
                scores = rescore(path, clips=tmp_path / "out/logs/clips.csv")
                values.append(scores.table.set_index("part").loc["FULL", "UF1"])
                assert scores.absent == ""
                unpredicted.append(scores.unpredicted)
        reported = section.scores.set_index(["part", "entry"]).loc[("FULL", entry.label), "UF1"]
        assert np.mean(values) == pytest.approx(reported)
    assert [n > 0 for n in unpredicted] == [True, True, False, False]  # of focal, whose third fold diverged
    with pytest.raises(MerjaxError, match='no protocol "megc5"; write any of megc3, au5'):
        rescore(logs[0], protocol="megc5")


def test_cross_database_folds_get_a_log_each(tmp_path):
    clips = small_clips()
    samm_N = (clips["database"] == "samm").to_numpy(bool)
    folds = {"casme2->samm": samm_N, "smic->samm": samm_N}
    section = Section(
        compare([open_sweep(write_fake_run(tmp_path / "r", clips=clips, folds=folds, skills={"a": 0.5}))])[0]
    )
    names = {path.name for path in write_logs(tmp_path / "out", [section])}
    assert names == {"a-seed0-casme2-to-samm.txt", "a-seed0-smic-to-samm.txt"}
