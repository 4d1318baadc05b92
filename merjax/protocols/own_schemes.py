"""Label schemes of the user's own, written in YAML: classes, the labels that belong to each, and the regions that show it.

name: lab
classes:
  tense: {labels: [tense, angry], regions: [eyes, nose]}
  relaxed: {labels: [happy], regions: [cheeks, mouth]}
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merjax.protocols.active_regions import KINDS
from merjax.protocols.schemes import ANY, NONE, SCHEMES, LabelScheme, region_classes
from merjax.system.errors import MerjaxError, meant
from merjax.system.paths import user_path
from merjax.system.values import is_nothing, read_yaml, shown, text

_KEYS, _OF_CLASS = ("name", "classes"), ("labels", "regions")


def read_scheme(path: Path) -> LabelScheme:
    """A label scheme that a YAML file holds.

    Its name is followed by four digits that stand for its content, so that scores under two schemes of one name are never set
    side by side.

    Args:
        path: a file with `classes`, at least two of them. A class's `labels` are the labels or emotions of its clips, in any
            case (default: its own name), and its `regions` the kinds of regions that show it: eyes, nose, cheeks, mouth. `name`
            is the scheme's (default: the file's). Each kind of region must show at least one class.

    Raises:
        MerjaxError: "PATH: " and what is missing, unknown or twice.
    """
    content = read_yaml(path)
    _refuse_unknown(path, "the scheme", content, _KEYS)
    classes = content.get("classes")
    if not isinstance(classes, Mapping) or len(classes) < 2:
        raise MerjaxError(f"{path}: `classes` must name at least two classes, each as `tense: {{regions: [eyes]}}`")
    labels: dict[str, str] = {}
    regions: dict[str, tuple[str, ...]] = {}
    for name, said in classes.items():
        regions[name] = _regions(path, name, said)
        for label in _labels(path, name, said):
            if label in labels:
                raise MerjaxError(f"{path}: the label '{label}' is in the classes {labels[label]} and {name}; keep one")
            labels[label] = name
    if idle := [kind for kind in KINDS if not any(kind in kinds for kinds in regions.values())]:
        raise MerjaxError(
            f"{path}: no class shows in the {' and '.join(idle)}, so that a network there would have nothing to learn; give "
            f"each of {', '.join(KINDS)} to at least one class"
        )
    names = tuple(regions)
    written = content.get("name")
    return LabelScheme(
        f"{path.stem if written is None else _text(path, 'name', written)} {_digits(labels, regions)}",
        names,
        region_classes(names, {name: set(kinds) for name, kinds in regions.items()}),
        expected=MappingProxyType({}),
        expected_subjects=MappingProxyType({}),
        targets=MappingProxyType({ANY: MappingProxyType(labels)}),
        regions=MappingProxyType(regions),
    )


def scheme_of(protocol: str, class_iv: str) -> LabelScheme:
    """The label scheme that `data.protocol` names: a known one, or that of a YAML file.

    If class IV of au5 shows in "eyes+nose" only, it is none of the mouth's classes.

    Raises:
        MerjaxError: it is none of them, or see `read_scheme`.
    """
    if protocol.lower().endswith((".yaml", ".yml")):
        return read_scheme(user_path(protocol))
    if protocol not in SCHEMES:
        raise MerjaxError(
            f"data.protocol is {protocol}; write one of {', '.join(SCHEMES)}, or the .yaml file of a label scheme of your own"
            f"{meant(protocol, SCHEMES)}"
        )
    scheme = SCHEMES[protocol]
    if protocol != "au5" or "mouth" in class_iv:
        return scheme
    mouth = tuple(name for name in scheme.region_classes["mouth"] if name != "IV")
    return replace(scheme, region_classes=MappingProxyType({**scheme.region_classes, "mouth": mouth}))


def _regions(path: Path, name: str, said: Any) -> tuple[str, ...]:
    """The kinds of regions that show a class, in the order of `KINDS`."""
    if name == NONE:
        raise MerjaxError(
            f"{path}: a class cannot be called '{NONE}', the label of regions that show nothing; rename it"
        )
    if not isinstance(said, Mapping):
        raise MerjaxError(
            f"{path}: the class {name} is {shown(said)}; write it as `{name}: {{regions: [eyes, mouth]}}`"
        )
    _refuse_unknown(path, f"the class {name}", said, _OF_CLASS)
    kinds = _list(path, f"regions of {name}", said.get("regions"))
    for kind in kinds:
        if kind not in KINDS:
            raise MerjaxError(
                f"{path}: {name} has the region '{kind}'; write any of {', '.join(KINDS)}{meant(kind, KINDS)}"
            )
    if not kinds:
        raise MerjaxError(f"{path}: {name} has no regions; write `regions:` with any of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in kinds)


def _labels(path: Path, name: str, said: Mapping[str, Any]) -> list[str]:
    written = [name] if said.get("labels") is None else _list(path, f"labels of {name}", said["labels"])
    if not written:
        raise MerjaxError(f"{path}: {name} has no labels; write some, or leave `labels` out")
    return list(dict.fromkeys(" ".join(label.lower().split()) for label in written))


def _list(path: Path, what: str, said: Any) -> list[str]:
    if said is None or is_nothing(said):
        return []
    return [_text(path, what, item) for item in (said if isinstance(said, list) else [said])]


def _text(path: Path, what: str, said: Any) -> str:
    try:
        return text(said).strip()
    except ValueError:
        raise MerjaxError(f"{path}: {what} is {shown(said)}; write text") from None


def _refuse_unknown(path: Path, where: str, said: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in said:
        if key not in known:
            raise MerjaxError(f"{path}: {where} has no `{key}`; write {', '.join(known)}{meant(key, known)}")


def _digits(labels: Mapping[str, str], regions: Mapping[str, tuple[str, ...]]) -> str:
    content = json.dumps([sorted(labels.items()), list(regions.items())])
    return hashlib.blake2b(content.encode(), digest_size=2).hexdigest()
