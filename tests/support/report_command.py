"""The report command in this process, and the page's words."""

import html
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import pytest

from merjax.cli.report import main
from merjax.report.comparison import compare
from merjax.report.page import render_page
from merjax.report.section import Section
from merjax.sweeps.result import open_sweeps


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def report(*arguments) -> Result:
    """The command, in this process."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        patch.setattr(sys, "argv", ["merjax.report", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def page_of(*folders, crops=True) -> str:
    runs = open_sweeps(folders)
    return render_page(runs, [Section(comparison) for comparison in compare(runs)], crops=crops)


def words(page: str) -> str:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    return " ".join(html.unescape(text).split())
