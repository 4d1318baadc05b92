"""The prepare command as a user runs it: one, two or three databases, checks, corrections, wrong input, kills, full disks."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
from filelock import FileLock
from support.places import CHECKOUT
from support.short_clips import FRAMES, cut_short, with_changed_frames

from merjax.cli import check
from merjax.cli.prepare import main
from merjax.datasets import read_casme2
from merjax.faces.pictures import read_image
from merjax.stores.preparation import prepare_store
from merjax.stores.store import CROPS, open_store
from merjax.sweeps.plan import make_plan
from merjax.sweeps.sweep_file import read_sweep
from merjax.system.errors import MerjaxError
from merjax.training.data import load_data


def line(*arguments) -> list[str]:
    return [sys.executable, "-m", "merjax", "prepare", *map(str, arguments)]


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(line(*arguments), cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def releases(small_release, small_others, tmp_path_factory) -> dict[str, Path]:
    """All three layouts, with faults: a CASME II clip lacks frames, a SMIC clip a counter."""
    folder = tmp_path_factory.mktemp("releases")
    made = {"casme2": small_release, "samm": small_others / "samm", "smic": small_others / "smic"}
    roots = {name: Path(shutil.copytree(release, folder / name)) for name, release in made.items()}
    for frame in read_casme2(roots["casme2"]).clips[0].frames[5:8]:
        frame.unlink()
    sorted(roots["smic"].rglob("*.bmp"))[4].unlink()
    return roots


@pytest.fixture(scope="module")
def composite(releases, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp("composite")
    overrides = folder / "corrections.yaml"
    overrides.write_text("samm:\n  001/001_1_1: {emotion: anger}\n")
    flags = [part for name, root in releases.items() for part in (f"--{name}", root)]
    result = run(*flags, "--overrides", overrides, "--out", folder / "store")
    assert result.returncode == 0, result.stderr
    return folder / "store", result


def test_three_databases_become_one_store_and_nothing_is_dropped_in_silence(composite):
    path, result = composite
    store = open_store(path)
    assert store.index.groupby("database").size().to_dict() == {"casme2": 8, "samm": 2, "smic": 2}
    counts = store.meta["counts"]
    assert counts["databases"]["casme2"] == {"used": 8, "dropped": 1, "published": None}  # synthetic: none applies
    assert counts["protocols"]["megc3"]["smic"] == {"used": 2, "published": None}
    assert "smic" not in counts["protocols"]["au5"]
    (dropped,) = store.dropped.itertuples()
    assert "missing frames" in dropped.reason
    assert f"dropped {dropped.database}/{dropped.subject}/{dropped.clip}: {dropped.reason}" in result.stdout
    kept = store.discrepancies[~store.discrepancies["dropped"]]["reason"]
    assert kept.str.contains("counter skips").any()
    assert all(reason in result.stdout for reason in kept)
    assert "12 of 13 clips, 7 subjects" in result.stdout
    assert "says nothing about people" in result.stdout


def test_overrides_change_the_annotation_and_stand_in_the_store(composite):
    store = open_store(composite[0])
    rows = store.index.set_index(["database", "clip"])["emotion"]
    assert rows["samm", "001_1_1"] == "anger"
    assert store.meta["overrides"] == {"samm": {"001/001_1_1": {"emotion": "anger"}}}
    assert len(store.meta["overrides_hash"]) == 64


def test_a_composite_store_gives_leave_one_subject_out_and_one_pair_of_databases(composite, tmp_path):
    data = {"store": str(composite[0]), "frames": "count:2"}
    loso = load_data(composite[0], frames="count:2")
    assert sorted(fold.name for fold in loso.folds) == [
        *("casme2/sub01", "casme2/sub02", "casme2/sub03", "samm/001", "samm/002", "smic/s01", "smic/s02"),
    ]
    path = tmp_path / "sweep.yaml"
    path.write_text(f"base:\n  data: {json.dumps(data | {'folds': 'cross_database:casme2+smic:samm'})}\n")
    plan = make_plan(read_sweep(path), workers=1)
    assert [fold.name for fold in plan.groups[0].folds] == ["casme2+smic->samm"]
    assert plan.runs == 1
    assert [clip.reason[:14] for clip in plan.groups[0].dropped] == ["missing frames"]


def test_check_counts_and_makes_nothing(releases, tmp_path, capsys):
    check.main(["--casme2", str(releases["casme2"]), "--smic", str(releases["smic"]), "--audit-aus"])
    printed = capsys.readouterr().out
    assert "megc3" in printed
    assert "no published count applies" in printed
    assert "missing frames" in printed
    assert "the AU rule agrees with 8 of 8 objective classes" in printed
    assert not list(tmp_path.iterdir())


def test_help_shows_each_database_and_the_models_licence(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for word in ("--casme2 /data/CASME2 --out", "--samm /data/SAMM", "--smic /data/SMIC_all_raw", "research only"):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "{new}"], "there is no release to read"),
        (["--casme2", "{casme2}"], "--out is missing"),
        (
            ["--casme2", "{casme2}", "--audit-aus", "--out", "{new}"],
            "write: merjax check --casme2 {casme2} --audit-aus",
        ),
        (["--smic", "x", "--check", "--flow", "mid", "--workers", "2"], "write: merjax check --smic x\n"),
        (["--check", "--flow-images", "x", "--clips", "y.csv"], "there is nothing to check: leave them out"),
        (["--samm-annotations", "x.xlsx", "--out", "{new}"], "add --samm DIR"),
        (["--casme2", "{empty}", "--out", "{new}"], "nothing like sub01/EP02_01f"),
        (["--casme2", "{nowhere}", "--out", "{new}"], "does not exist; point --casme2"),
        (["--casme2", "{casme2}", "--casme2-annotations", "{sheet}", "--out", "{new}"], "no sheet with the columns"),
        (["--casme2", "{casme2}", "--overrides", "{sheet}", "--out", "{new}"], "holds no `key: value` lines"),
        (["--casme2", "{casme2}", "--out", "{sheet}/store"], "is a file, not a folder"),
        (["--casme2", "{casme2}", "--out", "{empty}"], "exists"),
        (["--casme2", "{casme2}", "--out", "{new}", "--colour", "infrared"], "invalid choice: 'infrared'"),
        (["--casme2", "{casme2}", "--out", "{new}", "--workers", "0"], "not at least 1"),
        (["--casme2", "{casme2}", "--out", "{new}", "--geometry", "paper"], "invalid choice: 'paper'"),
        (
            ["--casme2", "{casme2}", "--out", "{new}", "--geometry", "authors", "--colour", "gray"],
            "the authors' geometry is in colour",
        ),
        (
            ["--casme2", "{casme2}", "--out", "{new}", "--geometry", "authors", "--align", "frame"],
            "keeps one box for the whole clip",
        ),
        (
            ["--flow-images", "x", "--clips", "y.csv", "--out", "{new}", "--geometry", "authors"],
            "leave out the releases and --geometry",
        ),
        (["--features", "flow64", "--out", "{new}", "--colour", "rgb"], "leave out --colour, --geometry, --align"),
        (["--features", "flow64", "--out", "{new}", "--overrides", "{sheet}"], "--kind, --overrides and"),
        (
            ["--features", "flow64", "--out", "{new}", "--samm-annotations", "{sheet}"],
            "--samm-annotations is for a release that is not named: add --samm DIR",
        ),
        (["--features", "flow64", "--out", "{nowhere}"], "nowhere does not exist; name a clip store, or make one"),
        (["--casme2", "{casme2}", "--features", "flow46,flov64", "--out", "{new}"], "did you mean flow64"),
        (["--casme2", "{casme2}", "--out", "{new}", "--landmark-model", "{sheet}"], "not the published 68-point model"),
    ],
)
def test_wrong_input_is_a_sentence_and_exit_code_2(releases, tmp_path, capsys, arguments, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "sheet.csv").write_text("Subject,Filename\n01,EP02_01f\n")
    places = {name: tmp_path / name for name in ("new", "empty", "nowhere")} | {"sheet": tmp_path / "sheet.csv"}
    with pytest.raises(SystemExit) as stopped:
        main([text.format(**places, casme2=releases["casme2"]) for text in arguments])
    assert stopped.value.code == 2
    assert sentence.format(**releases) in capsys.readouterr().err
    assert not list(tmp_path.glob("new*"))


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(c) for task in tasks.iterdir() for c in (task / "children").read_text().split()]


def wait_until(condition, seconds: float = 300) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to see the workers")
def test_a_killed_preparation_leaves_no_store_and_no_worker_and_the_same_line_finishes_it(
    small_release, small_store, tmp_path
):
    out = tmp_path / "store"
    journal = tmp_path / "store.partial" / "journal.jsonl"
    words = ("--casme2", small_release, "--out", out, "--workers", "1")
    process = subprocess.Popen(line(*words), cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: journal.is_file() and journal.read_text().count("\n") >= 2)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not out.exists()
    assert workers
    assert wait_until(lambda: not any(Path(f"/proc/{pid}/maps").is_file() and _alive(pid) for pid in workers))
    result = run(*words)
    assert result.returncode == 0, result.stderr
    assert open_store(out).hash == open_store(small_store).hash
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_is_a_sentence_and_after_more_space_the_same_line_finishes(small_release, small_store, small_disk):
    words = ("--casme2", small_release, "--out", small_disk / "store", "--workers", "1")
    result = run(*words)
    assert result.returncode == 2
    assert "the disk is full" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (small_disk / "store").exists()
    subprocess.run(["mount", "-o", "remount,size=500m", small_disk], check=True)
    assert run(*words).returncode == 0
    assert open_store(small_disk / "store").hash == open_store(small_store).hash


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_output_is_a_sentence(small_release, tmp_path):
    tmp_path.chmod(0o500)
    result = run("--casme2", small_release, "--out", tmp_path / "store")
    assert result.returncode == 2
    assert "no permission" in result.stderr


def one_clip(small_release):
    return cut_short(read_casme2(small_release), clips=1)


@pytest.mark.usefixtures("prepared_here")
def test_colour_crops_have_three_channels_whose_gray_is_the_gray_stores(small_release, tmp_path):
    release = one_clip(small_release)
    gray, rgb = (prepare_store([release], tmp_path / c, colour=c, workers=1) for c in ("gray", "rgb"))
    assert gray.hash != rgb.hash
    assert rgb.meta["settings"] == {"colour": "rgb", "align": "first"}
    for region in CROPS:
        colour = rgb.crops[region.name]
        assert colour.shape == (*gray.crops[region.name].shape, 3)
        luma = colour @ np.array([0.299, 0.587, 0.114])
        assert np.abs(luma - gray.crops[region.name]).mean() < 1
    skin = rgb.crops["cheek_right"][0].reshape(-1, 3).mean(0)
    assert skin[0] > skin[2]  # red above blue: the channels are not swapped


@pytest.mark.usefixtures("prepared_here")
def test_aligned_crops_begin_with_the_same_frame_and_the_setting_is_kept(small_release, tmp_path):
    release = one_clip(small_release)
    first, frame = (prepare_store([release], tmp_path / a, align=a, workers=1) for a in ("first", "frame"))
    assert frame.meta["settings"]["align"] == "frame"
    assert frame.hash != first.hash
    for region in CROPS:
        one, other = (store.crops[region.name].astype(int) for store in (first, frame))
        assert np.abs(one[0] - other[0]).mean() < 1  # another kernel, the same place
        assert (one[-1] != other[-1]).any()


@pytest.mark.usefixtures("prepared_here")
def test_a_partial_store_of_other_settings_is_not_continued(small_release, tmp_path):
    release = cut_short(read_casme2(small_release))

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    for colour in ("gray", "rgb"):
        with pytest.raises(KeyboardInterrupt):
            prepare_store([release], tmp_path / "store", colour=colour, workers=1, progress=stop)
    assert np.load(tmp_path / "store.partial" / "nose.npy", mmap_mode="r").shape[1:] == (80, 120, 3)


@pytest.mark.usefixtures("prepared_here")
def test_crops_that_were_lost_after_their_journal_line_are_made_again(small_release, small_store, tmp_path):
    release = cut_short(read_casme2(small_release))

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_store([release], tmp_path / "store", workers=1, progress=stop)
    crops = np.load(tmp_path / "store.partial" / "mouth.npy", mmap_mode="r+")
    crops[:] = 0
    crops.flush()
    prepare_store([release], tmp_path / "store")
    made, whole = (open_store(path) for path in (tmp_path / "store", small_store))
    for clip, first in zip(made.index.itertuples(), whole.index["first_row"], strict=False):
        own, expected = (x.crops["mouth"][row:][:FRAMES] for x, row in ((made, clip.first_row), (whole, first)))
        np.testing.assert_array_equal(own, expected)


@pytest.mark.usefixtures("prepared_here")
def test_a_tightly_cropped_release_prepares(small_release, tmp_path):
    """Images like CASME II's `Cropped`, from brows to chin and ear to ear; dlib by itself finds no face there."""
    release = cut_short(read_casme2(small_release))
    cropped = with_changed_frames(release, lambda image: image[130:370, 215:425], tmp_path)
    store = prepare_store([cropped], tmp_path / "store")
    assert len(store.index) == len(release.clips)
    assert store.dropped.empty


@pytest.mark.long
def test_faces_that_dlib_misses_at_first_are_padded_and_enlarged(small_release, tmp_path):
    """The images are so small that the plain detector finds no face; those found by further attempts are prepared."""

    def shrunk(image):
        return cv2.resize(image[150:350, 235:405], (42, 50), interpolation=cv2.INTER_AREA)

    release = with_changed_frames(cut_short(read_casme2(small_release), clips=9), shrunk, tmp_path)
    clips = release.clips
    assert not any(dlib.get_frontal_face_detector()(read_image(clip.frames[0]), 0) for clip in clips)
    store = prepare_store([release], tmp_path / "store")
    assert len(store.index) >= 3
    assert len(store.index) + len(store.dropped) == len(clips)
    assert store.dropped["reason"].str.startswith("dlib finds no face").all()


def test_two_preparations_of_one_store_at_a_time_are_refused(small_release, tmp_path):
    with FileLock(tmp_path / ".store.lock"), pytest.raises(MerjaxError, match="another process is preparing"):
        prepare_store([read_casme2(small_release)], tmp_path / "store")
