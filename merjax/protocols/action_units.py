"""Objective classes from action units: Davison, Merghani and Yap 2017, "Objective Classes for Micro-Facial Expression
Recognition", Table 3."""

import re

import pandas as pd

OTHERS = 7  # class VII: every combination that no other class names

_COMBINATIONS = {
    1: "6 12 6+12 6+7+12 7+12",
    2: "1+2 5 25 1+2+25 25+26 5+24",
    3: "23 4 4+7 4+5 4+5+7 17+24 4+6+7 4+38",
    4: "10 9 4+9 4+10 4+5+10 4+7+9 4+9+17 4+7+10 4+5+7+9 7+10",
    5: "1 15 1+4 6+15 15+17",
    6: "1+2+4 20",
}
_CLASS = {
    frozenset(int(unit) for unit in combination.split("+")): objective_class
    for objective_class, combinations in _COMBINATIONS.items()
    for combination in combinations.split()
}
# SAMM writes alternatives of side or intensity with "/" ("A/L12", "10A/B"), and its classes ignore "ref(24)".
_UNIT = re.compile(r"(?:[LRATB](?:/[LRATB])?)?(\d+)(?:[A-E](?:/[A-E])?)?")
_REFERENCE = re.compile(r"ref\(\w+\)")


def objective_class_from_aus(text: str) -> int:
    """The objective class 1-7 (I-VII) of coded action units.

    Side and asymmetry prefixes (L, R, A, T, B), intensities (A-E) and units in "ref(...)" are dropped; the set of units
    that is left must be one that the table names. Doubtful codes ("?", "12 or 14") and all other sets are class VII.

    >>> [objective_class_from_aus(text) for text in ("4+L10", "R6A + R12", "12A+ref(24)", "L12 or L14")]
    [4, 1, 1, 7]
    """
    parts = [part.strip() for part in text.split("+")]
    units = [_UNIT.fullmatch(part) for part in parts if not _REFERENCE.fullmatch(part)]
    if not all(units):
        return OTHERS
    return _CLASS.get(frozenset(int(unit[1]) for unit in units if unit), OTHERS)


def audit_aus(index: pd.DataFrame) -> pd.DataFrame:
    """Clips whose objective class is not the one that the rule gives to their action units.

    Args:
        index: see `merjax.datasets.index_of`; clips without a class of their own are skipped.

    Returns:
        columns database, subject, clip, action_units, objective_class, rule_class.
    """
    classed = index[index["objective_class"].notna()]
    rule = [objective_class_from_aus(text) for text in classed["action_units"]]
    audit = classed[["database", "subject", "clip", "action_units", "objective_class"]].assign(rule_class=rule)
    return audit[audit["objective_class"] != audit["rule_class"]].reset_index(drop=True)
