"""What `--plan --for MACHINE` prints: a sweep on a machine that is not here, beside this one."""

import jax
from rich.console import Console
from rich.table import Table

from merjax.engine.counting.duration import Expected
from merjax.methods.absent import AbsentMachine
from merjax.sweeps.running.elsewhere import GroupThere, SweepThere
from merjax.system.console import duration, say
from merjax.system.processes import cores


def print_elsewhere(there: SweepThere, here: SweepThere, absent: AbsentMachine, console: Console) -> None:
    """Print both plans side by side, and how the figures came about.

    Args:
        there: the sweep on the machine that is not here.
        here: the sweep on this machine.
        absent: the machine.
        console: where to print.
    """
    name = f"{absent.machine.devices}x{absent.machine.accelerator.name}".removeprefix("1x")
    table = Table(title=f"the whole sweep on {absent.machine}, estimated: it was not run there")
    for column in ("", f"{name}, estimated", f"this machine ({_own_name()}), estimated"):
        table.add_column(column)
    for g, (of_there, of_here) in enumerate(zip(there.groups, here.groups, strict=True)):
        if len(there.groups) > 1:
            table.add_section()
            table.add_row(f"group {g}")
        table.add_row("program memory of a device", _memory(of_there), _memory(of_here))
        table.add_row("runs side by side", _together(of_there), _together(of_here))
        table.add_row("chunks", _chunks(of_there), _chunks(of_here))
    table.add_section()
    table.add_row("time without compilation", _time(there.time), _time(here.time))
    console.print(table)
    for sentence in _origins(there, absent):
        say(console, sentence)


def _own_name() -> str:
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return f"{len(cores())} cores"
    return f"{jax.local_device_count()} x {device.device_kind}"


def _memory(group: GroupThere) -> str:
    return ", ".join(f"{stage} {size / 2**30:.2f} GiB".strip() for stage, size in group.bytes.items())


def _together(group: GroupThere) -> str:
    return f"{group.together}" if group.most is None else f"{group.together} (its memory holds {group.most})"


def _chunks(group: GroupThere) -> str:
    return f"{group.chunks}" + (f" and {group.shared} of stages that trials share" if group.shared else "")


def _time(expected: Expected) -> str:
    likely, least, most = (
        duration(seconds) if seconds >= 10 else f"{seconds:.1f} s"
        for seconds in (expected.likely, expected.least, expected.most)
    )
    return f"about {likely} ({least} to {most})"


def _origins(there: SweepThere, absent: AbsentMachine) -> list[str]:
    """Where the figures come from, in sentences."""
    device = absent.machine.accelerator.title
    if absent.lacking:
        sentences = [
            f"{device}: rough counts by formulas, from the shapes in the stages' programs (their memory may be three times as "
            f"much), since {absent.lacking} and plan again for better estimates"
        ]
    else:
        sentences = [f"{device}: the programs were compiled for it here, and what they launch and move was counted"]
    if there.convolution and not there.rates:
        sentences.append(f"with engine.convolution={there.convolution}, estimated: {_time(there.otherwise)}")
    for rate in there.rates:
        sentences.append(
            f"times at the rate that a sweep measured on {rate.kind} with {rate.runs} runs side by side on a device"
        )
    if not there.rates:
        sentences.append(
            "times at the share of the device's peaks that one NVIDIA H200 reached; no sweep was timed on such a device from "
            "here (docs/clusters.md says what was never measured)"
        )
    return sentences
