"""Long videos on the command line: the flags that name them, and what `check` and `prepare` print about them."""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from merjax.cli.parser import Parser, number, positive
from merjax.cli.releases import DATABASES, FILE, named_databases, read_releases
from merjax.system.console import say
from merjax.system.errors import MerjaxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from merjax.datasets.clip import Release
    from merjax.datasets.long_videos import LongVideo
    from merjax.stores.motion_store import MotionStore

VIDEO_EXAMPLES = """\
  merjax prepare --videos --casme-squared /data/CASME_squared --samm-long /data/SAMM_LV --out stores/long
        a motion store of whole recordings, for spotting: all videos, those without expressions too
  merjax prepare --own-videos videos.csv --intervals intervals.csv --out stores/long
        the same of your own videos; docs/spotting.md shows both tables
"""


def add_video_flags(parser: Parser) -> "argparse._ArgumentGroup":
    """Add the flags that name long videos."""
    group = parser.add_argument_group("long videos, for spotting")
    flags = ", ".join(database.flag for database in DATABASES if database.kinds)
    group.add_argument("--videos", action="store_true", help="take whole recordings, with the micro- and macro-expressions in"
        f" them, in place of clips; for {flags}")  # fmt: skip
    group.add_argument("--own-videos", **FILE, help="table of your own videos: video, path, and if you like subject, database"
        " and fps, which folders of pictures need")  # fmt: skip
    group.add_argument("--intervals", **FILE, help="table of the expressions in your own videos: video, onset, offset, kind"
        " (micro or macro), and if you like apex, class, subject, database; frames count from 1")  # fmt: skip
    return group


def add_measuring_flags(group: "argparse._ArgumentGroup") -> None:
    """Add the flags that say how motion in long videos is measured."""
    group.add_argument("--face", type=positive, metavar="N", help="which face to take where a video shows several, counted"
        " from the left (default: the steadiest)")  # fmt: skip
    group.add_argument("--hertz", type=number, metavar="RATE", help="about how many pictures a second are read: of a faster"
        " video every n-th (default: 30, so every 7th of SAMM Long Videos)")  # fmt: skip


def asks_for_videos(asked: argparse.Namespace) -> bool:
    """Whether a command line names long videos.

    Raises:
        MerjaxError: it has a flag that is for these alone, and names none.
    """
    if asked.intervals and not asked.own_videos:
        raise MerjaxError("--intervals is for videos of your own: name their table by --own-videos")
    return bool(asked.videos or asked.own_videos)


def read_long_videos(asked: argparse.Namespace) -> "tuple[list[LongVideo], list[Release]]":
    """The long videos that a command line names, and the releases that they are of.

    Raises:
        MerjaxError: none is named, a database has no recordings, or something cannot be read.
    """
    if asked.videos and (strange := [database.flag for database in named_databases(asked) if not database.kinds]):
        raise MerjaxError(f"--videos is for databases of recordings: leave {', '.join(strange)} out")
    if asked.kind:
        raise MerjaxError("--kind chooses clips, and of long videos all expressions are taken: leave it out")
    if not asked.videos and named_databases(asked):
        raise MerjaxError("--own-videos makes long videos, and a release clips: add --videos, or leave the release out")

    from merjax.datasets.long_videos import long_videos
    from merjax.datasets.own_videos import read_own_videos

    releases = []
    if asked.videos:
        asked.kind = "all"  # what is left out would count as no expression
        releases = read_releases(asked)
    own = read_own_videos(asked.own_videos, asked.intervals) if asked.own_videos else ()
    return [*(video for release in releases for video in long_videos(release)), *own], releases


def print_long_videos(videos: "Sequence[LongVideo]", console: Console) -> None:
    """Print, of each database, how many videos and expressions there are."""
    from merjax.datasets.clip import database_of, in_order
    from merjax.datasets.long_videos import overlapping
    from merjax.datasets.shown import several

    for name in in_order(video.database for video in videos):
        own = [video for video in videos if video.database == name]
        kinds = [true.kind for video in own for true in video.truth]
        empty, subjects = sum(not video.truth for video in own), len({video.subject for video in own})
        pairs = sum(overlapping(video.truth) for video in own)
        say(
            console,
            f"{database_of(name).title}: {several(len(own), 'long video')} of {several(subjects, 'subject')}, {empty} without "
            f"expressions; {len(kinds)} intervals, {kinds.count('micro')} micro and {kinds.count('macro')} macro"
            + (f"; {several(pairs, 'pair')} of them overlap" if pairs else ""),
        )


def print_motion_store(store: "MotionStore", console: Console) -> None:
    """Print what a motion store holds, and what was found out about its videos."""
    from merjax.datasets.shown import several

    frames = sum(video.n_frames for video in store.videos)
    gaps = [(video, first, last) for video in store.videos for first, last in video.gaps]
    subjects = {(video.database, video.subject) for video in store.videos}
    say(
        console,
        f"{store.path}: {several(len(store.videos), 'long video')} of {several(len(subjects), 'subject')}, {frames} frames "
        f"({sum(v.n_frames / v.fps for v in store.videos) / 60:.1f} minutes), "
        f"{sum(len(video.truth) for video in store.videos)} intervals; {len(store.dropped)} dropped",
    )
    for key, reason in store.dropped.items():
        say(console, f"dropped {key}: {reason}")
    for video, first, last in gaps:
        say(
            console, f"{video.key}: no usable face in stored frames {first} to {last}; no interval is found across them"
        )
    for video in store.videos:
        for sentence in video.told:
            say(console, f"{video.key}: {sentence}")
    say(console, store.statement, "yellow")
