"""Logs of per-clip predictions in the format of the micro-expression grand challenge: written, read, checked, scored.

    casme2 sub01            a subject: database and subject
    EP02_01f 1 1            each of its clips: clip, truth, prediction, as class numbers from 0
    EP19_05f 0 2
    samm 006
    006_1_2 2 2

    # leaks: ...            perhaps, at the beginning: what one must know about the predictions

Classes are numbered as in `merjax.protocols.SCHEMES` (megc3: 0 negative, 1 positive, 2 surprise). Where a clip may have several
(au12), a number is the sum of 2**k over its classes, see `merjax.protocols.tasks.Task`. A prediction of -1 means that
there is none (the training diverged); it is scored as wrong.
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merjax.datasets.clip import DATABASES, Database, database_named
from merjax.protocols import SCHEMES, LabelScheme
from merjax.scoring.metrics import SCORES, interval
from merjax.scoring.parts import of_part, parts_of
from merjax.scoring.scores import CLIP, LEVEL, resampled, seed_scores
from merjax.scoring.spotting.challenge_log import is_challenge_log
from merjax.system.columns import Column, read_sheet
from merjax.system.errors import MerjaxError
from merjax.system.paths import user_path
from merjax.system.tables import text_of, whole_cell

_REMARK = "#"
_COLUMNS = {
    "database": Column("database", ("database", "data")),
    "subject": Column("subject", ("subject",)),
    "clip": Column("clip", ("clip",)),
    "label": Column("label", ("label",)),
}


@dataclass(frozen=True)
class Scores:
    """Pooled scores of a log.

    Attributes:
        table: a row per part, the whole first: part, clips, subjects, and UF1, UAR and accuracy, each with the ends `_low` and
            `_high` of its 95 % interval over subjects.
        absent: a sentence about the protocol's databases that the log lacks; "" if it lacks none.
        unpredicted: clips without a prediction (-1); they are scored as wrong.
        remarks: what the log says about itself in lines that begin with #, such as that its predictions leak.
    """

    table: pd.DataFrame
    absent: str
    unpredicted: int
    remarks: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """In a notebook: the log's remarks, the sentence about absent databases, then the table."""
        told = [*self.remarks, *([self.absent] if self.absent else [])]
        return "".join(f"<p><b>{html.escape(sentence)}</b></p>" for sentence in told) + self.table.to_html()


def rescore(log: str | Path, *, clips: str | Path | None = None, protocol: str = "megc3") -> Scores:
    """Score a log of per-clip predictions again, whoever wrote it, after checking that it is complete.

    >>> logs = "runs/mine/report/logs"
    >>> merjax.rescore(f"{logs}/focal-seed0.txt", clips=f"{logs}/clips.csv").table

    Args:
        log: a file in the format that `merjax.scoring.megc_log` describes.
        clips: a table (CSV or a workbook) of the clips that the log must have: columns database, subject, clip; label is
            compared if there. If None, each database in the log must have the protocol's published number of clips per class
            and of subjects.
        protocol: a label scheme, such as "megc3" or "au5".

    Returns:
        Pooled UF1, UAR and accuracy of the whole log and of each database, with intervals over subjects.

    Raises:
        MerjaxError: the log cannot be read or is one of spotted intervals, a clip occurs twice, clips are missing or do not
            belong there, or the protocol is unknown.
    """
    if protocol not in SCHEMES:
        raise MerjaxError(f'there is no protocol "{protocol}"; write any of {", ".join(SCHEMES)}')
    scheme, absent = SCHEMES[protocol], ""
    log = user_path(log)
    if is_challenge_log(log):
        raise MerjaxError(f"{log} is a log of spotted intervals; use merjax.rescore_intervals, or `merjax rescore`")
    predictions = read_log(log, scheme)
    if clips is None:
        check_against_counts(predictions, scheme, str(log))
        absent = absent_databases(predictions, scheme)
    else:
        check_against_list(predictions, user_path(clips), str(log))
    unpredicted = int((predictions["prediction"] < 0).sum())
    remarks = (*filter(None, [scheme.note]), *read_remarks(log))
    return Scores(score_log(predictions, scheme), absent, unpredicted, remarks)


def log_text(predictions: pd.DataFrame, remark: str = "") -> str:
    """The log of one prediction per clip.

    Args:
        predictions: columns database, subject, clip, label and prediction; of one trial and one seed, and with cross-database
            folds of one fold.
        remark: what one must know about them, in a line of its own; "" for nothing.

    Raises:
        MerjaxError: a clip occurs twice.
    """
    _refuse_duplicates(predictions, "the predictions")
    lines = [f"{_REMARK} {remark}"] if remark else []
    for (database, subject), own in predictions.groupby(["database", "subject"], sort=True):
        lines.append(f"{database} {subject}")
        lines += [f"{row.clip} {row.label} {row.prediction}" for row in own.sort_values("clip").itertuples()]
    return "\n".join(lines) + "\n"


def read_log(path: Path, scheme: LabelScheme) -> pd.DataFrame:
    """Read a log: database, subject, clip, label, prediction.

    Raises:
        MerjaxError: there is no such file, a line is neither of the two kinds, a database is unknown, a label is not a class
            number, or a clip occurs twice.
    """
    rows, subject = [], None
    for number, line in enumerate(_lines(path), 1):
        words = [] if line.lstrip().startswith(_REMARK) else _words(line)
        if len(words) == 2:
            database = _database(words[0], f"{path}, line {number}")
            subject = (database.name, database.subject(words[1]) or words[1])
        elif len(words) == 3 and subject:
            rows.append((*subject, words[0], *_labels(words, scheme, f"{path}, line {number}")))
        elif words:
            raise MerjaxError(
                f'{path}, line {number}: "{line.strip()}" is neither "database subject" nor, below such a line, '
                '"clip truth prediction"'
            )
    log = pd.DataFrame(rows, columns=[*CLIP, "label", "prediction"])
    if log.empty:
        raise MerjaxError(f"{path} holds no clip")
    _refuse_duplicates(log, str(path))
    return log


def read_remarks(path: Path) -> tuple[str, ...]:
    """What a log says about itself."""
    remarks = (line.strip() for line in _lines(path))
    return tuple(line.lstrip(f"{_REMARK} ") for line in remarks if line.startswith(_REMARK))


def _lines(path: Path) -> list[str]:
    try:
        return re.split(r"\r\n|\r|\n", text_of(path))
    except MerjaxError as error:
        raise MerjaxError(f"{error}; give a log of per-clip predictions") from None


def check_against_counts(log: pd.DataFrame, scheme: LabelScheme, source: str) -> None:
    """Refuse a log with incomplete databases, by the protocol's published counts of clips per class and of subjects.

    A log that lacks a whole database is not refused, since it may hold CASME II alone; see `absent_databases`.

    Raises:
        MerjaxError: a database is incomplete; the message names it and the counts.
    """
    for database, own in log.groupby("database"):
        if database not in scheme.expected:
            raise MerjaxError(f"{source}: {DATABASES[str(database)].title} has no part in {scheme.name}")
        clips, people = scheme.published_clips(str(database)), scheme.expected_subjects.get(str(database))
        if clips is None:
            raise MerjaxError(
                f"{source}: no numbers of {DATABASES[str(database)].title}'s clips are published for {scheme.name}, so nothing "
                "tells whether the log is complete; give the list of its clips with --clips"
            )
        found = tuple(scheme.task.members(own["label"].to_numpy()).sum(0).tolist())
        subjects, expected = own["subject"].nunique(), scheme.expected[str(database)]
        if len(own) != clips or (expected and found != expected) or (people and subjects != people):
            raise MerjaxError(
                f"{source}: {DATABASES[str(database)].title} has {len(own)} clips ({_counts(found)} "
                f"{'/'.join(scheme.classes)}) of {subjects} subjects, but {scheme.name} has {clips}"
                + (f" ({_counts(expected)})" if expected else "")
                + (f" of {people}" if people else "")
                + "; complete the log, or give the list of its clips with --clips"
            )


def absent_databases(log: pd.DataFrame, scheme: LabelScheme) -> str:
    """A sentence about the protocol's databases that a log lacks; "" if it lacks none."""
    absent = [name for name in scheme.expected if not (log["database"] == name).any()]
    if not absent:
        return ""
    each = ", ".join(f"{DATABASES[name].title} 0 / {scheme.published_clips(name)}" for name in absent)
    whole = sum(scheme.published_clips(name) or 0 for name in scheme.expected)
    return (
        f"NOT THE WHOLE PROTOCOL: {len(log)} / {whole} clips of {scheme.name} ({each}). The scores below are on the other "
        f"databases alone; do not compare them with others' scores on {scheme.name}."
    )


def check_against_list(log: pd.DataFrame, clips: Path, source: str) -> None:
    """Refuse a log whose clips are not exactly those of a list (columns database, subject, clip; label is compared if there).

    Raises:
        MerjaxError: the list cannot be read, or clips are missing, do not belong there, or have another truth; the message
            names them.
    """
    listed = _listed(clips)
    _refuse_duplicates(listed, str(clips))
    both = listed.merge(log, on=CLIP, how="outer", indicator="side", suffixes=("_listed", ""))
    for side, what in (("left_only", f"are in {clips} but not in the log"), ("right_only", f"are not in {clips}")):
        if (both["side"] == side).any():
            raise MerjaxError(f"{source}: {_named(both[both['side'] == side])} {what}")
    if "label" in listed and (wrong := both[both["label_listed"] != both["label"]]).size:
        raise MerjaxError(f"{source}: the truth of {_named(wrong)} is not the label in {clips}")


def _listed(path: Path) -> pd.DataFrame:
    """The clips of a list, and their labels if it has them."""
    try:
        sheet = read_sheet(path, _COLUMNS, CLIP)
    except MerjaxError as error:
        raise MerjaxError(
            f"{error}; --clips names a table of clips, such as `merjax report --log-megc` writes"
        ) from None
    rows = []
    for number, cells in sheet.rows:
        database = _database(cells["database"], f"{path}, {sheet.place(number, 'database')}")
        row: dict[str, str | int] = {"database": database.name, "clip": cells["clip"]}
        row["subject"] = database.subject(cells["subject"]) or cells["subject"]
        if "label" in cells:
            label = whole_cell(cells["label"])
            if label is None:
                where = f"{path}, {sheet.place(number, 'label')}"
                raise MerjaxError(f'{where}: label is "{cells["label"]}"; write the number of a class')
            row["label"] = label
        rows.append(row)
    return pd.DataFrame(rows, columns=[*CLIP, *(["label"] if "label" in sheet.titles else [])])


def score_log(log: pd.DataFrame, scheme: LabelScheme) -> pd.DataFrame:
    """Pooled scores of a log, on all of it and on each database's part.

    Returns:
        A row per part: part, clips, subjects, and UF1, UAR and accuracy, each with the ends `_low` and `_high` of its
        95 % interval over subjects.
    """
    predictions = log.assign(seed=0, fold="")
    rows = []
    for part in parts_of(scheme.name, (), predictions):
        own = of_part(predictions, part)
        draws = resampled(own, scheme.task)
        row = {"part": part.name, "clips": len(own), "subjects": len(own[CLIP[:2]].drop_duplicates())}
        for name, values in seed_scores(own, scheme.task).items():
            low, high = interval(draws[name], LEVEL)
            row |= {name: float(values[0]), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)[
        ["part", "clips", "subjects", *(f"{name}{end}" for name in SCORES for end in ("", "_low", "_high"))]
    ]


def _words(line: str) -> list[str]:
    """A line's words, separated by semicolons or tabs where it has them, or else by commas and blanks."""
    separator = next((f"[{sign}]" for sign in ";\t" if sign in line), r"[,\s]+")
    words = [word.strip() for word in re.split(separator, line.strip())]
    return words[: max((n for n, word in enumerate(words, 1) if word), default=0)]  # spreadsheets fill short lines up


def _database(word: str, where: str) -> Database:
    database = database_named(word)
    if database is None:
        raise MerjaxError(f'{where}: there is no database "{word}"; write any of {", ".join(DATABASES)}')
    return database


def _labels(words: list[str], scheme: LabelScheme, where: str) -> tuple[int, int]:
    number_K = [2**k if scheme.several else k for k in range(len(scheme.classes))]
    classes = ", ".join(f"{number} {name}" for number, name in zip(number_K, scheme.classes, strict=True))
    truth, prediction = whole_cell(words[1]), whole_cell(words[2])
    if (
        truth is None
        or prediction is None
        or not (0 <= truth < scheme.task.labels and -1 <= prediction < scheme.task.labels)
    ):
        sums = "sums of " if scheme.several else ""
        raise MerjaxError(
            f'{where}: truth and prediction are "{words[1]}" and "{words[2]}"; classes of {scheme.name} are {sums}{classes}'
        )
    return truth, prediction


def _refuse_duplicates(clips: pd.DataFrame, source: str) -> None:
    again = clips[clips.duplicated(CLIP)]
    if not again.empty:
        raise MerjaxError(f"{source}: {_named(again)} occur more than once; a log has one prediction per clip")


def _named(clips: pd.DataFrame, most: int = 3) -> str:
    names = ["/".join(row) for row in clips[CLIP].head(most).astype(str).to_numpy()]
    more = f" and {len(clips) - most} more" if len(clips) > most else ""
    return f"{len(clips)} clips ({', '.join(names)}{more})"


def _counts(counts: tuple[int, ...]) -> str:
    return "/".join(map(str, counts))
