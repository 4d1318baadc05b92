"""Sheets beside a release: what cannot be read stops nothing and is listed; each cell that is not understood is named."""

import csv
from pathlib import Path

import pytest
from support.old_workbooks import xls
from support.placeholder_releases import CASME2_HEADER, Line, casme2_frames, casme2_sheet, class_sheet

from merjax.datasets import read_casme2
from merjax.system.errors import MerjaxError

LINES = (Line("01", "EP02_01f"), Line("01", "EP03_02", action_units="12", emotion="happiness"), Line("02", "EP02_01f"))
HEADER = [cell or "" for cell in CASME2_HEADER]


def rows_of(lines=LINES) -> list[list[str]]:
    return [
        [str(c) for c in (x.subject, x.name, "", x.onset, x.apex, x.offset, "", x.action_units, x.emotion)]
        for x in lines
    ]


def release(tmp_path: Path, lines=LINES) -> Path:
    root = tmp_path / "casme2"
    casme2_frames(root / "Cropped", LINES)
    casme2_sheet(root / "coding.xlsx", lines)
    class_sheet(root / "classes.xlsx", LINES)
    return root


def remarks(found) -> list[str]:
    return [d.reason for d in found.discrepancies if not d.reason.startswith("sheet version")]


def with_text(root: Path, name: str, delimiter=",", encoding="utf-8", rows=None) -> Path:
    (root / "coding.xlsx").unlink(missing_ok=True)
    with (root / name).open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([HEADER, *(rows or rows_of())])
    return root / name


@pytest.mark.parametrize(
    ("name", "delimiter", "encoding"),
    [("a.csv", ";", "utf-8-sig"), ("a.txt", "\t", "utf-16"), ("a.csv", ",", "cp1252"), ("a.xls", "\t", "utf-8")],
)
def test_a_sheet_is_found_however_it_was_saved(tmp_path, name, delimiter, encoding):
    root = release(tmp_path)
    expected = read_casme2(root)
    with_text(root, name, delimiter, encoding)
    assert read_casme2(root).clips == expected.clips
    (root / name).write_bytes(xls([HEADER, *rows_of()]))
    assert read_casme2(root).clips == expected.clips


def test_numbers_in_other_spellings_give_the_same_clips(tmp_path):
    root = release(tmp_path)
    expected = read_casme2(root)
    rows = [
        [row[0].lstrip("0"), row[1], "", f"{row[3]},0", f"{row[4]}.0", f"0{row[5]}", "", *row[7:]] for row in rows_of()
    ]
    with_text(root, "coding.csv", ";", rows=rows)
    assert read_casme2(root).clips == expected.clips


def test_unreadable_files_stop_nothing_and_are_listed(tmp_path):
    root = release(tmp_path)
    expected = read_casme2(root).clips
    (root / "damaged.xlsx").write_bytes((root / "coding.xlsx").read_bytes()[:-300])
    (root / "photo.csv").write_bytes(bytes(range(256)))
    (root / "notes.txt").write_text("nothing to see; here")
    found = read_casme2(root)
    assert found.clips == expected
    damaged, photo = remarks(found)
    assert damaged.startswith(f"passed over: {root / 'damaged.xlsx'}: not a readable workbook")
    assert photo.startswith(f"passed over: {root / 'photo.csv'}: is neither a workbook nor a text")


def test_a_copy_that_says_the_same_is_listed_and_no_reason_to_stop(tmp_path):
    root = release(tmp_path)
    casme2_sheet(root / "export.xlsx", LINES)
    assert remarks(read_casme2(root)) == [
        f"passed over: {root / 'export.xlsx'}: says the same as {root / 'coding.xlsx'}"
    ]


def test_without_a_sheet_every_file_is_named_with_what_is_wrong(tmp_path):
    root = release(tmp_path)
    casme2_sheet(root / "coding.xlsx", [Line("006", "006_1_2")])
    (root / "damaged.xlsx").write_bytes(b"PK\x03\x04")
    (root / "notes.txt").write_text("Subject,Filename\n")
    with pytest.raises(MerjaxError) as told:
        read_casme2(root)
    for part in (
        f"{root / 'coding.xlsx'}: file names are not this database's (found 006_1_2)",
        f"{root / 'damaged.xlsx'}: not a readable workbook",
        f"{root / 'notes.txt'}: no sheet with the columns Onset Frame, Apex Frame",
        f"{root / 'classes.xlsx'}: no sheet with the columns",
    ):
        assert part in str(told.value)
    assert "\n" not in str(told.value)


def test_cells_that_cannot_be_understood_are_named_by_file_row_column_and_text(tmp_path):
    lines = [
        LINES[0]._replace(action_units="47"),
        LINES[1]._replace(emotion="happines"),
        LINES[2]._replace(apex="1,000", emotion=""),
    ]
    found = read_casme2(release(tmp_path, lines))
    assert [clip.apex for clip in found.clips] == [8, 8, None]
    assert remarks(found) == [
        "action units are '47' in row 2, column Action Units of coding.xlsx: they give no class",
        "emotion is 'happines' in row 3, column Estimated Emotion of coding.xlsx; did you mean happiness?",
        "apex is '1,000' in row 4, column ApexFrame of coding.xlsx: read as no apex",
        "emotion is empty (or a formula without its value: save the sheet again in a spreadsheet program) in row 4, "
        "column Estimated Emotion of coding.xlsx",
    ]


def test_a_subject_that_merged_cells_lost_is_told(tmp_path):
    rows = rows_of()
    rows[1][0] = ""
    root = release(tmp_path)
    with_text(root, "coding.csv", rows=rows)
    (reason,) = (d.reason for d in read_casme2(root).discrepancies if d.dropped and d.name and not d.subject)
    assert reason.startswith(
        "row 3 of coding.csv has no subject and file name: '', 'EP03_02'; if it stands in the row above"
    )
