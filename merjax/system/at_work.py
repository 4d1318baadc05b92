"""What a process is at work on, for the sentence about an error that nobody foresaw."""

from collections.abc import Iterator
from contextlib import contextmanager

_MARK = "merjax was "


@contextmanager
def at_work(step: str, what: object) -> Iterator[None]:
    """Name a step, and the file, clip or folder that it works on: `with at_work("reading", path): ...`.

    An error takes this along as a note, also from a worker process, since notes are pickled with their error.
    """
    try:
        yield
    except Exception as error:
        error.add_note(f"{_MARK}{step} {what}")
        raise


def worked_on(error: BaseException) -> list[str]:
    """What was being done when an error occurred, the innermost step first."""
    notes = getattr(error, "__notes__", [])
    return [note.removeprefix(_MARK) for note in notes if isinstance(note, str) and note.startswith(_MARK)]
