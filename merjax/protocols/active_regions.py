"""Which kinds of regions show an emotion, a class of action units or one of them: the paper's Table 1, and what it lacks."""

from collections.abc import Iterable

from merjax.faces.regions import REGIONS

KINDS = tuple(dict.fromkeys(region.kind for region in REGIONS))

_TABLE_1 = {
    "happiness": ("cheeks", "mouth"),
    "disgust": ("eyes", "nose", "mouth"),
    "surprise": ("eyes", "mouth"),
    "repression": ("mouth",),
    "sadness": ("eyes",),
    "contempt": ("mouth",),
}
# Table 1 lacks two of SAMM's emotions. Measured on its action units: 96 % of 57 anger clips code eye units, 4 % mouth
# units; 90 % of 10 fear clips code mouth units.
_FEAR = ("mouth",)
# Nor does it have "others". Of CASME II's 99, SAMM's 26 and CAS(ME)^3's 161 clips, 71, 54 and 24 % code eye units, 28, 46 and
# 65 % mouth units, and at most 5 % others: no kind of movement prevails. The measured shares of all emotions, and what
# threshold gives Table 1, are in docs/protocols.md.
_OTHERS = ("eyes", "mouth")
_ALIKE = {"other": "others", "happy": "happiness", "sad": "sadness"}  # in the words of SAMM and CAS(ME)^3
# Not in the paper; measured shares of action units per class. I: mouth .98. II: eyes .93. III: eyes .99. IV: nose .97,
# eyes .71, mouth .71. V: eyes .57, mouth .43. The code published in 2022 has the same regions, without the mouth for IV.
AU5_REGIONS = {
    "I": ("cheeks", "mouth"),
    "II": ("eyes", "mouth"),
    "III": ("eyes",),
    "IV": ("eyes", "nose", "mouth"),
    "V": ("eyes", "mouth"),
}
# Where the FACS manual's movements lie: 10 lifts the lip and the wings of the nose, 12 the corners of the lips and the cheeks.
UNIT_REGIONS = {
    1: ("eyes",),
    2: ("eyes",),
    4: ("eyes",),
    5: ("eyes",),
    6: ("cheeks",),
    7: ("eyes",),
    9: ("nose",),
    10: ("nose", "mouth"),
    12: ("cheeks", "mouth"),
    14: ("mouth",),
    15: ("mouth",),
    17: ("mouth",),
}


def emotion_regions(anger: str, negative: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Kinds of regions that show an original emotion: Table 1, with the emotions that it lacks.

    SMIC says only "negative", "positive" and "surprise": its negative is the union of the negative rows.

    Args:
        anger: kinds joined by "+", "eyes" or "eyes+mouth".
        negative: the emotions that are negative.
    """
    regions = _TABLE_1 | {"anger": tuple(anger.split("+")), "fear": _FEAR, "others": _OTHERS}
    union = {kind for emotion in negative for kind in regions[emotion]}
    return regions | {
        **{alike: regions[emotion] for alike, emotion in _ALIKE.items()},
        "negative": tuple(kind for kind in KINDS if kind in union),
        "positive": regions["happiness"],
    }
