"""The flags that name releases, which `prepare` and `check` share, and the function that reads these releases."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merjax.cli.parser import Parser
from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path

if TYPE_CHECKING:
    from merjax.datasets import Release

FOLDER: dict[str, Any] = {"type": user_path, "metavar": "DIR"}
FILE: dict[str, Any] = {"type": user_path, "metavar": "FILE"}


def add_release_flags(parser: Parser) -> None:
    """Add one group of flags for each database, and the flag for corrections of all."""
    casme2 = parser.add_argument_group("CASME II")
    casme2.add_argument("--casme2", **FOLDER, help="folder of the release, raw or cropped")
    casme2.add_argument("--casme2-annotations", **FILE, help="its coding sheet (default: found in DIR or beside it)")
    casme2.add_argument("--casme2-classes", **FILE, help="its objective classes (default: found in DIR or beside it)")
    samm = parser.add_argument_group("SAMM")
    samm.add_argument("--samm", **FOLDER, help="folder of the release")
    samm.add_argument("--samm-annotations", **FILE, help="its sheet of FACS codes (default: found in DIR or beside it)")
    smic = parser.add_argument_group("SMIC-HS")
    smic.add_argument("--smic", **FOLDER, help="folder of the release, raw or cropped; not that of SMIC-E")
    all_of_them = parser.add_argument_group("all databases")
    all_of_them.add_argument("--overrides", **FILE, help="YAML file of corrections to annotated rows (see below)")


def read_releases(asked: argparse.Namespace) -> "list[Release]":
    """The releases that a command line names.

    Raises:
        MerjaxError: no release is named, a sheet is named without its release, or a release cannot be read.
    """
    for flag in ("casme2_annotations", "casme2_classes", "samm_annotations"):
        database = flag.partition("_")[0]
        if getattr(asked, flag) and not getattr(asked, database):
            raise MerjaxError(f"--{flag.replace('_', '-')} names a sheet without its release: add --{database} DIR")
    named = [name for name in ("casme2", "samm", "smic") if getattr(asked, name)]
    if not named:
        raise MerjaxError("there is no release to read; name one or more by --casme2 DIR, --samm DIR or --smic DIR")

    from merjax.datasets import read_casme2, read_samm, read_smic

    changes = asked.overrides
    readers: dict[str, Callable[[Path], Release]] = {
        "casme2": lambda root: read_casme2(
            root, annotations=asked.casme2_annotations, classes=asked.casme2_classes, overrides=changes
        ),
        "samm": lambda root: read_samm(root, annotations=asked.samm_annotations, overrides=changes),
        "smic": lambda root: read_smic(root, overrides=changes),
    }
    releases = []
    for name in named:
        with at_work("reading", getattr(asked, name)):
            releases.append(readers[name](getattr(asked, name)))
    return releases
