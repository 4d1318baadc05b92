"""Clips as a table."""

from collections.abc import Sequence

import pandas as pd

from merjax.datasets.clip import Clip


def index_of(clips: Sequence[Clip]) -> pd.DataFrame:
    """One row per clip, in the given order.

    Returns:
        columns database, subject, clip (text); emotion, action_units (text); objective_class (Int64, missing where the
        release does not say); onset, apex (Int64, missing where there is none), offset: frame numbers; fps; n_frames.
    """
    columns = {
        "database": [clip.database for clip in clips],
        "subject": [clip.subject for clip in clips],
        "clip": [clip.name for clip in clips],
        "emotion": [clip.emotion for clip in clips],
        "action_units": [clip.action_units for clip in clips],
        "objective_class": pd.array([clip.objective_class for clip in clips], dtype="Int64"),
        "onset": [clip.onset for clip in clips],
        "apex": pd.array([clip.apex for clip in clips], dtype="Int64"),
        "offset": [clip.offset for clip in clips],
        "fps": [clip.fps for clip in clips],
        "n_frames": [len(clip.frames) for clip in clips],
    }
    return pd.DataFrame(columns)
