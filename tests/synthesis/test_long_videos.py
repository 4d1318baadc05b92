"""Made long videos: scripts keep their promises, frames show the script, and releases are what databases and scores expect."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from merjax.datasets.casme_squared import read_casme_squared
from merjax.datasets.samm_long import read_samm_long
from merjax.faces.landmarks import find_model
from merjax.scoring.spotting.rescored import rescore_intervals
from merjax.synthesis.face import displacement_field, face_mask
from merjax.synthesis.long_layouts import LONG_LAYOUTS, MadeVideo, annotated, interval_table, video_table
from merjax.synthesis.long_release import synthesize_long_videos
from merjax.synthesis.long_rendering import render_long
from merjax.synthesis.long_scripts import BESIDE, LongPlan, LongScript, Track, script_video
from merjax.synthesis.movements import Movement
from merjax.synthesis.portraits import default_portraits, read_face
from merjax.synthesis.rendering import Camera
from merjax.system.errors import MerjaxError
from merjax.system.tables import read_tables

STILL = Camera(noise=0, drift=0, flicker=0)


def scripted(seed=0, fps=30.0, empty=False, **plan) -> LongScript:
    return script_video(LongPlan(**plan), fps, np.random.default_rng(seed), empty=empty)


@pytest.mark.parametrize("fps", [30.0, 200.0])
def test_expressions_have_the_lengths_of_their_kind_and_lie_apart(fps):
    for seed in range(20):
        script = scripted(seed, fps)
        kinds = [e.kind for e in script.expressions]
        assert (kinds.count("micro"), kinds.count("macro")) == (2, 2)
        for e in script.expressions:
            low, high = {"micro": (0.25, 0.5), "macro": (0.8, 3.0)}[e.kind]
            assert low * fps - 1 <= e.offset - e.onset <= high * fps + 1
            assert e.onset < e.apex < e.offset
        ends = [0, *(end for e in script.expressions for end in (e.onset, e.offset)), script.frames]
        assert all(later - earlier >= fps for earlier, later in zip(ends[::2], ends[1::2], strict=True))


def test_everything_else_happens_too_and_speech_never_during_an_expression():
    for seed in range(10):
        script, empty = scripted(seed), scripted(seed, empty=True)
        assert {event.what for event in script.events} == set(BESIDE)
        assert not empty.expressions
        assert {event.what for event in empty.events} == set(BESIDE)
        for event in script.events:
            assert 0 <= event.onset <= event.offset < script.frames
            if event.what == "speech":
                assert not any(event.onset <= e.offset and e.onset <= event.offset for e in script.expressions)
        assert all(np.abs(track.strength_T).max() <= 1 + 1e-9 for track in script.tracks)
        assert 0.8 < script.light_T.min() < 1 < script.light_T.max() < 1.2
        assert 1 < np.abs(script.head_Tx3[:, :2]).max() < 12


def test_an_expressions_strength_is_largest_at_its_apex_and_none_outside():
    script = scripted(3)
    for e, track in zip(script.expressions, script.tracks, strict=False):
        assert track.peak == e.peak
        assert track.strength_T.argmax() == e.apex
        assert track.strength_T[e.apex] == pytest.approx(1, abs=0.01)
        outside = np.r_[track.strength_T[: e.onset + 1], track.strength_T[e.offset :]]
        assert np.abs(outside).max() < 1e-6


def test_what_is_left_out_does_not_happen_and_one_seed_gives_one_script():
    calm = scripted(beside=())
    assert calm.events == ()
    assert len(calm.tracks) == len(calm.expressions)
    assert not calm.head_Tx3.any()
    assert (calm.light_T == 1).all()
    one, same, other = scripted(5), scripted(5), scripted(6)
    assert one.expressions == same.expressions
    assert one.events == same.events
    assert one.expressions != other.expressions


def test_expressions_that_do_not_fit_are_refused():
    with pytest.raises(MerjaxError, match="8 expressions do not fit into a video of 300 frames"):
        scripted(seconds=10.0, per_minute=(("micro", 48.0),))


@pytest.fixture(scope="module")
def face():
    return read_face(default_portraits()[0], find_model())


def frames_of(face, tracks=(), head=((0, 0, 0),) * 2, light=(1, 1)):
    script = LongScript(30.0, 2, (), (), tuple(tracks), np.array(head, float), np.array(light, float))
    return [cv2.cvtColor(f, cv2.COLOR_BGR2GRAY) for f in render_long(face, script, STILL, np.random.default_rng(0))]


def test_frames_show_the_face_moved_as_the_script_says(face):
    movements = (Movement(12, "both", 1.0),)
    first, second = frames_of(face, [Track(movements, 3.0, np.array([0.0, 1.0]))])
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(first, second, None)
    true = displacement_field(face, movements, 3.0 * face.d / 105)
    inside = face_mask(face.points_68x2, *face.shape) > 0.5
    assert np.corrcoef(flow[inside].ravel(), true[inside].ravel())[0, 1] > 0.85


def test_the_head_moves_as_a_whole_and_the_light_changes_all(face):
    first, second = frames_of(face, head=((0, 0, 0), (8, -4, 0)))
    shift, _ = cv2.phaseCorrelate(
        np.float32(first), np.float32(second), cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F)
    )
    assert shift == pytest.approx((8 * face.d / 105, -4 * face.d / 105), abs=0.3)
    first, second = frames_of(face, light=(1, 0.9))
    assert second.mean() / first.mean() == pytest.approx(0.9, abs=0.01)


def test_a_blink_moves_the_lids_and_a_look_moves_the_eyes_alone(face):
    for units, sides, moved in (((45,), ("both",), [37, 38]), ((61, 62), ("left", "right"), None)):
        movements = tuple(Movement(unit, side, 1.0) for unit, side in zip(units, sides, strict=True))
        field = displacement_field(face, movements, 5.0)
        size = np.linalg.norm(field, axis=2)
        y, x = np.unravel_index(size.argmax(), size.shape)
        eyes = face.points_68x2[36:48]
        assert eyes[:, 0].min() - 8 < x < eyes[:, 0].max() + 8
        assert eyes[:, 1].min() - 8 < y < eyes[:, 1].max() + 8
        mouth = face.points_68x2[48:68].round().astype(int)
        assert size[mouth[:, 1], mouth[:, 0]].max() < 0.05
        if moved is None:
            irises = [eyes[:6].mean(0), eyes[6:].mean(0)]
            across = [field[int(p[1]), int(p[0]), 0] for p in irises]
            assert across[0] * across[1] > 0  # both to the same side


@pytest.mark.parametrize("name", LONG_LAYOUTS)
def test_the_tables_beside_a_release_score_its_own_intervals_as_all_found(name, tmp_path):
    layout = LONG_LAYOUTS[name]
    videos = [MadeVideo(s, n, scripted(10 * s + n, 30.0, empty=n == 3)) for s in (1, 2) for n in (1, 2, 3)]
    interval_table(layout, videos).to_csv(tmp_path / "intervals.csv", index=False)
    video_table(layout, videos).to_csv(tmp_path / "videos.csv", index=False)
    scores = rescore_intervals(
        tmp_path / "intervals.csv", truth=tmp_path / "intervals.csv", videos=tmp_path / "videos.csv"
    )
    row = scores.table.iloc[-1]
    assert row[["hits", "false", "missed", "videos", "empty", "subjects"]].tolist() == [16, 0, 0, 6, 2, 2]
    assert row["STRS"] == 1
    assert (
        rescore_intervals(tmp_path / "intervals.csv", truth=tmp_path / "intervals.csv")
        .log()
        .startswith("1" if name == "samm_long" else "2")
    )


@pytest.mark.parametrize(
    ("name", "file", "row"),
    [
        ("casme_squared", "CAS(ME)^2code_final.xlsx", 0),
        ("samm_long", "SAMM_LongVideos_V2_Release.xlsx", 10),
    ],
)
def test_sheets_are_those_of_the_database(name, file, row, tmp_path):
    layout, video = LONG_LAYOUTS[name], MadeVideo(2, 1, scripted(1))
    layout.write_sheets(tmp_path, annotated([video]))
    first, *others = read_tables(tmp_path / file)
    e = video.script.expressions[0]
    cells = first.rows[row]
    frames = tuple(str(frame + 1) for frame in (e.onset, e.apex, e.offset))
    if name == "samm_long":
        assert first.rows[9][:3] == ("Subject", "Filename", "Inducement Code")
        assert cells[:2] == ("002", "002_1_1")
        assert cells[3:6] == frames
        assert cells[7].startswith(e.kind.capitalize())
    else:
        assert [table.title for table in others] == ["naming rule1", "naming rule2"]
        assert cells[:2] == ("2", "disgust1_1")
        assert cells[2:5] == frames
        assert cells[7] == f"{e.kind}-expression"
        assert ("16", "s16", "2") in others[0].rows


@pytest.mark.parametrize(("name", "read"), [("casme_squared", read_casme_squared), ("samm_long", read_samm_long)])
def test_the_databases_readers_find_every_expression(name, read, tmp_path):
    layout, plan = LONG_LAYOUTS[name], {"seconds": 25.0, "per_minute": (("micro", 6.0), ("macro", 5.0))}
    emotions = ("happiness", "fear")
    videos = [
        MadeVideo(s, n, scripted(10 * s + n, empty=n == 2, emotions=emotions, **plan)) for s in (1, 2) for n in (1, 2)
    ]
    for video in videos:  # frames are empty files
        _, own, place = layout.names(video.subject, video.number)
        (tmp_path / place).mkdir(parents=True)
        for number in range(1, video.script.frames + 1):
            (tmp_path / place / layout.frame(own, number)).touch()
    layout.write_sheets(tmp_path, annotated(videos))
    interval_table(layout, videos).to_csv(tmp_path / "intervals.csv", index=False)
    video_table(layout, videos).to_csv(tmp_path / "videos.csv", index=False)
    release = read(tmp_path, kind="all")
    assert not [d for d in release.discrepancies if d.dropped]
    words = {"fear": "negative", "happiness": "positive"} if name == "casme_squared" else {}
    expected = [
        (
            subject,
            kind,
            onset,
            apex,
            offset,
            "" if (name, kind) == ("samm_long", "macro") else words.get(emotion, emotion),
        )
        for _, subject, _, onset, apex, offset, kind, emotion in interval_table(layout, videos).itertuples(index=False)
    ]
    assert {kind for _, kind, *_ in expected} == {"micro", "macro"}
    assert sorted((c.subject, c.kind, c.onset, c.apex, c.offset, c.emotion) for c in release.clips) == sorted(expected)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"videos": 10}, "10 videos: the layout of casme_squared holds 9"),
        ({"invent": 23}, "23 subjects: the layout of casme_squared holds 22"),
        ({"videos": 2, "empty": 3}, "3 of 2 videos without expressions"),
        ({"invent": -1}, "invent and seed must not be negative"),
        ({"layout": "casme2"}, "layout casme2: unknown; choose one of casme_squared, samm_long"),
        ({"plan": LongPlan(emotions=("joy",))}, "emotion joy: unknown; choose from happiness"),
        ({"portraits": "none.jpg"}, "none.jpg does not exist; name photographs of faces"),
    ],
)
def test_releases_that_cannot_be_are_refused(how, sentence, tmp_path):
    with pytest.raises(MerjaxError, match=sentence):
        synthesize_long_videos(tmp_path / "made", **how)


@pytest.mark.long
def test_a_release_is_whole_and_the_same_call_gives_the_same_bytes(tmp_path):
    plan = LongPlan(seconds=3.0, per_minute=(("micro", 20.0),))
    made = [
        synthesize_long_videos(
            tmp_path / name, portraits=[default_portraits()[0]], videos=2, plan=plan, workers=workers
        )
        for name, workers in (("one", 1), ("two", 2))
    ]
    files = [sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file()) for root in made]
    assert files[0] == files[1]
    for name in files[0]:
        if name.suffix != ".xlsx":  # which holds the time of its writing
            assert (made[0] / name).read_bytes() == (made[1] / name).read_bytes()
    frames = sorted((made[0] / "rawpic/s15/15_0101disgustingteeth").iterdir())
    assert len(frames) == 90
    assert frames[0].name == "img001.jpg"
    videos = pd.read_csv(made[0] / "videos.csv")
    assert videos["video"].tolist() == ["15_0101", "15_0102"]
    assert Path(made[0] / "SYNTHETIC.json").is_file()
