"""Tables of intervals as people write them are read; what is wrong in them is refused by its place, and nothing is dropped."""

import pytest
from support.intervals import write_table

from merjax.datasets.interval_tables import read_intervals, read_videos
from merjax.scoring.spotting.rescored import rescore_intervals
from merjax.scoring.spotting.spotted import read_spotted
from merjax.system.errors import MerjaxError

KIND = "subject,video,onset,offset,kind"


@pytest.fixture
def write(tmp_path):
    """Write the tables found, truth and perhaps videos; the arguments of `rescore_intervals`."""

    def written(found, truth, videos=None, columns="video,onset,offset", found_columns=None, video_columns="video"):
        paths = {"truth": write_table(tmp_path / "truth.csv", truth, columns)}
        if videos is not None:
            paths["videos"] = write_table(tmp_path / "videos.csv", videos, video_columns)
        return write_table(tmp_path / "found.csv", found, found_columns or columns), paths

    return written


def row_of(found, paths, **how):
    return rescore_intervals(found, **paths, **how).table.iloc[-1]


@pytest.mark.parametrize(
    ("header", "separator"),
    [("Subject,Filename,Onset,Offset,Type", ","), ("subject;video_name;Start frame;End frame;kind", ";")],
)
def test_columns_are_found_by_name_and_kinds_by_their_first_word(tmp_path, header, separator):
    rows = ["006,006_1,324,403,Micro - 1/2", "006,006_1,566,743,Macro"]
    (tmp_path / "t.csv").write_text("\n".join([header, *(row.replace(",", separator) for row in rows)]))
    table = read_intervals(tmp_path / "t.csv")
    assert table.to_dict("list") == {
        **{"subject": ["006", "006"], "video": ["006_1", "006_1"], "onset": [324, 566], "offset": [403, 743]},
        "kind": ["micro", "macro"],
    }


def test_a_column_class_that_says_micro_and_macro_is_the_kind(tmp_path):
    columns = "video,onset,offset,class"
    rows = [("v", 1, 2, "Micro"), ("v", 5, 9, "macro-expression")]
    table = read_intervals(write_table(tmp_path / "t.csv", rows, columns))
    assert table["kind"].tolist() == ["micro", "macro"]
    assert "emotion" not in table
    table = read_intervals(write_table(tmp_path / "t.csv", [rows[0], ("v", 5, 9, "Fear")], columns))
    assert table["emotion"].tolist() == ["micro", "fear"]


@pytest.mark.parametrize(
    ("row", "columns", "sentence"),
    [
        (("v", 12.5, 20), "video,onset,offset", 'row 3, column onset is "12.5"; write a whole number of frames'),
        (("v", 5, "twenty"), "video,onset,offset", 'row 3, column offset is "twenty"; write a whole'),
        (
            ("v", 20, 12),
            "video,onset,offset",
            "row 3, column offset: the offset 12 lies before the onset 20; correct it",
        ),
        (("v", 20, 0), "video,onset,offset", "or write the apex where the offset was not coded"),
        (("v", "", 12), "video,onset,offset", "row 3, column onset is empty; fill it in or remove the row"),
        (("", 5, 12), "video,onset,offset", "row 3, column video is empty"),
        (("w", 1, 2), "video,onset,offset", "row 3 says the same as row 2; remove one of them"),
        (("v", 1, 2, "none"), "video,onset,offset,kind", 'column kind is "none"; write micro or macro'),
        (("v", 1, 2, "high"), "video,onset,offset,confidence", 'column confidence is "high"; write a number'),
        (("v", 1, 2, "nan"), "video,onset,offset,confidence", 'column confidence is "nan"; write a number'),
        (("v", 1, 2, ""), "video,onset,offset,emotion", "column emotion is empty"),
        (("v", 1), "video,onset", "no sheet with the columns offset (found: video, onset)"),
        (("v", 1, 2), "film,onset,offset", "no sheet with the columns video (found: film, onset, offset)"),
    ],
)
def test_wrong_rows_are_refused_by_their_place(tmp_path, row, columns, sentence):
    first = ("w", 1, 2, {"kind": "micro", "confidence": 0.5}.get(columns.split(",")[-1], "fear"))[: len(row)]
    with pytest.raises(MerjaxError) as refused:
        read_intervals(write_table(tmp_path / "t.csv", [first, row], columns))
    assert sentence in str(refused.value)
    assert "t.csv" in str(refused.value)


def test_the_same_interval_with_another_kind_class_or_video_is_no_repetition(tmp_path):
    rows = [("v", 1, 9, "micro", "a"), ("v", 1, 9, "macro", "a"), ("v", 1, 9, "micro", "b"), ("w", 1, 9, "micro", "a")]
    assert len(read_intervals(write_table(tmp_path / "t.csv", rows, "video,onset,offset,kind,class"))) == 4
    again = [("v", 1, 9, 0.5), ("v", 1, 9, 0.6)]
    with pytest.raises(MerjaxError, match="row 3 says the same as row 2"):
        read_intervals(write_table(tmp_path / "t.csv", again, "video,onset,offset,confidence"))


def test_a_list_of_videos_names_each_once_and_may_say_how_long_they_are(tmp_path):
    table = read_videos(write_table(tmp_path / "v.csv", [("s", "a", 100), ("s", "b", 90)], "subject,video,frames"))
    assert table["frames"].tolist() == [100, 90]
    with pytest.raises(MerjaxError, match="row 3 says the same as row 2"):
        read_videos(write_table(tmp_path / "v.csv", [("a",), ("a",)], "video"))
    with pytest.raises(MerjaxError, match='column frames is "long"; write a whole number'):
        read_videos(write_table(tmp_path / "v.csv", [("a", "long")], "video,frames"))


def test_overlapping_true_intervals_are_each_to_be_found_and_told(write):
    truth = [("v", 10, 29), ("v", 12, 31), ("v", 100, 120)]
    scores = rescore_intervals(write([("v", 11, 30)], truth)[0], truth=write([("v", 11, 30)], truth)[1]["truth"])
    assert scores.table.loc[0, ["hits", "false", "missed"]].tolist() == [1, 0, 2]
    assert "1 pair of true intervals overlap; each is to be found by an interval of its own." in scores.notes


def test_videos_of_one_table_alone_count_and_are_told(write):
    found, paths = write([("a", 1, 9), ("b", 1, 9), ("b", 50, 60)], [("a", 1, 9), ("c", 1, 9)])
    scores = rescore_intervals(found, **paths)
    assert scores.table.loc[0, ["hits", "false", "missed", "videos", "empty"]].tolist() == [1, 2, 1, 3, 1]
    told = " ".join(scores.notes)
    assert "1 video (b) is in" in told
    assert "what is found there, 2 intervals, as false" in told
    assert "1 video (c) is in" in told
    assert "nothing is found there: 1 true interval missed" in told


def test_with_a_list_its_videos_count_without_a_word_and_a_misspelt_one_is_refused(write):
    found, paths = write([("a", 1, 9)], [("a", 1, 9)], [("a",), ("b",), ("c",)])
    scores = rescore_intervals(found, **paths)
    assert scores.table.loc[0, ["videos", "empty", "hits"]].tolist() == [3, 2, 1]
    assert not any("alone" in note for note in scores.notes)
    for where, rows in (("found", ([("B", 1, 9)], [("a", 1, 9)])), ("truth", ([("a", 1, 9)], [("B", 1, 9)]))):
        found, paths = write(*rows, [("a",), ("b",)])
        with pytest.raises(MerjaxError, match=f"{where}.csv: 1 video \\(B\\) is not in .*videos.csv; complete it"):
            rescore_intervals(found, **paths)


def test_tables_without_a_common_video_are_refused(write):
    found, paths = write([("EP02_01", 1, 9)], [("EP02_01f", 1, 9)])
    with pytest.raises(
        MerjaxError, match=r"1 video \(EP02_01\) is not in .*, whose first is EP02_01f; name videos alike"
    ):
        rescore_intervals(found, **paths)


def test_nothing_found_is_a_result_and_no_truth_is_none_without_a_list(write):
    found, paths = write([], [("s", "a", 1, 9, "micro")], columns=KIND)
    assert row_of(found, paths)[["hits", "false", "missed"]].tolist() == [0, 0, 1]
    found, paths = write([("a", 1, 9)], [])
    with pytest.raises(MerjaxError, match="truth.csv holds no interval"):
        rescore_intervals(found, **paths)
    found, paths = write([("a", 1, 9)], [], [("a",), ("b",)])
    assert row_of(found, paths)[["hits", "false", "missed", "empty"]].tolist() == [0, 1, 0, 2]


def test_kinds_are_matched_apart_and_told_if_one_table_lacks_them(write):
    truth = [("s", "a", 1, 9, "micro"), ("s", "a", 50, 90, "macro")]
    swapped = [("s", "a", 1, 9, "macro"), ("s", "a", 50, 90, "macro")]
    table = rescore_intervals(write(swapped, truth, columns=KIND)[0], **write(swapped, truth, columns=KIND)[1]).table
    assert table.set_index("kind")[["hits", "false", "missed"]].to_numpy().tolist() == [[0, 0, 1], [1, 1, 0], [1, 1, 1]]
    found, paths = write([row[:4] for row in swapped], truth, columns=KIND, found_columns="subject,video,onset,offset")
    scores = rescore_intervals(found, **paths)
    assert scores.table["kind"].tolist() == ["overall"]
    assert scores.table.loc[0, "hits"] == 2
    assert any("found.csv has no column kind" in note for note in scores.notes)


def test_a_subject_or_database_that_one_table_lacks_is_taken_from_the_others(write):
    truth = [("CAS(ME)^2", "s15", "15_0101", 1, 9), ("SAMM_Long", "006", "006_1", 1, 9)]
    columns = {"columns": "database,subject,video,onset,offset", "found_columns": "video,onset,offset"}
    found, paths = write([("15_0101", 1, 9), ("006_1", 40, 50)], truth, **columns)
    table = rescore_intervals(found, **paths).table.set_index("part")
    assert table["hits"].to_dict() == {"together": 1, "cas(me)^2": 1, "sammlong": 0}
    truth = [("cas", "s1", "EP01", 1, 9), ("cas", "s2", "EP01", 1, 9)]
    found, paths = write([("EP01", 1, 9)], truth, **columns)
    with pytest.raises(MerjaxError, match="several videos EP01, of the subjects s1, s2; add a column subject"):
        rescore_intervals(found, **paths)


def test_spellings_of_a_database_agree(write):
    found, paths = write([("samm long", "v", 1, 9)], [("SAMM_Long", "v", 1, 9)], columns="database,video,onset,offset")
    assert row_of(found, paths)["hits"] == 1


def test_true_intervals_beyond_their_video_count_and_are_told(write):
    found, paths = write([("a", 1, 9)], [("a", 95, 101)], [("a", 100)], video_columns="video,frames")
    scores = rescore_intervals(found, **paths)
    assert scores.table.loc[0, "missed"] == 1
    assert any("1 true interval with an offset after the last frame" in note for note in scores.notes)


def test_tables_keep_all_of_their_rows(write):
    found = [("s", f"v{n % 7}", n * 10, n * 10 + n % 5, "micro") for n in range(60)]
    made = read_spotted(
        *[write(found, found[:30], columns=KIND)[0], write(found, found[:30], columns=KIND)[1]["truth"]]
    )
    assert (len(made.found), len(made.truth), len(made.videos)) == (60, 30, 7)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"compat": "softent"}, 'no rule "softent"; write any of megc2020, softnet, strs, auw; did you mean softnet?'),
        ({"classes": ("joy",)}, "classes are analysed only if both tables have a column class"),
    ],
)
def test_what_cannot_be_asked_is_refused(write, how, sentence):
    found, paths = write([("a", 1, 9)], [("a", 1, 9)])
    with pytest.raises(MerjaxError) as refused:
        rescore_intervals(found, **paths, **how)
    assert sentence in str(refused.value)


def test_classes_that_do_not_occur_and_a_list_beside_a_log_are_refused(write, tmp_path):
    columns = "video,onset,offset,emotion"
    found, paths = write([("a", 1, 9, "fear")], [("a", 1, 9, "fear")], columns=columns)
    with pytest.raises(MerjaxError, match="no true interval is of the class joy; the classes are fear"):
        rescore_intervals(found, **paths, classes=["joy"])
    (tmp_path / "log.txt").write_text("1\n006_1 1 9 - - FN\n")
    with pytest.raises(MerjaxError, match="a log has no use for it"):
        rescore_intervals(tmp_path / "log.txt", videos=tmp_path / "videos.csv")
