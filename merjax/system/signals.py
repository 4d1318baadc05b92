"""Ctrl-C, SIGTERM and SIGUSR2 as requests: the running call ends, what was done is saved, then the process ends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """The user or the machine asked the process to stop; everything is saved."""


class _Heard:
    """Which signal asked the process to stop; 0 if none did."""

    unnamed = signal.SIGINT  # counts where something else stopped it

    def __init__(self) -> None:
        self.signal = 0

    @property
    def exit_code(self) -> int:
        """The exit code that a shell expects from a process that a signal ended."""
        return 128 + (self.signal or self.unnamed)


class StopRequests(_Heard):
    """Tells whether the process was asked to stop, and by which signal."""

    unnamed = signal.SIGTERM

    def __call__(self) -> bool:
        return self.signal != 0

    def take(self, number: int, frame: FrameType | None) -> None:
        if self.signal == number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: the user does not want to wait
        self.signal = number


_ENDS = (signal.SIGTERM, *([signal.SIGUSR2] if hasattr(signal, "SIGUSR2") else []))
# exit codes of processes that were asked to stop and saved everything
STOPPED = frozenset(128 + number for number in _ENDS)


@contextmanager
def stop_requests(*, ignore_interrupts: bool = False) -> Iterator[StopRequests]:
    """Handle SIGTERM, SIGINT and SIGUSR2 (which submitit lets Slurm send before the time is up) as requests while the block
    runs.

    Args:
        ignore_interrupts: leave Ctrl-C to the parent process, which passes it on as SIGTERM.
    """
    stop = StopRequests()
    on_interrupt: Callable | int = signal.SIG_IGN if ignore_interrupts else stop.take
    before = {number: signal.signal(number, stop.take) for number in _ENDS}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stop(_Heard):
    """Whether a signal asked a command to stop."""

    def take(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, signal.SIG_DFL)  # asked twice: the process ends at once, without a word
        raise KeyboardInterrupt


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Let Ctrl-C, SIGTERM and SIGUSR2 raise KeyboardInterrupt while the block runs, and note which of them did.

    Ctrl-C stays ignored if it was, as in a shell's background.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may ask for signals
        return
    numbers = [n for n in (signal.SIGINT, *_ENDS) if signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop.take) for number in numbers}
    try:
        yield stop
    finally:
        if not stop.signal:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def unheard_by_children() -> Iterator[None]:
    """Processes that start meanwhile never hear Ctrl-C, which a terminal sends to all: their parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
