"""Bad input for the databases of recordings: each case is refused in a sentence that names what is wrong, or is listed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support.placeholder_recordings import (
    CASME3,
    LONG,
    LONG_HEADER,
    SQUARED,
    casme3_release,
    index_sheet,
    long_release,
    long_sheet,
    squared_release,
    squared_workbook,
    units_sheet,
)
from support.placeholder_releases import write_frames, write_sheet

from merjax.datasets import Release, read_casme3, read_casme_squared, read_samm_long
from merjax.system.errors import MerjaxError


class Case(NamedTuple):
    """What is done to a release, and what is said about it: listed where clips are left, else the refusal."""

    name: str
    make: Callable[[Path], Path]
    read: Callable[[Path], Release]
    damage: Callable[[Path], object]
    sentence: str
    clips: int | None = None  # how many are left; None: the release is refused


def squared(name: str, damage: Callable[[Path], object], sentence: str, clips: int | None = None) -> Case:
    return Case(f"squared: {name}", squared_release, read_casme_squared, damage, sentence, clips)


def casme3(name: str, damage: Callable[[Path], object], sentence: str, clips: int | None = None) -> Case:
    return Case(f"casme3: {name}", casme3_release, read_casme3, damage, sentence, clips)


def long(name: str, damage: Callable[[Path], object], sentence: str, clips: int | None = None) -> Case:
    return Case(f"long: {name}", long_release, read_samm_long, damage, sentence, clips)


def with_semicolons(path: Path, header: tuple, rows: list) -> None:
    lines = [header, *rows]
    path.write_text("\n".join(";".join(str(c).replace(".", ",") for c in line) for line in lines), encoding="utf-8-sig")


LONG_SHEET = "SAMM_LongVideos_V2_Release.xlsx"


def renamed(root: Path) -> None:
    for recording in list((root / "SAMM_longvideos").iterdir()):
        recording.rename(recording.with_name(f"9{recording.name[1:]}"))


def saved_with_semicolons(root: Path) -> None:
    (root / LONG_SHEET).unlink()
    rows = [(x.name[:3], x.name, 1, x.onset, x.apex, x.offset, "", x.kind, x.action_units, "") for x in LONG]
    with_semicolons(root / "export.csv", LONG_HEADER, rows)


CASES = (
    squared("no workbook", lambda root: (root / "code_final.xlsx").unlink(), "no sheet of CAS(ME)^2's intervals"),
    squared(
        "text where a number belongs",
        lambda root: squared_workbook(root / "code_final.xlsx", [SQUARED[0]._replace(onset="ten"), *SQUARED[1:]]),
        "onset is 'ten' in row 1, column C (onset) of code_final.xlsx",
        clips=1,
    ),
    squared(
        "a type that is neither",
        lambda root: squared_workbook(root / "code_final.xlsx", [*SQUARED, SQUARED[0]._replace(kind="subtle")]),
        "kind is 'subtle' in row 6, column H (kind) of code_final.xlsx: it is neither micro nor macro",
        clips=2,
    ),
    squared(
        "a subject without a folder",
        lambda root: squared_workbook(root / "code_final.xlsx", [*SQUARED, SQUARED[0]._replace(subject=23)]),
        "row 6 of code_final.xlsx: subject '23' has no folder in naming rule1",
        clips=2,
    ),
    squared(
        "a film without a number",
        lambda root: squared_workbook(root / "code_final.xlsx", [*SQUARED, SQUARED[0]._replace(name="sad9_1")]),
        "row 6 of code_final.xlsx: film 'sad9' has no number in naming rule2",
        clips=2,
    ),
    squared(
        "a name with a blank and full-width digits",
        lambda root: squared_workbook(root / "code_final.xlsx", [SQUARED[0]._replace(name="anger１ _1"), *SQUARED[1:]]),
        "annotated: 2 micro-expressions",
        clips=2,
    ),
    squared(
        "full-width commas between action units",
        lambda root: squared_workbook(
            root / "code_final.xlsx", [SQUARED[0]._replace(action_units="4，10"), *SQUARED[1:]]
        ),
        "annotated: 2 micro-expressions",
        clips=2,
    ),
    squared(
        "raw and cropped in one folder",
        lambda root: shutil.copytree(root / "rawpic", root / "cropped"),
        "holds the clips more than once, in ",
    ),
    squared(
        "two workbooks", lambda root: squared_workbook(root / "b.xlsx", SQUARED[:2]), "choose one by --casme-squared-a"
    ),
    squared(
        "a folder of nothing",
        lambda root: shutil.rmtree(root / "rawpic"),
        "nothing like s15/15_0101disgustingteeth",
    ),
    squared(
        "pictures missing in the middle",
        lambda root: (root / "rawpic" / "s15" / "15_0401anyfilm" / "img015.jpg").unlink(),
        "missing frames 15 of 10-20",
        clips=1,
    ),
    casme3("no sheet", lambda root: [path.unlink() for path in root.glob("*.xlsx")], "give it by --casme3-annotations"),
    casme3(
        "two versions of one sheet",
        lambda root: index_sheet(root / "JpgIndex_v1.xlsx", CASME3[:2]),
        "are both sheets of emotions; choose one by --casme3-annotations",
    ),
    casme3(
        "an emotion that it does not have",
        lambda root: index_sheet(root / "JpgIndex.xlsx", [CASME3[0]._replace(emotion="happines"), *CASME3[1:]]),
        "emotion is 'happines' in row 2, column emotion of JpgIndex.xlsx; did you mean happy?",
        clips=4,
    ),
    casme3(
        "a class that is none",
        lambda root: index_sheet(root / "JpgIndex.xlsx", [CASME3[0]._replace(objective_class="IX"), *CASME3[1:]]),
        "objective class is 'IX' in row 2, column Objective class of JpgIndex.xlsx",
        clips=4,
    ),
    casme3(
        "an apex without a picture",
        lambda root: (root / "part_A_split" / "part_A" / "spNO.1" / "a" / "color" / "9.jpg").unlink(),
        "apex 9 has no picture: read as no apex",
        clips=4,
    ),
    casme3(
        "an onset without a picture",
        lambda root: (root / "part_A_split" / "part_A" / "spNO.1" / "a" / "color" / "5.jpg").unlink(),
        "missing frames 5, 7 of 5-12",
        clips=3,
    ),
    casme3(
        "subjects of another database",
        lambda root: units_sheet(root / "part_A.xlsx", [x._replace(recording="EP02_01f") for x in CASME3]),
        "no sheet AU+Emotion",
        clips=2,
    ),
    casme3(
        "an archive unpacked twice",
        lambda root: shutil.copytree(root / "part_A_split", root / "part_A_split (1)"),
        "holds the clips more than once, in ",
    ),
    casme3(
        "a recording that is not there",
        lambda root: shutil.rmtree(root / "part_A_split" / "part_A" / "spNO.1" / "J"),
        "row without folder",
        clips=3,
    ),
    long(
        "an export with semicolons and a mark",
        saved_with_semicolons,
        "annotated: 3",
        clips=3,
    ),
    long(
        "text where a number belongs",
        lambda root: long_sheet(root / LONG_SHEET, [*LONG[:1], LONG[1]._replace(offset="36?"), *LONG[2:]]),
        "offset is '36?' in row 12, column Offset of SAMM_LongVideos_V2_Release.xlsx",
        clips=2,
    ),
    long(
        "another database's recordings",
        renamed,
        "none of the 3 annotated recordings is there (the sheet's first is 006/006_1, the folder's 906/906_1)",
    ),
    long(
        "recordings without a picture",
        lambda root: [path.unlink() for path in (root / "SAMM_longvideos").glob("*/*")],
        "there are 3 clip folders but no .jpg, .jpeg, .bmp, .png image in them",
    ),
    long(
        "a sheet without types",
        lambda root: write_sheet(root / LONG_SHEET, [("Subject", "Filename", "Onset", "Apex", "Offset")]),
        "no sheet of this database with the columns",
    ),
    long(
        "two copies of a picture",
        lambda root: write_frames(root / "SAMM_longvideos" / "006_1", [33], "reg_006_1_{:04d}.jpg"),
        "several images of frames 33, such as",
        clips=2,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input_is_refused_in_a_sentence_or_listed(tmp_path, case):
    root = case.make(tmp_path)
    case.damage(root)
    if case.clips is None:
        with pytest.raises(MerjaxError) as refusal:
            case.read(root)
        assert case.sentence in str(refusal.value)
        return
    found = case.read(root)
    assert len(found.clips) == case.clips
    assert any(case.sentence in d.reason for d in found.discrepancies)
