"""A sweep trained on this CPU in an accelerator's form or precision, and how far its predictions lie from another one's:
`python -m benchmarks.emulated sweeps/quickstart.yaml --as cpu --folds 2 --out OUT/cpu`, then
`python -m benchmarks.emulated sweeps/quickstart.yaml --as accelerator --folds 2 --out OUT/form --against OUT/cpu`. The
precision is that of the setting `engine.precision`.

The form is the accelerators' own, compiled for a CPU. With `engine.precision=high` the factors of every product, those of
gradients too, are rounded to ten bits of mantissa, which is TF32; with `bfloat16` to seven, and in the accelerators' form the
regions' networks pass bfloat16 between layers. So they are rounded no less than on any accelerator: a TPU's three products for
`high` keep more, and a GPU rounds to seven bits in the regions' convolutions only. Sums are float32, in a CPU's order.
"""

import argparse
import contextlib
import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import pandas as pd
from jax import lax
from jax._src.interpreters import mlir  # the table of what primitives become, which jax.interpreters does not show
from jax.extend.core.primitives import conv_general_dilated_p, dot_general_p

import merjax
from merjax.nn.layers.backend import traced_for
from merjax.sweeps.folder import open_folder
from merjax.sweeps.plan import make_plan, open_data
from merjax.sweeps.running.take_chunks import take_chunks
from merjax.sweeps.sweep_file import SweepFile, read_sweep
from merjax.system.errors import command
from merjax.system.jax_setup import prepare_backend

MANTISSA = {"high": 10, "bfloat16": 7}
CLIP = ["trial", "selection", "seed", "fold", "database", "subject", "clip"]


@command
def main(argv: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(argv)
    prepare_backend()
    sweep = of_folds(read_sweep(asked.file, tuple(asked.settings)), asked.folds, asked.trials)
    precision = sweep.trials[0].config.engine.precision
    if precision in MANTISSA:
        round_factors(MANTISSA[precision])
    with as_on_an_accelerator() if asked.form == "accelerator" else contextlib.nullcontext():
        open_folder(asked.out, make_plan(sweep, 1))
        take_chunks(asked.out)
    print(f"{asked.file}, as {asked.form}, {precision}: {len(sweep.trials)} trials of {asked.folds or 'all'} folds")
    print(merjax.open_sweep(asked.out).scores.to_string())
    if asked.against:
        report(*(merjax.open_sweep(folder).predictions for folder in (asked.out, asked.against)))


def of_folds(sweep: SweepFile, folds: int, trials: Sequence[str]) -> SweepFile:
    """The sweep's trials of these names (all, if none is named), with its first seed and the folds that test most clips."""
    kept = [trial for trial in sweep.trials if not trials or trial.name in trials]
    if folds:
        largest = sorted(open_data(kept[0].config, 0.0).folds, key=lambda fold: -fold.test_N.sum())[:folds]
        kept = [trial._replace(folds=tuple(fold.name for fold in largest)) for trial in kept]
    return replace(sweep, trials=tuple(kept), seeds=sweep.seeds[:1])


@contextlib.contextmanager
def as_on_an_accelerator() -> Any:
    """Engines that are made inside train the accelerators' form."""
    with mock.patch("merjax.methods.runs.traced_for", contextlib.nullcontext), traced_for("gpu"):
        yield


def round_factors(mantissa: int) -> None:
    """Let all that is compiled from now on round the factors of its products to so many bits of mantissa."""
    rounded = mlir.lower_fun(functools.partial(_rounded, mantissa=mantissa), multiple_results=False)

    def rounding(exact: Any) -> Any:
        def lower(ctx: Any, *factors: Any, **how: Any) -> Any:
            kinds = [ctx.replace(primitive=None, avals_in=[kind], avals_out=[kind]) for kind in ctx.avals_in]
            return exact(ctx, *(rounded(kind, x)[0] for kind, x in zip(kinds, factors, strict=True)), **how)

        return lower

    for primitive in (dot_general_p, conv_general_dilated_p):
        exact = mlir._platform_specific_lowerings["cpu"][primitive].rule
        mlir.register_lowering(primitive, rounding(exact), platform="cpu")


def _rounded(x: jax.Array, mantissa: int) -> jax.Array:
    return lax.reduce_precision(x, 8, mantissa) if x.dtype == "float32" else x


def report(ours: pd.DataFrame, other: pd.DataFrame) -> None:
    """Print in how many predictions two sweeps differ, and how far their probabilities lie apart."""
    both = ours.merge(other, on=CLIP, suffixes=("", "_other"), validate="1:1")
    assert len(both) == len(ours) == len(other), "the two sweeps have other folds or trials"
    classes = [name for name in map(str, ours) if name.startswith("p_")]
    apart = np.abs(both[classes].to_numpy() - both[[f"{name}_other" for name in classes]].to_numpy()).max(1)
    differ = (both.prediction != both.prediction_other).sum()
    print(
        f"{differ} of {len(both)} predictions differ; a clip's largest difference of probabilities: median "
        f"{np.median(apart):.2g}, 95 % at most {np.quantile(apart, 0.95):.2g}, at most {apart.max():.2g}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emulated", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="a sweep file")
    parser.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `merjax sweep`")
    parser.add_argument("--as", dest="form", choices=("cpu", "accelerator"), required=True, help="whose form to train")
    parser.add_argument(
        "--folds", type=int, default=0, help="train so many folds, those that test most clips (default: all)"
    )
    parser.add_argument("--trials", nargs="+", default=[], help="train these trials (default: all)")
    parser.add_argument("--out", type=Path, required=True, help="an empty folder for the results")
    parser.add_argument("--against", type=Path, metavar="OUT", help="compare with the results in this folder")
    return parser


if __name__ == "__main__":
    main()
