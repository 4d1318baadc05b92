"""Sweep files by name: those in sweeps/ of the current folder, and those that come with merjax."""

from pathlib import Path

from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import is_foreign, lacks_file, user_path
from merjax.system.values import read_text

_PACKAGE = Path(__file__).parents[1]


def find_sweep(asked: Path) -> Path:
    """The sweep file that a path or a name stands for.

    A file is looked for under the path itself. A name, which has neither a folder nor an ending, is then looked for in sweeps/
    of the current folder, and after that among the files that come with merjax.

    Raises:
        MerjaxError: none is found; the message names files with a similar name.
    """
    lacking = lacks_file(asked)
    if not lacking:
        return asked
    named = named_sweeps()
    if asked.name in named and asked.parent == Path():
        return named[asked.name]
    if asked.stem in named:
        raise MerjaxError(f"{asked} does not exist; {asked.stem} alone names the sweep file {named[asked.stem]}")
    if lacking != "does not exist":
        raise MerjaxError(f"{asked} {lacking}; name a sweep file")
    lacking = "does not exist" if asked.suffix else "is neither a sweep file nor the name of one"
    raise MerjaxError(f"{asked} {lacking}{meant(asked.stem, named)} (`merjax sweep --list` shows the names)")


def find_config(sweep: Path, said: str) -> Path:
    """The config file that a sweep file names, by a path from its own folder.

    If no file lies at `../configs/NAME.yaml`, the config of that name that comes with merjax is used, so that a copy of a sweep
    file works in any folder.
    """
    beside = sweep.parent / user_path(said)
    shipped = shipped_folder("configs") / beside.name
    return shipped if not beside.is_file() and said == f"../configs/{beside.name}" and shipped.is_file() else beside


def named_sweeps() -> dict[str, Path]:
    """The sweep files that can be called by name, in alphabetical order; a file in sweeps/ here hides merjax's own."""
    folders = (shipped_folder("sweeps"), Path("sweeps"))
    found = {path.stem: path for folder in folders for path in folder.glob("*.yaml") if not is_foreign(path.name)}
    return {name: found[name] for name in sorted(found)}


def about(sweep: Path) -> str:
    """The comment in the first line of a sweep file; "" if that is not a comment, and what is wrong if it cannot be read."""
    try:
        first = read_text(sweep).partition("\n")[0]
    except MerjaxError as error:
        return str(error)
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def shipped_folder(kind: str) -> Path:
    """`sweeps` or `configs` as they come with merjax: in an installed package, or at the top of its checkout."""
    installed = _PACKAGE / "shipped" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind
