"""Label schemes of a user's own: the classes and regions that their file gives, and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest
from support.places import CHECKOUT

from merjax.faces.regions import REGIONS
from merjax.protocols import label_clips, read_scheme, scheme_of
from merjax.system.errors import MerjaxError

LAB = """\
name: lab
classes:
  tense: {labels: [Tense, angry], regions: [mouth, eyes]}
  relaxed:
    labels: happy
    regions: [cheeks, mouth]
  others: {regions: nose}
"""


def scheme(tmp_path, text=LAB, name="scheme.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def index(*emotions, **columns):
    n = range(len(emotions))
    table = {"database": "lab", "subject": [f"s{i}" for i in n], "clip": "c", "emotion": list(emotions)}
    return pd.DataFrame(table | {"action_units": "", "objective_class": pd.NA} | columns)


def test_classes_and_regions_are_those_of_the_file(tmp_path):
    own = read_scheme(scheme(tmp_path))
    assert own.classes == ("tense", "relaxed", "others")
    assert own.region_classes["eyes"] == ("tense", "none")
    assert own.region_classes["mouth"] == ("tense", "relaxed", "none")
    assert own.region_classes["nose"] == ("others", "none")
    assert own.name.startswith("lab ")
    assert scheme_of(str(tmp_path / "scheme.yaml"), "eyes+nose") == own


def test_clips_of_any_database_get_the_class_of_their_label_and_each_region_what_it_shows(tmp_path):
    own = read_scheme(scheme(tmp_path))
    labelled = label_clips(index("happy", "angry", "bored", "others", "tense"), own)
    assert [own.classes[k] for k in labelled.target_N] == ["relaxed", "tense", "others", "tense"]
    assert labelled.left_out["reason"].tolist() == [f"label 'bored' is not in {own.name}"]
    for row, kinds in zip(
        labelled.target_NxR, (("cheeks", "mouth"), ("eyes", "mouth"), ("nose",), ("eyes", "mouth")), strict=True
    ):
        shown = [own.region_classes[r.kind][k] != "none" for r, k in zip(REGIONS, row, strict=True)]
        assert shown == [region.kind in kinds for region in REGIONS]


def test_the_label_of_a_published_list_counts_where_the_emotion_gives_no_class(tmp_path):
    labelled = label_clips(index("?", "happy", "?", label=["tense", "tense", np.nan]), read_scheme(scheme(tmp_path)))
    assert labelled.target_N.tolist() == [0, 1]


def test_the_name_stands_for_the_content(tmp_path):
    one, same = read_scheme(scheme(tmp_path)), read_scheme(scheme(tmp_path, "# of 2026\n" + LAB, "b.yaml"))
    other = read_scheme(scheme(tmp_path, LAB.replace("regions: nose", "regions: [nose, eyes]")))
    assert one == same
    assert one.name != other.name
    assert read_scheme(scheme(tmp_path, LAB.replace("name: lab\n", ""), "mine.yml")).name.startswith("mine ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("classes:", "class:"), "the scheme has no `class`; write name, classes; did you mean classes?"),
        (
            ("regions: nose", "regions: nase"),
            "others has the region 'nase'; write any of eyes, nose, cheeks, mouth; did",
        ),
        (
            ("regions: nose", "region: nose"),
            "the class others has no `region`; write labels, regions; did you mean regions?",
        ),
        (("{regions: nose}", "{labels: [o]}"), "others has no regions; write `regions:` with any of"),
        (("{regions: nose}", "nose"), "the class others is nose; write it as `others: {regions: [eyes, mouth]}`"),
        (
            ("labels: happy", "labels: [happy, ANGRY]"),
            "the label 'angry' is in the classes tense and relaxed; keep one",
        ),
        (("labels: happy", "labels: []"), "relaxed has no labels; write some, or leave `labels` out"),
        (("labels: happy", "labels: [[happy]]"), "labels of relaxed is [happy]; write text"),
        (("others:", "none:"), "a class cannot be called 'none'"),
        (("  others: {regions: nose}", "  tense: {regions: nose}"), "has the key `tense` for a second time"),
        (
            ("regions: nose", "regions: eyes"),
            "no class shows in the nose, so that a network there would have nothing to learn",
        ),
        ((LAB, "classes: {a: {regions: eyes}}"), "`classes` must name at least two classes"),
        ((LAB, "classes: [a, b]"), "`classes` must name at least two classes"),
        ((LAB, ""), "is empty; write `key: value` lines"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_was_expected(tmp_path, change, sentence):
    path = scheme(tmp_path, LAB.replace(*change))
    with pytest.raises(MerjaxError) as refusal:
        read_scheme(path)
    assert sentence in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_the_scheme_in_the_documents_is_one(tmp_path):
    written = re.search(r"^```yaml file=lab.yaml\n(.*?)^```$", (CHECKOUT / "docs" / "data.md").read_text(), re.M | re.S)
    assert read_scheme(scheme(tmp_path, written[1])).classes == ("tense", "relaxed")


def test_a_protocol_that_is_neither_known_nor_a_file_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(MerjaxError, match=r"data.protocol is megc; write one of megc3, au5, .*; did you mean megc3\?"):
        scheme_of("megc", "eyes+nose")
    with pytest.raises(MerjaxError, match="gone.yaml does not exist"):
        scheme_of(str(tmp_path / "gone.yaml"), "eyes+nose")
