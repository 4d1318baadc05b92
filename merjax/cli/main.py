"""`merjax WORD ...`: finds the word and hands the rest of the line to it."""

import sys
from importlib import import_module

WORDS = {
    "sweep": "train a sweep and print its scores",
    "prepare": "clips of a release into a clip store",
    "report": "tables, figures and a page of finished sweeps",
    "synthesize": "clips from photographs",
}


def main() -> None:
    word = sys.argv.pop(1)
    import_module(f"merjax.cli.{word}").main()
