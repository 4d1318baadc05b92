"""What is scored: one entry per (trial, way of selecting the budget), with its predictions on complete seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from merjax.config import Config
from merjax.protocols import FoldId
from merjax.protocols.tasks import Task

SELECTIONS = {"fixed": "", "inner": "inner subjects", "oracle": "oracle (leaks)"}
SHUFFLED_ALL = "shuffle everything"  # the control that shuffles the tested labels, too
CONTROLS = {"none": "", "shuffle": "shuffled labels", SHUFFLED_ALL: "all labels shuffled"}
PERMUTED = "permuted motion"  # what a shuffled spotter is called: its videos have no labels
WINDOW_KNOWN = "k from all subjects (leaks)"  # the same of each trial whose window knows them
KNOWN = "leaks: held-out subjects' frames trained the features"  # part of the name of each trial of which it is true


class SkippedClip(NamedTuple):
    """A clip that a group does not use, and the reason."""

    database: str
    subject: str
    clip: str
    reason: str

    def __str__(self) -> str:
        return f"{self.database}/{self.subject}/{self.clip}: {self.reason}"


@dataclass(frozen=True)
class GroupData:
    """What the trials of a group train on and are tested on, as a sweep's plan keeps it.

    Attributes:
        store: folder of the clip store.
        store_hash, split_hash, label_hash: hashes of its clips, of the sides of all folds and of the labels.
        protocol: name of the label scheme.
        classes: names of the classes, by class number.
        folds: the folds, without their clips.
        clips, frames, subjects: how many of each are in use.
        dropped: clips that could not be prepared.
        left_out: clips of the store that the protocol or the folds leave out.
        statement: the statement of synthetic data about itself; "" for real recordings.
        cut: clips whose sequences are cut at `length` frames, which is 0 if there is no limit.
        rates: the frames per second of its clips, each once, where they are far apart and a setting counts frames; else empty.
        counting: that setting, such as "data.frames: count:8".
        feature_hash: of the feature of the store that the method reads; "" if it reads none, or if the store's own hash covers
            it.
        cost: by stage, about how many 1e9 multiply-adds one run takes, in the order in which stages train.
        several: whether a clip may have several classes, or none, see `merjax.protocols.tasks.Task`.
        spots: whether clips are long videos in which expressions are sought, see the same.
        windows: for a method whose window depends on the fold, what to say of each window: which folds have it.
    """

    store: str
    store_hash: str
    split_hash: str
    label_hash: str
    protocol: str
    classes: tuple[str, ...]
    folds: tuple[FoldId, ...]
    clips: int
    frames: int
    subjects: int
    dropped: tuple[SkippedClip, ...] = ()
    left_out: tuple[SkippedClip, ...] = ()
    statement: str = ""
    cut: int = 0
    length: int = 0
    rates: tuple[float, ...] = ()
    counting: str = ""
    feature_hash: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)
    several: bool = False
    spots: bool = False
    windows: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        """What is answered about a clip."""
        return Task(self.classes, self.several, self.spots)

    @property
    def cut_sentence(self) -> str:
        """A sentence about the clips that are cut; "" if there are none."""
        if not self.cut:
            return ""
        frames = f"the {self.length} frames of temporal.length"
        return f"{self.cut} of {self.clips} clips are cut at the end: they have more than {frames}"

    @property
    def rates_sentence(self) -> str:
        """A warning that a setting counts frames which do not last equally long; "" if none does."""
        if not self.rates:
            return ""
        *others, last = (f"{rate:g}" for rate in self.rates)
        return (
            f"clips have {', '.join(others)} and {last} frames per second, and {self.counting} counts frames, which last "
            f"{1000 / self.rates[-1]:.0f} to {1000 / self.rates[0]:.0f} ms; data.frames: fps:{self.rates[0]:g} gives all clips "
            "the same steps"
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "GroupData":
        """Read back what `to_json` wrote. It holds only the names of folds, see `merjax.protocols.FoldId.of_name`."""
        others = {key: value for key, value in content.items() if key not in _OF_PARTS}
        return cls(
            **others
            | {"classes": tuple(content["classes"]), "folds": tuple(map(FoldId.of_name, content["folds"]))}
            | {key: tuple(SkippedClip(**clip) for clip in content[key]) for key in ("dropped", "left_out")},
            cost=content["work"],
            rates=tuple(content.get("rates", ())),
            windows=tuple(content.get("windows", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """The content for `plan.json`, which keeps older keys for some of these names."""
        content = dict(vars(self))
        cost = content.pop("cost")
        if not self.cut:  # as plans of older versions
            del content["cut"], content["length"]
        if not self.rates:
            del content["rates"], content["counting"]
        for name in ("several", "spots", "windows", "feature_hash"):
            if not content[name]:
                del content[name]
        return content | {
            "classes": list(self.classes),
            "folds": [fold.name for fold in self.folds],
            "dropped": _listed(self.dropped),
            "left_out": _listed(self.left_out),
            "work": dict(cost),
        }


_OF_PARTS = ("dropped", "left_out", "work", "rates", "windows")


def _listed(clips: Sequence[SkippedClip]) -> list[dict[str, str]]:
    return [clip._asdict() for clip in clips]


def left_out_sentences(groups: Sequence[GroupData]) -> list[str]:
    """Sentences on the clips that groups do not use, or not whole, or that are not alike in time; each once, since groups often
    share them."""
    sentences = []
    for group in groups:
        sentences += [f"dropped {clip}" for clip in group.dropped]
        if group.left_out:
            sentences.append(f"{len(group.left_out)} clips of the store are not in {group.protocol} (see plan.json)")
        sentences += filter(None, [group.cut_sentence, group.rates_sentence])
    return list(dict.fromkeys(sentences))


@dataclass(frozen=True, eq=False)
class Entry:
    """One row of a score table.

    Attributes:
        label: its name in tables, from trial, selection and control.
        trial: the trial's name.
        config: the trial's settings.
        overrides: the settings in which the trial differs from its sweep's base.
        selection: how the budget was chosen: "fixed", "inner" (subjects held out of training) or "oracle" (it leaks).
        control: "shuffle" if the trial was trained on shuffled labels, "shuffle everything" if all clips' labels were
            shuffled, those that are tested, too; else "".
        data: what the trial's group trains on.
        seeds: the seeds that are scored: those whose folds are all finished; if there are none, the one with most folds.
        planned_seeds: the seeds of the plan.
        folds: finished folds per scored seed; below `len(data.folds)` the entry is partial.
        epochs: the whole budget of the stage for which a moment is chosen.
        steps: optimiser steps of that stage's whole budget.
        predictions: rows of the scored seeds, see `merjax.sweeps.folder.read_predictions`.
        run: name of the run it belongs to.
        published: the method whose published scores are shown beside this trial's; "" if there are none.
        note: what the sweep file says of the trial.
    """

    label: str
    trial: str
    config: Config
    overrides: dict[str, Any]
    selection: str
    control: str
    data: GroupData
    seeds: tuple[int, ...]
    planned_seeds: tuple[int, ...]
    folds: int
    epochs: float
    steps: int
    predictions: pd.DataFrame
    run: str = ""
    published: str = ""
    note: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    @property
    def task(self) -> Task:
        """What is answered about a clip."""
        return self.data.task

    @cached_property
    def tested(self) -> frozenset[tuple[Any, ...]]:
        """The tested clips with their folds and labels: database, subject, clip, fold, label; of spotters, the tested videos
        with their true intervals."""
        own = self.predictions
        columns = ["database", "subject", "clip", "fold", "label"]
        if self.task.spots:
            own, columns = own[own["row"] != "found"], [*columns[:-1], "row", "kind", "onset", "offset"]
        return frozenset(zip(*(own[name].tolist() for name in columns), strict=True))

    @cached_property
    def has_answers(self) -> bool:
        """Whether any of its runs answered; the clips of runs that diverged have no answer. A spotter may find nothing."""
        return self.task.spots or bool((self.predictions["prediction"] >= 0).any())

    @property
    def leaks(self) -> bool:
        """Whether held-out subjects had a part in what is tested on them: in the choice of the budget, in the features, or in
        the length of a spotter's window."""
        return self.selection == "oracle" or features_know(self.config) or window_knows(self.config)

    @property
    def is_partial(self) -> bool:
        """Whether folds of the scored seed are missing, so that its pooled scores cover fewer subjects."""
        return self.folds < len(self.data.folds)

    @property
    def snapshots(self) -> int:
        """How many snapshots of each run its rule could choose from; 1 if there is nothing to choose."""
        if self.selection == "fixed":
            return 1
        every = -(-self.steps // self.config.selection.looks)
        return -(-self.steps // every)

    def called(self, label: str) -> "Entry":
        """The same entry under another label."""
        return replace(self, label=label)


def features_know(config: Config) -> bool:
    """Whether held-out subjects' frames train the features; only the paper's method has a spatial stage."""
    return config.method == "local_regions" and config.spatial.trained_on != "fold"


def window_knows(config: Config) -> bool:
    """Whether held-out subjects' expressions decide how long a spotter's window is."""
    return config.method == "softnet" and config.spotter.window == "all subjects"


LEAKS = "oracle (leaks): the budget was chosen on the held-out subjects; this does not estimate accuracy on new people."
KNOWN_NOTE = f"{KNOWN}. Such a score does not estimate accuracy on new people."
