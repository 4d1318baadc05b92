"""Where a release keeps its clips: finds their folders from any of the usual top folders, and their frames by number."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from merjax.system.errors import MerjaxError, visible
from merjax.system.paths import is_foreign, lacks_folder, lacks_own_content, listed

IMAGES = (".jpg", ".jpeg", ".bmp", ".png")
FoldersIn = Callable[[Path], list[Path]]  # the folders inside a folder
_DEPTH = 5  # real releases are less deep, even if an archive was unpacked into a folder of its own name


@dataclass(frozen=True)
class FolderLayout:
    """How one database names its folders.

    Attributes:
        flag: the command-line flag that the folder came from, for messages to the user.
        example: a clip's path below the folder of subjects.
        subject: pattern of a subject's folder.
        clips: the clip folders of a subject's folder; the function that it is given lists folders.
        key: (subject, clip) of a clip folder, as the MEGC lists write them.
        foreign: whether a folder of subjects belongs to another release.
    """

    flag: str
    example: str
    subject: re.Pattern[str]
    clips: Callable[[Path, FoldersIn], list[Path]]
    key: Callable[[Path], tuple[str, str]]
    foreign: Callable[[Path], bool] = lambda base: False


@dataclass(frozen=True)
class Folder:
    """A clip's folder: (subject, clip) as the MEGC lists write them, and its images by frame number."""

    key: tuple[str, str]
    path: Path
    frames: Mapping[int, list[Path]] = field(repr=False)


def subfolders(folder: Path, passed_over: list[str]) -> list[Path]:
    """Folders inside a folder, sorted; links to folders count. See `merjax.system.paths.listed`."""
    return [entry for entry in listed(folder, passed_over) if entry.is_dir()]


def find_folders(root: Path, layout: FolderLayout) -> tuple[Path, list[Folder], list[str]]:
    """The folder of subjects of the one release at or below `root`, its clips, and sentences about what was passed over.

    Args:
        root: any folder at most five levels above the folder of subjects, or that folder itself.
        layout: the names to look for.

    Raises:
        MerjaxError: there is no such folder, nothing in it looks like the release, it holds no image, or it holds two copies
            of the release.
    """
    (base, *_), folders, passed_over = find_parts(root, layout, most=1)
    return base, folders, passed_over


def find_parts(root: Path, layout: FolderLayout, most: int | None = None) -> tuple[list[Path], list[Folder], list[str]]:
    """The folders of subjects of a release that comes in parts, all their clips, and sentences about what was passed over.

    Args:
        root, layout: see `find_folders`.
        most: how many parts there may be; None means any number.

    Raises:
        MerjaxError: see `find_folders`.
    """
    bases, passed_over = find_bases(root, layout, most)
    folders = [
        Folder(text_key(layout.key(clip)), clip, frames_of(clip, passed_over)) for _, clips in bases for clip in clips
    ]
    if not any(folder.frames for folder in folders):
        raise without_images(bases, passed_over)
    return [base for base, _ in bases], folders, list(dict.fromkeys(passed_over))


def find_bases(
    root: Path, layout: FolderLayout, most: int | None = None
) -> tuple[list[tuple[Path, list[Path]]], list[str]]:
    """The folders of subjects, each with its clip folders, unread, and sentences about what was passed over.

    Args and errors: see `find_parts`.
    """
    if lacking := lacks_folder(root):
        raise MerjaxError(f"{root} {lacking}; point {layout.flag} at the unpacked release")
    passed_over: list[str] = []
    folders_in = partial(subfolders, passed_over=passed_over)
    top = root.resolve()
    bases: dict[Path, tuple[Path, list[Path]]] = {}
    for base, clips in _bases(top, layout, folders_in, (top,)):
        if not layout.foreign(base):
            bases.setdefault(base.resolve(), (base, clips))  # a linked folder is not a second copy
    if not bases:
        here = ", ".join(f"'{folder.name}'" for folder in subfolders(root, [])[:5]) or "no folders"
        raise MerjaxError(
            f"{root}: nothing like {layout.example} at or below it (found {here}{_and(passed_over)}); "
            f"point {layout.flag} at the folder that holds the subjects' folders"
        )
    if most is not None and len(bases) > most:
        names = " and ".join(f"'{base}'" for base in bases)
        raise MerjaxError(f"{root}: holds the clips more than once, in {names}; point {layout.flag} at one of them")
    return [*bases.values()], passed_over


def without_images(bases: list[tuple[Path, list[Path]]], passed_over: list[str]) -> MerjaxError:
    """The error that the clip folders of a release hold no image."""
    return MerjaxError(
        f"{bases[0][0]}: there are {sum(len(clips) for _, clips in bases)} clip folders but no {', '.join(IMAGES)} image in "
        f"them{_and(passed_over)}; unpack the release's images there"
    )


def _and(passed_over: list[str]) -> str:
    return "".join(f"; {sentence}" for sentence in dict.fromkeys(passed_over[:3]))


def text_key(key: tuple[str, str]) -> tuple[str, str]:
    """A key that every file can hold, even where a folder's name holds bytes that are not text."""
    return visible(key[0]), visible(key[1])


def _bases(
    folder: Path, layout: FolderLayout, folders_in: FoldersIn, above: tuple[Path, ...]
) -> Iterator[tuple[Path, list[Path]]]:
    """Folders of subjects with their clip folders; `above` holds the folders on the way, which links must not lead back to."""
    folders = folders_in(folder)
    subjects = [entry for entry in folders if layout.subject.fullmatch(entry.name)]
    clips = [clip for subject in subjects for clip in layout.clips(subject, folders_in)]
    if clips:
        yield folder, clips
    if len(above) <= _DEPTH:
        for entry in folders:
            real = entry.resolve()
            if (not clips or entry not in subjects) and real not in above:
                yield from _bases(entry, layout, folders_in, (*above, real))


def frames_of(folder: Path, passed_over: list[str]) -> dict[int, list[Path]]:
    """Images of a folder by frame number, the last run of digits in the name.

    A number has several files where, say, img46.jpg and reg_img46.jpg lie side by side. A link that leads nowhere and a pipe
    are no images; a sentence about each, or about a folder that cannot be listed, is added to a list.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        listed(folder, passed_over)
        return {}
    frames: dict[int, list[Path]] = {}
    for entry in entries:
        stem, suffix = os.path.splitext(entry.name)
        digits = re.findall(r"\d+", stem)
        if suffix.lower() not in IMAGES or not digits or is_foreign(entry.name):
            continue
        # of a plain file the folder says that it is one; only what is none is looked at, since a release has many thousands
        why = "" if entry.is_file(follow_symlinks=False) else lacks_own_content(folder / entry.name)
        if why:
            passed_over.append(f"{visible(entry.path)} {why}: passed over")
        else:
            frames.setdefault(int(digits[-1]), []).append(folder / entry.name)
    return frames


def first_image(base: Path) -> str:
    """The name of the first image below a folder of subjects; "" if there is none in its first clips."""
    for clip in (clip for subject in subfolders(base, [])[:3] for clip in subfolders(subject, [])[:3]):
        if names := [entry.name for entry in listed(clip, []) if entry.suffix.lower() in IMAGES]:
            return names[0]
    return ""


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
