"""`merjax WORD ...`: finds the word and hands the rest of the line to it."""

import sys
from collections.abc import Sequence
from importlib import import_module

from merjax.system.errors import MerjaxError, command, meant
from merjax.system.versions import __version__

WORDS = {
    "sweep": "train a sweep over all folds and seeds, and print its scores",
    "train": "train a model on all subjects of a finished sweep, for new recordings",
    "prepare": "turn releases into a clip store, or long videos into a motion store",
    "check": "compare a release with the published counts; this makes nothing",
    "report": "write tables, figures and a page of finished sweeps",
    "rescore": "print the pooled scores of a log in the organisers' format",
    "synthesize": "make a release of labelled clips or long videos from photographs",
    "analyse": "find expressions in a recording of your own, and classify them with a model",
    "merge": "put the results of a sweep's shards into one folder, and print its scores",
    "doctor": "check whether this machine, or a folder that merjax wrote, is in order",
}

_HELP = f"""\
usage: merjax WORD ...
       merjax WORD --help
       merjax --version

Recognise micro-expressions from local facial regions: prepare clips, train leave-one-subject-out sweeps, report scores.

words:
{chr(10).join(f"  {word:<11} {what}" for word, what in WORDS.items())}

examples:
  merjax doctor                                         is everything installed?
  merjax sweep                                          the demo: makes its own clips, trains, prints scores
  merjax prepare --casme2 /data/CASME2 --out stores/casme2
                                                        a clip store of your own copy of a database
  merjax sweep table7_loss data.store=stores/casme2     a table of the paper on that store
  merjax report runs/table7_loss                        its tables, figures and page
  merjax analyse --demo                                 a recording, from the video to a page, without any data

`python -m merjax` is the same program, and `python -m merjax.sweep` is `merjax sweep`.
"""


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    line = list(sys.argv[1:] if argv is None else argv)
    if not line or line[0] in ("-h", "--help"):
        print(_HELP, end="")
    elif line[0] == "--version":
        print(f"merjax {__version__}")
    elif line[0] in WORDS:
        import_module(f"merjax.cli.{line[0]}").main(line[1:])
    else:
        raise MerjaxError(_unknown(line[0]))


def _unknown(word: str) -> str:
    if word.endswith((".yaml", ".yml")):
        return f"{word} is a sweep file, not a word; write `merjax sweep {word}`"
    near = meant(word, WORDS)
    return f"there is no word `{word}`{near or '; write one of ' + ', '.join(WORDS)} (`merjax --help` explains them)"
