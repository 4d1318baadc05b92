"""What a release says about its clips, whatever the database."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from merjax.datasets.shown import as_html, as_text, clips_by, several
from merjax.system.errors import visible
from merjax.system.tables import whole_cell

Kind = Literal["micro", "macro"]  # of an expression


@dataclass(frozen=True)
class Database:
    """What a database holds according to its publishers.

    Attributes:
        name: a key of `DATABASES`, or the name that a user gave to data of their own.
        title: the name as papers write it.
        fps: frames per second; None where each clip has its own.
        n_clips, n_subjects: counts of the release (where it has a sheet, of the published sheet); None where nothing is
            published.
        subjects: how a subject is written, as a format string of its number (as the MEGC lists do, where they have the
            database); "" where subjects are any text.
        emotions: what it calls its emotions, in lower case; empty where labels are any text.
    """

    name: str
    title: str
    fps: float | None
    n_clips: int | None
    n_subjects: int | None
    subjects: str
    emotions: tuple[str, ...]

    def subject(self, text: str) -> str | None:
        """A subject as `subjects` says, or None if the text is none: "1", "01" and "Sub01" of CASME II are sub01."""
        if not self.subjects:
            return text or None
        number = whole_cell(re.sub(rf"^{re.escape(self.subjects.partition('{')[0])}", "", text, flags=re.IGNORECASE))
        return None if number is None or number < 0 else self.subjects.format(number)


# The emotions of the sheets, in lower case.
EMOTIONS = ("happiness", "disgust", "surprise", "repression", "sadness", "fear", "anger", "contempt", "others", "other")
CASME3_EMOTIONS = ("disgust", "surprise", "others", "fear", "anger", "sad", "happy")
DATABASES = {
    database.name: database
    for database in (
        Database("smic", "SMIC-HS", 100.0, 164, 16, "s{:02d}", ("negative", "positive", "surprise")),
        Database("casme2", "CASME II", 200.0, 255, 26, "sub{:02d}", EMOTIONS),
        Database("samm", "SAMM", 200.0, 159, 29, "{:03d}", EMOTIONS),
        Database("casme_squared", "CAS(ME)^2", 30.0, 57, 14, "s{:02d}", ("positive", "negative", "surprise", "others")),
        Database("casme3", "CAS(ME)^3", 30.0, 860, 94, "spNO.{:d}", CASME3_EMOTIONS),
        Database("samm_long", "SAMM Long Videos", 200.0, 159, 29, "{:03d}", EMOTIONS),
        Database("casme1", "CASME", 60.0, 189, 18, "sub{:02d}", (*EMOTIONS, "tense")),
        Database("mmew", "MMEW", 90.0, 300, None, "S{:02d}", EMOTIONS),
        Database("dfme", "DFME", None, 2629, 259, "sub{:04d}", EMOTIONS),
    )
}


class Published(NamedTuple):
    """How many clips and subjects are published; None where nothing is."""

    clips: int | None
    subjects: int | None


def database_of(name: str) -> Database:
    """The database of a name: one of `DATABASES`, or else one of the user's own data, of which nothing is published."""
    return DATABASES.get(name) or Database(name, _UNNAMED.get(name, name), None, None, None, "", ())


_UNNAMED = {"own": "own data"}  # the title of the user's own data that has no name


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of databases, each once: those of `DATABASES` in its order, then the user's own in alphabetical order."""
    found = set(names)
    return (*(name for name in DATABASES if name in found), *sorted(found - DATABASES.keys()))


def database_named(text: str) -> Database | None:
    """The database that a word names: "CASME2", "casme-ii" and "CASME II" are casme2; None if it names none of them."""
    name = re.sub(r"[\s_-]", "", text.lower())
    return DATABASES.get({"smichs": "smic", "casmeii": "casme2", "casme": "casme1"}.get(name, name))


@dataclass(frozen=True)
class Clip:
    """One labelled sequence of a release, from onset to offset.

    No frame is missing: `frames[number - onset]` is the image of frame `number`, `len(frames) == offset - onset + 1`,
    and an apex lies within onset..offset. Only a clip whose numbers are a camera's counters (SMIC, CAS(ME)^3) may have fewer
    frames than that, where the counter skipped numbers; `skipped` then says where its apex is.

    Attributes:
        database: see `Database.name`.
        subject: the subject as text, as the MEGC lists write it ("sub01", "006", "s01").
        name: the clip's name as the MEGC lists write it ("EP02_01f"); unique within (database, subject) only. Where several
            clips lie in one folder, it ends in the onset: "EP01_12@73".
        frames: image files from onset to offset, in order of their frame number.
        onset, offset: numbers of the first and last frame.
        apex: number of the frame of strongest expression, or None where the release does not say.
        emotion: the original emotion in lower case ("disgust"; for SMIC "negative", "positive", "surprise").
        action_units: the coded action units as the sheet writes them ("4+L10"), "" where there are none.
        objective_class: 1-7 (Davison et al. 2017), or None where the release does not say.
        fps: frames per second.
        kind: "micro" or "macro", the kind of expression.
        skipped: how many numbers the counter skipped between onset and apex.
        part: the part of the release that the clip lies in, where its owner splits it: "train", "test A", "test B" of DFME.
    """

    database: str
    subject: str
    name: str
    frames: tuple[Path, ...] = field(repr=False)
    onset: int
    apex: int | None
    offset: int
    emotion: str
    action_units: str
    objective_class: int | None
    fps: float
    kind: Kind = "micro"
    skipped: int = 0
    part: str = ""

    @property
    def n_frames(self) -> int:
        return len(self.frames)

    @property
    def key(self) -> str:
        """The clip's identity across databases: "casme2/sub01/EP02_01f"."""
        return f"{self.database}/{self.subject}/{self.name}"


@dataclass(frozen=True)
class Discrepancy:
    """Something on which a release's sheet and folders do not agree; `dropped` if the clip cannot be used because of it.

    `subject` and `name` are "" if it concerns the whole release.
    """

    database: str
    subject: str
    name: str
    reason: str
    dropped: bool


class Recording(NamedTuple):
    """A recording of a release, with or without expressions.

    Attributes:
        subject, name: whose it is, and its name among the subject's.
        folder: the folder of its pictures.
        damaged: the numbers of pictures that are not to be used.
    """

    subject: str
    name: str
    folder: Path
    damaged: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Release:
    """All that was read from one database: usable clips, and every discrepancy with its reason.

    A notebook shows it as a table of its clips, by emotion, and one of the clips that are left out.

    Attributes:
        database: see `Database.name`.
        root: the folder that was read.
        clips: the usable ones, in the order of subject and name.
        discrepancies: everything on which its sheet and folders do not agree.
        synthetic: what a synthesised release says about itself; "" for a real one.
        overrides: the user's corrections of annotations that were applied: "subject/clip" -> field -> value.
        class_source: the sheet and the column that gave the objective classes; "" where the release gives none.
        published: what is published of what was asked for; None: all of the database's clips.
        version: the version of the annotations, where there are several in circulation: "v2".
        recordings: the long recordings that clips are cut out of, those without expressions too; empty for clips that lie on
            disk as clips.
    """

    database: str
    root: Path
    clips: tuple[Clip, ...]
    discrepancies: tuple[Discrepancy, ...]
    synthetic: str = ""
    overrides: Mapping[str, Mapping[str, int | float | str | None]] = field(default_factory=dict)
    class_source: str = ""
    published: Published | None = None
    version: str = ""
    recordings: tuple[Recording, ...] = field(default=(), repr=False)

    @property
    def index(self) -> pd.DataFrame:
        """A row per clip; see `index_of` for the columns."""
        return index_of(self.clips)

    @property
    def dropped(self) -> pd.DataFrame:
        """Database, subject, clip and reason of the clips that are left out."""
        table = discrepancy_table(self.discrepancies)
        return table[table["dropped"]].drop(columns="dropped").reset_index(drop=True)

    def _shown(self) -> tuple[list[str], list[pd.DataFrame]]:
        subjects = len({clip.subject for clip in self.clips})
        said = (
            f"{database_of(self.database).title} in {self.root}: {several(len(self.clips), 'clip')} of "
            f"{several(subjects, 'subject')}, {len(self.dropped)} left out"
        )
        return [said, self.synthetic], [clips_by("emotion", self.index), self.dropped]

    def __repr__(self) -> str:
        return as_text(*self._shown())

    def _repr_html_(self) -> str:
        return as_html(*self._shown())


def index_of(clips: Sequence[Clip]) -> pd.DataFrame:
    """One row per clip, in the given order.

    Returns:
        columns database, subject, clip (text); emotion, action_units (text); objective_class (Int64, missing where the
        release does not say); onset, apex (Int64, missing where there is none), offset: frame numbers; fps; n_frames; and
        where they do not all have the usual value, part, kind and skipped (see `Clip`).
    """
    columns: dict[str, Any] = {
        "database": [clip.database for clip in clips],
        "subject": [clip.subject for clip in clips],
        "clip": [clip.name for clip in clips],
        "emotion": [clip.emotion for clip in clips],
        "action_units": [clip.action_units for clip in clips],
        "objective_class": pd.array([clip.objective_class for clip in clips], dtype="Int64"),
        "onset": [clip.onset for clip in clips],
        "apex": pd.array([clip.apex for clip in clips], dtype="Int64"),
        "offset": [clip.offset for clip in clips],
        "fps": [clip.fps for clip in clips],
        "n_frames": [clip.n_frames for clip in clips],
    }
    for column, usual in (("part", ""), ("kind", "micro"), ("skipped", 0)):
        values = [getattr(clip, column) for clip in clips]
        if set(values) - {usual}:
            columns[column] = values
    return pd.DataFrame(columns)


def discrepancy_table(discrepancies: Sequence[Discrepancy]) -> pd.DataFrame:
    """One row per discrepancy: database, subject, clip, reason (text that every file can hold) and dropped (bool)."""
    columns = {"database": str, "subject": str, "clip": str, "reason": str, "dropped": bool}
    rows = [(d.database, visible(d.subject), visible(d.name), visible(d.reason), d.dropped) for d in discrepancies]
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def target_frame(clip: Clip | pd.Series, to: str = "apex") -> int:
    """Position of the frame in which a clip shows its expression, counted from 0, the onset.

    Motion is measured to this frame, and a report shows it. It is the apex, or the frame in the middle if the release gives no
    apex after the onset.

    >>> target_frame(pd.Series({"onset": 46, "apex": 59, "n_frames": 40}))
    13

    Args:
        clip: a clip, or its row of `index_of`.
        to: "apex", or "mid" for the frame in the middle of every clip.
    """
    apex = late_apex(clip) if to == "apex" else None
    return int(clip.n_frames) // 2 if apex is None else apex


def late_apex(clip: Clip | pd.Series) -> int | None:
    """Position of a clip's apex, counted from the onset; None where the release gives none after the onset."""
    return None if pd.isna(clip.apex) or clip.apex <= clip.onset else apex_position(clip)


def apex_position(clip: Any) -> int:
    """Position of a clip's apex among its frames, counted from 0, the onset.

    Args:
        clip: a clip that has an apex, or its row of `index_of`, as a series or a named tuple.
    """
    return int(clip.apex - clip.onset) - int(getattr(clip, "skipped", 0))
