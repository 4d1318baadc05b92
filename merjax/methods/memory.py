"""How much device memory runs take, and how many fit."""

import jax

from merjax.config import Config
from merjax.engine import Engine, walk
from merjax.engine.rehearsal import weigh
from merjax.methods.registry import method_of
from merjax.methods.runs import RunId
from merjax.system.errors import MerjaxError
from merjax.training.data import TrainingData

SHARE = 0.85  # of a device's memory: the rest is left to the other programs and to fragmentation

SMALLER = "choose a smaller engine.chunk, and another --out, since a folder keeps the chunks that it was started with"


def bytes_per_device(data: TrainingData, config: Config, per_device: int) -> int:
    """Bytes that the largest of the stages' compiled training programs takes on a device that holds `per_device` runs."""
    if not method_of(config.method).compiles:
        return 0
    mapping = None if config.engine.mapping == "auto" else config.engine.mapping
    engine = Engine(mapping, config.engine.steps_per_call)
    specs = [RunId(config, 0, 0)] * per_device * len(engine.devices)
    bytes_of: dict[str, int] = {}
    walk(method_of(config.method).jobs(data, specs), weigh(engine, bytes_of))
    return max(bytes_of.values())


def capacity(data: TrainingData, config: Config) -> int | None:
    """How many runs fit on this machine's devices together. None on a CPU, where memory is not the limit, and for a method
    that does not use the devices.

    Raises:
        MerjaxError: not even one fits.
    """
    devices = jax.local_devices()
    if devices[0].platform == "cpu" or not method_of(config.method).compiles:
        return None
    limits = [device.memory_stats()["bytes_limit"] for device in devices]
    one, two = (bytes_per_device(data, config, n) for n in (1, 2))
    return len(devices) * runs_that_fit(one, two, min(limits))


def runs_that_fit(one: int, two: int, limit: int) -> int:
    """How many runs fit into a share of `limit` bytes, if one run takes `one` and two take `two`, and every further run takes
    as much as the second.

    Raises:
        MerjaxError: not even one fits.
    """
    if one > SHARE * limit:
        raise MerjaxError(
            f"one run takes {one / 2**30:.1f} GiB, but the device has {limit / 2**30:.1f} GiB; "
            "make the batches (spatial.batch, peer.batch) or engine.steps_per_call smaller"
        )
    each = max(two - one, 1)
    return int((SHARE * limit - one) // each) + 1
