"""What people hand in by mistake: each fault ends in a sentence that names the file, the row and the column, or in a listed
reason for leaving a clip out. Never in a traceback, and never in silence."""

from pathlib import Path

import pytest
from support.old_workbooks import xls
from support.placeholder_releases import Line, casme2_frames, casme2_sheet, write_frames, write_sheet
from support.unseen_releases import (
    DFME_HEADER,
    MMEW_HEADER,
    Casme1,
    Dfme,
    Mmew,
    casme1_frames,
    casme1_sheet,
    dfme_frames,
    dfme_sheet,
    mmew_frames,
    mmew_sheet,
)

from merjax.datasets import read_casme1, read_casme2, read_dfme, read_mmew, read_own
from merjax.system.errors import MerjaxError

MMEW = (Mmew(), Mmew("02", "S02-01-001"))


def mmew(top: Path, lines=MMEW) -> Path:
    """A release of MMEW whose folders are sound, and its sheet with these lines."""
    mmew_frames(top / "Micro_Expression", MMEW)
    mmew_sheet(top / "sheet.xlsx", lines)
    return top


def with_text(top: Path, text: str, encoding: str = "utf-8") -> Path:
    mmew(top)
    (top / "sheet.xlsx").unlink()
    (top / "sheet.csv").write_text(text, encoding=encoding)
    return top


def casme1(top: Path) -> Path:
    casme1_frames(top / "CASME", {"sub01/EP01_12": range(1, 20)})
    casme1_sheet(top / "sheet.xlsx", [Casme1()])
    return top


def dfme(top: Path, *lines: Dfme) -> Path:
    dfme_frames(top / "DFME_train", (Dfme(), Dfme("sub0003_02")))
    dfme_sheet(top / "sheet.xlsx", lines or (Dfme(), Dfme("sub0003_02")))
    return top


def own(top: Path, text: str) -> Path:
    write_frames(top / "a", range(20), "{}.png")
    (top / "clips.csv").write_text("path,subject,onset,apex,offset,label,fps\na,anna,1,2,3,x,60\n" + text)
    return top / "clips.csv"


def sheet_of_another_version(top):
    casme1(top)
    casme2_sheet(top / "sheet.xlsx", [Line(1, "EP01_12")])
    return read_casme1(top)


def semicolons_and_a_mark(top):
    rows = [MMEW_HEADER, *((*x, "") for x in (MMEW[0], MMEW[1]._replace(onset="one")))]
    return read_mmew(with_text(top, "\n".join(";".join(map(str, row)) for row in rows), "utf-8-sig"))


def open_quotation_mark(top):
    return read_mmew(with_text(top, ",".join(MMEW_HEADER) + '\n01,S01-01-001,1,4,8,12,happiness,"see\n' + 3 * "x\n"))


def text_for_a_number(top):
    return read_mmew(mmew(top, [MMEW[0]._replace(onset="first"), MMEW[1]]))


def one_or_a_thousand(top):
    return read_mmew(mmew(top, [MMEW[0]._replace(apex="1,000"), MMEW[1]]))


def name_with_a_wide_comma(top):
    return read_mmew(mmew(top, [MMEW[0]._replace(name="S01，01-001"), *MMEW[:1], MMEW[1]]))


def subject_lost_in_a_merge(top):
    return read_mmew(mmew(top, [MMEW[0], MMEW[1]._replace(subject=None)]))


def misspelt_emotion(top):
    return read_mmew(mmew(top, [MMEW[0]._replace(emotion="hapiness"), MMEW[1]]))


def action_units_that_lost_their_sign(top):
    return read_mmew(mmew(top, [MMEW[0]._replace(action_units=47), MMEW[1]]))


def old_workbook_with_a_swapped_pair(top):
    mmew(top)
    (top / "sheet.xlsx").unlink()
    lines = [MMEW[0]._replace(onset=8, offset=1), MMEW[1]]
    (top / "sheet.xls").write_bytes(xls([MMEW_HEADER, *((*x, "") for x in lines)]))
    return read_mmew(top)


def damaged_workbook(top):
    mmew(top)
    (top / "sheet.xlsx").write_bytes((top / "sheet.xlsx").read_bytes()[:900])
    return read_mmew(top)


def header_alone(top):
    return read_mmew(mmew(top, []))


def folder_for_a_sheet(top):
    return read_mmew(mmew(top), annotations=top)


def sheet_of_another_database(top):
    return read_mmew(mmew(top), annotations=dfme(top / "other") / "sheet.xlsx")


def folder_of_another_database(top):
    return read_dfme(mmew(top))


def folder_renamed_by_an_unzip_program(top):
    dfme(top)
    (top / "DFME_train" / "sub0003_01").rename(top / "DFME_train" / "sub0003_01 - Copy")
    return read_dfme(top)


def release_unpacked_twice(top):
    casme1(top)
    casme1_frames(top / "CASME (1)", {"sub01/EP01_12": range(1, 20)})
    return read_casme1(top)


def two_databases_in_one_folder_and_one_sheet(top):
    casme1(top)
    casme2_frames(top / "CASME2", [Line("01", "EP02_01f")])
    return read_casme2(top)


def frame_rate_in_words(top):
    return read_dfme(dfme(top, Dfme(fps="fast"), Dfme("sub0003_02")))


def two_sheets_that_differ(top):
    dfme(top)
    dfme_sheet(top / "newer.xlsx", [Dfme(apex=5)], DFME_HEADER)
    return read_dfme(top)


def images_not_unpacked(top):
    for name in ("sub0003_01", "sub0003_02"):
        write_frames(top / "DFME_train" / name, [], "")
    dfme_sheet(top / "sheet.xlsx", [Dfme(), Dfme("sub0003_02")])
    return read_dfme(top)


def list_without_a_column(top):
    return read_own(write_sheet(top / "clips.xlsx", [("path", "subject", "onset", "apex", "offset", "emotion")]))


def list_with_a_folder_that_is_not_there(top):
    return read_own(own(top, "b,anna,1,2,3,x,60\n"))


def list_with_an_offset_beyond_the_frames(top):
    return read_own(own(top, "a,ben,1,2,30,x,60\n"))


def list_with_words_for_frames(top):
    return read_own(own(top, "a,ben,start,2,3,x,60\n"))


CASES = {
    sheet_of_another_version: "sheet.xlsx: no sheet with the columns OnsetF, ApexF1, OffsetF (found: Subject, Filename, OnsetF",
    semicolons_and_a_mark: "onset is 'one' in row 3, column OnsetFrame of sheet.csv",
    open_quotation_mark: "sheet.csv: row 2 cannot be read",
    text_for_a_number: "onset is 'first' in row 2, column OnsetFrame of sheet.xlsx",
    one_or_a_thousand: "apex is '1,000' in row 2, column ApexFrame of sheet.xlsx: read as no apex",
    name_with_a_wide_comma: "S01，01-001: row without folder",
    subject_lost_in_a_merge: "row 3 of sheet.xlsx has no subject and file name: '', 'S02-01-001'; if it stands in the row",
    misspelt_emotion: "emotion is 'hapiness' in row 2, column Estimated Emotion of sheet.xlsx; did you mean happiness",
    action_units_that_lost_their_sign: "action units are '47' in row 2, column Action Units of sheet.xlsx: they give no class",
    old_workbook_with_a_swapped_pair: "S01-01-001: onset 8 and offset 1 are not an interval",
    damaged_workbook: "sheet.xlsx: not a readable workbook",
    header_alone: "sheet.xlsx: file names are not this database's (found none)",
    folder_for_a_sheet: ": is a folder; name the file; give --mmew-annotations the database's own sheet",
    sheet_of_another_database: "file names are not this database's (found sub0003_01, sub0003_02); give --mmew-annotations",
    folder_of_another_database: "nothing like DFME_train/sub0003_01 at or below it (found 'Micro_Expression')",
    folder_renamed_by_an_unzip_program: "sub0003_01: row without folder: give 'sub0003_01 - Copy' its name back",
    release_unpacked_twice: "holds the clips more than once, in '",
    two_databases_in_one_folder_and_one_sheet: "no sheet of this database with the columns Subject, Filename, Onset Frame",
    frame_rate_in_words: "fps is 'fast' in row 2, column Fps of sheet.xlsx",
    two_sheets_that_differ: "name the same clips and differ; choose by --dfme-annotations",
    images_not_unpacked: "there are 2 clip folders but no .jpg, .jpeg, .bmp, .png image in them",
    list_without_a_column: "clips.xlsx: no sheet with the columns label",
    list_with_a_folder_that_is_not_there: "'b' of row 3 of clips.csv does not exist; name a folder of frames, or a video",
    list_with_an_offset_beyond_the_frames: "missing frames 20-30 of 1-30",
    list_with_words_for_frames: "onset is 'start' in row 3, column onset of clips.csv",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_fault_is_told_by_its_place_or_listed_with_its_clip(tmp_path, case):
    told = sentences(case, tmp_path)
    assert any(CASES[case] in sentence for sentence in told), told
    assert not any("\n" in sentence for sentence in told)


def sentences(case, tmp_path) -> list[str]:
    """The refusal, or what is listed beside the clips that are sound."""
    try:
        found = case(tmp_path)
    except MerjaxError as refusal:
        return [str(refusal)]
    releases = found if isinstance(found, list) else [found]
    assert all(release.clips for release in releases)
    return [f"{d.name}: {d.reason}" for release in releases for d in release.discrepancies]


def test_blanks_and_wide_letters_in_names_do_not_part_a_row_from_its_folder(tmp_path):
    lines = [MMEW[0]._replace(name=" S01-01-00１ "), MMEW[1]._replace(name="S02- 01-001", action_units="4，7")]
    found = read_mmew(mmew(tmp_path, lines))
    assert len(found.clips) == 2
    assert found.dropped.empty
