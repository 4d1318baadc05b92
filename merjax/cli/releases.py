"""The flags that name releases, which `prepare` and `check` share, and the function that reads these releases.

Each database is a row of `DATABASES`: its flags, and with them what its reader is called with, follow from the row.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from merjax.cli.parser import Parser
from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path

if TYPE_CHECKING:
    from merjax.datasets import Release

FOLDER: dict[str, Any] = {"type": user_path, "metavar": "DIR"}
FILE: dict[str, Any] = {"type": user_path, "metavar": "FILE"}


@dataclass(frozen=True)
class DatabaseFlags:
    """One database on the command line.

    Attributes:
        name: its key in `merjax.datasets.DATABASES`. Its flag is `--name` with dashes, its reader `merjax.datasets.read_name`.
        title: the heading of its flags in the help.
        where: what its own flag names, for the help.
        sheets: the sheets that a flag of their own can name, such as `--casme2-classes`: the reader's argument, and what the
            sheet is.
        several: those of the sheets that may be several files.
        rules: further arguments of the reader: the values that a flag such as `--casme-squared-offsets` takes, the default
            first, and its help.
        takes: what argparse makes of its own flag's value.
        kinds: whether it holds macro-expressions as well, so that `--kind` concerns it.
    """

    name: str
    title: str
    where: str
    sheets: Mapping[str, str] = field(default_factory=dict)
    several: tuple[str, ...] = ()
    rules: Mapping[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    takes: Mapping[str, Any] = field(default_factory=lambda: FOLDER)
    kinds: bool = False

    @property
    def flag(self) -> str:
        return _flag(self.name)

    def arguments(self, asked: argparse.Namespace) -> dict[str, Any]:
        """What the reader is called with, beside the release's place."""
        own = {word: getattr(asked, f"{self.name}_{word}") for word in self.sheets}
        own |= {word: getattr(asked, f"{self.name}_{word}") or values[0] for word, (values, _) in self.rules.items()}
        return {**own, "overrides": asked.overrides, **({"kind": asked.kind or "micro"} if self.kinds else {})}


DATABASES = (
    DatabaseFlags(
        "casme2",
        "CASME II",
        "folder of the release, raw or cropped",
        {"annotations": "its coding sheet", "classes": "its objective classes"},
    ),
    DatabaseFlags("samm", "SAMM", "folder of the release", {"annotations": "its sheet of FACS codes"}),
    DatabaseFlags("smic", "SMIC-HS", "folder of the release, raw or cropped; not that of SMIC-E"),
    DatabaseFlags(
        "casme_squared",
        "CAS(ME)^2",
        "folder of the recordings, raw (rawpic) or cropped",
        {"annotations": "its workbook CAS(ME)^2code_final, with the two sheets of names"},
        rules={
            "offsets": (
                ("apex", "mirrored", "later"),
                "what an offset of 0, which was not coded, becomes: the apex (default, as in MEGC), as long after the apex as"
                " the onset is before it, or two thirds of a second after the apex",
            )
        },
        kinds=True,
    ),
    DatabaseFlags(
        "casme3",
        "CAS(ME)^3",
        "folder of part A's recordings, or of ready-made clips",
        {"annotations": "its sheets JpgIndex (emotions) and AU+Emotion (frames), one or both"},
        several=("annotations",),
        kinds=True,
    ),
    DatabaseFlags(
        "samm_long",
        "SAMM Long Videos",
        "folder of the recordings",
        {
            "annotations": "its sheet of FACS codes",
            "emotions": "SAMM's own sheet of FACS codes, for the emotions of micro-expressions",
        },
        kinds=True,
    ),
    DatabaseFlags(
        "casme1",
        "CASME",
        "folder of the first CASME, raw or cropped",
        {"annotations": "its sheet"},
    ),
    DatabaseFlags("mmew", "MMEW", "folder of the release, micro-expressions", {"annotations": "its sheet"}),
    DatabaseFlags(
        "dfme",
        "DFME",
        "folder of one part of the challenge subset, or of all three",
        {"annotations": "the sheet of each part"},
        several=("annotations",),
    ),
    DatabaseFlags(
        "own",
        "own data",
        "list of clips (a table with the columns path, subject, onset, apex, offset, label; see docs/data.md)",
        takes=FILE,
    ),
)


def add_release_flags(parser: Parser) -> None:
    """Add one group of flags for each database, and the flags that concern all of them."""
    for database in DATABASES:
        group = parser.add_argument_group(database.title)
        group.add_argument(database.flag, **database.takes, help=database.where)
        for sheet, what in database.sheets.items():
            files = FILE | ({"nargs": "+"} if sheet in database.several else {})
            found = "(default: found in DIR or beside it)"
            group.add_argument(_flag(f"{database.name}_{sheet}"), **files, help=f"{what} {found}")
        for rule, (values, what) in database.rules.items():
            group.add_argument(_flag(f"{database.name}_{rule}"), choices=values, help=what)
    all_of_them = parser.add_argument_group("all databases")
    all_of_them.add_argument("--overrides", **FILE, help="YAML file of corrections to annotated rows (see below)")
    kinds = ", ".join(database.flag for database in DATABASES if database.kinds)
    all_of_them.add_argument(
        "--kind",
        choices=("micro", "macro", "all"),
        help=f"the expressions to take from databases that hold both kinds (default: micro; for {kinds})",
    )


def named_databases(asked: argparse.Namespace) -> list[DatabaseFlags]:
    """The databases whose releases a command line names.

    Raises:
        MerjaxError: a flag is given without its release.
    """
    for database in DATABASES:
        for word in (*database.sheets, *database.rules):
            if getattr(asked, f"{database.name}_{word}") and not getattr(asked, database.name):
                raise MerjaxError(
                    f"{_flag(f'{database.name}_{word}')} is for a release that is not named: add {database.flag} "
                    f"{database.takes['metavar']}"
                )
    return [database for database in DATABASES if getattr(asked, database.name)]


def read_releases(asked: argparse.Namespace) -> "list[Release]":
    """The releases that a command line names.

    Raises:
        MerjaxError: no release is named, a flag is given without its release, `--kind` concerns none of the releases, or a
            release cannot be read.
    """
    named = named_databases(asked)
    if not named:
        flags = ", ".join(f"{database.flag} {database.takes['metavar']}" for database in DATABASES)
        raise MerjaxError(f"there is no release to read; name one or more by {flags}")
    if asked.kind and not any(database.kinds for database in named):
        flags = ", ".join(database.flag for database in DATABASES if database.kinds)
        raise MerjaxError(f"--kind concerns databases that hold macro-expressions as well ({flags}): leave it out")

    from merjax import datasets

    releases = []
    for database in named:
        root = getattr(asked, database.name)
        with at_work("reading", root):
            found = getattr(datasets, f"read_{database.name}")(root, **database.arguments(asked))
        releases += found if isinstance(found, list) else [found]
    return releases


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
