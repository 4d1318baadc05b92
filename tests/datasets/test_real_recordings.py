"""The real sheets of CAS(ME)^2, CAS(ME)^3 and SAMM Long Videos, where they are at hand, on recordings of empty files: the
published counts, and each trap by its row."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook
from support.placeholder_recordings import Interval, write_recordings
from support.places import SHARED

from merjax.datasets import Release, index_of, read_casme3, read_casme_squared, read_samm_long
from merjax.datasets.long_videos import long_videos
from merjax.datasets.recordings import Kinds
from merjax.protocols import SCHEMES, label_clips
from merjax.protocols.completeness import check_releases

SHEETS = SHARED / "annotations" / "more"
SQUARED = SHEETS / "cas2_code_final_MTSN.xlsx"
LONG = SHEETS / "sammlv_V2_Release_MTSN.xlsx"
INDEX_V1, INDEX_V2 = SHEETS / "cas3_partA_ME_JpgIndex_v1.xls", SHEETS / "cas3_partA_ME_JpgIndex_v2.xlsx"
UNITS = SHEETS / "cas3_partA_v2_AU+Emotion.csv"
CORRECTIONS = {"casme3": {"spNO.214/c_5": {"offset": 34}, "spNO.216/e_0": {"onset": 1, "apex": 1}}}

pytestmark = pytest.mark.skipif(not SHEETS.is_dir(), reason="the sheets are not in ../shared/annotations/more")
both_kinds = pytest.mark.parametrize("kind", ["micro", pytest.param("all", marks=pytest.mark.long)])


def cells(path: Path, sheet: int = 0) -> list[list]:
    book = CalamineWorkbook.from_path(path)
    return book.get_sheet_by_index(sheet).to_python(skip_empty_area=False)


def asked(kind: Kinds, text: str) -> bool:
    return kind == "all" or text.lower().startswith(kind)


def remarks(found: Release) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for d in found.discrepancies:
        said.setdefault(f"{d.subject}/{d.name}" if d.name else "", []).append(d.reason)
    return said


def counts_of_videos(found: Release) -> tuple[int, int]:
    """Long videos and intervals."""
    videos = long_videos(found)
    return len(videos), sum(len(video.truth) for video in videos)


def squared(root: Path, kind: Kinds) -> Release:
    subjects = {int(index): int(folder) for folder, _, index in cells(SQUARED, 1)}
    films = {stem: f"{int(code):04d}" for code, stem in cells(SQUARED, 2)}
    own = [
        Interval(
            f"rawpic/s{subjects[int(row[0])]}/{subjects[int(row[0])]}_{films[row[1].rpartition('_')[0]]}film",
            int(row[2]),
            int(row[4] or row[3]),
        )
        for row in cells(SQUARED)
        if asked(kind, row[7])
    ]
    write_recordings(root, own, "img{:03d}.jpg")
    for line in (SHEETS / "cas2_videos_MEGC2020.txt").read_text().splitlines():
        subject, film = line.split()
        (root / "rawpic" / subject / f"{subject[1:]}_{film}film").mkdir(parents=True, exist_ok=True)
    return read_casme_squared(root, annotations=SQUARED, kind=kind)


def long(root: Path, kind: Kinds) -> Release:
    own = [
        Interval(row[1].rpartition("_")[0], max(1, round(row[3])), round(row[5]))
        for row in cells(LONG)[10:]
        if asked(kind, row[7])
    ]
    write_recordings(root, own, "*_{:04d}.jpg")
    for line in (SHEETS / "sammlv_videos_MEGC2020.txt").read_text().splitlines():
        (root / "_".join(line.split())).mkdir(exist_ok=True)
    emotions = SHEETS.parent / "SAMM_Micro_FACS_Codes_v2.xlsx"
    return read_samm_long(root, annotations=LONG, emotions=emotions, kind=kind)


def casme3_recordings(root: Path, kind: Kinds) -> Path:
    """No picture is called 0, and what is longer than half a minute is not there."""
    with UNITS.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if asked(kind, row["Expression type"])]
    own = [
        Interval(
            f"part_A/{row['Subject']}/{row['Filename']}/color",
            max(1, int(row["Onset"])),
            min(int(row["Offset"]), int(row["Onset"]) + (900 if row["Expression type"].startswith("Micro") else 5000)),
        )
        for row in rows
    ]
    write_recordings(root, own, "{}.jpg")
    return root


@pytest.fixture(scope="module")
def micro_of_casme3(tmp_path_factory) -> Path:
    return casme3_recordings(tmp_path_factory.mktemp("casme3"), "micro")


@both_kinds
def test_casme_squared(tmp_path, kind):
    found = squared(tmp_path, kind)
    said = remarks(found)
    assert Counter(clip.kind for clip in found.clips) == Counter(
        {"micro": 57} | ({"macro": 300} if kind == "all" else {})
    )
    assert len({clip.subject for clip in found.clips}) == (22 if kind == "all" else 14)
    assert found.dropped.empty
    assert (
        "annotated: 57 micro-expressions of 14 subjects and 300 macro-expressions of 20 subjects; as published"
        in said[""]
    )
    assert "98 recordings; lists of others name 98 (MEGC 2020) or 97 (MEGC 2024)" in said[""]
    emotions = Counter(clip.emotion for clip in found.clips if clip.kind == "micro")
    assert emotions == {"negative": 21, "others": 19, "surprise": 9, "positive": 8}
    if kind == "all":
        assert sum("offset 0 was not coded" in text for texts in said.values() for text in texts) == 44
        faults = [key for key, texts in said.items() if any("outside the interval" in text for text in texts)]
        assert faults == ["s27/disgust1_5", "s31/happy2_1", "s32/anger1_12", "s34/anger1_1"]
        assert "3 of 98 recordings have no annotated expression" in said[""]
        assert counts_of_videos(found) == (98, 357)


@both_kinds
def test_samm_long_videos(tmp_path, kind):
    found = long(tmp_path, kind)
    said = remarks(found)
    assert Counter(clip.kind for clip in found.clips) == Counter(
        {"micro": 159} | ({"macro": 343} if kind == "all" else {})
    )
    assert len({clip.subject for clip in found.clips}) == (30 if kind == "all" else 29)
    assert found.dropped.empty
    assert (
        "annotated: 159 micro-expressions of 29 subjects and 343 macro-expressions of 29 subjects; as published"
        in said[""]
    )
    assert f"178 rows of {LONG.name} have frame numbers with fractions, multiples of 0.2: they are rounded" in said[""]
    no_apex = [key for key, texts in said.items() if any(text.startswith("apex is '-1' in row") for text in texts)]
    twice = [clip.key for clip in found.clips if "037_4_1" in clip.key]
    assert all(clip.emotion for clip in found.clips if clip.kind == "micro")
    if kind == "all":
        assert no_apex == [
            *("028/028_4_1", "032/032_3_1", "010/010_1_3", "026/026_2_5", "036/036_6_2", "036/036_6_3"),
        ]
        assert twice == ["samm_long/037/037_4_1@1487", "samm_long/037/037_4_1@1488"]
        assert sum("onset 0 is before" in text for texts in said.values() for text in texts) == 10
        assert counts_of_videos(found) == (147, 502)
    else:
        assert no_apex == ["028/028_4_1", "032/032_3_1"]
        assert twice == ["samm_long/037/037_4_1@1488"]


@pytest.mark.long
def test_rounded_frames_are_those_of_the_first_version(tmp_path):
    """The list of MEGC 2020 was made from version 1 of the sheet, which has whole numbers."""
    found = long(tmp_path, "all")
    clips = Counter(
        (c.name.rpartition("_")[0].partition("@")[0], c.kind, max(c.onset, 1), c.offset) for c in found.clips
    )
    lines = [line.split() for line in (SHEETS / "sammlv_info_MEGC2020.txt").read_text().splitlines()]
    theirs = Counter((f"{s}_{v}", kind[:5], max(int(on), 1), int(off)) for s, v, kind, on, _, off in lines)
    assert clips == theirs


@both_kinds
def test_casme3(micro_of_casme3, tmp_path, kind):
    root = micro_of_casme3 if kind == "micro" else casme3_recordings(tmp_path, kind)
    found = read_casme3(root, annotations=[INDEX_V2, UNITS], kind=kind)
    said = remarks(found)
    assert found.version == "v2"
    assert (
        "annotated: 860 micro-expressions of 94 subjects and 3,346 macro-expressions of 98 subjects; as published"
        in said[""]
    )
    assert (
        "micro-expressions: 250 disgust, 187 surprise, 161 others, 86 fear, 64 anger, 57 sad, 55 happy; as published"
        in said[""]
    )
    differing = [key for key, texts in said.items() if any("which is used" in text for text in texts)]
    assert differing == ["spNO.149/d_112", "spNO.216/d_3647", "spNO.40/e_1812", "spNO.40/e_2327"]
    wrong = {"spNO.214/c_5", "spNO.216/e_0"} | ({"spNO.215/l_0"} if kind == "all" else set())
    assert set(found.dropped["subject"] + "/" + found.dropped["clip"]) == wrong
    if kind == "all":
        assert Counter(clip.kind for clip in found.clips) == {"micro": 858, "macro": 3345}
        assert len({clip.subject for clip in found.clips}) == 98


def test_casme3_is_as_published_with_the_corrections_that_are_offered(micro_of_casme3):
    found = read_casme3(micro_of_casme3, annotations=[INDEX_V2, UNITS], overrides=CORRECTIONS)
    verdicts = {check.scheme.name: check.verdict for check in check_releases([found]).schemes}
    assert verdicts["casme3_7"] == (
        "casme3_7: 860 clips = 250/187/161/86/64/57/55 and 94 subjects, exactly as published"
    )
    for scheme, clips in (("casme3_4", 860), ("casme3_3", 699)):
        assert re.match(rf"{scheme}: {clips} clips = .* subjects, exactly as published", verdicts[scheme])
    assert len(label_clips(index_of(found.clips), SCHEMES["casme3_3"]).index) == 699


def test_version_1_is_an_old_workbook_and_told_apart(tmp_path):
    own = [Interval(f"{row[0]}/{row[1]}/color", int(row[2]), int(row[2]) + 30) for row in cells(INDEX_V1)[1:6]]
    write_recordings(tmp_path / "part_A", own, "{}.jpg")
    found = read_casme3(tmp_path, annotations=INDEX_V1)
    assert found.version == "v1"
    assert "annotated: 921 micro-expressions of 95 subjects; as published" in remarks(found)[""]
    mixed = read_casme3(tmp_path, annotations=[INDEX_V1, UNITS])
    assert any("they are of different versions" in text for text in remarks(mixed)[""])
