"""A training step of the paper's method on a device that is not here, compiled and counted, and never run:
`python -m benchmarks.absent_device --for h100 --stage spatial --runs 8`.

It needs the device's compiler: `pip install 'merjax[cuda]'` or `'merjax[tpu]'`. The steps are the product's own, those that a
sweep would compile for 442 clips of 68 frames (MEGC 2019) with the paper's settings; further settings are written as for
`merjax sweep`, such as `engine.convolution=grouped`.

The step's time is estimated twice. By roofline: all bytes at the peak bandwidth or all products at the peak rate, whichever is
longer, then 3 us for each kernel and 10 us for each loop end that the host reads (1 us each on a TPU). And as it is likely: the
sum over kernels, at the share of the peaks that they reached on the one accelerator that merjax was timed on.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks.loso import experiment
from merjax.config import Config, make_config
from merjax.engine import Engine, Stage
from merjax.engine.counting.duration import roofline, step_time
from merjax.engine.counting.kernels import Kernel, Program
from merjax.engine.rehearsal import Arguments, Taken, counted, counted_roughly
from merjax.engine.stage import advance
from merjax.engine.topology import absent_device, allow_absent
from merjax.methods.absent import Described
from merjax.methods.memory import SHARE, taken_by_stages
from merjax.system.accelerators import ACCELERATORS, Accelerator, read_machine
from merjax.system.errors import command
from merjax.system.jax_setup import prepare_backend, programs_not_kept
from merjax.training.data import TrainingData

SUBJECTS, CLIPS, FRAMES = 34, 13, 68  # as large as MEGC 2019
STAGES = ("spatial", "temporal")


class Step(NamedTuple):
    """A step on a device.

    Attributes:
        taken: memory and counts.
        seconds: of tracing and compiling.
        shared: bytes of a call's batches, which all runs share.
        text: of the compiled program.
    """

    taken: Taken
    seconds: float
    shared: int
    text: str


@command
def main(argv: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(argv)
    accelerator = read_machine(asked.target).accelerator
    allow_absent(accelerator)
    prepare_backend()
    step = step_on(accelerator, asked.stage, asked.runs, make_config(*asked.settings), asked.rough)
    if asked.hlo:
        asked.hlo.write_text(step.text)
    found = figures(step, accelerator, asked.runs)
    report(asked, accelerator, step, found)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


def step_on(accelerator: Accelerator, stage: str, runs: int, config: Config, rough: bool = False) -> Step:
    """One of the method's two training steps for this many runs side by side on a device."""
    found: list[Step] = []

    def measure(engine: Engine, stage: Stage, arguments: Arguments) -> Taken:
        began = time.perf_counter()
        text = "" if rough else engine.program(stage, "advance", advance, 2, *arguments).as_text()
        seconds = time.perf_counter() - began
        taken = (counted_roughly if rough else counted)(engine, stage, arguments)
        shared = sum(x.nbytes for x in jax.tree.leaves(arguments[2]))
        found.append(Step(taken, seconds, shared, text))
        return taken

    device = Described(accelerator) if rough else absent_device(accelerator)
    widths = {name: [runs] if name == stage else [] for name in STAGES}
    with programs_not_kept():
        taken_by_stages(blank_data(), config, widths, measure, [device])
    return found[0]


def blank_data() -> TrainingData:
    """Data of MEGC 2019's size without pixels: only shapes reach a program."""
    data = experiment(SUBJECTS, CLIPS, FRAMES, lambda shape: np.broadcast_to(np.uint8(0), shape))
    # else the mean of all pixels would be taken
    vars(data)["moments_NxRxCx2"] = np.zeros((len(data.index), len(data.streams), data.channels, 2))
    return data


def figures(step: Step, on: Accelerator, runs: int) -> dict[str, float]:
    """The figures of a step; bytes, seconds, numbers."""
    taken, program = step.taken, step.taken.program
    assert program
    peaks, likely = roofline(program, on), step_time(program, on, steps_per_call=8)
    each = (taken.bytes - step.shared) / runs
    return {
        "compile seconds": step.seconds,
        "arguments": taken.arguments,
        "temporaries": taken.temporaries,
        "bytes of each run": each,
        "runs that fit": (SHARE * on.memory - step.shared) // each,
        "flops": program.flops,
        "bytes": program.bytes,
        "kernels": program.launches,
        "kernels per call": sum(k.times for k in program.per_call),
        "loops of unknown length": sum(not loop.known for loop in program.loops),
        "moving": peaks.moving,
        "computing": peaks.computing,
        "launching": peaks.launching,
        "waiting": peaks.waiting,
        "roofline": peaks.total,
        "likely": likely.likely,
        "least": likely.least,
        "most": likely.most,
    }


def report(asked: argparse.Namespace, on: Accelerator, step: Step, f: dict[str, float]) -> None:
    """Print the figures, and what costs most."""
    program, settings = step.taken.program, " ".join(asked.settings)
    assert program
    print(
        f"{asked.stage} step, {asked.runs} runs side by side on {on.title} {settings}; all estimated, nothing was run"
    )
    if asked.rough:
        print("counted roughly by formulas, from the shapes in the program before it is compiled")
    else:
        print(f"traced and compiled in {f['compile seconds']:.0f} s")
    print(
        f"memory: arguments {_gib(f['arguments'])}, temporaries {_gib(f['temporaries'])}, each run "
        f"{_gib(f['bytes of each run'])}; {f['runs that fit']:.0f} runs fit into {SHARE:.0%} of the device's"
    )
    print(
        f"a step: {f['flops'] / 1e9:.1f} GFLOP, {f['bytes'] / 1e9:.2f} GB that cross kernels, {f['kernels']:.0f} kernels "
        f"(and {f['kernels per call']:.0f} per call), {f['loops of unknown length']:.0f} loops of unknown length"
    )
    for loop in program.loops:
        if not loop.known:
            print(f"  a loop whose end depends on data, counted as one turn: {loop.source}, {loop.times:g} times")
    print(
        f"by roofline: {1e3 * f['roofline']:.2f} ms = max({1e3 * f['moving']:.2f} bytes, {1e3 * f['computing']:.2f} "
        f"products) + {1e3 * f['launching']:.2f} launches + {1e3 * f['waiting']:.2f} loop ends"
    )
    print(f"likely: {1e3 * f['likely']:.2f} ms ({1e3 * f['least']:.2f} to {1e3 * f['most']:.2f})")
    _print_dearest("source lines", program, lambda k: k.source or k.kind, asked.top)
    _print_dearest("kinds of kernels", program, lambda k: k.kind, asked.top)


def _print_dearest(title: str, program: Program, name_of: Callable[[Kernel], str], top: int) -> None:
    groups: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for k in program.kernels:
        groups[name_of(k)] += k.times * np.array([k.bytes / 1e9, 1, k.flops / 1e9])
    print(f"{'GB':>9} {'kernels':>8} {'GFLOP':>8}  dearest {title}")
    for name, (moved, kernels, work) in sorted(groups.items(), key=lambda item: -item[1][0])[:top]:
        print(f"{moved:9.3f} {kernels:8.0f} {work:8.1f}  {name}")


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.absent_device", description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `merjax sweep`")
    parser.add_argument(
        "--for", dest="target", required=True, metavar="DEVICE", help=f"one of {', '.join(ACCELERATORS)}"
    )
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--runs", type=int, default=8, help="side by side on the device (default: %(default)s)")
    parser.add_argument("--rough", action="store_true", help="count by formulas instead, as without the compiler")
    parser.add_argument("--top", type=int, default=12, help="dearest source lines to print (default: %(default)s)")
    parser.add_argument("--hlo", type=Path, metavar="FILE", help="write the compiled program's text here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    return parser


if __name__ == "__main__":
    main()
