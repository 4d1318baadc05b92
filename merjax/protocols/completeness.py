"""Whether releases hold what was published: counts per database and protocol, and every discrepancy.

No pixels are read: the readers' lists of files are enough.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.datasets.clip import Database, Discrepancy, Release, database_of, index_of
from merjax.protocols import SCHEMES, LabelledClips, LabelScheme, label_clips


@dataclass(frozen=True)
class DatabaseCheck:
    """What was found in one database: usable clips, their subjects and frames (onset to offset), discrepancies, the sheet that
    gave the objective classes, and how many clips have each emotion or label, the most frequent first. `database` has the
    published numbers of what was asked for."""

    database: Database
    root: Path
    clips: int
    subjects: int
    frames: int
    discrepancies: tuple[Discrepancy, ...]
    synthetic: str
    class_source: str = ""
    emotions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SchemeCheck:
    """What was found for one protocol.

    Attributes:
        scheme: its label scheme.
        counts: clips per class by database; databases that were not given or have no part in the protocol are absent.
        clips, subjects: the number of clips and of subjects, by the same databases. Where a clip may have several classes,
            its clips are not the sum of those per class.
        by_rule: clips whose class comes from the AU rule.
        left_out: clips that are not in the protocol, by reason.
        synthetic: whether any release was synthesised, so that published counts do not apply to it.
    """

    scheme: LabelScheme
    counts: dict[str, tuple[int, ...]]
    clips: dict[str, int]
    subjects: dict[str, int]
    by_rule: int
    left_out: dict[str, int]
    synthetic: bool

    @property
    def published(self) -> list[str]:
        """The given databases for whose part a number of clips is published."""
        return [name for name in self.counts if self.scheme.published_clips(name) is not None]

    @property
    def as_published(self) -> bool:
        """Whether the given databases' parts have exactly the published counts, as far as any are published."""
        return bool(self.counts) and all(map(self._is_published, self.counts))

    @property
    def verdict(self) -> str:
        """One sentence: the counts, and whether they are the published ones."""
        scheme = self.scheme
        if not self.counts:
            return f"{scheme.name}: none of the given databases has a part in it"
        part = (
            ""
            if self.counts.keys() == scheme.expected.keys()
            else f" of {' and '.join(database_of(name).title for name in self.counts)}"
        )
        found = self._counted(self.clips, list(self.counts.values()), self.subjects)
        if self.synthetic:
            return f"{scheme.name}{part}: {found}; synthetic, so no published count applies"
        if not self.published:
            return f"{scheme.name}{part}: {found}; no counts are published"
        unknown = [database_of(name).title for name in self.counts if name not in self.published]
        but = f" (nothing is published of {' and '.join(unknown)})" if unknown else ""
        if self.as_published:
            return f"{scheme.name}{part}: {found}, exactly as published{but}"
        clips = {name: scheme.published_clips(name) or 0 for name in self.published}
        per_class = [scheme.expected[name] for name in self.published if scheme.expected[name]]
        subjects = {name: scheme.expected_subjects[name] for name in self.published if name in scheme.expected_subjects}
        return f"{scheme.name}{part}: {found}; NOT the published {self._counted(clips, per_class, subjects)}{but}"

    def _is_published(self, name: str) -> bool:
        """Whether what was found of a database is all that is published of it."""
        scheme = self.scheme
        found = (self.counts[name], self.clips[name], self.subjects[name])
        published = (scheme.expected[name] or None, scheme.published_clips(name), scheme.expected_subjects.get(name))
        return all(b is None or a == b for a, b in zip(found, published, strict=True))

    def _counted(
        self, clips: Mapping[str, int], per_class: Sequence[tuple[int, ...]], subjects: Mapping[str, int]
    ) -> str:
        """Summed counts as the paper writes them: "442 clips = 250/109/83 and 68 subjects"."""
        told = f"{sum(clips.values())} clips"
        if per_class and not self.scheme.several:
            told += f" = {'/'.join(map(str, np.sum(per_class, axis=0)))}"
        return f"{told} and {sum(subjects.values())} subjects" if subjects else told


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
        and database, clips "used" and the number "published". Where nothing is published, and for synthetic clips, it is None.
    """
    databases = {}
    for check in report.databases:
        published = None if check.synthetic else check.database.n_clips
        dropped = sum(d.dropped for d in check.discrepancies)
        databases[check.database.name] = {"used": check.clips, "dropped": dropped, "published": published}
    protocols = {
        check.scheme.name: {
            name: {"used": clips, "published": None if check.synthetic else check.scheme.published_clips(name)}
            for name, clips in check.clips.items()
        }
        for check in report.schemes
    }
    return {"databases": databases, "protocols": protocols}


def _check_database(release: Release) -> DatabaseCheck:
    database = database_of(release.database)
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
        emotions=dict(Counter(clip.emotion for clip in release.clips).most_common()),
    )


def _check_scheme(labelled: LabelledClips, databases: Sequence[str], synthetic: bool) -> SchemeCheck:
    scheme, index = labelled.scheme, labelled.index
    counts, clips, subjects = {}, {}, {}
    for name in (name for name in databases if name in scheme.expected):
        of_N = (index["database"] == name).to_numpy(bool)
        counts[name] = tuple(scheme.task.members(labelled.target_N[of_N]).sum(0).tolist())
        clips[name], subjects[name] = int(of_N.sum()), int(index.loc[of_N, "subject"].nunique())
    reasons = labelled.left_out[labelled.left_out["database"].isin(counts)]["reason"].value_counts()
    left_out = {str(reason): int(n) for reason, n in reasons.items()}
    return SchemeCheck(scheme, counts, clips, subjects, int(labelled.by_rule_N.sum()), left_out, synthetic)
