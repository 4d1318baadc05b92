"""`merjax rescore`: the pooled scores of a log of predictions, or of found intervals, whoever wrote them."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from merjax.cli.parser import Parser
from merjax.system.at_work import at_work
from merjax.system.console import say, wide_console
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import user_path

PROTOCOLS = (
    *("megc3", "au5", "casme3_7", "casme3_4", "casme3_3", "dfme", "mmew_4", "casme2_5", "samm_5", "au12"),
)  # repeated so that --help loads nothing
_OF_RECOGNITION = ("protocol", "clips")  # flags that say nothing about intervals,
# and those that say nothing about a log of clips
_OF_SPOTTING = ("truth", "videos", "compat", "classes", "curve", "log_megc")

_ABOUT = "Check predictions in the format of a challenge's organisers, or tables of spotted intervals, and print their scores."
_EPILOG = """\
examples:
  merjax rescore log.txt                        pooled UF1, UAR and accuracy of any log in that format
  merjax rescore log.txt --protocol au5         of the five classes of action units
  merjax rescore runs/a/report/logs/focal-seed0.txt --clips runs/a/report/logs/clips.csv
                                                a log that `merjax report --log-megc` wrote, of made clips or of a subset
  merjax rescore --intervals found.csv --truth truth.csv --videos videos.csv
                                                precision, recall and F1 of intervals found in long videos
  merjax rescore --intervals found.csv --truth truth.csv --compat softnet
                                                by the rule of other code, to compute a published number again
  merjax rescore spotted.txt                    the same of a log in the format of MEGC 2020 and 2021

The log of recognition has a line "database subject" (casme2 sub01) and below it a line "clip truth prediction" per clip
(EP02_01f 1 1). Classes are numbered from 0 (megc3: 0 negative, 1 positive, 2 surprise). A log that holds a clip twice is
refused, and so is one that lacks clips: each database in it must have the protocol's published number of clips per class and of
subjects. If a whole database is absent, a warning says that these are not scores of the protocol. With --clips, the log must
have exactly the clips of that table (columns database, subject, clip; a column label is compared too). `merjax report
--log-megc` writes such a file beside its logs. Lines that begin with # say what one must know about the log; they are printed
first.

Tables of intervals have columns video, onset and offset, and perhaps database, subject, kind (micro or macro), class (the
emotion) and confidence. Frames are whole numbers, and both ends belong to the interval. Give all videos with --videos: those
without expressions count, and a name that the tables spell otherwise is then refused. See docs/spotting.md.
"""


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    asked = _parser().read(argv)
    if _is_spotting(asked):
        print_rescored_intervals(asked, wide_console())
    else:
        print_rescored(asked.log, asked.protocol or PROTOCOLS[0], asked.clips, wide_console())


def print_rescored(path: Path, protocol: str, clips: Path | None, console: Console) -> None:
    """Check a log and print its pooled scores.

    Raises:
        MerjaxError: see `merjax.scoring.megc_log`.
    """
    from merjax.report.tables import TextTable, print_table
    from merjax.scoring.megc_log import rescore
    from merjax.scoring.metrics import SCORES
    from merjax.scoring.parts import Part
    from merjax.scoring.scores import DRAWS
    from merjax.scoring.written import number

    with at_work("scoring the log", path):
        scores = rescore(path, clips=clips, protocol=protocol)
    rows = [
        (
            Part(row["part"]).title,
            *(f"{number(row[s], 4)} [{number(row[f'{s}_low'], 4)}, {number(row[f'{s}_high'], 4)}]" for s in SCORES),
            str(row["clips"]),
            str(row["subjects"]),
        )
        for row in scores.table.to_dict("records")
    ]
    for remark in scores.remarks:
        say(console, remark, "bold red")
    say(console, scores.absent, "bold red")
    notes = [f"Pooled over all clips; in brackets 95 % of {DRAWS} bootstrap samples of the subjects."]
    if scores.unpredicted:
        notes.append(f"{scores.unpredicted} clips have no prediction (-1); they are scored as wrong.")
    print_table(
        TextTable(f"{path} ({protocol})", ("part", *SCORES, "clips", "subjects"), tuple(rows), tuple(notes)),
        console,
    )


def print_rescored_intervals(asked: argparse.Namespace, console: Console) -> None:
    """Score a log or tables of spotted intervals, print the scores, and write the files that were asked for.

    Raises:
        MerjaxError: see `merjax.scoring.spotting.rescored`.
    """
    from merjax.cli.spotting_scores import print_spotting, write_curve, write_log
    from merjax.scoring.spotting.rescored import rescore_intervals

    found = asked.log or asked.intervals
    with at_work("scoring the intervals", found):
        scores = rescore_intervals(
            found,
            truth=asked.truth,
            videos=asked.videos,
            compat=asked.compat or "",
            classes=[name for name in (asked.classes or "").split(",") if name.strip()],
        )
        print_spotting(scores, f"{found} ({asked.compat or 'inclusive intervals, overlap at least .5'})", console)
        if asked.curve:
            write_curve(scores, asked.curve, console)
        if asked.log_megc:
            write_log(scores, asked.log_megc, console)


def _is_spotting(asked: argparse.Namespace) -> bool:
    """Whether intervals are to be scored, after refusing flags that do not go together."""
    from merjax.scoring.spotting.challenge_log import is_challenge_log

    if (asked.log is None) == (asked.intervals is None):
        raise MerjaxError("name a log, or a table of found intervals with --intervals FOUND.csv --truth TRUTH.csv")
    if asked.intervals and not asked.truth:
        raise MerjaxError("--intervals needs the table of true intervals: add --truth TRUTH.csv")
    spotting = bool(asked.intervals) or is_challenge_log(asked.log)
    _refuse(
        asked,
        _OF_RECOGNITION if spotting else _OF_SPOTTING,
        f"says nothing about {'intervals' if spotting else 'clips'}",
    )
    if not asked.intervals:
        _refuse(
            asked, ("truth", "videos"), "goes with --intervals: a log holds its true intervals and its videos itself"
        )
    return spotting


def _refuse(asked: argparse.Namespace, names: Sequence[str], why: str) -> None:
    for name in names:
        if getattr(asked, name) is not None:
            raise MerjaxError(f"--{name.replace('_', '-')} {why}; leave it out, or name other files")


def _parser() -> Parser:
    parser = Parser("merjax rescore", _ABOUT, _EPILOG)
    parser.add_argument("log", type=user_path, nargs="?", metavar="LOG", help="the log to score")
    parser.add_argument("--protocol", choices=PROTOCOLS, help=f"what its classes are (default: {PROTOCOLS[0]})")
    parser.add_argument("--clips", type=user_path, metavar="CSV", help="the clips that the log must have")
    spotting = parser.add_argument_group("spotting")
    spotting.add_argument("--intervals", type=user_path, metavar="FOUND.csv", help="a table of found intervals")
    spotting.add_argument("--truth", type=user_path, metavar="TRUTH.csv", help="the table of true intervals")
    spotting.add_argument("--videos", type=user_path, metavar="CSV", help="all videos that count")
    spotting.add_argument("--compat", metavar="RULE", help="the rule of other code: megc2020, softnet, strs or auw")
    spotting.add_argument("--classes", metavar="A,B,C", help="the classes to analyse (default: all of the truth)")
    spotting.add_argument("--curve", type=user_path, metavar="CSV", help="write precision and recall over confidence")
    spotting.add_argument("--log-megc", type=user_path, metavar="TXT", help="write the log of MEGC 2020 and 2021")
    return parser
