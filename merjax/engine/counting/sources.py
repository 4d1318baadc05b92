"""The source line that an instruction of a compiled program comes from."""

import re

from merjax.engine.counting.hlo import Instruction, Module

_PACKAGE = "merjax"


class Sources:
    """The tables of files, functions and stack frames in a module's text."""

    def __init__(self, text: str) -> None:
        self.files, self.functions = _names(text, "FileNames"), _names(text, "FunctionNames")
        self.places, self.frames = _records(text, "FileLocations"), _records(text, "StackFrames")

    def of(self, module: Module, instruction: Instruction) -> str:
        """`file:line function` of the innermost frame in merjax; the operation's name where there is none.

        What a fusion does last names it, since its own frame is often that of the first thing it does.
        """
        inside = module.computations.get(module.fused(instruction), {})
        texts = [instruction.rest, *(i.rest for i in reversed(inside.values()) if "metadata" in i.rest)]
        named = [self._of_text(text) for text in texts]
        return next((name for name in named if ".py:" in name), next(filter(None, named), ""))

    def _of_text(self, rest: str) -> str:
        frame = re.search(r"stack_frame_id=(\d+)", rest)
        number, seen = int(frame[1]) if frame else 0, set[int]()
        while number and number not in seen:
            seen.add(number)
            record = self.frames.get(number, {})
            place = self.places.get(record.get("file_location_id", 0), {})
            file = self.files.get(place.get("file_name_id", 0), "")
            if f"/{_PACKAGE}/" in file:
                function = self.functions.get(place.get("function_name_id", 0), "").split(".<locals>.")[-1]
                back = " (backward)" if re.search(r'op_name="[^"]*transpose\(', rest) else ""
                return f"{file.split(f'/{_PACKAGE}/')[-1]}:{place.get('line', 0)} {function}{back}"
            number = record.get("parent_frame_id", 0)
        plain = re.search(r'source_file="([^"]*)" source_line=(\d+)', rest)
        if plain:
            return f"{plain[1].split(f'/{_PACKAGE}/')[-1]}:{plain[2]}"
        name = re.search(r'op_name="([^"]*)"', rest)
        return "/".join(name[1].split("/")[-3:]) if name else ""


def _section(text: str, name: str) -> list[str]:
    found = re.search(rf"^{name}\n((?:\d+ .*\n)*)", text, re.M)
    return found[1].splitlines() if found else []


def _names(text: str, name: str) -> dict[int, str]:
    return {int(n): said.strip('"') for n, said in (line.split(" ", 1) for line in _section(text, name))}


def _records(text: str, name: str) -> dict[int, dict[str, int]]:
    return {
        int(line.split(" ", 1)[0]): {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}
        for line in _section(text, name)
    }
