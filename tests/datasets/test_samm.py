"""The SAMM reader on placeholder releases: preamble, paddings, formulas, hand-edited apexes, overrides."""

from pathlib import Path

import pytest
from support.placeholder_releases import Line, samm_frames, samm_sheet, write_frames

from merjax.datasets import Release, read_samm
from merjax.system.errors import MerjaxError

LINES = (
    Line("006", "006_1_2", 5562, 5565, 5570, "4+7", "Anger", 3),
    Line("006", "006_1_10", 9998, 10000, 10003, "12+15 ", "Sadness", 7),
    Line("037", "037_3_1", 98, 99, 101, 12, "Happiness", 1),
)


def release(tmp_path: Path, lines=LINES, preamble: int = 13, digits: int = 5) -> Path:
    root = tmp_path / "SAMM"
    samm_frames(root / "SAMM", lines, digits)
    samm_sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", lines, preamble)
    return root


def remarks(found: Release) -> dict[str, tuple[str, bool]]:
    return {f"{d.subject}/{d.name}": (d.reason, d.dropped) for d in found.discrepancies if d.name}


@pytest.mark.parametrize("preamble", [0, 13])
@pytest.mark.parametrize("digits", [0, 4, 5])
def test_clips_are_read_whatever_the_preamble_and_the_padding(tmp_path, preamble, digits):
    found = read_samm(release(tmp_path, preamble=preamble, digits=digits))
    many, anger, happy = found.clips
    assert (anger.key, anger.emotion, anger.objective_class, anger.apex) == ("samm/006/006_1_2", "anger", 3, 5565)
    assert (happy.subject, happy.action_units, happy.fps) == ("037", "12", 200.0)
    assert many.action_units == "12+15"
    assert found.class_source.endswith("SAMM_Micro_FACS_Codes_v2.xlsx, column Objective Classes")
    # the number is the last run of digits: the subject's number comes before it, 9999 before 10000
    assert [int(path.stem.split("_")[1]) for path in many.frames] == list(range(9998, 10004))
    assert not remarks(found)


def test_long_videos_and_stray_folders_are_passed_over(tmp_path):
    root = release(tmp_path)
    write_frames(root / "SAMM" / "006" / "006_1", range(5), "006_{:05d}.jpg")
    write_frames(root / "SAMM" / "previews", range(5), "{}.jpg")
    found = read_samm(root)
    assert len(found.clips) == 3
    assert not remarks(found)


def test_a_folder_without_row_is_listed(tmp_path):
    root = release(tmp_path)
    samm_frames(root / "SAMM", [Line("007", "007_9_9")])
    assert remarks(read_samm(root)) == {"007/007_9_9": ("folder without row", True)}


def test_an_objective_class_that_is_no_number_is_said(tmp_path):
    found = read_samm(release(tmp_path, [LINES[0]._replace(objective_class="III"), *LINES[1:]]))
    assert found.clips[1].objective_class is None
    assert remarks(found)["006/006_1_2"][0].startswith("objective class is 'III' in row 15")


def overrides(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "overrides.yaml"
    path.write_text(text)
    return path


def test_overrides_correct_rows_by_subject_and_clip_and_are_recorded(tmp_path):
    root = release(tmp_path, [LINES[0]._replace(apex=9), *LINES[1:]])
    corrections = overrides(
        tmp_path,
        "samm:\n  006/006_1_2: {apex: 5566, emotion: Disgust, objective_class: 4, action_units: 4+9}\n"
        "  006/006_1_10: {apex: null, offset: 10002}\ncasme2:\n  sub01/EP02_01f: {onset: 3}\n",
    )
    assert read_samm(root).clips[1].apex is None  # outside its interval
    found = read_samm(root, overrides=corrections)
    shorter, anger, untouched = found.clips
    assert (anger.apex, anger.emotion, anger.objective_class, anger.action_units) == (5566, "disgust", 4, "4+9")
    assert (shorter.apex, shorter.offset, len(shorter.frames)) == (None, 10002, 5)
    assert untouched == read_samm(root).clips[2]
    reason, dropped = remarks(found)["006/006_1_10"]
    assert reason == f"corrected by {corrections}: apex 10000 -> None, offset 10003 -> 10002"
    assert not dropped


def test_a_mapping_corrects_as_a_file_of_the_same_content_does(tmp_path):
    root = release(tmp_path)
    file = overrides(tmp_path, "samm:\n  006/006_1_2: {apex: 5564, emotion: Disgust}\n")
    mapping = {"samm": {"006/006_1_2": {"apex": 5564, "emotion": "Disgust"}}}
    from_file, from_mapping = read_samm(str(root), overrides=str(file)), read_samm(root, overrides=mapping)
    assert from_mapping.clips == from_file.clips
    assert from_mapping.overrides == from_file.overrides == {"006/006_1_2": {"apex": 5564, "emotion": "disgust"}}
    assert from_mapping.clips != read_samm(root).clips
    assert remarks(from_mapping)["006/006_1_2"][0].startswith("corrected by overrides: apex ")


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"sam": {}}, "overrides: 'sam' is not a database"),
        ({"samm": 5}, "overrides: expected databases"),
        ({"samm": {"006/006_1_3": {"apex": 1}}}, "did you mean 006/006_1_2"),
        ({"samm": {"006/006_1_2": {"apex": "soon"}}}, "sets apex to 'soon'"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_as_a_file_is(tmp_path, mapping, sentence):
    with pytest.raises(MerjaxError) as refusal:
        read_samm(release(tmp_path), overrides=mapping)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("samm: {006/006_1_3: {apex: 1}}", "samm has no clip 006/006_1_3; did you mean 006/006_1_2"),
        ("samm: {099/nothing: {apex: 1}}", "samm has no clip 099/nothing; keys read like 006/006_1_2"),
        ("samm: {006/006_1_2: {peak: 1}}", "006/006_1_2 corrects 'peak'; the fields are onset, apex, offset"),
        ("samm: {006/006_1_2: {apex: soon}}", "006/006_1_2 sets apex to 'soon'; expected a whole number"),
        ("samm: {006/006_1_2: {offset: null}}", "sets offset to 'null'; expected a whole number"),
        ("samm: {006/006_1_2: {apex: true}}", "sets apex to 'true'; expected a whole number"),
        ("samm: {onlyaclip: {apex: 1}}", "'onlyaclip' must read like 028/028_4_1"),
        ("samm: {006/006_1_2: 7}", "'006/006_1_2' must read like 028/028_4_1"),
        ("sam: {}", "'sam' is not a database; expected smic, casme2, samm"),
        ("[1, 2]", "holds no `key: value` lines"),
        ("samm: {006/006_1_2: {apex: }}", "gives apex no value; write one, or leave apex out"),
        ("samm: {006/006_1_2: {apex: 1}, 006/006_1_2: {apex: 2}}", "has the key `006/006_1_2` for a second time"),
        ("samm: {006/006_1_2: {apex: .inf}}", "sets apex to '.inf'; expected a whole number"),
        ("samm: {006/006_1_2: {emotion: [fear]}}", "sets emotion to '[fear]'; expected text"),
        (
            "samm: {006/006_1_2: {objective_class: 9}}",
            "sets objective_class to '9'; expected a whole number from 1 to 7",
        ),
        (
            "samm: {006/006_1_2: {apex: -4}}",
            "006/006_1_2 sets apex to '-4'; expected a whole number that is not negative",
        ),
        ("samm: {006/006_1_2: {action_units: AU47}}", "sets action_units to 'AU47'; expected action units such as 4+7"),
        ("samm: {006/006_1_2: {emotion: hapiness}}", "sets emotion to 'hapiness'; expected one of happiness, disgust"),
        ("samm: {006/006_1_2: {emotion: hapiness}}", "others, other; did you mean happiness or sadness?"),
        ("samm: 5", "expected databases"),
        ("samm: {a: ", "not a readable YAML file"),
    ],
)
def test_overrides_that_do_not_fit_are_refused_with_what_was_expected(tmp_path, text, sentence):
    root = release(tmp_path)
    with pytest.raises(MerjaxError) as refusal:
        read_samm(root, overrides=overrides(tmp_path, text))
    assert sentence in str(refusal.value)
    assert "overrides.yaml" in str(refusal.value)


def test_a_missing_overrides_file_is_refused(tmp_path):
    with pytest.raises(MerjaxError, match="does not exist; --overrides takes a YAML file"):
        read_samm(release(tmp_path), overrides=tmp_path / "none.yaml")
