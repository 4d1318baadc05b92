"""Every setting of a trial, typed, with its default and its reason.

A field declared with `traced()` is a number that enters the compiled programs as data: trials that differ only in traced
fields share one compilation and are trained side by side. All other fields decide shapes or code and split groups, except
those of `engine`: they say how the work is done and never change its results, so a sweep has one set of them, its first
trial's. The fields of `selection` split groups, since runs that train side by side are tested together, but they do not
change the training.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path
from merjax.system.settings import Layer, Ranges, added, build, check_ranges, flatten, marked, read_layer, traced
from merjax.system.values import shown, size_in_bytes


@dataclass(frozen=True)
class DataConfig:
    """Which clips, how they are labelled and split, and what the networks see of them."""

    store: str = "data/quickstart/store"  # folder of the clip store
    # label scheme, see docs/protocols.md: 3 classes (Table 3), 5 AU classes (Table 4), ...; or a YAML file with one of your own
    protocol: str = "megc3"
    # "loso", "loso:DATABASE", "cross_database", one pair of it as "cross_database:casme2+smic:samm" (train on the first two,
    # test on the last), "lodo" (each database once), "group:K" (K groups of whole subjects), "parts" (DFME's own split)
    folds: str = "loso"
    # the frame; the frame minus its clip's onset frame; or "flow", its motion against the onset frame: u, v and optical
    # strain (of a store with the feature motion)
    input: Literal["gray", "difference", "flow"] = "gray"
    standardise: bool = False  # also divide by the standard deviation of the training frames, per region and channel
    frames: str = "all"  # "all" from onset to offset; "count:N" uniform; "fps:F" equalised; "apex:N" around the apex
    whole_face: bool = False  # one stream on the face crop instead of the six regions (Table 5)
    # what the store must hold: crops of merjax's boxes, or of the code that the authors published in 2022 (`merjax prepare
    # --geometry authors`; the whole face is the same in both), in any colour, or gray or RGB only
    geometry: Literal["ours", "authors"] = added("ours", before="ours")
    colour: Literal["any", "gray", "rgb"] = added("any", before="any")
    anger: Literal["eyes", "eyes+mouth"] = "eyes"  # where anger shows; Table 1 leaves it out
    # where AU class IV shows, which the paper does not say; the authors' code leaves the mouth out
    class_iv: Literal["eyes+nose+mouth", "eyes+nose"] = added("eyes+nose+mouth", before="eyes+nose+mouth")
    # gray values from 0 to 1 minus the mean of the fold's training frames; or from -1 to 1, as in that code
    scaling: Literal["centred", "symmetric"] = added("centred", before="centred")


@dataclass(frozen=True)
class LossConfig:
    """Focal loss (Eq. 5) of both stages; cross-entropy (Eq. 4) is gamma 0 with alpha "none"."""

    gamma: float = traced(2.0)  # focusing parameter
    # "inverse" class frequency in the fold's training clips (mean 1), "none" or a number
    alpha: str = traced("inverse")
    label_smoothing: float = traced(0.0)  # share of the target spread evenly over the classes


@dataclass(frozen=True)
class SpatialConfig:
    """The CNN per region, trained frame by frame (Sec. 3.2)."""

    # the paper's CNN (Fig. 8), a plain stack of as many parameters (Table 6's "simple CNN"; both in merjax.nn.shallow_cnn), or
    # the successor's network on patches, of the code published in 2022 (merjax.nn.patch_cnn)
    network: Literal["shallow", "simple", "patches"] = "shallow"
    patches: int = added(16, before=16)  # of a region, for "patches": 4, 9 or 16
    # drops an odd last line, or pools it; the code: ceil
    pooling: Literal["floor", "ceil"] = added("floor", before="floor")
    # He's weights; or normal of deviation .1 (convolutions) and .01 (FC layers), and Glorot's last layer, as in the code
    initial: Literal["he", "normal"] = added("he", before="he")
    epochs: float = 10.0  # passes over the training frames
    batch: int = 64  # frames
    learning_rate: float = traced(1e-4)
    weight_decay: float = traced(0.0)  # decoupled (AdamW)
    beta1: float = traced(0.9)
    beta2: float = traced(0.999)
    epsilon: float = added(1e-8, before=1e-8)  # of Adam; the code has TensorFlow's 1e-7
    dropout: float = traced(0.5)  # after FC1024 and FC250 (after FC2048 of "patches")
    drop_features: bool = added(False, before=False)  # and after FC20 (FC256), as in the code
    # the fold's training frames; or one stage per seed for all folds, on a random half of all frames as in the code published
    # in 2022, or on all of them: both leak (docs/audit.md)
    trained_on: Literal["fold", "half of all frames", "all frames"] = added("fold", before="fold")


@dataclass(frozen=True)
class TemporalConfig:
    """One LSTM per region and the classifier on all of them, trained clip by clip (Sec. 3.3)."""

    units: int = 64  # per region; the paper does not say
    mask: bool = True  # read the state at a clip's last frame; False pads with zeros and reads the state after them
    # frames that every clip is padded to, or cut to at its end; 0: the longest; the code: 250
    length: int = added(0, before=0)
    # in front, as in the code, needs a length
    padding: Literal["behind", "in front"] = added("behind", before="behind")
    integer_features: bool = added(False, before=False)  # cut features to integers, as the code's padding does
    # of the LSTMs; TensorFlow 1.14's: hard
    gates: Literal["sigmoid", "hard sigmoid"] = added("sigmoid", before="sigmoid")
    region_gate: bool = added(False, before=False)  # the successor's, on all regions' states before FC256
    initial: Literal["he", "normal"] = added("he", before="he")  # as for `spatial`; see merjax.nn.region_lstm
    # the latter, of the code, adds up all classes
    loss: Literal["focal", "binary focal"] = added("focal", before="focal")
    l1: float = added(0.0, before=0.0)  # times the sum of FC256's absolute weights, in the loss; the code: 1e-5
    epochs: float = 100.0  # passes over the training clips
    batch: int = 32  # clips
    learning_rate: float = traced(1e-4)
    weight_decay: float = traced(0.0)
    beta1: float = traced(0.9)
    beta2: float = traced(0.999)
    epsilon: float = added(1e-8, before=1e-8)
    dropout_lstm: float = traced(0.2)  # on the LSTMs' output
    dropout_fc: float = traced(0.5)  # after FC256
    # in which the spatial features reach this stage and are kept; float16 takes half the disk
    precision: Literal["float32", "float16"] = added("float32", before="float32")


@dataclass(frozen=True)
class PeerConfig:
    """The network of a baseline that is trained on one picture of each clip; see `merjax.methods.flow_networks`. The files
    of the baselines in sweeps/ hold the values of their papers."""

    epochs: float = 500.0  # passes over the training clips
    batch: int = 64  # clips
    # True gives every epoch an order of its own; False always takes the store's order, and an epoch's last batch is short
    shuffle: bool = True
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: float = traced(1e-4)
    halve_every: float = traced(0.0)  # epochs after each of which the learning rate halves again; 0: never
    fall: float = added(0.5, before=0.5)  # what the rate is multiplied by then, if it is not halved
    weight_decay: float = traced(0.0)
    decay: Literal["decoupled", "in the gradient"] = added("decoupled", before="decoupled")  # AdamW, or PyTorch's Adam
    beta1: float = traced(0.9)  # the momentum, with "sgd"
    beta2: float = traced(0.999)
    dropout: float = traced(0.5)
    maps: int = added(64, before=64)  # of every layer of the RCN family, a multiple of 4
    pool: int = added(7, before=7)  # cells along a side of the RCN family's last map
    dim: int = added(56, before=56)  # channels of HTNet's first level
    repeats: int = added(10, before=10)  # layers of HTNet's last level
    flaws: tuple[str, ...] = added((), before=())  # of published code, to switch on by name: see docs/methods.md


@dataclass(frozen=True)
class SvmConfig:
    """The linear support vector machine of the handcrafted methods, which takes `loss.alpha` too; see
    `merjax.methods.handcrafted.svm`."""

    cost: float = traced(1.0)  # of training clips on the wrong side, against the width of the margin


@dataclass(frozen=True)
class SpotterConfig:
    """A spotter in long videos, with the values of SOFTNet's paper; see docs/spotting.md. Untrained ones read `share` alone."""

    share: float = added(0.0, before=0.0)  # how sure an interval must be; 0: the method's own value; "inner" chooses it
    # whose mean lengths give SOFTNet's window; the paper's "all subjects" knows the tested one, and a trial's name says so
    window: Literal["training subjects", "all subjects"] = added("training subjects", before="training subjects")
    epochs: float = added(10.0, before=10.0)  # passes over the training windows, or stretches of video
    batch: int = added(12, before=12)  # windows, or stretches
    optimiser: Literal["sgd", "adam"] = added("sgd", before="sgd")  # sgd without momentum
    learning_rate: float = added(5e-4, before=5e-4, traced=True)
    dropout: float = added(0.0, before=0.0, traced=True)  # of regional_spotter, on what the regions give
    kept: float = added(0.5, before=0.5)  # share of SOFTNet's windows without an expression that are trained on
    varied: bool = added(True, before=True)  # also trained on mirrored faces; SOFTNet: micro, blurred and noisy ones


@dataclass(frozen=True)
class SelectionConfig:
    """After how much of its last stage's budget a run is tested; see `merjax.training.selection`.

    One training serves all rules, and each rule has rows of its own in the predictions and in every table.
    """

    # any of: fixed (the whole budget), inner (as many epochs as are best on training subjects held out for this),
    # oracle (as many as are best on the held-out subject itself: this leaks, and shows how much the leak gains)
    rules: tuple[str, ...] = ("fixed",)
    inner: float = 0.2  # share of a fold's training subjects that `inner` holds out, alike in classes
    # once `inner` has chosen: test the model trained on all training subjects for that budget, or the one it was chosen with
    after: Literal["retrain", "keep"] = "retrain"
    looks: int = 20  # snapshots of the last stage to choose from, evenly spaced; the last one is at its end


@dataclass(frozen=True)
class EngineConfig:
    """How the work is done. Results do not depend on these settings, up to float tolerance, but for `precision`."""

    mapping: Literal["auto", "vmap", "map"] = "auto"  # runs side by side, or one after another; auto: by backend
    chunk: int = 0  # runs on the devices together; 0: as many as fit
    precision: Literal["highest", "high", "bfloat16"] = "highest"  # on a GPU or TPU; see docs/clusters.md
    convolution: Literal["products", "grouped"] = "products"  # its form there; see docs/clusters.md
    steps_per_call: int = 8  # optimiser steps of one jitted call; stops and checkpoints wait for its end
    checkpoint_minutes: float = 5.0  # least time between two checkpoints of a running chunk
    save_models: bool = False  # keep what each run learnt, with a card; see merjax.models
    workers: int = 0  # processes that share the chunks; 0: one per core on a CPU, one on a GPU or TPU
    share: bool = True  # train a stage once for all trials that have it in common; False: once for each of them
    keep_features: bool = False  # keep what shared stages gave, in `stages/` of the results, after the last use
    stages: str = "none"  # a folder in which sweeps share what their stages gave, or "none"
    stages_limit: str = "20GB"  # its size; what was used longest ago is removed first


@dataclass(frozen=True)
class Config:
    """All settings of one trial and their defaults, such as `Config().loss.gamma`; this file explains each beside it."""

    # local_regions, the paper's; another one of docs/methods.md; or a network from elsewhere as `package.module:NAME`
    method: str = "local_regions"
    data: DataConfig = field(default_factory=DataConfig)
    # region kinds or names whose features reach the classifier: [eyes, nose, mouth] is Table 5's "no cheeks"
    regions: tuple[str, ...] = traced(("eyes", "nose", "cheeks", "mouth"))
    loss: LossConfig = field(default_factory=LossConfig)
    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    peer: PeerConfig = field(default_factory=PeerConfig)
    svm: SvmConfig = field(default_factory=SvmConfig)
    spotter: SpotterConfig = field(default_factory=SpotterConfig)
    # "shuffle" permutes the labels of each fold's training clips: a control that must score at chance; "shuffle everything"
    # those of all clips of each database, once per seed, for both stages, all folds and the scores (docs/audit.md)
    control: Literal["none", "shuffle", "shuffle everything"] = traced("none")  # spotters: motion in time
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)


def make_config(*layers: Layer, source: str = "config") -> Config:
    """Merge layers (mappings with nested or dotted keys, "key.sub=value" strings) over the defaults.

    Raises:
        MerjaxError: an unknown key (with what may have been meant), a wrong type, a value out of range.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= read_settings(layer, source)
    at_home = [key for key in ("data.store", "data.protocol") if str(merged.get(key, "")).startswith("~")]
    merged |= {key: str(user_path(merged[key])) for key in at_home}
    config = build(Config, merged)
    _check_ranges(config, source)
    return config


def read_settings(layer: Layer, source: str = "config") -> dict[str, Any]:
    """One layer's settings by dotted key, with values of their types; see `merjax.system.settings.read_layer`.

    Raises:
        MerjaxError: see `make_config`.
    """
    if not isinstance(layer, str | Mapping):
        raise MerjaxError(f"{source}: settings are {shown(layer)}; write `key: value` lines, such as loss.gamma: 2")
    return read_layer(layer, Config, source)


def traced_keys() -> frozenset[str]:
    """The dotted keys that are data to the compiled programs."""
    return frozenset(marked(Config, "traced"))


def program_group(config: Config) -> tuple[tuple[str, Any], ...]:
    """What splits groups: trials with equal keys run through the same compiled programs."""
    free = traced_keys()
    return tuple((k, v) for k, v in flatten(config).items() if k not in free and not k.startswith("engine."))


def trained_settings() -> tuple[str, ...]:
    """The keys by which trials differ: all but where the store lies, how the engine runs them and when they are tested."""
    aside = ("engine.", "selection.", "data.store")
    return tuple(key for key in flatten(Config()) if not key.startswith(aside))


RULES = ("fixed", "inner", "oracle")
_RANGES = Ranges(
    positive=("epochs", "batch", "units", "learning_rate", "epsilon", "cost", "steps_per_call", "looks")
    + ("maps", "pool", "dim", "repeats", "kept"),
    not_negative=(
        "gamma",
        "weight_decay",
        "share",
        "halve_every",
        "chunk",
        "workers",
        "checkpoint_minutes",
        "length",
        "l1",
    ),
    share=("dropout", "fall", "dropout_lstm", "dropout_fc", "beta1", "beta2", "label_smoothing"),
)


def _check_ranges(config: Config, source: str) -> None:
    check_ranges(flatten(config), _RANGES, source)
    _check_authors(config, source)
    try:
        size_in_bytes(config.engine.stages_limit)
    except ValueError as error:
        raise MerjaxError(f"{source}: engine.stages_limit is {shown(config.engine.stages_limit)}; {error}") from None
    rules = config.selection.rules
    if not rules or len({*rules}) < len(rules) or not {*rules} <= {*RULES}:
        raise MerjaxError(f"{source}: selection.rules is {list(rules)}; write any of {', '.join(RULES)}, each once")
    if config.engine.save_models and "fixed" not in rules:
        raise MerjaxError(
            f"{source}: engine.save_models keeps what runs learnt in their whole budget; add fixed to selection.rules"
        )
    if not 0 < config.selection.inner <= 0.5:
        raise MerjaxError(
            f"{source}: selection.inner is {config.selection.inner}; write a share of the training subjects, up to 0.5"
        )


def _check_authors(config: Config, source: str) -> None:
    """Refuse combinations of the settings that come from the code published in 2022 that mean nothing."""
    data, temporal = config.data, config.temporal
    if config.spatial.patches not in (4, 9, 16):
        raise MerjaxError(f"{source}: spatial.patches is {config.spatial.patches}; write 4, 9 or 16")
    if data.scaling == "symmetric" and (data.input != "gray" or data.standardise):
        raise MerjaxError(f"{source}: data.scaling: symmetric needs data.input: gray and data.standardise: false")
    if temporal.padding == "in front" and (temporal.mask or not temporal.length):
        raise MerjaxError(f"{source}: temporal.padding: in front needs temporal.mask: false and a temporal.length")
