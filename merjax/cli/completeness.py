"""What the words `check` and `prepare` print about releases."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from merjax.datasets import DATABASES
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
        for d in check.discrepancies:
            name = "/".join(part for part in (d.database, d.subject, d.name) if part)
            say(console, f"{name}: {d.reason}{' (left out)' if d.dropped else ''}")
    for scheme in report.schemes:
        if scheme.counts:
            console.print(_scheme_table(scheme))
        for reason, count in scheme.left_out.items():
            say(console, f"  left out, {reason}: {count}")
        say(console, f"  class from the AU rule: {scheme.by_rule}" if scheme.by_rule else "")
        say(console, scheme.verdict)


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
            f"{DATABASES[str(database)].title}: the AU rule agrees with {agree} of {len(clips)} objective classes",
        )
    if classed.empty:
        say(console, "no clip has an objective class of its own: nothing to compare the AU rule with")


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
    rows = [(DATABASES[name].title, [name]) for name in check.counts]
    if len(rows) > 1:
        rows.append(("FULL" if len(rows) == len(scheme.expected) else "together", list(check.counts)))
    for title, names in rows:
        found = np.sum([check.counts[name] for name in names], axis=0)
        published = np.sum([scheme.expected[name] for name in names], axis=0)
        subjects = (sum(check.subjects[name] for name in names), sum(scheme.expected_subjects[name] for name in names))
        pairs = [*zip(found, published, strict=True), (found.sum(), published.sum()), subjects]
        table.add_row(title, *(f"{a} / {b}" for a, b in pairs))
    return table
