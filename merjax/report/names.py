"""Short names of entries and settings, the same in all pictures of a report."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from merjax.scoring.entry import KNOWN, Entry

_KNOWN = f", {KNOWN}"
_LONGEST = 40  # characters of a name in a picture
_KEY = re.compile(r"\b([A-Za-z_.]*[_.][A-Za-z_.]*|[A-Za-z]{7,})=")
_NUMBER = re.compile(r"(?<![\w.+-])-?\d+\.?\d*(?:e[+-]?\d+)?(?![\w.])")


def readable(value: Any) -> str:
    """A setting's value for readers: 4.6e-4 for 0.000464159, "eyes+mouth" for a list."""
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    size = abs(value)
    if size and not 1e-2 <= size < 1e5:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.3g}" if size < 1000 else f"{value:g}"


def with_readable_numbers(label: str) -> str:
    """A label with its long numbers shortened: "rate=4.6e-4" for "rate=0.000464159"."""
    return _NUMBER.sub(lambda found: readable(float(found[0])) if len(found[0]) > 4 else found[0], label)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Each setting's last part, or the whole key if another key ends in the same part."""
    last = Counter(key.rsplit(".", 1)[-1] for key in keys)
    return {key: part if last[part := key.rsplit(".", 1)[-1]] == 1 else key for key in keys}


def short_names(entries: Sequence[Entry]) -> dict[str, str]:
    """A name of at most 40 characters for each label; those that would be alike, or are cut, are numbered. That held-out
    subjects' frames trained an entry's features is said after that, and never cut."""
    told = {entry.label: _abbreviated(entry.label.replace(_KNOWN, "")) for entry in entries}
    often = Counter(told.values())
    names = {}
    for number, (label, name) in enumerate(told.items(), 1):
        alone = often[name] == 1 and len(name) <= _LONGEST
        mark = f"#{number} "
        names[label] = (
            name if alone else mark + (name if len(mark + name) <= _LONGEST else name[: _LONGEST - len(mark) - 1] + "…")
        ) + (_KNOWN if _KNOWN in label else "")
    return names


def _abbreviated(label: str) -> str:
    """A label with readable numbers; if it is long, keys like `learning_rate=` become `lr=`."""
    told = with_readable_numbers(label)
    if len(told) <= _LONGEST // 2:
        return told
    return _KEY.sub(lambda found: "".join(word[0] for word in re.split("[_.]", found[1]) if word) + "=", told)
