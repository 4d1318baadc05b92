"""Shared stages while a sweep trains: which work is next, what was given, what is trained and kept."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from merjax.engine import Checkpointer, Progress, StageResult, Variables
from merjax.methods.registry import method_of
from merjax.methods.stage_identity import StageReads
from merjax.models.learned import by_name, from_names
from merjax.sweeps.chunks import Chunk, Known, shared_entry
from merjax.sweeps.folder import checkpoint_folder, is_finished
from merjax.sweeps.kept_stages import (
    Kept,
    are_there,
    is_there,
    read_entry,
    remove_asides,
    remove_entry,
    stages_of,
    write_entry,
)
from merjax.sweeps.plan import Plan
from merjax.sweeps.running.train_chunk import Group, specs_of, train_stage
from merjax.sweeps.stage_library import Library
from merjax.system.errors import MerjaxError

Warn = Callable[[str], None]


def next_work(folder: Path, plan: Plan, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
    """Unfinished chunks, each after the shared chunks that it waits for; one that still waits when they were offered is passed
    over, since another process trains them. One that another process has finished meanwhile is passed over, too: what it took
    may be gone.

    Before a chunk that could train, the shared chunks that the next ones need are offered, up to `_AHEAD` of them: so
    processes do not wait at the end while one of them trains the last shared chunk.
    """
    order = list(dict.fromkeys(number for chunk in chunks for number in chunk.needs))
    place = {number: i for i, number in enumerate(order)}
    for chunk in chunks:
        if is_finished(folder, chunk):
            continue
        needed = plan.needed_by([chunk])
        yield from (shared for shared in needed if not are_there(folder, shared))
        if all(are_there(folder, shared) for shared in needed):
            first = place[chunk.needs[0]] if chunk.needs else len(order)
            ahead = (plan.chunk(number) for number in order[first : first + _AHEAD])
            yield from (shared for shared in ahead if not are_there(folder, shared))
            yield chunk


_AHEAD = 4  # shared chunks, with that of the chunk itself; more would keep more on the disk at a time


def train_and_keep(
    folder: Path,
    plan: Plan,
    chunk: Chunk,
    group: Group,
    on_call: Callable[[Progress], None],
    checkpointer: Checkpointer,
    library: Library,
) -> None:
    """Train the jobs of a shared chunk, or of a part of it, and keep what they give."""
    assert chunk.shared
    place, reads = stages_of(folder), _reads(group)
    result = train_stage(plan, chunk, group, on_call, checkpointer)
    for p, entry in enumerate(chunk.shared.entries):
        if not is_there(place, entry):
            write_entry(place, entry, reads, result, p, variables=group.config.engine.save_models)
        library.offer(entry, place)


def part_to_train(folder: Path, chunk: Chunk, group: Group, library: Library) -> tuple[Chunk, Path]:
    """The part of a shared chunk whose outputs are neither there nor in the library, and the place of its checkpoints.

    The place tells which part it is: a process that was killed while it wrote the outputs of a part goes on with the whole of
    that part, which was trained already. What it has left half-written is removed.
    """
    assert chunk.shared
    place = stages_of(folder)
    remove_asides(place, chunk.shared.entries)
    reads, variables = _reads(group), group.config.engine.save_models
    lacking = [
        p
        for p, entry in enumerate(chunk.shared.entries)
        if not (is_there(place, entry) or library.fetch(entry, place, reads, variables=variables))
    ]
    plain = checkpoint_folder(folder, chunk)
    for begun in sorted(plain.parent.glob(f"{plain.name}-*")):
        part = _part(begun.name.rpartition("-")[2], len(chunk.runs))
        if set(lacking) <= set(part) and any(begun.iterdir()):
            lacking = part if lacking else []
            break
    mask = f"{sum(1 << p for p in lacking):x}"
    entries = tuple(chunk.shared.entries[p] for p in lacking)
    own = chunk._replace(runs=tuple(chunk.runs[p] for p in lacking), shared=chunk.shared._replace(entries=entries))
    return own, plain.with_name(f"{plain.name}-{mask}")


def _part(mask: str, runs: int) -> list[int]:
    """The runs that a hexadecimal mask names."""
    return [p for p in range(runs) if int(mask, 16) >> p & 1]


def given_to(folder: Path, plan: Plan, chunk: Chunk, group: Group, warn: Warn) -> dict[bool, StageResult] | None:
    """What the shared stage gave to the runs of a chunk, by whether inner subjects are left out.

    None if something of it cannot be used: then it was removed, and its job has to be trained again.
    """
    if not chunk.needs:
        return {}
    specs, given = specs_of(plan, chunk), {}
    for inner in {shared.shared.inner for shared in plan.needed_by([chunk]) if shared.shared}:
        data = group.inside if inner else group.data
        assert data is not None
        known: Known = {}
        kept = [_usable(folder, shared_entry(data, spec, known), group, warn) for spec in specs]
        if any(one is None for one in kept):
            return None
        given[inner] = _together([one for one in kept if one is not None])
    return given


def _usable(folder: Path, asked: tuple[str, str] | None, group: Group, warn: Warn) -> Kept | None:
    assert asked is not None
    place, (_, entry) = stages_of(folder), asked
    if not is_there(place, entry):
        return None
    try:
        return read_entry(place, entry, _reads(group), variables=group.config.engine.save_models)
    except MerjaxError as error:
        warn(str(error))
        remove_entry(place, entry)
        return None


def _together(kept: Sequence[Kept]) -> StageResult:
    """What several jobs gave, as of runs that trained together; outputs stay where they are on disk."""
    curves = {name: np.stack([one.curves[name] for one in kept]) for name in kept[0].curves}
    variables = Variables({})
    if kept[0].variables is not None:
        named = [by_name(one.variables) for one in kept if one.variables is not None]
        variables = from_names({name: np.stack([own[name] for own in named]) for name in named[0]})
    return StageResult(variables, [one.output for one in kept], curves, None)


def _reads(group: Group) -> StageReads:
    reads = method_of(group.config.method).shared
    assert reads is not None
    return reads
