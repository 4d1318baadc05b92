"""Long recordings whose annotated intervals are cut out as clips.

A recording has thousands of pictures and a release hundreds of recordings, so a recording's folder is listed when a row needs
it, and the list is forgotten when another one is needed.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from merjax.datasets.annotations import Key, Row, not_understood, rows_of
from merjax.datasets.assemble import assemble, folded, of_release
from merjax.datasets.clip import DATABASES, Discrepancy, Kind, Published, Recording, Release
from merjax.datasets.folders import Folder, FolderLayout, find_bases, frames_of, text_key, without_images
from merjax.datasets.overrides import Overrides
from merjax.datasets.shown import several
from merjax.system.columns import Sheet
from merjax.system.errors import MerjaxError

Kinds = Literal["micro", "macro", "all"]  # the expressions to take
_LOOKED_INTO = 100  # recordings, to see whether there are any pictures


@dataclass(frozen=True)
class Recordings:
    """The recordings of a release, unread.

    Attributes:
        base: the folder of subjects.
        folders: the recordings' folders by (subject, recording); several where a name stands for several.
        told: sentences about what was passed over.
        damaged: by folder, the numbers of pictures that are not to be used.
    """

    base: Path
    folders: Mapping[Key, list[Path]]
    told: list[str]
    damaged: Mapping[Path, Collection[int]] = field(default_factory=dict)


def find_recordings(root: Path, layout: FolderLayout) -> Recordings:
    """The recordings at or below a folder; see `merjax.datasets.folders.find_folders`.

    Raises:
        MerjaxError: there are none, there are two copies of them, or there is no image in the first of them.
    """
    bases, told = find_bases(root, layout, most=1)
    [(base, places)] = bases
    if not any(frames_of(place, told) for place in places[:_LOOKED_INTO]):
        raise without_images(bases, told)
    folders: dict[Key, list[Path]] = {}
    for place in places:
        folders.setdefault(folded(text_key(layout.key(place))), []).append(place)
    return Recordings(base, folders, told)


def rows_of_kinds(sheet: Sheet, database: str, asked: Kinds) -> tuple[list[Row], list[Discrepancy]]:
    """The rows of a sheet that has a column `kind`, all of them; and what is to be said about those of the kind that is asked.

    A row whose kind cannot be understood is left out.
    """
    lines: dict[Kind, list[tuple[int, dict[str, str]]]] = {kind: [] for kind in get_args(Kind)}
    rows, found = [], []
    for number, cells in sheet.rows:
        kind = next((kind for kind in lines if cells["kind"].lower().startswith(kind)), None)
        if kind:
            lines[kind].append((number, cells))
        else:
            reason = not_understood(sheet, number, "kind", cells["kind"], ": it is neither micro nor macro")
            found.append(Discrepancy(database, cells["subject"], cells["clip"], reason, dropped=True))
    for kind, own in lines.items():
        read, told = rows_of(replace(sheet, rows=tuple(own)), DATABASES[database])
        rows += [replace(row, kind=kind) for row in read]
        found += told if asked in (kind, "all") else []
    return rows, found


def counted(rows: Sequence[Row], published: Mapping[Kind, Published]) -> str:
    """A sentence about how many rows of each kind a sheet has, and whether as many are published."""
    there = {kind: _count(row for row in rows if row.kind == kind) for kind in published}
    as_published = "as published" if there == published else f"NOT the published {_in_words(published)}"
    return f"annotated: {_in_words(there)}; {as_published}"


def _count(rows: Iterator[Row]) -> Published:
    subjects = Counter(row.subject for row in rows)
    return Published(subjects.total(), len(subjects))


def _in_words(counts: Mapping[Kind, Published]) -> str:
    return " and ".join(f"{n.clips:,} {kind}-expressions of {n.subjects} subjects" for kind, n in counts.items())


def cut_out(
    database: str,
    root: Path,
    rows: Sequence[Row],
    recordings: Recordings,
    discrepancies: Sequence[Discrepancy],
    overrides: Overrides | None,
    *,
    kind: Kinds,
    published: Published,
    named: Callable[[Key], str] = lambda key: key[1],
    **how: Any,
) -> Release:
    """The release of a database of recordings: a clip for each row of a kind, cut out of its recording.

    Args:
        database, root, overrides: see `merjax.datasets.assemble.assemble`.
        rows: the annotations of all kinds.
        recordings: where they lie.
        discrepancies: those found earlier.
        kind: the expressions to take.
        published: what is published of these.
        named: a recording's name among its subject's, by its key; "" for a folder that is no recording.
        how: further arguments of `assemble`.

    Raises:
        MerjaxError: see `assemble`; or not one annotated recording is there.
    """
    places = {folded(row.place) for row in rows if kind in (row.kind, "all")}
    passed_over: list[str] = []
    folders = [
        Folder(place, path, _Listed(path, recordings.damaged.get(path, ()), passed_over))
        for place in sorted(places & recordings.folders.keys())
        for path in recordings.folders[place]
    ]
    if not folders:
        asked, there = ("/".join(min(keys, default=("", "none"))) for keys in (places, recordings.folders.keys()))
        raise MerjaxError(
            f"{root}: none of the {several(len(places), 'annotated recording')} is there (the sheet's first is {asked}, the "
            f"folder's {there}); check that sheet and images belong together"
        )
    told = [*recordings.told]
    if unused := len(recordings.folders.keys() - places):
        what = "expression" if kind == "all" else f"{kind}-expression"
        told.append(f"{unused} of {len(recordings.folders)} recordings have no annotated {what}")
    release = assemble(
        database,
        root,
        rows,
        folders,
        [*discrepancies, *of_release(database, told)],
        overrides,
        wanted=lambda row: kind in (row.kind, "all"),
        published=published,
        **how,
    )
    listed = tuple(_recordings(recordings, named))
    return replace(
        release, recordings=listed, discrepancies=(*release.discrepancies, *of_release(database, passed_over))
    )


def _recordings(recordings: Recordings, named: Callable[[Key], str]) -> Iterator[Recording]:
    """The recordings, without those that lie there twice, of which `assemble` tells."""
    for key, paths in sorted(recordings.folders.items()):
        if len(paths) == 1 and (name := named(key)):
            yield Recording(key[0], name, paths[0], frozenset(recordings.damaged.get(paths[0], ())))


class _Listed(Mapping[int, list[Path]]):
    """The pictures of a recording by number, listed when they are first asked for."""

    def __init__(self, folder: Path, without: Collection[int], told: list[str]) -> None:
        self.folder, self.without, self.told = folder, frozenset(without), told

    def _frames(self) -> Mapping[int, list[Path]]:
        frames, told = _frames_in(self.folder)
        self.told += [sentence for sentence in told if sentence not in self.told]
        return frames

    def __getitem__(self, number: int) -> list[Path]:
        if number in self.without:
            raise KeyError(number)
        return self._frames()[number]

    def __iter__(self) -> Iterator[int]:
        return (number for number in self._frames() if number not in self.without)

    def __len__(self) -> int:
        return len(self._frames().keys() - self.without)


@lru_cache(maxsize=1)
def _frames_in(folder: Path) -> tuple[dict[int, list[Path]], list[str]]:
    told: list[str] = []
    return frames_of(folder, told), told
