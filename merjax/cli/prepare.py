"""Prepare clips for training: `merjax prepare --casme2 RELEASE --out STORE`."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from merjax.cli.completeness import print_audit, print_completeness
from merjax.datasets import DATABASES, Release, index_of, read_casme2, read_samm, read_smic
from merjax.faces import landmarks
from merjax.protocols.completeness import check_releases
from merjax.stores.clip_motion import FlowSettings
from merjax.stores.from_flow_images import prepare_flow_images
from merjax.stores.preparation import prepare_store
from merjax.stores.store import Store
from merjax.system.console import counted
from merjax.system.errors import MerjaxError, command

_ABOUT = """\
Read releases of CASME II, SAMM and SMIC, find dlib's 68 landmarks on each clip's first frame, cut the six regions and the
whole face out of every frame, and write a clip store: crops as memory maps, an index table, and contact_sheet.png, which
is worth a look."""

_EXAMPLES = """\
examples:
  merjax prepare --casme2 /data/CASME2 --out stores/casme2
        the folder of the release, raw or cropped; sheets are found in it or beside it, by their columns
  merjax prepare --casme2 /data/CASME2/Cropped --casme2-annotations coding.xlsx --casme2-classes classes.xlsx \\
                           --out stores/casme2
        sheets that lie elsewhere: the coding sheet, and the objective classes of Davison et al. 2017
  merjax prepare --samm /data/SAMM --samm-annotations SAMM_Micro_FACS_Codes_v2.xlsx --out stores/samm
        SAMM, with its sheet of FACS codes
  merjax prepare --smic /data/SMIC_all_raw --out stores/smic
        SMIC-HS, which has no sheet
  merjax prepare --casme2 /data/CASME2 --samm /data/SAMM --smic /data/SMIC_all_raw --out stores/all
        the composite of all three
  merjax prepare --casme2 /data/CASME2 --samm /data/SAMM --smic /data/SMIC_all_raw --check
        are they complete? counts per database and protocol beside the published ones, and every discrepancy
  merjax prepare --samm /data/SAMM --overrides corrections.yaml --out stores/samm
        corrections.yaml holds lines such as
            samm:
              028/028_4_1: {apex: 1113}
        with any of onset, apex, offset, emotion, action_units, objective_class; the store records them
  merjax prepare --flow-images megc2019/images --clips megc2019.csv --out stores/megc_flow
        published flow images as they are, for the methods that take flow; the store holds no frames

No clip is dropped in silence: what cannot be used is listed with its reason, here and in the store's
discrepancies.parquet, and the others are prepared. A run that was stopped goes on where it stopped.

"""


@command
def main(argv: list[str] | None = None) -> None:
    """Run the command line; `argv` as for `argparse`."""
    arguments = _parser().parse_args(argv)
    console = Console()
    wants_store = not (arguments.check or arguments.audit_aus)
    if wants_store and arguments.out is None:
        raise MerjaxError("--out is missing: name the folder of the clip store to make, or ask for --check alone")
    if arguments.flow_images or arguments.clips:
        print_store(_from_flow_images(arguments), console)
        return
    releases = read_releases(arguments)
    if arguments.check:
        print_completeness(check_releases(releases), console)
    if arguments.audit_aus:
        print_audit(index_of([clip for release in releases for clip in release.clips]), console)
    if wants_store:
        with counted("preparing clips", console) as progress:
            store = prepare_store(
                releases,
                arguments.out,
                colour=arguments.colour,
                align=arguments.align,
                flow=flow_settings(arguments),
                workers=arguments.workers,
                model=arguments.landmark_model,
                progress=progress,
            )
        print_store(store, console)


def flow_settings(arguments: argparse.Namespace) -> FlowSettings | None:
    """The motion that a command line asks for.

    Raises:
        MerjaxError: details of it without `--flow`.
    """
    asked = arguments.flow
    if asked is None:
        for flag in ("flow_algorithm", "flow_size"):
            if getattr(arguments, flag) is not None:
                raise MerjaxError(f"--{flag.replace('_', '-')} says how motion is computed; add --flow")
        return None
    return replace(
        FlowSettings.of_word(asked),
        algorithm=arguments.flow_algorithm or FlowSettings.algorithm,
        side=arguments.flow_size or FlowSettings.side,
    )


def _from_flow_images(arguments: argparse.Namespace) -> Store:
    a = arguments
    if not (a.flow_images and a.clips):
        raise MerjaxError(
            "--flow-images DIR and --clips CSV belong together: the pictures, and the list of what they show"
        )
    if a.casme2 or a.samm or a.smic or a.check or a.audit_aus or a.flow:
        raise MerjaxError(
            "--flow-images makes a store of its own: leave the releases, --check, --audit-aus and --flow away"
        )
    return prepare_flow_images(a.flow_images, a.clips, a.out)


def read_releases(arguments: argparse.Namespace) -> list[Release]:
    """The releases that a command line names.

    Raises:
        MerjaxError: none is named, a sheet without its release, or a release that cannot be read.
    """
    a = arguments
    readers: dict[str, Callable[[], Release]] = {
        "casme2": lambda: read_casme2(
            a.casme2, annotations=a.casme2_annotations, classes=a.casme2_classes, overrides=a.overrides
        ),
        "samm": lambda: read_samm(a.samm, annotations=a.samm_annotations, overrides=a.overrides),
        "smic": lambda: read_smic(a.smic, overrides=a.overrides),
    }
    for flag in ("casme2_annotations", "casme2_classes", "samm_annotations"):
        database = flag.partition("_")[0]
        if getattr(a, flag) and not getattr(a, database):
            raise MerjaxError(f"--{flag.replace('_', '-')} names a sheet without its release: add --{database} DIR")
    named = [name for name in readers if getattr(a, name)]
    if not named:
        raise MerjaxError("there is no release to read; name one or more by --casme2 DIR, --samm DIR or --smic DIR")
    return [readers[name]() for name in named]


def print_store(store: Store, console: Console) -> None:
    """What a store holds beside what was published, and everything on which the releases do not agree."""
    index, counts = store.index, store.meta["counts"]
    subjects = len(index[["database", "subject"]].drop_duplicates())
    console.print(
        f"{store.path}: {len(index)} of {len(index) + len(store.dropped)} clips, {subjects} subjects, "
        + (f"{index['n_frames'].sum()} frames; " if store.crops else "no frames; ")
        + (f"flow of {store.flow.shape[2]}x{store.flow.shape[1]} pixels; " if store.flow is not None else "")
        + f"look at {' and '.join(str(path) for path in sorted(store.path.glob('*_sheet.png')))}",
        soft_wrap=True,
    )
    protocols = counts["protocols"]
    table = Table("database", "clips", "dropped", *protocols, title="used / published", title_justify="left")
    for name, numbers in counts["databases"].items():
        parts = [_ratio(protocol[name]) if name in protocol else "-" for protocol in protocols.values()]
        table.add_row(DATABASES[name].title, _ratio(numbers), str(numbers["dropped"]), *parts)
    console.print(table)
    if "flow_frame" in index:
        without = int((index["apex"].isna() | (index["apex"] <= index["onset"])).sum())
        if store.meta["settings"]["flow"]["to"] == "apex" and without:
            console.print(f"motion goes to the middle frame in {without} clips that have no apex after the onset")
        if store.meta.get("flow_cut_off", 0) > 5e-5:
            console.print(
                f"{store.meta['flow_cut_off']:.2%} of the motion in frames is larger than can be kept, and cut off"
            )
    for row in store.discrepancies.to_dict("records"):
        name = "/".join(row[key] for key in ("database", "subject", "clip") if row[key])
        sentence = f"{'dropped ' if row['dropped'] else ''}{name}: {row['reason']}"
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if store.statement:
        console.print(f"[yellow]{store.statement}[/yellow]", soft_wrap=True)


def _ratio(numbers: dict[str, int | None]) -> str:
    """Used / published; no published number applies to synthetic clips."""
    return f"{numbers['used']} / {'-' if numbers['published'] is None else numbers['published']}"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="merjax prepare",
        description=_ABOUT,
        epilog=_EXAMPLES + (landmarks.__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    folder: dict = {"type": Path, "metavar": "DIR"}
    file: dict = {"type": Path, "metavar": "FILE"}
    casme2 = parser.add_argument_group("CASME II")
    casme2.add_argument("--casme2", **folder, help="folder of the release, raw or cropped")
    casme2.add_argument("--casme2-annotations", **file, help="its coding sheet (default: found in DIR or beside it)")
    casme2.add_argument("--casme2-classes", **file, help="its objective classes (default: found in DIR or beside it)")
    samm = parser.add_argument_group("SAMM")
    samm.add_argument("--samm", **folder, help="folder of the release")
    samm.add_argument("--samm-annotations", **file, help="its sheet of FACS codes (default: found in DIR or beside it)")
    smic = parser.add_argument_group("SMIC-HS")
    smic.add_argument("--smic", **folder, help="folder of the release, raw or cropped; SMIC-E is another product")
    ready = parser.add_argument_group("ready flow images, in place of a release")
    ready.add_argument("--flow-images", **folder, help="folder of PNG files {subject}_{clip}.png, one per clip, whose red,"
        " green and blue are u, v and optical strain, as the images of MEGC 2019")  # fmt: skip
    ready.add_argument("--clips", type=Path, metavar="CSV", help="list of the clips: data, subject, clip, label (negative,"
        " positive, surprise or 0, 1, 2; or I to V), and where known emotion, onset, apex, offset, au")  # fmt: skip
    what = parser.add_argument_group("what to do")
    what.add_argument("--out", type=Path, metavar="STORE", help="folder of the clip store to make")
    what.add_argument(
        "--check", action="store_true", help="only compare counts with the published ones; reads no pixel"
    )
    what.add_argument("--audit-aus", action="store_true", help="only list the clips whose objective class is not what the"
        " rule of action units gives")  # fmt: skip
    what.add_argument("--overrides", **file, help="YAML file of corrections to annotated rows (see below)")
    what.add_argument("--colour", choices=("gray", "rgb"), default="gray", help="channels of the crops (default: gray)")
    what.add_argument("--align", choices=("first", "frame"), default="first", help="boxes stand where the first frame's"
        " landmarks put them (first, default), or follow the head's rotation, scaling and translation, smoothed over 0.1 s"
        " (frame; for clips in which the head moves; several times slower)")  # fmt: skip
    motion = parser.add_argument_group("motion")
    motion.add_argument("--flow", nargs="?", const="apex", choices=("apex", "mid", "every"), help="also a picture of each"
        " clip's motion (u, v and optical strain of the face) for the methods that take flow: from the onset to the apex, or"
        " to the middle frame where the release gives no apex (apex, default), or always to the middle frame (mid);"
        " every: as apex, and for data.input: flow the motion of each crop from the onset to every frame: beside the"
        " crops, three times their size on disk (200 KB per frame, 6 GB for 30,000), and 25 ms per frame and core")  # fmt: skip
    motion.add_argument("--flow-algorithm", choices=("dis", "tvl1"), help="dense inverse search (dis, default), or TV-L1,"
        " which needs OpenCV's contrib modules")  # fmt: skip
    motion.add_argument(
        "--flow-size", type=_positive, metavar="PX", help="height and width of the picture (default: 28)"
    )
    what.add_argument("--workers", type=_positive, metavar="N", help="processes (default: one per core)")
    what.add_argument("--landmark-model", **file, help="dlib's 68-point model (default: found)")
    return parser
