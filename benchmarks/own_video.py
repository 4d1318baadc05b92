"""What `merjax analyse` reaches on made videos: `python -m benchmarks.own_video PART --made DIR`; `--model DIR` for classes.

- `make`: makes DIR, videos of invented people in the layout of CAS(ME)^2, and their video files: H.264 (crf 18) and lossless at
  640 x 480, and H.264 at 1280 x 720, enlarged and with a rim.
- `found`: analyses the videos in H.264. Prints scores of spotting, and of those that were found at the right place the classes,
  with 95 % intervals over resampled people.
- `alike`: analyses the others, too: how many intervals are the same within two frames.
- `speed`: one video by the command line, from its start to the page: frames per second, and the most memory of one process.
- `length`: the same of a video and of one that is ten times as long, its pictures there and back again and again.
"""

import argparse
import atexit
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.long_videos import linked_video
from merjax.datasets.long_videos import LongVideo, TrueInterval, pictures_of
from merjax.datasets.own_videos import video_at
from merjax.models.analysing import INTERVALS, Asked, analyse_all
from merjax.models.own_video import Analysis
from merjax.scoring.metrics import accuracy, interval, times_drawn, uar, uf1
from merjax.scoring.spotting.matching import matched
from merjax.synthesis import LongPlan, synthesize_long_videos
from merjax.synthesis.long_release import TRUTH

FORMS = {"h264": (640, "libx264", "18"), "lossless": (640, "ffv1", ""), "large": (1280, "libx264", "18")}
CLASSES = ("negative", "positive", "surprise")
CLASS_OF = {"happiness": "positive", "disgust": "negative", "anger": "negative", "surprise": "surprise"}
WITHIN, DRAWS = 2, 2000


def encode(pictures: Sequence[Path], place: Path, width: int, codec: str, crf: str) -> None:
    """A video of picture files; twice as wide, they are enlarged to 960 x 720 and get a rim."""
    import av

    with av.open(str(place), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(30))
        stream.width, stream.height = (1280, 720) if width == 1280 else (640, 480)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": crf} if crf else {}
        for path in pictures:
            image = cv2.imread(str(path))
            if width == 1280:
                image = cv2.resize(image, (960, 720), interpolation=cv2.INTER_CUBIC)
                image = cv2.copyMakeBorder(image, 0, 0, 160, 160, cv2.BORDER_REPLICATE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def file_of(video: LongVideo, made: Path, form: str) -> Path:
    """A made video as a file in one form."""
    return made / form / f"{video.subject}_{video.name}{'.mkv' if form == 'lossless' else '.mp4'}"


def videos_of(made: Path) -> tuple[LongVideo, ...]:
    """The made videos with their true expressions; those without any, too, which a sheet cannot name."""
    truth = pd.read_csv(made / TRUTH)
    videos = []
    for folder in sorted((made / "rawpic").glob("*/*")):
        own = truth[truth["video"] == folder.name[:7]]  # of "15_0101disgustingteeth"
        expressions = tuple(
            TrueInterval(row.onset - 1, row.apex - 1, row.offset - 1, row.kind, CLASS_OF[row["class"]])
            for _, row in own.iterrows()
        )
        videos.append(LongVideo("made", folder.parent.name, folder.name[:7], folder, 30.0, expressions))
    return tuple(videos)


def make(asked: argparse.Namespace) -> None:
    """Make people, videos and files that are not there yet."""
    if not asked.made.is_dir():
        plan = LongPlan(seconds=asked.seconds, per_minute=(("micro", asked.each), ("macro", asked.each)))
        empty = 0 if asked.each else 1
        synthesize_long_videos(
            asked.made, invent=asked.people, videos=1, empty=empty, plan=plan, seed=asked.seed, workers=asked.workers
        )
    for video in videos_of(asked.made):
        for form, how in FORMS.items():
            place = file_of(video, asked.made, form)
            if form in asked.forms and not place.exists():
                place.parent.mkdir(exist_ok=True)
                encode([*pictures_of(video.frames).values()], place, *how)


def analysed(asked: argparse.Namespace, form: str, model: Path | None) -> list[tuple[LongVideo, Analysis]]:
    """The made videos and what is found in their files of one form."""
    videos = videos_of(asked.made)[: asked.people]
    out = Path(tempfile.mkdtemp()) / "found"
    atexit.register(shutil.rmtree, out.parent, ignore_errors=True)  # until then, the stores are read
    files = [video_at(file_of(video, asked.made, form)) for video in videos]
    analyses = analyse_all(files, out, model, Asked(workers=asked.workers))
    return list(zip(videos, analyses, strict=True))


def found(asked: argparse.Namespace) -> None:
    """Print scores of spotting and of the classes of what was found at the right place."""
    pairs, hits, false, missed, minutes = [], 0, 0, 0, 0.0
    for person, (video, analysis) in enumerate(analysed(asked, "h264", asked.model)):
        minutes += analysis.n_frames / analysis.fps / 60
        counted = matched(spans_of(analysis), np.array([(t.onset, t.offset) for t in video.truth], int).reshape(-1, 2))
        hits, false, missed = hits + counted.hits, false + counted.false, missed + counted.missed
        pairs += [
            (person, video.truth[t].emotion, analysis.table["class"].iloc[f]) for f, t in counted.pairs if asked.model
        ]
    print(f"{minutes:.1f} minutes: {hits} found at the right place, {false} elsewhere, {missed} missed", end="; ")
    print(f"F1 {2 * hits / max(1, 2 * hits + false + missed):.3f}; {hits + false} intervals in all")
    if asked.model and pairs:
        print_classes(pairs, asked.people)


def print_classes(pairs: Sequence[tuple[int, str, str]], people: int) -> None:
    """Print scores of (person, true class, class), with intervals over resampled people."""
    confusion_QxKxK = np.zeros((people, len(CLASSES), len(CLASSES)))
    for person, true, said in pairs:
        if said:
            confusion_QxKxK[person, CLASSES.index(true), CLASSES.index(said)] += 1
    drawn_DxKxK = np.tensordot(times_drawn(people, DRAWS, 0).astype(float), confusion_QxKxK, 1)
    print(f"classes of {int(confusion_QxKxK.sum())} expressions of {people} people; chance {1 / len(CLASSES):.3f}")
    for name, score in (("UF1", uf1), ("UAR", uar), ("accuracy", accuracy)):
        low, high = interval(score(drawn_DxKxK))
        print(f"  {name} {float(score(confusion_QxKxK.sum(0))):.3f} ({low:.3f} to {high:.3f})")
    print(confusion_QxKxK.sum(0).astype(int))


def spans_of(analysis: Analysis) -> np.ndarray:
    return np.array([(one.onset, one.offset) for one in analysis.intervals], int).reshape(-1, 2)


def alike(asked: argparse.Namespace) -> None:
    """Print how many intervals in one form of the videos are in another within some frames."""
    found = {form: [spans_of(analysis) for _, analysis in analysed(asked, form, None)] for form in asked.forms}
    for one in asked.forms:
        for other in asked.forms:
            if one != other:
                same = [
                    bool((np.abs(theirs - span).max(1) <= WITHIN).any()) if len(theirs) else False
                    for own, theirs in zip(found[one], found[other], strict=True)
                    for span in own
                ]
                print(f"{sum(same)} of {len(same)} intervals in {one} are within {WITHIN} frames in {other}")


def line_of(source: Path, out: Path, asked: argparse.Namespace, *more: str) -> list[str]:
    model = ["--model", str(asked.model)] if asked.model else []
    return [sys.executable, "-m", "merjax", "analyse", str(source), *model, "--out", str(out), *more]


def run_alone(line: Sequence[str]) -> tuple[float, float]:
    """Seconds that a command took, and the most memory of one of its processes in MiB."""
    began, pid = time.perf_counter(), os.posix_spawn(line[0], list(line), os.environ)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{line} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began, used.ru_maxrss / 1024


def speed(asked: argparse.Namespace) -> None:
    """Print frames per second of one video by the command line, from its start to the page."""
    for video in islice(videos_of(asked.made), asked.people):
        with tempfile.TemporaryDirectory() as folder:
            seconds, memory = run_alone(line_of(file_of(video, asked.made, "h264"), Path(folder) / "found", asked))
            rows = len((Path(folder) / "found" / INTERVALS).read_text().splitlines()) - 1
        frames = len(pictures_of(video.frames))
        print(f"{frames} frames, {rows} intervals, {seconds:.1f} s: {frames / seconds:.1f} frames per second")
        print(f"largest process {memory:.0f} MiB")


def length(asked: argparse.Namespace) -> None:
    """Print the memory that a video and a longer one take."""
    made = videos_of(asked.made)[0]
    frames = len(pictures_of(made.frames))
    for times in asked.times:
        with tempfile.TemporaryDirectory() as folder:
            video = linked_video(made, Path(folder) / "long", times * frames)
            seconds, memory = run_alone(line_of(video.frames, Path(folder) / "found", asked, "--fps", "30"))
        print(f"{times * frames} frames: {seconds:.0f} s, largest process {memory:.0f} MiB", flush=True)


PARTS = {"make": make, "found": found, "alike": alike, "speed": speed, "length": length}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--made", type=Path, required=True, help="the made videos")
    parser.add_argument("--model", type=Path, help="a final model, for classes")
    parser.add_argument("--people", type=int, default=6, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="of each video (default: %(default)s)")
    parser.add_argument("--each", type=float, default=4.0, help="expressions of a kind a minute (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the people (default: %(default)s)")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS), help="kinds of files (default: all)")
    parser.add_argument("--times", nargs="+", type=int, default=[1, 10], help="lengths (default: 1 10)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    asked = parser.parse_args()
    PARTS[asked.part](asked)


if __name__ == "__main__":
    main()
