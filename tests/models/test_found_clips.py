"""Intervals as clips: which frames at which rate, around which face, prepared in which way."""

import cv2
import numpy as np
import pandas as pd
import pytest
from support.face_shape import face_points
from support.made_analysis import make_analysis
from support.moving_faces import POINTS, around_nose, moved_as_whole, moved_in_part
from support.recordings import SKIN

from merjax.config import make_config
from merjax.faces.face_boxes import FaceBox
from merjax.faces.landmarks import FoundFace
from merjax.faces.pictures import read_image
from merjax.models import found_clips
from merjax.models.found_clips import Seeing, cut_out, preparation_of, rate_for, resampled, seeing_of, shown, steadied
from merjax.models.own_video import FoundInterval
from merjax.stores.features import Feature
from merjax.system.errors import MerjaxError
from merjax.training.frames import select_frames

FACE = FaceBox(60, 40, 99, 79)


@pytest.mark.parametrize(
    ("fps", "known", "expected"),
    [
        (30, (), 30),
        (30, (200.0,), 200),
        (29.97, (30.0, 200.0), 29.97),
        (60, (100.0, 200.0), 100),
        (120, (100, 200), 100),
    ],
)
def test_the_rate_is_the_videos_own_if_the_model_knows_it_and_else_the_nearest(fps, known, expected):
    assert rate_for(fps, known) == expected


def test_resampled_frames_are_those_that_another_camera_would_have_seen():
    interval = FoundInterval(10, 13, 19, "micro", 1.0)
    assert resampled(interval, 30, 30).tolist() == [*range(10, 20)]
    for rate in (7, 15, 60, 200):
        frame_T = resampled(interval, 30, rate)
        times = np.arange(len(frame_T)) / rate
        assert abs(times[-1] - 9 / 30) <= 0.5 / rate + 1e-9  # as long as before, but for half a picture
        assert (np.abs((frame_T - 10) / 30 - times) <= 0.5 / 30 + 1e-9).all()
        assert frame_T[0] == 10
        assert frame_T[-1] == 19 or rate < 30


def test_a_model_is_shown_the_frames_at_which_it_looks_and_else_all_of_them():
    def seeing(**settings):
        return seeing_of(make_config(settings, source=""), 30.0, (200.0,))

    assert seeing(data={"frames": "count:4"}) == Seeing("count:4", 30.0)
    assert seeing(method="ststnet") == Seeing("all", 30.0)
    assert seeing(data={"frames": "all"}) == seeing(data={"frames": "fps:100"}) == Seeing("all", 200.0)
    interval = FoundInterval(10, 13, 19, "micro", 1.0)
    assert shown(interval, 30.0, Seeing("count:4", 30.0)).tolist() == [10, 13, 16, 19]
    assert shown(interval, 30.0, Seeing("count:40", 30.0)).tolist() == [*range(10, 20)]
    assert len(shown(interval, 30.0, Seeing("all", 200.0))) == 61
    assert seeing(data={"frames": "apex:5"}) == Seeing("apex:5", 200.0)


@pytest.mark.parametrize("apex", [10, 11, 15, 20, 29])
@pytest.mark.parametrize("rate", [30.0, 15.0, 200.0])
def test_around_the_apex_a_model_sees_what_it_would_see_of_the_whole_clip(apex, rate):
    interval = FoundInterval(10, apex, 29, "macro", 1.0)
    seen = []
    for spec in ("all", "apex:5"):
        frame_T = shown(interval, 30.0, Seeing(spec, rate))
        place = int(np.abs(frame_T - apex).argmin())
        clip = pd.DataFrame({"n_frames": [len(frame_T)], "onset": [0], "apex": [place]})
        seen.append(frame_T[select_frames("apex:5", clip)[0]].tolist())
        assert frame_T[0] == 10
    assert seen[0] == seen[1]
    assert len(frame_T) <= 6


def detector(monkeypatch, faces):
    def find(picture, model, lowest):
        if not faces:
            return None
        return FoundFace(landmarks(faces[0]), "sure", faces[0], 0, tuple(faces[1:]))

    def landmarks(box):
        return face_points(0.4 * box.side, (box.left + box.right) / 2, box.top + 0.4 * box.side)

    monkeypatch.setattr(found_clips, "find_face", find)
    monkeypatch.setattr(
        found_clips, "face_in_box", lambda picture, box, *rest: FoundFace(landmarks(box), "sure", box, 0)
    )


def test_clips_show_the_face_with_surroundings_and_each_picture_is_written_once(tmp_path, monkeypatch):
    detector(monkeypatch, [FACE])
    analysis = make_analysis(tmp_path, frames=240)
    release = cut_out(analysis, Seeing("all", 60.0), tmp_path / "pictures", tmp_path)
    assert [(clip.name, clip.kind, clip.fps, clip.onset) for clip in release.clips] == [
        ("0", "micro", pytest.approx(60.0), 0),
        ("1", "macro", pytest.approx(60.0), 0),
        ("2", "micro", pytest.approx(60.0), 0),
    ]
    first, own = release.clips[0], analysis.intervals[0]
    assert first.n_frames == first.offset + 1 == 2 * (own.offset - own.onset) + 1
    assert abs(first.apex - 2 * (own.apex - own.onset)) <= 1
    assert len({*first.frames}) == own.offset - own.onset + 1 == len([*first.frames[0].parent.iterdir()])
    whole = cv2.imread(str(analysis.picture(own.onset)))[..., ::-1]
    np.testing.assert_array_equal(read_image(first.frames[0], "rgb"), whole[10:110, 30:130])  # .75 of 40 px around


def test_without_a_face_there_is_no_clip(tmp_path, monkeypatch):
    detector(monkeypatch, [])
    assert not cut_out(make_analysis(tmp_path, frames=240), Seeing("all", 30.0), tmp_path / "pictures", tmp_path).clips


def test_of_several_faces_the_one_is_taken_whose_motion_was_measured(tmp_path, monkeypatch):
    other = FaceBox(10, 40, 39, 69)
    analysis = make_analysis(tmp_path, frames=240)
    picture = read_image(analysis.picture(30), "gray")
    for measured in (FACE, other):
        detector(monkeypatch, [FACE, other])
        crop = found_clips.cut_crop(picture, found_clips.placed(found_clips.face_in_box(picture, measured).points), 128)
        assert found_clips._face_of(picture, crop, tmp_path).box == measured


def card(**made):
    return {"preparation": made}


def test_clips_are_prepared_as_those_that_the_model_learnt_from():
    plain = make_config({}, source="")
    crops, features = preparation_of(card(colour="rgb", align="frame"), plain)
    assert (crops.colour, crops.align, crops.geometry, features) == ("rgb", "frame", "ours", ())
    crops, _ = preparation_of(card(geometry="authors", align="first"), plain)
    assert (crops.geometry, crops.colour) == ("authors", "rgb")
    settings = {f"flow {key}": value for key, value in Feature("flow28", to="mid").settings.items()}
    assert preparation_of(card(**settings), make_config({"method": "ststnet"}, source="")).features == (
        "flow28:mid:dis",
    )
    motion = make_config({"data": {"input": "flow"}}, source="")
    assert preparation_of(card(**{"flow algorithm": "dis"}), motion).features == ("motion:dis",)
    assert preparation_of({}, plain).features == ()  # an earlier card does not say


def test_a_geometry_that_is_unknown_here_is_refused():
    with pytest.raises(MerjaxError, match="geometry is 'theirs'; write ours or authors"):
        preparation_of(card(geometry="theirs"), make_config({}, source=""))


def test_an_interval_at_the_edge_of_the_picture_is_cut_there(tmp_path, monkeypatch):
    detector(monkeypatch, [FaceBox(0, 0, 159, 119)])
    analysis = make_analysis(tmp_path, frames=240)
    (first, *_) = cut_out(analysis, Seeing("all", 30.0), tmp_path / "pictures", tmp_path).clips
    assert read_image(first.frames[0], "gray").shape == (120, 160)


def test_pictures_are_steadied_and_the_faces_own_motion_stays():
    moves = [around_nose(0.4 * n, 1, 2.0 * n, -1.0 * n) for n in range(4)]
    inner = [moved_in_part(SKIN, range(48, 60), 0, 2.0 * (n > 1)) for n in range(4)]
    swaying = [moved_as_whole(one, motion) for one, motion in zip(inner, moves, strict=True)]
    colour = [np.dstack([picture] * 3) for picture in swaying]
    steady = [picture[..., 0].astype(float) for picture in steadied(colour, POINTS)]
    face = np.s_[150:330, 240:400]
    for n, picture in enumerate(steady):
        sway = np.abs(swaying[n].astype(float) - swaying[0])[face].mean()
        left = np.abs(picture - inner[n])[face].mean()
        assert left < 2.5 + 0.1 * sway, n
    assert np.abs(steady[3] - steady[0])[face].max() > 20  # the mouth has moved
