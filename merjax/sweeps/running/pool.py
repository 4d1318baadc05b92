"""Carries out a plan: in this process, or by one pinned worker process per core."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import jax

from merjax.engine import Progress
from merjax.methods.memory import SMALLER
from merjax.sweeps.chunks import balanced_width
from merjax.sweeps.folder import damaged_files, is_finished
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.curve_logs import Log
from merjax.sweeps.running.listener import Listener
from merjax.sweeps.running.messages import pass_on
from merjax.sweeps.running.shards import WHOLE, Shard
from merjax.system.ending import FaultElsewhere
from merjax.system.environment import HERE, without_host_devices
from merjax.system.errors import WORKERS, MerjaxError
from merjax.system.locks import lockless
from merjax.system.processes import cores
from merjax.system.signals import STOPPED, Interrupted, unheard_by_children

_LAST_WORDS_SECONDS = 5.0  # for reading what an ended worker has left in the pipe


def worker_count(asked: int) -> int:
    """The number of processes that share the chunks: what was asked for, or else one per core on a CPU and one elsewhere."""
    if asked:
        return asked
    return len(cores()) if jax.default_backend() == "cpu" else 1


def carry_out(
    folder: Path,
    plan: Plan,
    workers: int,
    listener: Listener,
    stopping: Callable[[], bool] = lambda: False,
    shard: Shard = WHOLE,
    log: Log | None = None,
) -> None:
    """Train all chunks of a shard that are not finished.

    Args:
        folder: the sweep's folder.
        plan: its plan.
        workers: the number of processes; if it is one, the chunks are trained in this process.
        listener: is called when something happens, one call after another; `waiting` only once all workers wait.
        stopping: is called again and again; once it returns true, the training ends.
        shard: the share of the chunks to train.
        log: write training curves in this format too, see `merjax.sweeps.running.curve_logs`.

    Raises:
        Interrupted: `stopping` said so; everything is saved.
        MerjaxError: a worker failed; the message holds the end of its output.
    """
    unfinished = [chunk for chunk in shard.of(plan) if not is_finished(folder, chunk)]
    if not unfinished:
        return
    for sentence in (kept_chunks(folder, plan), lockless(folder), *damaged_files(folder, unfinished)):
        if sentence:
            listener.warned(sentence)
    workers = min(workers, len(unfinished))
    crew = _Crew(workers, listener)
    if workers == 1:
        from merjax.sweeps.running.take_chunks import take_chunks
        from merjax.system.jax_setup import prepare_backend

        prepare_backend()
        take_chunks(folder, crew.member(0), stopping, shard, log)
    else:
        environment, told = without_host_devices() if _on_cpu() else (dict(HERE), "")
        if told:
            listener.warned(told)
        arguments = [str(folder), "--shard", str(shard), *(["--log", log] if log else [])]
        _run_workers(arguments, environment, plan, crew, stopping)


def kept_chunks(folder: Path, plan: Plan) -> str:
    """A sentence if a sweep was started with chunks of another width than its settings now ask for; "" if not."""
    along = plan.stages or not plan.trials[0].config.engine.share  # cut along shared chunks, they may be narrower
    for chunk in plan.chunks:
        asked = plan.trials[plan.group_of_trial.index(chunk.group)].config.engine.chunk
        if not asked:
            continue
        runs = sum(len(c.runs) for c in plan.chunks if (c.group, c.seed) == (chunk.group, chunk.seed))
        if chunk.width > asked if along else chunk.width != balanced_width(runs, asked):
            return (
                f"{folder} was started with chunks of {chunk.width} runs and keeps them, although engine.chunk is now "
                f"{asked}; choose another --out to cut the sweep again"
            )
    return ""


class _Crew:
    """The workers of a sweep, which call a listener as if they were one: `waiting` is called once, when all of them wait."""

    def __init__(self, workers: int, listener: Listener) -> None:
        self.workers, self.listener = workers, listener
        self.waiting, self.told_of_waiting = set[int](), False
        self.lock = threading.Lock()  # a thread reads the output of each worker; one at a time calls the listener

    def member(self, number: int) -> Listener:
        """The listener for one of the workers."""
        return _Member(number, self)


class _Member(Listener):
    def __init__(self, number: int, crew: _Crew) -> None:
        self.number, self.crew = number, crew

    def called(self, chunk: Chunk, progress: Progress) -> None:
        with self.crew.lock:
            self.crew.waiting.discard(self.number)
            self.crew.listener.called(chunk, progress)

    def finished(self, chunk: Chunk) -> None:
        with self.crew.lock:
            self.crew.listener.finished(chunk)

    def warned(self, sentence: str) -> None:
        with self.crew.lock:
            self.crew.listener.warned(sentence)

    def waiting(self, chunks: int) -> None:
        crew = self.crew
        with crew.lock:
            crew.waiting.add(self.number)
            if len(crew.waiting) == crew.workers and not crew.told_of_waiting:
                crew.told_of_waiting = True
                crew.listener.waiting(chunks)


def _run_workers(
    arguments: list[str], environment: dict[str, str], plan: Plan, crew: _Crew, stopping: Callable[[], bool]
) -> None:
    mine = cores()
    with tempfile.TemporaryDirectory() as logs:
        processes, readers = [], []
        try:
            for i in range(crew.workers):
                log = Path(logs) / f"{i}.log"
                own = ["--parent", str(os.getpid()), *(["--core", str(mine[i % len(mine)])] if _on_cpu() else [])]
                with log.open("w") as errors, unheard_by_children():
                    process = subprocess.Popen(
                        [sys.executable, "-m", "merjax.sweeps.running.worker", *arguments, *own],
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        text=True,
                        env=environment,
                    )
                processes.append((process, log))
                readers.append(threading.Thread(target=_read, args=(process, plan, crew.member(i)), daemon=True))
                readers[-1].start()
            _wait(processes, stopping)
        finally:
            for process, _ in processes:
                if process.poll() is None:
                    process.terminate()
            for process, _ in processes:
                process.wait()
            for reader in readers:
                reader.join(_LAST_WORDS_SECONDS)


def _wait(processes: list[tuple[subprocess.Popen, Path]], stopping: Callable[[], bool]) -> None:
    """Wait for all workers; the first that fails ends the others, and so does a request to stop."""
    running = True
    while running:
        running = any(process.poll() is None for process, _ in processes)
        if stopping():
            for process, _ in processes:
                process.terminate()
            for process, _ in processes:
                process.wait()
            raise Interrupted
        for process, log in processes:
            if process.poll() in STOPPED:
                raise Interrupted  # the machine asked the worker itself
            if process.poll():
                raise _failure(process.returncode, log)
        time.sleep(0.1 if running else 0)


def _read(process: subprocess.Popen, plan: Plan, listener: Listener) -> None:
    """Pass on what a worker says to a listener, until the worker ends."""
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            pass_on(line, plan, listener)


def _failure(code: int, log: Path) -> Exception:
    """What the end of a worker means for its parent: bad input, a fault that the worker has reported, or one to report."""
    sentence, text = _last_words(log)
    if code == 1:
        return FaultElsewhere(sentence) if sentence else RuntimeError(f"a worker ended with:\n{text}")
    return MerjaxError(sentence or text or _end_of(code))


def _last_words(log: Path) -> tuple[str, str]:
    """The last sentence that a worker said of itself, and the end of all that it said."""
    text = log.read_text(encoding="utf-8", errors="replace").strip()  # libraries write bytes of any kind
    # not only at a line's start: a thread of a library may have begun a line of its own
    sentences = [line.split(f"{WORKERS}: ", 1)[1] for line in text.splitlines() if f"{WORKERS}: " in line]
    return sentences[-1] if sentences else "", text[-3000:]


def _end_of(code: int) -> str:
    if code == -signal.SIGKILL:
        return f"a worker was killed (exit code {code}), most likely because memory ran out; {SMALLER}, or fewer engine.workers"
    return f"a worker ended with exit code {code}"


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"
