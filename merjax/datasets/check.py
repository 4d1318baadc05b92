"""Whether releases hold what was published: counts per database and protocol, and every discrepancy.

Reads no pixels; the readers have listed the files, and that is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.datasets.clip import DATABASES, Database, Discrepancy, Release
from merjax.datasets.index import index_of
from merjax.protocols import SCHEMES, LabelledClips, LabelScheme, audit_aus, label_clips


@dataclass(frozen=True)
class DatabaseCheck:
    """What was found of one database: usable clips, their subjects and frames (onset to offset), discrepancies."""

    database: Database
    root: Path
    clips: int
    subjects: int
    frames: int
    discrepancies: tuple[Discrepancy, ...]
    synthetic: str


@dataclass(frozen=True)
class SchemeCheck:
    """What was found of one protocol.

    Attributes:
        scheme: its label scheme.
        counts: clips per class, and `subjects` the number of subjects, by database; databases that were not given or
            have no part in the protocol are absent.
        by_rule: clips whose class comes from the AU rule.
        left_out: clips that are not in the protocol, by reason.
        synthetic: whether any release was synthesised, so that published counts say nothing about it.
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
        part = "" if self.counts.keys() == scheme.expected.keys() else f" of {' and '.join(map(_title, self.counts))}"
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
    """What `--check` found; `as_published` if every count of every protocol is the published one."""

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
    """What an index holds of each protocol, for the databases that were given."""
    return tuple(_check_scheme(label_clips(index, scheme), databases, synthetic) for scheme in SCHEMES.values())


def counts_of(report: CheckReport) -> dict[str, Any]:
    """The numbers of clips of a report, to be kept with what is made of them.

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
    return DatabaseCheck(
        DATABASES[release.database],
        release.root,
        clips=len(release.clips),
        subjects=len({clip.subject for clip in release.clips}),
        frames=sum(len(clip.frames) for clip in release.clips),
        discrepancies=release.discrepancies,
        synthetic=release.synthetic,
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


def print_report(report: CheckReport, console: Console) -> None:
    """Print a report: releases, discrepancies, and per protocol its classes and the verdict."""
    console.print(_release_table(report.databases))
    for check in report.databases:
        _say(console, f"{check.database.title}: {check.synthetic}" if check.synthetic else "")
    for check in report.databases:
        for d in check.discrepancies:
            name = "/".join(part for part in (d.database, d.subject, d.name) if part)
            _say(console, f"{name}: {d.reason}{' (left out)' if d.dropped else ''}")
    for scheme in report.schemes:
        if scheme.counts:
            console.print(_scheme_table(scheme))
        for reason, count in scheme.left_out.items():
            _say(console, f"  left out, {reason}: {count}")
        _say(console, f"  class from the AU rule: {scheme.by_rule}" if scheme.by_rule else "")
        _say(console, scheme.verdict)


def print_audit(index: pd.DataFrame, console: Console) -> None:
    """Print the clips whose objective class is not what the AU rule gives, and how often both agree."""
    audit = audit_aus(index)
    for row in audit.to_dict("records"):
        name = f"{row['database']}/{row['subject']}/{row['clip']}"
        _say(
            console, f"{name}: {row['action_units']} is class {row['objective_class']}, by the rule {row['rule_class']}"
        )
    classed = index[index["objective_class"].notna()]
    for database, clips in classed.groupby("database", sort=False):
        agree = len(clips) - int((audit["database"] == database).sum())
        _say(console, f"{_title(str(database))}: the AU rule agrees with {agree} of {len(clips)} objective classes")
    if classed.empty:
        _say(console, "no clip has an objective class of its own: nothing to compare the AU rule with")


def _release_table(checks: Sequence[DatabaseCheck]) -> Table:
    table = Table("database", "clips", "published", "subjects", "published", "frames", "left out", title="Releases")
    for check in checks:
        database, left_out = check.database, sum(d.dropped for d in check.discrepancies)
        counts = (check.clips, database.n_clips, check.subjects, database.n_subjects, check.frames, left_out)
        table.add_row(database.title, *map(str, counts))
    return table


def _scheme_table(check: SchemeCheck) -> Table:
    """Found / published clips per class."""
    scheme = check.scheme
    table = Table("database", *scheme.classes, "clips", "subjects", title=f"{scheme.name} (found / published)")
    rows = [(_title(name), [name]) for name in check.counts]
    if len(rows) > 1:
        rows.append(("FULL" if len(rows) == len(scheme.expected) else "together", list(check.counts)))
    for title, names in rows:
        found = np.sum([check.counts[name] for name in names], axis=0)
        published = np.sum([scheme.expected[name] for name in names], axis=0)
        subjects = (sum(check.subjects[name] for name in names), sum(scheme.expected_subjects[name] for name in names))
        pairs = [*zip(found, published, strict=True), (found.sum(), published.sum()), subjects]
        table.add_row(title, *(f"{a} / {b}" for a, b in pairs))
    return table


def _title(database: str) -> str:
    return DATABASES[database].title


def _counted(counts: Sequence[tuple[int, ...]], subjects: int) -> str:
    """Summed counts as the paper writes them: "442 clips = 250/109/83 and 68 subjects"."""
    total = np.sum(counts, axis=0)
    return f"{total.sum()} clips = {'/'.join(map(str, total))} and {subjects} subjects"


def _say(console: Console, sentence: str) -> None:
    """Print a sentence as it is, on one line however narrow the terminal; nothing for ""."""
    if sentence:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
