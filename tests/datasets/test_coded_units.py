"""Action units however people write them, against the units that a coder means."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merjax.datasets.coded_units import coded_units
from merjax.protocols import objective_class_from_aus
from merjax.system.tables import read_tables


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("AU12", {12}), ("au 12", {12}), ("12", {12}), ("12.0", {12}), ("12,0", {12}), ("012", {12}), ("１２", {12}),
        ("4+7", {4, 7}), ("4 + 7", {4, 7}), ("AU4+AU7", {4, 7}), ("AUs 4, 7", {4, 7}), ("4;7", {4, 7}), ("4 7", {4, 7}),
        ("4，7", {4, 7}), ("4 and 7", {4, 7}), ("14,L24,", {14, 24}), ("R4,5", {4, 5}), ("r18", {18}), ("+4", {4}),
        ("R4B", {4}), ("A/L12", {12}), ("(L/A)4B", {4}), ("10A/B", {10}), ("5(B/C)+17D", {5, 17}), ("LAU12", {12}),
        ("12A+ref(24)", {12}), ("7B+ ref(43)", {7}), ("ref (L10)+A12B", {12}), ("AD38", {38}), ("26+ADR30", {26, 30}),
        ("R14+17+soft focus", {0, 14, 17}),
    ],
)  # fmt: skip
def test_units_are_those_that_the_coder_means(text, units):
    coded = coded_units(text)
    assert coded is not None
    assert (coded.units, coded.doubtful) == (units, False)


@pytest.mark.parametrize("text", ["?", "12?", "12B ?", "4 or 7", "L12 or L14", "R12/L4", "(R6 or R12) + R15", "12/14"])
def test_doubtful_codes_are_class_vii_as_published(text):
    coded = coded_units(text)
    assert coded is not None
    assert coded.doubtful
    assert objective_class_from_aus(text) == 7


@pytest.mark.parametrize(
    "text",
    ["", " ", "2026-04-07", "4+", "4++7", "47", "0", "112", "4.7", "1,000", "happiness", "AU", "12x", "4-7", "AU4AU7", "+"],
)  # fmt: skip
def test_what_cannot_be_understood_is_never_a_class(text):
    assert coded_units(text) is None
    assert objective_class_from_aus(text) is None


UNIT = st.sampled_from([1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 38, 43])
BEFORE, AFTER = st.sampled_from(["", "AU", "L", "R", "A/L", "au"]), st.sampled_from(["", "A", "E", "B/C", "(B/C)"])


@settings(deadline=None, max_examples=200, derandomize=True, database=None)
@given(st.lists(st.tuples(UNIT, BEFORE, AFTER), min_size=1, max_size=5), st.sampled_from(["+", " + ", ",", ", ", ";"]))
def test_any_spelling_of_units_means_the_same(coded, joint):
    text = joint.join(f"{before}{unit}{after}" for unit, before, after in coded)
    assert coded_units(text) == ({unit for unit, _, _ in coded}, False)


@pytest.mark.long
@settings(deadline=None, max_examples=2000, derandomize=True, database=None)
@given(st.text(st.sampled_from("0123456789+,;/()?ABLRTUorf. "), max_size=12))
def test_fuzz_any_text_is_units_or_none(text):
    coded = coded_units(text)
    assert coded is None or all(0 < unit < 99 for unit in coded.units)
    assert objective_class_from_aus(text) in {None, 1, 2, 3, 4, 5, 6, 7}


def test_every_code_of_the_published_sheets_is_understood(shared):
    annotations = shared / "annotations"
    sheets = {"CASME2-coding-20140508.xlsx": 7, "SAMM_Micro_FACS_Codes_v2.xlsx": 8, "more/cas2_code_final_MTSN.xlsx": 5}
    sheets |= {
        "more/cas3_partA_ME_JpgIndex_v1.xls": 5,
        "more/cas3_partA_ME_JpgIndex_v2.xlsx": 5,
        "more/cas3_partC_ME.xlsx": 4,
    }
    for name, column in sheets.items():
        rows = [row for row in read_tables(annotations / name)[0].rows if len(row) > column and row[3].isdecimal()]
        assert len(rows) > 150
        assert [row[column] for row in rows if coded_units(row[column]) is None] == []
