"""Worker processes that work on a store's clips."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

import cv2

from merjax.system.errors import MerjaxError
from merjax.system.processes import callers_script_hidden
from merjax.system.signals import unheard_by_children

Task = TypeVar("Task")
Result = TypeVar("Result")


def spread(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """The results of tasks, in the order in which they are finished; a stopped call still gives those that are under way.

    Args:
        work: what is done with a task; it and the tasks are pickled.
        tasks: one per clip.
        workers: the number of processes.

    Raises:
        MerjaxError: a worker was killed.
        KeyboardInterrupt: after the last result of a stopped call.
    """
    if not tasks:
        return
    # spawned, not forked: the caller may hold threads (JAX does), and a forked child of those can hang
    with ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn"), initializer=_start_worker) as pool:
        with callers_script_hidden(), unheard_by_children():
            futures = [pool.submit(work, task) for task in tasks]
        waiting = set(futures)
        try:
            for future in as_completed(futures):
                waiting.discard(future)
                yield future.result()
        except KeyboardInterrupt:  # the clips that are being worked on are finished, and kept
            for future in [future for future in waiting if not future.cancel()]:
                yield future.result()
            raise
        except BrokenProcessPool:
            raise MerjaxError(
                "a worker was killed, perhaps because memory ran out; run the same line again, with fewer --workers"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)
    # an unreadable image is reported in the store, as the reason for leaving out its clip
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    # a parent that is killed cannot stop its workers, and they would wait for more jobs for ever
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
