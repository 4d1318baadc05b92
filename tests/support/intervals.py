"""Tables of found and true intervals for tests, and plain loops that count them."""

import numpy as np
import pandas as pd

from merjax.scoring.spotting.spotted import Spotted, put_together


def write_table(path, rows, columns="video,onset,offset"):
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def table(rows, columns=("subject", "video", "onset", "offset")):
    made = pd.DataFrame(rows, columns=list(columns))
    return made.assign(**{name: "" for name in ("database", "subject") if name not in made})


def spotted(found, truth, videos=None, columns=("subject", "video", "onset", "offset")) -> Spotted:
    """Intervals in memory; `videos` are (subject, video)."""
    listed = None if videos is None else table(videos, ("subject", "video"))
    return put_together(table(found, columns), table(truth, columns), listed, ("found", "truth", "videos"))


def random_intervals(rng, number, frames=120, longest=30):
    onset_N = rng.integers(0, frames, number)
    return np.stack([onset_N, onset_N + rng.integers(0, longest, number)], 1)


def frames_of(interval):
    return set(range(interval[0], interval[1] + 1))


def iou(one, other):
    return len(frames_of(one) & frames_of(other)) / len(frames_of(one) | frames_of(other))
