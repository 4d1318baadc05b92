"""A sweep divided among machines that do not talk to each other: each takes a fixed share of the chunks."""

import functools
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from merjax.errors import MerjaxError
from merjax.plan import Chunk, Plan, refuse_another
from merjax.results import chunk_files, is_finished, open_folder, read_plan, record_path
from merjax.store import write_aside


class Shard(NamedTuple):
    """One share of a sweep: the `number`-th, from 1, of `total`."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"

    def of(self, plan: Plan) -> list[Chunk]:
        """The chunks of this share. Every `total`-th one, so that groups are spread evenly."""
        return [chunk for chunk in plan.chunks if chunk.number % self.total == self.number - 1]


WHOLE = Shard(1, 1)


def parse_shard(text: str) -> Shard:
    """Read "2/5", the second of five shards.

    Raises:
        MerjaxError: anything else.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise MerjaxError(f'--shard is "{text}"; write which of how many, from 1/5 to 5/5')
    return Shard(int(match[1]), int(match[2]))


def array_shard(environment: Mapping[str, str] = os.environ) -> Shard:
    """The shard that a Slurm job array's task stands for; the whole sweep outside of one."""
    if "SLURM_ARRAY_TASK_ID" not in environment or "SLURM_ARRAY_TASK_COUNT" not in environment:
        return WHOLE
    task, first, step = (
        int(environment.get(f"SLURM_ARRAY_TASK_{name}", default))
        for name, default in (("ID", 0), ("MIN", 0), ("STEP", 1))
    )
    return Shard((task - first) // step + 1, int(environment["SLURM_ARRAY_TASK_COUNT"]))


def merge(folders: Sequence[Path], out: Path) -> Plan:
    """Bring the finished chunks of several folders of one sweep together in another.

    Args:
        folders: what the shards wrote, each a sweep's folder.
        out: where to; made when needed, and may be one of them.

    Returns:
        The sweep's plan.

    Raises:
        MerjaxError: a folder of another sweep, or one that was cut into other chunks.
    """
    plan = open_folder(out, read_plan(folders[0]))
    for folder in folders:
        other = read_plan(folder)
        refuse_another(plan, other, out)
        if other.chunks != plan.chunks:
            raise MerjaxError(
                f"{folder} cut the sweep into other chunks than {out}; run all shards with the same number of shards, "
                "or say the same engine.chunk to all"
            )
    for folder in folders:
        for chunk in plan.chunks:
            if is_finished(folder, chunk) and not is_finished(out, chunk):
                record = record_path(folder, chunk)
                for source in ([record] if record.is_file() else []) + list(chunk_files(folder, chunk)):
                    write_aside(out / source.name, functools.partial(shutil.copyfile, source))
        if (folder / "models").is_dir() and folder.resolve() != out.resolve():
            shutil.copytree(folder / "models", out / "models", dirs_exist_ok=True)
    return plan
