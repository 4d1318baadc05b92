"""A listener that records its calls."""

from merjax.engine import Progress
from merjax.sweeps.plan import Chunk
from merjax.sweeps.running.listener import Listener


class Recorded(Listener):
    """Attributes: told, a tuple for each call: the method's name, then its arguments, with chunks by their numbers."""

    def __init__(self) -> None:
        self.told: list[tuple] = []

    def called(self, chunk: Chunk, progress: Progress) -> None:
        self.told.append(("called", chunk.number, progress))

    def finished(self, chunk: Chunk) -> None:
        self.told.append(("finished", chunk.number))

    def warned(self, sentence: str) -> None:
        self.told.append(("warned", sentence))

    def waiting(self, chunks: int) -> None:
        self.told.append(("waiting", chunks))
