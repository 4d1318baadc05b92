"""Found and true intervals put side by side: which videos they are of, and what does not agree."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from merjax.datasets.interval_tables import read_intervals, read_videos
from merjax.datasets.shown import several
from merjax.system.errors import MerjaxError

VIDEO = ["database", "subject", "video"]


@dataclass(frozen=True)
class Spotted:
    """Intervals that were found in videos, and the true ones.

    Attributes:
        videos: a row per video that counts, with its number as index: database and subject ("" where no table says), video,
            and frames (missing where no table says).
        found: a row per found interval: video (a number of `videos`), onset and offset (frames, both in the interval), kind
            ("micro" or "macro"; "" where kinds are not told apart), emotion ("" where there is none), confidence (missing
            where there is none).
        truth: the same of the true ones.
        notes: what one must know about these tables, a sentence each.
    """

    videos: pd.DataFrame
    found: pd.DataFrame
    truth: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def has_kinds(self) -> bool:
        """Whether micro- and macro-expressions are told apart."""
        return bool((self.truth["kind"] != "").any() or (self.found["kind"] != "").any())

    @property
    def has_subjects(self) -> bool:
        """Whether the subject of every video is known."""
        return bool((self.videos["subject"] != "").all())


def read_spotted(found: Path, truth: Path, videos: Path | None = None) -> Spotted:
    """Read tables of found and of true intervals, and the list of all videos, if there is one.

    With a list, these are the videos that count, and an interval of any other is refused. Without one, the videos of both
    tables count, and those that only one of them has are told.

    Raises:
        MerjaxError: a table cannot be read (see `merjax.datasets.interval_tables`), no video is in both tables, a video is not
            in the list, or a video's name does not say whose it is.
    """
    tables = {found: read_intervals(found), truth: read_intervals(truth)}
    if videos is not None:
        tables[videos] = read_videos(videos)
    elif tables[truth].empty:
        raise MerjaxError(
            f"{truth} holds no interval; name the table of true intervals, or give the videos with --videos"
        )
    named = {path: _named(table, path, tables) for path, table in tables.items()}
    return put_together(named[found], named[truth], named.get(videos) if videos else None, (found, truth, videos))


def put_together(
    found: pd.DataFrame, truth: pd.DataFrame, listed: pd.DataFrame | None, names: tuple[Any, Any, Any]
) -> Spotted:
    """Number the videos of intervals.

    Args:
        found, truth: intervals with all columns of `VIDEO`, as `read_intervals` gives them otherwise.
        listed: the videos that count, with these columns; None for all that the intervals are of.
        names: what messages call the three.
    """
    found_name, truth_name, listed_name = names
    counted = pd.concat([truth[VIDEO], found[VIDEO]]) if listed is None else listed
    videos = counted.drop_duplicates(VIDEO).reset_index(drop=True)
    videos["frames"] = (
        videos["frames"].astype("Int64") if "frames" in videos else pd.array([pd.NA] * len(videos), "Int64")
    )
    for intervals, name in ((found, found_name), (truth, truth_name)):
        strange = _without(intervals, videos)
        if len(strange):
            raise MerjaxError(f"{name}: {_listing(strange)} not in {listed_name}; complete it, or correct the names")
    notes = _notes_on_videos(found, truth, names) if listed is None else []
    told = [name for name, table in ((found_name, found), (truth_name, truth)) if "kind" in table]
    untold = [name for name, table in ((found_name, found), (truth_name, truth)) if "kind" not in table and len(table)]
    if told and untold:
        notes.append(f"Micro- and macro-expressions are not told apart: {untold[0]} has no column kind.")
    number = {key: n for n, key in enumerate(map(tuple, videos[VIDEO].to_numpy()))}
    both = [_numbered(table, number, not untold) for table in (found, truth)]
    notes += _notes_on_truth(both[1], videos)
    return Spotted(videos, both[0], both[1], tuple(notes))


def _named(table: pd.DataFrame, path: Path, tables: Mapping[Path, pd.DataFrame]) -> pd.DataFrame:
    """A table with all columns of `VIDEO`: what it lacks is taken from the tables that say it of the same video."""
    table = table.copy()
    for column in ("database", "subject"):
        if column not in table:
            saying = [other[["video", column]] for other in tables.values() if column in other]
            said = pd.concat(saying).groupby("video")[column].agg(set).to_dict() if saying else {}
            table[column] = [_only(said.get(video, set()), column, video, path) for video in table["video"]]
        if column == "database":
            table[column] = table[column].map(plain_database)
    return table


def _only(said: Iterable[str], column: str, video: str, path: Path) -> str:
    """What is said of a video by its name alone; "" if nothing is."""
    different = (
        {plain_database(value): value for value in sorted(said)} if column == "database" else {v: v for v in said}
    )
    if len(different) > 1:
        raise MerjaxError(
            f"{path}: there are several videos {video}, of the {column}s {', '.join(sorted(different.values()))}; add a "
            f"column {column}"
        )
    return next(iter(different.values()), "")


def plain_database(written: str) -> str:
    """A database's name so that all its spellings agree: "CAS(ME)^2" and "cas(me)^2" are one."""
    return written.lower().replace(" ", "").replace("-", "").replace("_", "")


def _without(intervals: pd.DataFrame, videos: pd.DataFrame) -> pd.DataFrame:
    """The intervals whose video is not among those."""
    there = set(map(tuple, videos[VIDEO].to_numpy()))
    return intervals[[tuple(key) not in there for key in intervals[VIDEO].to_numpy()]]


def _numbered(table: pd.DataFrame, number: Mapping[tuple, int], with_kinds: bool) -> pd.DataFrame:
    numbers = [number[tuple(key)] for key in table[VIDEO].to_numpy()]
    return pd.DataFrame(
        {
            "video": pd.Series(numbers, dtype=int),
            "onset": table["onset"].to_numpy(int),
            "offset": table["offset"].to_numpy(int),
            "kind": table["kind"].to_numpy(object) if with_kinds and "kind" in table else "",
            "emotion": table["emotion"].to_numpy(object) if "emotion" in table else "",
            "confidence": table["confidence"].to_numpy(float) if "confidence" in table else float("nan"),
        }
    )


def _notes_on_videos(found: pd.DataFrame, truth: pd.DataFrame, names: tuple[Any, Any, Any]) -> list[str]:
    """What is to be known of videos that one table alone has; without any common video, the names must be wrong."""
    found_name, truth_name, _ = names
    only_found, only_truth = _without(found, truth), _without(truth, found)
    if len(found) and len(only_found) == len(found):
        raise MerjaxError(
            f"{found_name}: {_listing(found)} not in {truth_name}, whose first is {_key(truth.iloc[0])}; name videos "
            "alike in both, or give the list of all with --videos"
        )
    notes = []
    if len(only_found):
        notes.append(
            f"{_listing(only_found)} in {found_name} alone: without --videos, these count as videos without expressions, "
            f"and what is found there, {several(len(only_found), 'interval')}, as false."
        )
    if len(only_truth):
        missed = several(len(only_truth), "true interval")
        notes.append(f"{_listing(only_truth)} in {truth_name} alone, so nothing is found there: {missed} missed.")
    return notes


def _notes_on_truth(truth: pd.DataFrame, videos: pd.DataFrame) -> list[str]:
    notes = []
    pairs = sum(_overlapping(own) for _, own in truth.groupby(["video", "kind"]))
    if pairs:
        notes.append(
            f"{several(pairs, 'pair')} of true intervals overlap; each is to be found by an interval of its own."
        )
    frames_V = videos["frames"].to_numpy(float, na_value=float("inf"))
    beyond = int((truth["offset"].to_numpy() > frames_V[truth["video"].to_numpy()]).sum())
    if beyond:
        notes.append(
            f"{several(beyond, 'true interval')} with an offset after the last frame of the video, counted as written."
        )
    return notes


def _overlapping(intervals: pd.DataFrame) -> int:
    """How many pairs of intervals share a frame."""
    onset, offset = intervals["onset"].to_numpy(), intervals["offset"].to_numpy()
    meet = (onset[:, None] <= offset[None]) & (onset[None] <= offset[:, None])
    return (int(meet.sum()) - len(intervals)) // 2


def _listing(intervals: pd.DataFrame, most: int = 3) -> str:
    """ "2 videos (s15/15_0101, s16/16_0102) are"."""
    keys = [_key(row) for _, row in intervals.drop_duplicates(VIDEO).iterrows()]
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return f"{several(len(keys), 'video')} ({', '.join(keys[:most])}{more}) {'are' if len(keys) > 1 else 'is'}"


def _key(row: pd.Series) -> str:
    return "/".join(row[name] for name in VIDEO if row[name])
