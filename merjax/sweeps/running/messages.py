"""Messages by which a worker process passes on the calls of a `Listener` to its parent: a line of JSON for each call."""

import json
import os
import sys
from typing import Any

from merjax.engine import Progress
from merjax.sweeps.plan import Chunk, Plan
from merjax.sweeps.running.listener import Listener


class MessageWriter(Listener):
    """Writes each call to the standard output, as a line that `pass_on` reads. Curves are left out."""

    def called(self, chunk: Chunk, progress: Progress) -> None:
        _write({"called": chunk.number, "progress": progress._replace(history={})._asdict()})

    def finished(self, chunk: Chunk) -> None:
        _write({"finished": chunk.number})

    def warned(self, sentence: str) -> None:
        _write({"warned": sentence})

    def waiting(self, chunks: int) -> None:
        _write({"waiting": chunks})


def pass_on(line: str, plan: Plan, listener: Listener) -> None:
    """Pass a line of a worker on to a listener. Any other line was printed by a library and becomes a warning."""
    match _parsed(line):
        case {"called": number, "progress": {"loss": [low, high]} as progress}:
            listener.called(plan.chunk(number), Progress(**{**progress, "loss": (low, high)}))
        case {"finished": number}:
            listener.finished(plan.chunk(number))
        case {"warned": sentence}:
            listener.warned(sentence)
        case {"waiting": chunks}:
            listener.waiting(chunks)
        case _:
            listener.warned(line.rstrip())


def _write(message: dict[str, Any]) -> None:
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:  # the sweep was killed; this process ends when it next looks for its parent
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        return json.loads(line)
    except ValueError:
        return None
