"""Report finished runs: `merjax report RUN...`, or score a log again: `merjax report --rescore LOG`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from merjax.protocols import SCHEMES
from merjax.report.beside import published_texts
from merjax.report.files import sections_of, write_logs, write_report
from merjax.report.page import separate_sentence
from merjax.report.section import Section
from merjax.report.tables import TextTable, print_table
from merjax.report.texts import HEADS, budget_texts, data_text, difference_texts, inflation_texts, score_texts
from merjax.scoring.megc_log import rescore
from merjax.scoring.parts import Part
from merjax.scoring.scores import DRAWS
from merjax.scoring.written import number
from merjax.sweeps.plan import left_out_sentences
from merjax.sweeps.result import SweepResult, open_sweeps
from merjax.system.errors import command

_EPILOG = """\
examples:
  merjax report runs/quickstart                 tables here; page, CSV, LaTeX and Markdown in its report/
  merjax report runs/a runs/b --out compared    two runs side by side, if their protocol and folds agree
  merjax report runs/table7_loss --base "focal, alpha 1/2" --base cross-entropy   differences to each of these
  merjax report runs/a --log-megc               also one log per trial and seed, for others to score
  merjax report --rescore log.txt               pooled scores of any log in that format

The log format: a line "database subject" (casme2 sub01), below it a line "clip truth prediction" per clip (EP02_01f 1 1),
classes numbered from 0 (megc3: 0 negative, 1 positive, 2 surprise). A log with a clip twice is refused, and so is one with
missing clips: each database in it must have the protocol's published number of clips per class and of subjects (one that is
absent as a whole is told loudly: what is left is no score of the protocol), or, with --clips, the log must have exactly the
clips of that CSV file (columns database, subject, clip; a column label is compared too). --log-megc writes such a file beside
its logs.
"""


@command
def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    if bool(arguments.runs) == bool(arguments.rescore):
        parser.error("give the folders of one or more runs, or --rescore LOG")
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file or a pipe does not wrap
    if arguments.rescore:
        print_rescored(arguments.rescore, arguments.protocol, arguments.clips, console)
        return
    runs = open_sweeps(arguments.runs)
    sections = sections_of(runs, arguments.base)
    page = write_report(arguments.out, runs, sections, crops=not arguments.no_crops)
    logs = write_logs(page.parent, sections) if arguments.log_megc else []
    print_report(runs, sections, console)
    if logs:
        _say(console, f"{len(logs)} logs in the organisers' format: {logs[0].parent}")
    _say(console, f"page: {page}; Markdown, CSV, latex/ and figures/ beside it in {page.parent}")


def print_report(runs: Sequence[SweepResult], sections: Sequence[Section], console: Console) -> None:
    """The tables of a report in a terminal."""
    for run in runs:
        _say(console, run.missing_sentence, "bold yellow")
        for trial in run.plan.not_run:
            _say(console, str(trial), "bold yellow")
    _say(console, separate_sentence(sections), "yellow")
    for section in sections:
        _say(console, section.comparison.statement, "yellow")
        entry = max(section.comparison.entries, key=lambda entry: entry.folds)
        tables = [
            data_text(entry),
            *score_texts(section),
            *inflation_texts(section),
            *budget_texts(section),
            *difference_texts(section),
        ]
        for table in [*tables, *(t for run in runs for t in published_texts(section, run))]:
            print_table(table, console)
    for sentence in left_out_sentences([group for run in runs for group in run.plan.groups]):
        _say(console, sentence)


def print_rescored(path: Path, protocol: str, clips: Path | None, console: Console) -> None:
    """Check a log and print its pooled scores.

    Raises:
        MerjaxError: see `merjax.scoring.megc_log`.
    """
    scores = rescore(path, clips=clips, protocol=protocol)
    rows = [
        (
            Part(row["part"]).title,
            *(
                f"{number(row[s], 4)} [{number(row[f'{s}_low'], 4)}, {number(row[f'{s}_high'], 4)}]"
                for s in ("UF1", "UAR", "accuracy")
            ),
            str(row["clips"]),
            str(row["subjects"]),
        )
        for row in scores.table.to_dict("records")
    ]
    _say(console, scores.absent, "bold red")
    notes = [f"Pooled over all clips; in brackets 95 % of {DRAWS} bootstrap samples of the subjects."]
    if scores.unpredicted:
        notes.append(f"{scores.unpredicted} clips have no prediction (-1); they are scored as wrong.")
    print_table(
        TextTable(f"{path} ({protocol})", ("part", *HEADS.values(), "clips", "subjects"), tuple(rows), tuple(notes)),
        console,
    )


def _say(console: Console, sentence: str, style: str = "") -> None:
    if sentence:
        console.print(Text(sentence, style=style), soft_wrap=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="merjax report",
        description="Tables, figures and one self-contained HTML page from the predictions of finished runs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders that merjax.sweep wrote")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the report (default: report/ in the first RUN)"
    )
    parser.add_argument(
        "--base",
        action="append",
        default=[],
        metavar="TRIAL",
        help="compare the other trials with this one (default: the first); give it again for another",
    )
    parser.add_argument("--log-megc", action="store_true", help="also write logs in the organisers' format, to logs/")
    parser.add_argument(
        "--no-crops", action="store_true", help="no crops of faces on the page, so that it may be passed on"
    )
    parser.add_argument(
        "--rescore", type=Path, metavar="LOG", help="print the pooled scores of a log, and do nothing else"
    )
    parser.add_argument("--protocol", choices=list(SCHEMES), default="megc3", help="of --rescore (default: megc3)")
    parser.add_argument("--clips", type=Path, metavar="CSV", help="of --rescore: the clips that the log must have")
    return parser
