"""The challenge's log: read as its organisers wrote it, written so that it reads back, and refused where it is none."""

import pytest
from support.intervals import spotted

from merjax.scoring.megc_log import rescore
from merjax.scoring.spotting.challenge_log import challenge_log, is_challenge_log, read_challenge_log
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rescored import rescore_intervals
from merjax.scoring.spotting.rules import RULES
from merjax.system.errors import MerjaxError

# as the organisers' script pads them
LINES = """\
1
025_5   -         -       162     240     FP
025_5   840       979     -       -       FN
025_5   840       937     841     920     TP
035_1   523       730     580     705     TP
035_1   649       691     -       -       FN
2
15_0101   557     570     555     569     TP
15_0101   -       -       698     713     FP
"""
KEYS = ("database", "subject", "video", "onset", "offset")


@pytest.fixture
def log(tmp_path):
    def write(text=LINES):
        (tmp_path / "log.txt").write_text(text)
        return tmp_path / "log.txt"

    return write


def test_a_log_is_told_from_one_of_classes(log):
    assert is_challenge_log(log())
    assert not is_challenge_log(log("casme2 sub01\nEP02_01f 1 1\n"))
    assert not is_challenge_log(log(""))


def test_a_log_is_scored_for_each_database_and_together(log):
    scores = rescore_intervals(log())
    table = scores.table.set_index("part")
    assert table.loc["together", ["hits", "false", "missed"]].tolist() == [3, 2, 2]
    assert table.loc["samm long videos", ["hits", "false", "missed", "subjects"]].tolist() == [2, 1, 2, 2]
    assert table.loc["cas(me)^2", ["hits", "false", "missed", "subjects"]].tolist() == [1, 1, 0, 1]
    assert any("does not tell micro- from macro" in note for note in scores.notes)
    assert not any("lines say" in note for note in scores.notes)


def test_a_log_whose_intervals_do_not_give_its_results_is_told(log):
    scores = rescore_intervals(log(LINES.replace("841     920", "841     880")))
    assert scores.table.loc[0, ["hits", "false", "missed"]].tolist() == [2, 3, 3]
    assert any("lines say 3 TP, 2 FP and 2 FN; its intervals give 2, 3 and 3" in note for note in scores.notes)


def test_intervals_of_several_hits_are_read_once(log):
    """The organisers' code counts true intervals that are hit, and writes each found one that hits."""
    text = "2\n15_0101 10 20 10 20 TP\n15_0101 10 20 11 20 TP\n15_0101 40 50 - - FN\n15_0101 40 50 - - FN\n"
    assert rescore_intervals(log(text)).table.loc[0, ["hits", "false", "missed"]].tolist() == [1, 1, 2]
    scores = rescore_intervals(log(text), compat="megc2020")
    assert scores.table.loc[0, ["hits", "false", "missed"]].tolist() == [1, 1, 2]


def test_a_written_log_reads_back_to_the_same_intervals_and_counts(log):
    found = [("samm_long", "006", "006_1", 10, 20), ("samm_long", "006", "006_1", 100, 120)]
    found += [("cas(me)^2", "s15", "15_0101", 5, 9), ("cas(me)^2", "s15", "0102", 7, 7)]
    true = [("samm_long", "006", "006_1", 12, 20), ("samm_long", "006", "006_1", 60, 80), found[2]]
    made = spotted(found, true, columns=KEYS)
    made.videos["database"] = made.videos["database"].str.replace("_", "")  # as the reader of tables writes it
    text = challenge_log(made, count(made, RULES[""]))
    assert text.split("\n") == [
        "1",
        "006_1     12      20      10      20      TP",
        "006_1     60      80      -       -       FN",
        "006_1     -       -       100     120     FP",
        "2",
        "15_0101   5       9       5       9       TP",
        "15_0102   -       -       7       7       FP",
        "",
    ]
    back, said = read_challenge_log(log(text))
    assert said == {"TP": 2, "FP": 2, "FN": 1}
    for one, other in ((back.found, made.found), (back.truth, made.truth)):
        ends = [sorted(zip(t["onset"], t["offset"], strict=True)) for t in (one, other)]
        assert ends[0] == ends[1]
    assert count(back, RULES[""]).counts["hits"].sum() == 2


def test_a_log_that_was_read_is_written_as_it_was(log):
    text = rescore_intervals(log()).log()
    assert [line.split() for line in text.splitlines()] == [line.split() for line in LINES.splitlines()]
    assert rescore_intervals(log(text)).log() == text


@pytest.mark.parametrize(
    ("database", "video", "sentence"),
    [("smic", "1", 'no number for the database "smic"'), ("sammlong", "a b", "has a blank in its name")],
)
def test_what_the_format_cannot_hold_is_refused(database, video, sentence):
    made = spotted([(database, "1", video, 1, 2)], [(database, "1", video, 1, 2)], columns=KEYS)
    with pytest.raises(MerjaxError, match=sentence):
        challenge_log(made, count(made, RULES[""]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1\n006_1 1 2 3 4\n", 'line 2: "006_1 1 2 3 4" is neither 1 nor 2'),
        ("006_1 1 2 3 4 TP\n", "line 1"),
        ("1\n006_1 1 2 - - TP\n", 'line 2: "TP" does not fit its intervals'),
        ("1\n006_1 - - - - FP\n", "does not fit"),
        ("1\n006_1 5 2 - - FN\n", "line 2: the offset 2 lies before the onset 5"),
        ("1\n006_1 5.5 8 - - FN\n", "are no two whole numbers of frames"),
        ("1\n006_1 - 8 - - FN\n", "are no two whole numbers"),
        ("1\n", "holds no interval"),
    ],
)
def test_lines_that_are_none_are_refused_with_their_number(log, text, sentence):
    with pytest.raises(MerjaxError, match=sentence):
        rescore_intervals(log(text))


def test_a_log_of_spotting_given_for_one_of_classes_is_refused_with_the_function_to_use(log):
    with pytest.raises(MerjaxError, match="is a log of spotted intervals; use merjax.rescore_intervals"):
        rescore(log())
