"""The reader of CAS(ME)^2 on placeholder recordings: a workbook without titles, names from two tables, offsets of 0."""

import csv
from pathlib import Path

import pytest
from support.placeholder_recordings import SQUARED, remarks, squared_release, squared_workbook
from support.placeholder_releases import write_frames, write_sheet

from merjax.datasets import read_casme_squared
from merjax.system.errors import MerjaxError


@pytest.mark.parametrize("top", ["rawpic", "cropped", "CAS(ME)2_longVideoFaceCropped/longVideoFaceCropped", ""])
def test_intervals_are_cut_out_of_recordings_that_two_tables_name(tmp_path, top):
    found = read_casme_squared(squared_release(tmp_path, top=top))
    assert [clip.key for clip in found.clips] == ["casme_squared/s07/happy5_1", "casme_squared/s15/anger1_1"]
    happy, anger = found.clips
    assert (anger.onset, anger.apex, anger.offset, anger.emotion) == (10, 12, 20, "negative")
    assert (anger.fps, anger.kind, anger.objective_class, anger.action_units) == (30.0, "micro", None, "4+10")
    assert {path.parent.name for path in anger.frames} == {"15_0401anyfilm"}
    # sorted as text, img1000 would come before img998
    assert [path.name for path in happy.frames] == [f"img{n}.jpg" for n in range(998, 1006)]
    assert "1 of 3 recordings have no annotated micro-expression" in remarks(found)


def test_both_kinds_are_taken_when_asked_for(tmp_path):
    root = squared_release(tmp_path)
    kinds = {kind: [clip.name for clip in read_casme_squared(root, kind=kind).clips] for kind in ("macro", "all")}
    assert kinds["macro"] == ["anger1_2", "disgust1_1", "disgust1_3"]
    assert len(kinds["all"]) == 5
    assert read_casme_squared(root, kind="macro").clips[0].kind == "macro"


@pytest.mark.parametrize(("rule", "offset"), [("apex", 8), ("mirrored", 11), ("later", 28)])
def test_an_offset_that_was_not_coded_follows_a_rule_that_is_said(tmp_path, rule, offset):
    found = read_casme_squared(squared_release(tmp_path), kind="macro", offsets=rule)
    assert {clip.name: clip.offset for clip in found.clips}["disgust1_1"] == offset
    told = remarks(found)
    assert f"s16/disgust1_1: offset 0 was not coded: {offset} by the rule '{rule}'" in told
    assert any(f"set by the rule '{rule}'" in text and "--casme-squared-offsets" in text for text in told)
    assert not any("not coded" in text for text in remarks(read_casme_squared(tmp_path)))


def test_an_apex_after_the_offset_is_listed_and_left_out(tmp_path):
    found = read_casme_squared(squared_release(tmp_path), kind="macro")
    assert {clip.name: clip.apex for clip in found.clips}["disgust1_3"] is None
    assert "s16/disgust1_3: apex 58 outside the interval 50-55: read as no apex; correct it by --overrides" in remarks(
        found
    )


def test_an_interval_ends_with_its_recording(tmp_path):
    root = squared_release(tmp_path, [SQUARED[0], SQUARED[1]._replace(offset=45)])
    squared_workbook(root / "code_final.xlsx", SQUARED[:2])
    found = read_casme_squared(root, kind="macro")
    assert (found.clips[0].offset, len(found.clips[0].frames)) == (45, 16)
    assert "s15/anger1_2: offset 60 is beyond the recording's last picture, 45: the clip ends there" in remarks(found)


def test_overrides_of_the_other_kind_do_no_harm(tmp_path):
    root = squared_release(tmp_path)
    overrides = {"casme_squared": {"s15/anger1_2": {"offset": 50}, "s15/anger1_1": {"apex": 15}}}
    assert read_casme_squared(root, overrides=overrides).clips[1].apex == 15
    assert read_casme_squared(root, overrides=overrides, kind="macro").clips[0].offset == 50


def test_the_three_tables_may_be_three_files_with_semicolons(tmp_path):
    root = squared_release(tmp_path)
    expected = read_casme_squared(root, kind="all").clips
    (root / "code_final.xlsx").unlink()
    for name, rows in {
        "intervals.csv": SQUARED,
        "rule1.csv": [(15, "s15", 1), (16, "s16", 2), (7, "s07", 3)],
        "rule2.csv": [("0101", "disgust1"), ("0401", "anger1"), ("0508", "happy5")],
    }.items():
        with (root / name).open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=";").writerows(rows)
    assert read_casme_squared(root, kind="all").clips == expected


def test_counts_are_said_beside_the_published_ones(tmp_path):
    told = remarks(read_casme_squared(squared_release(tmp_path)))
    assert told[0] == (
        "annotated: 2 micro-expressions of 2 subjects and 3 macro-expressions of 2 subjects; "
        "NOT the published 57 micro-expressions of 14 subjects and 300 macro-expressions of 20 subjects"
    )
    assert "3 recordings, NOT the 98 of MEGC 2020's list or the 97 of MEGC 2024" in told


def test_a_recording_twice_is_left_out(tmp_path):
    root = squared_release(tmp_path)
    write_frames(root / "rawpic" / "s15" / "15_0401anyfilm (1)", range(30), "img{:03d}.jpg")
    found = read_casme_squared(root)
    assert [clip.name for clip in found.clips] == ["happy5_1"]
    assert found.dropped["reason"].iloc[0].startswith("duplicate key: folders ")


def test_without_its_tables_of_names_a_sheet_is_refused(tmp_path):
    root = squared_release(tmp_path)
    write_sheet(root / "code_final.xlsx", SQUARED)
    with pytest.raises(MerjaxError, match=r"naming rule1 \(15, s15, 1\) is neither in it nor beside the release"):
        read_casme_squared(root)


def test_an_unknown_rule_is_refused(tmp_path: Path):
    with pytest.raises(MerjaxError, match="offsets: 'middle' is not one of apex, mirrored, later"):
        read_casme_squared(tmp_path, offsets="middle")  # type: ignore[arg-type]
