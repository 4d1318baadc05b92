"""Carries out a plan: in this process, or by one pinned worker process per core."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from merjax.methods.memory import SMALLER
from merjax.sweeps.folder import is_finished
from merjax.sweeps.plan import Plan, balanced_width
from merjax.sweeps.running.curve_logs import Log
from merjax.sweeps.running.shards import WHOLE, Shard
from merjax.system.errors import MerjaxError
from merjax.system.processes import cores
from merjax.system.signals import STOPPED, Interrupted


def worker_count(asked: int) -> int:
    """Processes to share the chunks: what was asked for, else one per core on a CPU and one on anything else."""
    if asked:
        return asked
    import jax

    return len(cores()) if jax.default_backend() == "cpu" else 1


def carry_out(
    folder: Path,
    plan: Plan,
    workers: int,
    say: Callable[[dict], None],
    stopping: Callable[[], bool] = lambda: False,
    shard: Shard = WHOLE,
    log: Log | None = None,
) -> None:
    """Train all chunks of a shard that are not finished.

    Args:
        folder: the sweep's folder.
        plan: its plan.
        workers: processes; with one, the work is done here.
        say: hears of every call: worker, chunk, and what `merjax.engine.Progress` holds; and of each `warning`.
        stopping: asked time and again whether to end.
        shard: the share of the chunks to care for.
        log: where the curves of finished runs go besides.

    Raises:
        Interrupted: `stopping` said so; everything is saved.
        MerjaxError: a worker failed; with the end of what it said.
    """
    waiting = [chunk for chunk in shard.of(plan) if not is_finished(folder, chunk)]
    if not waiting:
        return
    if kept := kept_chunks(folder, plan):
        say({"warning": kept})
    workers = min(workers, len(waiting))
    if workers == 1:
        from merjax.sweeps.running.take_chunks import work
        from merjax.system.jax_setup import prepare_backend

        prepare_backend()
        waits = _Waits(1, say)
        work(
            folder,
            lambda chunk, progress: say({"worker": 0, "chunk": chunk.number, **progress._asdict()}),
            stopping,
            lambda sentence: say({"warning": sentence}),
            shard,
            log,
            lambda chunks: waits.hear({"worker": 0, "waiting": chunks}),
        )
    else:
        options = ["--shard", str(shard), *(["--log", log] if log else [])]
        _run_workers([str(folder), *options], workers, say, stopping)


def kept_chunks(folder: Path, plan: Plan) -> str:
    """What to say where a sweep was begun with chunks of another width than its settings now ask for; "" where not."""
    asked = plan.trials[0].config.engine.chunk
    for chunk in plan.chunks if asked else ():
        runs = sum(len(c.runs) for c in plan.chunks if (c.group, c.seed) == (chunk.group, chunk.seed))
        if chunk.width != balanced_width(runs, asked):
            return (
                f"{folder} was begun with chunks of {chunk.width} runs and keeps them, whatever engine.chunk says now "
                f"({asked}); choose another --out to cut the sweep anew"
            )
    return ""


class _Waits:
    """Says once when all of this sweep's processes wait for those of another one."""

    def __init__(self, workers: int, say: Callable[[dict], None]) -> None:
        self.waiting, self.workers, self.say, self.said = set[int](), workers, say, False

    def hear(self, message: dict) -> None:
        """Take in what a worker says, or its end, and pass on what is not about waiting."""
        if "chunk" in message:
            self.waiting.discard(message["worker"])
        if "waiting" not in message:
            self.say(message)
            return
        self.waiting.add(message["worker"])
        if len(self.waiting) == self.workers and not self.said:
            self.said = True
            self.say(
                {
                    "warning": f"other processes are at work on what is left ({message['waiting']} chunks); waiting for them, "
                    "and ready to take over what they do not finish"
                }
            )


def _run_workers(line: list[str], workers: int, say: Callable[[dict], None], stopping: Callable[[], bool]) -> None:
    mine, waits = cores(), _Waits(workers, say)
    with tempfile.TemporaryDirectory() as logs:
        processes = []
        try:
            for i in range(workers):
                log = Path(logs) / f"{i}.log"
                core = ["--core", str(mine[i % len(mine)])] if _on_cpu() else []
                with log.open("w") as errors:
                    process = subprocess.Popen(
                        [sys.executable, "-m", "merjax.sweeps.running.worker", *line, *core],
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        text=True,
                    )
                threading.Thread(target=_relay, args=(i, process, waits.hear), daemon=True).start()
                processes.append((process, log))
            _wait(processes, stopping)
        finally:
            for process, _ in processes:
                if process.poll() is None:
                    process.terminate()
            for process, _ in processes:
                process.wait()


def _wait(processes: list[tuple[subprocess.Popen, Path]], stopping: Callable[[], bool]) -> None:
    """Wait for all workers; the first that fails ends the others, and so does a wish to stop."""
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
                raise MerjaxError(_last_words(log) or _end_of(process.returncode))
        time.sleep(0.1 if running else 0)


def _relay(worker: int, process: subprocess.Popen, say: Callable[[dict], None]) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:  # something that a library printed
                message = {"warning": line.rstrip()}
            say({"worker": worker} | message)


def _last_words(log: Path) -> str:
    text = log.read_text().strip()
    # not only at a line's start: a library's thread may be in the middle of a line of its own
    sentences = [line.split("error: ", 1)[1] for line in text.splitlines() if "error: " in line]
    return sentences[-1] if sentences else text[-3000:]


def _end_of(code: int) -> str:
    if code == -signal.SIGKILL:
        return f"a worker was killed (exit code {code}), most likely for want of memory; {SMALLER}, or fewer engine.workers"
    return f"a worker ended with exit code {code}"


def _on_cpu() -> bool:
    import jax

    return jax.default_backend() == "cpu"
