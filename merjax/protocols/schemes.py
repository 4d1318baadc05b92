"""The label schemes: the paper's three emotion classes (Table 3) and five action-unit classes (Table 4); the emotion classes
that others use on one database; and twelve action units, of which a clip may show several."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from merjax.protocols.active_regions import AU5_REGIONS, KINDS, UNIT_REGIONS, emotion_regions
from merjax.protocols.tasks import Task

ANY = ""  # in place of a database
NONE = "none"  # the paper's "No Reaction" label of a region (Sec. 3.1)


@dataclass(frozen=True)
class LabelScheme:
    """Classes of clips and of regions.

    Attributes:
        name: by which `data.protocol` names it.
        classes: names by target.
        region_classes: for each kind of region its classes by region target. `NONE` is the last, except where a clip may have
            several classes: then a region's target may be none of them.
        expected: published clips per class, by database; () where only their sum is published, or nothing. The databases are
            those that have a part in the scheme.
        expected_subjects: published subjects, by database; a database of which nothing is published is absent.
        targets: by database, the class of each original emotion; an emotion that is not there is left out. Empty where
            classes follow from action units. A scheme of the user's own has them for `ANY` database.
        regions: by class, the kinds of regions that show it, in a scheme of the user's own; elsewhere they follow from original
            emotions or action units.
        several: whether a clip may have several classes, or none, see `Task`.
        sums: published clips, by database, where `expected` has none per class.
        note: what must be said beside every score under the scheme; "" for nothing.
    """

    name: str
    classes: tuple[str, ...]
    region_classes: Mapping[str, tuple[str, ...]]
    expected: Mapping[str, tuple[int, ...]]
    expected_subjects: Mapping[str, int]
    targets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    several: bool = False
    sums: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def task(self) -> Task:
        """What is answered about a clip."""
        return Task(self.classes, self.several)

    def published_clips(self, database: str) -> int | None:
        """How many clips of a database the scheme has, as published; None where nothing is."""
        of_classes = self.expected.get(database, ())
        return sum(of_classes) if of_classes else self.sums.get(database)


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


def regions_of_emotions(anger: str) -> dict[str, tuple[str, ...]]:
    """Kinds of regions that show an original emotion, see `emotion_regions`; "negative" is the union of megc3's."""
    targets = [pair for of_database in MEGC3_TARGETS.values() for pair in of_database.items()]
    return emotion_regions(anger, [emotion for emotion, to in targets if to == "negative" and emotion != to])


def region_classes(classes: tuple[str, ...], active: Mapping[str, set[str]]) -> Mapping[str, tuple[str, ...]]:
    """Classes that a kind of region can show, in the order of the clips' classes, and `NONE`."""
    return MappingProxyType(
        {kind: (*(name for name in classes if kind in active[name]), NONE) for kind in KINDS},
    )


def _emotions(
    name: str,
    classes: tuple[str, ...],
    targets: Mapping[str, Mapping[str, str]],
    expected: Mapping[str, tuple[int, ...]],
    subjects: Mapping[str, int],
) -> LabelScheme:
    """A scheme whose classes follow from original emotions."""
    regions = regions_of_emotions("eyes+mouth")
    active: dict[str, set[str]] = {name: set() for name in classes}
    for of_database in targets.values():
        for emotion, target in of_database.items():
            active[target] |= set(regions[emotion])
    return LabelScheme(
        name,
        classes,
        region_classes(classes, active),
        MappingProxyType(dict(expected)),
        MappingProxyType(dict(subjects)),
        targets=targets,
    )


def _of_one(
    name: str, database: str, targets: Mapping[str, str], expected: tuple[int, ...], subjects: int | None
) -> LabelScheme:
    """A scheme of one database's emotions; its classes are in the order in which the targets name them."""
    people = {} if subjects is None else {database: subjects}
    return _emotions(name, tuple(dict.fromkeys(targets.values())), {database: targets}, {database: expected}, people)


def _megc3() -> LabelScheme:
    expected = {"smic": (70, 51, 43), "casme2": (88, 32, 25), "samm": (92, 26, 15)}
    subjects = {"smic": 16, "casme2": 24, "samm": 28}
    return _emotions("megc3", ("negative", "positive", "surprise"), MEGC3_TARGETS, expected, subjects)


def _au5() -> LabelScheme:
    classes = tuple(AU5_REGIONS)
    active = {name: set(kinds) for name, kinds in AU5_REGIONS.items()}
    return LabelScheme(
        "au5",
        classes,
        region_classes(classes, active),
        expected=MappingProxyType({"casme2": (25, 15, 99, 26, 20), "samm": (24, 13, 20, 8, 3)}),
        expected_subjects=MappingProxyType({"casme2": 26, "samm": 21}),
    )


def _au12() -> LabelScheme:
    """The action units of CD6ME (Varanka, Li, Peng and Zhao 2023, arXiv 2211.11425), of five of its six databases: 4DME is not
    among merjax's. Each clip of a database counts, whether it shows any of them or none."""
    clips = {"casme1": 189, "casme2": 255, "casme3": 860, "mmew": 300, "samm": 159}
    return LabelScheme(
        "au12",
        tuple(f"AU{unit}" for unit in UNIT_REGIONS),
        MappingProxyType(
            {kind: tuple(f"AU{unit}" for unit, kinds in UNIT_REGIONS.items() if kind in kinds) for kind in KINDS}
        ),
        expected=MappingProxyType(dict.fromkeys(clips, ())),
        expected_subjects=MappingProxyType({"casme1": 18, "casme2": 26, "casme3": 94, "samm": 29}),
        several=True,
        sums=MappingProxyType(clips),
        note="Five of CD6ME's six databases at most, without 4DME: no published mean of CD6ME stands beside these scores.",
    )


_CASME3_7 = {
    "disgust": "disgust",
    "surprise": "surprise",
    "others": "others",
    "fear": "fear",
    "anger": "anger",
    "sad": "sadness",
    "happy": "happiness",
}
_CASME3_4 = {
    "disgust": "negative",
    "fear": "negative",
    "anger": "negative",
    "sad": "negative",
    "happy": "positive",
    "surprise": "surprise",
    "others": "others",
}
_CASME3_3 = {emotion: target for emotion, target in _CASME3_4.items() if target != "others"}
_NAMED = {  # schemes whose classes are a database's own emotions
    "dfme": ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),  # by its EmotionId
    "mmew_4": ("happiness", "surprise", "disgust", "others"),
    "casme2_5": ("others", "disgust", "happiness", "repression", "surprise"),
    "samm_5": ("anger", "happiness", "others", "surprise", "contempt"),
}
_OWN = {name: {emotion: emotion for emotion in emotions} for name, emotions in _NAMED.items()}
_OWN["samm_5"]["other"] = "others"
_OWN["mmew_4"]["repression"] = "others"  # its folders' name for what the sheet calls others
_OF_ONE = (
    _of_one("casme3_7", "casme3", _CASME3_7, (250, 187, 161, 86, 64, 57, 55), 94),
    _of_one("casme3_4", "casme3", _CASME3_4, (457, 55, 187, 161), 94),
    _of_one("casme3_3", "casme3", _CASME3_3, (457, 55, 187), 88),
    _of_one("dfme", "dfme", _OWN["dfme"], (241, 171, 735, 365, 311, 359, 447), 259),
    _of_one("mmew_4", "mmew", _OWN["mmew_4"], (), None),
    _of_one("casme2_5", "casme2", _OWN["casme2_5"], (99, 63, 32, 27, 25), 26),
    _of_one("samm_5", "samm", _OWN["samm_5"], (57, 26, 26, 15, 12), 27),
)
SCHEMES = {scheme.name: scheme for scheme in (_megc3(), _au5(), *_OF_ONE, _au12())}


def scheme_named(name: str, classes: tuple[str, ...]) -> LabelScheme:
    """A known label scheme; or, of a scheme of the user's own, the classes alone: nothing is published of them."""
    return SCHEMES.get(name) or LabelScheme(name, classes, {}, {}, {})
