"""What a page cannot show, in sentences, so that nothing looks like a result where there is none."""

from collections.abc import Sequence

from merjax.report.section import Section
from merjax.scoring.answers import counted
from merjax.scoring.counts import clips_of_classes
from merjax.sweeps.result import SweepResult


def gaps_of(section: Section) -> list[str]:
    """What cannot be said of a comparison's trials, and why."""
    comparison = section.comparison
    task = comparison.base.task
    clips_K = clips_of_classes(task, counted(comparison.base, comparison.parts[0]).pooled_SxKxK[0])
    present = [name for name, clips in zip(comparison.base.classes, clips_K, strict=True) if clips]
    lost = [entry.label for entry in comparison.entries if not entry.has_answers]
    told = []
    if len(present) == 1 and not task.several:
        told.append(
            f"All clips are of one class ({present[0]}), so no score here tells whether classes are told apart: always "
            "answering that class is right each time."
        )
    if lost:
        told.append(
            f"Every run diverged of {', '.join(lost)}: their clips count as wrong, and they are compared with nothing."
        )
    if len(comparison.entries) > 1 and section.choice is None and not comparison.chosen:
        told.append(
            "There are not two trials to choose from, finished on the same clips and neither leaking nor a control, so what "
            "choosing the best costs is not told."
        )
    return told


def repeated(runs: Sequence[SweepResult]) -> list[str]:
    """A sentence for each pair of folders that hold the same sweep."""
    told = []
    for number, one in enumerate(runs):
        for other in runs[number + 1 :]:
            if not _are_one(one, other):
                continue
            if one.digest == other.digest:
                told.append(
                    f"{one.name} and {other.name} hold the same predictions: one sweep is shown twice, and its trials are "
                    "counted twice."
                )
            else:
                told.append(
                    f"{one.name} and {other.name} are folders of the same sweep: put shards together with `merjax merge`; "
                    "trained twice, they differ by chance alone."
                )
    return told


def _are_one(one: SweepResult, other: SweepResult) -> bool:
    hashes = [[(g.store_hash, g.split_hash, g.label_hash) for g in run.plan.groups] for run in (one, other)]
    trials = [[(t.name, t.overrides) for t in run.plan.trials] for run in (one, other)]
    return hashes[0] == hashes[1] and trials[0] == trials[1] and one.plan.seeds == other.plan.seeds
