"""`merjax report`: tables, figures and one page from the predictions of finished sweeps."""

import argparse
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from merjax.cli.parser import Parser
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole, say, wide_console
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import refuse_unwritable, user_path

if TYPE_CHECKING:
    from merjax.report.section import Section
    from merjax.sweeps.result import SweepResult

_ABOUT = "Tables, figures and one self-contained HTML page from the predictions of finished sweeps."
_EPILOG = """\
examples:
  merjax report runs/quickstart                 tables here; page, CSV, LaTeX and Markdown in its report/
  merjax report runs/a runs/b --out compared    two sweeps side by side, if their protocol and folds agree
  merjax report runs/table7_loss --base "focal, alpha 1/2" --base cross-entropy   differences to each of these
  merjax report runs/a --log-megc               also one log per trial and seed, for others to score
  merjax report runs/a --no-crops               a page without faces, which may be passed on
  merjax report runs/a --live                   a page on a sweep that is being trained, here or on another machine

`merjax rescore LOG` scores a log of --log-megc, or any other log in that format.
"""


@command(stopped="stopped; the page stays as it was last written")
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    parser = _parser()
    asked = parser.read(argv)
    if asked.rescore:
        raise MerjaxError(f"--rescore is now a word of its own; write: {_rescore_line(asked)}")
    if asked.protocol or asked.clips:
        parser.error("--protocol and --clips are flags of `merjax rescore LOG`")
    if not asked.runs:
        parser.error("give the folders of one or more sweeps, such as runs/quickstart")

    if asked.live:
        _follow(asked)
    from merjax.report.files import are_spotters, sections_of, write_logs, write_report
    from merjax.sweeps.result import open_sweeps

    named = ", ".join(map(str, asked.runs))
    with at_work("reading", named):
        runs = open_sweeps(asked.runs)
        refuse_unwritable(asked.out or runs[0].folder / "report")
        if are_spotters(runs):
            _report_spotters(runs, asked)
            return
        sections = sections_of(runs, asked.base)
    with at_work("writing the report of", named):
        page = write_report(asked.out, runs, sections, crops=not asked.no_crops)
        logs = write_logs(page.parent, sections) if asked.log_megc else []
    console = wide_console()
    print_report(runs, sections, console)
    if logs:
        say(console, f"{len(logs)} logs in the organisers' format: {logs[0].parent}")
    say(console, f"page: {page}; Markdown, CSV, latex/ and figures/ beside it in {page.parent}")


def _report_spotters(runs: "Sequence[SweepResult]", asked: argparse.Namespace) -> None:
    """Write the page of spotters, and print its tables."""
    from merjax.report.spotting_page import SpotterReport, write_spotter_report
    from merjax.report.tables import print_table

    if asked.log_megc:
        raise MerjaxError(
            "--log-megc writes logs of clips; `merjax rescore --intervals` writes one of spotted intervals"
        )
    report = SpotterReport(runs, asked.base)
    page, console = write_spotter_report(asked.out, report, crops=not asked.no_crops), wide_console()
    for run in runs:
        say(console, run.missing_sentence, "bold yellow")
    for table in report.tables:
        print_table(table, console)
    say(console, f"page: {page}; Markdown and CSV files beside it in {page.parent}")


def _follow(asked: argparse.Namespace) -> None:
    """Write the page of a sweep again and again until the sweep is finished."""
    from merjax.report.live import PAUSE, look_at, state_of, write_live

    if len(asked.runs) > 1:
        raise MerjaxError("--live follows one sweep; give one folder")
    folder, seen, said = asked.runs[0], None, False
    while True:
        began = time.monotonic()
        watched = look_at(folder)
        if (now := (watched.is_over, *state_of(watched.result))) != seen:
            page, seen = write_live(watched, asked.out or folder / "report"), now
            if not said:
                say(
                    TextConsole(),
                    f"page: {page}; it is written again until the sweep is finished (Ctrl-C ends this alone)",
                )
                said = True
        if watched.is_over:
            return
        time.sleep(max(PAUSE, 5 * (time.monotonic() - began)))  # the sweep needs the processor more


def print_report(runs: "Sequence[SweepResult]", sections: "Sequence[Section]", console: Console) -> None:
    """Print the tables of a report in a terminal."""
    from merjax.report.audit import audit_texts
    from merjax.report.beside import published_texts
    from merjax.report.page import separate_sentence
    from merjax.report.tables import print_table
    from merjax.report.texts import budget_texts, data_text, difference_texts, inflation_texts, score_texts, shortened
    from merjax.scoring.entry import left_out_sentences

    for run in runs:
        say(console, run.missing_sentence, "bold yellow")
        for trial in run.plan.not_run:
            say(console, str(trial), "bold yellow")
    say(console, separate_sentence(sections), "yellow")
    for section in sections:
        say(console, section.comparison.statement, "yellow")
        entry = max(section.comparison.entries, key=lambda entry: entry.folds)
        kinds = (score_texts, inflation_texts, budget_texts, difference_texts)
        tables = [data_text(entry), *(table for texts in kinds for table in shortened(section, texts(section)))]
        tables[1:1] = audit_texts(section)
        for table in [*tables, *(t for run in runs for t in published_texts(section, run))]:
            print_table(table, console)
    for sentence in left_out_sentences([group for run in runs for group in run.plan.groups]):
        say(console, sentence)


def _rescore_line(asked: argparse.Namespace) -> str:
    clips = ["--clips", str(asked.clips)] if asked.clips else []
    protocol = ["--protocol", asked.protocol] if asked.protocol else []
    return shlex.join(["merjax", "rescore", str(asked.rescore), *protocol, *clips])


def _parser() -> Parser:
    parser = Parser("merjax report", _ABOUT, _EPILOG)
    parser.add_argument("runs", nargs="*", type=user_path, metavar="RUN", help="folders that `merjax sweep` wrote")
    parser.add_argument(
        "--out", type=user_path, metavar="DIR", help="folder of the report (default: report/ in the first RUN)"
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
        "--live",
        action="store_true",
        help="write live.html, with what is finished, under way and waiting, again and again until the sweep is finished",
    )
    for flag in ("--rescore", "--protocol", "--clips"):
        parser.add_argument(flag, help=argparse.SUPPRESS)  # --rescore answers with the word
    return parser
