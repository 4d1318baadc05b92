"""Targets of clips and of their regions under a label scheme."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int8

from merjax.faces.regions import REGIONS
from merjax.protocols.action_units import objective_class_from_aus
from merjax.protocols.schemes import AU5_REGIONS, MEGC3_TARGETS, NONE, LabelScheme, emotion_regions
from merjax.system.errors import MerjaxError

ANGER = ("eyes", "eyes+mouth")


@dataclass(frozen=True)
class LabelledClips:
    """The N clips of an index that are in a protocol, and the targets of each.

    Attributes:
        scheme: the label scheme.
        index: their rows, in the given order, renumbered.
        target_N: index into `scheme.classes`.
        target_NxR: index into `scheme.region_classes[region.kind]` for each of `merjax.faces.regions.REGIONS`.
        by_rule_N: whether the class comes from the AU rule, because the sheets give none.
        left_out: columns database, subject, clip and reason of the other clips.
    """

    scheme: LabelScheme
    index: pd.DataFrame
    target_N: Int8[np.ndarray, "clips"]
    target_NxR: Int8[np.ndarray, "clips regions"]
    by_rule_N: Bool[np.ndarray, "clips"]
    left_out: pd.DataFrame


@dataclass(frozen=True)
class _Label:
    """A class and the kinds of regions that show it, or the reason for leaving the clip out."""

    name: str = ""
    kinds: tuple[str, ...] = ()
    reason: str = ""
    by_rule: bool = False


def label_clips(index: pd.DataFrame, scheme: LabelScheme, *, anger: str = "eyes") -> LabelledClips:
    """The clips of an index under a label scheme, and their targets.

    megc3: a region is active if Table 1 says so for the clip's original emotion; its label is then the clip's class,
    else "none". au5: the class is the sheets' objective class, or that of the AU rule of Davison et al. 2017 where they have
    none. If the index has a column `label` (as in a store made from a published list), a class of the scheme in that column
    takes precedence over the rules; its regions are those of the emotion, if the emotion has that class.

    Args:
        index: see `merjax.datasets.index_of`.
        scheme: one of `SCHEMES`, or what `scheme_of` makes of it. A class that is none of a region's classes is "none" there.
        anger: regions of anger, which Table 1 lacks: "eyes" or "eyes+mouth". It has no effect for au5.

    Raises:
        MerjaxError: `anger` has another value.
    """
    if anger not in ANGER:
        raise MerjaxError(f"regions of anger: '{anger}' is not one of {', '.join(ANGER)}")
    rows = index.to_dict("records")
    regions = emotion_regions(anger)
    rule = (lambda row: _megc3(row, regions)) if scheme.name == "megc3" else _au5
    labels = [_listed(row, regions) if row.get("label") in scheme.classes else rule(row) for row in rows]
    included = np.array([bool(label.name) for label in labels], bool)
    kept = [label for label in labels if label.name]
    reasons = [label.reason for label in labels if not label.name]
    return LabelledClips(
        scheme,
        index[included].reset_index(drop=True),
        np.array([scheme.classes.index(label.name) for label in kept], np.int8),
        np.array([_region_targets(label, scheme) for label in kept], np.int8).reshape(-1, len(REGIONS)),
        np.array([label.by_rule for label in kept], bool),
        index.loc[~included, ["database", "subject", "clip"]].assign(reason=reasons).reset_index(drop=True),
    )


def _region_targets(label: _Label, scheme: LabelScheme) -> list[int]:
    classes_of = [scheme.region_classes[region.kind] for region in REGIONS]
    shown = [
        label.name if region.kind in label.kinds and label.name in classes else NONE
        for region, classes in zip(REGIONS, classes_of, strict=True)
    ]
    return [classes.index(name) for classes, name in zip(classes_of, shown, strict=True)]


def _listed(row: dict[Hashable, Any], regions: dict[str, tuple[str, ...]]) -> _Label:
    """The class that a list gives."""
    name = row["label"]
    if name in AU5_REGIONS:
        return _Label(name, AU5_REGIONS[name])
    agrees = MEGC3_TARGETS.get(row["database"], {}).get(row["emotion"]) == name
    return _Label(name, regions[row["emotion"] if agrees else name])


def _megc3(row: dict[Hashable, Any], regions: dict[str, tuple[str, ...]]) -> _Label:
    """The rules behind the MEGC 2019 list of 442 clips."""
    emotion = row["emotion"]
    name = MEGC3_TARGETS.get(row["database"], {}).get(emotion)
    if name is None:
        return _Label(reason=f"emotion '{emotion}' is not in megc3")
    if (
        row["database"] == "casme2"
    ):  # the organisers left two CASME II clips out: one without apex, one with apex = onset
        if pd.isna(row["apex"]):
            return _Label(reason="no apex")
        if row["apex"] <= row["onset"]:
            return _Label(reason="apex is not after onset")
    return _Label(name, regions[emotion])


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
    return _Label(name, AU5_REGIONS[name], by_rule=by_rule)
