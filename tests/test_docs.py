"""Every example in README and docs/ does what it says: run in the order of its page, or at least understood by its parser.

A block's first line names its language and, after it, what is to be done with it: nothing (run it), `file=NAME` (a file that
later blocks use), `minutes` (it takes minutes: its line must parse), `show` (a cluster or data that nobody has here: its line
must parse), `install` (run by `.ci/run` and by the test of the wheel).
"""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from support.places import CHECKOUT

PAGES = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "data",
            "protocols",
            "methods",
            "sweeps",
            "reports",
            "leaderboard",
            "spotting",
            "own_video",
            "models",
            "audit",
            "clusters",
            "faults",
        )
    ),
)


class Block(NamedTuple):
    """A fenced block of a page: its language, how the test treats it, its text, and its place."""

    language: str
    how: str
    text: str
    where: str


def blocks_of(page: str) -> Iterator[Block]:
    text = (CHECKOUT / page).read_text()
    for match in re.finditer(r"^```(\w+)[ ]?([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        yield Block(match[1], match[2], match[3], f"{page}:{text[: match.start()].count(chr(10)) + 1}")


def lines_of(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block, as words."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def as_merjax(words: list[str], where: str) -> list[str]:
    """`python -m merjax.sweep ...` and `merjax WORD ...` as WORD and its arguments."""
    if words[:3] == ["python", "-m", "merjax.sweep"]:
        return ["sweep", *words[3:]]
    assert words[0] == "merjax", f"{where}: {shlex.join(words)} is not a command of merjax"
    return words[1:]


def run_page(page: str) -> None:
    """Run a page's blocks in the current folder, except those that take minutes."""
    for block in blocks_of(page):
        if block.how.startswith("file="):
            Path(block.how.removeprefix("file=")).write_text(block.text)
        elif block.how in ("show", "install", "minutes"):
            continue
        elif block.language == "sh":
            for words in lines_of(block):
                run_words(as_merjax(words, block.where), block.where)
        elif block.language == "python":
            exec(compile(block.text.replace("/data/", "data/"), block.where, "exec"), {})


def run_words(words: list[str], where: str) -> None:
    from merjax.cli.main import main

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main([word.replace("/data/", "data/") for word in words])
    except SystemExit as stopped:
        if stopped.code:
            pytest.fail(f"{where}: merjax {shlex.join(words)} ended with {stopped.code}:\n{said.getvalue()}")


@pytest.fixture
def in_documents(small_release, small_others, tmp_path, monkeypatch) -> Path:
    """A folder with made releases in the place of the licensed ones that the pages name."""
    made = {"CASME2": small_release, "SAMM": small_others / "samm", "SMIC_all_raw": small_others / "smic"}
    (tmp_path / "data").mkdir()
    for name, release in made.items():
        (tmp_path / "data" / name).symlink_to(release)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # four devices on a worker's one core would wait for each other
    return tmp_path


# those of docs/data.md prepare stores, which takes most of the time
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.long] * (page == "docs/data.md")) for page in PAGES]
)
def test_the_examples_of_a_page_that_take_seconds_run_as_written(page, in_documents):
    run_page(page)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_understood(page):
    for block in blocks_of(page):
        if block.language != "sh" or block.how == "install":
            continue
        for words in lines_of(block):
            word, *arguments = as_merjax(words, block.where)
            module = import_module(f"merjax.cli.{word}")
            parser = module._parser("merjax sweep") if word == "sweep" else module._parser()
            try:
                parser.parse_intermixed_args(arguments)
            except SystemExit:
                pytest.fail(f"{block.where}: merjax {word} does not understand {shlex.join(arguments)}")


def test_every_page_is_run_and_every_link_leads_somewhere():
    assert {f"docs/{path.name}" for path in (CHECKOUT / "docs").glob("*.md")} == {*PAGES} - {"README.md"}
    for page in (*PAGES, "ARCHITECTURE.md", "CONTRIBUTING.md"):
        path = CHECKOUT / page
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{page} links to {target}, which is not there"


@pytest.mark.parametrize(("page", "most"), [("README.md", 150), ("ARCHITECTURE.md", 120), ("CONTRIBUTING.md", 60)])
def test_what_a_newcomer_reads_first_stays_short(page, most):
    assert len((CHECKOUT / page).read_text().splitlines()) <= most
