"""The word rescore: a wrong log gives one sentence, and its help explains the format."""

import pytest
from support.report_command import word


@pytest.mark.parametrize(
    ("name", "sentence"), [("none.txt", "no such file; give a log"), ("log.txt", "CASME II has 1 clips")]
)
def test_a_log_that_cannot_be_scored_is_a_sentence_and_exit_code_2(tmp_path, name, sentence):
    (tmp_path / "log.txt").write_text("casme2 sub01\nEP02_01f 1 1\n")
    result = word("rescore", tmp_path / name)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_help_teaches_the_log_format():
    assert "EP02_01f 1 1" in word("rescore", "--help").stdout


FOUND = "subject,video,onset,offset,kind,confidence\ns1,a,1,9,micro,0.9\ns2,b,50,80,macro,0.4\ns2,b,5,9,micro,0.2\n"
TRUTH = "subject,video,onset,offset,kind\ns1,a,2,9,micro\ns2,b,50,90,macro\n"


@pytest.fixture
def tables(tmp_path):
    (tmp_path / "found.csv").write_text(FOUND)
    (tmp_path / "truth.csv").write_text(TRUTH)
    (tmp_path / "videos.csv").write_text("subject,video\ns1,a\ns2,b\ns3,c\n")
    return ["--intervals", tmp_path / "found.csv", "--truth", tmp_path / "truth.csv"]


def test_intervals_are_scored_and_what_one_must_know_is_printed(tables, tmp_path):
    result = word("rescore", *tables, "--videos", tmp_path / "videos.csv")
    assert result.returncode == 0, result.stderr
    printed = " ".join(result.stdout.split())
    assert "together, micro" in printed
    assert "0.8000" in printed  # two hits, one false, none missed
    assert "bootstrap samples of the subjects" in printed
    told = word("rescore", *tables, "--compat", "strs").stdout
    assert "As in the code of STRS" in told


def test_the_curve_and_the_challenges_log_are_written_and_the_log_scores_alike(tables, tmp_path):
    for name in ("found", "truth"):
        path = tmp_path / f"{name}.csv"
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([f"database,{header}", *(f"samm_long,{row}" for row in rows)]) + "\n")
    result = word("rescore", *tables, "--curve", tmp_path / "new/curve.csv", "--log-megc", tmp_path / "log.txt")
    assert result.returncode == 0, result.stderr
    assert "average precision: micro 1.0000, macro 1.0000, overall 1.0000" in result.stdout
    assert (tmp_path / "new/curve.csv").read_text().startswith("kind,confidence,hits,false,missed,precision,recall,F1")
    again = word("rescore", tmp_path / "log.txt")
    assert "0.8000" in again.stdout
    assert "does not tell micro- from macro-expressions" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name a log, or a table of found intervals"),
        (["--intervals", "found.csv"], "--intervals needs the table of true intervals"),
        (["log.txt", "--intervals", "found.csv", "--truth", "truth.csv"], "name a log, or a table"),
        (
            ["--intervals", "found.csv", "--truth", "truth.csv", "--clips", "c.csv"],
            "--clips says nothing about intervals",
        ),
        (["log.txt", "--compat", "strs"], "--compat says nothing about clips"),
        (["spotted.txt", "--truth", "truth.csv"], "--truth goes with --intervals: a log holds its true intervals"),
        (["--intervals", "none.csv", "--truth", "truth.csv"], "none.csv: no such file"),
    ],
)
def test_flags_that_do_not_go_together_are_a_sentence_and_exit_code_2(
    tables, tmp_path, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.txt").write_text("casme2 sub01\nEP02_01f 1 1\n")
    (tmp_path / "spotted.txt").write_text("1\n006_1 1 9 - - FN\n")
    result = word("rescore", *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
