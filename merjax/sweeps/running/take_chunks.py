"""One process's part of a sweep: it takes chunks that nobody has, trains them, and saves their predictions."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from merjax.engine import Engine, Progress
from merjax.engine.checkpoints import Checkpoints
from merjax.methods.memory import SMALLER
from merjax.models.engines import RememberingEngine
from merjax.sweeps.folder import checkpoint_folder, claimed, is_finished, read_plan, write_chunk
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.provenance import note_sitting
from merjax.sweeps.running.curve_logs import Log, log_chunk, logged
from merjax.sweeps.running.shards import WHOLE, Shard
from merjax.sweeps.running.train_chunk import Group, _open, train_chunk
from merjax.sweeps.saved_models import save_models
from merjax.system.errors import MerjaxError, full_disk_told
from merjax.system.signals import Interrupted


def work(
    folder: Path,
    say: Callable[[Chunk, Progress], None] = lambda chunk, progress: None,
    stopping: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None] = lambda sentence: None,
    shard: Shard = WHOLE,
    log: Log | None = None,
    wait: Callable[[int], None] = lambda chunks: None,
) -> None:
    """Train the chunks of a sweep's folder until all are finished, here or by the other processes that share it.

    Args:
        folder: the sweep's folder.
        say: hears of every call of every chunk.
        stopping: asked after every call whether to end.
        warn: hears of checkpoints that cannot be used.
        shard: the share of the chunks to care for.
        log: where the curves of finished runs go besides.
        wait: hears, whenever there is nothing to do but to wait for other processes, how many chunks these have.

    Raises:
        Interrupted: `stopping` said so; the chunk under way is saved.
        MerjaxError: no space is left on the disk, or in the device's memory.
    """
    plan = read_plan(folder)
    groups: dict[int, Group] = {}
    while waiting := [chunk for chunk in shard.of(plan) if not is_finished(folder, chunk)]:
        taken = 0
        for chunk in waiting:
            if stopping():
                raise Interrupted
            with claimed(folder, chunk) as mine:
                if not mine:
                    continue
                taken += 1
                if chunk.group not in groups:
                    groups = {chunk.group: _open(plan, chunk.group)}
                hear = logged(folder, plan, chunk, log, functools.partial(say, chunk))
                with full_disk_told(folder), _full_device_told():
                    _carry_out(folder, plan, chunk, groups[chunk.group], hear, stopping, warn)
                    if log:
                        log_chunk(folder, chunk, log)
        if not taken:
            wait(len(waiting))
            time.sleep(1)  # others are at work on the rest; should they be killed, it is taken over here


def _carry_out(
    folder: Path,
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    stopping: Callable[[], bool],
    warn: Callable[[str], None],
) -> None:
    minutes = plan.trials[chunk.runs[0][0]].config.engine.checkpoint_minutes
    place = checkpoint_folder(folder, chunk)
    kept = Checkpoints(place, _signature(plan, chunk, group.engine), 60 * minutes, stopping, warn)
    try:
        began = time.monotonic()
        try:
            predictions, curves = train_chunk(plan, chunk, group, on_call, kept)
        finally:
            note_sitting(folder, chunk, time.monotonic() - began)
        if isinstance(group.engine, RememberingEngine):
            save_models(folder, plan, chunk, group.experiment, group.engine.learned)
        write_chunk(folder, chunk, predictions, curves)
        kept.discard()
    finally:
        kept.close()


@contextmanager
def _full_device_told() -> Iterator[None]:
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise MerjaxError(f"the device's memory does not hold a chunk's runs; {SMALLER}") from error
        raise


def _signature(plan: Plan, chunk: Chunk, engine: Engine) -> str:
    """What a checkpoint depends on, beside the plan's trials, which the folder vouches for."""
    data = plan.groups[chunk.group]
    parts = (plan.version, data.store_hash, data.split_hash, chunk.seed, chunk.runs, chunk.width)
    return hashlib.blake2b(
        repr((*parts, engine.steps_per_call, len(engine.devices))).encode(), digest_size=8
    ).hexdigest()
