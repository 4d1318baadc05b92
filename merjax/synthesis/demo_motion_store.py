"""The motion store of a sweep of spotters that brings its own long videos: a release is synthesised, then measured."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from merjax.config import DataConfig
from merjax.system.console import counted, say
from merjax.system.errors import MerjaxError
from merjax.system.locks import lock_at
from merjax.system.own_files import read_json, reading
from merjax.system.paths import is_file, make_folder
from merjax.system.settings import read_as
from merjax.system.values import shown

_SETTINGS = {"invent": int, "videos": int, "empty": int, "seed": int, "seconds": float, "per_minute": float}
_LAYOUT: Literal["casme_squared"] = "casme_squared"


def make_demo_motion_store(data: DataConfig, synthesize: Mapping[str, Any], name: str, console: Console) -> None:
    """Synthesise and measure the long videos of a sweep file with `synthesize`, if its store does not exist yet.

    Args:
        data: settings of the sweep's trials: the folder of the store, beside which the release is written.
        synthesize: this section of the sweep file: invent, videos, empty and seed as of
            `merjax.synthesis.long_release.synthesize_long_videos`; seconds, the length of a video; and per_minute, how many
            expressions of each kind there are in a minute.
        name: the sweep's name, for messages.
        console: where progress is shown.

    Raises:
        MerjaxError: the settings cannot make videos, or the store exists and holds others, real ones in particular.
    """
    from merjax.datasets import read_casme_squared
    from merjax.datasets.long_videos import long_videos
    from merjax.stores.motion_preparation import prepare_motion_store
    from merjax.stores.motion_store import MARKER, open_motion_store
    from merjax.synthesis.long_release import synthesize_long_videos
    from merjax.synthesis.long_scripts import LongPlan

    wanted, store = _read(synthesize, name), Path(data.store)
    release = store.with_name(store.name + "-releases") / _LAYOUT
    make_folder(release.parent)
    # two sweeps may begin at once: one makes the store, both use it
    with lock_at(store.with_name(f".{store.name}.making")):
        _refuse_other_settings(release, wanted, name)
        if is_file(store / MARKER):
            if not open_motion_store(store).statement:
                raise MerjaxError(
                    f"{store} holds recordings, but {name} makes its own videos; choose another data.store"
                )
            return
        say(console, f"making the long videos of {name} from sample photographs: {release.parent}, {store}")
        if not release.is_dir():
            plan = LongPlan(seconds=wanted.pop("seconds", LongPlan.seconds))
            if per_minute := wanted.pop("per_minute", None):
                plan = replace(plan, per_minute=tuple((kind, per_minute) for kind, _ in plan.per_minute))
            with counted("synthesising long videos", console) as progress:
                synthesize_long_videos(release, layout=_LAYOUT, plan=plan, progress=progress, **wanted)
        with counted("measuring motion", console) as progress:
            prepare_motion_store(long_videos(read_casme_squared(release, kind="all")), store, progress=progress)


def _read(settings: Any, source: str) -> dict[str, Any]:
    """The settings with values of their types."""
    if not isinstance(settings, Mapping):
        raise MerjaxError(f"{source}: synthesize is {shown(settings)}; write settings such as {{invent: 4}}")
    read = {}
    for key, value in settings.items():
        if key not in _SETTINGS:
            raise MerjaxError(
                f"{source}: synthesize: there is no setting `{key}` of long videos; write any of {', '.join(_SETTINGS)}"
            )
        try:
            read[key] = read_as(_SETTINGS[key], value)
        except ValueError as error:
            raise MerjaxError(f"{source}: synthesize: {key} is {shown(value)}; {error}") from None
    return read


def _refuse_other_settings(release: Path, wanted: Mapping[str, Any], name: str) -> None:
    from merjax.synthesis.release import MARKER

    marker = release / MARKER
    if not is_file(marker):
        return
    todo = f"remove {release.parent} and the store beside it, and run the same line again"
    with reading(marker, todo):
        settings = read_json(marker, todo)["settings"]
        made = settings | {"seconds": settings["plan"]["seconds"], "per_minute": settings["plan"]["per_minute"][0][1]}
    for key, value in wanted.items():
        if made[key] != value:
            raise MerjaxError(
                f"{release} was made with {key} {made[key]}, but {name} asks for {value}; remove {release.parent} and the "
                "store beside it, or choose another data.store"
            )
