"""Kernels, bytes and operations of small programs, against counts by hand."""

import jax
import jax.numpy as jnp
import pytest

from merjax.engine.counting.hlo import arrays
from merjax.engine.counting.kernels import count

STEPS = """\
HloModule steps, is_scheduled=true

FileNames
1 "/somewhere/merjax/nn/layers/recurrent.py"
2 "/elsewhere/jax/lax.py"

FunctionNames
1 "lstm.<locals>.frame"
2 "scan"

FileLocations
1 {file_name_id=1 function_name_id=1 line=42 end_line=42 column=1 end_column=9}
2 {file_name_id=2 function_name_id=2 line=7 end_line=7 column=1 end_column=9}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=1}

%fused_row (param_0.1: f32[8,100], param_1.1: s32[]) -> f32[100] {
  %param_0.1 = f32[8,100]{1,0} parameter(0)
  %param_1.1 = s32[] parameter(1)
  %zero.1 = s32[] constant(0)
  %dynamic-slice.1 = f32[1,100]{1,0} dynamic-slice(%param_0.1, %param_1.1, %zero.1), dynamic_slice_sizes={1,100}
  %bitcast.1 = f32[100]{0} bitcast(%dynamic-slice.1)
  ROOT %tanh.1 = f32[100]{0} tanh(%bitcast.1), metadata={op_name="jit(f)/tanh" stack_frame_id=2}
}

%fused_update (param_0.2: f32[8,100], param_1.2: f32[100], param_2.2: s32[]) -> f32[8,100] {
  %param_0.2 = f32[8,100]{1,0} parameter(0)
  %param_1.2 = f32[100]{0} parameter(1)
  %bitcast.2 = f32[1,100]{1,0} bitcast(%param_1.2)
  %param_2.2 = s32[] parameter(2)
  %zero.2 = s32[] constant(0)
  ROOT %dynamic-update-slice.2 = f32[8,100]{1,0} dynamic-update-slice(%param_0.2, %bitcast.2, %param_2.2, %zero.2)
}

%frames (state.3: (s32[], f32[8,100], f32[8,100])) -> (s32[], f32[8,100], f32[8,100]) {
  %state.3 = (s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) parameter(0)
  %t.3 = s32[] get-tuple-element(%state.3), index=0
  %one.3 = s32[] constant(1)
  %next.3 = s32[] add(%t.3, %one.3)
  %x.3 = f32[8,100]{1,0} get-tuple-element(%state.3), index=1
  %y.3 = f32[8,100]{1,0} get-tuple-element(%state.3), index=2
  %row.3 = f32[100]{0} fusion(%x.3, %t.3), kind=kLoop, calls=%fused_row, metadata={op_name="transpose(tanh)" stack_frame_id=2}
  %put.3 = f32[8,100]{1,0} fusion(%y.3, %row.3, %t.3), kind=kLoop, calls=%fused_update
  ROOT %tuple.3 = (s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) tuple(%next.3, %x.3, %put.3)
}

%until (state.4: (s32[], f32[8,100], f32[8,100])) -> pred[] {
  %state.4 = (s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) parameter(0)
  %t.4 = s32[] get-tuple-element(%state.4), index=0
  %end.4 = s32[] constant(8)
  ROOT %less.4 = pred[] compare(%t.4, %end.4), direction=LT
}

%step (state.5: (s32[], s32[], f32[8,100], f32[8,100])) -> (s32[], s32[], f32[8,100], f32[8,100]) {
  %state.5 = (s32[], s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) parameter(0)
  %k.5 = s32[] get-tuple-element(%state.5), index=0
  %end.5 = s32[] get-tuple-element(%state.5), index=1
  %x.5 = f32[8,100]{1,0} get-tuple-element(%state.5), index=2
  %y.5 = f32[8,100]{1,0} get-tuple-element(%state.5), index=3
  %zero.5 = s32[] constant(0)
  %in.5 = (s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) tuple(%zero.5, %x.5, %y.5)
  %while.5 = (s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) while(%in.5), condition=%until, body=%frames
  %out.5 = f32[8,100]{1,0} get-tuple-element(%while.5), index=2
  %dot.5 = f32[8,8]{1,0} dot(%x.5, %out.5), lhs_contracting_dims={1}, rhs_contracting_dims={1}, HIGHEST
  %copy.5 = f32[8,100]{1,0} copy(%out.5)
  ROOT %tuple.5 = (s32[], s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) tuple(%k.5, %end.5, %x.5, %copy.5)
}

%more (state.6: (s32[], s32[], f32[8,100], f32[8,100])) -> pred[] {
  %state.6 = (s32[], s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) parameter(0)
  %k.6 = s32[] get-tuple-element(%state.6), index=0
  %end.6 = s32[] get-tuple-element(%state.6), index=1
  ROOT %less.6 = pred[] compare(%k.6, %end.6), direction=LT
}

ENTRY %main (x.7: f32[8,100], y.7: f32[8,100], first.7: s32[], end.7: s32[]) -> f32[8,100] {
  %x.7 = f32[8,100]{1,0} parameter(0)
  %y.7 = f32[8,100]{1,0} parameter(1)
  %first.7 = s32[] parameter(2)
  %end.7 = s32[] parameter(3)
  %copy.7 = f32[8,100]{1,0} copy(%y.7)
  %in.7 = (s32[], s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) tuple(%first.7, %end.7, %x.7, %copy.7)
  %while.7 = (s32[], s32[], f32[8,100]{1,0}, f32[8,100]{1,0}) while(%in.7), condition=%more, body=%step
  ROOT %out.7 = f32[8,100]{1,0} get-tuple-element(%while.7), index=3
}
"""
ROW = 100 * 4  # bytes
WHOLE = 8 * ROW


def steps(open_loop: bool = False) -> str:
    """A call of several steps, each with a scan over eight rows, a product and a copy."""
    text = STEPS.replace("HIGHEST", "operand_precision={highest,highest}")
    if open_loop:
        text = text.replace("%end.4 = s32[] constant(8)", "%end.4 = s32[] get-tuple-element(%state.4), index=0")
    return text


def test_a_step_is_one_turn_of_the_loop_over_steps_and_scans_are_multiplied_out():
    program = count(steps())
    assert program.launches == 8 * 2 + 2  # two fusions a row, a product, a copy; the addition of one is no kernel
    assert len(program.per_call) == 1
    assert [(loop.turns, loop.known, loop.times) for loop in program.loops] == [(8, True, 1)]
    assert program.open_turns == 0


def test_a_slice_counts_as_the_slice_and_an_update_in_place_as_the_update():
    moved = {k.source or k.shape: k.bytes for k in count(steps()).kernels if "fusion" in k.kind}
    # a row read and a row written, and the number of the row
    assert list(moved.values()) == [2 * ROW + 4, 2 * ROW + 4]
    product = (2 * WHOLE) + 8 * 8 * 4
    assert count(steps()).bytes == 8 * 2 * (2 * ROW + 4) + product + 2 * WHOLE


def test_products_count_two_operations_for_each_multiply_add_on_the_unit_that_was_asked_for():
    product = next(k for k in count(steps()).kernels if k.flops)
    assert product.flops == 2 * 8 * 8 * 100
    assert product.unit == "float32"
    rounded = count(steps().replace("operand_precision={highest,highest}", ""))
    assert next(k for k in rounded.kernels if k.flops).unit == "rounded"
    halves = count(steps().replace("%x.5 = f32[8,100]", "%x.5 = bf16[8,100]"))
    assert next(k for k in halves.kernels if k.flops).unit == "bfloat16"


def test_kernels_are_named_by_the_line_of_merjax_that_they_come_from():
    sources = [k.source for k in count(steps()).kernels]
    assert sources[0] == "nn/layers/recurrent.py:42 frame (backward)"


def test_a_loop_whose_end_depends_on_data_counts_as_one_turn_and_is_told():
    program = count(steps(open_loop=True))
    assert program.launches == 2 + 2
    assert program.open_turns == 1
    assert [loop.known for loop in program.loops] == [False]


def test_a_choice_counts_as_its_longest_branch():
    text = """\
HloModule choice

%short (a: f32[4]) -> f32[4] {
  %a = f32[4]{0} parameter(0)
  ROOT %c = f32[4]{0} copy(%a)
}

%long (b: f32[4]) -> f32[4] {
  %b = f32[4]{0} parameter(0)
  %d = f32[4]{0} copy(%b)
  ROOT %e = f32[4]{0} copy(%d)
}

ENTRY %main (p: s32[], x: f32[4]) -> f32[4] {
  %p = s32[] parameter(0)
  %x = f32[4]{0} parameter(1)
  ROOT %y = f32[4]{0} conditional(%p, %x, %x), branch_computations={%short, %long}
}
"""
    assert count(text, one_step=True).launches == 2


CONVOLUTION = """\
HloModule convolution

ENTRY %main (x: f32[2,3,5,7], k: f32[4,3,3,3]) -> f32[2,4,5,7] {
  %x = f32[2,3,5,7]{3,2,1,0} parameter(0)
  %k = f32[4,3,3,3]{3,2,1,0} parameter(1)
  ROOT %y = f32[2,4,5,7]{3,2,1,0} CALL
}
"""


def test_taps_on_padding_do_not_count():
    """5 rows see 3 rows each but for two at the border that see 2, 7 columns likewise."""
    call = "convolution(%x, %k), window={size=3x3 pad=1_1x1_1}, dim_labels=bf01_oi01->bf01"
    program = count(CONVOLUTION.replace("CALL", call), one_step=True)
    assert program.flops == 2 * (2 * 4) * 3 * (5 * 3 - 2) * (7 * 3 - 2)


def test_a_convolution_by_cudnn_counts_the_whole_window():
    call = 'custom-call(%x, %k), dim_labels=bf01_oi01->bf01, custom_call_target="__cudnn$convForward"'
    program = count(CONVOLUTION.replace("CALL", call), one_step=True)
    assert program.flops == 2 * (2 * 4 * 5 * 7) * 3 * 9
    assert program.kernels[0].kind == "__cudnn$convForward"


def test_the_bytes_of_an_array_are_those_of_its_layout():
    assert [a.bytes for a in arrays("(f32[3,5]{1,0}, pred[7], bf16[2,2]{1,0}, s4[6]{0})")] == [60, 7, 8, 3]
    # a TPU rounds the last two axes up to tiles of 8 x 128
    (tiled,) = arrays("f32[3,130]{1,0:T(8,128)}")
    assert tiled.bytes == 8 * 256 * 4
    (near,) = arrays("f32[4]{0:T(128)S(1)}")
    assert not near.in_memory


@pytest.mark.parametrize("turns", [3, 6])
def test_a_compiled_scan_of_products_is_counted_as_often_as_it_turns(turns):
    def f(x, w):
        return jax.lax.scan(lambda h, _: (jnp.tanh(h @ w), None), x, length=turns)[0]

    x, w = jax.ShapeDtypeStruct((8, 16), "float32"), jax.ShapeDtypeStruct((16, 16), "float32")
    program = count(jax.jit(f).lower(x, w).compile().as_text(), one_step=True)
    assert program.flops == turns * 2 * 8 * 16 * 16
    assert [loop.turns for loop in program.loops] == [turns]
