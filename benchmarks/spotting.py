"""How well the spotters that need no training do on a motion store: `python -m benchmarks.spotting --store stores/long`.

Prints, for each of them, F1 of micro- and of macro-expressions and overall, with its 95 % interval over resampled subjects; the
false intervals a minute in videos without expressions; and the overall F1 when all motion is permuted in time, which should be
near 0.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd

from merjax.methods.spotting.signals import Spot
from merjax.methods.spotting.stored import SPOTTERS, in_own_frames
from merjax.scoring.spotting.counting import count
from merjax.scoring.spotting.rules import RULES
from merjax.scoring.spotting.scores import score_spotted
from merjax.scoring.spotting.spotted import put_together
from merjax.stores.motion_store import MotionStore, StoredVideo, open_motion_store
from merjax.system.paths import user_path

_INTERVAL = ["database", "subject", "video", "onset", "offset", "kind"]


@dataclass(frozen=True)
class Permuted(MotionStore):
    """A store whose motion is permuted in time, within each window and each stretch."""

    seed: int = 0

    def windows(self, video: StoredVideo, *, from_rest: bool = False) -> list:
        rng = np.random.default_rng(self.seed)
        permuted = []
        for window in super().windows(video, from_rest=from_rest):
            order = rng.permutation(len(window.motion["brow"][0]))
            permuted.append(
                window._replace(
                    motion={part: [own[order] for own in signals] for part, signals in window.motion.items()}
                )
            )
        return permuted

    def motion(self, video: StoredVideo, seconds: float = 0.1) -> np.ndarray:
        return self._permuted(video, super().motion(video, seconds))

    def differences(self, video: StoredVideo, k: int) -> np.ndarray:
        return self._permuted(video, super().differences(video, k))

    def _permuted(self, video: StoredVideo, array: np.ndarray) -> np.ndarray:
        """Values that are there, permuted; what is not there stays where it is."""
        rng, permuted = np.random.default_rng(self.seed), array.copy()
        there = np.flatnonzero(~np.isnan(array.reshape(len(array), -1)).any(1))
        permuted[there] = array[rng.permutation(there)]
        return permuted


def scored(store: MotionStore, found: dict[str, tuple[Spot, ...]]) -> pd.DataFrame:
    """The scores of intervals by the keys of their videos."""
    rows = [
        (*_names(video), s.onset, s.offset, s.kind)
        for video in store.videos
        for s in in_own_frames(found[video.key], store.array(video, "numbers"))
    ]
    truth = [(*_names(video), t.onset, t.offset, t.kind) for video in store.videos for t in video.truth]
    listed = pd.DataFrame([_names(video) for video in store.videos], columns=_INTERVAL[:3])
    tables = (pd.DataFrame(rows, columns=_INTERVAL), pd.DataFrame(truth, columns=_INTERVAL), listed)
    spotted = put_together(*tables, ("found", "truth", "videos"))
    table = score_spotted(spotted, count(spotted, RULES[""]))
    return table[table["part"] == table["part"].iloc[0]].set_index("kind")


def false_per_minute(store: MotionStore, found: dict[str, tuple[Spot, ...]]) -> float:
    """Found intervals a minute in videos without expressions; NaN if there are none."""
    empty = [video for video in store.videos if not video.truth]
    minutes = sum(video.n_frames / video.fps for video in empty) / 60
    return sum(len(found[video.key]) for video in empty) / minutes if minutes else float("nan")


def _names(video: StoredVideo) -> tuple[str, str, str]:
    return video.database, video.subject, video.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--store", type=user_path, required=True, metavar="STORE", help="a motion store")
    parser.add_argument("--without", nargs="*", default=[], choices=[*SPOTTERS], help="spotters to leave out")
    asked = parser.parse_args()
    store = open_motion_store(asked.store)
    permuted = Permuted(store.path, store.videos, store.hash, store.settings, store.meta)
    minutes = sum(video.n_frames / video.fps for video in store.videos) / 60
    print(f"{len(store.videos)} videos, {minutes:.1f} minutes, {sum(len(v.truth) for v in store.videos)} intervals")
    print("| spotter | overall F1 | 95 % | micro | macro | TP / FP / FN | false a minute, empty videos | permuted |")
    print("|---|---|---|---|---|---|---|---|")
    for name in SPOTTERS:
        if name not in asked.without:
            print(_row(name, store, permuted))


def _row(name: str, store: MotionStore, permuted: MotionStore) -> str:
    spot = SPOTTERS[name]
    found = {video.key: spot(store, video, 0.0) for video in store.videos}
    scores = scored(store, found)
    control = scored(store, {video.key: spot(permuted, video, 0.0) for video in store.videos})
    overall = scores.loc["overall"]
    f1 = [f"{scores.loc[kind, 'F1']:.3f}" for kind in ("overall", "micro", "macro")]
    counts = " / ".join(str(int(overall[column])) for column in ("hits", "false", "missed"))
    interval = f"{overall['F1_low']:.3f} to {overall['F1_high']:.3f}"
    cells = [name, f1[0], interval, f1[1], f1[2], counts, f"{false_per_minute(store, found):.2f}"]
    return "| " + " | ".join([*cells, f"{control.loc['overall', 'F1']:.3f}"]) + " |"


if __name__ == "__main__":
    main()
