"""What the words `check` and `prepare` print about releases."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.datasets.clip import database_of
from merjax.protocols import audit_aus
from merjax.protocols.completeness import CheckReport, DatabaseCheck, SchemeCheck
from merjax.system.console import say


def print_completeness(report: CheckReport, console: Console) -> None:
    """Print a report: releases, discrepancies, and per protocol its classes and the verdict."""
    console.print(_release_table(report.databases))
    for check in report.databases:
        say(console, f"{check.database.title}: {check.synthetic}" if check.synthetic else "")
        say(
            console,
            f"{check.database.title}: objective classes from {check.class_source}" if check.class_source else "",
        )
    for check in report.databases:
        counts = ", ".join(f"{n} {emotion or 'without emotion'}" for emotion, n in check.emotions.items())
        say(console, f"{check.database.title}: {counts}" if counts else "")
    for check in report.databases:
        for d in check.discrepancies:
            name = "/".join(part for part in (d.database, d.subject, d.name) if part)
            say(console, f"{name}: {d.reason}{' (left out)' if d.dropped else ''}")
    for scheme in report.schemes:
        if scheme.counts:
            console.print(_scheme_table(scheme))
        for reason, count in scheme.left_out.items():
            say(console, f"  left out, {reason}: {count}")
        say(console, f"  class from the AU rule: {scheme.by_rule}" if scheme.by_rule else "")
        say(console, scheme.verdict if scheme.counts else "")
    without = [scheme.scheme.name for scheme in report.schemes if not scheme.counts]
    say(console, f"none of the given databases has a part in {', '.join(without)}" if without else "")


def print_audit(index: pd.DataFrame, console: Console) -> None:
    """Print the clips whose objective class is not the one that the AU rule gives, and how often both agree."""
    audit = audit_aus(index)
    for row in audit.to_dict("records"):
        name = f"{row['database']}/{row['subject']}/{row['clip']}"
        rule = "cannot be understood" if pd.isna(row["rule_class"]) else str(row["rule_class"])
        say(console, f"{name}: {row['action_units']} is class {row['objective_class']}, by the rule {rule}")
    classed = index[index["objective_class"].notna()]
    for database, clips in classed.groupby("database", sort=False):
        agree = len(clips) - int((audit["database"] == database).sum())
        say(
            console,
            f"{database_of(str(database)).title}: the AU rule agrees with {agree} of {len(clips)} objective classes",
        )
    if classed.empty:
        say(console, "no clip has an objective class of its own: nothing to compare the AU rule with")


def _release_table(checks: Sequence[DatabaseCheck]) -> Table:
    table = Table("database", "clips", "published", "subjects", "published", "frames", "left out", title="Releases")
    for check in checks:
        database, left_out = check.database, sum(d.dropped for d in check.discrepancies)
        counts = (check.clips, database.n_clips, check.subjects, database.n_subjects, check.frames, left_out)
        table.add_row(database.title, *("–" if n is None else str(n) for n in counts))
    return table


def _scheme_table(check: SchemeCheck) -> Table:
    """Found / published clips by class, a column for each database: classes are many, databases few.

    Where clips may have several classes, each counts for all of its own.
    """
    scheme = check.scheme
    columns = [(database_of(name).title, [name]) for name in check.counts]
    if len(columns) > 1:
        columns.append(("FULL" if len(columns) == len(scheme.expected) else "together", list(check.counts)))
    cells = []
    for _, names in columns:
        found = np.sum([check.counts[name] for name in names], axis=0).tolist()
        of_classes = [scheme.expected[name] for name in names]
        published = np.sum(of_classes, axis=0).tolist() if all(of_classes) else [None] * len(scheme.classes)
        found += [sum(check.clips[name] for name in names), sum(check.subjects[name] for name in names)]
        published += [_sum(map(scheme.published_clips, names)), _sum(map(scheme.expected_subjects.get, names))]
        cells.append([f"{a} / {'–' if b is None else b}" for a, b in zip(found, published, strict=True)])
    table = Table("found / published", *(title for title, _ in columns), title=scheme.name)
    for k, name in enumerate((*scheme.classes, "clips", "subjects")):
        table.add_row(name, *(of_database[k] for of_database in cells), end_section=k == len(scheme.classes) - 1)
    return table


def _sum(published: Iterable[int | None]) -> int | None:
    """The sum of published numbers; None if one of them is unknown."""
    numbers = list(published)
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
