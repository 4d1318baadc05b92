"""The engine's promises, on a small stage with dropout and running averages: they hold for any stage of pure functions."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.small_stage import RUNS, Y_N, K, N, X_NxD, make_run, samples, small_stage, stacked

from merjax.engine import Batch, Budget, Engine, Samples, Variables
from merjax.engine.batches import in_order, training_stream
from merjax.engine.engine import SNAPSHOTS
from merjax.engine.stage import _stage_key, advance, start


def train(runs, *, mapping="map", devices=1, steps_per_call=4, steps=11, x_NxD=X_NxD):
    engine = Engine(mapping, steps_per_call, jax.devices()[:devices])
    state, metrics = engine.fit(small_stage(), stacked(runs), samples(x_NxD), Budget(8, steps), seed=3)
    return state.variables.params | state.variables.statistics, metrics, engine


def variables_of(learned) -> Variables:
    return Variables({name: learned[name] for name in ("w", "b")}, {"mean": learned["mean"]})


MAPPINGS = ("map", "vmap")


def outputs_of(learned) -> np.ndarray:
    """What the small stage's `apply` gives for every sample, by every run."""
    return np.einsum("pnd,pdk->pnk", X_NxD - learned["mean"][:, None], learned["w"]) + learned["b"][:, None]


@pytest.mark.parametrize(
    ("devices", "mapping"),
    [(4, "vmap"), *(pytest.param(*case, marks=pytest.mark.long) for case in [*product((1, 2), MAPPINGS), (4, "map")])],
)
def test_a_run_among_others_equals_the_run_alone(mapping, devices):
    together, metrics, _ = train(RUNS, mapping=mapping, devices=devices)
    for p, run in enumerate(RUNS):
        alone, alone_metrics, _ = train([run])
        for name in alone:
            np.testing.assert_allclose(together[name][p], alone[name][0], atol=1e-5)
        np.testing.assert_allclose(metrics["loss"][p], alone_metrics["loss"][0], atol=1e-5)


def test_the_order_of_runs_and_the_length_of_calls_change_nothing():
    params, metrics, _ = train(RUNS)
    backwards, _, _ = train(RUNS[::-1], steps_per_call=3)
    for name in params:
        np.testing.assert_allclose(params[name], backwards[name][::-1], atol=1e-6)
    assert metrics["loss"].shape == (4, 11)
    assert np.isfinite(metrics["loss"]).all()


def test_training_equals_a_plain_loop():
    """The engine against optax in a Python loop over the same batches, dropout included."""
    params, metrics, _ = train(RUNS[1:2])
    run, stage = jax.tree.map(jnp.asarray, RUNS[1]), small_stage()
    state = start(stage, run)
    (theta, statistics), optimiser = state.variables, optax.adam(run.numbers["learning_rate"])
    opt_state = optimiser.init(theta)
    calls = training_stream(samples(), 8, 4, 3, 0)
    batches = [jax.tree.map(lambda x, k=k: x[k], call) for call in (next(calls) for _ in range(3)) for k in range(4)]
    for step, batch in enumerate(batches[:11]):
        key = jax.random.fold_in(_stage_key(stage, run), step)

        def loss(theta, statistics=statistics, batch=batch, key=key):
            outcome = stage.loss(Variables(theta, statistics), batch, run.weight_N[batch.unit_B], run.numbers, key)
            return outcome.loss, outcome[1:]

        (value, (_, statistics)), gradient = jax.value_and_grad(loss, has_aux=True)(theta)
        np.testing.assert_allclose(metrics["loss"][0, step], value, rtol=1e-5)
        updates, opt_state = optimiser.update(gradient, opt_state)
        theta = optax.apply_updates(theta, updates)
    np.testing.assert_allclose(params["w"][0], theta["w"], atol=1e-6)
    np.testing.assert_allclose(params["mean"][0], statistics["mean"], atol=1e-6)


def test_weight_zero_equals_training_on_the_subset():
    """Without dropout, since masks are drawn by place in the batch."""
    run = jax.tree.map(jnp.asarray, make_run(0, held_out=[1, 4, 5], dropout_rate=0.0))
    keep = np.array([0, 2, 3, 6, 7])
    full = Batch(jnp.asarray(X_NxD[:8])[None], jnp.arange(8)[None])
    subset = Batch(jnp.asarray(X_NxD[keep])[None], jnp.asarray(keep)[None])
    stage = small_stage()
    a, _ = advance(stage, start(stage, run), run, full, jnp.int32(0), jnp.int32(1))
    b, _ = advance(stage, start(stage, run), run, subset, jnp.int32(0), jnp.int32(1))
    np.testing.assert_allclose(a.variables.params["w"], b.variables.params["w"], atol=1e-7)
    np.testing.assert_allclose(a.variables.statistics["mean"], b.variables.statistics["mean"], atol=1e-7)


def test_held_out_inputs_and_labels_leave_parameters_bit_identical():
    run = make_run(2, held_out=[6, 7, 8])
    before, _, _ = train([run])
    changed = X_NxD.copy()
    changed[[6, 7, 8]] += 100
    other_labels = Y_N.copy()
    other_labels[[6, 7, 8]] = (Y_N[[6, 7, 8]] + 1) % K
    after, _, _ = train([make_run(2, held_out=[6, 7, 8], target_N=other_labels)], x_NxD=changed)
    assert all((before[name] == after[name]).all() for name in before)
    changed[0] += 1  # a training clip does matter
    assert (train([run], x_NxD=changed)[0]["w"] != before["w"]).any()


def test_a_diverging_run_leaves_the_others_alone():
    wild = make_run(0)
    wild.numbers["learning_rate"] = np.float32(np.inf)
    _, metrics, _ = train([wild, RUNS[1]], steps=8)
    calm, _, _ = train([wild, RUNS[1]], steps=8)
    alone, _, _ = train([RUNS[1]], steps=8)
    assert not np.isfinite(metrics["loss"][0, -1])
    np.testing.assert_allclose(calm["w"][1], alone["w"][0], atol=1e-6)


def test_one_compilation_serves_short_calls_and_further_chunks():
    _, _, engine = train(RUNS, steps=11)
    programs = len(engine.programs)
    engine.fit(small_stage(), stacked(RUNS[::-1]), samples(), Budget(8, 5), seed=9)
    assert len(engine.programs) == programs == 2  # start and advance


def test_every_call_gives_the_memory_of_its_state_to_the_next(monkeypatch):
    """Otherwise a GPU would hold parameters and moments twice; the runs' own inputs are used again."""
    given, program = [], Engine.program

    def notes(engine, stage, name, f, per_run, *args):
        if name == "advance":
            given.append(args[:2])
        return program(engine, stage, name, f, per_run, *args)

    monkeypatch.setattr(Engine, "program", notes)
    train(RUNS, steps=11)
    assert len(given) == 3
    for state, runs in given:
        assert all(x.is_deleted() for x in jax.tree.leaves(state))
        assert not any(x.is_deleted() for x in jax.tree.leaves(runs))


def test_apply_gives_every_sample_its_own_output():
    learned, _, engine = train(RUNS)
    out = engine.apply(small_stage(), variables_of(learned), stacked(RUNS), samples(), batch=5)
    expected = outputs_of(learned)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_the_stream_shows_every_sample_once_per_pass_and_can_be_resumed():
    stream = training_stream(samples(), 6, 2, 5, 0)
    calls = [next(stream).unit_B.ravel() for _ in range(4)]
    first, second = np.concatenate(calls[:2]), np.concatenate(calls[2:])
    assert sorted(first) == sorted(second) == list(range(N))
    assert (first != second).any()
    again = training_stream(samples(), 6, 2, 5, 0)
    next(again)
    saved = again.get_state()
    fresh = training_stream(samples(), 6, 2, 5, 0)
    fresh.set_state(saved)
    np.testing.assert_array_equal(next(fresh).unit_B.ravel(), calls[1])


def test_unshuffled_passes_are_alike_and_their_last_batch_is_short():
    stream = training_stream(samples(), 7, 3, 5, 0, shuffle=False)
    order = np.concatenate([next(stream).unit_B.ravel() for _ in range(4)])  # 12 batches: three passes of four
    np.testing.assert_array_equal(order, np.tile([*range(N), *[-1] * 4], 3))


@pytest.mark.long
@pytest.mark.parametrize("mapping", [pytest.param("map", marks=pytest.mark.long), "vmap"])
def test_empty_places_of_a_short_batch_are_absent(mapping):
    """With batch normalisation they must not even shift an average; their inputs are made very large to show it."""
    x_SxD, run = np.concatenate([X_NxD, X_NxD[-1:]]), make_run(1, held_out=[2, 3], dropout_rate=0.0)
    whole, short = Budget(N, 5, shuffle=False), Budget(N + 3, 5, shuffle=False)
    states = []
    for budget, filler in ((whole, 0), (short, 0), (short, 1e6)):

        def gather(sample_KxB, budget=budget, filler=filler):
            place_B = np.arange(budget.batch)
            return x_SxD[sample_KxB] + np.float32(filler) * (place_B >= N)[:, None]

        own = Samples(np.arange(N), gather)
        states.append(Engine(mapping, 2, jax.devices()[:1]).fit(small_stage(), stacked([run]), own, budget, seed=0)[0])
    for a, b in zip(jax.tree.leaves(states[1]), jax.tree.leaves(states[2]), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(jax.tree.leaves(states[0]), jax.tree.leaves(states[1]), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.long
@pytest.mark.parametrize("mapping", [pytest.param("map", marks=pytest.mark.long), "vmap"])
def test_what_is_prepared_for_all_runs_changes_nothing(mapping):
    """A stage may turn a call's batches into something that serves all runs, and take its batches from that."""
    turned = small_stage()._replace(
        prepare=lambda x_KxBxD: jnp.moveaxis(x_KxBxD, 0, -1), take=lambda x_BxDxK, k: x_BxDxK[..., k]
    )
    plain, other = (
        Engine(mapping, 4, jax.devices()[:1]).fit(stage, stacked(RUNS), samples(), Budget(8, 6, 3), seed=3)
        for stage in (small_stage(), turned)
    )
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_in_order_covers_all_samples_with_batches_of_one_shape():
    seen = [(place, batch.unit_B) for place, batch in in_order(samples(), 5, 2)]
    assert {units.shape for _, units in seen} == {(2, 5)}
    flat = np.concatenate([units.ravel()[: place.stop - place.start] for place, units in seen])
    np.testing.assert_array_equal(flat, np.arange(N))


def test_snapshots_are_the_outputs_of_the_parameters_of_that_step():
    engine = Engine("map", 4, jax.devices()[:1])
    _, history = engine.fit(small_stage(), stacked(RUNS), samples(), Budget(8, 11, snapshot_every=3), seed=3)
    assert history[SNAPSHOTS].shape == (4, 3, N, K)
    for i, steps in enumerate((3, 6, 9)):
        learned, metrics, _ = train(RUNS, steps=steps)
        expected = outputs_of(learned)
        np.testing.assert_allclose(history[SNAPSHOTS][:, i], expected, atol=1e-5)
    np.testing.assert_array_equal(metrics["loss"], history["loss"][:, :9])  # taking snapshots changes nothing


class Memory:
    """Keeps everything, and asks the training to stop after a number of calls."""

    def __init__(self, calls):
        self.calls, self.kept = calls, None

    def restore(self, stage, like):
        if self.kept is not None:
            assert jax.tree.structure(like["state"]) == jax.tree.structure(self.kept.state)
            shapes = [[np.shape(x) for x in jax.tree.leaves(tree)] for tree in (like["state"], self.kept.state)]
            assert shapes[0] == shapes[1]
        return self.kept

    def after_call(self, stage, saved, finished):
        self.calls -= 1
        if self.calls == 0:
            self.kept = jax.tree.map(np.copy, saved())._replace(stream=saved().stream, done=saved().done)
            raise InterruptedError


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param(1, marks=pytest.mark.long),
        2,
        pytest.param(3, marks=pytest.mark.long),
        pytest.param(4, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("snapshot_every", [0, 3])
def test_a_resumed_stage_equals_an_uninterrupted_one_bit_for_bit(calls, snapshot_every):
    budget = Budget(8, 15, snapshot_every)
    whole, history = Engine("map", 4, jax.devices()[:1]).fit(small_stage(), stacked(RUNS), samples(), budget, seed=3)
    memory = Memory(calls)
    with pytest.raises(InterruptedError):
        Engine("map", 4, jax.devices()[:1]).fit(
            small_stage(), stacked(RUNS), samples(), budget, seed=3, checkpointer=memory
        )
    resumed, resumed_history = Engine("map", 4, jax.devices()[:1]).fit(
        small_stage(), stacked(RUNS), samples(), budget, seed=3, checkpointer=memory
    )
    assert all((a == b).all() for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True))
    for name, values in history.items():
        np.testing.assert_array_equal(values, resumed_history[name])


def test_a_batch_of_held_out_samples_alone_is_no_step():
    """Neither momentum nor weight decay may change a run on samples that it must not see."""
    run = jax.tree.map(jnp.asarray, make_run(1, held_out=[0, 1, 2, 3], dropout_rate=0.0))
    stage = small_stage()._replace(optimiser=lambda numbers: optax.adamw(0.1, weight_decay=0.1))
    mixed, blind = np.arange(4, 8), np.arange(4)
    batches = Batch(jnp.asarray(X_NxD)[np.stack([mixed, blind])], jnp.asarray(np.stack([mixed, blind])))
    one, _ = advance(stage, start(stage, run), run, batches, jnp.int32(0), jnp.int32(1))
    two, metrics = advance(stage, start(stage, run), run, batches, jnp.int32(0), jnp.int32(2))
    np.testing.assert_array_equal(one.variables.params["w"], two.variables.params["w"])
    np.testing.assert_array_equal(one.variables.statistics["mean"], two.variables.statistics["mean"])
    np.testing.assert_array_equal(np.isnan(metrics["loss"]), [False, True])
    assert int(two.step) == 2


def test_stages_of_one_run_draw_apart():
    run = jax.tree.map(jnp.asarray, make_run(0))
    one, other = (
        start(small_stage()._replace(name=name), run).variables.params["w"] for name in ("spatial", "temporal")
    )
    assert (one != other).any()


def test_stages_that_look_alike_get_programs_of_their_own():
    engine = Engine("map", 4, jax.devices()[:1])
    double = small_stage()._replace(apply=lambda *args: 2 * small_stage().apply(*args))
    learned, _, _ = train(RUNS)
    single, twice = (
        engine.apply(s, variables_of(learned), stacked(RUNS), samples(), batch=8) for s in (small_stage(), double)
    )
    np.testing.assert_allclose(twice, 2 * single, rtol=1e-6)
