"""Whether releases hold what was published: counts per database and protocol, and every discrepancy.

No pixels are read: the readers' lists of files are enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.datasets.clip import DATABASES, Database, Discrepancy, Release, index_of
from merjax.protocols import SCHEMES, LabelledClips, LabelScheme, label_clips


@dataclass(frozen=True)
class DatabaseCheck:
    """What was found in one database: usable clips, their subjects and frames (onset to offset), discrepancies, and the sheet
    that gave the objective classes. `database` has the published numbers of what was asked for."""

    database: Database
    root: Path
    clips: int
    subjects: int
    frames: int
    discrepancies: tuple[Discrepancy, ...]
    synthetic: str
    class_source: str = ""


@dataclass(frozen=True)
class SchemeCheck:
    """What was found for one protocol.

    Attributes:
        scheme: its label scheme.
        counts: clips per class and, as `subjects`, the number of subjects, by database; databases that were not given or
            have no part in the protocol are absent.
        by_rule: clips whose class comes from the AU rule.
        left_out: clips that are not in the protocol, by reason.
        synthetic: whether any release was synthesised, so that published counts do not apply to it.
    """

    scheme: LabelScheme
    counts: dict[str, tuple[int, ...]]
    subjects: dict[str, int]
    by_rule: int
    left_out: dict[str, int]
    synthetic: bool

    @property
    def as_published(self) -> bool:
        """Whether the given databases' parts have exactly the published counts."""
        scheme = self.scheme
        return bool(self.counts) and all(
            self.counts[name] == scheme.expected[name] and self.subjects[name] == scheme.expected_subjects[name]
            for name in self.counts
        )

    @property
    def verdict(self) -> str:
        """One sentence: the counts, and whether they are the published ones."""
        scheme = self.scheme
        if not self.counts:
            return f"{scheme.name}: none of the given databases has a part in it"
        part = (
            ""
            if self.counts.keys() == scheme.expected.keys()
            else f" of {' and '.join(DATABASES[name].title for name in self.counts)}"
        )
        found = _counted(list(self.counts.values()), sum(self.subjects.values()))
        if self.synthetic:
            return f"{scheme.name}{part}: {found}; synthetic, so no published count applies"
        if self.as_published:
            return f"{scheme.name}{part}: {found}, exactly as published"
        published = [scheme.expected[name] for name in self.counts]
        subjects = sum(scheme.expected_subjects[name] for name in self.counts)
        return f"{scheme.name}{part}: {found}; NOT the published {_counted(published, subjects)}"


@dataclass(frozen=True)
class CheckReport:
    """What `merjax check` found; `as_published` if every count of every protocol is the published one."""

    databases: tuple[DatabaseCheck, ...]
    schemes: tuple[SchemeCheck, ...]

    @property
    def as_published(self) -> bool:
        return all(scheme.as_published for scheme in self.schemes if scheme.counts)


def check_releases(releases: Sequence[Release]) -> CheckReport:
    """Count what releases hold and compare it with what was published (Tables 3 and 4)."""
    index = index_of([clip for release in releases for clip in release.clips])
    names = [release.database for release in releases]
    synthetic = any(release.synthetic for release in releases)
    return CheckReport(
        tuple(_check_database(release) for release in releases), check_schemes(index, names, synthetic=synthetic)
    )


def check_schemes(index: pd.DataFrame, databases: Sequence[str], *, synthetic: bool) -> tuple[SchemeCheck, ...]:
    """What an index holds for each protocol, for the databases that were given."""
    return tuple(_check_scheme(label_clips(index, scheme), databases, synthetic) for scheme in SCHEMES.values())


def counts_of(report: CheckReport) -> dict[str, Any]:
    """The numbers of clips of a report, to be kept with what is made from the clips.

    Returns:
        "databases": by database, clips "used" and "dropped", and the number "published"; "protocols": by label scheme
        and database, clips "used" and the number "published". No published number applies to synthetic clips: None.
    """
    databases = {}
    for check in report.databases:
        published = None if check.synthetic else check.database.n_clips
        dropped = sum(d.dropped for d in check.discrepancies)
        databases[check.database.name] = {"used": check.clips, "dropped": dropped, "published": published}
    protocols = {
        check.scheme.name: {
            name: {"used": sum(counts), "published": None if check.synthetic else sum(check.scheme.expected[name])}
            for name, counts in check.counts.items()
        }
        for check in report.schemes
    }
    return {"databases": databases, "protocols": protocols}


def _check_database(release: Release) -> DatabaseCheck:
    database = DATABASES[release.database]
    if release.published is not None:
        database = replace(database, n_clips=release.published.clips, n_subjects=release.published.subjects)
    return DatabaseCheck(
        database,
        release.root,
        clips=len(release.clips),
        subjects=len({clip.subject for clip in release.clips}),
        frames=sum(len(clip.frames) for clip in release.clips),
        discrepancies=release.discrepancies,
        synthetic=release.synthetic,
        class_source=release.class_source,
    )


def _check_scheme(labelled: LabelledClips, databases: Sequence[str], synthetic: bool) -> SchemeCheck:
    scheme, index = labelled.scheme, labelled.index
    counts, subjects = {}, {}
    for name in (name for name in databases if name in scheme.expected):
        of_N = (index["database"] == name).to_numpy(bool)
        counts[name] = tuple(np.bincount(labelled.target_N[of_N], minlength=len(scheme.classes)).tolist())
        subjects[name] = int(index.loc[of_N, "subject"].nunique())
    reasons = labelled.left_out[labelled.left_out["database"].isin(counts)]["reason"].value_counts()
    left_out = {str(reason): int(n) for reason, n in reasons.items()}
    return SchemeCheck(scheme, counts, subjects, int(labelled.by_rule_N.sum()), left_out, synthetic)


def _counted(counts: Sequence[tuple[int, ...]], subjects: int) -> str:
    """Summed counts as the paper writes them: "442 clips = 250/109/83 and 68 subjects"."""
    total = np.sum(counts, axis=0)
    return f"{total.sum()} clips = {'/'.join(map(str, total))} and {subjects} subjects"
