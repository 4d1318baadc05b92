"""The numbers that a stage's programs take as data: what all stages have in common.

Each stage declares its own as a NamedTuple, which is the `numbers` of its runs. Shapes are those of one run; stacked runs add a
leading axis P. Fields marked `InModel` are kept in a saved model: a run's hyper-parameters and what was fitted on its training
clips. The other fields belong to the clips (labels, features); other clips have their own.
"""

from dataclasses import fields
from typing import Annotated, Any, Protocol, TypeVar, get_type_hints

import numpy as np
from jaxtyping import Array, Float, Int

from merjax.config import PeerConfig, SpatialConfig, TemporalConfig

_KEPT = "kept in a saved model"
T = TypeVar("T")
InModel = Annotated[T, _KEPT]
Real = Float[Array, ""] | np.float32
Count = Int[Array, ""] | np.int32
StageConfig = SpatialConfig | TemporalConfig | PeerConfig


class OptimiserNumbers(Protocol):
    """The numbers of a stage that the optimisers use."""

    @property
    def learning_rate(self) -> Real: ...
    @property
    def beta1(self) -> Real: ...
    @property
    def beta2(self) -> Real: ...
    @property
    def weight_decay(self) -> Real: ...


def traced_numbers(stage: StageConfig) -> dict[str, np.float32]:
    """The traced numbers of a stage's config, by name."""
    traced = [f.name for f in fields(stage) if f.metadata.get("traced")]
    return {name: np.float32(getattr(stage, name)) for name in traced}


def kept_fields(numbers: type) -> tuple[str, ...]:
    """The fields of a stage's numbers that a saved model keeps."""
    hints = get_type_hints(numbers, include_extras=True)
    return tuple(name for name, hint in hints.items() if _KEPT in getattr(hint, "__metadata__", ()))


def kept_numbers(numbers: Any) -> dict[str, np.ndarray]:
    """The numbers of a stage that a saved model keeps, by name."""
    return {name: np.asarray(getattr(numbers, name)) for name in sorted(kept_fields(type(numbers)))}
