"""The rough count of small programs before they are compiled, against counts by hand."""

import jax
import jax.numpy as jnp

from merjax.engine.counting.unfused import count_traced

N = 16
SQUARE = N * N * 4  # bytes
X = jax.ShapeDtypeStruct((N, N), "float32")


def rough(f, *args):
    return count_traced(jax.make_jaxpr(f)(*args))


def in_one_step(f):
    """`f` as the step of a loop of unknown length."""
    return lambda x, end: jax.lax.fori_loop(0, end, lambda k, x: f(x), x)


def step(f):
    return rough(in_one_step(f), X, jax.ShapeDtypeStruct((), "int32"))


def test_products_are_kernels_with_what_they_read_and_write():
    program, temporaries = step(lambda x: x @ x @ x)
    products = [k for k in program.kernels if k.flops]
    assert [k.flops for k in products] == [2 * N**3] * 2
    assert [k.bytes for k in products] == [2 * SQUARE, 3 * SQUARE]  # x once where both factors are x
    # what the second reads; what it gives is written over x; the loop has two numbers of its own
    assert temporaries == SQUARE + 2 * 4


def test_element_wise_work_is_done_where_it_is_read():
    """Before a product it is one kernel, however many operations it has; before a sum it is none."""
    program, _ = step(lambda x: jnp.tanh(x * 2 + 1) @ x)
    assert [k.kind for k in program.kernels if k.shape.startswith("float32[16,16]")] == ["loop fusion", "dot_general"]
    program, _ = step(lambda x: jnp.broadcast_to(jnp.tanh(x * 2 + 1).sum(0), (N, N)))
    reduction = next(k for k in program.kernels if k.kind == "reduce_sum")
    assert reduction.bytes == SQUARE + N * 4


def test_scans_are_multiplied_out():
    def five(x):
        return jax.lax.scan(lambda h, _: (h @ x, None), x, length=5)[0]

    program, _ = step(five)
    assert program.flops == 5 * 2 * N**3
    assert [(loop.turns, loop.known) for loop in program.loops] == [(5, True)]
    assert program.launches == 5


def test_the_longer_a_value_is_needed_the_more_memory_a_program_takes():
    def chain(x, keep):
        first = x @ x
        y = first
        for _ in range(4):
            y = y @ x
        return y @ first if keep else y @ x

    assert step(lambda x: chain(x, True)).temporaries == step(lambda x: chain(x, False)).temporaries + SQUARE


def test_what_is_outside_the_loop_over_steps_counts_once_per_call():
    program, _ = rough(lambda x, end: in_one_step(lambda y: y @ y)(x @ x, end), X, jax.ShapeDtypeStruct((), "int32"))
    assert program.launches == 1
    assert sum(k.times for k in program.per_call) == 1
