"""Objective classes from action units: Davison, Merghani and Yap 2017, "Objective Classes for Micro-Facial Expression
Recognition", Table 3."""

import pandas as pd

from merjax.datasets.coded_units import coded_units

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


def objective_class_from_aus(text: str) -> int | None:
    """The objective class 1-7 (I-VII) of coded action units; None where the text cannot be understood, or is empty.

    The set of units must be one that the table names. Doubtful codes ("?", "12 or 14") and all other sets are class VII.

    >>> [objective_class_from_aus(text) for text in ("4+L10", "AU6 + AU12", "12A+ref(24)", "L12 or L14", "4-7")]
    [4, 1, 1, 7, None]
    """
    coded = coded_units(text)
    if coded is None:
        return None
    return OTHERS if coded.doubtful else _CLASS.get(coded.units, OTHERS)


def audit_aus(index: pd.DataFrame) -> pd.DataFrame:
    """Clips whose objective class is not the one that the rule gives to their action units.

    Args:
        index: see `merjax.datasets.index_of`; clips without a class of their own are skipped.

    Returns:
        columns database, subject, clip, action_units, objective_class, rule_class (missing where the action units cannot be
        understood).
    """
    classed = index[index["objective_class"].notna()]
    rule = pd.array([objective_class_from_aus(text) for text in classed["action_units"]], dtype="Int64")
    audit = classed[["database", "subject", "clip", "action_units", "objective_class"]].assign(rule_class=rule)
    return audit[(audit["objective_class"] != audit["rule_class"]).fillna(True)].reset_index(drop=True)
