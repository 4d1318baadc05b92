"""Handcrafted baselines as methods: a linear support vector machine per run, on features that all runs share; and the same
machine on the pixels of the clips' flow images."""

import functools
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from merjax.config import Config
from merjax.engine import HostJob, Jobs, Progress, StageResult, Variables
from merjax.methods.handcrafted.features import DESCRIPTORS, clip_features, require_frames
from merjax.methods.runs import Pictures, RunId, Trained, training_labels
from merjax.methods.stage_identity import Job, StageReads, make_job
from merjax.stores.asked_crops import feature_of
from merjax.stores.features import CHANNELS, side_of
from merjax.system.errors import MerjaxError
from merjax.system.processes import cores
from merjax.training.data import TrainingData
from merjax.training.fitted import class_weights

PIXELS, _FLOW_IMAGE = "linear_svm", "flow28"
LAST_EPOCHS = ""  # a fit has none
NAMES = (*DESCRIPTORS, PIXELS)
_STAGE = "svm"
SVM = StageReads(_STAGE, version=1, settings=("method", "data.protocol", "control", "loss.alpha", "svm.cost"))


class Fit(NamedTuple):
    """The result of fitting one run's machine.

    Attributes:
        probability_NxK: of all clips.
        loss, accuracy: mean hinge loss and accuracy on the training clips.
        converged: whether the solver reached its tolerance.
    """

    probability_NxK: np.ndarray
    loss: float
    accuracy: float
    converged: bool


def jobs(data: TrainingData, specs: Sequence[RunId]) -> Jobs[Trained]:
    """The one job of runs of one method: their machines are fitted side by side, without the devices.

    Features are brought to mean 0 and deviation 1 on the fold's training clips. A class's probability is the softmax of the
    decision values of one-against-the-rest machines: it ranks clips and classes as they do, but it is not a frequency. Nothing
    is drawn at random: seeds differ only if they shuffle labels.

    A warning counts the machines that stopped before they reached the solver's tolerance; `converged` in the curves says
    which they are.

    Args:
        data: what they train on.
        specs: the runs, of one method.
    """
    result = yield HostJob(_STAGE, functools.partial(_fit_all, data, specs))
    return Trained(result.outputs[:, None], np.ones(1, int), {_STAGE: result.curves})


def _fit_all(data: TrainingData, specs: Sequence[RunId], on_call: Callable[[Progress], None]) -> StageResult:
    """The outputs are class probabilities `[P, N, K]`; `on_call` is called after every machine."""
    features_NxD = _features(data, specs[0].config)
    # a chunk is filled up with copies of its first run
    distinct = {(id(spec.config), spec.fold): spec for spec in specs}
    began, fitted = time.perf_counter(), {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Liblinear failed to converge")  # they are counted
        with ThreadPoolExecutor(len(cores())) as pool:
            results = pool.map(lambda spec: _fit(data, features_NxD, spec), distinct.values())
            for done, (key, result) in enumerate(zip(distinct, results, strict=True), 1):
                fitted[key] = result
                losses = [fit.loss for fit in fitted.values()]
                seconds = time.perf_counter() - began
                on_call(Progress(_STAGE, done, len(distinct), len(specs), (min(losses), max(losses)), seconds, 0))
    short = sum(not fit.converged for fit in fitted.values())
    if short:
        warnings.warn(
            f"{short} of {len(fitted)} support vector machines ({specs[0].config.method}) did not reach the solver's "
            "tolerance; a smaller svm.cost is easier to solve",
            stacklevel=2,
        )
    own_P = [fitted[id(spec.config), spec.fold] for spec in specs]
    curves = {name: np.array([[getattr(fit, name)] for fit in own_P], float) for name in Fit._fields[1:]}
    return StageResult(Variables({}), np.stack([fit.probability_NxK for fit in own_P]), curves, None)


def identities(data: TrainingData, spec: RunId) -> tuple[Job]:
    """The identity of a run's one fit."""
    target_N, _ = training_labels(data, spec)
    inputs = data.feature_hashes(feature(spec.config))
    return (make_job(SVM, data, spec.config, spec.seed, spec.fold, target_N, inputs=inputs),)


def feature(config: Config) -> str | None:
    """The flow images, if the machine sees their pixels; descriptors read crops alone."""
    return _FLOW_IMAGE if config.method == PIXELS else None


def refuse(data: TrainingData, config: Config) -> None:
    """Refuse a store without frames, or without flow images for their pixels, clips with several classes, and an installation
    without scikit-learn.

    Raises:
        MerjaxError: one of these; the message says what to do.
    """
    if data.task.several:
        raise MerjaxError(
            f"{config.method} tells one class per clip, but the clips of {data.scheme.name} may have several; choose another "
            "method or protocol"
        )
    if of_store := feature(config):
        feature_of(data.store, of_store)
    else:
        require_frames(data.store, "a handcrafted descriptor")
    if find_spec("sklearn") is None:
        raise MerjaxError("handcrafted methods need scikit-learn; run `pip install 'merjax[peers]'`")


def stage_steps(config: Config, frames: int, clips: int) -> dict[str, int]:
    """One fit."""
    return {_STAGE: 1}


def pictures(config: Config) -> Pictures:
    """The frames, or each clip's flow image."""
    return "clip flow" if config.method == PIXELS else "frames"


def stage_cost(data: TrainingData, config: Config) -> dict[str, float]:
    """Rough multiply-adds of one run, in units of 1e9: some hundred passes over a thousand features."""
    return {_STAGE: len(data.index) * 1e5 / 1e9}


def parameters(config: Config, classes: int) -> int | None:
    """A weight for each pixel and class, and one more for each class; not counted for descriptors."""
    return (CHANNELS * side_of(_FLOW_IMAGE) ** 2 + 1) * classes if config.method == PIXELS else None


def decision_probabilities(scores_NxC: np.ndarray, present_C: np.ndarray, classes: int) -> np.ndarray:
    """Softmax of decision values, 0 for classes that no training clip has.

    Args:
        scores_NxC: a value for each class that the machine knows; if it knows two, one value `[N]` in favour of the second.
        present_C: which classes these are.
        classes: the number of all classes.
    """
    if scores_NxC.ndim == 1:
        scores_NxC = np.stack([-scores_NxC, scores_NxC], 1)
    raised_NxC = np.exp(scores_NxC - scores_NxC.max(1, keepdims=True))
    probability_NxK = np.zeros((len(scores_NxC), classes))
    probability_NxK[:, present_C] = raised_NxC / raised_NxC.sum(1, keepdims=True)
    return probability_NxK


def _features(data: TrainingData, config: Config) -> np.ndarray:
    if of_store := feature(config):
        return data.pictures_NxHxWx3(of_store).reshape(len(data.index), -1).astype(float)
    return clip_features(data.store, config.method)[data.index["position"].to_numpy()].astype(float)


def _fit(data: TrainingData, features_NxD: np.ndarray, spec: RunId) -> Fit:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    config, fold, classes = SVM.of(spec.config), data.folds[spec.fold], len(data.classes)
    target_N, _ = training_labels(data, spec)
    target_M = target_N[fold.train_N]
    scaler = StandardScaler().fit(features_NxD[fold.train_N])
    scaled_NxD = scaler.transform(features_NxD)
    present_C = np.unique(target_M)
    if len(present_C) == 1:  # there is only one class to choose
        return Fit(np.eye(classes)[np.full(len(features_NxD), present_C[0])], 0.0, 1.0, True)
    weight_K = class_weights(config.loss.alpha, np.bincount(target_M, minlength=classes))
    # The primal problem: the solver of the dual problem visits clips at random, by a generator of the whole process, which fits
    # in other threads seed and use at the same time.
    machine = LinearSVC(C=config.svm.cost, dual=False)
    machine.fit(scaled_NxD[fold.train_N], target_M, sample_weight=weight_K[target_M])
    scores = machine.decision_function(scaled_NxD)
    probability_NxK = decision_probabilities(scores, present_C, classes)
    truth = target_M[:, None] == (present_C if scores.ndim > 1 else present_C[1:])
    margin = np.where(truth, 1, -1) * scores[fold.train_N].reshape(len(target_M), -1)
    accuracy = (probability_NxK[fold.train_N].argmax(1) == target_M).mean()
    converged = bool(np.max(machine.n_iter_) < machine.max_iter)
    return Fit(probability_NxK, float(np.maximum(0, 1 - margin).mean()), float(accuracy), converged)
