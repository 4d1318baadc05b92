"""Times become frames of a video's rate."""

from merjax.system.videos import frames


def test_seconds_become_frames_of_the_videos_rate():
    assert [frames(0.4, fps) for fps in (30, 200)] == [12, 80]
    assert [frames(1.3, fps) for fps in (30, 200)] == [39, 260]
    assert frames(0.001, 30) == 1
    assert frames(0.05, 30) == 2  # 1.5
