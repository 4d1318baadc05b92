"""The report command in this process, and the page's words."""

import html
import re
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

from merjax.cli.main import main
from merjax.report.comparison import compare
from merjax.report.page import render_page
from merjax.report.section import Section
from merjax.sweeps.result import open_sweeps


class Result(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def report(*arguments) -> Result:
    """`merjax report ARGUMENTS`, in this process."""
    return word("report", *arguments)


def word(name: str, *arguments) -> Result:
    """`merjax NAME ARGUMENTS`, in this process."""
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        try:
            main([name, *map(str, arguments)])
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def page_of(*folders, crops=True) -> str:
    runs = open_sweeps(folders)
    return render_page(runs, [Section(comparison) for comparison in compare(runs)], crops=crops)


def words(page: str) -> str:
    text = re.sub(r"<style>.*?</style>|<script.*?</script>|<[^>]+>", " ", page, flags=re.S)
    return " ".join(html.unescape(text).split())
