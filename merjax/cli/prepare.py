"""`merjax prepare`: makes a clip store from the clips of releases or from published flow images, or a motion store."""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from merjax.cli.check import release_words
from merjax.cli.features import EXAMPLES, add_feature_flag, features_asked
from merjax.cli.long_videos import (
    VIDEO_EXAMPLES,
    add_measuring_flags,
    add_video_flags,
    asks_for_videos,
    print_motion_store,
    read_long_videos,
)
from merjax.cli.parser import Parser, positive
from merjax.cli.releases import FILE, FOLDER, add_release_flags, named_databases, read_releases
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole, say
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import user_path

if TYPE_CHECKING:
    from merjax.stores.store import Store

_ABOUT = """\
Read releases of the databases below, find dlib's 68 landmarks on each clip's first frame, cut the six regions and the whole
face out of every frame, and write a clip store: crops as memory maps, an index table, and contact_sheet.png. Look at that
sheet to check the boxes."""

_EXAMPLES = """\
examples:
  merjax prepare --casme2 /data/CASME2 --out stores/casme2
        the folder of the release, raw or cropped; sheets are found in it or beside it, by their columns
  merjax prepare --casme2 /data/CASME2/Cropped --casme2-annotations coding.xlsx --casme2-classes classes.xlsx \\
                           --out stores/casme2
        sheets in other places: the coding sheet, and the objective classes of Davison et al. 2017
  merjax prepare --samm /data/SAMM --samm-annotations SAMM_Micro_FACS_Codes_v2.xlsx --out stores/samm
        SAMM, with its sheet of FACS codes
  merjax prepare --smic /data/SMIC_all_raw --out stores/smic
        SMIC-HS, which has no sheet
  merjax prepare --casme2 /data/CASME2 --samm /data/SAMM --smic /data/SMIC_all_raw --out stores/all
        the composite of all three
  merjax prepare --casme3 /data/CASME3 --kind all --out stores/casme3
        annotated intervals of long recordings, cut out as clips; without --kind, micro-expressions alone
  merjax prepare --dfme /data/DFME --dfme-annotations train.xlsx testA.xlsx testB.xlsx --out stores/dfme
        DFME's parts, and the sheet of each
  merjax prepare --own clips.csv --out stores/own
        your own recordings; docs/data.md shows such a list
  merjax prepare --samm /data/SAMM --overrides corrections.yaml --out stores/samm
        corrections.yaml holds lines such as
            samm:
              028/028_4_1: {apex: 1113}
        with any of onset, apex, offset, emotion, action_units, objective_class, fps; the store records them
  merjax prepare --casme2 /data/CASME2 --faces sure --out stores/strict
        only clips whose face dlib's detector finds by itself; the others are listed and left out
  merjax prepare --casme2 /data/CASME2 --geometry authors --out stores/casme2_authors
        crops as in the authors' published code, for trials with data.geometry: authors
  merjax prepare --flow-images megc2019/images --clips megc2019.csv --out stores/megc_flow
        published flow images as they are, for the methods that take flow; the store holds no frames
{features}
To see whether the releases are complete, run `merjax check` with the same flags first. Clips that cannot be used are listed
with their reasons, here and in the store's discrepancies.parquet, and all others are prepared. A preparation that was stopped
goes on where it stopped when the same line is run again.

The 68 landmarks come from dlib's model. It was trained on the iBUG 300-W photographs, and their licence excludes commercial
use: use the model, and what is derived from it, for research only.
"""


@command(stopped="stopped; the clips that were finished are kept, and the same line goes on with the others")
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    typed = list(sys.argv[1:] if argv is None else argv)
    asked = _parser().read(typed)
    if asked.check or asked.audit_aus:
        if asked.flow_images or asked.clips:
            raise MerjaxError(
                "--check and --audit-aus are for releases, and in ready flow images there is nothing to check: leave them out"
            )
        line = ["merjax", "check", *release_words(typed)]
        raise MerjaxError(f"--check and --audit-aus are now a word of their own; write: {shlex.join(line)}")
    if asked.out is None:
        raise MerjaxError(
            "--out is missing: name the folder of the clip store to make, or write `merjax check` to only count"
        )
    console = TextConsole()
    if asks_for_videos(asked):
        _from_videos(asked, console)
        return
    if asked.face or asked.hertz:
        raise MerjaxError("--face and --hertz are for long videos: add --videos or --own-videos, or leave them out")
    if asked.flow_images or asked.clips:
        store = _from_flow_images(asked)
    else:
        adds = asked.features is not None and not named_databases(asked)
        store = _added(asked, console) if adds else _from_releases(asked, console)
    with at_work("telling what is in", store.path):
        print_store(store, console)


def _from_releases(asked: argparse.Namespace, console: Console) -> "Store":
    features = features_asked(asked)
    releases = read_releases(asked)

    from merjax.stores.preparation import prepare_store
    from merjax.system.console import counted

    with counted("preparing clips", console) as progress:
        return prepare_store(
            releases,
            asked.out,
            colour=asked.colour,
            align=asked.align,
            geometry=asked.geometry,
            features=features,
            faces=asked.faces,
            workers=asked.workers,
            model=asked.landmark_model,
            progress=progress,
        )


def _from_videos(asked: argparse.Namespace, console: Console) -> None:
    of_clips = (asked.flow_images, asked.clips, asked.features, asked.colour)
    if any(of_clips) or (asked.geometry, asked.align, asked.faces) != ("ours", "first", "picture"):
        raise MerjaxError(
            "a store of long videos holds motion and no clips: leave out --features, --colour, --geometry, --align, --faces, "
            "--flow-images and --clips"
        )
    videos, _ = read_long_videos(asked)

    from merjax.stores.motion_preparation import prepare_motion_store
    from merjax.system.console import counted

    with counted("measuring motion", console) as progress:
        store = prepare_motion_store(
            videos,
            asked.out,
            face=asked.face,
            **({"hertz": asked.hertz} if asked.hertz else {}),
            workers=asked.workers,
            model=asked.landmark_model,
            progress=progress,
        )
    print_motion_store(store, console)


def _added(asked: argparse.Namespace, console: Console) -> "Store":
    of_crops = (asked.colour, asked.kind, asked.overrides, asked.landmark_model)
    if any(of_crops) or (asked.geometry, asked.align, asked.faces) != ("ours", "first", "picture"):
        raise MerjaxError(
            "--features without a release adds to a store whose crops are cut: leave out --colour, --geometry, --align, "
            "--faces, --kind, --overrides and --landmark-model, or name the release"
        )

    from merjax.stores.adding_features import add_features
    from merjax.system.console import counted

    with counted("computing features", console) as progress:
        return add_features(asked.out, features_asked(asked), workers=asked.workers, progress=progress)


def _from_flow_images(asked: argparse.Namespace) -> "Store":
    if not (asked.flow_images and asked.clips):
        raise MerjaxError(
            "--flow-images DIR and --clips CSV must be given together: the pictures, and the list of what they show"
        )
    if named_databases(asked) or asked.geometry != "ours":
        raise MerjaxError("--flow-images makes a store of its own: leave out the releases and --geometry")

    from merjax.stores.from_flow_images import prepare_flow_images

    with at_work("reading", f"{asked.flow_images} and {asked.clips}"):
        return prepare_flow_images(asked.flow_images, asked.clips, asked.out, features_asked(asked))


def print_store(store: "Store", console: Console) -> None:
    """Print what a store holds beside the published counts, and everything on which sheets and folders do not agree."""
    from merjax.datasets.clip import database_of

    index, counts = store.index, store.meta["counts"]
    subjects = len(index[["database", "subject"]].drop_duplicates())
    say(
        console,
        f"{store.path}: {len(index)} of {len(index) + len(store.dropped)} clips, {subjects} subjects, "
        + (f"{index['n_frames'].sum()} frames; " if store.crops else "no frames; ")
        + ("the authors' geometry; " if store.geometry == "authors" else "")
        + (f"{', '.join(store.features)}; " if store.features else "")
        + f"look at {' and '.join(str(path) for path in _sheets(store))}",
    )
    protocols = {name: own for name, own in counts["protocols"].items() if own}
    table = Table("database", "clips", "dropped", *protocols, title="used / published", title_justify="left")
    for name, numbers in counts["databases"].items():
        parts = [_ratio(protocol[name]) if name in protocol else "-" for protocol in protocols.values()]
        table.add_row(database_of(name).title, _ratio(numbers), str(numbers["dropped"]), *parts)
    console.print(table)
    for sentence in (*store.class_sources, *_pictures_told(store)):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    without = int((index["apex"].isna() | (index["apex"] <= index["onset"])).sum())
    if without and any(held.settings.get("to") == "apex" for held in store.features.values()):
        say(console, f"motion goes to the middle frame in {without} clips, which have no apex after the onset")
    for name, held in store.features.items():
        if held.cut_off > 5e-5:
            say(console, f"{held.cut_off:.2%} of {name} is larger than the store can hold and was cut off")
        if held.enlarged:
            say(console, f"{name} is enlarged from {held.settings['from']}, which adds pixels and no detail")
    for row in store.discrepancies.to_dict("records"):
        name = "/".join(row[key] for key in ("database", "subject", "clip") if row[key])
        say(console, f"{'dropped ' if row['dropped'] else ''}{name}: {row['reason']}")
    say(console, store.statement, "yellow")


def _sheets(store: "Store") -> list[Path]:
    """The pictures to look at."""
    return sorted([*store.path.glob("*_sheet.png"), *store.path.glob("features/*/sheet.png")])


def _pictures_told(store: "Store") -> Iterator[str]:
    """How the faces were found, and which depth the pictures have, where either is not as usual."""
    index = store.index
    found = {step: n for step, n in store.meta.get("faces", {}).get("found", {}).items() if n}
    if found and set(found) != {"sure"}:
        counts = ", ".join(f"{n} {step}" for step, n in found.items())
        yield (
            f"faces were found by these steps: {counts}; look at the tiles with a red rim in contact_sheet.png, and leave such "
            "clips out with --faces sure"
        )
    for bits, n in index["bits"].value_counts().sort_index().items() if "bits" in index else ():
        if bits != 8:
            yield f"the values of {n} clips use {bits} of 16 bits; their upper 8 are kept"


def _ratio(numbers: dict[str, int | None]) -> str:
    """Used / published; no published number applies to synthetic clips."""
    return f"{numbers['used']} / {'-' if numbers['published'] is None else numbers['published']}"


def _parser() -> Parser:
    parser = Parser("merjax prepare", _ABOUT, _EXAMPLES.replace("{features}\n", EXAMPLES + VIDEO_EXAMPLES + "\n"))
    add_release_flags(parser)
    add_measuring_flags(add_video_flags(parser))
    ready = parser.add_argument_group("ready flow images, in place of a release")
    ready.add_argument("--flow-images", **FOLDER, help="folder of PNG files {subject}_{clip}.png, one per clip, whose red,"
        " green and blue are u, v and optical strain, as the images of MEGC 2019")  # fmt: skip
    ready.add_argument("--clips", type=user_path, metavar="CSV", help="list of the clips: data, subject, clip, label (negative,"
        " positive, surprise or 0, 1, 2; or I to V), and where known emotion, onset, apex, offset, au")  # fmt: skip
    what = parser.add_argument_group("what to make")
    what.add_argument("--out", type=user_path, metavar="STORE", help="folder of the clip store to make")
    what.add_argument("--colour", choices=("gray", "rgb"), help="channels of the crops (default: gray; rgb with"
        " --geometry authors)")  # fmt: skip
    what.add_argument("--geometry", choices=("ours", "authors"), default="ours", help="ours (default): a box for each region"
        " around its landmarks, all at one scale; authors: as in the code that the authors published in 2022, six fixed boxes"
        " on a white canvas of 240 x 280 that the face from brows to chin fits, in colour (see docs/data.md for what does not"
        " fit well)")  # fmt: skip
    what.add_argument("--align", choices=("first", "frame"), default="first", help="boxes stay where the first frame's"
        " landmarks put them (first, default), or follow the head's rotation, scaling and translation, smoothed over 0.1 s"
        " (frame; for clips in which the head moves; several times slower)")  # fmt: skip
    what.add_argument("--faces", choices=("sure", "faint", "subject", "picture"), default="picture", help="the lowest step"
        " that may be taken to find a clip's face. sure: dlib's detector as it is; faint: also at lower thresholds, on a larger"
        " picture; subject: also at the place of the subject's other clips, if all of these were found there; picture"
        " (default): also, in a release of face crops, at the place that faces have in its pictures. The store notes each"
        " clip's step, and points that cannot be a face are refused at every step")  # fmt: skip
    add_feature_flag(parser)
    what.add_argument("--workers", type=positive, metavar="N", help="processes (default: one per core)")
    what.add_argument("--landmark-model", **FILE, help="dlib's 68-point model (default: found)")
    for flag in ("--check", "--audit-aus"):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)  # answers with the word
    return parser
