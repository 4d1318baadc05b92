"""The CASME II reader on placeholder releases: every quirk of its sheets and folders, every broken input."""

import re
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
from support.placeholder_releases import (
    CASME2_HEADER,
    Line,
    casme2_frames,
    casme2_sheet,
    class_sheet,
    write_frames,
    write_sheet,
)

from merjax.datasets import Release, read_casme2
from merjax.system.errors import MerjaxError

LINES = (
    Line("01", "EP02_01f"),
    Line("01", "EP06_02_01", 8, 10, 11, 12, "happiness", 1),
    Line("02", "EP02_01f", 95, 99, 103, "?", "others", 7),
    Line("17", "EP09f", 3, 6, 9, "R1+R2", "Surprise ", 2),
)


def release(tmp_path: Path, lines=LINES, top: str = "CASME2_RAW_selected") -> Path:
    root = tmp_path / "casme2"
    casme2_frames(root / top, lines)
    casme2_sheet(root / "coding.xlsx", lines)
    class_sheet(root / "classes.xlsx", lines)
    return root


def names(found: Release) -> list[str]:
    return [clip.key for clip in found.clips]


def reasons(found: Release, dropped: bool) -> dict[str, str]:
    """Reason by clip; the remark on the number of rows, which every small sheet gets, aside."""
    return {f"{d.subject}/{d.name}": d.reason for d in found.discrepancies if d.dropped == dropped and d.name}


def test_every_field_of_a_clip_is_what_sheet_and_folder_say(tmp_path):
    found = read_casme2(release(tmp_path))
    assert names(found) == [
        "casme2/sub01/EP02_01f",
        "casme2/sub01/EP06_02_01",
        "casme2/sub02/EP02_01f",
        "casme2/sub17/EP09f",
    ]
    first, happy, crossing, surprised = found.clips
    assert (first.onset, first.apex, first.offset, first.fps) == (5, 8, 12, 200.0)
    assert (first.emotion, first.action_units, first.objective_class) == ("disgust", "4+L10", 4)
    assert (happy.action_units, happy.objective_class) == ("12", 1)
    assert (surprised.emotion, surprised.subject) == ("surprise", "sub17")
    assert [path.name for path in crossing.frames] == [f"img{n}.jpg" for n in range(95, 104)]  # 99 before 100
    assert all(path.is_file() for clip in found.clips for path in clip.frames)
    assert not reasons(found, dropped=True)


@pytest.mark.parametrize(
    ("top", "start"),
    [
        ("CASME2_RAW_selected", ""),
        ("CASME2-RAW/CASME2-RAW", ""),
        ("Cropped-updated/Cropped", ""),
        ("Cropped", "Cropped"),
        ("x/CASME2-RAW", "x"),
        ("", ""),
    ],
)
def test_clips_are_found_from_any_usual_top_folder(tmp_path, top, start):
    root = release(tmp_path, top=top)
    found = read_casme2(root / start, annotations=root / "coding.xlsx", classes=root / "classes.xlsx")
    assert len(found.clips) == len(LINES)


@pytest.mark.parametrize("pattern", ["img{}.jpg", "reg_img{}.jpg", "img{:04d}.JPG", "reg_img{}.png", "{}.BMP"])
def test_frames_are_found_by_number_whatever_their_padding_prefix_and_suffix(tmp_path, pattern):
    casme2_frames(tmp_path / "Cropped", LINES, pattern)
    folder = tmp_path / "Cropped" / "sub02" / "EP02_01f"
    write_frames(folder, [1, 94, 104], pattern)  # raw folders hold more than onset..offset
    (folder / "Thumbs.db").touch()
    (folder / "._img96.jpg").touch()
    found = read_casme2(tmp_path, annotations=casme2_sheet(tmp_path / "coding.xlsx", LINES))
    assert [path.name for path in found.clips[2].frames] == [pattern.format(n) for n in range(95, 104)]


def test_careless_subjects_and_folder_case_still_join(tmp_path):
    root = tmp_path / "casme2"
    casme2_frames(root / "Cropped", LINES)
    (root / "Cropped" / "sub17").rename(root / "Cropped" / "Sub17")
    (root / "Cropped" / "Sub17" / "EP09f").rename(root / "Cropped" / "Sub17" / "ep09F")
    careless = [replace_subject(line, subject) for line, subject in zip(LINES, (1, 1.0, "2", "sub17"), strict=True)]
    casme2_sheet(root / "coding.xlsx", careless)
    class_sheet(root / "classes.xlsx", LINES)
    found = read_casme2(root)
    assert [(clip.subject, clip.objective_class) for clip in found.clips] == [
        ("sub01", 4),
        ("sub01", 1),
        ("sub02", 7),
        ("sub17", 2),
    ]
    assert found.clips[-1].name == "EP09f"


def replace_subject(line: Line, subject: object) -> Line:
    return line._replace(subject=subject)


def test_a_sheet_without_blank_columns_below_a_preamble_and_with_its_own_class_column_is_read(tmp_path):
    casme2_frames(tmp_path, LINES)
    header = ("Filename", "Subject", "Onset", "Apex", "Offset", "AU", "Emotion", "Objective Class")
    rows = [(x.name, x.subject, x.onset, x.apex, x.offset, x.action_units, x.emotion, x.objective_class) for x in LINES]
    write_sheet(tmp_path / "CASME2-coding-20190701.xlsx", [("updated in 2019",), (), header, *rows], "whatever")
    assert [clip.objective_class for clip in read_casme2(tmp_path).clips] == [4, 1, 7, 2]


def with_own_classes(path: Path, classes) -> Path:
    """A coding sheet with a column of classes."""
    header = (*CASME2_HEADER, "Objective Class")
    rows = [
        (x.subject, x.name, None, x.onset, x.apex, x.offset, None, x.action_units, x.emotion, own)
        for x, own in zip(LINES, classes, strict=True)
    ]
    return write_sheet(path, [header, *rows])


def test_the_sheet_that_gave_the_classes_is_named_and_clips_that_two_given_sheets_class_differently_are_listed(
    tmp_path,
):
    root = release(tmp_path)
    coding, classes = with_own_classes(tmp_path / "theirs.xlsx", (4, 3, "?", 5)), root / "classes.xlsx"
    own = read_casme2(root, annotations=coding)
    assert [clip.objective_class for clip in own.clips] == [4, 3, None, 5]
    assert own.class_source == f"{coding}, column Objective Class"
    both = read_casme2(root, annotations=coding, classes=classes)
    assert [clip.objective_class for clip in both.clips] == [4, 1, 7, 2]
    assert both.class_source == f"{classes}, column Objective Class"
    assert reasons(both, dropped=False) == {
        "sub01/EP06_02_01": "objective class 3 in theirs.xlsx, but 1 in classes.xlsx, which is used",
        "sub02/EP02_01f": "objective class is '?' in row 4, column Objective Class of theirs.xlsx: the AU rule is used instead",
        "sub17/EP09f": "objective class 5 in theirs.xlsx, but 2 in classes.xlsx, which is used",
    }
    classes.unlink()
    assert read_casme2(root, annotations=root / "coding.xlsx").class_source == f"{coding}, column Objective Class"
    coding.unlink()
    assert read_casme2(root).class_source == ""


def test_a_csv_that_pandas_wrote_is_read_like_the_workbook(tmp_path):
    root = release(tmp_path)
    (root / "coding.xlsx").unlink()
    rows = [f"{x.subject},{x.name},{x.onset}.0,{x.apex}.0,{x.offset}.0,{x.action_units},{x.emotion}" for x in LINES]
    header = "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion"
    from_csv = tmp_path / "coding.csv"
    from_csv.write_text("\n".join([header, *rows]), encoding="utf-8-sig")
    from_workbook = casme2_sheet(tmp_path / "other" / "coding.xlsx", LINES)
    classes = root / "classes.xlsx"
    from_each = [read_casme2(root, annotations=sheet, classes=classes) for sheet in (from_csv, from_workbook)]
    assert from_each[0].clips == from_each[1].clips


def test_formulas_read_as_their_last_values_and_uncalculated_ones_are_reported(tmp_path):
    root = release(tmp_path)
    book = openpyxl.load_workbook(root / "coding.xlsx")
    book["Sheet1"]["E2"] = "=D2+3"  # openpyxl stores no value with it
    book.save(root / "coding.xlsx")
    found = read_casme2(root)
    assert found.clips[0].apex is None
    assert "formula without its value" in reasons(found, dropped=False)["sub01/EP02_01f"]


def test_apex_slash_is_no_apex_and_said(tmp_path):
    found = read_casme2(release(tmp_path, [LINES[0]._replace(apex="/"), *LINES[1:]]))
    assert found.clips[0].apex is None
    assert re.match(
        "apex is '/' in row 2, column ApexFrame of coding.xlsx", reasons(found, dropped=False)["sub01/EP02_01f"]
    )


def test_apex_on_onset_or_offset_is_kept_and_apex_outside_is_taken_away_and_said(tmp_path):
    lines = [LINES[0]._replace(apex=5), LINES[1]._replace(apex=11), LINES[2]._replace(apex=104), LINES[3]]
    found = read_casme2(release(tmp_path, lines))
    assert [clip.apex for clip in found.clips] == [5, 11, None, 6]
    assert list(reasons(found, dropped=False)) == ["sub02/EP02_01f"]
    assert "apex 104 outside the interval 95-103" in reasons(found, dropped=False)["sub02/EP02_01f"]


def test_missing_frames_drop_the_clip_and_are_named(tmp_path):
    root = release(tmp_path)
    for number in (96, 98, 99, 103):
        (root / "CASME2_RAW_selected" / "sub02" / "EP02_01f" / f"img{number}.jpg").unlink()
    found = read_casme2(root)
    assert "casme2/sub02/EP02_01f" not in names(found)
    assert reasons(found, dropped=True) == {"sub02/EP02_01f": "missing frames 96, 98-99, 103 of 95-103"}


def test_a_missing_last_frame_shortens_the_clip_and_moves_an_apex_that_lay_on_it(tmp_path):
    lines = [LINES[0]._replace(apex=12), LINES[1], *LINES[2:]]
    root = release(tmp_path, lines)
    (root / "CASME2_RAW_selected" / "sub01" / "EP02_01f" / "img12.jpg").unlink()
    (root / "CASME2_RAW_selected" / "sub01" / "EP06_02_01" / "img11.jpg").unlink()
    first, second = read_casme2(root).clips[:2]
    assert (first.offset, first.apex, len(first.frames)) == (11, 11, 7)
    assert (second.offset, second.apex, len(second.frames)) == (10, 10, 3)
    remarks = reasons(read_casme2(root), dropped=False)
    assert remarks["sub01/EP02_01f"] == "last frame 12 is missing: the clip and its apex ends at 11"
    assert remarks["sub01/EP06_02_01"] == "last frame 11 is missing: the clip ends at 10"


def test_frames_always_cover_onset_to_offset(tmp_path):
    root = release(tmp_path)
    (root / "CASME2_RAW_selected" / "sub01" / "EP02_01f" / "img12.jpg").unlink()
    for clip in read_casme2(root).clips:
        numbers = [int(path.stem.removeprefix("img")) for path in clip.frames]
        assert numbers == list(range(clip.onset, clip.offset + 1))


def test_two_images_of_one_frame_drop_the_clip(tmp_path):
    root = release(tmp_path)
    (root / "CASME2_RAW_selected" / "sub01" / "EP02_01f" / "reg_img7.jpg").touch()
    assert "img7.jpg and reg_img7.jpg" in reasons(read_casme2(root), dropped=True)["sub01/EP02_01f"]


def test_row_without_folder_and_folder_without_row_are_listed(tmp_path):
    root = release(tmp_path)
    casme2_frames(root / "CASME2_RAW_selected", [Line("09", "EP02_02f")])
    casme2_sheet(root / "coding.xlsx", [*LINES, Line("24", "EP02_07")])
    found = read_casme2(root)
    assert len(found.clips) == len(LINES)
    assert reasons(found, dropped=True) == {
        "sub24/EP02_07": "row without folder",
        "sub09/EP02_02f": "folder without row",
    }


def test_a_row_given_twice_counts_once_and_contradicting_rows_not_at_all(tmp_path):
    root = release(tmp_path)
    casme2_sheet(root / "coding.xlsx", [*LINES, LINES[0], LINES[1]._replace(apex=9)])
    found = read_casme2(root)
    assert names(found) == ["casme2/sub01/EP02_01f", "casme2/sub02/EP02_01f", "casme2/sub17/EP09f"]
    assert "duplicate key: 2 rows, all alike" in reasons(found, dropped=False)["sub01/EP02_01f"]
    assert "duplicate key: 2 rows, which contradict" in reasons(found, dropped=True)["sub01/EP06_02_01"]


def test_one_clip_in_two_subject_folders_is_dropped_as_duplicate(tmp_path):
    root = release(tmp_path)
    casme2_frames(root / "CASME2_RAW_selected", [LINES[0]._replace(subject="1")])
    assert "duplicate key: folders" in reasons(read_casme2(root), dropped=True)["sub01/EP02_01f"]


def test_rows_without_subject_or_interval_are_dropped_with_their_cells(tmp_path):
    root = release(tmp_path)
    lines = [LINES[0]._replace(onset="?"), LINES[1]._replace(offset=8), *LINES[2:], Line("total", "4 clips")]
    casme2_sheet(root / "coding.xlsx", lines)
    found = read_casme2(root)
    assert reasons(found, dropped=True) == {
        "/4 clips": "row 6 of coding.xlsx has no subject and file name: 'total', '4 clips'",
        "sub01/EP02_01f": "onset None and offset 12 are not an interval",
        "sub01/EP06_02_01": "onset 8 and offset 8 are not an interval",
    }
    assert reasons(found, dropped=False)["sub01/EP02_01f"] == "onset is '?' in row 2, column OnsetFrame of coding.xlsx"


def test_another_number_of_rows_is_named_as_a_sheet_version_but_not_of_synthetic_releases(tmp_path):
    root = release(tmp_path)
    remarks = [d.reason for d in read_casme2(root).discrepancies if not d.name]
    assert remarks == ["sheet version: 4 clips are annotated, 255 in the published CASME II"]
    (root / "SYNTHETIC.json").write_text('{"statement": "identities are invented"}')
    found = read_casme2(root / "CASME2_RAW_selected")
    assert found.synthetic == "identities are invented"
    assert not found.discrepancies


@pytest.mark.parametrize("note", ["", "[]", '{"statement": 3}', '{"made_by": "merjax"}'])
def test_an_unreadable_synthetic_note_never_passes_for_a_real_release(tmp_path, note):
    root = release(tmp_path)
    assert read_casme2(root).synthetic == ""
    (tmp_path / "SYNTHETIC.json").write_text(note)
    assert "SYNTHETIC.json" in read_casme2(root).synthetic


def test_without_classes_clips_have_none_and_it_is_said(tmp_path):
    root = release(tmp_path)
    (root / "classes.xlsx").unlink()
    found = read_casme2(root)
    assert {clip.objective_class for clip in found.clips} == {None}
    assert any("AU rule" in d.reason for d in found.discrepancies)


def test_classes_are_looked_for_in_this_databases_sheets_only(tmp_path):
    root = release(tmp_path)
    (root / "classes.xlsx").unlink()
    class_sheet(root / "samm.xlsx", [Line("006", "006_1_2"), Line("006", "006_1_3")])
    assert {clip.objective_class for clip in read_casme2(root).clips} == {None}
    class_sheet(root.parent / "beside.xlsx", LINES)
    assert [clip.objective_class for clip in read_casme2(root).clips] == [4, 1, 7, 2]


def test_classes_that_do_not_join_are_listed(tmp_path):
    root = release(tmp_path)
    class_sheet(root / "classes.xlsx", [*LINES[1:], LINES[0]._replace(name="EP77")])
    found = read_casme2(root)
    assert found.clips[0].objective_class is None
    assert "no objective class" in reasons(found, dropped=False)["sub01/EP02_01f"]
    assert "without a row" in reasons(found, dropped=False)["sub01/EP77"]


def test_an_odd_row_among_classes_is_listed_and_an_empty_template_is_no_sheet(tmp_path):
    root = release(tmp_path)
    header, lines = ("Subject", "Filename", "Objective Class"), [(x.subject, x.name, x.objective_class) for x in LINES]
    write_sheet(root / "classes.xlsx", [header, *lines, ("Source: Davison et al. 2017", None, None)])
    write_sheet(root / "template.xlsx", [header])
    found = read_casme2(root)
    assert [clip.objective_class for clip in found.clips] == [4, 1, 7, 2]
    assert [d.reason for d in found.discrepancies if not d.name and "sheet version" not in d.reason] == [
        "row 6 of classes.xlsx names no clip: 'Source: Davison et al. 2017', ''"
    ]
    refused("file names are not this database's .*give --casme2-classes", root, classes=root / "template.xlsx")


def test_clips_do_not_depend_on_the_order_of_rows(tmp_path):
    root = release(tmp_path)
    expected = read_casme2(root)
    casme2_sheet(root / "coding.xlsx", LINES[::-1])
    assert replace(read_casme2(root), discrepancies=()) == replace(expected, discrepancies=())


def refused(sentence: str, root: Path, annotations: Path | None = None, classes: Path | None = None) -> None:
    with pytest.raises(MerjaxError, match=sentence):
        read_casme2(root, annotations=annotations, classes=classes)


def test_a_folder_that_is_no_release_is_refused_with_what_it_holds(tmp_path):
    refused("does not exist; point --casme2", tmp_path / "nowhere")
    (tmp_path / "holiday").mkdir()
    refused(r"nothing like sub01/EP02_01f .*\(found 'holiday'\)", tmp_path)


def test_a_release_without_images_is_refused(tmp_path):
    root = release(tmp_path)
    for image in root.rglob("*.jpg"):
        image.unlink()
    refused("there are 4 clip folders but no .jpg, .jpeg, .bmp, .png image", root)


def test_two_copies_of_the_release_are_refused_but_a_link_to_the_same_is_not(tmp_path):
    root = release(tmp_path)
    (root / "link").symlink_to(root / "CASME2_RAW_selected")
    assert len(read_casme2(root).clips) == 4
    casme2_frames(root / "Cropped", LINES)
    refused("more than once.*CASME2_RAW_selected.*Cropped|more than once.*Cropped.*CASME2_RAW_selected", root)


def test_a_sheet_without_needed_columns_is_refused_with_those_missing_and_found(tmp_path):
    root = release(tmp_path)
    header = tuple("Peak" if cell == "ApexFrame" else cell for cell in CASME2_HEADER)
    sheet = write_sheet(tmp_path / "wrong.xlsx", [("notes",), header[:-1], ("01", "EP02_01f")])
    refused(
        r"wrong.xlsx: no sheet with the columns Apex Frame, Estimated Emotion \(found: Subject, .*Peak", root, sheet
    )


def test_sheets_that_cannot_be_read_are_refused(tmp_path):
    root = release(tmp_path)
    refused("no such file", root, tmp_path / "missing.xlsx")
    (tmp_path / "empty.xls").touch()
    refused(
        "empty.xls: no sheet with the columns .* \\(found: nothing\\); give --casme2-annotations",
        root,
        tmp_path / "empty.xls",
    )
    (tmp_path / "broken.xlsx").write_bytes(b"PK not a workbook")
    refused("broken.xlsx: not a readable workbook .*fetch it or save it again", root, tmp_path / "broken.xlsx")
    refused("root: is a folder".replace("root", root.name), root, root)
    refused("no sheet with the columns Objective Class", root, root / "coding.xlsx", root / "coding.xlsx")


def test_another_databases_sheet_is_refused_and_never_picked_up(tmp_path):
    root = release(tmp_path)
    other = casme2_sheet(root / "samm.xlsx", [Line("006", "006_1_2"), Line("007", "007_3_1")])
    refused("file names are not this database's", root, other)
    assert len(read_casme2(root).clips) == 4


def test_no_sheet_or_two_sheets_ask_for_the_flag(tmp_path):
    root = release(tmp_path)
    casme2_sheet(root / "copy.xlsx", [LINES[0]._replace(apex=9), *LINES[1:]])
    refused("coding.xlsx.*are both sheets of this database; choose one by --casme2-annotations", root)
    (root / "coding.xlsx").unlink()
    (root / "copy.xlsx").unlink()
    refused("no sheet of this database with the columns Subject, .*; give it by --casme2-annotations", root)


def test_two_filled_sheets_in_one_file_are_refused(tmp_path):
    root = release(tmp_path)
    book = openpyxl.load_workbook(root / "coding.xlsx")
    book.copy_worksheet(book["Sheet1"])
    book.save(tmp_path / "double.xlsx")
    refused("'Sheet1', 'Sheet1 Copy' all have the needed columns", root, tmp_path / "double.xlsx")


def test_two_class_sheets_ask_for_the_flag(tmp_path):
    root = release(tmp_path)
    class_sheet(root / "more.xlsx", [*LINES[:-1], LINES[-1]._replace(objective_class=3)])
    refused("both sheets of objective classes; choose one by --casme2-classes", root)
    assert read_casme2(root, classes=root / "more.xlsx").clips[0].objective_class == 4


def test_sheet_and_images_that_do_not_belong_together_are_refused(tmp_path):
    root = release(tmp_path)
    casme2_sheet(root / "coding.xlsx", [Line("25", "EP30_01"), Line("26", "EP30_02")])
    refused("no usable clip of CASME II; .*sub25/EP30_01: row without folder", root)
