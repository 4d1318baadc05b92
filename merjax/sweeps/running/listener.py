"""Listeners, which a sweep calls while it trains: progress bars, clocks, logs of curves."""

from merjax.engine import Progress
from merjax.sweeps.plan import Chunk


class Listener:
    """Is called while a sweep trains, and does nothing; a subclass overrides the methods that it needs.

    Several processes may train at the same time. Calls come one after another, and each names its chunk; a chunk is trained by
    one process at a time.
    """

    def called(self, chunk: Chunk, progress: Progress) -> None:
        """A call of a chunk's compiled programs is over."""

    def finished(self, chunk: Chunk) -> None:
        """A chunk's predictions and curves are saved."""

    def warned(self, sentence: str) -> None:
        """There is a warning that the user should read."""

    def waiting(self, chunks: int) -> None:
        """All that is left, this number of chunks, is being trained by other processes; this one waits for them."""


class Listeners(Listener):
    """Several listeners as one; each is called in turn."""

    def __init__(self, *listeners: Listener) -> None:
        self.listeners = listeners

    def called(self, chunk: Chunk, progress: Progress) -> None:
        for listener in self.listeners:
            listener.called(chunk, progress)

    def finished(self, chunk: Chunk) -> None:
        for listener in self.listeners:
            listener.finished(chunk)

    def warned(self, sentence: str) -> None:
        for listener in self.listeners:
            listener.warned(sentence)

    def waiting(self, chunks: int) -> None:
        for listener in self.listeners:
            listener.waiting(chunks)


NOBODY = Listener()
