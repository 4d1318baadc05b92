"""The inputs of methods that a store can hold beside its crops: features, each with a name and settings."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from merjax.faces.dynamic_image import Weights
from merjax.faces.flow import Algorithm, require
from merjax.faces.mosaic import SIDE as MOSAIC_SIDE
from merjax.faces.regions import FACE
from merjax.system.errors import MerjaxError, meant

CHANNELS = 3
MOTION, MOSAIC, DYNAMIC = "motion", "mosaic", "dynamic"
FROM_FRAMES = (MOTION, DYNAMIC)  # which need more of a clip than its flow image
NAMES = ("flow28", "flow64", "flow112", MOSAIC, DYNAMIC, MOTION)
Target = Literal["apex", "mid"]
_SIDES = {MOSAIC: MOSAIC_SIDE, DYNAMIC: 112}
_CHOICES = {"to": get_args(Target), "algorithm": get_args(Algorithm), "weights": get_args(Weights)}


def side_of(name: str) -> int:
    """Height and width in pixels of the pictures of a feature; each has three channels, and there is one per clip.

    Args:
        name: "flow28", "flow64", "flow112" or a flow image of another size: u, v and optical strain; "mosaic", four crops of
            the 28 x 28 flow image, at the eyes and the corners of the mouth; "dynamic", all frames of a clip in one picture.

    Raises:
        MerjaxError: no feature with one picture per clip has this name.
    """
    side = _SIDES.get(name, _flow_side(name))
    if side is None:
        pictures = [known for known in NAMES if known != MOTION]
        near = meant(name, pictures) or f"; write any of {', '.join(pictures)}"
        raise MerjaxError(f'there is no feature "{name}" with one picture per clip{near}')
    return side


def _flow_side(name: str) -> int | None:
    """The size in the name of a flow image, as in "flow28"; None if it is another name."""
    flow = re.fullmatch(r"flow([1-9]\d{0,2})", name)
    return int(flow[1]) if flow else None


@dataclass(frozen=True)
class Feature:
    """A feature that a store is asked for.

    Attributes:
        name: see `side_of`; or "motion", u, v and strain from the onset to every frame, of each crop.
        to: the frame to which a flow image shows the motion from the onset: "apex" (or the middle frame, if the release gives
            no apex after the onset) or "mid".
        algorithm: of the flow, see `merjax.faces.flow.dense_flow`.
        weights: of the dynamic image, see `merjax.faces.dynamic_image.Weights`.
    """

    name: str
    to: Target = "apex"
    algorithm: Algorithm = "dis"
    weights: Weights = "bilen"

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that this feature has, by name."""
        if self.name == MOTION:
            return {"algorithm": self.algorithm}
        if self.name == DYNAMIC:
            return {"weights": self.weights, "side": self.side}
        return {"to": self.to, "algorithm": self.algorithm, "side": self.side}

    @property
    def side(self) -> int:
        return side_of(self.name)

    @property
    def shows_flow(self) -> bool:
        """Whether its pictures are of the flow from the onset to one frame."""
        return self.name not in (MOTION, DYNAMIC)


def features_of(words: str | Iterable[str]) -> tuple[Feature, ...]:
    """The features that words ask for, each a name and perhaps settings: `flow28,flow64:mid:tvl1`, or `["dynamic"]`.

    Raises:
        MerjaxError: a name or a setting is unknown, a name comes twice, or this OpenCV lacks the algorithm.
    """
    asked = [_feature_of(word) for word in (words.split(",") if isinstance(words, str) else words)]
    for feature in asked:
        if sum(other.name == feature.name for other in asked) > 1:
            raise MerjaxError(f"the feature {feature.name} is asked for twice; a store holds one of each name")
        require(feature.algorithm)
    return tuple(asked)


def _feature_of(word: str) -> Feature:
    name, *settings = (part.strip() for part in word.split(":"))
    side = _flow_side(name)
    if side is None and name not in (MOTION, *_SIDES):
        raise MerjaxError(f'there is no feature "{name}"{meant(name, NAMES) or "; write any of " + ", ".join(NAMES)}')
    if side is not None and not 4 <= side <= FACE.width:
        raise MerjaxError(f"{name} is not between flow4 and flow{FACE.width}, the size of the face's crop")
    known = {choice: key for key in Feature(name).settings for choice in _CHOICES.get(key, ())}
    for said in settings:
        if said not in known:
            raise MerjaxError(f'{name} has no setting "{said}"; write {" or ".join(f"{name}:{own}" for own in known)}')
    chosen: dict[str, Any] = {known[said]: said for said in settings}
    return Feature(name, **chosen)
