"""The folders of a sweep's shards, put together into one."""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from merjax.sweeps.folder import chunk_files, is_finished, open_folder, read_plan, record_path
from merjax.sweeps.plan import Plan
from merjax.sweeps.same_sweep import refuse_another
from merjax.system.errors import MerjaxError
from merjax.system.files import write_aside
from merjax.system.paths import is_file


def merge(folders: Sequence[Path], out: Path) -> Plan:
    """Copy the finished chunks of several folders of one sweep into one folder.

    Args:
        folders: the folders that the shards wrote, each a sweep's folder.
        out: the folder to copy to; it is made if it does not exist, and may be one of `folders`.

    Returns:
        The sweep's plan.

    Raises:
        MerjaxError: a folder holds another sweep, or the sweep cut into other chunks.
    """
    plan = open_folder(out, read_plan(folders[0]))
    for folder in folders:
        other = read_plan(folder)
        refuse_another(plan, other, out)
        if other.chunks != plan.chunks:
            raise MerjaxError(
                f"{folder} cut the sweep into other chunks than {out}; run all shards with the same number of shards, "
                "or give all of them the same engine.chunk"
            )
    for folder in folders:
        for chunk in plan.chunks:
            if is_finished(folder, chunk) and not is_finished(out, chunk):
                for source in filter(is_file, (record_path(folder, chunk), *chunk_files(folder, chunk))):
                    write_aside(out / source.name, functools.partial(shutil.copyfile, source))
        for record in filter(is_file, (record_path(folder, shared) for shared in plan.stages)):
            if not is_file(out / record.name):
                write_aside(out / record.name, functools.partial(shutil.copyfile, record))
        if (folder / "models").is_dir() and folder.resolve() != out.resolve():
            shutil.copytree(folder / "models", out / "models", dirs_exist_ok=True)
    return plan
