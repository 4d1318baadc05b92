"""Action units as people write them: "4+7", "AU12", "R4B", "L14 or 17", "4,7", "12A+ref(24)"."""

import re
import unicodedata
from typing import NamedTuple

from merjax.system.tables import whole_cell


class CodedUnits(NamedTuple):
    """What a cell of action units says.

    Attributes:
        units: the coded units, without side, asymmetry and intensity. 0 stands for a movement that is written in words.
        doubtful: whether the coder was not sure: "?", "12 or 14", "R12/L4".
    """

    units: frozenset[int]
    doubtful: bool


# The codes of the Facial Action Coding System, with those of head, eyes and gross behaviour. "47", say, is none of them, and
# more likely to be a "4+7" that lost its sign.
_CODES = frozenset({*range(1, 47), *range(50, 74), 80, 81, 82, 84, 85, 91, 92, 97, 98})
_WORDS = r"SOFT FOCUS|GLARE|CHEWING"  # what SAMM's coders wrote in words
# SAMM writes alternatives of side or intensity with "/" ("A/L12", "10A/B", "4(B/C)").
_UNIT = re.compile(r"(?:\(?[LRATB](?:/[LRATB])?\)?)?0?(\d{1,2})(?:\(?[A-E](?:/[A-E])?\)?)?")


def coded_units(text: str) -> CodedUnits | None:
    """The action units of a cell; None if the text cannot be understood, or is empty.

    Units are joined by "+", a comma, a semicolon or blanks. Units in "ref(...)" are left out.

    >>> [sorted(coded_units(text).units) for text in ("4+L10", "AU6, AU12", "R6A + R12", "12A+ref(24)", "12.0")]
    [[4, 10], [6, 12], [6, 12], [12], [12]]
    >>> coded_units("L12 or L14").doubtful, coded_units("2026-04-07"), coded_units("4+")
    (True, None, None)
    """
    written = unicodedata.normalize("NFKC", text).upper().strip().rstrip(",;").rstrip()
    if (number := whole_cell(written)) is not None:
        written = str(number)
    certain = written.replace("?", " ")
    certain = re.sub(r"\bREF ?\([^()]*\)", "REF", certain)
    certain = re.sub(rf"\b(?:{_WORDS})\b", "WORD", certain)
    certain = re.sub(r"\b([LRTB]?)(?:AUS?|AD|M)[ :.]*(?=[LRATB]?\d)", r"\1", certain)
    plain = re.sub(r"\bOR\b|(?<=[\d)])/|(?<=\d[A-E])/(?=[LRATB]?\d)", "+", certain)
    doubtful = plain != certain or "?" in written
    if doubtful:
        plain = re.sub(r"^\(|(?<=\+) *\(|\)(?= *(?:\+|$))", "", plain)
    parts = re.split(r"\s*(?:[+,;&]|\bAND\b)\s*|\s+", plain.strip())
    if parts == [""]:
        return CodedUnits(frozenset(), doubtful) if doubtful else None
    units = {_unit(part) for part in parts if part != "REF"}
    return None if None in units else CodedUnits(frozenset(unit for unit in units if unit is not None), doubtful)


def _unit(part: str) -> int | None:
    if part == "WORD":
        return 0
    match = _UNIT.fullmatch(part)
    return int(match[1]) if match and int(match[1]) in _CODES else None
