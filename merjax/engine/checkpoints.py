"""Checkpoints of a running chunk, one per stage and written by orbax, so that a stop loses little work."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from merjax.engine import Saved
from merjax.system.errors import MerjaxError, first_line, full_disk_told
from merjax.system.signals import Interrupted

_KEPT = 2  # if the newest is damaged, there is another


class Checkpoints:
    """The checkpoints of one chunk.

    Args:
        folder: holds nothing else; made when needed.
        signature: of all settings that must be equal for a checkpoint to be usable; checkpoints with another signature are
            set aside.
        seconds: least time between two checkpoints of a stage.
        stopping: is called after every call; once it returns true, the stage is saved and `Interrupted` is raised.
        warn: is called with a sentence for each checkpoint that cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        signature: str,
        seconds: float,
        stopping: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.folder, self.signature, self.seconds = folder.absolute(), signature, seconds
        self.stopping, self.warn = stopping, warn
        self.last_save = time.monotonic()
        self.managers: dict[str, ocp.CheckpointManager] = {}
        logging.getLogger("absl").setLevel(logging.ERROR)  # orbax reports every file that it touches

    def restore(self, stage: str, like: Any) -> Saved | None:
        """The newest undamaged checkpoint of a stage, or None."""
        if not (self.folder / stage).is_dir():
            return None
        manager = self._manager(stage)
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                if other := _names_held(manager, step) ^ _names(like):
                    self._set_aside(stage, step, f"holds other arrays than this merjax keeps ({min(other)})")
                    continue
                found = manager.restore(step, args=_restore_args(like))
            except Exception as error:  # a damaged file makes orbax raise errors of many kinds
                self._set_aside(stage, step, f"cannot be read ({first_line(error)})")
                continue
            if found.meta["signature"] != self.signature:
                self._set_aside(stage, step, "was made with other settings")
                continue
            history = {name: np.array(values) for name, values in found.arrays["history"].items()}
            return Saved(found.arrays["state"], history, found.meta["done"], found.meta["stream"])
        return None

    def after_call(self, stage: str, saved: Callable[[], Saved], finished: bool) -> None:
        """Save if it is time to, if the stage is finished or if a stop was asked for.

        Raises:
            Interrupted: a stop was asked for, and the stage is saved.
            MerjaxError: saving failed; older checkpoints are unchanged.
        """
        stopping = self.stopping()
        if not (stopping or finished or time.monotonic() - self.last_save >= self.seconds):
            return
        try:
            with full_disk_told(self.folder):
                self._save(stage, saved())
        except MerjaxError:
            raise
        except Exception as error:
            raise MerjaxError(f"cannot save a checkpoint in {self.folder / stage}: {first_line(error)}") from error
        self.last_save = time.monotonic()
        if stopping:
            raise Interrupted

    def discard(self) -> None:
        """Remove all checkpoints: the chunk is finished."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        for manager in self.managers.values():
            manager.close()
        self.managers.clear()

    def _save(self, stage: str, now: Saved) -> None:
        meta = {"signature": self.signature, "done": now.done, "stream": now.stream}
        arrays = {"state": now.state, "history": now.history}
        manager = self._manager(stage)
        if now.done not in manager.all_steps():
            args = ocp.args.Composite(arrays=ocp.args.StandardSave(arrays), meta=ocp.args.JsonSave(meta))
            manager.save(now.done, args=args)
        manager.wait_until_finished()

    def _set_aside(self, stage: str, step: int, reason: str) -> None:
        place = self.folder / stage / str(step)
        aside = self.folder / f"{stage}-{step}-left-out"
        shutil.rmtree(aside, ignore_errors=True)
        place.rename(aside)
        self.managers[stage].reload()
        self.warn(f"the checkpoint {place} {reason}; it is left out and kept as {aside.name}")

    def _manager(self, stage: str) -> ocp.CheckpointManager:
        if stage not in self.managers:
            options = ocp.CheckpointManagerOptions(max_to_keep=_KEPT, create=True, enable_async_checkpointing=False)
            handlers = {"arrays": ocp.StandardCheckpointHandler(), "meta": ocp.JsonCheckpointHandler()}
            (self.folder / stage).mkdir(parents=True, exist_ok=True)
            self.managers[stage] = ocp.CheckpointManager(self.folder / stage, options=options, item_handlers=handlers)
        return self.managers[stage]


def _restore_args(like: Any) -> ocp.args.Composite:
    arrays = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like)
    return ocp.args.Composite(arrays=ocp.args.StandardRestore(arrays), meta=ocp.args.JsonRestore())


def _names_held(manager: ocp.CheckpointManager, step: int) -> set[str]:
    """The names of a checkpoint's arrays.

    Raises:
        Exception: of any kind, if the checkpoint is damaged.
    """
    held = manager.item_metadata(step)["arrays"]
    if held is None:
        raise ValueError("it has no list of its arrays")
    return _names(held.tree)


def _names(tree: Any) -> set[str]:
    return set(ocp.tree.to_flat_dict(tree, sep="."))
