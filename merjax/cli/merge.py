"""`merjax merge`: put the results of a sweep's shards into one folder, and print its scores."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from merjax.cli.parser import Parser, is_setting
from merjax.cli.sweep import add_sweep_flags
from merjax.sweeps.shipped import named_sweeps
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole
from merjax.system.errors import MerjaxError, command
from merjax.system.paths import user_path

_ABOUT = """\
Copy what the shards of one sweep wrote into one folder, and print the sweep's scores. The words before the folders, and
--scale, are those of the line that trained the shards, without --shard: they say which sweep it was."""

_EPILOG = """\
examples:
  merjax merge sweeps/mine.yaml runs/mine
        the shards shared one folder: print its scores
  merjax merge sweeps/mine.yaml node1/runs/mine node2/runs/mine --out runs/mine
        each shard had a folder of its own
  merjax merge table7_loss loss.gamma=1.5 shard1 shard2 shard3 --out runs/gamma
        a sweep that comes with merjax, with the setting that its shards were trained with
  merjax merge table7_loss --scale small shard1 shard2
        shards of the small scale

If chunks are missing, the error says which ones, and what to run for them.
"""


@command(stopped="stopped; what was copied is kept, and the same line goes on from there")
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    asked = _parser().read(argv)
    settings = [word for word in asked.words if is_setting(word)]
    folders = [user_path(word) for word in asked.words if not is_setting(word)]
    if asked.file.is_dir() and asked.file not in map(Path, named_sweeps()):
        raise MerjaxError(f"{asked.file} is a folder; the sweep file comes first: merjax merge FILE DIR ...")
    if not folders:
        raise MerjaxError(f"no folder to merge; name those of the shards: merjax merge {asked.file} DIR ...")

    from merjax.cli.scores import refuse_unknown
    from merjax.cli.terminal import missing_sentence, print_result
    from merjax.sweeps.running.run import merge_sweep
    from merjax.sweeps.sweep_file import read_sweep

    with at_work("reading the sweep file", asked.file):
        sweep = read_sweep(asked.file, settings, asked.scale)
    refuse_unknown(asked.sort, sweep.trials)
    result = merge_sweep(sweep, folders, asked.out or Path("runs") / sweep.name)
    if result.missing:
        scale = ["--scale", asked.scale] if asked.scale != "full" else []
        out = ["--out", str(asked.out)] if asked.out else []
        raise MerjaxError(missing_sentence(result, shlex.join([str(asked.file), *settings, *scale, *out])))
    print_result(result, TextConsole(), asked.sort)


def _parser() -> Parser:
    parser = Parser(
        "merjax merge",
        _ABOUT,
        _EPILOG,
        usage="merjax merge FILE [key=value ...] DIR ... [--scale {full,small}] [--sort SCORE] [--out DIR]",
    )
    parser.add_argument(
        "file", type=user_path, metavar="FILE", help="the sweep file, or the name of one of `merjax sweep --list`"
    )
    parser.add_argument(
        "words", nargs="*", metavar="key=value DIR", help="settings that the shards were given, and their folders"
    )
    add_sweep_flags(parser)
    return parser
