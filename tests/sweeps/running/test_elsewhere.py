"""The plan of a sweep for a machine that is not here."""

import json

import pytest
from support.no_compiler import MIB, counted_by_hand, without_compilers
from support.small_experiment import BASE, SHARED, small_experiment, use_small_experiment

import merjax.methods.absent
from merjax.engine.counting.duration import Expected
from merjax.methods.absent import AbsentMachine
from merjax.methods.memory import SHARE
from merjax.sweeps.costs import costs_of
from merjax.sweeps.plan import make_plan
from merjax.sweeps.running.elsewhere import sweep_there
from merjax.sweeps.sweep_file import make_sweep
from merjax.system.accelerators import read_machine
from merjax.system.errors import MerjaxError


@pytest.fixture(autouse=True)
def _small(monkeypatch, tmp_path):
    use_small_experiment(monkeypatch.setattr)
    without_compilers(monkeypatch)
    monkeypatch.setenv("MERJAX_CACHE", str(tmp_path / "cache"))


def sweep(chunk=4, convolution="products", selection=None, **content):
    base = BASE | {"engine": BASE["engine"] | {"chunk": chunk, "convolution": convolution}}
    return make_sweep({"base": base | ({"selection": selection} if selection else {})} | content, "small")


def with_memory(written: str, size: float) -> AbsentMachine:
    """A machine whose devices have so many bytes."""
    machine = read_machine(written)
    return AbsentMachine(machine._replace(accelerator=machine.accelerator._replace(memory=size)))


def test_the_time_is_that_of_all_steps_of_all_chunks():
    absent = AbsentMachine(read_machine("h100"))
    there = sweep_there(sweep(chunk=2, seeds=3), absent)  # four folds and three seeds in chunks of two
    data, config = small_experiment(), sweep().trials[0].config
    taken = absent.taken(data, config, {"spatial": [2], "temporal": [2]})
    once = sum((absent.seconds(taken[stage][2], config) for stage in ("spatial", "temporal")), Expected())
    assert there.time.likely == pytest.approx(6 * once.likely)
    assert there.time.least < there.time.likely < there.time.most
    (group,) = there.groups
    assert (group.together, group.chunks, group.shared) == (2, 6, 0)
    assert group.bytes == {"spatial": (2 + 2 * 3) * MIB, "temporal": (1 + 2 * 5) * MIB}


def test_several_devices_share_the_runs_of_a_chunk():
    one, two = (sweep_there(sweep(), AbsentMachine(read_machine(written))) for written in ("h100", "2xh100"))
    assert one.groups[0].chunks == two.groups[0].chunks == 1
    assert (one.groups[0].bytes["spatial"], two.groups[0].bytes["spatial"]) == ((2 + 4 * 3) * MIB, (2 + 2 * 3) * MIB)
    assert two.groups[0].most == 2 * one.groups[0].most
    assert two.time.likely < one.time.likely


def test_stages_that_trials_share_are_trained_once():
    absent = AbsentMachine(read_machine("v5e"))
    alone, shared = sweep_there(sweep(), absent), sweep_there(sweep(trials=SHARED), absent)
    assert (alone.groups[0].shared, shared.groups[0].shared) == (0, 1)
    data, config = small_experiment(), sweep().trials[0].config
    taken = absent.taken(data, config, {"spatial": [4], "temporal": [4]})
    of_stage = {stage: absent.seconds(taken[stage][4], config).likely for stage in taken}
    assert alone.time.likely == pytest.approx(of_stage["spatial"] + of_stage["temporal"])
    assert shared.time.likely == pytest.approx(of_stage["spatial"] + 3 * of_stage["temporal"])


def test_trainings_without_the_inner_subjects_take_their_own_time():
    """Folds come in pairs that have the same subjects left without their inner ones: two spatial trainings serve the four."""
    inner = sweep(selection={"rules": ["fixed", "inner"]})
    absent = AbsentMachine(read_machine("h100"))
    config = inner.trials[0].config
    taken = absent.taken(small_experiment(), config, {"spatial": [2, 4], "temporal": [4]})
    spatial, temporal = (
        {runs: absent.seconds(taken[stage][runs], config).likely for runs in taken[stage]}
        for stage in ("spatial", "temporal")
    )
    assert sweep_there(inner, absent).time.likely == pytest.approx(spatial[4] + spatial[2] + 2 * temporal[4])


def test_as_many_runs_train_together_as_the_memory_holds():
    holds_three = with_memory("h100", 16.5 * MIB / SHARE)  # 1 + 3 x 5 MiB of the temporal stage
    there = sweep_there(sweep(chunk=0), holds_three)
    assert there.groups[0].most == 3
    assert (there.groups[0].together, there.groups[0].chunks) == (2, 2)  # four folds are spread evenly
    with pytest.raises(
        MerjaxError, match="engine.chunk puts 4 runs together, but NVIDIA H100 SXM, 80 GB holds 3; choose"
    ):
        sweep_there(sweep(chunk=4), holds_three)


@pytest.mark.parametrize("chunk", [0, 4])
def test_a_sweep_of_which_no_run_fits_is_refused_with_the_stage_and_what_it_lacks(chunk):
    with pytest.raises(MerjaxError) as refused:
        sweep_there(sweep(chunk=chunk), with_memory("v100", 5.5 * MIB / SHARE))
    assert "one run of the temporal stage takes 0.0 GiB, which is 0.0 GiB more than" in str(refused.value)
    assert "of one NVIDIA V100 SXM2, 16 GB; make the batches" in str(refused.value)


def test_rates_that_were_measured_on_such_devices_are_used(tmp_path):
    place = tmp_path / "cache" / "rates.json"
    place.parent.mkdir()
    place.write_text(json.dumps({f"NVIDIA H200, {stage}, 4 runs": 1e-3 for stage in ("spatial", "temporal")}))
    there = sweep_there(sweep(), AbsentMachine(read_machine("h200")))
    assert [(rate.kind, rate.runs) for rate in there.rates] == [("NVIDIA H200", 4)]
    plan = make_plan(sweep(), 1)
    cost = sum(costs_of(plan, plan.chunks[0]).values())
    assert there.time.likely == pytest.approx(4 * cost / 1e-3)
    assert not sweep_there(sweep(), AbsentMachine(read_machine("h100"))).rates


def test_both_forms_of_convolution_have_a_time():
    there = sweep_there(sweep(), AbsentMachine(read_machine("h100")))
    grouped = sweep_there(sweep(convolution="grouped"), AbsentMachine(read_machine("h100")))
    assert (there.convolution, grouped.convolution) == ("grouped", "products")
    assert there.time.likely < there.otherwise.likely == pytest.approx(grouped.time.likely)
    assert grouped.otherwise.likely == pytest.approx(there.time.likely)


def test_a_method_without_networks_is_refused():
    with pytest.raises(MerjaxError, match="hoof uses no GPU or TPU; leave --for out"):
        sweep_there(make_sweep({"base": {"method": "hoof"}}, "small"), AbsentMachine(read_machine("h100")))


def test_no_stage_is_measured_twice(monkeypatch):
    asked = []

    def noted(data, config, widths, *others):
        asked.append(widths)
        return counted_by_hand(data, config, widths, *others)

    monkeypatch.setattr(merjax.methods.absent, "taken_by_stages", noted)
    sweep_there(sweep(chunk=2), AbsentMachine(read_machine("h100")))
    # chunks of two runs need no more; the other form of convolution is for the spatial stage alone
    assert asked == [{"spatial": [1, 2], "temporal": [1, 2]}, {"spatial": [2]}]
