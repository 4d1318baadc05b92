"""Model cards: what a run learnt, saved with all that is needed to use it on other clips and to know what it is worth.

`engine.save_models: true` gives every trial, seed and fold a folder `models/TRIAL/seed0/FOLD` in the results:

- `card.json`: settings, classes, what is done to the pictures and the numbers that were fitted for it, data and split,
  versions, the subjects that the run never saw, and the trial's pooled scores once the sweep is finished;
- `card.md`: the same to read;
- `parameters/`: what the stages learnt, by orbax.

A method need not know of it: an engine that remembers takes down what each stage came to, and an engine that was taught
gives it back in place of training, so that the method's own code does the rest.
"""

import functools
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
import pandas as pd

from merjax.cards import FORMAT, make_card, refuse_other_preparation, scored_part, write_card
from merjax.config import Config, make_config
from merjax.devices import prepare_backend
from merjax.engine import Budget, Engine, Keeper, Progress, Run, Samples, Stage, State
from merjax.engine.stage import start
from merjax.errors import MerjaxError
from merjax.experiment import Experiment, every_clip
from merjax.methods import METHODS
from merjax.metrics import SCORES
from merjax.plan import Chunk, Plan
from merjax.report.entries import Entry, entries_of
from merjax.report.scores import score_entries
from merjax.runs import RunSpec
from merjax.store import Store, open_store
from merjax.trials import safe_name


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
        runs: Run,
        samples: Samples,
        budget: Budget,
        *,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
        keeper: Keeper | None = None,
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
        runs: Run,
        samples: Samples,
        budget: Budget,
        *,
        seed: int,
        on_call: Callable[[Progress], None] = lambda progress: None,
        keeper: Keeper | None = None,
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

    def apply(self, stage: Stage, variables: Any, runs: Run, samples: Samples, *, batch: int) -> Any:
        """The stage's outputs, with the numbers that were fitted when it was trained."""
        return super().apply(stage, variables, self._as_trained(stage, runs), samples, batch=batch)

    def _as_trained(self, stage: Stage, runs: Run) -> Run:
        known = self.learned[stage.name].numbers
        own = {
            name: np.asarray(known[name], np.asarray(values).dtype)[None] if name in known else values
            for name, values in runs.hyper.items()
        }
        return runs._replace(hyper=own)


@dataclass(frozen=True)
class Model:
    """A trained run, ready for use: `model(store)` gives the class probabilities of a store's clips.

    Attributes:
        card: what stands in `card.json`.
        config: the trial's settings.
        learned: by stage, what it came to.
    """

    card: dict[str, Any]
    config: Config
    learned: dict[str, Learned]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.card["classes"])

    @cached_property
    def _engine(self) -> TaughtEngine:
        return TaughtEngine(self.learned)

    def __call__(self, store: Store | Path | str) -> pd.DataFrame:
        """Class probabilities of every clip of a store, whatever its label or none.

        Args:
            store: a clip store, or its folder.

        Returns:
            A row per clip, in the store's order: database, subject, clip, prediction (a class's name), and p_CLASS.

        Raises:
            MerjaxError: a store that the model does not fit.
        """
        opened = store if isinstance(store, Store) else open_store(store)
        refuse_other_preparation(self.card, self.config, opened)
        experiment = every_clip(opened, self.config.data)
        spec = RunSpec(self.config, self.card["seed"], 0)
        train = METHODS[self.config.method].train
        (probability_NxK,) = train(experiment, [spec], self._engine).probability_PxNxK
        if not np.isfinite(probability_NxK).all():
            raise MerjaxError(
                f"the model gives no probabilities for the clips of {opened.path}: its training diverged, or it was trained "
                "without temporal.mask on longer ones"
            )
        table = experiment.index[["database", "subject", "clip"]].reset_index(drop=True)
        table["prediction"] = [self.classes[k] for k in probability_NxK.argmax(1)]
        return table.assign(**{f"p_{name}": probability_NxK[:, k] for k, name in enumerate(self.classes)})


def load_model(path: Path | str) -> Model:
    """Load a model from its folder.

    >>> model = merjax.load_model("runs/mine/models/focal/seed0/casme2-sub01")
    >>> model("stores/all")

    Raises:
        MerjaxError: no model there, or one of another version.
    """
    prepare_backend()
    folder = Path(path).absolute()
    if not (folder / "card.json").is_file():
        raise MerjaxError(
            f"{path} holds no model (no card.json); sweeps with engine.save_models=true save them as "
            "models/TRIAL/seed0/FOLD in their folder"
        )
    card = json.loads((folder / "card.json").read_text())
    if card["format"] != FORMAT:
        raise MerjaxError(f"{path} is a model of format {card['format']}, this merjax reads format {FORMAT}")
    with ocp.StandardCheckpointer() as checkpointer:
        variables = checkpointer.restore(folder / "parameters")
    learned = {
        stage: Learned(
            {name: np.asarray(values) for name, values in variables[stage].items()},
            {name: np.array(values) for name, values in numbers.items()},
        )
        for stage, numbers in card["numbers"].items()
    }
    return Model(card, make_config(card["config"], source=str(path)), learned)


def save_models(folder: Path, plan: Plan, chunk: Chunk, experiment: Experiment, learned: Mapping[str, Learned]) -> None:
    """Save what the runs of a chunk learnt, a folder each; what an earlier process left there is replaced.

    A method that trains nothing by the engine has nothing to keep.
    """
    if not learned:
        return
    for p, (trial, fold) in enumerate(chunk.runs):
        of_run = {stage: own.of_run(p) for stage, own in learned.items()}
        place = model_folder(folder, plan.trials[trial].name, chunk.seed, experiment.folds[fold].name)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(place.absolute() / "parameters", {stage: own.variables for stage, own in of_run.items()})
        numbers = {stage: own.numbers for stage, own in of_run.items()}
        write_card(place, make_card(plan, chunk, trial, fold, experiment, numbers))


def add_scores(folder: Path, plan: Plan, predictions: pd.DataFrame) -> None:
    """Write the pooled scores of a finished sweep's trials, after their whole budget, into the cards of their models."""
    for entry in entries_of(plan, predictions):
        cards = sorted((folder / "models" / safe_name(entry.trial.name)).glob("*/*/card.json"))
        if entry.selection != "fixed" or not cards:
            continue
        score = functools.cache(functools.partial(_scores, entry))
        for path in cards:
            card = json.loads(path.read_text())
            write_card(path.parent, card | {"scores": score(scored_part(card))})


def _scores(entry: Entry, part: str) -> dict[str, Any]:
    (row,) = score_entries([entry], [part]).to_dict("records")
    return {name: {"mean": row[name], "interval": [row[f"{name}_low"], row[f"{name}_high"]]} for name in SCORES}


def model_folder(folder: Path, trial: str, seed: int, fold: str) -> Path:
    """Where the model of a run lies in a sweep's folder."""
    return folder / "models" / safe_name(trial) / f"seed{seed}" / safe_name(fold)


def runs_without_model(folder: Path, plan: Plan, chunks: Sequence[Chunk]) -> int:
    """How many runs of finished chunks have no model, though the sweep saves models."""
    wanted = [
        model_folder(folder, plan.trials[trial].name, chunk.seed, plan.data[chunk.group]["folds"][fold])
        for chunk in chunks
        for trial, fold in chunk.runs
        if plan.trials[trial].config.engine.save_models
    ]
    return sum(not (place / "card.json").is_file() for place in wanted)


def _of_data(name: str) -> bool:
    """Whether a hyper-parameter belongs to clips (N) or samples (S), by the axis letters of its name, and not to the run."""
    return re.search(r"_[NS](x|$)", name) is not None


def _without_optimiser(state: Any) -> Any:
    return state._replace(opt_state=None, step=None)


def _named(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
