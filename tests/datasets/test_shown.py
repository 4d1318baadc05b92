"""How a release is shown in a terminal and in a notebook: its clips by emotion, and those that are left out."""

from pathlib import Path

import pytest

from merjax.datasets import Clip, Discrepancy, Release
from merjax.datasets.shown import clips_by


def clip(subject: str, name: str, emotion: str, frames: int) -> Clip:
    paths = tuple(Path(f"{n}.jpg") for n in range(frames))
    return Clip("casme2", subject, name, paths, 0, None, frames - 1, emotion, "", None, 200.0)


@pytest.fixture
def release():
    clips = (clip("sub01", "a", "disgust", 3), clip("sub01", "b", "fear", 5), clip("sub02", "a", "disgust", 7))
    discrepancies = (
        Discrepancy("casme2", "sub03", "c", "missing frames 4-5 <of> 1-9", dropped=True),
        Discrepancy("casme2", "sub02", "a", "apex is '/'", dropped=False),
    )
    return Release("casme2", Path("releases/mine"), clips, discrepancies, synthetic="made & not recorded")


def test_clips_subjects_and_frames_are_counted_by_emotion_and_together(release):
    table = clips_by("emotion", release.index)
    assert table.to_numpy().tolist() == [
        ["casme2", "disgust", 2, 2, 10],
        ["casme2", "fear", 1, 1, 5],
        ["all", "", 3, 2, 15],
    ]


def test_a_terminal_is_shown_the_clips_and_what_is_left_out_with_its_reason(release):
    first, second, *lines = repr(release).splitlines()
    assert first == "CASME II in releases/mine: 3 clips of 2 subjects, 1 left out"
    assert second == "made & not recorded"
    assert any(line.split() == ["casme2", "disgust", "2", "2", "10"] for line in lines)
    assert "missing frames 4-5 <of> 1-9" in lines[-1]
    assert "apex is" not in repr(release)


def test_a_notebook_is_shown_the_same_as_tables(release):
    page = release._repr_html_()
    assert "<p>made &amp; not recorded</p>" in page
    assert page.count("<table") == 2
    assert "missing frames 4-5 &lt;of&gt; 1-9" in page
    assert "<td>disgust</td>" in page


def test_nothing_left_out_shows_no_table_of_it(release):
    whole = Release(release.database, release.root, release.clips, ())
    assert whole._repr_html_().count("<table") == 1
    assert repr(whole).startswith("CASME II in releases/mine: 3 clips of 2 subjects, 0 left out\ndatabase")
