"""Features of a clip store: of which frames and crops, added later, after a restart, and what is refused."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.tiny_store import tiny_store

from merjax.cli.prepare import main
from merjax.datasets import read_casme2
from merjax.faces.dynamic_image import dynamic_image
from merjax.faces.flow import dense_flow, fixed_point, flow_picture
from merjax.faces.mosaic import mosaic
from merjax.stores import workers
from merjax.stores.adding_features import add_features
from merjax.stores.arrays import CROPS
from merjax.stores.health import examine_store
from merjax.stores.preparation import prepare_store
from merjax.stores.store import open_store
from merjax.system.errors import MerjaxError
from merjax.training.data import load_data

FEATURES = "flow28,flow64:mid,mosaic,dynamic,motion"


@pytest.fixture(scope="module")
def short(small_release):
    """The release with clips cut down to nine frames, the fifth being the apex; the last clip has none."""
    release = read_casme2(small_release)
    clips = [
        replace(clip, frames=clip.frames[: 8 * 4 : 4] + (clip.frames[clip.apex - clip.onset],), apex=clip.onset + 8,
                offset=clip.onset + 8)
        for clip in release.clips[::3]
    ]  # fmt: skip
    return replace(release, clips=(*clips[:2], replace(clips[2], apex=None)))


@pytest.fixture(scope="module")
def store(short, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "spread", lambda work, tasks, processes: map(work, tasks))
        return prepare_store(short, tmp_path_factory.mktemp("flow") / "store", features=FEATURES)


def test_flow_images_go_from_onset_to_apex_or_to_the_middle(store):
    assert {name: held.pictures.shape for name, held in store.features.items() if name != "motion"} == {
        "flow28": (3, 28, 28, 3),
        "flow64": (3, 64, 64, 3),
        "mosaic": (3, 28, 28, 3),
        "dynamic": (3, 112, 112, 3),
    }
    face = store.crops["face"]
    for n, (first, apex) in enumerate(zip(store.index["first_row"], (8, 8, 4), strict=True)):
        to_apex = flow_picture(dense_flow(face[first], face[first + apex]), 28)
        to_middle = flow_picture(dense_flow(face[first], face[first + 4]), 64)
        np.testing.assert_array_equal(store.features["flow28"].pictures[n], to_apex)
        np.testing.assert_array_equal(store.features["mosaic"].pictures[n], mosaic(to_apex))
        np.testing.assert_array_equal(store.features["flow64"].pictures[n], to_middle)
        whole = dynamic_image(np.array(face[first : first + 9]), 112)
        np.testing.assert_array_equal(store.features["dynamic"].pictures[n], whole)
    assert store.features["flow64"].settings == {"to": "mid", "algorithm": "dis", "side": 64}
    assert store.features["dynamic"].settings == {"weights": "bilen", "side": 112, "colour": "gray"}
    for name in ("flow28", "dynamic"):
        assert (store.path / "features" / name / "sheet.png").stat().st_size > 5_000


def test_every_frame_of_every_crop_has_its_motion_against_the_onset(store):
    row, motion = store.index.iloc[1], store.features["motion"]
    for region in CROPS:
        crop, flow = store.crops[region.name], motion.arrays[region.name]
        assert flow.shape == (*crop.shape, 3)
        assert not flow[row.first_row].any()
        expected = fixed_point(dense_flow(crop[row.first_row], crop[row.first_row + 8]))
        np.testing.assert_array_equal(flow[row.first_row + 8], expected)
    assert motion.cut_off < 0.01


def test_an_experiment_sees_the_motion_of_the_frames_that_it_asks_for(store):
    experiment = load_data(store, input="flow", frames="count:3")
    assert experiment.channels == 3
    assert experiment.subtracted_row_S is None
    assert len(experiment.index) == 2  # the clip without an apex is not in the protocol
    for region, frames in zip(experiment.streams, experiment.frames, strict=True):
        motion = store.features["motion"].arrays[region.name]
        np.testing.assert_array_equal(frames[experiment.row_S], motion[[0, 4, 8, 9, 13, 17]])
    (face,) = load_data(store, input="flow", frames="count:3", whole_face=True).frames
    assert face.shape == (27, 160, 160, 3)
    with pytest.raises(MerjaxError, match="whose flow to the onset is nothing"):
        load_data(store, input="flow", frames="count:1")


@pytest.fixture
def bare(store, tmp_path):
    """The same store before anything was added to it."""
    shutil.copytree(store.path, tmp_path / "bare", ignore=shutil.ignore_patterns("features"))
    return tmp_path / "bare"


@pytest.mark.usefixtures("prepared_here")
def test_features_are_added_without_a_change_to_the_store(store, bare):
    before = {path.name: path.read_bytes() for path in bare.iterdir() if path.suffix in (".json", ".parquet")}
    assert add_features(bare, "flow28").features.keys() == {"flow28"}
    added = add_features(bare, FEATURES)
    assert added.hash == store.hash
    for name, held in store.features.items():
        assert added.features[name].hash == held.hash
    assert len({held.hash for held in store.features.values()}) == 5
    assert {path.name: path.read_bytes() for path in bare.iterdir() if path.suffix in (".json", ".parquet")} == before
    assert sorted(path.name for path in (bare / "features").iterdir()) == sorted(store.features)


@pytest.mark.usefixtures("prepared_here")
def test_what_is_held_is_not_computed_again_and_other_settings_are_refused(store, bare, monkeypatch):
    add_features(bare, "flow28")
    monkeypatch.setattr("merjax.stores.adding_features._computed", lambda job: 1 / 0)
    add_features(bare, "flow28:apex:dis")
    with pytest.raises(MerjaxError, match="holds flow28 with to apex, and a store holds one feature of each name"):
        add_features(bare, "flow28:mid")


def no_more_than(clips):
    def stop(done, total):
        if done == clips:
            raise KeyboardInterrupt

    return stop


@pytest.mark.usefixtures("prepared_here")
def test_a_stopped_call_goes_on_and_broken_rows_are_computed_anew(store, bare):
    with pytest.raises(KeyboardInterrupt):
        add_features(bare, "motion,flow28", progress=no_more_than(2))
    assert open_store(bare).features == {}
    partial = bare / "features" / "motion.partial"
    mouth = np.load(partial / "mouth.npy", mmap_mode="r+")
    mouth[: store.index["n_frames"].iloc[0]] = 9  # of the first clip
    mouth.flush()
    with (partial / "journal.jsonl").open("a") as journal:
        journal.write('{"clip": 99, "hash": "x", "cut_off": 0}\n[1]\n7\n{"clip"')
    counted = []
    finished = add_features(bare, "motion", progress=lambda done, total: counted.append((done, total)))
    assert counted == [(1, 3), (2, 3), (3, 3)]
    assert finished.features["motion"].hash == store.features["motion"].hash
    assert (bare / "features" / "flow28.partial").is_dir()  # goes on when it is asked for again
    assert add_features(bare, "flow28").features["flow28"].hash == store.features["flow28"].hash


@pytest.mark.usefixtures("prepared_here")
def test_a_stopped_preparation_goes_on_to_its_features(short, store, tmp_path):
    out = tmp_path / "store"
    calls = []

    def stop(done, total):
        calls.append(done)
        if calls.count(2) == 2:  # the crops of all clips, then the features of two
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_store([short], out, features=FEATURES, progress=stop)
    assert not out.exists()
    finished = prepare_store([short], out, features=FEATURES)
    assert finished.hash == store.hash
    assert {name: held.hash for name, held in finished.features.items()} == {
        name: held.hash for name, held in store.features.items()
    }
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in store.path.iterdir())


@pytest.mark.usefixtures("prepared_here")
def test_features_of_dropped_clips_are_left_out_and_those_of_a_repaired_one_are_made_anew(short, tmp_path):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros((480, 640), np.uint8))
    broken = replace(short, clips=(replace(short.clips[0], frames=(blank,) * 9), *short.clips[1:]))
    with pytest.raises(KeyboardInterrupt):
        prepare_store([broken], tmp_path / "store", features="flow14,flow28", progress=_stop_at_the_features())
    made = prepare_store([broken], tmp_path / "store", features="flow14,flow28")
    assert made.features["flow14"].pictures.shape == (2, 14, 14, 3)
    face = made.crops["face"]
    for row, picture in zip(made.index.itertuples(), made.features["flow14"].pictures, strict=True):
        target = row.first_row + (4 if row.Index == 1 else 8)
        np.testing.assert_array_equal(picture, flow_picture(dense_flow(face[row.first_row], face[target]), 14))


def _stop_at_the_features():
    def stop(done, total):
        if (done, total) == (2, 2):
            raise KeyboardInterrupt

    return stop


def test_crops_alone_have_the_hash_they_always_had(store):
    """What is computed from them later does not change it."""
    assert store.meta["settings"] == {"colour": "gray", "align": "first"}
    assert "flow" not in " ".join(path.name for path in store.path.glob("*.npy"))


def found(path, **how):
    return {finding.what: finding for finding in examine_store(path, **how)}


@pytest.mark.usefixtures("prepared_here")
def test_the_doctor_lists_features_and_finds_what_changed(store, bare):
    add_features(bare, "flow28,dynamic")
    findings = found(bare)
    assert findings["flow28"].found.startswith("28x28 pixels a clip, to apex, algorithm dis; hash ")
    assert "weights bilen, colour gray" in findings["dynamic"].found
    assert not any(finding.fails for finding in findings.values())
    pictures = np.load(bare / "features/flow28/pictures.npy", mmap_mode="r+")
    pictures[1, 0, 0, 0] ^= 1
    pictures.flush()
    assert found(bare)["flow28"].found.endswith("it changed since it was made")
    assert f"merjax prepare --features flow28 --out {bare}" in found(bare)["flow28"].todo


@pytest.mark.usefixtures("prepared_here")
@pytest.mark.parametrize("how", ["cut", "text", "record", "other clips"])
def test_a_damaged_feature_is_named_with_what_to_do(bare, how):
    add_features(bare, "flow28")
    folder = bare / "features" / "flow28"
    if how == "cut":
        (folder / "pictures.npy").write_bytes((folder / "pictures.npy").read_bytes()[:-1])
    elif how == "text":
        (folder / "pictures.npy").write_text("no array")
    elif how == "record":
        (folder / "feature.json").write_text('{"store": 1}')
    else:
        record = json.loads((folder / "feature.json").read_text())
        (folder / "feature.json").write_text(json.dumps(record | {"store": "another"}))
    with pytest.raises(
        MerjaxError, match=r"features/flow28/.*; remove .*features/flow28 and add it again: merjax prepare"
    ):
        open_store(bare)


@pytest.mark.usefixtures("prepared_here")
def test_a_store_made_with_flow_by_an_earlier_version_holds_its_features_and_takes_more(tmp_path):
    path = tiny_store(tmp_path / "old", motion=True)
    old = open_store(path)
    assert list(old.features) == ["flow28", "motion"]
    np.testing.assert_array_equal(old.features["flow28"].pictures, np.load(path / "flow.npy"))
    np.testing.assert_array_equal(old.features["motion"].arrays["nose"], np.load(path / "flow_nose.npy"))
    assert old.features["flow28"].settings == {"to": "apex", "algorithm": "dis", "side": 28}
    assert {held.hash for held in old.features.values()} == {""}  # the store's covers them
    findings = found(path)
    assert "as it was when the store was made" in findings["hash"].found
    assert findings["flow28"].found.endswith("made with the store")
    assert add_features(path, "flow28,mosaic,motion").features.keys() == {"flow28", "motion", "mosaic"}
    assert open_store(path).hash == old.hash
    with pytest.raises(MerjaxError, match="holds flow28 with to apex"):
        add_features(path, "flow28:mid")


@pytest.mark.long
def test_the_command_line_asks_for_features_and_adds_them(small_release, tmp_path, capsys):
    out = str(tmp_path / "store")
    main(["--casme2", str(small_release), "--out", out, "--features", "flow20:mid"])
    assert open_store(out).features["flow20"].settings == {"to": "mid", "algorithm": "dis", "side": 20}
    said = " ".join(capsys.readouterr().out.split())
    assert "frames; flow20; look at" in said
    assert "flow20/sheet.png" in said
    main(["--features", "dynamic", "--out", out])
    assert open_store(out).features.keys() == {"dynamic", "flow20"}
    for wrong, sentence in (
        (["--casme2", str(small_release), "--features", "flow64", "--out", out], "by a line that names no release"),
        (["--features", "flow64", "--out", str(tmp_path / "none")], "does not exist; name a clip store"),
        (["--features", "flow20:apex", "--out", out], "holds flow20 with to mid"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--flow"], "flow28"),
        (["--flow", "mid", "--flow-size", "20"], "flow20:mid"),
        (["--flow", "every", "--flow-algorithm", "tvl1"], "flow28:tvl1,motion:tvl1"),
        (["--flow-size", "64"], "flow64"),
    ],
)
def test_the_flags_of_earlier_versions_answer_with_the_new_words(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as stopped:
        main(["--casme2", "nowhere", "--out", str(tmp_path / "store"), *flags])
    assert stopped.value.code == 2
    assert f"write: --features {words}\n" in capsys.readouterr().err
