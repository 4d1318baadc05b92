"""Prepare clips for training: `python -m merjax.prepare --casme2 RELEASE --out STORE`."""

import argparse
from pathlib import Path

from rich.console import Console

from merjax import landmarks
from merjax.datasets import read_casme2
from merjax.errors import MerjaxError, command
from merjax.preparation import prepare_store
from merjax.progress import counted
from merjax.store import Store

_EPILOG = """\
example:
  python -m merjax.prepare --casme2 /data/CASME2 --out stores/casme2

Finds dlib's 68 landmarks on each clip's first frame, cuts the six regions and the whole face out of every frame, and writes
a clip store: crops as memory maps, an index table, and contact_sheet.png, worth a look. A run that was stopped goes on
where it stopped. Clips that cannot be used are listed with their reason, here and in the store.

"""


@command
def main() -> None:
    arguments = _parser().parse_args()
    console = Console()
    if arguments.casme2 is None:
        raise MerjaxError("there is no release to read; name one, for example --casme2 DIR")
    release = read_casme2(arguments.casme2, arguments.casme2_annotations, arguments.casme2_classes)
    with counted("preparing clips", console) as progress:
        store = prepare_store(
            [release], arguments.out, workers=arguments.workers, model=arguments.landmark_model, progress=progress
        )
    print_store(store, console)


def print_store(store: Store, console: Console) -> None:
    """What a store holds, and what was left out of it."""
    index = store.index
    subjects = len(index[["database", "subject"]].drop_duplicates())
    console.print(
        f"{store.path}: {len(index)} of {len(index) + len(store.dropped)} clips, {subjects} subjects, "
        f"{index['n_frames'].sum()} frames; look at {store.path / 'contact_sheet.png'}",
        soft_wrap=True,
    )
    for clip in store.dropped.itertuples():
        console.print(f"dropped {clip.database}/{clip.subject}/{clip.clip}: {clip.reason}", soft_wrap=True)
    if store.statement:
        console.print(f"[yellow]{store.statement}[/yellow]")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m merjax.prepare",
        description="Prepare the clips of a release for training.",
        epilog=_EPILOG + (landmarks.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    casme2 = parser.add_argument_group("CASME II")
    casme2.add_argument("--casme2", type=Path, metavar="DIR", help="folder of the release, raw or cropped")
    casme2.add_argument(
        "--casme2-annotations", type=Path, metavar="FILE", help="its coding sheet (default: found in DIR)"
    )
    casme2.add_argument(
        "--casme2-classes", type=Path, metavar="FILE", help="its objective classes (default: found in DIR)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="STORE", help="folder of the clip store to make")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core)")
    parser.add_argument("--landmark-model", type=Path, metavar="FILE", help="dlib's 68-point model (default: found)")
    return parser


if __name__ == "__main__":
    main()
