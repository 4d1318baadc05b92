"""Targets of clips and of their regions under a label scheme."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int16

from merjax.datasets.coded_units import coded_units
from merjax.faces.regions import REGIONS
from merjax.protocols.action_units import objective_class_from_aus
from merjax.protocols.active_regions import AU5_REGIONS, UNIT_REGIONS
from merjax.protocols.schemes import ANY, NONE, LabelScheme, regions_of_emotions
from merjax.protocols.tasks import Task
from merjax.system.errors import MerjaxError

ANGER = ("eyes", "eyes+mouth")


@dataclass(frozen=True)
class LabelledClips:
    """The N clips of an index that are in a protocol, and the targets of each.

    Attributes:
        scheme: the label scheme.
        index: their rows, in the given order, renumbered.
        target_N: index into `scheme.classes`; where a clip may have several, see `Task`.
        target_NxR: index into `scheme.region_classes[region.kind]` for each of `merjax.faces.regions.REGIONS`; where a clip may
            have several classes, those that the region shows, as a `Task` writes them.
        by_rule_N: whether the class comes from the AU rule, because the sheets give none.
        left_out: columns database, subject, clip and reason of the other clips.
    """

    scheme: LabelScheme
    index: pd.DataFrame
    target_N: Int16[np.ndarray, "clips"]
    target_NxR: Int16[np.ndarray, "clips regions"]
    by_rule_N: Bool[np.ndarray, "clips"]
    left_out: pd.DataFrame


@dataclass(frozen=True)
class _Label:
    """The classes of a clip and the kinds of regions that show it, or the reason for leaving the clip out."""

    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    reason: str = ""
    by_rule: bool = False


def label_clips(index: pd.DataFrame, scheme: LabelScheme, *, anger: str = "eyes") -> LabelledClips:
    """The clips of an index under a label scheme, and their targets.

    Emotions (megc3 and the schemes of single databases): a region is active if Table 1, or what stands in for its missing
    rows (see `merjax.protocols.active_regions`), says so for the clip's original emotion; its label is then the clip's class,
    else "none". au5: the class is the sheets' objective class, or that of the AU rule of Davison et al. 2017 where they have
    none. au12: the coded action units; a region's labels are those of them that it shows.

    A scheme of the user's own: the class to which its file gives the clip's emotion or label, shown by the class's regions.

    If the index has a column `label` (as in a store made from a published list), a class of the scheme in that column takes
    precedence over the rules; its regions are those of the emotion, if the emotion has that class.

    Args:
        index: see `merjax.datasets.index_of`.
        scheme: one of `SCHEMES`, or what `scheme_of` makes of it. A class that is none of a region's classes is "none" there.
        anger: regions of anger, which Table 1 lacks: "eyes" or "eyes+mouth". It has no effect for au5.

    Raises:
        MerjaxError: `anger` has another value.
    """
    if anger not in ANGER:
        raise MerjaxError(f"regions of anger: '{anger}' is not one of {', '.join(ANGER)}")
    rows, regions = index.to_dict("records"), regions_of_emotions(anger)
    labels = [_label(row, scheme, regions) for row in rows]
    included = np.array([not label.reason for label in labels], bool)
    kept = [label for label in labels if not label.reason]
    reasons = [label.reason for label in labels if label.reason]
    return LabelledClips(
        scheme,
        index[included].reset_index(drop=True),
        _targets(scheme.task, [label.names for label in kept]),
        np.array([_region_targets(label, scheme) for label in kept], np.int16).reshape(-1, len(REGIONS)),
        np.array([label.by_rule for label in kept], bool),
        index.loc[~included, ["database", "subject", "clip"]].assign(reason=reasons).reset_index(drop=True),
    )


def _targets(task: Task, names_N: Sequence[tuple[str, ...]]) -> Int16[np.ndarray, "clips"]:
    """The labels of clips with these classes."""
    member_NxK = np.array([[name in names for name in task.classes] for names in names_N], bool)
    return task.label_of(member_NxK.reshape(-1, len(task.classes))).astype(np.int16)


def _region_targets(label: _Label, scheme: LabelScheme) -> list[int]:
    classes_of = [scheme.region_classes[region.kind] for region in REGIONS]
    if scheme.several:
        return [int(_targets(Task(classes, several=True), [label.names])[0]) for classes in classes_of]
    (name,) = label.names
    shown = [
        name if region.kind in label.kinds and name in classes else NONE
        for region, classes in zip(REGIONS, classes_of, strict=True)
    ]
    return [classes.index(name) for classes, name in zip(classes_of, shown, strict=True)]


def _label(row: dict[Hashable, Any], scheme: LabelScheme, regions: Mapping[str, tuple[str, ...]]) -> _Label:
    """A clip's classes by the scheme's rule, or by the list that the store was made from."""
    if scheme.regions:
        return _own(row, scheme)
    if row.get("label") in scheme.classes:
        return _listed(row, scheme, regions)
    if row.get("kind", "micro") != "micro":
        return _Label(reason=f"a {row['kind']}-expression, and {scheme.name} is of micro-expressions")
    has_part, no_part = row["database"] in scheme.expected, f"{row['database']} has no part in {scheme.name}"
    if scheme.name == "au5":
        label = _au5(row)
        return label if has_part or label.reason else _Label(reason=no_part)
    if not has_part:
        return _Label(reason=no_part)
    return _units(row) if scheme.several else _emotion(row, scheme, regions)


def _own(row: dict[Hashable, Any], scheme: LabelScheme) -> _Label:
    """The class of a clip's emotion or label in a scheme of the user's own."""
    said = [str(word) for word in (row["emotion"], row.get("label")) if word and not pd.isna(word)]
    for word in said:
        if (name := scheme.targets[ANY].get(word.lower())) is not None:
            return _Label((name,), scheme.regions[name])
    return _Label(reason=f"label '{' or '.join(said)}' is not in {scheme.name}")


def _listed(row: dict[Hashable, Any], scheme: LabelScheme, regions: Mapping[str, tuple[str, ...]]) -> _Label:
    """The class that a list gives."""
    name = row["label"]
    if name in AU5_REGIONS:
        return _Label((name,), AU5_REGIONS[name])
    agrees = scheme.targets.get(row["database"], {}).get(row["emotion"]) == name
    return _Label((name,), regions[row["emotion"] if agrees else name])


def _emotion(row: dict[Hashable, Any], scheme: LabelScheme, regions: Mapping[str, tuple[str, ...]]) -> _Label:
    """The class of the original emotion; in megc3, the rules behind the MEGC 2019 list of 442 clips."""
    emotion = row["emotion"]
    name = scheme.targets[row["database"]].get(emotion)
    if name is None:
        return _Label(reason=f"emotion '{emotion}' is not in {scheme.name}")
    # the organisers left two CASME II clips out: one without apex, one with apex = onset
    if scheme.name == "megc3" and row["database"] == "casme2":
        if pd.isna(row["apex"]):
            return _Label(reason="no apex")
        if row["apex"] <= row["onset"]:
            return _Label(reason="apex is not after onset")
    return _Label((name,), regions[emotion])


def _units(row: dict[Hashable, Any]) -> _Label:
    """The coded action units among au12's; a clip may have none of them. A unit of which the coder was not sure counts."""
    if not row["action_units"]:
        return _Label()
    coded = coded_units(row["action_units"])
    if coded is None:
        return _Label(reason=f"action units '{row['action_units']}' cannot be understood")
    return _Label(tuple(f"AU{unit}" for unit in UNIT_REGIONS if unit in coded.units))


def _au5(row: dict[Hashable, Any]) -> _Label:
    """Table 4: classes I-V; VI has too few clips, VII is "others"."""
    by_rule = pd.isna(row["objective_class"])
    if by_rule and not row["action_units"]:
        return _Label(reason="no objective class and no action units")
    number = objective_class_from_aus(row["action_units"]) if by_rule else int(row["objective_class"])
    if number is None:
        return _Label(reason=f"action units '{row['action_units']}' cannot be understood")
    if not 1 <= number <= len(AU5_REGIONS):
        return _Label(reason=f"objective class {number} is not in au5")
    name = tuple(AU5_REGIONS)[number - 1]
    return _Label((name,), AU5_REGIONS[name], by_rule=by_rule)
