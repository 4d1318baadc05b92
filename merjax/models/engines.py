"""What stages came to in training: taken down, and given back in place of training."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from merjax.engine import Budget, Checkpointer, Engine, Progress, RunArrays, Samples, Stage, State
from merjax.engine.stage import start
from merjax.system.errors import MerjaxError


class Learned(NamedTuple):
    """What a stage came to in runs that trained together, or in one of them.

    Attributes:
        variables: by their place in the state, parameters and whatever else training leaves to inference; `[P, ...]`.
        numbers: by name, the run's hyper-parameters and what was fitted on its training clips; `[P, ...]`.
    """

    variables: dict[str, np.ndarray]
    numbers: dict[str, np.ndarray]

    def of_run(self, p: int) -> "Learned":
        return Learned(*({name: values[p] for name, values in own.items()} for own in self))


class RememberingEngine(Engine):
    """An engine that takes down what each stage came to.

    Attributes:
        learned: by stage, of the newest training.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.learned: dict[str, Learned] = {}

    def fit(
        self,
        stage: Stage,
        runs: RunArrays,
        samples: Samples,
        budget: Budget,
        *,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
        keeper: Checkpointer | None = None,
    ) -> tuple[State, dict[str, np.ndarray]]:
        """Train, and remember."""
        state, history = super().fit(stage, runs, samples, budget, seed=seed, on_call=on_call, keeper=keeper)
        numbers = {name: np.asarray(values) for name, values in runs.hyper.items() if not _of_data(name)}
        self.learned[stage.name] = Learned(_named(_without_optimiser(state)), numbers)
        return state, history


class TaughtEngine(Engine):
    """An engine that knows what stages came to in one run, and trains nothing.

    Args:
        learned: by stage.
    """

    def __init__(self, learned: Mapping[str, Learned]) -> None:
        super().__init__(steps_per_call=8, devices=jax.local_devices()[:1])
        self.learned = learned

    def fit(
        self,
        stage: Stage,
        runs: RunArrays,
        samples: Samples,
        budget: Budget,
        *,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
        keeper: Checkpointer | None = None,
    ) -> tuple[State, dict[str, np.ndarray]]:
        """The state that the stage came to when it was trained."""
        one = jax.tree.map(lambda x: x[0], self._as_trained(stage, runs))
        shape = _without_optimiser(jax.eval_shape(lambda run: start(stage, run), one))
        known = self.learned[stage.name].variables
        if {name: leaf.shape for name, leaf in _named(shape).items()} != {k: v.shape for k, v in known.items()}:
            raise MerjaxError(
                f"the model's {stage.name} stage does not fit these clips: it was trained on pictures of another size, or "
                "gray ones where these are in colour, or saved by another merjax"
            )
        leaves = [known[jax.tree_util.keystr(path)][None] for path, _ in jax.tree_util.tree_leaves_with_path(shape)]
        return jax.tree.unflatten(jax.tree.structure(shape), leaves), {}

    def apply(self, stage: Stage, variables: Any, runs: RunArrays, samples: Samples, *, batch: int) -> Any:
        """The stage's outputs, with the numbers that were fitted when it was trained."""
        return super().apply(stage, variables, self._as_trained(stage, runs), samples, batch=batch)

    def _as_trained(self, stage: Stage, runs: RunArrays) -> RunArrays:
        known = self.learned[stage.name].numbers
        own = {
            name: np.asarray(known[name], np.asarray(values).dtype)[None] if name in known else values
            for name, values in runs.hyper.items()
        }
        return runs._replace(hyper=own)


def _of_data(name: str) -> bool:
    """Whether a hyper-parameter belongs to clips (N) or samples (S), by the axis letters of its name, and not to the run."""
    return re.search(r"_[NS](x|$)", name) is not None


def _without_optimiser(state: Any) -> Any:
    return state._replace(opt_state=None, step=None)


def _named(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
