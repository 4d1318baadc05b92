"""A whole release of made long videos: faces, scripts, frames, the sheet, and tables of intervals and of videos."""

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from merjax.faces.landmarks import find_model
from merjax.synthesis.clip_plans import FACE, RENDER, SCRIPT, generator
from merjax.synthesis.face import Face
from merjax.synthesis.long_layouts import (
    LONG_LAYOUTS,
    LongLayout,
    LongLayoutName,
    MadeVideo,
    interval_table,
    video_table,
)
from merjax.synthesis.long_rendering import render_long
from merjax.synthesis.long_scripts import LongPlan, script_video
from merjax.synthesis.portraits import default_portraits, invent, portrait_files, read_face
from merjax.synthesis.release import INVENTED, MARKER, STATEMENT, portrait_sums, refuse_occupied, write_image
from merjax.synthesis.rendering import Camera
from merjax.synthesis.unfinished import unfinished_release
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
    portraits: Sequence[str | Path] | None = None,
    invented: int = 0,
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
        portraits: photographs of a face, or folders of them; one subject each, unless `invented` is given. None takes two that
            ship with installed packages.
        invented: number of invented identities that replace the portraits' own; 0 keeps these.
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
        MerjaxError: a portrait shows no face, the folder is not empty or cannot be written, the layout cannot hold so many
            subjects or videos, or the expressions do not fit into a video.
    """
    out, plan, camera = user_path(out), plan or LongPlan(), camera or Camera()
    how = LONG_LAYOUTS[layout]
    refuse_occupied(out)
    files = portrait_files([user_path(path) for path in portraits or default_portraits()])
    subjects = invented or len(files)
    _refuse_too_many(how, subjects, videos, empty)
    made = [
        MadeVideo(s, n, script_video(plan, how.fps, generator(SCRIPT, _LONG + seed, s, n), empty=n > videos - empty))
        for s in range(1, subjects + 1)
        for n in range(1, videos + 1)
    ]
    faces = _faces(files, invented, seed, find_model(model))
    settings: dict[str, Any] = {"layout": layout, "invented": invented, "videos": videos, "empty": empty, "seed": seed}
    settings |= {"plan": asdict(plan), "camera": asdict(camera)}
    made_of = {"version": __version__, "settings": settings, "portraits": portrait_sums(files)}
    with unfinished_release(out, made_of) as root, told("making videos", progress) as heard:
        _write_videos(root, how, made, faces, camera, seed, workers or len(cores()), heard)
        how.write_sheet(root, made)
        interval_table(how, made).to_csv(root / TRUTH, index=False)
        video_table(how, made).to_csv(root / VIDEOS, index=False)
        (root / MARKER).write_text(json.dumps(_statement(made_of, how, made), indent=1) + "\n")
    return out


def _refuse_too_many(layout: LongLayout, subjects: int, videos: int, empty: int) -> None:
    if not 0 <= empty <= videos or videos < 1:
        raise MerjaxError(f"{empty} of {videos} videos without expressions: write numbers with 0 <= empty <= videos")
    for what, number, most in (("subjects", subjects, layout.subjects), ("videos", videos, layout.videos)):
        if number > most:
            raise MerjaxError(f"{number} {what}: the layout of {layout.name} holds {most}; ask for fewer")


def _faces(files: Sequence[Path], invented: int, seed: int, model: Path) -> list[Face]:
    faces = [read_face(file, model) for file in files[: invented or None]]
    if not invented:
        return faces
    return [
        invent(faces[(s - 1) % len(faces)], model, generator(FACE, _LONG + seed, s, 0)) for s in range(1, invented + 1)
    ]


def _write_videos(
    root: Path,
    layout: LongLayout,
    videos: Sequence[MadeVideo],
    faces: Sequence[Face],
    camera: Camera,
    seed: int,
    workers: int,
    progress: Callable[[int, int], None],
) -> None:
    progress(0, len(videos))
    # Threads, not processes: OpenCV and NumPy release the lock while they work, and the caller may have started JAX.
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(_write_video, root, layout, v, faces[v.subject - 1], camera, seed) for v in videos]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                job.result()
                progress(done, len(videos))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_video(root: Path, layout: LongLayout, video: MadeVideo, face: Face, camera: Camera, seed: int) -> None:
    place = root / layout.folder(video.subject, video.number)
    if place.is_dir():  # by a call that was interrupted
        return
    with at_work("making the video", place):
        folder = place.with_name(f".{place.name}")  # gets its name when it is whole
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rng = generator(RENDER, _LONG + seed, video.subject, video.number)
        for number, frame in enumerate(render_long(face, video.script, camera, rng), 1):
            write_image(folder / layout.frame(video.subject, video.number, number), frame, layout.gray)
        folder.replace(place)


def _statement(made_of: dict[str, Any], layout: LongLayout, videos: Sequence[MadeVideo]) -> dict[str, Any]:
    """The content of SYNTHETIC.json."""
    invented = made_of["settings"]["invented"] > 0
    return {
        "made_by": "merjax",
        "statement": STATEMENT + (f" {INVENTED}" if invented else ""),
        "invented_identities": invented,
        **made_of,
        "videos": [
            {
                "video": layout.folder(v.subject, v.number).as_posix(),
                "subject": v.subject,
                "expressions": [expression._asdict() for expression in v.script.expressions],
                "beside": [event._asdict() for event in v.script.events],
            }
            for v in videos
        ],
    }
