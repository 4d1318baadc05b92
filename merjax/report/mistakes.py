"""The most confident mistakes, with the crops of each clip's target frame from the store."""

import cv2
import numpy as np
import pandas as pd

from merjax.datasets.clip import late_apex, target_frame
from merjax.faces.regions import FACE, REGIONS
from merjax.scoring.entry import Entry
from merjax.scoring.scores import CLIP
from merjax.stores.store import Store, open_store
from merjax.system.errors import MerjaxError

_LAYOUT = (("eye_right", "nose", "eye_left"), ("cheek_right", "mouth", "cheek_left"))
_GAP = 4


def confident_mistakes(entry: Entry, most: int = 8) -> pd.DataFrame:
    """The wrong predictions with the highest probability; each clip is listed once.

    Returns:
        Rows of the entry's predictions, and `confidence`, the probability of the predicted class.
    """
    own = entry.predictions
    label_N, answer_N = own["label"].to_numpy(), own["prediction"].to_numpy(int)
    wrong_N = np.flatnonzero((answer_N != label_N) & (answer_N >= 0))
    probability_NxK = own[[f"p_{name}" for name in entry.classes]].to_numpy(float)[wrong_N]
    confidence_N = probability_NxK[np.arange(len(wrong_N)), answer_N[wrong_N]]
    clips = list(zip(*(own[name].to_numpy(dtype=object)[wrong_N] for name in CLIP), strict=True))
    first: dict[tuple, int] = {}  # by clip, the place of its most confident mistake
    for place in np.argsort(-confidence_N, kind="stable"):
        if len(first) < most:
            first.setdefault(clips[place], int(place))
    places = list(first.values())
    return own.iloc[wrong_N[places]].assign(confidence=confidence_N[places])


def store_of(entry: Entry) -> Store:
    """The store that an entry was trained on, if it is still there and still the same.

    Raises:
        MerjaxError: the store cannot be used; the message says why there are no pictures.
    """
    path = entry.data.store
    try:
        store = open_store(path)
    except MerjaxError as error:
        raise MerjaxError(f"no crops are shown, since the clips are not there any more: {error}") from None
    if store.hash != entry.data.store_hash:
        raise MerjaxError(f"no crops are shown: the clip store {path} holds other clips now (its hash differs)")
    return store


def target_crops(store: Store, database: str, subject: str, clip: str, *, whole_face: bool) -> tuple[bytes, str]:
    """The regions of a clip's target frame as one PNG picture, and which frame it is.

    See `merjax.datasets.clip.target_frame`. With `whole_face`, the picture is the crop of the face. A store of ready flow
    images shows u, v and strain side by side.
    """
    index = store.index
    of_clip = (index["database"] == database) & (index["subject"] == subject) & (index["clip"] == clip)
    row = index[of_clip].iloc[0]
    if not store.crops:
        (ready, *_) = store.features.values()
        flow_HxWx3 = ready.pictures[int(np.flatnonzero(of_clip)[0])]
        picture = np.kron(np.hstack([*np.moveaxis(flow_HxWx3, -1, 0)]), np.ones((4, 4), np.uint8))
        return _png(picture), "u, v and strain"
    late = target_frame(row)
    if late_apex(row) is None:
        which, counted = "middle frame, no apex after the onset is given", late
    else:  # by frame numbers: those that a camera skipped took their time
        which, counted = f"apex, frame {row['apex']}", row["apex"] - row["onset"]
    which += f", {1000 * counted / row['fps']:.0f} ms after the onset at {row['fps']:g} fps"
    at = int(row["first_row"]) + late
    if whole_face:
        picture = np.asarray(store.crops[FACE.name][at])
    else:
        picture = _arranged({region.name: np.asarray(store.crops[region.name][at]) for region in REGIONS})
    return _png(picture), which


def _png(picture: np.ndarray) -> bytes:
    """A picture of gray or RGB values as PNG; OpenCV takes colours in the order BGR."""
    ordered = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", ordered)[1].tobytes()


def _arranged(crops: dict[str, np.ndarray]) -> np.ndarray:
    """The six crops as they lie in the face, on white."""
    rows = []
    for names in _LAYOUT:
        height = max(crops[name].shape[0] for name in names)
        tiles = [_padded(crops[n], (0, height - len(crops[n])), (0, _GAP)) for n in names]
        rows.append(np.hstack(tiles))
    width = max(row.shape[1] for row in rows)
    padded = []
    for row in rows:
        left = (width - row.shape[1]) // 2
        padded.append(_padded(row, (0, _GAP), (left, width - row.shape[1] - left)))
    return np.vstack(padded)


def _padded(picture: np.ndarray, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
    """A gray or RGB picture with white around it."""
    return np.pad(picture, (rows, columns, (0, 0))[: picture.ndim], constant_values=255)
