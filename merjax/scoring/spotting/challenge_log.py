"""Logs of spotted intervals in the format of MEGC 2020 and 2021: written, and read back.

    2                                                   a database: 1 SAMM Long Videos, 2 CAS(ME)^2
    15_0101   557   570   555   569   TP                a video, a true interval, the found one that hits it
    15_0101   -     -     698   713   FP                one that is found and not true
    15_0102   1047  1054  -     -     FN                one that is true and not found

The format does not tell micro- from macro-expressions, and does not name videos in which nothing is true and nothing found.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from merjax.scoring.spotting.counting import Counted
from merjax.scoring.spotting.spotted import VIDEO, Spotted, plain_database, put_together
from merjax.system.errors import MerjaxError
from merjax.system.tables import text_of, whole_cell

_NUMBERS = {"1": "samm long videos", "2": "cas(me)^2"}
_SPELLINGS = {
    "1": ("samm", "sammlv", "sammlong", "sammlongvideos"),
    "2": ("cas(me)^2", "casmesq", "casmesquared", "cas(me)2"),
}
_WIDTHS = (10, 8, 8, 8, 8)
_NONE = "-"
_RESULTS = {(True, True): "TP", (False, True): "FP", (True, False): "FN"}  # by whether it is true, and found


def challenge_log(spotted: Spotted, counted: Counted) -> str:
    """The log of found and true intervals; in each video by the onset, of the found one where there is one.

    Raises:
        MerjaxError: a database is none of the challenge's, or a video's name holds a blank.
    """
    lines = []
    for number, database in _in_order(spotted):
        lines.append(number)
        for video, row in spotted.videos[spotted.videos["database"] == database].iterrows():
            name = _name(row)
            for pair in sorted(_lines_of(spotted, counted, int(str(video))), key=_place):
                cells = [name, *(str(end) for interval in pair for end in interval or (_NONE, _NONE))]
                padded = [f"{cell} ".ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)]
                lines.append("".join(padded) + _RESULTS[pair[0] is not None, pair[1] is not None])
    return "\n".join(lines) + "\n"


def is_challenge_log(path: Path) -> bool:
    """Whether a file begins as such a log, with the number of a database in a line of its own; one that cannot be read does
    not."""
    try:
        lines = text_of(path).splitlines()
    except MerjaxError:
        return False
    first = next((line.split() for line in lines if line.strip()), [])
    return len(first) == 1 and first[0] in _NUMBERS


def read_challenge_log(path: Path) -> tuple[Spotted, dict[str, int]]:
    """The intervals of a log, and how many of each result it says there are: TP, FP and FN.

    A found or true interval of several TP lines is one interval.

    Raises:
        MerjaxError: the file cannot be read, a line is none of the format, or an interval's offset lies before its onset.
    """
    database, rows = "", []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        words = line.split()
        if len(words) == 1 and words[0] in _NUMBERS:
            database = _NUMBERS[words[0]]
        elif words:
            if not database or len(words) != 6:
                raise MerjaxError(
                    f'{path}, line {number}: "{line.strip()}" is neither 1 nor 2 nor, below such a line, "video onset offset '
                    'onset offset TP", with - for an interval that is not there'
                )
            rows.append((database, *_read(words, f"{path}, line {number}")))
    if not rows:
        raise MerjaxError(f"{path} holds no interval")
    lines = pd.DataFrame(rows, columns=[*VIDEO, "true", "found", "result"])
    true, found = (_intervals(lines, side) for side in ("true", "found"))
    said = {result: int((lines["result"] == result).sum()) for result in _RESULTS.values()}
    listed = lines[VIDEO].drop_duplicates(ignore_index=True)
    return put_together(found, true, listed, (path, path, path)), said


def _in_order(spotted: Spotted) -> list[tuple[str, str]]:
    """The number and name of each database."""
    numbers = []
    for database in dict.fromkeys(spotted.videos["database"]):
        number = next((n for n, names in _SPELLINGS.items() if plain_database(database) in names), None)
        if number is None:
            raise MerjaxError(
                f'the challenge\'s log has no number for the database "{database}"; write samm_long or cas(me)^2 in a column '
                "database"
            )
        numbers.append((number, database))
    return sorted(numbers)


def _name(row: pd.Series) -> str:
    """A video as the organisers write it, subject and video: 006_1, 15_0101."""
    subject = re.sub(r"^[A-Za-z]+(?=\d)", "", row["subject"])
    name = row["video"] if not subject or row["video"].startswith(f"{subject}_") else f"{subject}_{row['video']}"
    if re.search(r"\s", name):
        raise MerjaxError(
            f'the video "{name}" has a blank in its name, which the challenge\'s log cannot hold; rename it'
        )
    return name


_Pair = tuple[tuple[int, int] | None, tuple[int, int] | None]


def _lines_of(spotted: Spotted, counted: Counted, video: int) -> list[_Pair]:
    """(true, found) intervals of a video's lines."""
    true = spotted.truth[spotted.truth["video"] == video]
    found = spotted.found[spotted.found["video"] == video]
    pairs = counted.pairs[counted.pairs["truth"].isin(true.index)]
    hit: list[_Pair] = [(_ends(true, t), _ends(found, f)) for f, t in zip(pairs["found"], pairs["truth"], strict=True)]
    false: list[_Pair] = [(None, _ends(found, f)) for f in found.index if f not in set(pairs["found"])]
    missed: list[_Pair] = [(_ends(true, t), None) for t in true.index if t not in set(pairs["truth"])]
    return hit + false + missed


def _ends(intervals: pd.DataFrame, row: int) -> tuple[int, int]:
    onset, offset = intervals.loc[row, ["onset", "offset"]].to_numpy(int)
    return int(onset), int(offset)


def _place(pair: _Pair) -> tuple[int, int]:
    return pair[1] or pair[0] or (0, 0)


def _read(words: Sequence[str], where: str) -> tuple[str, str, tuple[int, int] | None, tuple[int, int] | None, str]:
    """Subject, video, true interval, found interval and result of a line."""
    both: list[tuple[int, int] | None] = []
    for ends in (words[1:3], words[3:5]):
        frames = [whole_cell(end) for end in ends]
        if tuple(ends) == (_NONE, _NONE):
            both.append(None)
        elif None in frames:
            raise MerjaxError(f'{where}: "{" ".join(ends)}" are no two whole numbers of frames, nor - -')
        else:
            onset, offset = (int(frame or 0) for frame in frames)
            if offset < onset:
                raise MerjaxError(f"{where}: the offset {offset} lies before the onset {onset}; correct it")
            both.append((onset, offset))
    true, found = both
    if _RESULTS.get((true is not None, found is not None)) != words[5]:
        raise MerjaxError(f'{where}: "{words[5]}" does not fit its intervals; TP has both, FP the second, FN the first')
    return words[0].partition("_")[0], words[0], true, found, words[5]


def _intervals(lines: pd.DataFrame, side: str) -> pd.DataFrame:
    """The true or the found intervals, each of the TP lines once."""
    hit = lines["result"] == "TP"
    own = pd.concat([lines[~hit & lines[side].notna()], lines[hit].drop_duplicates([*VIDEO, side])]).sort_index()
    onset, offset = (own[side].str[n].astype(int) for n in (0, 1))
    return own[VIDEO].assign(onset=onset, offset=offset).reset_index(drop=True)
