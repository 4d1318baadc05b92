"""One process's part of a sweep: it takes chunks that no other process has, trains them, and saves their predictions."""

import functools
import hashlib
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from filelock import Timeout

from merjax.engine import Engine
from merjax.engine.checkpoints import Checkpoints
from merjax.methods.memory import SMALLER
from merjax.sweeps.folder import checkpoint_folder, claimed, is_finished, read_plan, write_chunk
from merjax.sweeps.kept_stages import is_awaited, remove_unneeded
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.provenance import note_files, note_sitting
from merjax.sweeps.running.curve_logs import CurveLogs, Log
from merjax.sweeps.running.listener import NOBODY, Listener, Listeners
from merjax.sweeps.running.shards import WHOLE, Shard
from merjax.sweeps.running.shared_stages import given_to, next_work, part_to_train, train_and_keep
from merjax.sweeps.running.train_chunk import Group, compile_chunk, open_group, train_chunk
from merjax.sweeps.running.underway_notes import UnderwayNotes
from merjax.sweeps.saved_models import save_models
from merjax.sweeps.stage_library import Library, open_library
from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError, full_disk_told
from merjax.system.files import safe_name
from merjax.system.jax_setup import programs_are_kept
from merjax.system.locks import lock_at
from merjax.system.paths import make_folder
from merjax.system.signals import Interrupted


def take_chunks(
    folder: Path,
    listener: Listener = NOBODY,
    stopping: Callable[[], bool] = lambda: False,
    shard: Shard = WHOLE,
    log: Log | None = None,
    beside: bool = False,
) -> None:
    """Train the chunks of a sweep's folder until all are finished, here or by the other processes that share it.

    Args:
        folder: the sweep's folder.
        listener: is called after every call of every chunk, for checkpoints that cannot be used, and about once a second while
            this process waits for others, with the number of chunks that these have.
        stopping: is called after every call; once it returns true, the training ends.
        shard: the share of the chunks to train.
        log: write training curves in this format too, see `merjax.sweeps.running.curve_logs`.
        beside: whether other processes of this machine train at the same time, so that each compiles a part of the programs.

    Raises:
        Interrupted: `stopping` said so; the unfinished chunk is saved.
        MerjaxError: no space is left on the disk, or in the device's memory.
    """
    plan = read_plan(folder)
    notes = UnderwayNotes(folder, plan)
    listener = Listeners(*([CurveLogs(folder, plan, log)] if log else []), notes, listener)
    library = open_library(plan.trials[0].config.engine, listener.warned)
    groups: dict[int, Group] = {}
    while unfinished := [chunk for chunk in shard.of(plan) if not is_finished(folder, chunk)]:
        taken = 0
        for chunk in next_work(folder, plan, unfinished):
            if stopping():
                raise Interrupted
            with claimed(folder, chunk) as mine:
                if not mine:
                    continue
                taken += 1
                step = at_work("training", f"chunk {chunk.number} of {folder}")
                with step, full_disk_told(folder), _full_device_told():
                    if chunk.group not in groups:
                        groups = {chunk.group: open_group(plan, chunk.group)}
                    if _train_and_save(folder, plan, chunk, groups[chunk.group], library, listener, stopping, beside):
                        listener.finished(chunk)
        if not taken:
            listener.waiting(len(unfinished))
            time.sleep(1)  # other processes train the rest; if they are killed, this process takes it over
    remove_unneeded(folder, plan, plan.stages)


def _train_and_save(
    folder: Path,
    plan: Plan,
    chunk: Chunk,
    group: Group,
    library: Library,
    listener: Listener,
    stopping: Callable[[], bool],
    beside: bool,
) -> bool:
    """Train a chunk and save what it gives; False if it has to wait, since what it takes cannot be used."""
    given = given_to(folder, plan, chunk, group, listener.warned)
    if given is None:
        return False
    place = checkpoint_folder(folder, chunk)
    if chunk.shared:
        whole = chunk
        chunk, place = part_to_train(folder, whole, group, library)
        # asked once it is known what lacks: it may lack since another process has finished all that waited for it
        if not (chunk.runs and is_awaited(folder, plan, whole)):
            return True
    minutes = plan.trials[chunk.runs[0][0]].config.engine.checkpoint_minutes
    checkpoints = Checkpoints(place, _signature(plan, chunk, group.engine), 60 * minutes, stopping, listener.warned)
    called = functools.partial(listener.called, chunk)
    try:
        with _noted(folder, chunk):
            if beside and programs_are_kept():
                compile_chunk(plan, chunk, group, functools.partial(_claimed_program, folder, chunk.group), given)
            if chunk.shared:
                train_and_keep(folder, plan, chunk, group, called, checkpoints, library)
            else:
                predictions, curves, learned = train_chunk(plan, chunk, group, called, checkpoints, given)
        if not chunk.shared:
            save_models(folder, plan, chunk, group.data, learned)
            write_chunk(folder, chunk, predictions, curves)
            note_files(folder, chunk)
        checkpoints.discard()
        remove_unneeded(folder, plan, plan.needed_by([chunk]))
    finally:
        checkpoints.close()
    return True


@contextmanager
def _claimed_program(folder: Path, group: int, name: str, wait: bool) -> Iterator[bool]:
    """Take a program of a group if no other process of this machine has it; the claim ends with the process, however it ends.

    Other machines may have other processors, and keep programs of their own.
    """
    make_folder(folder / "locks")
    lock = lock_at(folder / "locks" / f"program-{safe_name(platform.node())}-{group}-{name}.lock")
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def _noted(folder: Path, chunk: Chunk) -> Iterator[None]:
    """Note how long the block worked on a chunk."""
    began = time.monotonic()
    try:
        yield
    finally:
        note_sitting(folder, chunk, time.monotonic() - began)


@contextmanager
def _full_device_told() -> Iterator[None]:
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            raise MerjaxError(f"the device's memory does not hold a chunk's runs; {SMALLER}") from error
        raise


def _signature(plan: Plan, chunk: Chunk, engine: Engine) -> str:
    """What a checkpoint depends on besides the plan's trials, which are the same for the whole folder."""
    data = plan.groups[chunk.group]
    hashes = (data.store_hash, *filter(None, [data.feature_hash]), data.split_hash)
    parts = (plan.version, *hashes, chunk.seed, chunk.runs, chunk.width)
    return hashlib.blake2b(
        repr((*parts, engine.steps_per_call, len(engine.devices))).encode(), digest_size=8
    ).hexdigest()
