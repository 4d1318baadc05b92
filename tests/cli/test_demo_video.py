"""The demo's video: made once, of somebody whom the model's clips do not show, and known as made."""

from pathlib import Path

import cv2
import pytest
from rich.console import Console
from support.recordings import SKIN

from merjax.cli import demo_video
from merjax.sweeps.sweep_file import read_sweep
from merjax.synthesis import MARKER
from merjax.system.errors import MerjaxError
from merjax.system.videos import facts_of

QUIET = Console(quiet=True)


@pytest.fixture
def seeds(monkeypatch):
    """Three pictures in place of a made video; the seeds of those that were asked for."""
    asked = []

    def synthesize(out, *, seed, **_):
        asked.append(seed)
        (out / "rawpic" / "s15" / "talk").mkdir(parents=True)
        (out / MARKER).write_text("{}")
        for n in range(3):
            cv2.imwrite(str(out / "rawpic" / "s15" / "talk" / f"img{n + 1}.jpg"), SKIN)

    monkeypatch.setattr(demo_video, "synthesize_long_videos", synthesize)
    monkeypatch.setattr(demo_video, "make_demo_model", lambda folder, console, stop: folder / "model")
    return asked


def test_the_video_is_made_once_of_somebody_whom_the_model_has_not_seen(seeds, tmp_path):
    first, second = (demo_video.make_demo(tmp_path / "demo", tmp_path / "found", QUIET) for _ in range(2))
    model, (video,) = first
    assert first == second
    assert model == tmp_path / "demo" / "model"
    assert facts_of(video) == (3, 30.0)
    assert (video.parent / MARKER).is_file()
    assert len(seeds) == 1
    assert seeds[0] != read_sweep(Path("demo")).synthesize["seed"]


def test_results_that_are_there_are_refused_before_anything_is_made(seeds, tmp_path):
    (tmp_path / "found").mkdir()
    with pytest.raises(MerjaxError, match="found exists; remove it"):
        demo_video.make_demo(tmp_path / "demo", tmp_path / "found", QUIET)
    assert not seeds
    assert not (tmp_path / "demo").exists()
