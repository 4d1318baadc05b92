"""Recordings of one's own, from video files to intervals: motion, spotting, recognition, in a folder that can be continued.

A folder of results holds `intervals.csv` with the intervals of all videos, `analysis.json` with what else is known about them,
and a folder for each video: `motion/`, its motion store, and with a model `clips/`, the clip store of its intervals.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from merjax.datasets.long_videos import LongVideo
from merjax.faces.landmarks import find_model
from merjax.models.found_motion import analysis_of, measured
from merjax.models.own_video import Analysis
from merjax.stores.motion_store import open_motion_store
from merjax.stores.usable_face import refuse_faceless
from merjax.system.at_work import at_work
from merjax.system.errors import MerjaxError
from merjax.system.files import safe_name, write_json
from merjax.system.locks import alone_at
from merjax.system.own_files import read_json
from merjax.system.paths import holds_something, lacks_file, make_folder, refuse_taken, user_path
from merjax.system.versions import __version__

if TYPE_CHECKING:  # motion is looked at without JAX
    from merjax.models.final_model import FinalModel
    from merjax.models.model import Model
    from merjax.models.recognising import Recogniser

INTERVALS, FACTS, MOTION, CAMERA = "intervals.csv", "analysis.json", "motion", "camera.avi"
WARNED_BELOW, REFUSED_BELOW = 25.0, 15.0  # frames per second
_MARKER = "partial.json"

Finish = Callable[[Sequence[Analysis], Path], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Asked:
    """What is asked about recordings.

    Attributes:
        face: which face to take where a video shows several, counted from the left, from 1; None for the steadiest.
        anyway: whether to take a video that is too slow, or a model that may be no better than chance.
        workers: number of processes; None for one per core.
        landmark_model: file of dlib's 68-point model; None to find it.
    """

    face: int | None = None
    anyway: bool = False
    workers: int | None = None
    landmark_model: str | Path | None = None


def analyse_all(
    videos: Sequence[LongVideo],
    out: str | Path,
    model: "FinalModel | Model | str | Path | None" = None,
    asked: Asked | None = None,
    *,
    finish: Finish = lambda analyses, folder: None,
    progress: Progress | None = None,
) -> tuple[Analysis, ...]:
    """Find the expressions in several recordings; see `merjax.models.analyse_video.analyse`.

    Args:
        videos: what `merjax.datasets.own_videos.video_at` gives; of equal names, a number makes the second another.
        out, model, progress: see there.
        asked: what is asked about all of them.
        finish: called with what was found and the unfinished folder of results, to write more into it.
    """
    out, asked, videos = user_path(out), asked or Asked(), _named_apart(videos)
    refuse_taken(out)
    slow = {video.key: told_of_rate(video, asked.anyway) for video in videos}
    landmark_model = find_model(asked.landmark_model)
    recogniser = _recogniser(model, asked.anyway)
    for video in videos:
        refuse_faceless(video, landmark_model)
    with alone_at(out, "analysing"):
        partial = partial_of(out)
        _open_partial(partial, videos, recogniser, asked)
        analyses = []
        for video in videos:
            folder = partial / folder_of(video, videos)
            with at_work("analysing", video.frames):
                found = _found(video, folder, recogniser, asked, landmark_model, progress)
            analyses.append(replace(found, told=(*slow[video.key], *found.told)))
        _write(analyses, partial, recogniser)
        finish(analyses, partial)
        (partial / _MARKER).unlink()
        partial.rename(out)
    return tuple(
        replace(
            found,
            store=open_motion_store(out / folder_of(video, videos) / MOTION),
            source=out / CAMERA if found.source == (partial / CAMERA).absolute() else found.source,
        )
        for found, video in zip(analyses, videos, strict=True)
    )


def partial_of(out: Path) -> Path:
    """The folder of unfinished results."""
    return out.with_name(out.name + ".partial")


def place_of_camera(out: Path) -> Path:
    """Where the recording of a camera belongs among unfinished results, whose folder is made."""
    partial = partial_of(out)
    if not holds_something(partial):
        make_folder(partial)
        write_json(partial / _MARKER, {"fingerprint": ""})
    return partial / CAMERA


def folder_of(video: LongVideo, videos: Sequence[LongVideo]) -> str:
    """The folder of one of some videos in the results."""
    return safe_name(video.name, [other.name for other in videos]) or "video"


def told_of_rate(video: LongVideo, anyway: bool) -> tuple[str, ...]:
    """A sentence about a video that is slow for micro-expressions.

    Raises:
        MerjaxError: it is too slow, and is not to be taken anyway.
    """
    if video.fps >= WARNED_BELOW:
        return ()
    said = (
        f"{video.frames.name} has {video.fps:g} frames per second: a micro-expression of half a second has "
        f"{round(video.fps / 2)} of them"
    )
    if video.fps < REFUSED_BELOW and not anyway:
        raise MerjaxError(
            f"{said}, too few to find it; record at {WARNED_BELOW:g} or more, or add --anyway for what is left"
        )
    return (f"{said}, and many may be missed",)


def _named_apart(videos: Sequence[LongVideo]) -> list[LongVideo]:
    if not videos:
        raise MerjaxError("there is no video to analyse; name a video file or a folder of pictures")
    seen: dict[str, int] = {}
    named = []
    for video in videos:
        seen[video.name] = seen.get(video.name, 0) + 1
        name = video.name if seen[video.name] == 1 else f"{video.name} ({seen[video.name]})"
        named.append(replace(video, name=name, subject=name))
    return named


def _recogniser(model: "FinalModel | Model | str | Path | None", anyway: bool) -> "Recogniser | None":
    if model is None:
        return None
    from merjax.models.recognising import recogniser_of

    return recogniser_of(model, anyway)


def _open_partial(partial: Path, videos: Sequence[LongVideo], recogniser: "Recogniser | None", asked: Asked) -> None:
    """Make the folder, or go on with that of an earlier call for the same videos, model and settings."""
    fingerprint = _fingerprint(videos, recogniser, asked)
    if lacks_file(partial / _MARKER) == "":
        try:
            if read_json(partial / _MARKER, "").get("fingerprint") == fingerprint:
                return
        except MerjaxError:
            pass  # damaged: it does not say what it was for
        _empty(partial)
    elif holds_something(partial):
        raise MerjaxError(f"{partial} is in the way and was not made by merjax; remove it or choose another folder")
    make_folder(partial)
    write_json(partial / _MARKER, {"fingerprint": fingerprint})


def _empty(partial: Path) -> None:
    """Remove all but what a camera has recorded."""
    for entry in partial.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != CAMERA:
            entry.unlink()


def _fingerprint(videos: Sequence[LongVideo], recogniser: "Recogniser | None", asked: Asked) -> str:
    lines = [f"face {asked.face}", "" if recogniser is None else repr(recogniser.model.card)]
    for video in videos:
        stat = video.frames.stat()
        lines.append(f"{video.key} {video.frames} {video.fps} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.blake2b("\n".join(lines).encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _found(
    video: LongVideo,
    folder: Path,
    recogniser: "Recogniser | None",
    asked: Asked,
    landmark_model: Path,
    progress: Progress | None,
) -> Analysis:
    """What is found in one video, in its folder of the unfinished results."""
    make_folder(folder)
    store = measured(video, folder / MOTION, asked.face, asked.workers, landmark_model, progress)
    analysis = analysis_of(video, store)
    if recogniser is None:
        return analysis
    from merjax.models.recognising import recognised

    return recognised(analysis, recogniser, folder, landmark_model, asked.workers)


def _write(analyses: Sequence[Analysis], folder: Path, recogniser: "Recogniser | None") -> None:
    table = pd.concat([found.table.assign(video=found.name) for found in analyses], ignore_index=True)
    table[["video", *(column for column in table if column != "video")]].to_csv(folder / INTERVALS, index=False)
    facts = [
        {
            "video": found.name,
            "source": str(found.source),
            "fps": found.fps,
            "frames": found.n_frames,
            "gaps_s": found.gaps,
            "told": found.told,
        }
        for found in analyses
    ]
    model = None if recogniser is None else {"told": recogniser.told, "card": recogniser.model.card}
    write_json(folder / FACTS, {"version": __version__, "videos": facts, "model": model})
