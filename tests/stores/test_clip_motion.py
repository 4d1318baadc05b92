"""Motion in a clip store: between which frames, of which crops, after a restart, and what is refused."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from merjax.cli.prepare import main
from merjax.datasets import read_casme2
from merjax.faces.flow import dense_flow, fixed_point, flow_picture
from merjax.stores.clip_motion import FlowSettings
from merjax.stores.preparation import prepare_store
from merjax.stores.store import CROPS, open_store
from merjax.system.errors import MerjaxError
from merjax.training.data import load_data


@pytest.fixture(scope="module")
def release(small_release):
    return read_casme2(small_release)


@pytest.fixture(scope="module")
def short(release):
    """The release with clips cut down to nine frames, the fifth being the apex; the last clip has none."""
    clips = [
        replace(clip, frames=clip.frames[: 8 * 4 : 4] + (clip.frames[clip.apex - clip.onset],), apex=clip.onset + 8,
                offset=clip.onset + 8)
        for clip in release.clips[::3]
    ]  # fmt: skip
    return replace(release, clips=(*clips[:2], replace(clips[2], apex=None)))


@pytest.fixture(scope="module")
def store(short, tmp_path_factory):
    return prepare_store(short, tmp_path_factory.mktemp("flow") / "store", flow="every", workers=1)


def test_pictures_go_from_onset_to_apex_or_to_the_middle(store):
    assert store.flow.shape == (3, 28, 28, 3)
    assert store.index["flow_frame"].tolist() == [8, 8, 4]
    for row, picture in zip(store.index.itertuples(), store.flow, strict=True):
        onset, target = store.crops["face"][row.first_row], store.crops["face"][row.first_row + row.flow_frame]
        np.testing.assert_array_equal(picture, flow_picture(dense_flow(onset, target), 28))
    assert (store.path / "flow_sheet.png").stat().st_size > 10_000


def test_every_frame_of_every_crop_has_its_motion_against_the_onset(store):
    row = store.index.iloc[1]
    for region in CROPS:
        crop, flow = store.crops[region.name], store.frame_flow[region.name]
        assert flow.shape == (*crop.shape, 3)
        assert not flow[row.first_row].any()
        for t in (3, 8):
            expected = fixed_point(dense_flow(crop[row.first_row], crop[row.first_row + t]))
            np.testing.assert_array_equal(flow[row.first_row + t], expected)
    assert store.meta["flow_cut_off"] < 0.01


def test_an_experiment_sees_the_motion_of_the_frames_that_it_asks_for(store):
    experiment = load_data(store, input="flow", frames="count:3")
    assert experiment.channels == 3
    assert experiment.subtracted_row_S is None
    assert len(experiment.index) == 2  # the clip without an apex is not in the protocol
    for region, frames in zip(experiment.streams, experiment.frames, strict=True):
        np.testing.assert_array_equal(frames[experiment.row_S], store.frame_flow[region.name][[0, 4, 8, 9, 13, 17]])
    (face,) = load_data(store, input="flow", frames="count:3", whole_face=True).frames
    assert face.shape == (27, 160, 160, 3)
    with pytest.raises(MerjaxError, match="whose flow to the onset is nothing"):
        load_data(store, input="flow", frames="count:1")


@pytest.mark.usefixtures("prepared_here")
def test_a_stopped_preparation_goes_on_and_broken_motion_is_computed_anew(short, store, tmp_path):
    out = tmp_path / "store"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_store([short], out, flow="every", workers=1, progress=stop)
    partial = out.with_name("store.partial")
    for name in ("pictures", "flow_mouth"):
        np.load(partial / f"{name}.npy", mmap_mode="r+")[:] = 9
    finished = prepare_store([short], out, flow="every", workers=1)
    assert finished.hash == store.hash
    np.testing.assert_array_equal(finished.flow, store.flow)
    np.testing.assert_array_equal(finished.frame_flow["mouth"], store.frame_flow["mouth"])
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in store.path.iterdir())


@pytest.mark.usefixtures("prepared_here")
def test_crops_alone_have_the_hash_they_always_had(short, store, tmp_path):
    """Motion is added to a store; a store without motion does not change."""
    plain = prepare_store([short], tmp_path / "plain", workers=1)
    assert plain.hash != store.hash
    assert plain.meta["settings"] == {"colour": "gray", "align": "first"}
    assert (plain.flow, plain.frame_flow) == (None, {})
    np.testing.assert_array_equal(plain.crops["nose"], store.crops["nose"])


@pytest.mark.usefixtures("prepared_here")
def test_motion_of_dropped_clips_is_left_out(short, store, tmp_path):
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.zeros((480, 640), np.uint8))
    broken = replace(short.clips[0], frames=(blank,) * 9)
    made = prepare_store(
        [replace(short, clips=(broken, *short.clips[1:]))],
        tmp_path / "store",
        flow=FlowSettings(to="mid", side=14),
        workers=1,
    )
    assert made.flow.shape == (2, 14, 14, 3)
    face = made.crops["face"]
    for row, picture in zip(made.index.itertuples(), made.flow, strict=True):
        assert row.flow_frame == 4
        expected = flow_picture(dense_flow(face[row.first_row], face[row.first_row + 4]), 14)
        np.testing.assert_array_equal(picture, expected)


@pytest.mark.long
def test_the_command_line_asks_for_motion(small_release, tmp_path, capsys):
    main(["--casme2", str(small_release), "--out", str(tmp_path / "store"), "--flow", "mid", "--flow-size", "20"])
    settings = json.loads((tmp_path / "store/store.json").read_text())["settings"]["flow"]
    assert settings == {"to": "mid", "every": False, "algorithm": "dis", "side": 20}
    assert open_store(tmp_path / "store").flow.shape[1:] == (20, 20, 3)
    assert "flow of 20x20 pixels" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--casme2", str(small_release), "--out", str(tmp_path / "other"), "--flow-size", "20"])
    assert "add --flow" in capsys.readouterr().err
