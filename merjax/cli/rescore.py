"""`merjax rescore`: the pooled scores of a log of predictions, whoever wrote it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from merjax.cli.parser import Parser
from merjax.system.at_work import at_work
from merjax.system.console import say, wide_console
from merjax.system.errors import command
from merjax.system.paths import user_path

PROTOCOLS = (
    *("megc3", "au5", "casme3_7", "casme3_4", "casme3_3", "dfme", "mmew_4", "casme2_5", "samm_5", "au12"),
)  # repeated so that --help loads nothing

_ABOUT = "Check a log of predictions in the format of MEGC 2019's organisers, and print its pooled scores."
_EPILOG = """\
examples:
  merjax rescore log.txt                        pooled UF1, UAR and accuracy of any log in that format
  merjax rescore log.txt --protocol au5         of the five classes of action units
  merjax rescore runs/a/report/logs/focal-seed0.txt --clips runs/a/report/logs/clips.csv
                                                a log that `merjax report --log-megc` wrote, of made clips or of a subset

The log has a line "database subject" (casme2 sub01) and below it a line "clip truth prediction" per clip (EP02_01f 1 1).
Classes are numbered from 0 (megc3: 0 negative, 1 positive, 2 surprise). A log that holds a clip twice is refused, and so is one
that lacks clips: each database in it must have the protocol's published number of clips per class and of subjects. If a whole
database is absent, a warning says that these are not scores of the protocol. With --clips, the log must have exactly the clips
of that table (columns database, subject, clip; a column label is compared too). `merjax report --log-megc` writes such a
file beside its logs. Lines that begin with # say what one must know about the log; they are printed first.
"""


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    asked = _parser().read(argv)
    print_rescored(asked.log, asked.protocol, asked.clips, wide_console())


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


def _parser() -> Parser:
    parser = Parser("merjax rescore", _ABOUT, _EPILOG)
    parser.add_argument("log", type=user_path, metavar="LOG", help="the log to score")
    parser.add_argument(
        "--protocol", choices=PROTOCOLS, default="megc3", help="what its classes are (default: %(default)s)"
    )
    parser.add_argument("--clips", type=user_path, metavar="CSV", help="the clips that the log must have")
    return parser
