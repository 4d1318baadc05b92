"""Where a release keeps its clips: finds their folders from any of the usual top folders, and their frames by number."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from merjax.system.errors import MerjaxError

IMAGES = (".jpg", ".jpeg", ".bmp", ".png")
_DEPTH = 5  # real releases are less deep, even if an archive was unpacked into a folder of its own name


@dataclass(frozen=True)
class FolderLayout:
    """How one database names its folders.

    Attributes:
        flag: the command-line flag that the folder came from, for messages to the user.
        example: a clip's path below the folder of subjects.
        subject: pattern of a subject's folder.
        clips: the clip folders of a subject's folder.
        key: (subject, clip) of a clip folder, as the MEGC lists write them.
        foreign: whether a folder of subjects belongs to another release.
    """

    flag: str
    example: str
    subject: re.Pattern[str]
    clips: Callable[[Path], list[Path]]
    key: Callable[[Path], tuple[str, str]]
    foreign: Callable[[Path], bool] = lambda base: False


@dataclass(frozen=True)
class Folder:
    """A clip's folder: (subject, clip) as the MEGC lists write them, and its images by frame number."""

    key: tuple[str, str]
    path: Path
    frames: dict[int, list[Path]] = field(repr=False)


def subfolders(folder: Path) -> list[Path]:
    """Visible folders inside a folder, sorted; links to folders count."""
    hidden = (".", "__MACOSX")
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith(hidden) and entry.is_dir())


def find_folders(root: Path, layout: FolderLayout) -> tuple[Path, list[Folder]]:
    """The folder of subjects of the one release at or below `root`, and its clips.

    Args:
        root: any folder at most five levels above the folder of subjects, or that folder itself.
        layout: the names to look for.

    Raises:
        MerjaxError: there is no such folder, nothing in it looks like the release, it holds no image, or it holds two copies
            of the release.
    """
    if not root.is_dir():
        raise MerjaxError(f"{root}: no such folder; point {layout.flag} at the unpacked release")
    found = [(base, clips) for base, clips in _bases(root.resolve(), layout, _DEPTH) if not layout.foreign(base)]
    bases = {base.resolve(): (base, clips) for base, clips in found}  # a linked folder is not a second copy
    if not bases:
        here = ", ".join(f"'{folder.name}'" for folder in subfolders(root)[:5]) or "no folders"
        raise MerjaxError(
            f"{root}: nothing like {layout.example} at or below it (found {here}); "
            f"point {layout.flag} at the folder that holds the subjects' folders"
        )
    if len(bases) > 1:
        names = " and ".join(f"'{base}'" for base in bases)
        raise MerjaxError(f"{root}: holds the clips more than once, in {names}; point {layout.flag} at one of them")
    base, clips = found[0]
    folders = [Folder(layout.key(clip), clip, frames_of(clip)) for clip in clips]
    if not any(folder.frames for folder in folders):
        raise MerjaxError(
            f"{base}: there are {len(folders)} clip folders but no {', '.join(IMAGES)} image in them; "
            "unpack the release's images there"
        )
    return base, folders


def _bases(folder: Path, layout: FolderLayout, depth: int) -> Iterator[tuple[Path, list[Path]]]:
    """Folders of subjects with their clip folders."""
    folders = subfolders(folder)
    subjects = [entry for entry in folders if layout.subject.fullmatch(entry.name)]
    clips = [clip for subject in subjects for clip in layout.clips(subject)]
    if clips:
        yield folder, clips
    if depth > 0:
        for entry in folders:
            if not clips or entry not in subjects:
                yield from _bases(entry, layout, depth - 1)


def frames_of(folder: Path) -> dict[int, list[Path]]:
    """Images of a folder by frame number, the last run of digits in the name.

    A number has several files where, say, img46.jpg and reg_img46.jpg lie side by side.
    """
    frames: dict[int, list[Path]] = {}
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        digits = re.findall(r"\d+", stem)
        if suffix.lower() in IMAGES and digits and not name.startswith("."):
            frames.setdefault(int(digits[-1]), []).append(folder / name)
    return frames


def upwards(folder: Path, top: Path) -> list[Path]:
    """`folder` and its parents up to and including `top`'s parent: where sheets and notes of a release lie."""
    last = top.resolve().parent
    chain = [folder, *folder.parents]
    return chain[: chain.index(last) + 1]


def number_ranges(numbers: list[int]) -> str:
    """Increasing numbers as a reader writes them.

    >>> number_ranges([4, 5, 6, 9])
    '4-6, 9'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
