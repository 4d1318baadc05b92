"""Makes a clip store from ready flow images and a list of clips, so that published features can be used as they are.

The images of MEGC 2019 hold, as OpenCV reads them (B, G, R): optical strain, v, u; the store's order is u, v, strain. This was
measured. For each of the six ways to name the channels, the strain was computed again as the magnitude of the tensor of u's
and v's derivatives; this way, it is closest to the third channel (median correlation within an image .87 over 442 images;
with u and v exchanged .83; for all others below 0). With the normal components alone, which become shear when u and v are
exchanged, it is .81 against .66. Each channel of each image spans 0 to 255: every channel was scaled by itself.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from merjax.datasets.clip import DATABASES, Discrepancy, database_named, discrepancy_table
from merjax.datasets.coded_units import coded_units
from merjax.faces.pictures import first_of_clip, holds_colours, read_image
from merjax.protocols import SCHEMES, label_clips
from merjax.protocols.completeness import CheckReport, DatabaseCheck, check_schemes, counts_of
from merjax.stores.adding_features import compute_features
from merjax.stores.features import Feature, features_of
from merjax.stores.sheets import write_flow_sheet
from merjax.stores.store import STORE_FORMAT, Store, open_store
from merjax.stores.writing import clip_hash, content_hash, refuse_occupied, write_array
from merjax.system.columns import Column, Sheet, read_sheet
from merjax.system.errors import MerjaxError, visible
from merjax.system.files import write_json, write_table
from merjax.system.own_files import noted_files, sealed
from merjax.system.paths import lacks_folder, listed, make_folder
from merjax.system.tables import whole_cell
from merjax.system.versions import __version__


def prepare_flow_images(folder: Path, clips: Path, out: Path, features: str | Iterable[str] = ()) -> Store:
    """Make a clip store from ready flow images, which are its feature "flow28" if they have 28 x 28 pixels.

    Args:
        folder: holds the images, `{subject}_{clip}.png`: PNG files of three channels, in the order that the module's text
            gives.
        clips: CSV file or workbook, a row per clip: data (smic, casme2, samm), subject, clip, label (a class of megc3 or au5 by
            name, or one of megc3 by number); emotion, onset, apex, offset and au where they are known.
        out: folder of the store; must not exist.
        features: what else to make of the images, see `merjax.stores.features`: flow images of other sizes, shrunk or enlarged
            from them, and the mosaic.

    Raises:
        MerjaxError: a folder or file is missing, the list cannot be understood, there is no usable image, or the output
            exists already. An image that is missing, not listed, or of another size or kind than the others is not an error; it
            is noted in the store.
    """
    refuse_occupied(out)
    asked = features_of(features)
    if lacking := lacks_folder(folder):
        raise MerjaxError(f"{folder} {lacking}; --flow-images names the folder of the PNG files")
    index = read_clip_list(clips)
    names = index["subject"] + "_" + index["clip"] + ".png"
    images = [_read(folder / name) for name in names]
    sizes = pd.Series([image.shape for image in images if isinstance(image, np.ndarray)]).value_counts()
    if sizes.empty:
        raise MerjaxError(
            f"{folder} holds no usable image of the {len(index)} clips in {clips}; the first should be {names.iloc[0]}"
        )
    usual: tuple[int, ...] = sizes.index[0]
    reasons = [_reason(image, usual) for image in images]
    used = np.array([not reason for reason in reasons])
    rows = index.to_dict("records")
    discrepancies = [
        Discrepancy(row["database"], row["subject"], row["clip"], reason, dropped=True)
        for row, reason in zip(rows, reasons, strict=True)
        if reason
    ]
    bits = [first_of_clip([folder / name])[1] for name in names[used]]
    index = index[used].reset_index(drop=True).assign(bits=bits)
    flow = np.stack([image for image, use in zip(images, used, strict=True) if use and isinstance(image, np.ndarray)])
    discrepancies += _unlisted(folder, set(names)) + _against_rules(index)
    _write(out, folder, clips, index, flow, discrepancies, asked)
    return open_store(out)


def read_clip_list(path: Path) -> pd.DataFrame:
    """The index of a list of clips: the columns of `merjax.datasets.index_of`, label, and first_row.

    Raises:
        MerjaxError: the list cannot be read, or a cell cannot be understood; the message names it.
    """
    try:
        sheet = read_sheet(path, _COLUMNS, _REQUIRED)
    except MerjaxError as error:
        raise MerjaxError(f"{error}; --clips names a table with the columns {_columns()}") from None
    if not sheet.rows:
        raise MerjaxError(f"{path} lists no clip")
    index = pd.DataFrame([_listed(sheet, number, cells) for number, cells in sheet.rows])
    again = index[index.duplicated(["subject", "clip"])]
    if not again.empty:
        row = again.iloc[0]
        raise MerjaxError(
            f"{path}: {row['subject']} {row['clip']} is listed twice; each clip has one image, {{subject}}_{{clip}}.png"
        )
    return index.astype(dict.fromkeys(("objective_class", "onset", "apex", "offset"), "Int64"))


def _listed(sheet: Sheet, number: int, cells: Mapping[str, str]) -> dict[str, Any]:
    """A row of the index."""

    def refuse(column: str, what: str) -> MerjaxError:
        return MerjaxError(f'{sheet.path}, {sheet.place(number, column)}: {column} is "{cells[column]}"; {what}')

    database = database_named(cells["data"])
    if database is None:
        raise refuse("data", f"write any of {', '.join(DATABASES)}")
    for column in ("subject", "clip"):
        if not cells[column]:
            raise refuse(column, "subject and clip must both be given")
    label = cells["label"]
    if (target := whole_cell(label)) is not None and 0 <= target < len(_NUMBERED):
        label = _NUMBERED[target]
    if label not in _NAMED:
        numbers = ", ".join(str(k) for k in range(len(_NUMBERED)))
        raise refuse("label", f"write {', '.join(_NAMED)}, or {numbers} for {', '.join(_NUMBERED)}")
    frames: dict[str, Any] = {}
    for column in ("onset", "apex", "offset"):
        frames[column] = whole_cell(cells.get(column, ""))
        if frames[column] is None:
            if cells.get(column):
                raise refuse(column, "write a frame number, or nothing")
            frames[column] = pd.NA
    if cells.get("au") and coded_units(cells["au"]) is None:
        raise refuse("au", "write action units such as 4+7, or nothing")
    # SMIC gives only the class and no finer emotion
    emotion = cells.get("emotion", "").lower() or (label if database.name == "smic" else "")
    return {
        "database": database.name,
        "subject": cells["subject"],
        "clip": cells["clip"],
        "emotion": emotion,
        "action_units": cells.get("au", ""),
        "objective_class": pd.NA,
        **frames,
        "fps": database.fps,
        "n_frames": 0,
        "label": label,
        "first_row": 0,
    }


_COLUMNS = {
    "data": Column("data", ("data", "database")),
    "subject": Column("subject", ("subject",)),
    "clip": Column("clip", ("clip",)),
    "label": Column("label", ("label",)),
    "emotion": Column("emotion", ("emotion",)),
    "onset": Column("onset", ("onset",)),
    "apex": Column("apex", ("apex",)),
    "offset": Column("offset", ("offset",)),
    "au": Column("au", ("au",)),
}
_REQUIRED = ("data", "subject", "clip", "label")
_LISTED = ("megc3", "au5")  # whose classes a list may name
_NUMBERED = SCHEMES["megc3"].classes
_NAMED = tuple(name for protocol in _LISTED for name in SCHEMES[protocol].classes)


def _columns() -> str:
    return f"{', '.join(_REQUIRED)} (and, where known, {', '.join(name for name in _COLUMNS if name not in _REQUIRED)})"


def _read(path: Path) -> np.ndarray | str:
    """u, v and strain, or the reason why the image cannot be used."""
    if not path.is_file():
        return f"there is no image {path.name}"
    try:
        image = read_image(path, "rgb")
        return image if holds_colours(path) else f"{path.name} has one channel, where u, v and strain are three"
    except MerjaxError as error:
        return str(error)


def _reason(image: np.ndarray | str, usual: tuple[int, ...]) -> str:
    if isinstance(image, str):
        return image
    if image.shape == usual:
        return ""
    return f"its image has {image.shape[1]}x{image.shape[0]} pixels, most have {usual[1]}x{usual[0]}"


def _unlisted(folder: Path, names: set[str]) -> list[Discrepancy]:
    found = [path.name for path in listed(folder, []) if path.suffix == ".png"]
    unlisted = [visible(name) for name in found if name not in names]
    return [Discrepancy("", "", name, "is in the folder and not in the list", dropped=False) for name in unlisted]


def _against_rules(index: pd.DataFrame) -> list[Discrepancy]:
    """Clips whose listed class is not the one that the rules of its protocol give."""
    found = []
    for scheme in (SCHEMES[protocol] for protocol in _LISTED):
        listed = index[index["label"].isin(scheme.classes) & ((index["emotion"] != "") | (index["action_units"] != ""))]
        by_rule = label_clips(listed.drop(columns="label"), scheme)
        given = dict(zip(_keys(by_rule.index), (scheme.classes[k] for k in by_rule.target_N), strict=True))
        for key, row in zip(_keys(listed), listed.to_dict("records"), strict=True):
            rule = given.get(key, "no class")
            if rule != row["label"]:
                reason = f"the list says {row['label']}, the rules of {scheme.name} give {rule}; the list counts"
                found.append(Discrepancy(row["database"], row["subject"], row["clip"], reason, dropped=False))
    return found


def _keys(index: pd.DataFrame) -> list[str]:
    return (index["database"] + "/" + index["subject"] + "/" + index["clip"]).tolist()


def _write(
    out: Path,
    folder: Path,
    clips: Path,
    index: pd.DataFrame,
    flow: np.ndarray,
    discrepancies: Sequence[Discrepancy],
    features: Sequence[Feature],
) -> None:
    settings = {"flow": {"images": "ready", "height": flow.shape[1], "width": flow.shape[2]}}
    hashes = [clip_hash([image]) for image in flow]
    make_folder(out.parent)
    aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        write_table(aside / "index.parquet", index)
        write_table(aside / "discrepancies.parquet", discrepancy_table(discrepancies))
        write_array(aside / "flow.npy", flow)
        write_flow_sheet(aside / "flow_sheet.png", index, flow)
        meta: dict[str, Any] = {
            "format": STORE_FORMAT,
            "version": __version__,
            "crops": False,
            "sources": [
                {"database": name, "root": str(folder), "list": str(clips), "synthetic": ""}
                for name in index["database"].unique()
            ],
            "settings": settings,
            "overrides": {},
            "overrides_hash": hashlib.sha256(json.dumps({}).encode()).hexdigest(),
            "counts": _counts(folder, index, discrepancies),
            "clips": len(index),
            "hash": content_hash(index, hashes, settings),
            "files": noted_files(aside, ["index.parquet", "discrepancies.parquet"]),
        }
        write_json(aside / "store.json", sealed(meta))
        compute_features(open_store(aside), features, 1, lambda done, total: None)
        aside.chmod(0o755)
        aside.rename(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _counts(folder: Path, index: pd.DataFrame, discrepancies: Sequence[Discrepancy]) -> dict[str, Any]:
    names = index["database"].unique().tolist()
    databases = []
    for name in names:
        clips = index[index["database"] == name]
        own = tuple(d for d in discrepancies if d.database == name)
        databases.append(DatabaseCheck(DATABASES[name], folder, len(clips), clips["subject"].nunique(), 0, own, ""))
    return counts_of(CheckReport(tuple(databases), check_schemes(index, names, synthetic=False)))
