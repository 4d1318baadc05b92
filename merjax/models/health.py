"""Whether a saved model is whole: its card, and the parameters beside it; or a final model, with all of its members."""

from collections.abc import Iterator
from pathlib import Path

from merjax.models.card import DAMAGED_MODEL, FINAL
from merjax.models.final_card import expectation_of, read_final_card
from merjax.models.learned import by_name
from merjax.models.model import load_model
from merjax.system.errors import MerjaxError
from merjax.system.health import Finding
from merjax.system.own_files import broken_seal, changed_files


def examine_model(folder: Path) -> Iterator[Finding]:
    """What a model's card says, and whether its parameters load."""
    try:
        model = load_model(folder)
    except MerjaxError as error:
        what, _, todo = str(error).rpartition("; ")
        yield Finding("model", what, todo)
        return
    card = model.card
    yield Finding("model", f"{card['sweep']}, trial {card['trial']}, seed {card['seed']}, fold {card['fold']}")
    yield Finding("classes", ", ".join(model.classes))
    yield Finding("never seen", card.get("leaks") or ", ".join(card["held_out_subjects"]) or "nobody is held out")
    numbers = sum(x.size for learned in model.learned.values() for x in by_name(learned.variables).values())
    yield Finding("parameters", f"{numbers:,} numbers in the stages {', '.join(model.learned)}")
    changed = changed_files(folder / "card.json", card.get("files", {}), DAMAGED_MODEL)
    for name in [*changed, *(["card.json"] if broken_seal(folder / "card.json") else [])]:
        yield Finding(name, "not as it was when the model was saved", DAMAGED_MODEL)
    if card["scores"] is None:
        yield Finding("scores", "none yet", "finish the sweep: its scores are then written into the card", needed=False)
    else:
        mean = {name: score["mean"] for name, score in card["scores"].items()}
        yield Finding("scores", ", ".join(f"{name} {value:.3f}" for name, value in mean.items()))


def examine_final_model(folder: Path) -> Iterator[Finding]:
    """What a final model's card says, and the same of each of its members."""
    try:
        card = read_final_card(folder)
    except MerjaxError as error:
        what, _, todo = str(error).rpartition("; ")
        yield Finding("final model", what, todo)
        return
    yield Finding("final model", f"{card['sweep']}, trial {card['trial']}, of {', '.join(card['members'])}")
    yield Finding("expect", expectation_of(card))
    if broken_seal(folder / FINAL):
        yield Finding(FINAL, "not as it was when the model was saved", DAMAGED_MODEL)
    for name in card["members"]:
        yield from examine_model(folder / name)
