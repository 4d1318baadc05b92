"""Journals of unfinished work on a store: a line of JSON for each clip that is done, added after its rows are written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

JOURNAL = "journal.jsonl"


def add_line(folder: Path, noted: Mapping[str, Any]) -> None:
    """Note in a folder's journal that a clip is done."""
    with (folder / JOURNAL).open("a") as journal:
        journal.write(json.dumps(noted) + "\n")


def go_on_from(folder: Path) -> list[Any]:
    """What the lines of a folder's journal hold, without those that are damaged or cut short; then lines can be added again."""
    path, noted = folder / JOURNAL, []
    if not path.is_file():
        return []
    for line in path.read_text(errors="replace").splitlines():
        try:
            noted.append(json.loads(line))
        except ValueError:
            continue
    # a killed process may have left half a line: end it, so that the next record starts on its own line
    with path.open("a") as journal:
        journal.write("\n")
    return noted
