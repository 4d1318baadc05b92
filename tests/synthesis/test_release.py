"""A release on disk: its layout, its sheets, its completeness, and the command line's sentences."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest

from merjax import datasets
from merjax.cli import synthesize
from merjax.datasets import read_casme2, read_samm, read_smic
from merjax.synthesis import release, synthesize_release
from merjax.synthesis.clip_layouts import CASME2
from merjax.synthesis.clip_plans import ClipPlan, plan_clips
from merjax.synthesis.layouts import LAYOUTS
from merjax.synthesis.rendering import envelope
from merjax.system.errors import MerjaxError

NEGATIVE = ("disgust", "fear", "anger", "sadness")
WORDS = {
    "casme_squared": {"happiness": "positive"} | dict.fromkeys(NEGATIVE, "negative"),
    "casme3": {"happiness": "happy", "sadness": "sad"},
    "samm_long": {"others": "other"},
}
GROUPS = [CASME2.groups[name] for name in ("negative", "positive", "surprise")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "release"
    return synthesize_release(out, clips_per_subject=3, subjects=1, fields=True, workers=2)


def frames_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.jpg"))}


def sheet(path):
    rows = list(openpyxl.load_workbook(path)["Sheet1"].iter_rows(values_only=True))
    return rows[0], rows[1:]


def test_the_sheet_has_the_originals_columns_and_agrees_with_the_folders(made):
    header, rows = sheet(made / "CASME2-coding-20140508.xlsx")
    frames = ("OnsetFrame", "ApexFrame", "OffsetFrame")
    assert header == ("Subject", "Filename", None, *frames, None, "Action Units", "Estimated Emotion")
    folders = {path for path in (made / "CASME2_RAW_selected").glob("sub*/*")}
    for subject, name, _, onset, apex, offset, *_ in rows:
        folder = made / "CASME2_RAW_selected" / f"sub{subject}" / name
        folders.remove(folder)
        numbers = sorted(int(path.stem.removeprefix("img")) for path in folder.iterdir())
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[0] < onset < apex < offset < numbers[-1]
        assert 40 <= offset - onset <= 100
    assert not folders
    assert {row[-1] for row in rows} >= {"happiness", "surprise"}


def test_frames_are_numbered_as_planned(made):
    for plan in plan_clips(GROUPS, 200.0, 1, 3, (1.0, 3.0), 0):
        names = {path.name for path in (made / CASME2.clip(plan)).iterdir()}
        assert names == {f"img{plan.first + t}.jpg" for t in range(plan.script.frames)}


def test_the_sheet_gives_the_envelopes_onset_apex_and_offset(made):
    _, rows = sheet(made / "CASME2-coding-20140508.xlsx")
    for plan, row in zip(plan_clips(GROUPS, 200.0, 1, 3, (1.0, 3.0), 0), rows, strict=True):
        strength = envelope(plan.script)
        moving = np.flatnonzero(strength > 1e-12)
        assert row[3:6] == tuple(plan.first + t for t in (moving[0] - 1, strength.argmax(), moving[-1] + 1))


def test_merjax_reads_it_without_a_discrepancy_and_as_synthetic(made):
    read = read_casme2(made)
    assert not read.discrepancies
    assert len(read.clips) == 3
    assert read.synthetic == release.STATEMENT
    _, rows = sheet(made / "CASME2-ObjectiveClasses.xlsx")
    assert {(f"sub{s}", n): c for s, n, c in rows} == {(c.subject, c.name): c.objective_class for c in read.clips}


def test_the_statement_tells_every_clips_script(made):
    stated = json.loads((made / release.MARKER).read_text())
    assert "nothing about people" in stated["statement"]
    assert stated["invented_identities"] is False
    apexes = {(clip.subject, clip.name): clip.apex for clip in read_casme2(made).clips}
    assert {tuple(clip["clip"].split("/")[-2:]): clip["true_apex"] for clip in stated["clips"]} == apexes
    assert all(1 <= clip["peak_px_at_d_105"] <= 3 for clip in stated["clips"])


def test_the_coded_apex_is_where_the_true_field_is_found(made):
    """The written frames, the sheet's apex and the field beside them agree."""
    for clip in read_casme2(made).clips:
        with np.load(made / release.FIELDS / "CASME2_RAW_selected" / clip.subject / f"{clip.name}.npz") as file:
            truth = file["field_HxWx2"]
        read = [cv2.imread(str(clip.frames[number - clip.onset]), 0) for number in (clip.onset, clip.apex)]
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*read, None)
        moving = np.linalg.norm(truth, axis=2) > 0.5 * np.linalg.norm(truth, axis=2).max()
        cosine = (flow[moving] * truth[moving]).sum() / np.linalg.norm(flow[moving]) / np.linalg.norm(truth[moving])
        assert cosine > 0.8


@pytest.mark.long
def test_frames_do_not_depend_on_the_number_of_workers_but_on_the_seed(tmp_path, made):
    settings = {"clips_per_subject": 3, "subjects": 1}
    alone = synthesize_release(tmp_path / "alone", workers=1, **settings)
    assert frames_of(alone) == frames_of(made)
    assert (alone / release.MARKER).read_bytes() == (made / release.MARKER).read_bytes()
    other = plan_clips(GROUPS, 200.0, 1, 3, (1.0, 3.0), seed=1)
    assert other != plan_clips(GROUPS, 200.0, 1, 3, (1.0, 3.0), seed=0)


def test_a_subjects_clips_do_not_depend_on_how_many_subjects_there_are():
    few, many = (plan_clips(GROUPS, 200.0, subjects, 4, (1.0, 3.0), 0) for subjects in (2, 5))
    assert few == many[: len(few)]


@pytest.mark.parametrize(
    ("layout", "read"), [pytest.param("samm", read_samm, marks=pytest.mark.long), ("smic", read_smic)]
)
def test_the_other_layouts_are_read_without_a_discrepancy(tmp_path, layout, read):
    out = synthesize_release(tmp_path / layout, clips_per_subject=3, subjects=1, layout=layout)
    release_read, stated = read(out), json.loads((out / release.MARKER).read_text())["clips"]
    assert not release_read.discrepancies
    assert release_read.synthetic == release.STATEMENT
    assert [clip.fps for clip in release_read.clips] == [LAYOUTS[layout].fps] * 3
    apexes = {clip["true_apex"] for clip in stated}
    assert {clip.apex for clip in release_read.clips} == ({None} if layout == "smic" else apexes)
    assert {clip.emotion for clip in release_read.clips} >= {"surprise"}
    channels = 1 if layout == "samm" else 3
    for clip in release_read.clips:
        image = cv2.imread(str(clip.frames[0]), cv2.IMREAD_UNCHANGED)
        assert image.shape[2:] == ((3,) if channels == 3 else ())


def placed(root: Path, layout: str, subjects: int, clips: int, emotions: tuple[str, ...] = ()) -> list[ClipPlan]:
    """The folders and sheets of a release without rendering anything: its frames are empty files."""
    how = LAYOUTS[layout]
    groups = release._groups(release.ReleaseSettings(layout, clips, emotions, invent=subjects))
    plans = plan_clips(groups, how.fps, subjects, clips, (1.0, 3.0), seed=3)
    for plan in plans:
        folder = root / how.clip(plan)
        folder.mkdir(parents=True)
        for number in range(plan.first, plan.first + plan.script.frames):
            if how.margins or plan.onset <= number <= plan.offset:
                (folder / how.frame(plan, number)).touch()
    how.write_sheets(root, plans)
    return plans


@pytest.mark.parametrize("layout", ["casme_squared", "casme3", "samm_long", "casme1", "mmew", "dfme"])
def test_the_later_layouts_are_read_as_they_were_planned(tmp_path, layout):
    """Every clip comes back with its units, its emotion in the database's words, and its frames."""
    emotions = tuple(e for group in LAYOUTS[layout].groups.values() for e in group)
    plans = placed(tmp_path, layout, 4, 5, emotions)
    read = getattr(datasets, f"read_{layout}")(tmp_path)
    assert len(read.clips) == len(plans) == 20
    assert not [d for d in read.discrepancies if d.dropped]
    words = WORDS.get(layout, {})
    expected = Counter(
        (words.get(p.emotion, p.emotion), p.action_units, p.apex - p.onset, p.offset - p.onset + 1, LAYOUTS[layout].fps)
        for p in plans
    )
    assert expected == Counter((c.emotion, c.action_units, c.apex - c.onset, c.n_frames, c.fps) for c in read.clips)
    assert len({clip.subject for clip in read.clips}) == 4
    parts = {clip.part for clip in read.clips}
    assert parts == ({"train", "test A", "test B"} if layout == "dfme" else {""})


def test_a_layout_has_names_for_so_many_clips_and_subjects_only():
    for settings, said in (
        (release.ReleaseSettings("casme3", 14), "14 clips of each subject: the layout of casme3 has names for 13 only"),
        (release.ReleaseSettings("casme_squared", 2, invent=23), "23 subjects: .* casme_squared has names for 22 only"),
    ):
        with pytest.raises(MerjaxError, match=said):
            release._groups(settings)


@pytest.mark.parametrize("clips", [3, 6, 9])
def test_every_subject_has_equally_many_clips_of_the_three_classes(clips):
    plans = plan_clips(GROUPS, 200.0, 7, clips, (1.0, 3.0), 0)
    named = {emotion: name for name, emotions in zip("NPS", GROUPS, strict=True) for emotion in emotions}
    for subject in range(1, 8):
        counts = Counter(named[plan.emotion] for plan in plans if plan.subject == subject)
        assert set(counts.values()) == {clips // 3}
    emotions = Counter(plan.emotion for plan in plans)
    assert abs(emotions["disgust"] - emotions["repression"]) <= 1
    assert len({plan.action_units.replace("L", "").replace("R", "") for plan in plans}) >= min(12, clips * 2)


@pytest.mark.long
def test_an_interrupted_synthesis_keeps_its_clips_and_goes_on_to_the_same_release(tmp_path, monkeypatch):
    def stop(done, total):
        if done == 1:
            raise KeyboardInterrupt

    few = {"clips_per_subject": 2, "subjects": 1, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        synthesize_release(tmp_path / "release", progress=stop, **few)
    assert [path.name for path in tmp_path.iterdir()] == ["release.partial"]
    kept = [path for path in (tmp_path / "release.partial").rglob("EP*") if path.is_dir()]
    assert kept
    made = []
    render = release.render
    monkeypatch.setattr(release, "render", lambda *given: made.append(given) or render(*given))
    synthesize_release(tmp_path / "release", **few)
    assert len(made) == 2 - len(kept)
    assert [path.name for path in tmp_path.iterdir()] == ["release"]
    synthesize_release(tmp_path / "whole", **few)
    assert frames_of(tmp_path / "release") == frames_of(tmp_path / "whole")


def test_what_is_no_unfinished_release_is_not_touched(tmp_path):
    (tmp_path / "release.partial").mkdir()
    (tmp_path / "release.partial" / "mine.txt").write_text("mine")
    with pytest.raises(MerjaxError, match="was not made by merjax"):
        synthesize_release(tmp_path / "release", clips_per_subject=1, subjects=1)
    assert (tmp_path / "release.partial" / "mine.txt").read_text() == "mine"


def test_a_folder_with_files_is_refused_untouched_and_an_empty_one_is_filled(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(MerjaxError, match="this folder holds files"):
        synthesize_release(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "hidden" / ".git").mkdir(parents=True)
    with pytest.raises(MerjaxError, match="this folder holds files"):
        synthesize_release(tmp_path / "hidden")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / ".DS_Store").touch()  # a folder is empty to its user
    synthesize_release(empty, clips_per_subject=1, subjects=1)
    assert (empty / ".DS_Store").is_file()
    assert (empty / release.MARKER).is_file()
    with pytest.raises(MerjaxError, match="synthesised release already"):
        synthesize_release(empty)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--portraits", "{tmp}/none"], "none does not exist"),
        (["--portraits", "{tmp}/faces"], "wall.png: no face found"),
        (["--emotions", "joy"], "emotion joy: not one of casme2's; choose from disgust"),
        (["--peak", "3", "1"], "peak 3 1: expected two sizes"),
        (["--clips", "0"], "clips per subject 0: expected at least 1"),
        (["--landmark-model", "{tmp}/no.dat"], "no.dat does not exist; install the model"),
    ],
)
def test_wrong_input_gets_a_sentence_and_exit_code_2(tmp_path, capsys, arguments, sentence):
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "faces/wall.png"), np.zeros((200, 200, 3), np.uint8))
    arguments = [argument.format(tmp=tmp_path) for argument in arguments]
    with pytest.raises(SystemExit) as stop:
        synthesize.main(["--out", str(tmp_path / "release"), *arguments])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "release").exists()


def test_an_output_below_a_file_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stop:
        synthesize.main(["--out", str(tmp_path / "file" / "release")])
    assert stop.value.code == 2
    assert "file is a file, not a folder" in capsys.readouterr().err


def test_the_command_line_makes_a_release_and_is_quiet_without_a_terminal(tmp_path):
    command = [sys.executable, "-m", "merjax", "synthesize", "--out", "release", "--clips", "1", "--invent", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONWARNINGS": "error"}, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert done.stdout.startswith(b"release: a release in the layout of casme2")
    assert json.loads((tmp_path / "release" / release.MARKER).read_text())["invented_identities"] is True
