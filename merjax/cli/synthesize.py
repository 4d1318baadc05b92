"""`merjax synthesize`: labelled clips or long videos made from photographs of faces, in a database's own layout."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from merjax.cli.parser import Parser, number, positive, whole_number
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import user_path

LAYOUTS = ("casme2", "samm", "smic", "casme_squared", "casme3", "samm_long", "casme1", "mmew", "dfme")
LONG_LAYOUTS = ("casme_squared", "samm_long")
NOISE, DRIFT, FLICKER = 1.5, 0.3, 0.004  # the defaults of Camera, repeated so that --help loads nothing

_ABOUT = """\
Make labelled micro-expression clips from photographs of faces, written exactly as in a release of a database: frames in
the release's folders, the annotation sheets beside them. All later steps (reading, preparing, training, reporting) then
run as they do on a licensed copy.

Each clip is one photograph, moved along scripted action units (onset, apex, offset), with drift, flicker and sensor
noise. SYNTHETIC.json in the release says so, and lists the script of every clip. What is measured on such clips shows
whether software works; it says nothing about people."""

_EXAMPLES = """\
examples:
  merjax synthesize --out release
        2 subjects (photographs that ship with matplotlib and scikit-image), 9 clips each, 1-3 px
  merjax synthesize --out release --invent 12 --clips 6
        12 invented subjects, enough for leave-one-subject-out
  merjax synthesize --out release --portraits faces/ --emotions happiness surprise
        one subject per photograph in faces/, two emotions
  merjax synthesize --out release --peak 8 12 --noise 0 --fields
        expressions of ordinary size, and the true displacement of every pixel for tests

  merjax synthesize --out release --videos 3
        3 long videos of each subject, of a minute each and the last one without expressions, for spotting

The 68 landmarks come from dlib's model, which was trained on iBUG 300-W: for research only.
The same arguments and photographs give the same frames, whatever the number of workers."""


@command(stopped="stopped; the clips that were finished are kept, and the same line goes on with the others")
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    parser = _parser()
    asked = parser.read(argv)
    if len(asked.peak) > 2:
        parser.error("--peak takes one size or two, LO HI")
    _refuse_flags_of_the_other_kind(parser, asked)
    asked.layout = asked.layout or ("casme_squared" if asked.videos else "casme2")

    from merjax.system.console import TextConsole, counted, say

    console = TextConsole(stderr=True)
    with counted("making videos" if asked.videos else "making clips", console) as progress:
        out = _make_videos(asked, progress) if asked.videos else _make_clips(asked, progress)
    what = "long videos" if asked.videos else "a release"
    say(
        TextConsole(),
        f"{out}: {what} in the layout of {asked.layout}, made from photographs (see SYNTHETIC.json there)",
    )


def _make_clips(asked: argparse.Namespace, progress: Callable[[int, int], None]) -> Path:
    from merjax.synthesis import Camera, synthesize_release

    return synthesize_release(
        asked.out,
        portraits=asked.portraits or None,
        clips_per_subject=asked.clips,
        emotions=asked.emotions,
        invent=asked.invent,
        subjects=asked.subjects,
        peak=(asked.peak[0], asked.peak[-1]),
        camera=Camera(asked.noise, asked.drift, asked.flicker),
        seed=asked.seed,
        layout=asked.layout,
        workers=asked.workers,
        fields=asked.fields,
        model=asked.landmark_model,
        progress=progress,
    )


def _make_videos(asked: argparse.Namespace, progress: Callable[[int, int], None]) -> Path:
    from merjax.synthesis import Camera, LongPlan, synthesize_long_videos

    chosen = {"seconds": asked.seconds, "emotions": tuple(asked.emotions)}
    return synthesize_long_videos(
        asked.out,
        layout=asked.layout,
        portraits=asked.portraits or None,
        invent=asked.invent,
        videos=asked.videos,
        empty=1 if asked.empty is None else asked.empty,
        plan=LongPlan(**{name: value for name, value in chosen.items() if value}),
        camera=Camera(noise=asked.noise, flicker=asked.flicker),
        seed=asked.seed,
        workers=asked.workers,
        model=asked.landmark_model,
        progress=progress,
    )


def _refuse_flags_of_the_other_kind(parser: Parser, asked: argparse.Namespace) -> None:
    """Refuse what is said of clips where videos are made, or of videos where clips are."""
    others = _OF_CLIPS if asked.videos else _OF_VIDEOS
    given = [f"--{name}" for name in others if getattr(asked, name) != parser.get_default(name)]
    if given and asked.videos:
        raise MerjaxError(
            f"{', '.join(given)} {_is(given)} for clips, and --videos makes long videos: leave {_it(given)} out"
        )
    if given:
        raise MerjaxError(f"{', '.join(given)} {_is(given)} for long videos: add --videos N, or leave {_it(given)} out")
    if asked.videos and asked.layout and asked.layout not in LONG_LAYOUTS:
        raise MerjaxError(f"--layout {asked.layout} holds clips; long videos have {' or '.join(LONG_LAYOUTS)}")


_OF_CLIPS = ("clips", "subjects", "peak", "drift", "fields")
_OF_VIDEOS = ("empty", "seconds")


def _is(given: Sequence[str]) -> str:
    return "is" if len(given) == 1 else "are"


def _it(given: Sequence[str]) -> str:
    return "it" if len(given) == 1 else "them"


def _parser() -> Parser:
    parser = Parser("merjax synthesize", _ABOUT, _EXAMPLES)
    add = parser.add_argument
    add("--out", type=user_path, required=True, metavar="DIR", help="folder to make; it must not exist, or be empty")
    add("--portraits", type=user_path, nargs="+", default=[], metavar="PATH", help="photographs of one frontal face each, or"
        " folders of them; one subject each (default: two photographs inside installed packages)")  # fmt: skip
    add("--layout", choices=LAYOUTS, help="database whose layout is written (default: casme2; of long videos"
        " casme_squared)")  # fmt: skip
    add("--videos", type=positive, metavar="N", help="make N long videos of each subject in place of clips, for spotting:"
        " micro- and macro-expressions among blinks, speech, and motion of eyes, head and light")  # fmt: skip
    add("--empty", type=whole_number, metavar="N", help="how many of these have no expression (default: 1)")
    add("--seconds", type=number, metavar="S", help="length of a long video (default: 60)")
    add("--invent", type=whole_number, default=0, metavar="N", help="make N subjects with varied proportions, complexion and"
        " light out of the portraits; the release then says that its identities are invented")  # fmt: skip
    add("--subjects", type=whole_number, metavar="N", help="at most N subjects")
    add("--clips", type=whole_number, default=9, metavar="N", help="clips per subject, dealt evenly over the three classes of"
        " MEGC 2019 (default: %(default)s)")  # fmt: skip
    add("--emotions", nargs="+", default=[], metavar="EMOTION", help="emotions as the database names them (default:"
        " those of the three classes)")  # fmt: skip
    add("--peak", type=number, nargs="+", default=(1.0, 3.0), metavar="PX", help="largest displacement at the apex, one"
        " size or LO HI, in pixels where the eyes are 105 px apart; about 10 is a posed expression"
        " (default: 1 3)")  # fmt: skip
    add("--noise", type=number, default=NOISE, metavar="LEVELS", help="standard deviation of the sensor noise at"
        " mid-gray, in gray levels of 255 (default: %(default)s)")  # fmt: skip
    add("--drift", type=number, default=DRIFT, metavar="PX", help="largest sway of the whole frame"
        " (default: %(default)s)")  # fmt: skip
    add("--flicker", type=number, default=FLICKER, metavar="SHARE", help="relative flicker of the light"
        " (default: %(default)s)")  # fmt: skip
    add("--fields", action="store_true", help="also write each clip's true displacement, onset to apex, below"
        " true_fields/ as npz")  # fmt: skip
    add("--landmark-model", type=user_path, metavar="FILE", help="dlib's 68-point model (default: looked up)")
    add("--seed", type=whole_number, default=0, metavar="N", help="seed of everything random (default: %(default)s)")
    add("--workers", type=positive, metavar="N", help="clips made at a time (default: one per core)")
    return parser
