"""The two label schemes of the paper: three emotion classes (Table 3) and five action-unit classes (Table 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from merjax.faces.regions import REGIONS

NONE = "none"  # the paper's "No Reaction" label of a region (Sec. 3.1)
KINDS = tuple(dict.fromkeys(region.kind for region in REGIONS))


@dataclass(frozen=True)
class LabelScheme:
    """Classes of clips and of regions.

    Attributes:
        name: "megc3" or "au5".
        classes: names by target.
        region_classes: for each kind of region its classes by region target; `NONE` is the last.
        expected: published clips per class, by database.
        expected_subjects: published subjects, by database.
    """

    name: str
    classes: tuple[str, ...]
    region_classes: Mapping[str, tuple[str, ...]]
    expected: Mapping[str, tuple[int, ...]]
    expected_subjects: Mapping[str, int]


# Original emotion -> target class, by database (Table 3 and its notes); an emotion that is not here is left out.
MEGC3_TARGETS = {
    "smic": {"negative": "negative", "positive": "positive", "surprise": "surprise"},
    "casme2": {"disgust": "negative", "repression": "negative", "happiness": "positive", "surprise": "surprise"},
    "samm": {
        "anger": "negative",
        "contempt": "negative",
        "disgust": "negative",
        "fear": "negative",
        "sadness": "negative",
        "happiness": "positive",
        "surprise": "surprise",
    },
}
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
# Not in the paper; measured shares of action units per class. I: mouth .98. II: eyes .93. III: eyes .99. IV: nose .97,
# eyes .71, mouth .71. V: eyes .57, mouth .43. The code published in 2022 has the same regions, without the mouth for IV.
AU5_REGIONS = {
    "I": ("cheeks", "mouth"),
    "II": ("eyes", "mouth"),
    "III": ("eyes",),
    "IV": ("eyes", "nose", "mouth"),
    "V": ("eyes", "mouth"),
}


def emotion_regions(anger: str) -> dict[str, tuple[str, ...]]:
    """Kinds of regions that show an original emotion: Table 1, with the emotions that it lacks.

    SMIC says only "negative", "positive" and "surprise": its negative is the union of the negative rows.

    Args:
        anger: kinds joined by "+", "eyes" or "eyes+mouth".
    """
    regions = _TABLE_1 | {"anger": tuple(anger.split("+")), "fear": _FEAR}
    negative = [emotion for emotion, target in _all_targets().items() if target == "negative" and emotion in regions]
    union = {kind for emotion in negative for kind in regions[emotion]}
    return regions | {
        "negative": tuple(kind for kind in KINDS if kind in union),
        "positive": regions["happiness"],
    }


def _all_targets() -> dict[str, str]:
    return {emotion: target for targets in MEGC3_TARGETS.values() for emotion, target in targets.items()}


def _region_classes(classes: tuple[str, ...], active: Mapping[str, set[str]]) -> Mapping[str, tuple[str, ...]]:
    """Classes that a kind of region can show, in the order of the clips' classes, and `NONE`."""
    return MappingProxyType(
        {kind: (*(name for name in classes if kind in active[name]), NONE) for kind in KINDS},
    )


def _megc3() -> LabelScheme:
    classes = ("negative", "positive", "surprise")
    regions = emotion_regions("eyes+mouth")
    active: dict[str, set[str]] = {name: set() for name in classes}
    for emotion, target in _all_targets().items():
        active[target] |= set(regions[emotion])
    return LabelScheme(
        "megc3",
        classes,
        _region_classes(classes, active),
        expected=MappingProxyType({"smic": (70, 51, 43), "casme2": (88, 32, 25), "samm": (92, 26, 15)}),
        expected_subjects=MappingProxyType({"smic": 16, "casme2": 24, "samm": 28}),
    )


def _au5() -> LabelScheme:
    classes = tuple(AU5_REGIONS)
    active = {name: set(kinds) for name, kinds in AU5_REGIONS.items()}
    return LabelScheme(
        "au5",
        classes,
        _region_classes(classes, active),
        expected=MappingProxyType({"casme2": (25, 15, 99, 26, 20), "samm": (24, 13, 20, 8, 3)}),
        expected_subjects=MappingProxyType({"casme2": 26, "samm": 21}),
    )


def scheme_of(protocol: str, class_iv: str) -> LabelScheme:
    """A label scheme by its name; if class IV shows in "eyes+nose" only, it is none of the mouth's classes."""
    scheme = SCHEMES[protocol]
    if protocol != "au5" or "mouth" in class_iv:
        return scheme
    mouth = tuple(name for name in scheme.region_classes["mouth"] if name != "IV")
    return replace(scheme, region_classes=MappingProxyType({**scheme.region_classes, "mouth": mouth}))


SCHEMES = {scheme.name: scheme for scheme in (_megc3(), _au5())}
