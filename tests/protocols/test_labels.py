"""Label schemes and the AU rule, against tables written out by hand."""

import numpy as np
import pandas as pd
import pytest
from support.placeholder_releases import Line

from merjax.faces.regions import REGIONS
from merjax.protocols import SCHEMES, audit_aus, label_clips, objective_class_from_aus, scheme_of
from merjax.protocols.tasks import Task
from merjax.system.errors import MerjaxError

# (database, emotion) -> megc3 class and region labels (both eyes, nose, both cheeks, mouth), copied from Table 1 and from
# the decisions on what it lacks; None: not in the protocol
MEGC3 = {
    ("casme2", "happiness"): "positive: none none positive positive",
    ("casme2", "disgust"): "negative: negative negative none negative",
    ("casme2", "surprise"): "surprise: surprise none none surprise",
    ("casme2", "repression"): "negative: none none none negative",
    ("casme2", "sadness"): None,
    ("casme2", "fear"): None,
    ("casme2", "others"): None,
    ("samm", "happiness"): "positive: none none positive positive",
    ("samm", "disgust"): "negative: negative negative none negative",
    ("samm", "surprise"): "surprise: surprise none none surprise",
    ("samm", "sadness"): "negative: negative none none none",
    ("samm", "contempt"): "negative: none none none negative",
    ("samm", "anger"): "negative: negative none none none",
    ("samm", "fear"): "negative: none none none negative",
    ("samm", "other"): None,
    ("smic", "negative"): "negative: negative negative none negative",
    ("smic", "positive"): "positive: none none positive positive",
    ("smic", "surprise"): "surprise: surprise none none surprise",
}
AU5 = {
    1: "I: none none I I",
    2: "II: II none none II",
    3: "III: III none none none",
    4: "IV: IV IV none IV",
    5: "V: V none none V",
    6: None,
    7: None,
}


def index_of_rows(rows: list[dict]) -> pd.DataFrame:
    """An index with one clip per row; rows differ only in the given columns."""
    line = Line("01", "EP01_01")
    plain = {"database": "samm", "subject": "006", "emotion": "disgust", "action_units": "4", "objective_class": 3}
    plain |= {"onset": line.onset, "apex": line.apex, "offset": line.offset, "fps": 200.0, "n_frames": 8}
    table = pd.DataFrame([plain | {"clip": f"clip {i}"} | row for i, row in enumerate(rows)])
    return table.astype({"objective_class": "Int64", "apex": "Int64"})


def labels_in_words(labelled) -> dict[str, str]:
    """Clip -> "class: eyes nose cheeks mouth", mirror images being asserted alike."""
    words = {}
    for n, clip in enumerate(labelled.index["clip"]):
        shown = {}
        for region, target in zip(REGIONS, labelled.target_NxR[n], strict=True):
            name = labelled.scheme.region_classes[region.kind][target]
            assert shown.setdefault(region.kind, name) == name
        kinds = " ".join(shown[kind] for kind in ("eyes", "nose", "cheeks", "mouth"))
        words[clip] = f"{labelled.scheme.classes[labelled.target_N[n]]}: {kinds}"
    return words


def test_megc3_labels_of_clips_and_regions_are_those_of_table_1():
    rows = [{"database": database, "emotion": emotion, "clip": f"{database} {emotion}"} for database, emotion in MEGC3]
    labelled = label_clips(index_of_rows(rows), SCHEMES["megc3"])
    expected = {f"{database} {emotion}": label for (database, emotion), label in MEGC3.items()}
    assert labels_in_words(labelled) == {clip: label for clip, label in expected.items() if label}
    assert set(labelled.left_out["clip"]) == {clip for clip, label in expected.items() if not label}
    assert all("is not in megc3" in reason for reason in labelled.left_out["reason"])


def test_the_mouth_is_none_in_class_iv_if_asked_and_has_four_classes():
    """The regions of the code published in 2022."""
    index = index_of_rows([{"objective_class": number, "clip": str(number)} for number in range(1, 6)])
    scheme = scheme_of("au5", "eyes+nose")
    assert [len(scheme.region_classes[kind]) for kind in ("eyes", "nose", "cheeks", "mouth")] == [5, 2, 2, 4]
    words = labels_in_words(label_clips(index, scheme))
    assert words.pop("4") == "IV: IV IV none none"
    assert words == {str(number): AU5[number] for number in (1, 2, 3, 5)}
    assert scheme_of("au5", "eyes+nose+mouth") == SCHEMES["au5"]
    assert scheme_of("megc3", "eyes+nose") == SCHEMES["megc3"]


def test_anger_can_show_on_the_mouth_too_and_changes_nothing_else():
    rows = [{"emotion": emotion} for emotion in ("anger", "sadness", "fear")] + [
        {"database": "smic", "emotion": "negative"}
    ]
    index = index_of_rows(rows)
    eyes = labels_in_words(label_clips(index, SCHEMES["megc3"]))
    both = labels_in_words(label_clips(index, SCHEMES["megc3"], anger="eyes+mouth"))
    assert both.pop("clip 0") == "negative: negative none none negative"
    assert both == {clip: eyes[clip] for clip in both}
    with pytest.raises(MerjaxError, match="'nose' is not one of eyes, eyes\\+mouth"):
        label_clips(index, SCHEMES["megc3"], anger="nose")


def test_region_classes_are_the_k_of_r_of_the_paper():
    assert dict(SCHEMES["megc3"].region_classes) == {
        "eyes": ("negative", "surprise", "none"),
        "nose": ("negative", "none"),
        "cheeks": ("positive", "none"),
        "mouth": ("negative", "positive", "surprise", "none"),
    }
    assert dict(SCHEMES["au5"].region_classes) == {
        "eyes": ("II", "III", "IV", "V", "none"),
        "nose": ("IV", "none"),
        "cheeks": ("I", "none"),
        "mouth": ("I", "II", "IV", "V", "none"),
    }


def test_published_counts_add_up_to_tables_3_and_4():
    megc3, au5 = SCHEMES["megc3"], SCHEMES["au5"]
    assert np.sum(list(megc3.expected.values()), 0).tolist() == [250, 109, 83]
    assert np.sum(list(au5.expected.values()), 0).tolist() == [49, 28, 119, 34, 23]
    assert (sum(megc3.expected_subjects.values()), sum(au5.expected_subjects.values())) == (68, 47)


def test_only_casme2_needs_an_apex_after_its_onset():
    apexes = [pd.NA, 5, 6, 12]
    rows = [{"database": database, "apex": apex} for database in ("casme2", "samm") for apex in apexes]
    labelled = label_clips(index_of_rows(rows), SCHEMES["megc3"])
    assert labelled.left_out["reason"].tolist() == ["no apex", "apex is not after onset"]
    assert labelled.left_out["clip"].tolist() == ["clip 0", "clip 1"]
    assert len(labelled.index) == 6


def test_au5_labels_come_from_the_objective_class():
    rows = [{"objective_class": number, "clip": str(number), "action_units": "12"} for number in AU5]
    labelled = label_clips(index_of_rows(rows), SCHEMES["au5"])
    assert labels_in_words(labelled) == {str(number): label for number, label in AU5.items() if label}
    assert labelled.left_out["reason"].tolist() == [f"objective class {n} is not in au5" for n in (6, 7)]
    assert not labelled.by_rule_N.any()


def test_the_au_rule_stands_in_for_a_missing_class_and_is_marked():
    rows = [
        {"objective_class": pd.NA, "action_units": "R6+R12"},
        {"objective_class": 3, "action_units": "R6+R12"},
        {"objective_class": pd.NA, "action_units": "?"},
        {"objective_class": pd.NA, "action_units": "", "database": "smic"},
    ]
    labelled = label_clips(index_of_rows(rows), SCHEMES["au5"])
    assert [SCHEMES["au5"].classes[target] for target in labelled.target_N] == ["I", "III"]
    assert labelled.by_rule_N.tolist() == [True, False]
    assert labelled.left_out["reason"].tolist() == [
        "objective class 7 is not in au5",
        "no objective class and no action units",
    ]


def test_kept_rows_keep_their_order_and_all_their_columns():
    rows = [{"emotion": emotion, "first_row": i} for i, emotion in enumerate(("anger", "other", "fear", "happiness"))]
    labelled = label_clips(index_of_rows(rows), SCHEMES["megc3"])
    assert labelled.index["first_row"].tolist() == [0, 2, 3]
    assert labelled.index.index.tolist() == [0, 1, 2]
    assert labelled.target_N.tolist() == [0, 0, 1]


def test_an_index_without_a_clip_of_the_protocol_gives_empty_arrays_of_the_right_shape():
    labelled = label_clips(index_of_rows([{"emotion": "other"}]), SCHEMES["megc3"])
    assert labelled.target_NxR.shape == (0, len(REGIONS))
    assert len(labelled.target_N) == len(labelled.index) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", 1), ("6+12", 1), ("12+6", 1), ("L6+R12", 1), ("6A+12E", 1), ("R6A + A12B", 1), ("6+7+12", 1),
        ("1+2", 2), ("L1+L2", 2), ("25+26", 2), ("5+24", 2), ("1+R2+25", 2),
        ("4", 3), ("4+7+6", 3), ("4A/B", 3), ("B4", 3), ("T23", 3), ("17+24", 3),
        ("4+L10", 4), ("10A/B", 4), ("A9E+ref(10)", 4), ("4+5+7+9", 4),
        ("1+4", 5), ("15+17", 5), ("20", 6), ("1+2+4", 6),
        ("?", 7), ("L12 or L14", 7), ("(R6 or R12)+R15", 7), ("14", 7), ("1+12", 7), ("ref(4)", 7),
        ("12+soft focus", 7), ("A/L12", 1),
    ],
)  # fmt: skip
def test_the_au_rule_matches_exact_sets_without_sides_and_intensities(text, expected):
    assert objective_class_from_aus(text) == expected


def test_the_audit_lists_exactly_the_disagreements():
    rows = [
        {"action_units": "12", "objective_class": 1},
        {"action_units": "12", "objective_class": 3},
        {"action_units": "?", "objective_class": pd.NA},
        {"action_units": "4+12", "objective_class": 4},
    ]
    audit = audit_aus(index_of_rows(rows))
    assert audit[["clip", "objective_class", "rule_class"]].to_numpy().tolist() == [["clip 1", 3, 1], ["clip 3", 4, 7]]
    assert audit_aus(index_of_rows(rows[:1])).empty


def test_published_counts_of_single_databases_add_up():
    whole = {name: sum(map(sum, scheme.expected.values())) for name, scheme in SCHEMES.items()}
    assert whole == {
        **{"megc3": 442, "au5": 253, "casme3_7": 860, "casme3_4": 860, "casme3_3": 699, "dfme": 2629, "mmew_4": 0},
        **{"casme2_5": 246, "samm_5": 136, "au12": 0},
    }
    au12 = SCHEMES["au12"]
    assert sum(au12.published_clips(name) for name in au12.expected) == 1763
    assert SCHEMES["mmew_4"].published_clips("mmew") is None


# (scheme, database, emotion) -> class and region labels, as above
SINGLE = {
    ("casme3_7", "casme3", "happy"): "happiness: none none happiness happiness",
    ("casme3_7", "casme3", "sad"): "sadness: sadness none none none",
    ("casme3_7", "casme3", "others"): "others: others none none others",
    ("casme3_4", "casme3", "disgust"): "negative: negative negative none negative",
    ("casme3_4", "casme3", "fear"): "negative: none none none negative",
    ("casme3_4", "casme3", "others"): "others: others none none others",
    ("casme3_3", "casme3", "happy"): "positive: none none positive positive",
    ("casme3_3", "casme3", "others"): None,
    ("dfme", "dfme", "contempt"): "contempt: none none none contempt",
    ("dfme", "dfme", "anger"): "anger: anger none none none",
    ("mmew_4", "mmew", "repression"): "others: none none none others",
    ("mmew_4", "mmew", "fear"): None,
    ("casme2_5", "casme2", "repression"): "repression: none none none repression",
    ("casme2_5", "casme2", "sadness"): None,
    ("samm_5", "samm", "other"): "others: others none none others",
    ("samm_5", "casme2", "happiness"): None,  # another database's
}


def test_labels_under_the_schemes_of_single_databases():
    found = {}
    for scheme in {key[0] for key in SINGLE}:
        rows = [{"database": d, "emotion": e, "clip": f"{d} {e}"} for name, d, e in SINGLE if name == scheme]
        labelled = label_clips(index_of_rows(rows), SCHEMES[scheme])
        found |= {(scheme, *clip.split(" ")): words for clip, words in labels_in_words(labelled).items()}
    assert found == {key: words for key, words in SINGLE.items() if words}


def test_the_clips_of_casme2_5_need_no_apex():
    """The organisers' rule about CASME II's apexes is megc3's alone."""
    rows = [{"database": "casme2", "emotion": "disgust", "apex": pd.NA}]
    assert len(label_clips(index_of_rows(rows), SCHEMES["casme2_5"]).index) == 1
    assert label_clips(index_of_rows(rows), SCHEMES["megc3"]).left_out["reason"].tolist() == ["no apex"]


def test_au12_labels_are_the_coded_units_of_the_clip_and_of_each_region():
    texts = {
        "4+R12": "AU4 AU12",
        "": "",
        "L14 or 17A": "AU14 AU17",
        "6+10B": "AU6 AU10",
        "38+43": "",
        "1+2+25": "AU1 AU2",
    }
    rows = [{"action_units": text, "clip": f"'{text}'"} for text in texts]
    rows += [{"action_units": "4-7", "clip": "odd"}, {"action_units": "4", "clip": "of SMIC", "database": "smic"}]
    scheme = SCHEMES["au12"]
    labelled = label_clips(index_of_rows(rows), scheme)
    named = [scheme.task.named(label).replace("+", " ") for label in labelled.target_N.tolist()]
    assert named == [units or "none" for units in texts.values()]
    shows = {"eyes": {1, 2, 4, 5, 7}, "nose": {9, 10}, "cheeks": {6, 12}, "mouth": {10, 12, 14, 15, 17}}
    for n, units in enumerate(texts.values()):
        for r, region in enumerate(REGIONS):
            task = Task(scheme.region_classes[region.kind], several=True)
            seen = {unit for unit in units.split() if int(unit[2:]) in shows[region.kind]}
            assert set(task.named(int(labelled.target_NxR[n, r])).split("+")) - {"none"} == seen
    assert labelled.left_out[["clip", "reason"]].to_numpy().tolist() == [
        ["odd", "action units '4-7' cannot be understood"],
        ["of SMIC", "smic has no part in au12"],
    ]


def test_macro_expressions_are_in_no_protocol_of_micro_expressions():
    rows = [
        {"kind": kind, "emotion": "happiness", "action_units": "12", "objective_class": 1}
        for kind in ("micro", "macro")
    ]
    for scheme in ("megc3", "au5", "samm_5", "au12"):
        labelled = label_clips(index_of_rows(rows), SCHEMES[scheme])
        assert labelled.index["clip"].tolist() == ["clip 0"]
        assert labelled.left_out["reason"].tolist() == [f"a macro-expression, and {scheme} is of micro-expressions"]


def test_classes_of_a_database_that_has_no_part_in_a_protocol_are_left_out():
    """SAMM Long Videos has SAMM's own clips: in a store of both, they must not count twice."""
    rows = [{"database": database, "emotion": "happiness"} for database in ("samm", "samm_long", "casme3")]
    for scheme in ("megc3", "au5"):
        assert label_clips(index_of_rows(rows), SCHEMES[scheme]).index["database"].tolist() == ["samm"]
