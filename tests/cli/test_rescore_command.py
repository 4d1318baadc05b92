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
