"""How much device memory runs take, and how many fit."""

from collections.abc import Mapping, Sequence

import jax

from merjax.config import Config
from merjax.engine import walk
from merjax.engine.rehearsal import Measure, Taken, rehearse, weighed
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId, engine_of
from merjax.system.errors import MerjaxError
from merjax.training.spotting_data import Data

SHARE = 0.85  # of a device's memory: the rest is left to the other programs and to fragmentation

SMALLER = "choose a smaller engine.chunk, and another --out, since a folder keeps the chunks that it was started with"

ByStage = dict[str, dict[int, Taken]]


def taken_by_stages(
    data: Data,
    config: Config,
    widths: Mapping[str, Sequence[int]],
    measure: Measure = weighed,
    devices: Sequence[jax.Device] | None = None,
) -> ByStage:
    """What each stage takes of each device, by stage and number of runs on the device; empty for a method that uses none.

    Args:
        data, config: what is trained.
        widths: by stage, the numbers of runs on a device.
        measure: how it is measured.
        devices: the devices, which need not be here; None means all local ones.
    """
    if not method_of(config.method).compiles:
        return {}
    taken: ByStage = {}
    visit = rehearse(engine_of(config, devices), measure, widths, taken)
    walk(method_of(config.method).jobs(data, [RunId(config, 0, 0)]), visit)
    return taken


def in_all_stages(config: Config, widths: Sequence[int]) -> dict[str, Sequence[int]]:
    """The same numbers of runs for every stage of the config's method."""
    return dict.fromkeys(method_of(config.method).steps(config, 1, 1), widths)


def bytes_per_device(data: Data, config: Config, per_device: int) -> int:
    """Bytes that the largest of the stages' compiled training programs takes on a device that holds `per_device` runs."""
    taken = taken_by_stages(data, config, in_all_stages(config, [per_device]))
    return max((of_stage[per_device].bytes for of_stage in taken.values()), default=0)


def capacity(data: Data, config: Config) -> int | None:
    """How many runs fit on this machine's devices together. None on a CPU, where memory is not the limit, and for a method
    that does not use the devices.

    Raises:
        MerjaxError: not even one fits.
    """
    devices = jax.local_devices()
    if devices[0].platform == "cpu" or not method_of(config.method).compiles:
        return None
    limits = [device.memory_stats()["bytes_limit"] for device in devices]
    return len(devices) * runs_that_fit(
        taken_by_stages(data, config, in_all_stages(config, (1, 2))), min(limits), "the device"
    )


def runs_that_fit(taken: Mapping[str, Mapping[int, Taken]], limit: float, device: str) -> int:
    """How many runs fit on a device, if every run after the second takes as much as the second.

    Args:
        taken: by stage, what one run and two runs take.
        limit: bytes of the device's memory.
        device: its name.

    Raises:
        MerjaxError: not even one fits; the message says of which stage, and by how much.
    """
    room, fit = SHARE * limit, []
    for stage, of_stage in taken.items():
        one, two = of_stage[1].bytes, of_stage[2].bytes
        if one > room:
            raise MerjaxError(
                f"one run of the {stage} stage takes {_gib(one)}, which is {_gib(one - room)} more than the {_gib(room)} that "
                f"programs may fill of {device}; make the batches ({_BATCHES}) or engine.steps_per_call smaller"
            )
        fit.append(int((room - one) // max(two - one, 1)) + 1)
    return min(fit)


_BATCHES = "spatial.batch, temporal.batch, peer.batch"


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
