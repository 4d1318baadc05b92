"""Long recordings of empty image files for annotated intervals, laid out as the databases are; for the readers' tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from support.placeholder_releases import write_frames


class Interval(NamedTuple):
    """An annotated interval: where its recording lies below the release, and the numbers of its first and last picture."""

    recording: str
    first: int
    last: int


def write_recordings(top: Path, intervals: Iterable[Interval], pattern: str) -> None:
    """The pictures of all intervals; `pattern` is a format string of a picture's number, in which * is its folder's name."""
    numbers: dict[str, set[int]] = {}
    for recording, first, last in intervals:
        numbers.setdefault(recording, set()).update(range(first, last + 1))
    for recording, own in numbers.items():
        write_frames(top / recording, own, pattern.replace("*", Path(recording).name))
