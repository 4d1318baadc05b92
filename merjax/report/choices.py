"""What the page says first, and what choosing the best of many trials costs, in words and tables."""

from merjax.report.names import with_readable_numbers
from merjax.report.section import Section
from merjax.report.tables import TextTable
from merjax.scoring.choosing import Choice
from merjax.scoring.entry import SELECTIONS, Entry
from merjax.scoring.written import number, p_text, with_interval


def first_sentence(section: Section) -> str:
    """The result in words: which trial leads, its score with interval, and whether its lead may be chance."""
    comparison, part = section.comparison, section.comparison.parts[0]
    if comparison.chosen:
        entry, how = comparison.chosen[0], "Chosen by inner subjects"
    elif section.choice is None:
        entry = section.choosable[0] if section.choosable else comparison.base
        how = "The only trial to choose" if len(comparison.entries) > 1 else "One trial"
    else:
        entry, n = section.best, section.choice.trials
        how = f"Highest of {n} trials by UF1 on the tested subjects"
    row = _row(section, entry)
    if row["diverged"] == len(entry.seeds) * len(entry.data.folds):
        return f"{entry.label}: every run diverged, so there is no score; its clips count as wrong."
    rule = " (an oracle, which leaks)" if entry.selection == "oracle" else ""
    partial = f", of {entry.folds} of {len(entry.data.folds)} folds" if entry.is_partial else ""
    said = (
        f"{how}: {with_readable_numbers(entry.label)}{rule}, UF1 {number(row['UF1'])} on {part.title}{partial}, 95 % interval "
        f"{number(row['UF1_low'])} to {number(row['UF1_high'])}"
    )
    return f"{said}{_lead(section, entry)}."


def _lead(section: Section, entry: Entry) -> str:
    """What is known of an entry's lead over the base, or of the base's over the next."""
    base, part = section.comparison.base, section.comparison.parts[0]
    other, sign = (entry, 1) if entry is not base else (_second(section), -1)
    rows = section.differences
    if other is None or rows.empty:
        return ""
    found = rows[(rows["part"] == part.name) & (rows["entry"] == other.label) & (rows["base"] == base.label)]
    if found.empty:
        return ""
    row = found.iloc[0].to_dict()
    against = base if other is entry else other
    if row["UF1"] * sign < 0:
        return f"; {with_readable_numbers(against.label)} scores {number(abs(row['UF1']))} higher"
    sure = row["UF1_holm"] < 0.05
    verdict = "is more than chance would give" if sure else "may be chance"
    n = len(rows[(rows["part"] == part.name) & (rows["base"] == base.label)])
    many = f", corrected for {n} comparisons" if n > 1 else ""
    return f"; its lead over {with_readable_numbers(against.label)} {verdict} (p {p_text(row['UF1_holm'])}{many})"


def _second(section: Section) -> Entry | None:
    """The best of the other entries to choose from."""
    others = [entry for entry in section.choosable if entry is not section.comparison.base]
    return max(others, key=lambda entry: _row(section, entry)["UF1"], default=None)


def _row(section: Section, entry: Entry) -> dict:
    own = section.scores
    return own[(own["part"] == section.comparison.parts[0].name) & (own["entry"] == entry.label)].iloc[0].to_dict()


def choice_texts(section: Section) -> list[TextTable]:
    """The price of choosing the best trial by its tested score; no table if there is nothing to choose from."""
    choice, chance = section.choice, section.at_chance
    if choice is None or chance is None:
        return []
    part = section.comparison.parts[0]
    best = with_readable_numbers(section.best.label)
    rows = [
        (f"{best}, as the table shows it", with_interval(_row(section, section.best), "UF1")),
        (f"its lead over the mean of the {choice.trials} trials", number(choice.lead, sign=True)),
        (
            "the same, chosen on some people and tested on others",
            f"{number(choice.honest, sign=True)} [{number(choice.low, sign=True)}, {number(choice.high, sign=True)}]",
        ),
        ("optimism of choosing the highest", _optimism(choice)),
        (f"{best}, less the optimism", number(choice.corrected)),
        (
            f"highest of {choice.trials} at chance (labels shuffled)",
            f"{number(chance.highest)} [{number(chance.low)}, {number(chance.high)}]",
        ),
        ("one trial at chance", number(chance.single)),
    ]
    rows += [
        (f"chosen honestly: {entry.label}", with_interval(_row(section, entry), "UF1")) for entry in _honest(section)
    ]
    return [
        TextTable(
            f"The price of choosing the best of {choice.trials} trials on {part.title}",
            ("", "UF1"),
            tuple(rows),
            (
                f"{choice.rounds} times, subjects were drawn with replacement, the trial with the highest UF1 on them was "
                f"chosen and scored on the others; {100 * choice.share:.0f} % of the rounds chose {best}. An honest lead whose "
                "interval contains 0 is no evidence that choosing helped. Brackets: 95 % by leaving out groups of subjects; at "
                f"chance, the central 95 % of {chance.rounds} shuffles.",
                "Report the score of what was chosen on inner subjects (a sweep file with `search:`), or the highest less the "
                "optimism, and say how many trials there were.",
            ),
        )
    ]


def _optimism(choice: Choice) -> str:
    low, high = choice.lead - choice.high, choice.lead - choice.low
    return f"{number(choice.optimism, sign=True)} [{number(low, sign=True)}, {number(high, sign=True)}]"


def _honest(section: Section) -> list[Entry]:
    """Entries whose settings or budget were chosen on inner subjects."""
    comparison = section.comparison
    if comparison.chosen:
        return list(comparison.chosen)
    inner = [e for e in comparison.entries if e.selection == "inner" and e.trial == section.best.trial]
    return [entry for entry in inner if SELECTIONS["inner"] in entry.label]
