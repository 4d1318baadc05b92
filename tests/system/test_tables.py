"""Tables as people save them: every encoding, separator and kind of workbook gives the same cells, and damage one sentence."""

import codecs
import csv
import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.old_workbooks import xls

from merjax.system.columns import Column, read_sheet
from merjax.system.errors import MerjaxError
from merjax.system.tables import read_tables, text_of, whole_cell

HEADER = ("Subject", "Filename", "Onset Frame", "AU")
ROWS = (HEADER, ("01", "EP02_01f", "46", "4+7"), ("02", "Müller; né", "131", "R4,5"), ("", 'a "b", c', "", "?"))
COLUMNS = {name: Column(name, (name.lower().replace(" ", ""),)) for name in HEADER}
KNOWN = {spelling for column in COLUMNS.values() for spelling in column.spellings}
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "cp1252": b"",
}


def separated(rows, delimiter=",", encoding="utf-8", end="\r\n", quoting=csv.QUOTE_MINIMAL) -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return ENCODINGS[encoding] + file.getvalue().encode(encoding)


def xlsx(rows, merged=()) -> bytes:
    book = openpyxl.Workbook()
    for i, row in enumerate(rows, 1):
        for j, cell in enumerate(row, 1):
            book.active.cell(i, j).value = cell
    for cells in merged:
        book.active.merge_cells(cells)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parts_changed(workbook: bytes, change) -> bytes:
    """A workbook whose parts went through `change(name, content)`."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return file.getvalue()


def written(folder: Path, content: bytes, name: str = "table.csv") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def rows_of(path: Path):
    (table,) = read_tables(path, KNOWN)
    return table.rows


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_of_any_encoding_separator_and_line_end_gives_the_same_cells(tmp_path, encoding, delimiter, end):
    assert rows_of(written(tmp_path, separated(ROWS, delimiter, encoding, end))) == ROWS


@pytest.mark.parametrize("name", ["a.xlsx", "a.xlsm", "a.xls", "export.csv"])
def test_workbooks_are_known_by_their_content_and_whole_numbers_have_no_decimals(tmp_path, name):
    rows = [HEADER, ("01", "EP02_01f", 46, 12), ("02", "né", 131.5, "4+7")]
    cells = (HEADER, ("01", "EP02_01f", "46", "12"), ("02", "né", "131.5", "4+7"))
    for content in (
        xlsx(rows),
        xls([[cell if isinstance(cell, str) else float(cell) for cell in row] for row in rows]),
    ):
        assert rows_of(written(tmp_path, content, name)) == cells
    if name != "a.xlsx" and name != "a.xlsm":
        assert rows_of(written(tmp_path, separated(cells, "\t"), name)) == cells  # an export that is called .xls


def test_each_cell_of_a_merged_range_holds_its_text(tmp_path):
    rows = [HEADER, ("01", "a", "1", "4"), ("", "b", "2", "4"), ("", "c", "3", "4"), ("02", "d", "5", "6")]
    for content in (xlsx(rows, ["A2:A4"]), xls(rows, [(1, 3, 0, 0)])):
        assert [row[0] for row in rows_of(written(tmp_path, content))] == ["Subject", "01", "01", "01", "02"]


def test_a_workbook_with_damaged_styles_is_read(tmp_path):
    def damage(name, content):
        return re.sub(rb"<fill>.*?</fill>", b"<fill/>", content, count=1) if name.endswith("styles.xml") else content

    content = parts_changed(xlsx(ROWS), damage)
    with pytest.raises(TypeError):
        openpyxl.load_workbook(io.BytesIO(content))
    assert rows_of(written(tmp_path, content)) == ROWS


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_do_not_hide_the_separator(tmp_path, delimiter):
    rows = [*[(str(n), f"{n},0", f"{n},5", "4,7") for n in range(5)]]
    content = "\n".join(delimiter.join(row) for row in rows).encode()
    assert rows_of(written(tmp_path, content)) == tuple(rows)  # without a header
    prose = b"Notes, for users, of this sheet, please cite: A., B., C.\n" * 9
    header = delimiter.join(HEADER).encode() + b"\n"
    sheet = read_sheet(written(tmp_path, prose + header + content), COLUMNS, HEADER)
    assert sheet.rows[3] == (14, dict(zip(HEADER, ("3", "3", "3,5", "4,7"), strict=True)))


def test_blanks_separate_where_nothing_else_does(tmp_path):
    path = written(tmp_path, b"006 1 macro-expression 566\n006  1 micro-expression 3562\n", "info.txt")
    assert rows_of(path) == (("006", "1", "macro-expression", "566"), ("006", "1", "micro-expression", "3562"))


def test_the_place_of_a_cell_is_the_one_that_a_spreadsheet_shows(tmp_path):
    rows = [("preamble",), (), HEADER, (), ("01", "x", "1", "4")]
    for content in (xlsx(rows), separated(rows)):
        sheet = read_sheet(written(tmp_path, content), COLUMNS, HEADER)
        assert [sheet.place(number, "AU") for number, _ in sheet.rows] == ["row 5, column AU"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1), ("001", 1), ("1.0", 1), ("1,0", 1), ("1.", 1), (" 12.00 ", 12), ("１２", 12), ("-1", -1), ("\u22121", -1)]
    + [("0.000", 0), ("+3", 3), ("0", 0)]
    + [(text, None) for text in ("", "1,000", "12.000", "1.5", "1,", "1e3", "0x10", "1 000", "None", "/", "1.0.0", "9" * 5000)],
)  # fmt: skip
def test_whole_numbers_are_read_however_they_are_written_unless_they_could_be_two(text, number):
    assert whole_cell(text) == number


def far_cell() -> bytes:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "x", "y"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xlsx", b"", "a.xlsx: not a readable workbook .*; fetch it or save it again"),
        ("a.xlsx", xlsx(ROWS)[:-500], "a.xlsx: not a readable workbook"),
        ("a.xlsx", parts_changed(xlsx(ROWS), lambda n, c: c[: len(c) // 2] if "sheet1" in n else c), "a.xlsx: not a readable"),
        ("a.xls", xls(ROWS)[:700], "a.xls: not a readable workbook"),
        ("a.xlsx", far_cell(), "a.xlsx: its cells reach to row 1048576 and column 16384; delete those far"),
        ("a.csv", bytes(range(256)), "a.csv: is neither a workbook nor a text in UTF-8"),
        ("a.csv", "Subject".encode("utf-16-le"), "save it as UTF-8"),
        ("a.csv", codecs.BOM_UTF16_LE + b"\x00", "save it as UTF-8"),
        ("a.csv", b"caf\x81", "save it as UTF-8"),
        ("a.csv", b'Subject,Filename\n01,"EP02\n02,EP03\n', "a.csv: row 2 cannot be read .*; close or delete the quotation"),
        ("a.csv", b"x" * 6_000_000, "a.csv: has 6 MB, too many"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_one_sentence(tmp_path, name, content, sentence):
    with pytest.raises(MerjaxError, match=sentence) as told:
        read_tables(written(tmp_path, content, name))
    assert "\n" not in str(told.value)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(MerjaxError, match="is a folder"):
        text_of(tmp_path)
    with pytest.raises(MerjaxError, match="no such file"):
        text_of(tmp_path / "none.txt")


def test_real_sheets_give_the_cells_that_an_independent_reader_finds(shared):
    for path in sorted((shared / "annotations").rglob("*.xlsx")):
        book = openpyxl.load_workbook(path, data_only=True)
        for table in read_tables(path):
            expected = [[as_text(cell) for cell in row] for row in book[table.title].iter_rows(values_only=True)]
            found = [list(row) for row in table.rows]
            for i, row in enumerate(expected):
                own = found[i] if i < len(found) else []
                own += [""] * (len(row) - len(own))
                assert [(a, b) for a, b in zip(row, own, strict=True) if a != b and not close(a, b)] == []


def as_text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()


def close(a: str, b: str) -> bool:
    """Whether two texts are the same number but for the last digits of a double, or a merged cell that only we fill."""
    if a == "":
        return "Apex Frame not annotated" in b
    return abs(float(a) - float(b)) < 1e-9


# What cells hold: no control characters, which no table has, and no blanks at the ends, which are cut off
CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8).map(str.strip)
CP1252 = st.text(st.characters(codec="cp1252", exclude_categories=("Cc", "Zl", "Zp")), max_size=8).map(str.strip)
FUZZED = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)


def number_texts(number: int):
    return st.sampled_from([f"{number}", f"{number:05d}", f"{number}.0", f"{number},0", f"+{number}", f"{number}.00"])


@st.composite
def tables(draw, cells):
    """Rows below a header: names, numbers in any spelling, action units in any joining; and what they mean."""
    numbers = draw(st.lists(st.integers(0, 10**9), min_size=1, max_size=4))
    rows = [(draw(cells), draw(cells), draw(number_texts(n)), draw(st.sampled_from(["4+7", "R4,5", "AU12", "L14 or 17"])))
            for n in numbers]  # fmt: skip
    return rows, numbers


@pytest.mark.long
@settings(FUZZED, max_examples=2500)
@given(st.data())
def test_fuzz_text_tables_come_back_equal(tmp_path_factory, data):
    encoding = data.draw(st.sampled_from(list(ENCODINGS)))
    rows, numbers = data.draw(tables(CP1252 if encoding == "cp1252" else CELLS))
    delimiter, end = data.draw(st.sampled_from(",;\t")), data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    preamble = data.draw(st.lists(st.just(("Notes", "of the users")), max_size=13))
    content = separated([*preamble, HEADER, *rows], delimiter, encoding, end, quoting)
    if encoding == "cp1252":
        assume(not is_utf8(content) or content.isascii())  # such a text says two things
    path = written(tmp_path_factory.getbasetemp(), content)
    assert rows_of(path)[len(preamble) :] == (HEADER, *rows)
    sheet = read_sheet(path, COLUMNS, HEADER)
    assert [whole_cell(cells["Onset Frame"]) for _, cells in sheet.rows] == numbers


def is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.long
@settings(FUZZED, max_examples=1000)
@given(st.data())
def test_fuzz_workbooks_come_back_equal(tmp_path_factory, data):
    text = CELLS.filter(lambda cell: not cell.startswith("=") and not re.search(r"_x[0-9A-Fa-f]{4}_", cell))
    cell = st.one_of(text, st.integers(0, 10**9).map(float))
    rows = [HEADER, *(tuple(row) for row in data.draw(st.lists(st.lists(cell, min_size=4, max_size=4), max_size=5)))]
    last = data.draw(st.integers(1, 3))
    merged = data.draw(st.booleans()) and len(rows) > last
    old = data.draw(st.booleans())
    content = xls(rows, [(1, last, 0, 0)] * merged) if old else xlsx(rows, [f"A2:A{last + 1}"] * merged)
    expected = [[as_text(cell) for cell in row] for row in rows]
    if merged:
        for row in expected[1 : last + 1]:
            row[0] = expected[1][0]
    found = rows_of(written(tmp_path_factory.getbasetemp(), content, "a.xls"))
    assert [list(row) for row in found] == expected[: len(found)]
    assert not any(any(row) for row in expected[len(found) :])  # a workbook keeps no empty rows at its end


WHOLE = [separated(ROWS), separated(ROWS, ";", "utf-16-le"), xlsx(ROWS, ["A2:A4"]), xls(ROWS, [(1, 3, 0, 0)])]


@pytest.mark.long
@settings(FUZZED, max_examples=2500)
@given(st.data())
def test_fuzz_damaged_files_are_read_or_told_in_one_sentence(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from([*WHOLE, b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])))
    kind = data.draw(st.sampled_from(["cut", "changed", "replaced", "longer"]))
    if kind == "cut":
        del content[data.draw(st.integers(0, len(content))) :]
    elif kind == "changed" and content:
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    elif kind == "replaced":
        content = bytearray(data.draw(st.binary(max_size=300)))
    else:
        content += data.draw(st.binary(max_size=300))
    name = data.draw(st.sampled_from(["a.xlsx", "a.xls", "a.csv", "a.txt"]))
    path = written(tmp_path_factory.getbasetemp(), bytes(content), name)
    assert "\n" not in told_of(path)


def told_of(path: Path) -> str:
    try:
        read_tables(path, KNOWN)
    except MerjaxError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""
