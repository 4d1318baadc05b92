"""No setting is accepted and then ignored: each number reaches the programs of its stage, every other key is read by name."""

import ast
from dataclasses import fields, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.flow_experiment import experiment_of, flow_images
from support.small_experiment import small_experiment

import merjax
from merjax.config import PeerConfig, SpatialConfig, TemporalConfig, make_config, traced_keys
from merjax.engine import RunArrays
from merjax.engine.stage import advance, outputs, prepared, start
from merjax.methods.flow_networks import flow_job, flow_numbers
from merjax.methods.local_regions import spatial_job, spatial_numbers, temporal_job, temporal_numbers
from merjax.methods.runs import RunId
from merjax.system.settings import flatten

SECTIONS = {"spatial": SpatialConfig, "temporal": TemporalConfig, "peer": PeerConfig}
FEATURES = np.zeros((24, 2, 20), np.float32)


def numbers_of(section: str, config):
    """A run's numbers for the stage that a section of the config describes."""
    spec = RunId(config, 0, 0)
    if section == "peer":
        return flow_numbers(experiment_of(flow_images()), RunId(replace(config, method="off_apexnet"), 0, 0))
    small = small_experiment()
    return spatial_numbers(small, spec) if section == "spatial" else temporal_numbers(small, spec, FEATURES)


def job_of(section: str):
    spec = RunId(make_config({"method": "off_apexnet" if section == "peer" else "local_regions"}), 0, 0)
    if section == "peer":
        return flow_job(experiment_of(flow_images()), [spec])
    small = small_experiment()
    return spatial_job(small, [spec]) if section == "spatial" else temporal_job(small, [spec], FEATURES[None])


def traced_fields(section: str) -> list[str]:
    return [f.name for f in fields(SECTIONS[section]) if f.metadata.get("traced")]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_traced_setting_is_a_number_of_its_stage(section):
    """The number changes with this setting, and no other number does."""
    before = numbers_of(section, make_config())._asdict()
    for name in traced_fields(section):
        number, value, expected = ("halve_steps", 8, 3) if name == "halve_every" else (name, 0.75, 0.75)
        after = numbers_of(section, make_config(f"{section}.{name}={value}"))._asdict()
        assert {n for n in before if not np.array_equal(before[n], after[n])} == {number}
        assert after[number] == np.float32(expected)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_of_the_loss_reaches_the_stage_and_the_regions_the_classifier(section):
    before = numbers_of(section, make_config())._asdict()
    expected = {"loss.gamma=1": "gamma", "loss.label_smoothing=0.1": "smoothing", "loss.alpha=3": "alpha"}
    if section == "temporal":
        expected["regions=[mouth]"] = "mask"
    for line, name in expected.items():
        after = numbers_of(section, make_config(line))._asdict()
        assert {n.split("_")[0] for n in before if not np.array_equal(before[n], after[n])} == {name}, line


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_of_a_stage_reaches_its_training_program(section):
    """Each number is used by the programs that get it."""
    stage, runs, samples, *_ = job_of(section)
    run = jax.tree.map(lambda x: jnp.asarray(x[0]), runs)
    batches = prepared(stage, jax.tree.map(jnp.asarray, samples.batches(np.zeros((1, 2), int))))
    state = jax.eval_shape(lambda run: start(stage, run), run)

    def step(numbers, state):
        return advance(stage, state, RunArrays(run.key, run.weight_N, numbers), batches, 0, 1)

    assert read_by(step, run.numbers, state) == set(run.numbers._fields)


def test_inference_reads_what_was_fitted_and_not_what_only_training_needs():
    """Otherwise the test above could not tell the two apart."""
    stage, runs, samples, *_ = job_of("spatial")
    run = jax.tree.map(lambda x: jnp.asarray(x[0]), runs)
    batches = prepared(stage, jax.tree.map(jnp.asarray, samples.batches(np.zeros((1, 2), int))))
    variables = jax.eval_shape(lambda run: start(stage, run), run).variables

    def infer(numbers, variables):
        return outputs(stage, variables, RunArrays(run.key, run.weight_N, numbers), batches)

    assert read_by(infer, run.numbers, variables) == {"mean_RxC", "scale_RxC"}


def read_by(f, numbers, *others) -> set[str]:
    """The fields of the numbers that a program uses."""
    program = jax.make_jaxpr(f)(numbers, *others).jaxpr
    used = {id(x) for equation in program.eqns for x in equation.invars}
    inputs = program.invars[: len(numbers)]
    return {name for name, x in zip(numbers._fields, inputs, strict=True) if id(x) in used}


def test_every_other_setting_is_read_by_its_name():
    package = Path(merjax.__file__).parent
    sources = [path for path in package.rglob("*.py") if path.name != "config.py" and "published" not in path.parts]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    numbers = {f"{section}.{name}" for section in SECTIONS for name in traced_fields(section)}
    assert numbers <= traced_keys()
    for key in flatten(make_config()).keys() - numbers:
        assert key.rsplit(".", 1)[-1] in read, key
