"""From releases' clips to a clip store: landmarks, boxes, crops and features, in parallel and restartable."""

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from merjax.datasets import index_of
from merjax.datasets.clip import Clip, Discrepancy, Release, discrepancy_table
from merjax.faces import landmarks
from merjax.faces.geometries import Geometry
from merjax.faces.landmarks import STEPS, Step
from merjax.faces.pictures import Colour
from merjax.protocols.completeness import check_releases, counts_of
from merjax.stores import workers as worker_processes
from merjax.stores.adding_features import compute_features
from merjax.stores.arrays import CROPS
from merjax.stores.clip_crops import Align, CropSettings, NoFaceError, crop_clip, refuse_unknown_settings
from merjax.stores.face_places import Place, further_faces, places_of
from merjax.stores.features import Feature, features_of
from merjax.stores.sheets import write_contact_sheet
from merjax.stores.store import STORE_FORMAT, Store, open_store, read_meta
from merjax.stores.unfinished import Prepared, add_to_journal, close_partial, open_partial, read_journal
from merjax.stores.unfinished_features import remove_features_of_other_clips
from merjax.stores.writing import clip_hash, content_hash, refuse_occupied, write_array, write_rows
from merjax.system.at_work import at_work
from merjax.system.console import told
from merjax.system.errors import MerjaxError
from merjax.system.files import write_json, write_table
from merjax.system.locks import alone_at
from merjax.system.own_files import noted_files, sealed
from merjax.system.paths import user_path
from merjax.system.processes import cores
from merjax.system.versions import __version__


def prepare_store(
    releases: Release | Sequence[Release],
    out: str | Path,
    *,
    colour: Colour | None = None,
    align: Align = "first",
    geometry: Geometry = "ours",
    features: str | Iterable[str] = (),
    faces: Step = "picture",
    workers: int | None = None,
    model: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Store:
    """Prepare the clips of one or more releases into a clip store at `out`.

    The store is written to `<out>.partial` and gets its name when it is whole, so a call that was stopped can be continued. A
    clip that cannot be used (no face found, an unreadable image) is listed in the store with its reason.

    >>> store = merjax.prepare_store(merjax.read_samm("data/samm"), "stores/samm", features="flow28")
    >>> store.crops["mouth"].dtype.name, store.crops["mouth"].shape, store.features["flow28"].pictures.shape
    ('uint8', (50, 60, 160), (1, 28, 28, 3))

    Args:
        releases: what `merjax.read_casme2` and the other readers returned, one or several.
        out: folder of the store; must not exist. A `<out>.partial` of the same clips is continued.
        colour: "gray", or "rgb" for three channels. None: gray, and RGB in the authors' geometry, which is in colour.
        align: "first" keeps the boxes of the first frame's landmarks; "frame" lets them follow the head.
        geometry: "ours", a box for each region around its landmarks; or "authors", the fixed boxes on a white canvas of the
            code that the authors published in 2022 (see `merjax.faces.authors_crops`).
        features: what to compute from the crops, names with settings where they are not the usual ones, such as
            "flow28,dynamic" or `["flow28:mid:tvl1", "motion"]`: see `merjax.stores.features`. They can also be added later.
        faces: the lowest step that may be taken to find a clip's face. "sure": dlib's detector. "faint": the detector at lower
            thresholds, on a larger picture. "subject": where the pictures are plainly crops of faces, the box of the subject's
            other clips. "picture": in a release of face crops, the box that faces have in its pictures. The store's index says
            which step found each clip's face.
        workers: number of processes; by default one per core that this process may use.
        model: file of dlib's 68-point model; by default found as `merjax.faces.landmarks.find_model` says.
        progress: called with (clips done, clips in all); by default a terminal or a notebook shows a bar.

    Returns:
        The store, opened; crops are uint8, `frames x height x width` (x 3 for RGB).

    Raises:
        MerjaxError: there are no clips, the output exists already, the landmark model is missing, no clip is usable, or a
            setting has an unknown value.
    """
    releases, out = [releases] if isinstance(releases, Release) else list(releases), user_path(out)
    colour = colour or ("rgb" if geometry == "authors" else "gray")
    asked = features_of(features)
    settings = CropSettings(colour, align, faces, geometry)
    refuse_unknown_settings(settings)
    if not any(release.clips for release in releases):
        raise MerjaxError(f"there is no usable clip in {', '.join(str(r.root) for r in releases) or 'no release'}")
    refuse_occupied(out)
    landmark_model = landmarks.find_model(model)
    with alone_at(out, "preparing"), told("preparing clips", progress) as heard:
        _prepare(releases, out, settings, asked, landmark_model, workers or len(cores()), heard)
    return open_store(out)


class _Job(NamedTuple):
    """A clip to prepare: its number, the row of its first frame, and where to look for a face that dlib does not find."""

    number: int
    clip: Clip
    first_row: int
    places: Sequence[Place]


def _prepare(
    releases: Sequence[Release],
    out: Path,
    settings: CropSettings,
    features: Sequence[Feature],
    model: Path,
    workers: int,
    progress: Callable[[int, int], None],
) -> None:
    clips = [clip for release in releases for clip in release.clips]
    first_rows = np.cumsum([0, *(len(clip.frames) for clip in clips)]).tolist()
    partial = out.with_name(out.name + ".partial")
    open_partial(partial, clips, settings)
    done = read_journal(partial, clips, first_rows)
    progress(len(done), len(clips))
    places: dict[int, list[Place]] = {i: [] for i in range(len(clips)) if i not in done}
    while places:
        jobs = [_Job(i, clips[i], first_rows[i], places[i]) for i in places]
        work = functools.partial(_prepare_job, folder=partial, settings=settings, model=model)
        for result in worker_processes.spread(work, jobs, workers):
            add_to_journal(partial, result)
            done[result.clip] = result
            progress(len(done), len(clips))
        # what the other clips show may tell where the faces lie that were not found; a second search is the last
        first_search = not any(places.values())
        seen = {i: one for i, result in done.items() if (one := result.seen) is not None}
        places = places_of(releases, seen, settings.faces) if first_search else {}
    with at_work("writing the store", out):
        _finish(partial, releases, settings, first_rows, [done[i] for i in range(len(clips))])
        remove_features_of_other_clips(partial, read_meta(partial)["hash"])
    compute_features(open_store(partial), features, workers, progress)
    close_partial(partial, out)


def _prepare_job(job: _Job, folder: Path, settings: CropSettings, model: Path) -> Prepared:
    with at_work("preparing the clip", job.clip.key):
        return _prepared(*job, folder, settings, model)


def _prepared(
    number: int,
    clip: Clip,
    first_row: int,
    places: Sequence[Place],
    folder: Path,
    settings: CropSettings,
    model: Path,
) -> Prepared:
    try:
        face, size, bits, crops = crop_clip(clip, settings, model, places)
    except NoFaceError as error:
        return Prepared(number, reason=str(error), size=error.size)
    except MerjaxError as error:
        return Prepared(number, reason=str(error))
    arrays = {region.name: crops[region.name] for region in CROPS}
    for name, rows in arrays.items():
        write_rows(folder, name, first_row, rows)
    points = np.asarray(face.points, float).round(3).tolist()
    return Prepared(number, "", points, clip_hash(arrays.values()), face.step, face.box, face.others, size, bits)


def _finish(
    partial: Path,
    releases: Sequence[Release],
    settings: CropSettings,
    first_rows: Sequence[int],
    results: Sequence[Prepared],
) -> None:
    """Write all files of a store except its crops; `store.json` comes last."""
    used = [i for i, result in enumerate(results) if result.points is not None]
    prepared = _as_prepared(releases, results)
    discrepancies = [d for release in prepared for d in release.discrepancies]
    clips = [clip for release in prepared for clip in release.clips]
    if not clips:
        reasons = "; ".join(f"{d.subject}/{d.name}: {d.reason}" for d in [d for d in discrepancies if d.dropped][:3])
        raise MerjaxError(f"none of the {len(results)} clips could be prepared ({reasons})")
    index = index_of(clips).assign(
        first_row=[first_rows[i] for i in used],
        face=[results[i].face for i in used],
        bits=[results[i].bits for i in used],
    )
    points = [results[i].points for i in used]
    write_table(partial / "index.parquet", index)
    write_table(partial / "discrepancies.parquet", discrepancy_table(discrepancies))
    write_array(partial / "landmarks.npy", np.array(points, np.float32))
    write_contact_sheet(partial / "contact_sheet.png", clips, points, index, settings.colour, settings.geometry)
    overrides = {release.database: release.overrides for release in releases if release.overrides}
    meta: dict[str, Any] = {
        "format": STORE_FORMAT,
        "version": __version__,
        "sources": [_source(release) for release in releases],
        "settings": settings.as_dict,
        "faces": {"lowest": settings.faces, "found": {step: int((index["face"] == step).sum()) for step in STEPS}},
        "overrides": overrides,
        "overrides_hash": hashlib.sha256(json.dumps(overrides, sort_keys=True).encode()).hexdigest(),
        "counts": counts_of(check_releases(prepared)),
        "clips": len(used),
        "hash": content_hash(index, [results[i].hash for i in used], settings.as_dict),
    }
    meta["files"] = noted_files(partial, ["index.parquet", "discrepancies.parquet", "landmarks.npy"])
    write_json(partial / "store.json", sealed(meta))


def _source(release: Release) -> dict[str, str]:
    """Where the clips of a release come from, for `store.json`."""
    said = {"database": release.database, "root": str(release.root), "synthetic": release.synthetic}
    version = {"version": release.version} if release.version else {}
    return {**said, "classes": release.class_source, **version}


def _as_prepared(releases: Sequence[Release], results: Sequence[Prepared]) -> list[Release]:
    """The releases without the clips that could not be prepared; each of these becomes a discrepancy."""
    rest = iter(results)
    prepared = []
    for release in releases:
        pairs = [(clip, next(rest)) for clip in release.clips]
        dropped = tuple(
            Discrepancy(c.database, c.subject, c.name, r.reason, dropped=True) for c, r in pairs if r.points is None
        )
        used = tuple(clip for clip, result in pairs if result.points is not None)
        more = tuple(
            Discrepancy(c.database, c.subject, c.name, further_faces(c, r.others), dropped=False)
            for c, r in pairs
            if r.others
        )
        prepared.append(replace(release, clips=used, discrepancies=release.discrepancies + dropped + more))
    return prepared
