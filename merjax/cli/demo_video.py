"""What `merjax analyse --demo` needs: a small final model, and a one-minute video of an invented person."""

from pathlib import Path

import cv2
from rich.console import Console

from merjax.datasets.long_videos import pictures_of
from merjax.faces.pictures import read_image
from merjax.sweeps.running.demo_model import make_demo_model
from merjax.synthesis import MARKER, LongPlan, synthesize_long_videos
from merjax.system.console import counted, say
from merjax.system.paths import refuse_taken
from merjax.system.recording import motion_jpeg
from merjax.system.signals import stop_requests

_PLAN = LongPlan(per_minute=(("micro", 3.0), ("macro", 3.0)))
_FPS, _SEED = 30.0, 1  # another seed than the model's clips have, so that nobody in them is in the video


def make_demo(folder: Path, out: Path, console: Console) -> tuple[Path, list[Path]]:
    """The model and the video of the demo; what is there already is taken.

    Args:
        folder: gets `sweep/`, `model/` and `video/`.
        out: where the results are to be written.
        console: where progress is shown.
    """
    refuse_taken(out)
    video = _made_video(folder, console)
    say(console, "training the demo's model on made clips")
    with stop_requests() as stop:
        return make_demo_model(folder, console, stop), [video]


def _made_video(folder: Path, console: Console) -> Path:
    made, video = folder / "made", folder / "video" / "invented.avi"
    if video.is_file():
        return video
    if not made.is_dir():
        with counted("making a video", console) as progress:
            synthesize_long_videos(made, invent=1, videos=1, empty=0, plan=_PLAN, seed=_SEED, progress=progress)
    (pictures,) = (place for place in (made / "rawpic").glob("*/*") if place.is_dir())
    video.parent.mkdir(parents=True, exist_ok=True)
    (video.parent / MARKER).write_bytes((made / MARKER).read_bytes())  # so that it never passes for a person
    with motion_jpeg(video, _FPS) as add:
        for picture in pictures_of(pictures).values():
            add(cv2.cvtColor(read_image(picture, "rgb"), cv2.COLOR_RGB2BGR))
    return video
