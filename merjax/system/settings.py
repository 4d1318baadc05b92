"""Layers of settings over a dataclass and the dataclasses in it: which settings there are, and values read by their types."""

import contextlib
import difflib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from merjax.system import values
from merjax.system.errors import MerjaxError, meant

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Shape = TypeVar("Shape")
Record = TypeVar("Record", bound="DataclassInstance")
Layer = str | Mapping[str, Any]  # "key.sub=value", or a mapping with nested or dotted keys


def traced(default: Any) -> Any:
    """A field whose value is data to the compiled programs."""
    return field(default=default, metadata={"traced": True})


def added(default: Any, *, before: Any, traced: bool = False) -> Any:
    """A field that a later version added; with the value `before`, all is as before it existed, the randomness too."""
    return field(default=default, metadata={"before": before} | ({"traced": True} if traced else {}))


class Setting(NamedTuple):
    """The type and the default of a setting."""

    kind: Any
    default: Any


@functools.cache  # sweeps ask for each trial
def settings_in(shape: type, prefix: str = "") -> dict[str, Setting]:
    """All settings of a dataclass by dotted key, in the order of their declaration."""
    kinds = get_type_hints(shape)
    found: dict[str, Setting] = {}
    for f in fields(shape):
        kind = kinds[f.name]
        inside = settings_in(kind, f"{prefix}{f.name}.") if isinstance(kind, type) and is_dataclass(kind) else {}
        found |= inside or {prefix + f.name: Setting(kind, _default(f))}
    return found


def build(shape: type[Shape], settings: Mapping[str, Any], prefix: str = "") -> Shape:
    """The dataclass with these settings, which `read_layer` returned, and defaults for all others."""
    own: dict[str, Any] = {}
    for name, kind in get_type_hints(shape).items():
        key = prefix + name
        if is_dataclass(kind):
            own[name] = build(kind, settings, f"{key}.")  # type: ignore[arg-type]
        elif key in settings:
            value = settings[key]
            own[name] = float(value) if kind is float else tuple(value) if get_origin(kind) is tuple else value
    return shape(**own)


def read_layer(layer: Layer, shape: type, source: str) -> dict[str, Any]:
    """The settings of a layer by dotted key, each with a value of its type.

    A whole number stays an int where a float is wanted, as in `gamma: 2`, and a list stays a list.

    Raises:
        MerjaxError: there is no such setting (the message says what may be meant), a setting stands there twice or has no
            value, or the value does not fit its type.
    """
    known = settings_in(shape)
    if isinstance(layer, str):
        key, written = split_word(layer)
        if key in known:
            return {key: _read(key, _of_word(written, known[key].kind), known[key], "")}
        if key not in _sections(known):
            raise MerjaxError(unknown_setting(key, known))
        layer, source = {key: _of_word(written, dict)}, ""
    found: dict[str, Any] = {}
    for key, value in _flat(layer, known, source):
        if key in found:
            raise MerjaxError(f"{_at(source)}{key} stands there twice, nested and dotted; give it once")
        found[key] = _read(key, value, known[key], source)
    return found


def split_word(word: str) -> tuple[str, str]:
    """The key and the value of `key=value`, without blanks around them.

    Raises:
        MerjaxError: it has another form, or no value.
    """
    key, equals, written = (part.strip() for part in word.partition("="))
    if not equals:
        colon, _, behind = word.partition(":")
        form = (
            f"{colon.strip()}={behind.strip()}" if behind.strip() and "." in colon else "loss.gamma=1.5, without blanks"
        )
        raise MerjaxError(f"`{word}` is not a setting; write settings as {form}")
    if not key:
        raise MerjaxError(f"`{word}` names no setting; write settings as loss.gamma=1.5, without blanks")
    if not written:
        raise MerjaxError(f"{key} has no value (an unset variable?); write {key}=VALUE, or leave it out")
    return key, written


def read_as(kind: Any, value: Any) -> Any:
    """A value of a type: str, bool, int, float, a Literal of texts, `tuple[type, ...]`, or one of these `| None`.

    Raises:
        ValueError: it does not fit; the message says what to write.
    """
    if get_origin(kind) is Literal:
        if not isinstance(value, str) or value not in get_args(kind):
            raise ValueError(f"write one of {', '.join(get_args(kind))}")
        return str(value)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError("write a list in brackets")
        return [read_as(get_args(kind)[0], inside) for inside in value]
    if type(None) in get_args(kind):
        return None if values.is_nothing(value) else read_as(get_args(kind)[0], value)
    return _READERS[kind](value)


_READERS = {str: values.text, bool: values.flag, int: values.whole, float: values.number}


def unknown_setting(key: str, known: Mapping[str, Setting]) -> str:
    """A sentence about a setting that does not exist: what may be meant, or which there are."""
    section, _, last = key.rpartition(".")
    beside = {k.rpartition(".")[2]: k for k in known if section and k.rpartition(".")[0] == section}
    named = [k for k in known if k.rpartition(".")[2] == last]
    tops = list(dict.fromkeys(k.partition(".")[0] for k in known))
    near = [beside[name] for name in difflib.get_close_matches(last, beside, 2, 0.6)]
    hint = f"; did you mean {' or '.join(near)}?" if near else "" if named else meant(key, [*known, *tops])
    write = f"; write {', '.join(named or beside.values() or tops)}"
    return f"there is no setting `{key}`{hint or write} (merjax/config.py explains all settings)"


def _read(key: str, value: Any, setting: Setting, source: str) -> Any:
    if isinstance(value, str) and not value.strip():
        raise MerjaxError(
            f"{_at(source)}{key} has no value; write one, such as {_example(setting.default)}, or leave it out"
        )
    try:
        return read_as(setting.kind, value)
    except ValueError as error:
        advice = str(error)
        if get_origin(setting.kind) is tuple and isinstance(value, str):
            items = [item for item in re.split(r"[][(){}\s,;'\"]+", value) if item]
            advice = f"write {key}: [{', '.join(items)}]" if source else f"write {key}=[{','.join(items)}]"
        elif setting.kind in (int, float) and advice.endswith("number"):
            advice += f", such as {_example(setting.default)}"
        raise MerjaxError(f"{_at(source)}{key} is {values.shown(value)}; {advice}") from None


def _of_word(written: str, kind: Any) -> Any:
    """The value behind `key=`: YAML where a list or a section is wanted, or in quotes; else the letters themselves."""
    if kind is dict and written[0] == "{":
        return values.parse(written, written)
    listed = get_origin(kind) is tuple
    if written[0] in ("[" if listed else "'\"") and written[-1] in "]'\"":
        with contextlib.suppress(MerjaxError):  # then it only looks like a list, or like text in quotes
            found = values.parse(written, written)
            if isinstance(found, list if listed else str):
                return found
    return values.Plain(written)


def _flat(
    layer: Mapping[str, Any], known: Mapping[str, Setting], source: str, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """The settings of a nested or dotted mapping by dotted key."""
    for name, value in layer.items():
        key = f"{prefix}{name}"
        if key in known:
            yield key, value
        elif key not in _sections(known):
            raise MerjaxError(f"{_at(source)}{unknown_setting(key, known)}")
        elif isinstance(value, Mapping):
            yield from _flat(value, known, source, f"{key}.")
        elif not values.is_nothing(value):
            inside = ", ".join(k for k in known if k.startswith(f"{key}."))
            raise MerjaxError(f"{_at(source)}{key} is {values.shown(value)}, but it is a section; write {inside}")


def _sections(known: Mapping[str, Setting]) -> set[str]:
    return {key[:at] for key in known for at, letter in enumerate(key) if letter == "."}


def _default(f: Field) -> Any:
    return f.default_factory() if f.default_factory is not MISSING else f.default


def _example(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else values.shown(default)


def _at(source: str) -> str:
    return f"{source}: " if source else ""


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """All settings by dotted key, in the order of their declaration."""
    flat: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        flat |= flatten(value, f"{prefix}{f.name}.") if is_dataclass(value) else {prefix + f.name: value}
    return flat


def marked(config: Any, mark: str, prefix: str = "") -> dict[str, Any]:
    """The dotted keys of a config type's fields with a mark in their metadata, and what it says."""
    found: dict[str, Any] = {}
    for f in fields(config):
        if is_dataclass(f.type):
            found |= marked(f.type, mark, f"{prefix}{f.name}.")
        elif mark in f.metadata:
            found[prefix + f.name] = f.metadata[mark]
    return found


def identity(config: Any, keys: Iterable[str]) -> dict[str, Any]:
    """The values of some settings, by which a config is known for good: in the order of their keys, and without those that
    are as before the setting existed."""
    settings, before = flatten(config), marked(type(config), "before")
    return {key: settings[key] for key in sorted(keys) if key not in before or settings[key] != before[key]}


def with_only(config: Record, keys: Iterable[str]) -> Record:
    """The config with its own values of these settings, and the default of every other."""
    made, settings = type(config)(), flatten(config)
    for key in keys:
        section, _, name = key.rpartition(".")
        own = {name: settings[key]}
        made = replace(made, **({section: replace(getattr(made, section), **own)} if section else own))
    return made


class Ranges(NamedTuple):
    """The last parts of the keys whose numbers must be above 0, must not be below 0, or must lie in [0, 1)."""

    positive: tuple[str, ...]
    not_negative: tuple[str, ...]
    share: tuple[str, ...]


def check_ranges(settings: Mapping[str, Any], ranges: Ranges, source: str) -> None:
    """Refuse numbers that are out of their range.

    Raises:
        MerjaxError: a number is; the message says which.
    """
    for key, value in settings.items():
        name = key.rsplit(".", 1)[-1]
        if isinstance(value, int) and value >= 2**31:  # programs count with 32 bits
            raise MerjaxError(f"{source}: {key} is {value}, it must be below {2**31}")
        if name in ranges.positive and not value > 0:
            raise MerjaxError(f"{source}: {key} is {value}, it must be above 0")
        if name in ranges.share and not 0 <= value < 1:
            raise MerjaxError(f"{source}: {key} is {value}, it must lie in [0, 1)")
        if name in ranges.not_negative and not value >= 0:
            raise MerjaxError(f"{source}: {key} is {value}, it must not be negative")
