"""Values as people write them, in YAML files and on the command line: the one way in for both.

What is written without quotes stays the text that it is, a `Plain`, until its place is known. A trial called `on`, a store
called `010` and an emotion called `null` keep their letters; where a number is wanted, 1e-4 is one, and so is 00057, the number
57, as SAMM names its frames. So a value means what its place says, and never what YAML would guess.
"""

import codecs
import math
import numbers
import os
import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from merjax.system.errors import MerjaxError
from merjax.system.paths import lacks_file


class Plain(str):
    """A value that was written without quotes; it is a number, true, false or null only where one of these is wanted."""

    __slots__ = ()


LARGEST = 2**63 - 1  # whole numbers stand in tables, whose columns have 64 bits
_WHOLE = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.?(inf|infinity|nan)", re.IGNORECASE)
_MOST_DIGITS = 400
_NOTHING = ("", "~", "null", "Null", "NULL")
_FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SMALLEST_32, _LARGEST_32 = 1.17549436e-38, 3.4028234e38  # of the numbers that networks compute with


def is_nothing(value: Any) -> bool:
    """Whether a value is left out: None, `null` or a key with nothing behind it. Text in quotes is not."""
    return value is None or (isinstance(value, Plain) and value in _NOTHING)


def text(value: Any) -> str:
    """A value as text, with the letters that were written.

    Raises:
        ValueError: it is no text; the message says what to write.
    """
    if isinstance(value, str | os.PathLike) or (isinstance(value, numbers.Real) and not _is_flag(value)):
        return str(value)
    raise ValueError("write text")


def number(value: Any) -> int | float:
    """A value as a finite number: an int if it was written in digits alone, which are decimal even after a leading zero.

    Raises:
        ValueError: it is no such number; the message says what to write.
    """
    if isinstance(value, str):
        found = _number_of(value)
    elif isinstance(value, numbers.Integral) and not _is_flag(value):
        found = int(value)
    elif isinstance(value, numbers.Real) and not _is_flag(value):
        found = float(value)
    else:
        raise ValueError("write a number")
    if not abs(found) <= _LARGEST_32:
        raise ValueError("write a finite number, at most 3.4e38")
    if 0 < abs(found) < _SMALLEST_32:
        raise ValueError("write 0, or a number of at least 1.2e-38, the smallest that networks can compute with")
    return found


def whole(value: Any) -> int:
    """A value as a whole number of 64 bits.

    Raises:
        ValueError: it is no such number; the message says what to write.
    """
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("write a whole number, in digits alone")
    found = number(value)
    if not isinstance(found, int):
        raise ValueError("write a whole number")
    if abs(found) > LARGEST:
        raise ValueError(f"write a whole number of 64 bits, at most {LARGEST}")
    return found


def flag(value: Any) -> bool:
    """A value as true or false; `yes`, `on` and 1 are neither.

    Raises:
        ValueError: it is neither.
    """
    if _is_flag(value):
        return bool(value)
    if isinstance(value, str) and value in _FLAGS:
        return _FLAGS[value]
    raise ValueError("write true or false")


def plain(value: Any) -> Any:
    """A value, or everything in a list or mapping, where nothing says what is wanted: a number if it is written as one, true,
    false, None for `null`, or else text."""
    if isinstance(value, Mapping):
        return {str(key): plain(inside) for key, inside in value.items()}
    if isinstance(value, list):
        return [plain(inside) for inside in value]
    if not isinstance(value, Plain) or is_nothing(value):
        return None if is_nothing(value) else value
    if value in _FLAGS:
        return _FLAGS[value]
    try:
        return number(value)
    except ValueError:
        return str(value)


def shown(value: Any) -> str:
    """A value in a message, as it was written."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {shown(inside)}' for key, inside in value.items())}}}"
    return f"[{', '.join(map(shown, value))}]" if isinstance(value, list | tuple) else str(value)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte-order mark, or in UTF-16 or UTF-32 with one.

    Raises:
        MerjaxError: the file cannot be read, or has another encoding.
    """
    try:
        content = path.read_bytes()
    except IsADirectoryError:
        raise MerjaxError(f"{path} is a folder; name a file") from None
    except OSError as error:
        raise MerjaxError(f"{path} cannot be read: {error.strerror or error}") from None
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        found = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MerjaxError(
            f"{path} is not in UTF-8 (see line {line}); open it in an editor and save it as UTF-8"
        ) from None
    if "\0" in found:
        raise MerjaxError(f"{path} holds bytes that no text has, as UTF-16 without its mark does; save it as UTF-8")
    return found


# the marks of UTF-32 begin like those of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The `key: value` lines of a YAML file: text in quotes is str, all else is `Plain`, in dicts and lists.

    Raises:
        MerjaxError: the file cannot be read, is malformed or empty, or has a key twice.
    """
    if lacking := lacks_file(path):
        raise MerjaxError(f"{path} {lacking}")
    content = parse(read_text(path), str(path))
    if is_nothing(content):
        raise MerjaxError(f"{path} is empty; write `key: value` lines")
    if not isinstance(content, dict):
        raise MerjaxError(f"{path} holds no `key: value` lines")
    return content


def parse(written: str, source: str) -> Any:
    """What YAML text holds, see `read_yaml`.

    Raises:
        MerjaxError: it is malformed or has a key twice; the message begins with `source`.
    """
    try:
        node = yaml.BaseLoader(written).get_single_node()  # this loader guesses no types
        return None if node is None else _value(node, (), count())
    except _Fault as error:
        raise MerjaxError(f"{source}: {error}") from None
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        where = f" (line {at.line + 1})" if at else ""
        tabs = "a tab stands where blanks should; indent with blanks"
        said = (
            f"{error.context}, {error.problem}"
            if str(error.problem).startswith("but ")
            else error.problem or error.context
        )
        problem = tabs if "'\\t'" in str(said) else " ".join(str(said).split())
        raise MerjaxError(f"{source} is not a readable YAML file: {problem}{where}") from None
    except yaml.reader.ReaderError as error:
        line = written.count("\n", 0, error.position) + 1
        raise MerjaxError(f"{source} is not a readable YAML file: no text holds the character in line {line}") from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        problem = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise MerjaxError(f"{source} is not a readable YAML file: {problem}") from None


class _Fault(Exception):
    def __init__(self, node: yaml.Node, said: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1} {said}")


_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))
_MOST_NODES = 100_000  # aliases within aliases can make a small file as large as one likes


def _value(node: yaml.Node, above: tuple[int, ...], counter: Iterator[int]) -> Any:
    """The content of a YAML node that lies in the nodes `above`."""
    if node.tag not in _TAGS:
        raise _Fault(node, f"has the tag {node.tag}; write the value without it, and text in quotes")
    if id(node) in above:
        raise _Fault(node, "holds itself; write its content out")
    if next(counter) > _MOST_NODES:
        raise _Fault(node, f"is one of more than {_MOST_NODES} values; write fewer")
    inside = (*above, id(node))
    if isinstance(node, yaml.ScalarNode):
        if any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise _Fault(node, "holds half of a character; write the letter itself")
        return Plain(node.value) if node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, inside, counter) for item in node.value]
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key, item in node.value:
        name, value = _value(key, inside, counter), _value(item, inside, counter)
        if not isinstance(name, str):
            raise _Fault(key, "has a list or a mapping as a key; write a word")
        if name == "<<" and isinstance(name, Plain):
            merged = _merged(item, value) | merged
        elif name in own:
            raise _Fault(key, f"has the key `{name}` for a second time; give each key once")
        else:
            own[str(name)] = value
    return {**merged, **own}


def _merged(node: yaml.Node, value: Any) -> dict[str, Any]:
    """What `<<: *name` merges in; of several mappings, the first has the last word."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise _Fault(node, "merges what has no keys; write `<<: *name` with the name of a mapping")
    return {key: inside for part in reversed(parts) for key, inside in part.items()}


def _number_of(written: str) -> int | float:
    if len(written) > _MOST_DIGITS:
        raise ValueError("write a number of fewer digits")
    if _DECIMAL.fullmatch(written):
        approximate = float(written)
        return int(written) if _WHOLE.fullmatch(written) and math.isfinite(approximate) else approximate
    if _INFINITE.fullmatch(written):
        return math.inf
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", written):
        raise ValueError(f"write {written.replace(',', '.')}, with a point")
    raise ValueError("write a number")


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"  # Python's or NumPy's


def size_in_bytes(text: str) -> int:
    """A size such as "20GB" or "500 MB".

    Raises:
        ValueError: it is anything else; the message says what to write.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) *([kMGT]?)B", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError("write a size such as 20GB or 500MB")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))
