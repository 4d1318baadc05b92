"""What runs would take on a machine that is not here."""

from collections.abc import Mapping, Sequence

from merjax.config import Config, program_group
from merjax.engine.counting.duration import Expected, step_time
from merjax.engine.rehearsal import Taken, counted, counted_roughly
from merjax.engine.topology import NoCompilerError, absent_device
from merjax.methods.memory import ByStage, in_all_stages, runs_that_fit, taken_by_stages
from merjax.methods.registry import method_of
from merjax.system.accelerators import Accelerator, Machine
from merjax.system.jax_setup import programs_not_kept
from merjax.training.spotting_data import Data


class AbsentMachine:
    """A machine to plan for. Programs are compiled for one of its devices if the compiler is here, and counted roughly if not.

    Attributes:
        machine: its devices, by their figures.
        lacking: why programs are not compiled, and what to do about it; "" if they are.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine, self.lacking = machine, ""
        self._known: dict[tuple, ByStage] = {}
        try:
            self._device = absent_device(machine.accelerator)
        except NoCompilerError as error:
            self._device, self.lacking = Described(machine.accelerator), str(error)

    def capacity(self, data: Data, config: Config) -> int | None:
        """How many runs fit on all of its devices together; None for a method that uses none.

        Raises:
            MerjaxError: not even one fits.
        """
        if not method_of(config.method).compiles:
            return None
        accelerator, taken = self.machine.accelerator, self.taken(data, config, in_all_stages(config, (1, 2)))
        return self.machine.devices * runs_that_fit(taken, accelerator.memory, f"one {accelerator.title}")

    def taken(self, data: Data, config: Config, widths: Mapping[str, Sequence[int]]) -> ByStage:
        """What each stage takes of one device; see `merjax.methods.memory.taken_by_stages`."""
        known = self._known.setdefault((program_group(config), config.engine), {})
        lacking = {stage: [n for n in of_stage if n not in known.get(stage, {})] for stage, of_stage in widths.items()}
        if any(lacking.values()):
            measure = counted_roughly if self.lacking else counted
            with programs_not_kept():
                taken = taken_by_stages(data, config, lacking, measure, [self._device])
            for stage, found in taken.items():
                known.setdefault(stage, {}).update(found)
        return known

    def seconds(self, taken: Taken, config: Config) -> Expected:
        """How long all steps of a stage are expected to take."""
        assert taken.program
        return step_time(taken.program, self.machine.accelerator, config.engine.steps_per_call) * taken.steps


class Described:
    """Stands for a device whose programs are traced and not compiled."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.platform, self.device_kind = accelerator.platform, accelerator.title
