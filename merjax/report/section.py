"""A comparison with all its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from merjax.protocols import scheme_named
from merjax.report.comparison import Comparison
from merjax.report.names import short_names
from merjax.report.settings import Settings
from merjax.scoring.answers import answers_of, counted
from merjax.scoring.audit import Audit, audits_of
from merjax.scoring.choosing import AtChance, Choice, choose, highest_at_chance
from merjax.scoring.counts import scores_of
from merjax.scoring.ensembles import seeds_together, trials_together
from merjax.scoring.entry import KNOWN_NOTE, LEAKS, SHUFFLED_ALL, Entry, features_know
from merjax.scoring.metrics import Score
from merjax.scoring.parts import Part
from merjax.scoring.resamples import comparable
from merjax.scoring.scores import (
    are_paired,
    pooled_confusion,
    score_classes,
    score_controls,
    score_differences,
    score_entries,
    score_subjects,
)

MOST_DETAILED = 8  # entries with figures of their own; tables and CSV files have all
MANY, FEW = 24, 4  # with more entries than 24, only four of them
MOST_SHOWN = 12  # rows of a picture or table; more trials are in the table of all trials and in the CSV files
SYNTHETIC = "Synthetic data: these scores say nothing about people."


@dataclass(frozen=True)
class Section:
    """A comparison and all that is computed from it; everything is computed once."""

    comparison: Comparison

    @cached_property
    def scores(self) -> pd.DataFrame:
        return score_entries(self.comparison.entries, self.comparison.parts)

    @cached_property
    def controls(self) -> pd.DataFrame:
        return score_controls(self.comparison.base, self.comparison.parts)

    @property
    def scores_and_controls(self) -> pd.DataFrame:
        return pd.concat([self.scores, self.controls], ignore_index=True)

    @cached_property
    def differences(self) -> pd.DataFrame:
        parts = self.comparison.parts
        tables = [score_differences(base, self.compared(base), parts) for base in self.comparison.bases]
        return pd.concat(tables, ignore_index=True)

    def compared(self, base: Entry) -> list[Entry]:
        """The entries to compare with a base. An entry that leaks does not show how its trial differs from another, nor does
        one that is tested on other labels; one whose runs all diverged shows nothing."""
        labels = base.control == SHUFFLED_ALL
        others = [e for e in self.comparison.entries if e is not base and e.has_answers and base.has_answers]
        others = [e for e in others if (e.control == SHUFFLED_ALL) == labels]
        return [entry for entry in others if base.leaks or not entry.leaks]

    @cached_property
    def inflation(self) -> pd.DataFrame:
        """Oracle minus fixed, for each trial that has both and something to choose from: the columns of `differences`, and
        snapshots, how many there were to choose from, and epochs, the whole budget."""
        by_rule = {(e.run, e.trial, e.selection): e for e in self.comparison.entries}
        tables = [
            score_differences(by_rule[run, trial, "fixed"], [oracle], self.comparison.parts).assign(
                snapshots=oracle.snapshots, epochs=oracle.epochs
            )
            for (run, trial, selection), oracle in by_rule.items()
            if selection == "oracle" and oracle.snapshots > 1 and (run, trial, "fixed") in by_rule
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @cached_property
    def together(self) -> tuple[Entry, ...]:
        """The ensembles: of the seeds of each shown entry that has several, and of the trials that a sweep file names."""
        entries = [entry for entry in self.comparison.entries if entry.label in self.shown]
        return (*seeds_together(entries), *trials_together(self.comparison.entries, self.comparison.ensembles))

    @cached_property
    def ensembles(self) -> pd.DataFrame:
        """Scores of the ensembles, the columns of `scores`."""
        return score_entries(self.together, self.comparison.parts)

    @cached_property
    def budgets(self) -> pd.DataFrame:
        """The budgets that were chosen, for entries that chose one: entry, runs (an oracle's choices: one for each held-out
        subject), median, least and most steps, and the steps of the whole budget (NaN if no entry of the trial was tested
        after it)."""
        told = [entry for entry in self.comparison.entries if "step" in entry.predictions]
        whole = {(e.run, e.trial): e.predictions["step"].max() for e in told if e.selection == "fixed"}
        rows = []
        for entry in told:
            if entry.snapshots > 1:
                each = ["database", "subject"] if entry.selection == "oracle" else []
                step = entry.predictions.drop_duplicates(["seed", "fold", *each])["step"]
                median, least, most = step.median(), step.min(), step.max()
                rows.append(
                    {"entry": entry.label, "runs": len(step), "median": median, "least": least, "most": most}
                    | {"whole": whole.get((entry.run, entry.trial), np.nan)}
                )
        return pd.DataFrame(rows)

    @cached_property
    def classes(self) -> pd.DataFrame:
        return score_classes(self.comparison.entries, self.comparison.parts)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        return score_subjects(self.comparison.entries)

    @cached_property
    def confusions(self) -> pd.DataFrame:
        """Long form: part, entry, truth, prediction, clips (summed over seeds); of several classes per clip, each by itself."""
        rows = []
        for part in self.comparison.parts:
            for entry in self.comparison.entries:
                counts, several = pooled_confusion(entry, part), entry.task.several
                told = [(f"not {name}", name) for name in entry.classes] if several else [entry.classes]
                rows += [
                    {"part": part.name, "entry": entry.label, "truth": t, "prediction": p, "clips": int(of_names[i, j])}
                    for names, of_names in zip(told, counts if several else counts[None], strict=True)
                    for i, t in enumerate(names)
                    for j, p in enumerate(names)
                ]
        return pd.DataFrame(rows)

    @cached_property
    def audits(self) -> list[Audit]:
        """The comparisons of the honest protocol with one whose spatial stage leaks."""
        return audits_of(self.comparison.entries, self.comparison.parts)

    @property
    def audit(self) -> pd.DataFrame:
        """All numbers of the audits: rows of scores, and rows of differences, whose `base` is the honest entry."""
        tables = [table for audit in self.audits for table in (audit.scores, audit.differences) if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @cached_property
    def choosable(self) -> list[Entry]:
        """The entries among which a reader may choose the best by its tested score: of one rule of selection."""
        fit = comparable(self.comparison.entries)
        return [entry for entry in fit if entry.selection == fit[0].selection]

    @cached_property
    def choice(self) -> Choice | None:
        """What choosing the best of these by UF1 adds to its score; None if there is nothing to choose from."""
        if len(self.choosable) < 2:
            return None
        return choose([counted(entry, self.comparison.parts[0]).counts_SxQxKxK for entry in self.choosable], self._uf1)

    @property
    def _uf1(self) -> Score:
        return scores_of(self.comparison.base.task)["UF1"]

    @cached_property
    def at_chance(self) -> AtChance | None:
        """The same trials' highest UF1 if the labels of the clips are shuffled."""
        if self.choice is None:
            return None
        first, task = self.choosable[0], self.comparison.base.task
        part = self.comparison.parts[0]
        answers = [answers_of(entry).by_clip(part) for entry in self.choosable]
        return highest_at_chance(answers_of(first).by_clip(part, truth=True)[0], answers, task, self._uf1)

    @property
    def best(self) -> Entry:
        """The entry with the highest UF1 among those to choose from; the base if there is nothing to choose from."""
        return self.choosable[self.choice.best] if self.choice else self.comparison.base

    @cached_property
    def settings(self) -> Settings:
        """How the scores of the entries to choose from depend on their settings."""
        return Settings(tuple(self.choosable), self.comparison.parts[0])

    @cached_property
    def names(self) -> dict[str, str]:
        """The short name of each label in pictures."""
        return short_names(self.comparison.entries)

    def leading(self, most: int) -> list[Entry]:
        """At most so many entries, in the trials' order: those chosen by a search, the bases, and the best by UF1."""
        comparison = self.comparison
        if len(comparison.entries) <= most:
            return list(comparison.entries)
        own = self.scores[self.scores["part"] == comparison.parts[0].name].set_index("entry")["UF1"]
        ranked = sorted(comparison.entries, key=lambda e: (e.leaks, -own.get(e.label, -1.0)))
        first = dict.fromkeys((*comparison.chosen, *comparison.bases, *ranked))
        kept = list(first)[:most]
        return [entry for entry in comparison.entries if entry in kept]

    @cached_property
    def shown(self) -> list[str]:
        """The labels of the entries that pictures and shortened tables show."""
        return [entry.label for entry in self.leading(MOST_SHOWN)]

    @property
    def detailed(self) -> list[Entry]:
        """The entries with figures of their own; those that leak come last."""
        many = len(self.comparison.entries) > MANY
        return sorted(self.leading(FEW if many else MOST_DETAILED), key=lambda entry: entry.leaks)

    def unpaired(self, base: Entry) -> list[str]:
        """Labels of entries that have no paired difference to a base."""
        return [e.label for e in self.compared(base) if not are_paired(base, e)]

    @property
    def without_choice(self) -> list[str]:
        """Labels of entries whose rule had one snapshot to choose from: they equal the fixed budget under another name."""
        return [e.label for e in self.comparison.entries if e.selection != "fixed" and e.snapshots == 1]


def warnings_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The warnings that must appear beside every table and figure with scores of these entries."""
    synthetic = any(entry.data.statement for entry in entries)
    leaking = [entry for entry in entries if entry.selection == "oracle"]
    known = any(features_know(entry.config) for entry in entries)
    of_schemes = (scheme_named(entry.data.protocol, entry.data.classes).note for entry in entries)
    notes = tuple(dict.fromkeys(filter(None, of_schemes)))
    return (SYNTHETIC,) * synthetic + notes + (LEAKS, _choice(leaking)) * bool(leaking) + (KNOWN_NOTE,) * known


def _choice(leaking: Sequence[Entry]) -> str:
    """How many snapshots leaking entries chose from: published code often chooses among all epochs, which leaks more."""
    told: dict[str, list[str]] = {}
    for entry in leaking:
        among = (
            f"{entry.snapshots} snapshots in {entry.epochs:g} epochs"
            if entry.snapshots > 1
            else "one snapshot, no choice"
        )
        told.setdefault(among, []).append(entry.trial)
    each = "; ".join(among + (f" ({', '.join(names)})" if len(told) > 1 else "") for among, names in told.items())
    return f"The oracle chose among {each}; choosing among all epochs, as published code does, would leak more."


def records(table: pd.DataFrame, part: Part) -> list[dict]:
    """The rows of a part."""
    return table[table["part"] == part.name].to_dict("records") if len(table) else []
