"""Which trials of sweeps, finished or not, can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from merjax.scoring.entry import Entry
from merjax.scoring.parts import Part, parts_of
from merjax.sweeps.result import SweepResult
from merjax.system.errors import MerjaxError


@dataclass(frozen=True)
class Comparison:
    """Entries that were tested on the same clips in the same folds, and the parts they are scored on.

    Attributes:
        protocol, split_hash: what they have in common.
        entries: the entries to compare.
        parts: see `merjax.scoring.parts.parts_of`.
        bases: the entries that the others are compared with.
        chosen: the entries whose settings were chosen on inner subjects, by a search.
        ensembles: by run and name, the trials of the ensembles that the sweeps' files ask for.
    """

    protocol: str
    split_hash: str
    entries: tuple[Entry, ...]
    parts: tuple[Part, ...]
    bases: tuple[Entry, ...]
    chosen: tuple[Entry, ...] = ()
    ensembles: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    @property
    def base(self) -> Entry:
        return self.bases[0]

    @property
    def statement(self) -> str:
        """The statement of synthetic data about itself; "" for real recordings."""
        return " ".join(dict.fromkeys(entry.data.statement for entry in self.entries if entry.data.statement))


def compare(results: Sequence[SweepResult], bases: Sequence[str] = ()) -> list[Comparison]:
    """Sort the entries of sweeps into comparisons of one protocol and one split hash, in the order of appearance.

    Args:
        results: the sweeps.
        bases: trials, or rows by their labels, that the others are compared with; if there are none, the first row is.

    Raises:
        MerjaxError: a base is not a row of any comparison, or a sweep is one of spotters.
    """
    if spotters := [result.name for result in results if result.spots]:
        raise MerjaxError(
            f"{spotters[0]} spots in long videos, which is not compared by UF1; see its `scores` and its report's page"
        )
    found: dict[tuple[str, str], list[Entry]] = {}
    for result in results:
        for entry in result.entries:
            found.setdefault((entry.data.protocol, entry.data.split_hash), []).append(entry)
    ensembles = {(r.name, name): trials for r in results for name, trials in r.plan.ensembles.items()}
    comparisons, searched = [], {result.name for result in results if result.tried is not None}
    for (protocol, split_hash), entries in found.items():
        if len({entry.run for entry in entries}) > 1:
            entries = [entry.called(f"{entry.run}: {entry.label}") for entry in entries]
        largest = max(entries, key=lambda entry: entry.predictions["fold"].nunique())
        parts = parts_of(protocol, largest.data.folds, largest.predictions)
        named = tuple(base for name in dict.fromkeys(bases) if (base := _named(name, entries)))
        chosen = tuple(entry for entry in entries if entry.run in searched and not entry.leaks)
        comparisons.append(
            Comparison(protocol, split_hash, tuple(entries), parts, named or (entries[0],), chosen, ensembles)
        )
    every = [entry for comparison in comparisons for entry in comparison.entries]
    for name in bases:
        if _named(name, every) is None:
            raise MerjaxError(
                f'there is no trial "{name}" to compare with; there are {", ".join(entry.label for entry in every)}'
            )
    return comparisons


def _named(name: str, entries: Sequence[Entry]) -> Entry | None:
    """The entry with this label, or the first entry of the trial with this name."""
    of_label = [entry for entry in entries if entry.label == name]
    return next(iter([*of_label, *(entry for entry in entries if entry.trial == name)]), None)
