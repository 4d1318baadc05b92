"""The clip store of a sweep that brings its own clips: releases synthesised in databases' layouts, then prepared."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from merjax.config import DataConfig
from merjax.system.console import counted, say
from merjax.system.errors import MerjaxError
from merjax.system.locks import lock_at
from merjax.system.own_files import read_json, reading
from merjax.system.paths import is_file, make_folder
from merjax.system.settings import read_as
from merjax.system.values import shown

if TYPE_CHECKING:
    from merjax.synthesis.release_layout import LayoutName

_SETTINGS = {
    "invent": int,
    "subjects": int | None,
    "clips_per_subject": int,
    "emotions": tuple[str, ...],
    "peak": tuple[float, float],
    "seed": int,
}


def make_demo_store(data: DataConfig, synthesize: Mapping[str, Any], name: str, console: Console) -> None:
    """Synthesise and prepare the clips of a sweep file with `synthesize`, if its store does not exist yet.

    Args:
        data: settings of the sweep's trials: the folder of the store, beside which the releases are written, and what crops
            it holds.
        synthesize: this section of the sweep file.
        name: the sweep's name, for messages.
        console: where progress is shown.

    Raises:
        MerjaxError: the settings cannot make clips, or the store exists and holds other clips, real ones in particular.
    """
    from merjax import datasets
    from merjax.stores.preparation import prepare_store
    from merjax.synthesis import MARKER, synthesize_release

    wanted, store = releases_of(synthesize, name), Path(data.store)
    folder = store.with_name(store.name + "-releases")
    make_folder(folder)
    # two sweeps may begin at once: one makes the store, both use it
    with lock_at(store.with_name(f".{store.name}.making")):
        for layout, settings in wanted.items():
            _refuse_other_settings(folder / layout / MARKER, settings, name)
        if is_file(store / "store.json"):
            _refuse_other_databases(store, tuple(wanted), name)
            return
        say(console, f"making the clips of {name} from sample photographs: {folder}, {store}")
        for layout, settings in wanted.items():
            if not is_file(folder / layout / MARKER):
                with counted(f"synthesising clips, {layout}", console) as progress:
                    synthesize_release(folder / layout, layout=layout, progress=progress, **settings)
        with counted("preparing clips", console) as progress:
            releases = [getattr(datasets, f"read_{layout}")(folder / layout) for layout in wanted]
            colour = None if data.colour == "any" else data.colour
            prepare_store(releases, store, colour=colour, geometry=data.geometry, features="flow28", progress=progress)


def releases_of(synthesize: Mapping[str, Any], source: str) -> "dict[LayoutName, dict[str, Any]]":
    """The releases that a sweep file's `synthesize` asks for: settings of `merjax.synthesis.synthesize_release` by layout.

    Each layout has its own seed and therefore other people.

    Raises:
        MerjaxError: a layout or setting is unknown.
    """
    from merjax.synthesis.layouts import LAYOUTS

    if not isinstance(synthesize, Mapping):
        raise MerjaxError(f"{source}: synthesize is {shown(synthesize)}; write settings such as {{invent: 6}}")
    layouts = synthesize.get("layouts", {"casme2": None})
    if not isinstance(layouts, Mapping) or not layouts or not layouts.keys() <= LAYOUTS.keys():
        raise MerjaxError(
            f"{source}: synthesize: layouts is {shown(layouts)}; write `layouts: {{casme2: , samm: , smic: }}` or some of "
            "them, each with settings of its own or none"
        )
    common = _read({key: value for key, value in synthesize.items() if key != "layouts"}, source)
    return {
        layout: common | {"seed": common.get("seed", 0) + number} | _read(layouts[layout] or {}, source)
        for number, layout in enumerate(LAYOUTS)
        if layout in layouts
    }


def _read(settings: Any, source: str) -> dict[str, Any]:
    """Settings of a release, with values of their types."""
    if not isinstance(settings, Mapping):
        raise MerjaxError(f"{source}: synthesize: a layout is {shown(settings)}; write settings such as {{invent: 6}}")
    read = {}
    for key, value in settings.items():
        if key not in _SETTINGS:
            raise MerjaxError(f"{source}: synthesize: there is no setting `{key}`; write any of {', '.join(_SETTINGS)}")
        try:
            read[key] = read_as(_SETTINGS[key], value)
        except ValueError as error:
            raise MerjaxError(f"{source}: synthesize: {key} is {shown(value)}; {error}") from None
    if len(read.get("peak", (1, 2))) != 2:
        raise MerjaxError(f"{source}: synthesize: peak is {shown(read['peak'])}; write two sizes in pixels, [1, 3]")
    return read


def _refuse_other_settings(marker: Path, settings: Mapping[str, Any], name: str) -> None:
    if not is_file(marker):
        return
    todo = f"remove {marker.parent.parent} and the store beside it, and run the same line again"
    with reading(marker, todo):
        made: dict[str, Any] = {**dict.fromkeys(settings), **read_json(marker, todo)["settings"]}
    for key, value in settings.items():
        if made[key] != value:
            raise MerjaxError(
                f"{marker.parent} was made with {key} {made[key]}, but {name} asks for {value}; remove "
                f"{marker.parent.parent} and the store beside it, or choose another data.store"
            )


def _refuse_other_databases(store: Path, layouts: tuple[str, ...], name: str) -> None:
    from merjax.stores.store import read_meta

    sources = read_meta(store)["sources"]
    if not all(source["synthetic"] for source in sources):
        raise MerjaxError(
            f"{store} holds real recordings, but {name} makes its own clips; choose another data.store, or run the sweep "
            "without --scale small"
        )
    there = {source["database"] for source in sources}
    if there != set(layouts):
        raise MerjaxError(
            f"{store} holds clips of {', '.join(sorted(there))}, but {name} asks for {', '.join(layouts)}; remove it, or "
            "choose another data.store"
        )
