"""A whole synthesised release: faces, plan, frames and sheets, written to a temporary folder that then gets its name."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from merjax.faces.landmarks import find_model
from merjax.synthesis.clip_plans import FACE, RENDER, ClipPlan, generator, plan_clips
from merjax.synthesis.face import Face
from merjax.synthesis.layouts import LAYOUTS
from merjax.synthesis.portraits import invent, portrait_files, read_face
from merjax.synthesis.release_layout import LayoutName, ReleaseLayout
from merjax.synthesis.rendering import Camera, apex_field, render
from merjax.synthesis.unfinished import make_all, unfinished_folder, unfinished_release
from merjax.system.at_work import at_work
from merjax.system.console import told
from merjax.system.errors import MerjaxError
from merjax.system.paths import holds_something, refuse_unwritable, user_path
from merjax.system.processes import cores
from merjax.system.versions import __version__

MARKER = "SYNTHETIC.json"
FIELDS = "true_fields"
STATEMENT = (
    "Made by merjax from still photographs: the motion is a script, the labels are the script's. "
    "It exercises software and says nothing about people, their emotions or any method's accuracy on real recordings."
)
_INVENTED = "The identities are invented: a few photographs, varied in shape and tone."
_JPEG_QUALITY = 90  # measured: 1 px of motion is recovered by optical flow as well as from unpacked frames
_MEGC = ("negative", "positive", "surprise")


@dataclass(frozen=True)
class ReleaseSettings:
    """How a release is made from the portraits.

    Attributes:
        layout: the database whose layout is written.
        clips_per_subject: number of clips of each subject.
        emotions: emotions to draw from, as the database's sheet names them; empty for those of the MEGC 2019 classes.
        invent: number of invented identities that replace the portraits' own; 0 keeps these.
        subjects: the largest number of subjects; None for all.
        peak: range of the largest displacement at a clip's apex, in pixels at d = 105.
        camera: noise, drift and flicker.
        seed: the seed of everything random.
    """

    layout: LayoutName = "casme2"
    clips_per_subject: int = 9
    emotions: tuple[str, ...] = ()
    invent: int = 0
    subjects: int | None = None
    peak: tuple[float, float] = (1.0, 3.0)
    camera: Camera = field(default_factory=Camera)
    seed: int = 0


def synthesize_release(
    out: str | Path,
    *,
    layout: LayoutName = "casme2",
    portraits: str | Path | Sequence[str | Path] | None = None,
    invent: int = 0,
    subjects: int | None = None,
    clips_per_subject: int = 9,
    emotions: Sequence[str] = (),
    peak: tuple[float, float] = (1.0, 3.0),
    camera: Camera | None = None,
    seed: int = 0,
    fields: bool = False,
    workers: int | None = None,
    model: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a release in a database's own layout from photographs of faces, to try everything without licensed data.

    What is written depends only on the arguments up to `seed`. The folder appears under its name only when it is complete; the
    clips of an interrupted call are kept in `<out>.partial`, and the same call goes on with the others. Scores on such clips
    show whether software works; they say nothing about people.

    >>> folder = merjax.synthesize_release("data/made", subjects=1, clips_per_subject=1, seed=3)
    >>> [clip.key for clip in merjax.read_casme2(folder).clips]
    ['casme2/sub01/EP01_01']

    Args:
        out: the folder to make; it may exist if it is empty.
        layout: the database whose layout is written: "casme2", "samm", "smic", "casme_squared", "casme3", "samm_long",
            "casme1", "mmew" or "dfme".
        portraits: photographs of a face, or folders of them, one or several; one subject each, unless `invent` is given. None
            takes two that ship with matplotlib and scikit-image.
        invent, subjects, clips_per_subject, emotions, peak, camera, seed: see `ReleaseSettings`; `peak` is in pixels where the
            eyes are 105 px apart.
        fields: write each clip's true displacement from onset to apex, in px: `true_fields/<clip>.npz`, key
            "field_HxWx2" (x, y), without the camera's drift.
        workers: clips rendered at a time; by default one per core.
        model: file of dlib's 68-point model; by default found as `merjax.faces.landmarks.find_model` says.
        progress: called with (clips done, clips in all); by default a terminal or a notebook shows a bar.

    Returns:
        `out`, for the reader of that database, such as `merjax.read_casme2`.

    Raises:
        MerjaxError: a portrait shows no face, the output folder is not empty or cannot be written, or the settings cannot
            make a release.
    """
    settings = ReleaseSettings(
        layout, clips_per_subject, tuple(emotions), invent, subjects, peak, camera or Camera(), seed
    )
    out, groups = user_path(out), _groups(settings)
    refuse_occupied(out)
    files = portrait_files(portraits)
    count = invent or len(files)
    faces = faces_of(files, min(count, subjects or count), invent > 0, seed, find_model(model))
    how = LAYOUTS[layout]
    plans = plan_clips(groups, how.fps, len(faces), clips_per_subject, peak, seed)
    made_of = {
        "version": __version__,
        "fields": fields,
        "settings": asdict(settings),
        "portraits": portrait_sums(files),
    }
    with unfinished_release(out, made_of) as root, told("making clips", progress) as heard:
        jobs = [partial(_write_clip, root, how, plan, faces[plan.subject - 1], settings, fields) for plan in plans]
        make_all(jobs, workers or len(cores()), heard)
        how.write_sheets(root, plans)
        (root / MARKER).write_text(json.dumps(_statement(settings, files, how, plans), indent=1) + "\n")
    return out


def _groups(settings: ReleaseSettings) -> list[tuple[str, ...]]:
    """The emotions to deal, by class of the protocol; settings that cannot be met are refused."""
    if settings.layout not in LAYOUTS:
        raise MerjaxError(f"layout {settings.layout}: unknown; choose one of {', '.join(LAYOUTS)}")
    groups = LAYOUTS[settings.layout].groups
    known = [emotion for group in groups.values() for emotion in group]
    for emotion in settings.emotions:
        if emotion not in known:
            raise MerjaxError(f"emotion {emotion}: not one of {settings.layout}'s; choose from {', '.join(known)}")
    low, high = settings.peak
    if not 0 < low <= high:
        raise MerjaxError(f"peak {low:g} {high:g}: expected two sizes in pixels, 0 < LO <= HI")
    for name in ("clips_per_subject", "subjects"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise MerjaxError(f"{name.replace('_', ' ')} {value}: expected at least 1")
    how = LAYOUTS[settings.layout]
    for name, value, most in (
        ("clips of each subject", settings.clips_per_subject, how.clips),
        ("subjects", settings.invent or settings.subjects or 0, how.subjects),
    ):
        if most is not None and value > most:
            raise MerjaxError(
                f"{value} {name}: the layout of {settings.layout} has names for {most} only; ask for fewer"
            )
    if settings.invent < 0 or settings.seed < 0:
        raise MerjaxError("invent and seed must not be negative")
    wanted = settings.emotions or tuple(emotion for name in _MEGC for emotion in groups[name])
    dealt = [tuple(emotion for emotion in group if emotion in wanted) for group in groups.values()]
    return [group for group in dealt if group]


def faces_of(files: Sequence[Path], subjects: int, invented: bool, seed: int, model: Path) -> list[Face]:
    """The faces of a release's subjects: those of the photographs, one each, or as many that are invented from them."""
    faces = [_read_face(file, model) for file in files[:subjects]]
    if not invented:
        return faces
    return [
        invent(faces[(subject - 1) % len(faces)], model, generator(FACE, seed, subject, 0))
        for subject in range(1, subjects + 1)
    ]


def _read_face(file: Path, model: Path) -> Face:
    with at_work("reading the portrait", file):
        return read_face(file, model)


def refuse_occupied(out: Path) -> None:
    """Refuse a folder that cannot be written or holds something.

    Raises:
        MerjaxError: the message says what is there and what to do.
    """
    refuse_unwritable(out)
    if holds_something(out):
        made = "a synthesised release already" if (out / MARKER).is_file() else "files"
        raise MerjaxError(f"{out}: this folder holds {made}; name a new folder, or remove this one first")


def _write_clip(
    root: Path, layout: ReleaseLayout, plan: ClipPlan, face: Face, settings: ReleaseSettings, fields: bool
) -> None:
    with at_work("making the clip", layout.clip(plan)):
        _write_frames(root, layout, plan, face, settings, fields)


def _write_frames(
    root: Path, layout: ReleaseLayout, plan: ClipPlan, face: Face, settings: ReleaseSettings, fields: bool
) -> None:
    place = root / layout.clip(plan)
    if place.is_dir():  # by a call that was interrupted
        return
    with unfinished_folder(place) as folder:
        rng = generator(RENDER, settings.seed, plan.subject, plan.number)
        for number, frame in enumerate(render(face, plan.script, settings.camera, rng), plan.first):
            if layout.margins or plan.onset <= number <= plan.offset:
                write_image(folder / layout.frame(plan, number), frame, layout.gray)
        if fields:
            file = root / FIELDS / layout.clip(plan).with_suffix(".npz")
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(file, field_HxWx2=apex_field(face, plan.script))


def write_image(path: Path, frame_HxWx3: np.ndarray, gray: bool) -> None:
    """Write a frame (BGR) as the path's ending says, as gray levels or in colour."""
    image = cv2.cvtColor(frame_HxWx3, cv2.COLOR_BGR2GRAY) if gray else frame_HxWx3
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if path.suffix == ".jpg" else []
    _, encoded = cv2.imencode(path.suffix, image, options)
    # Not cv2.imwrite: a full disk must raise.
    path.write_bytes(encoded.tobytes())


def portrait_sums(files: Sequence[Path]) -> list[dict[str, str]]:
    """Names and contents of the photographs that a release was made from."""
    return [{"file": file.name, "sha256": sha256(file.read_bytes()).hexdigest()} for file in files]


def stated(invented: bool) -> dict[str, Any]:
    """How SYNTHETIC.json begins."""
    return {
        "made_by": "merjax",
        "version": __version__,
        "statement": STATEMENT + (f" {_INVENTED}" if invented else ""),
        "invented_identities": invented,
    }


def _statement(
    settings: ReleaseSettings, files: Sequence[Path], layout: ReleaseLayout, plans: Sequence[ClipPlan]
) -> dict[str, Any]:
    """The content of SYNTHETIC.json; it is the same for the same portraits and settings."""
    return {
        **stated(settings.invent > 0),
        "portraits": portrait_sums(files),
        "settings": asdict(settings),
        "clips": [
            {
                "clip": layout.clip(plan).as_posix(),
                "subject": plan.subject,
                "emotion": plan.emotion,
                "action_units": plan.action_units,
                "objective_class": plan.objective_class,
                "true_apex": plan.apex,
                "peak_px_at_d_105": plan.script.peak,
                "movements": [movement._asdict() for movement in plan.script.movements],
            }
            for plan in plans
        ],
    }
