"""How a release, a store or training data is shown in a terminal and in a notebook."""

from collections.abc import Sequence
from html import escape

import pandas as pd


def clips_by(column: str, index: pd.DataFrame) -> pd.DataFrame:
    """Clips, subjects and frames of each database and class.

    Args:
        column: the column of `index` that holds the classes, such as emotion.
        index: a row per clip: database, subject, n_frames, and `column`.

    Returns:
        A row per database and class, in the order of the index, then one row for all of them.
    """
    rows = [(*key, *_counts(group)) for key, group in index.groupby(["database", column], sort=False)]
    rows.append(("all", "", *_counts(index)))
    return pd.DataFrame(rows, columns=["database", column, "clips", "subjects", "frames"])


def _counts(index: pd.DataFrame) -> tuple[int, int, int]:
    return len(index), len(index[["database", "subject"]].drop_duplicates()), int(index["n_frames"].sum())


def several(number: int, noun: str) -> str:
    """A number with its noun.

    >>> several(1, "clip"), several(2, "clip")
    ('1 clip', '2 clips')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_text(sentences: Sequence[str], tables: Sequence[pd.DataFrame]) -> str:
    """Sentences, then the tables that have rows."""
    return "\n".join([*filter(None, sentences), *(t.to_string(index=False) for t in tables if len(t))])


def as_html(sentences: Sequence[str], tables: Sequence[pd.DataFrame]) -> str:
    """`as_text` for a notebook."""
    paragraphs = [f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence]
    return "\n".join([*paragraphs, *(t.to_html(index=False, border=0) for t in tables if len(t))])
