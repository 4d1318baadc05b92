"""Published tables, with a row for each method on each part."""

from typing import NamedTuple

from merjax.scoring.parts import Part


class PublishedRow(NamedTuple):
    """One method on one part: scores under the names that merjax gives them.

    Attributes:
        method: its name as printed; a sweep's trial names it to have these scores printed beside its own.
        part: the clips that were scored.
        scores: UF1, UAR and accuracy, as far as they are printed. What the paper calls F1-score in Tables 9, 12 and 13 is UF1:
            Table 11 prints the same numbers under that name.
        notes: what to know about these numbers.
        where: where they were printed.
        chosen: the moment of training that was tested, and how it was chosen; "" if that is not known.
    """

    method: str
    part: Part
    scores: dict[str, float]
    notes: tuple[str, ...] = ()
    where: str = "paper"
    chosen: str = ""


class PublishedTable(NamedTuple):
    """A published table.

    Attributes:
        called: its name in a report.
        caption: what it shows.
        protocol: name of the label scheme.
        rows: its rows.
        notes: what to know about the whole table.
    """

    called: str
    caption: str
    protocol: str
    rows: tuple[PublishedRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in it, each once."""
        return tuple(dict.fromkeys(row.method for row in self.rows))

    def row(self, method: str, part: Part) -> PublishedRow | None:
        """A method's row on a part, or None."""
        return next((row for row in self.rows if (row.method, row.part) == (method, part)), None)
