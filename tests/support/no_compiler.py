"""A machine without any accelerator's compiler, and counts that are known by hand."""

import pytest

import merjax.methods.absent
from merjax.engine.counting.kernels import Kernel, Program
from merjax.engine.rehearsal import Taken, counted_roughly
from merjax.engine.topology import NoCompilerError

MIB = 2**20
SHARED_BYTES, EACH = {"spatial": 2 * MIB, "temporal": MIB}, {"spatial": 3 * MIB, "temporal": 5 * MIB}
STEPS = {"spatial": 13.0, "temporal": 24.0}


def counted_by_hand(data, config, widths, measure, devices):
    """Stages whose programs take memory in proportion to their runs, and a kernel for each run; two where a convolution is
    grouped."""
    assert measure is counted_roughly
    assert devices[0].platform in ("gpu", "tpu")
    kernel = Kernel("dot", 1e9, 1e9, "float32", 1.0, "", "")
    found = {stage: {} for stage in STEPS}
    for stage, of_stage in widths.items():
        each = 2 if stage == "spatial" and config.engine.convolution == "grouped" else 1
        found[stage] = {
            n: Taken(
                *(0, 0, SHARED_BYTES[stage] + n * EACH[stage]),
                Program((kernel._replace(times=each * n),), (), ()),
                STEPS[stage],
            )
            for n in of_stage
        }
    return found


def without_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let plans for machines that are not here find no compiler, and count by hand what they would count by formulas."""

    def refuse(accelerator):
        raise NoCompilerError(f"the compiler for {accelerator.title} does not load; pip install 'merjax[cuda]'")

    monkeypatch.setattr(merjax.methods.absent, "absent_device", refuse)
    monkeypatch.setattr(merjax.methods.absent, "taken_by_stages", counted_by_hand)
