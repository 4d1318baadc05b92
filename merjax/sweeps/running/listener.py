"""What a sweep tells while it trains, to whom it may concern: progress bars, clocks, logs of curves."""

from merjax.engine import Progress
from merjax.sweeps.plan import Chunk


class Listener:
    """Is called while a sweep trains, and does nothing; a subclass writes the methods that it needs.

    Several processes may train at the same time: calls come one after another, and each names its chunk, which is trained by
    one process at a time.
    """

    def called(self, chunk: Chunk, progress: Progress) -> None:
        """A call of a chunk's compiled programs is over."""

    def finished(self, chunk: Chunk) -> None:
        """A chunk's predictions and curves are saved."""

    def warned(self, sentence: str) -> None:
        """There is something that the user should read."""

    def waiting(self, chunks: int) -> None:
        """There is nothing to do here but to wait for other processes, which have so many chunks."""


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
