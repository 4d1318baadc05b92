"""A recording of one's own, analysed from Python. The command line calls `analyse_all`, which needs no JAX without a model."""

from collections.abc import Callable
from pathlib import Path

from merjax.datasets.own_videos import video_at
from merjax.models.analysing import Asked, analyse_all
from merjax.models.final_model import FinalModel
from merjax.models.model import Model
from merjax.models.own_video import Analysis


def analyse(
    path: str | Path,
    model: FinalModel | Model | str | Path | None = None,
    *,
    out: str | Path = "found",
    face: int | None = None,
    fps: float | None = None,
    anyway: bool = False,
    workers: int | None = None,
    landmark_model: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Analysis:
    """Find the expressions in a recording, and let a model say what each of them resembles.

    What is found is a guess: on recordings of people, published spotters of micro-expressions have an F1 of .05 to .20. Most
    of what they find is no expression, and most expressions are missed.

    >>> analysis = merjax.analyse("recordings/talk", fps=200, out="found")  # a video file says its rate itself
    >>> list(analysis.table[["onset_s", "offset_s", "kind"]])
    ['onset_s', 'offset_s', 'kind']

    Args:
        path: a video file, or a folder of pictures.
        model: what `merjax train` made, or a model of one fold, or the folder of one; None finds intervals and motion only.
        out: folder of the results; must not exist. A stopped call goes on in `<out>.partial`.
        face: which face to take where the video shows several, counted from the left, from 1; by default the steadiest.
        fps: frames per second of a folder of pictures.
        anyway: whether to take a video of less than 15 frames per second, or a model that may be no better than chance.
        workers: number of processes; by default one per core that this process may use.
        landmark_model: file of dlib's 68-point model; by default found as `merjax.faces.landmarks.find_model` says.
        progress: called with (frames measured, frames in all); by default a terminal or a notebook shows a bar.

    Returns:
        Intervals, motion and decisions; `.table` has a row per interval.

    Raises:
        MerjaxError: there is no such video, it shows no face that can be used, or it is too slow; the model is missing, of
            another version or may be no better than chance; the output exists or cannot be written.
    """
    asked = Asked(face, anyway, workers, landmark_model)
    (analysis,) = analyse_all([video_at(path, fps)], out, model, asked, progress=progress)
    return analysis
