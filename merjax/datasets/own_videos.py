"""A user's own long videos: a table of videos and one of the expressions in them, or videos as they are."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from merjax.datasets.clip import Kind, database_named
from merjax.datasets.folders import IMAGES
from merjax.datasets.interval_tables import read_intervals, read_videos
from merjax.datasets.long_videos import LongVideo, TrueInterval, pictures_of
from merjax.datasets.overrides import OWN
from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_file, lacks_folder, user_path
from merjax.system.videos import VIDEOS, facts_of, is_video


def read_own_videos(videos: str | Path, intervals: str | Path | None = None) -> tuple[LongVideo, ...]:
    """Your own long videos, and the expressions in them.

    The table of videos has the columns video (a name) and path (a video file or a folder of pictures; a relative one begins at
    the table's folder), and if you like subject, database and fps, which folders need. The table of expressions has video,
    onset, offset and kind, and if you like apex, class, subject and database. Frames count from 1, the first of the video.

    >>> video, = merjax.read_own_videos("data/own/videos.csv", "data/own/intervals.csv")
    >>> video.key, video.truth[0].onset, video.truth[0].kind
    ('own/talk/talk', 1, 'micro')

    Args:
        videos: the table of videos, as text or a workbook.
        intervals: the table of expressions; None where nothing is annotated.

    Returns:
        The videos, in the order of their table.

    Raises:
        MerjaxError: a table cannot be read; a video is not there or has no rate; or an expression is of no video
            of the table or lies outside its video.
    """
    path = user_path(videos)
    table = read_videos(path)
    if "path" not in table:
        raise MerjaxError(
            f"{path}: has no column path; say in it where each video is, a video file or a folder of pictures"
        )
    if table.empty:
        raise MerjaxError(f"{path}: lists no video; write a row for each below the header")
    read = [_video(row, path) for row in table.to_dict("records")]
    if intervals is None:
        return tuple(read)
    return _with_truth(read, user_path(intervals), path)


def video_at(path: str | Path, fps: float | None = None) -> LongVideo:
    """A video file or a folder of pictures by itself, of which nothing is known.

    Args:
        path: its place; the video is called as it is, without the ending.
        fps: frames per second of a folder; a file says its own.

    Raises:
        MerjaxError: there is nothing, or no video; it is empty or cannot be read; a folder has no rate, or a file is given one.
    """
    place = user_path(path).absolute()
    if lacks_folder(place) == "":
        if not pictures_of(place):
            raise MerjaxError(
                f"{path} holds no picture with a number in its name ({', '.join(IMAGES)}); name a folder of frames, or a video"
            )
        if fps is None:
            raise MerjaxError(
                f"{path} is a folder, and pictures have no rate; say with --fps how many a second there are"
            )
        return LongVideo(OWN, place.name, place.name, place, _rate(fps, place))
    if lacking := lacks_file(place):
        raise MerjaxError(f"{path} {lacking}; name a video ({', '.join(VIDEOS)}) or a folder of pictures")
    if not place.stat().st_size:
        raise MerjaxError(f"{path} is empty: it has 0 bytes; copy it again from where it was recorded")
    if not is_video(place):
        raise MerjaxError(f"{path} is no video by its name; name one ({', '.join(VIDEOS)}) or a folder of pictures")
    if fps is not None:
        raise MerjaxError(f"{path} is a video and says its rate itself; --fps is for folders of pictures, leave it out")
    return LongVideo(OWN, place.stem, place.stem, place, _rate(facts_of(place).fps, place))


def _rate(fps: float, place: Path) -> float:
    if not 0 < fps < _FASTEST:
        raise MerjaxError(f"{place} has {fps:g} frames per second; write it anew with its true rate")
    return float(fps)


_FASTEST = 10_000  # frames per second that a camera may have; what some files say is no rate


def _video(row: Mapping[Any, Any], table: Path) -> LongVideo:
    place = (table.parent / user_path(row["path"])).absolute()
    film = is_video(place)
    if lacking := lacks_file(place) if film else lacks_folder(place):
        raise MerjaxError(
            f"{table}: {row['path']} of the video {row['video']} {lacking}; write a folder of pictures or a video "
            f"({', '.join(VIDEOS)})"
        )
    fps = row.get("fps")
    if fps is None or pd.isna(fps):
        if not film:
            raise MerjaxError(
                f"{table}: the video {row['video']} is a folder; say in a column fps how many pictures a second it has"
            )
        fps = facts_of(place).fps
    if not 0 < fps < float("inf"):
        raise MerjaxError(
            f"{table}: the video {row['video']} has {fps:g} frames per second; write its rate in a column fps"
        )
    written = row.get("database") or OWN
    known = database_named(written)
    return LongVideo(
        known.name if known else written, row.get("subject") or row["video"], row["video"], place, float(fps)
    )


def _with_truth(videos: list[LongVideo], table: Path, listed: Path) -> tuple[LongVideo, ...]:
    intervals = read_intervals(table)
    if "kind" not in intervals and not intervals.empty:
        raise MerjaxError(f"{table}: has no column kind; say micro or macro of each expression")
    truth: dict[str, list[TrueInterval]] = {video.key: [] for video in videos}
    for number, row in enumerate(intervals.to_dict("records"), 1):
        own = [video for video in videos if _is_of(row, video)]
        if len(own) != 1:
            which = "is not in" if not own else "stands for several videos of"
            raise MerjaxError(
                f"{table}: the video {row['video']} of interval {number} {which} {listed}; correct one of them"
            )
        truth[own[0].key].append(_true(row))
    return tuple(
        _checked(video, sorted(truth[video.key], key=lambda true: (true.onset, true.offset)), table) for video in videos
    )


def _is_of(row: Mapping[Any, Any], video: LongVideo) -> bool:
    written = row.get("database")
    known = database_named(written) if written else None
    database = known.name if known else written
    return (
        row["video"] == video.name
        and row.get("subject", video.subject) == video.subject
        and (database is None or database == video.database)
    )


def _true(row: Mapping[Any, Any]) -> TrueInterval:
    kind = next(kind for kind in get_args(Kind) if kind == row["kind"])
    apex = row.get("apex", pd.NA)
    return TrueInterval(
        row["onset"] - 1, None if pd.isna(apex) else int(apex) - 1, row["offset"] - 1, kind, row.get("emotion", "")
    )


def _checked(video: LongVideo, truth: list[TrueInterval], table: Path) -> LongVideo:
    """A video with its expressions, all of which must lie within it."""
    length = facts_of(video.frames).frames if is_video(video.frames) else len(pictures_of(video.frames))
    for true in truth:
        said = f"{table}: the interval {true.onset + 1} to {true.offset + 1} of {video.name}"
        if true.onset < 0 or true.offset >= length:
            raise MerjaxError(f"{said} lies outside the video, which has {length} frames, counted from 1; correct it")
        if true.apex is not None and not true.onset <= true.apex <= true.offset:
            raise MerjaxError(f"{said} has its apex outside, at {true.apex + 1}; correct it or leave the apex empty")
    return replace(video, truth=tuple(truth))
