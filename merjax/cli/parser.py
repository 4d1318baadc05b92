"""Parsers that load nothing heavy, so that `--help` answers at once, and whose errors say what to write."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from merjax.system import values
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import user_path


class Parser(argparse.ArgumentParser):
    """The parser of one word of the command line."""

    def __init__(self, prog: str, about: str, epilog: str, usage: str | None = None) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=about,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def read(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse a line whose flags and words may come in any order; None takes the process's own line.

        Raises:
            MerjaxError: the line is wrong; the message names a similar flag, if there is one.
        """
        typed = sys.argv[1:] if argv is None else argv
        for before, word in zip(["", *typed], typed, strict=False):
            flag, equals, value = word.partition("=")
            if not word.strip():
                self.error(f"{before if before.startswith('-') else 'a word'} has no value (an unset variable?)")
            if flag.startswith("-") and equals and not value.strip():
                self.error(f"{flag} has no value (an unset variable?)")
        known, unknown = self.parse_known_intermixed_args(typed)
        if unknown:
            first = unknown[0].partition("=")[0]
            if not first.startswith("-"):
                self.error(f"`{unknown[0]}` is one word too many")
            if "." in first and "=" in unknown[0]:
                self.error(f"settings have no dashes: write {unknown[0].lstrip('-')}")
            self.error(f"there is no flag {first}{meant(first, self._flags())}")
        return known

    def error(self, message: str) -> NoReturn:
        raise MerjaxError(f"{message} (`{self.prog} --help` shows all flags, with examples)")

    def _flags(self) -> list[str]:
        shown = [action for action in self._actions if action.help != argparse.SUPPRESS]
        return [flag for action in shown for flag in action.option_strings]


def whole_number(text: str) -> int:
    """A whole number, read as in settings, as a type for argparse."""
    try:
        return values.whole(text.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def number(text: str) -> float:
    """A finite number, read as in settings, as a type for argparse."""
    try:
        return float(values.number(text.strip()))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def positive(text: str) -> int:
    """A whole number from 1 up, as a type for argparse."""
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def is_setting(word: str) -> bool:
    """Whether a word is `key=value`, and not a file or folder whose name holds an equals sign."""
    return "=" in word and not os.path.lexists(user_path(word))
