"""A whole release of made long videos: faces, scripts, frames, the sheet, and tables of intervals and of videos."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from merjax.faces.landmarks import find_model
from merjax.synthesis.clip_plans import RENDER, SCRIPT, generator
from merjax.synthesis.face import Face
from merjax.synthesis.long_layouts import (
    LONG_LAYOUTS,
    LongLayout,
    LongLayoutName,
    MadeVideo,
    annotated,
    interval_table,
    video_table,
)
from merjax.synthesis.long_rendering import render_long
from merjax.synthesis.long_scripts import LongPlan, script_video
from merjax.synthesis.movements import EXPRESSIONS
from merjax.synthesis.portraits import portrait_files
from merjax.synthesis.release import MARKER, faces_of, portrait_sums, refuse_occupied, stated, write_image
from merjax.synthesis.rendering import Camera
from merjax.synthesis.unfinished import make_all, unfinished_folder, unfinished_release
from merjax.system.at_work import at_work
from merjax.system.console import told
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path
from merjax.system.processes import cores
from merjax.system.versions import __version__

TRUTH, VIDEOS = "intervals.csv", "videos.csv"
_LONG = 1_000_000  # first number of their seeds, so that a video shares no draw with a clip


def synthesize_long_videos(
    out: str | Path,
    *,
    layout: LongLayoutName = "casme_squared",
    portraits: str | Path | Sequence[str | Path] | None = None,
    invent: int = 0,
    videos: int = 3,
    empty: int = 1,
    plan: LongPlan | None = None,
    camera: Camera | None = None,
    seed: int = 0,
    workers: int | None = None,
    model: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make long videos of faces with expressions at known intervals, in a database's own layout.

    What is written depends only on the arguments up to `seed`. Beside the database's own sheet lie `intervals.csv` and
    `videos.csv`, as `merjax rescore --truth` and `--videos` take them. Videos of an interrupted call are kept in
    `<out>.partial`, and the same call goes on with the others.

    Args:
        out: the folder to make; it may exist if it is empty.
        layout: "casme_squared" or "samm_long".
        portraits: photographs of a face, or folders of them, one or several; one subject each, unless `invent` is given. None
            takes two that ship with installed packages.
        invent: number of invented identities that replace the portraits' own; 0 keeps these.
        videos: how many videos each subject has.
        empty: how many of them have no expression; these come last.
        plan: what happens in them.
        camera: noise and flicker.
        seed: the seed of everything random.
        workers: videos made at a time; by default one per core.
        model: file of dlib's 68-point model; by default found as `merjax.faces.landmarks.find_model` says.
        progress: called with (videos done, videos in all); by default a terminal or a notebook shows a bar.

    Returns:
        `out`.

    Raises:
        MerjaxError: a portrait shows no face, the folder is not empty or cannot be written, a layout or an emotion is unknown,
            the layout cannot hold so many subjects or videos, or the expressions do not fit into a video.
    """
    out, plan, camera = user_path(out), plan or LongPlan(), camera or Camera()
    how = _layout_named(layout)
    refuse_occupied(out)
    files = portrait_files(portraits)
    subjects = invent or len(files)
    _refuse_impossible(how, subjects, videos, empty, seed, plan)
    made = [
        MadeVideo(s, n, script_video(plan, how.fps, generator(SCRIPT, _LONG + seed, s, n), empty=n > videos - empty))
        for s in range(1, subjects + 1)
        for n in range(1, videos + 1)
    ]
    faces = faces_of(files, subjects, invent > 0, _LONG + seed, find_model(model))
    settings: dict[str, Any] = {"layout": layout, "invent": invent, "videos": videos, "empty": empty, "seed": seed}
    settings |= {"plan": asdict(plan), "camera": asdict(camera)}
    made_of = {"version": __version__, "settings": settings, "portraits": portrait_sums(files)}
    with unfinished_release(out, made_of) as root, told("making videos", progress) as heard:
        jobs = [partial(_write_video, root, how, video, faces[video.subject - 1], camera, seed) for video in made]
        make_all(jobs, workers or len(cores()), heard)
        how.write_sheets(root, annotated(made))
        interval_table(how, made).to_csv(root / TRUTH, index=False)
        video_table(how, made).to_csv(root / VIDEOS, index=False)
        (root / MARKER).write_text(json.dumps(_statement(made_of, how, made), indent=1) + "\n")
    return out


def _layout_named(name: LongLayoutName) -> LongLayout:
    if name not in LONG_LAYOUTS:
        raise MerjaxError(f"layout {name}: unknown; choose one of {', '.join(LONG_LAYOUTS)}")
    return LONG_LAYOUTS[name]


def _refuse_impossible(layout: LongLayout, subjects: int, videos: int, empty: int, seed: int, plan: LongPlan) -> None:
    if not 0 <= empty <= videos or videos < 1:
        raise MerjaxError(f"{empty} of {videos} videos without expressions: write numbers with 0 <= empty <= videos")
    if subjects < 0 or seed < 0:
        raise MerjaxError("invent and seed must not be negative")
    for what, number, most in (("subjects", subjects, layout.subjects), ("videos", videos, layout.videos)):
        if number > most:
            raise MerjaxError(f"{number} {what}: the layout of {layout.name} holds {most}; ask for fewer")
    for emotion in plan.emotions:
        if emotion not in EXPRESSIONS:
            raise MerjaxError(f"emotion {emotion}: unknown; choose from {', '.join(EXPRESSIONS)}")


def _write_video(root: Path, layout: LongLayout, video: MadeVideo, face: Face, camera: Camera, seed: int) -> None:
    _, name, folder = layout.names(video.subject, video.number)
    place = root / folder
    if place.is_dir():  # by a call that was interrupted
        return
    with at_work("making the video", place), unfinished_folder(place) as unfinished:
        rng = generator(RENDER, _LONG + seed, video.subject, video.number)
        for number, frame in enumerate(render_long(face, video.script, camera, rng), 1):
            write_image(unfinished / layout.frame(name, number), frame, layout.gray)


def _statement(made_of: dict[str, Any], layout: LongLayout, videos: Sequence[MadeVideo]) -> dict[str, Any]:
    """The content of SYNTHETIC.json."""
    return {
        **stated(made_of["settings"]["invent"] > 0),
        **made_of,
        "videos": [
            {
                "video": layout.names(v.subject, v.number)[2].as_posix(),
                "subject": v.subject,
                "expressions": [expression._asdict() for expression in v.script.expressions],
                "beside": [event._asdict() for event in v.script.events],
            }
            for v in videos
        ],
    }
