"""From long videos to a motion store: faces, landmarks and motion, in parallel and restartable video by video."""

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from merjax.datasets.assemble import synthetic_statement
from merjax.datasets.long_videos import LongVideo, pictures_of
from merjax.faces import landmarks
from merjax.faces.pictures import Image, read_image
from merjax.stores import workers as worker_processes
from merjax.stores.finding_faces import finder, numbered, steadiest
from merjax.stores.motion_pieces import folder_of_piece, pieces_of, put_together
from merjax.stores.motion_store import MotionStore, StoredVideo, open_motion_store
from merjax.stores.motion_writing import close_motion_store, video_folder, video_hash
from merjax.stores.video_motion import (
    WHOLE,
    MeasuredPiece,
    MotionSettings,
    Piece,
    VideoFacts,
    measure_piece,
    measure_video,
    write_motion,
)
from merjax.stores.writing import refuse_occupied
from merjax.system.at_work import at_work
from merjax.system.console import told, warn
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json
from merjax.system.locks import alone_at
from merjax.system.own_files import read_json
from merjax.system.paths import holds_something, lacks_file, make_folder, user_path
from merjax.system.processes import cores
from merjax.system.videos import facts_of, frame_path, is_video

_MARKER, _DONE = "partial.json", "video.json"
_LOOKED_INTO = 9  # pictures of a video with several faces


def prepare_motion_store(
    videos: Sequence[LongVideo],
    out: str | Path,
    *,
    face: int | None = None,
    hertz: float = 30.0,
    pieces: int = 1,
    workers: int | None = None,
    model: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MotionStore:
    """Measure the motion of faces in long videos and write it to a motion store at `out`.

    The store is written to `<out>.partial` and gets its name when it is whole. Videos that are finished when a call is stopped
    are kept, and the same call goes on with the others. A video that cannot be used is listed in the store with its reason.

    >>> videos = merjax.long_videos(merjax.read_casme_squared("data/casme_squared", kind="all"))
    >>> store = merjax.prepare_motion_store(videos, "stores/long")
    >>> store.videos[0].key, store.motion(store.videos[0]).shape[1:]
    ('casme_squared/s15/15_0101', (6, 2))

    Args:
        videos: what `merjax.long_videos` or `merjax.read_own_videos` gave.
        out: folder of the store; must not exist.
        face: which face to take where a video shows several, counted from the left, from 1; None for the steadiest.
        hertz: about how many pictures a second are read at most: of a faster video every n-th.
        pieces: how many pieces a video is cut into, so that several processes measure one video. With another number of them
            motion is a little different: the head's place is found anew where a piece begins.
        workers: number of processes, each with a video or piece of its own; by default one per core that this process may use.
        model: file of dlib's 68-point model; by default found as `merjax.faces.landmarks.find_model` says.
        progress: called with (videos done, videos in all); by default a terminal or a notebook shows a bar.

    Returns:
        The store, opened.

    Raises:
        MerjaxError: there are no videos, two have one name, the output exists already, the landmark model is missing, or no
            video is usable.
    """
    out, settings = user_path(out), MotionSettings(hertz=hertz, face=face, pieces=pieces)
    _refuse_impossible(videos, settings)
    refuse_occupied(out)
    found = landmarks.find_model(model)
    with alone_at(out, "preparing"), told("measuring motion", progress) as heard:
        partial = out.with_name(out.name + ".partial")
        _open_partial(partial, videos, settings)
        _measure_all(partial, videos, settings, found, workers or len(cores()), heard)
        with at_work("writing the store", out):
            _finish(partial, videos, settings)
        partial.rename(out)
        (out / _MARKER).unlink(missing_ok=True)
    return open_motion_store(out)


def _refuse_impossible(videos: Sequence[LongVideo], settings: MotionSettings) -> None:
    if not videos:
        raise MerjaxError("there is no long video to prepare; name a release or a table of videos")
    keys = [video.key for video in videos]
    if repeated := next((key for key in keys if keys.count(key) > 1), ""):
        raise MerjaxError(f"two videos are called {repeated}; give each a name of its own")
    if settings.face is not None and settings.face < 1:
        raise MerjaxError(f"face {settings.face}: count faces from the left, from 1")
    if settings.pieces < 1:
        raise MerjaxError(f"pieces {settings.pieces}: write a number from 1")
    if not settings.hertz > 0:
        raise MerjaxError(f"hertz {settings.hertz:g}: write a number of pictures a second above 0")


def _open_partial(partial: Path, videos: Sequence[LongVideo], settings: MotionSettings) -> None:
    """Make the folder, or go on with the one of an earlier preparation of the same videos in the same way."""
    marker, fingerprint = partial / _MARKER, _fingerprint(videos, settings)
    if lacks_file(marker) != "does not exist":
        try:
            noted = read_json(marker, "the preparation begins anew").get("fingerprint", "")
        except MerjaxError as error:
            warn(str(error))
            noted = ""
        if noted == fingerprint:
            return
        shutil.rmtree(partial)
    elif holds_something(partial):
        raise MerjaxError(f"{partial} is in the way and was not made by merjax; remove it or choose another folder")
    make_folder(partial)
    write_json(marker, {"fingerprint": fingerprint})


def _fingerprint(videos: Sequence[LongVideo], settings: MotionSettings) -> str:
    lines = [repr(settings), *(f"{v.key} {v.frames} {v.fps} {sorted(v.damaged)} {v.truth}" for v in videos)]
    return hashlib.blake2b("\n".join(lines).encode(errors="surrogateescape"), digest_size=16).hexdigest()


class _Job(NamedTuple):
    """A piece of a video to measure, by its number among the video's pieces."""

    number: int
    video: LongVideo
    piece: int
    place: Piece


class _Result(NamedTuple):
    """What was measured of a piece, or why it cannot be; neither for a video as a whole, which is written already."""

    job: _Job
    measured: MeasuredPiece | None = None
    reason: str = ""


def _measure_all(
    partial: Path,
    videos: Sequence[LongVideo],
    settings: MotionSettings,
    model: Path,
    workers: int,
    progress: Callable[[int, int], None],
) -> None:
    left = {n: pieces_of(video, settings) for n, video in enumerate(videos) if not _is_done(partial / video_folder(n))}
    jobs = [_Job(n, videos[n], k, place) for n, places in left.items() for k, place in enumerate(places)]
    for n in left:
        shutil.rmtree(partial / video_folder(n), ignore_errors=True)
    done = len(videos) - len(left)
    progress(done, len(videos))
    work = functools.partial(_work, partial=partial, settings=settings, model=model)
    results: dict[int, list[_Result]] = {n: [] for n in left}
    for result in worker_processes.spread(work, jobs, workers):
        n = result.job.number
        results[n].append(result)
        if len(results[n]) == len(left[n]):
            _put_together(partial / video_folder(n), left[n], results.pop(n), settings)
            done += 1
            progress(done, len(videos))


def _is_done(folder: Path) -> bool:
    """Whether a video is whole and its arrays are those that were noted; one that was dropped may have been repaired since."""
    try:
        noted = read_json(folder / _DONE, "")
        return "reason" not in noted and noted["hash"] == video_hash(folder)
    except Exception:  # of what a killed process left, libraries raise errors of many kinds
        return False


def _work(job: _Job, partial: Path, settings: MotionSettings, model: Path) -> _Result:
    """Measure a video in a folder of its own, in which `video.json` is written last; or a piece of one."""
    folder, whole = partial / video_folder(job.number), job.place == WHOLE
    place = folder if whole else folder_of_piece(folder, job.piece)
    place.mkdir(parents=True)
    with at_work("measuring the video", job.video.key):
        several = (
            numbered(settings.face)
            if settings.face is not None
            else steadiest(functools.partial(_some_pictures, job.video), model)
        )
        find = finder(model, several)
        if whole:
            _close(folder, lambda: measure_video(job.video, folder, settings, find))
            return _Result(job)
        try:
            return _Result(job, measure_piece(job.video, place, settings, find, job.place))
        except MerjaxError as error:
            return _Result(job, reason=str(error))


def _put_together(folder: Path, pieces: Sequence[Piece], results: Sequence[_Result], settings: MotionSettings) -> None:
    """Finish a video that was measured in pieces."""
    if len(pieces) == 1:
        return
    in_order = sorted(results, key=lambda result: result.job.piece)

    def write() -> VideoFacts:
        if reason := next((result.reason for result in in_order if result.measured is None), ""):
            raise MerjaxError(reason)
        measured = put_together(folder, pieces, [result.measured for result in in_order if result.measured is not None])
        return write_motion(in_order[0].job.video, folder, settings, measured)

    _close(folder, write)


def _close(folder: Path, write: Callable[[], VideoFacts]) -> None:
    """Write what was measured, and `video.json`, which says what is known about it or why nothing is."""
    try:
        facts = write()
    except MerjaxError as error:
        write_json(folder / _DONE, {"reason": str(error)})
        return
    write_json(folder / _DONE, {**facts._asdict(), "hash": video_hash(folder)})


def _some_pictures(video: LongVideo) -> Iterator[Image]:
    """Some pictures of a video, evenly over all of it."""
    if is_video(video.frames):
        paths = [frame_path(video.frames, n) for n in range(facts_of(video.frames).frames)]
    else:
        paths = [*pictures_of(video.frames, video.damaged).values()]
    for n in np.linspace(0, len(paths) - 1, _LOOKED_INTO).astype(int):
        yield read_image(paths[n])


def _finish(partial: Path, videos: Sequence[LongVideo], settings: MotionSettings) -> None:
    stored, hashes, dropped = [], [], []
    for n, video in enumerate(videos):
        folder = video_folder(n)
        noted = read_json(partial / folder / _DONE, "run the same line again")
        if "reason" in noted:
            dropped.append({"video": video.key, "reason": noted["reason"]})
            continue
        hashes.append(noted.pop("hash"))
        facts = VideoFacts(**noted)
        gaps = tuple((first, last) for first, last in facts.gaps)
        names = video.database, video.subject, video.name
        stored.append(StoredVideo(*names, facts.fps, facts.n_frames, video.truth, gaps, folder, tuple(facts.told)))
    if not stored:
        reasons = "; ".join(f"{one['video']}: {one['reason']}" for one in dropped[:3])
        raise MerjaxError(f"none of the {len(videos)} videos could be prepared ({reasons})")
    statement = " ".join(dict.fromkeys(filter(None, (synthetic_statement(video.frames.parent) for video in videos))))
    close_motion_store(partial, stored, hashes, settings.as_dict, dropped=dropped, statement=statement)
