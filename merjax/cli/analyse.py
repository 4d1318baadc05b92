"""`merjax analyse`: finds expressions in recordings of one's own, and classifies them with a model."""

import argparse
import functools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from merjax.cli.parser import Parser, number, positive, whole_number
from merjax.cli.releases import FILE
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole, counted, duration, say
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import refuse_taken, user_path

if TYPE_CHECKING:
    from merjax.datasets.long_videos import LongVideo
    from merjax.models.own_video import Analysis

PAGE, ANNOTATED = "page.html", "annotated.mp4"
_SECONDS = 60.0
_FRAMES_PER_SECOND = 45.0  # a little less than two cores measured, so that few calls take longer than was said

_ABOUT = """\
Find micro- and macro-expressions in recordings: the motion of the face is measured, intervals in which it stands out are
found, and a model says which class of its training data each of them resembles. Without a model, intervals and motion only.

What comes out is a guess. On recordings of people, published spotters of micro-expressions have an F1 of .05 to .20: most of
what they find is no expression, and most expressions are missed. It is for research on methods, never for judging people."""

_EXAMPLES = """\
examples:
  merjax analyse --demo                                   without data or licence: trains a small model on made clips, makes a
                                                          video of an invented person, and analyses it
  merjax analyse talk.mp4                                 intervals and motion, without a model, into found/
  merjax analyse talk.mp4 --model models/mine             with a model that `merjax train` made
  merjax analyse one.mp4 two.mov --out found/both         several videos, one page
  merjax analyse frames/talk --fps 30                     a folder of pictures
  merjax analyse --camera 0 --seconds 60 --out found/me   records first
  merjax analyse talk.mp4 --no-faces --video              without faces on the page; an annotated video beside it

found/page.html shows everything, found/intervals.csv lists it. What was stopped goes on when the same line is run again. See
docs/own_video.md.
"""


@command(stopped="stopped; what was finished is kept, and the same line goes on from there")
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    asked = _parser().read(argv)
    _refuse_contradictions(asked)
    console = TextConsole()
    if asked.demo:
        from merjax.cli.demo_video import make_demo

        asked.model, asked.videos = make_demo(user_path("demo"), asked.out, console)
    _analyse(asked, console)


def _refuse_contradictions(asked: argparse.Namespace) -> None:
    sources = [bool(asked.videos), asked.camera is not None, asked.demo]
    if sum(sources) > 1:
        raise MerjaxError("videos, --camera and --demo are three things: write one of them")
    if not any(sources):
        raise MerjaxError(
            "there is no video to analyse: name a video or a folder of pictures, or write --camera 0 or --demo"
        )
    if asked.demo and asked.model:
        raise MerjaxError("--demo makes its own model: leave --model out, or name a video")
    if asked.seconds is not None and asked.camera is None:
        raise MerjaxError("--seconds says how long a camera records: add --camera 0, or leave it out")
    if asked.seconds is not None and asked.seconds <= 0:
        raise MerjaxError(f"--seconds {asked.seconds:g}: write a number above 0")
    if asked.fps is not None and not asked.videos:
        raise MerjaxError("--fps says the rate of folders of pictures: name one, or leave it out")
    if asked.video and find_spec("av") is None:
        raise MerjaxError("--video needs PyAV: pip install 'merjax[video]', or leave it out")


def _analyse(asked: argparse.Namespace, console: Console) -> None:
    from merjax.datasets.shown import several
    from merjax.models.analysing import Asked, analyse_all
    from merjax.models.found_motion import frames_of

    refuse_taken(asked.out)
    places = asked.videos or [_recorded(asked, console)]
    videos = [_video(place, asked.fps) for place in places]
    frames = [frames_of(video) for video in videos]
    minutes = sum(own / video.fps for own, video in zip(frames, videos, strict=True)) / 60
    say(
        console,
        f"{several(len(videos), 'video')} of {sum(frames)} frames, {minutes:.1f} minutes: about "
        f"{duration(sum(frames) / _FRAMES_PER_SECOND)} on two cores",
    )
    how = Asked(asked.face, asked.anyway, asked.workers, asked.landmark_model)
    finish = functools.partial(_write_page, asked=asked, console=console)
    analyses = analyse_all(videos, asked.out, asked.model, how, finish=finish)
    _print(analyses, asked, console)


def _video(place: str | Path, fps: float | None) -> "LongVideo":
    from merjax.datasets.own_videos import video_at

    with at_work("reading", place):
        return video_at(place, fps)


def _recorded(asked: argparse.Namespace, console: Console) -> Path:
    """What the camera shows, recorded; or the recording of a call that was stopped."""
    from merjax.models.analysing import CAMERA, partial_of, place_of_camera
    from merjax.system.recording import record_camera

    earlier = partial_of(asked.out) / CAMERA
    if earlier.is_file():
        say(console, f"{earlier} was recorded before and is analysed now; remove it to record again")
        return earlier
    if asked.model:
        from merjax.models.recognising import recogniser_of

        recogniser_of(asked.model, asked.anyway)  # one that is refused, is refused before anything is recorded
    with counted("recording, seconds", console) as progress:
        seconds = _SECONDS if asked.seconds is None else asked.seconds
        return record_camera(asked.camera, seconds, lambda: place_of_camera(asked.out), progress)


def _write_page(analyses: "Sequence[Analysis]", folder: Path, asked: argparse.Namespace, console: Console) -> None:
    from merjax.report.annotated_video import write_annotated_video
    from merjax.report.film import write_own_video_page

    say(console, "writing the page")
    write_own_video_page(analyses, folder / PAGE, faces=not asked.no_faces)
    if asked.video:
        for analysis in analyses:
            say(console, f"writing the annotated video of {analysis.name}")
            write_annotated_video(analysis, analysis.store.path.parent / ANNOTATED, faces=not asked.no_faces)


def _print(analyses: "Sequence[Analysis]", asked: argparse.Namespace, console: Console) -> None:
    from merjax.datasets.shown import several

    for analysis in analyses:
        kinds = [one.kind for one in analysis.intervals]
        say(
            console,
            f"{analysis.name}: {several(len(kinds), 'interval')}, {kinds.count('micro')} micro and {kinds.count('macro')} "
            f"macro, in {analysis.n_frames / analysis.fps:.0f} seconds",
        )
        for sentence in analysis.told:
            say(console, f"{analysis.name}: {sentence}", "yellow")
    say(console, getattr(analyses[0].model, "expectation", ""))  # a fold's model has none
    say(console, "most of what spotters find on recordings of people is no micro-expression; the page says more")
    say(console, f"open {asked.out / PAGE} in a browser; the intervals are in {asked.out / 'intervals.csv'}", "bold")


def _parser() -> Parser:
    parser = Parser("merjax analyse", _ABOUT, _EXAMPLES)
    add = parser.add_argument
    add(
        "videos",
        nargs="*",
        metavar="VIDEO",
        help="a video file (mp4, avi, mov, mkv and others), or a folder of pictures",
    )
    add("--model", type=user_path, metavar="DIR", help="what `merjax train` made, or a fold's model of a sweep (default: none,"
        " intervals and motion only)")  # fmt: skip
    add("--out", type=user_path, default=Path("found"), metavar="DIR", help="folder of the results; must not exist (default:"
        " %(default)s)")  # fmt: skip
    add("--demo", action="store_true", help="analyse a made video; clips, a model and the video are made in demo/")
    add("--camera", type=whole_number, metavar="N", help="record what a camera shows; cameras count from 0")
    add("--seconds", type=number, metavar="S", help=f"how long a camera records (default: {_SECONDS:g})")
    add("--fps", type=number, metavar="RATE", help="frames per second of a folder of pictures, which needs it")
    add("--face", type=positive, metavar="N", help="which face to take where a video shows several, counted from the left"
        " (default: the steadiest)")  # fmt: skip
    add(
        "--no-faces",
        action="store_true",
        help="show landmarks in place of faces, on the page and in the annotated video",
    )
    add("--video", action="store_true", help="write the annotated video, too (needs pip install 'merjax[video]')")
    add("--anyway", action="store_true", help="also take a video of less than 15 frames per second, or a model that may be no"
        " better than chance")  # fmt: skip
    add("--workers", type=positive, metavar="N", help="processes (default: one per core)")
    add("--landmark-model", **FILE, help="dlib's 68-point model (default: found)")
    return parser
