"""What the page on a recording says in words: what was found, what that can tell, and what to expect of the model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from merjax.datasets.shown import several
from merjax.models.intended_use import INTENDED_USE, NEVER
from merjax.models.own_video import Analysis
from merjax.report.film_timeline import length_of
from merjax.report.tables import TextTable

if TYPE_CHECKING:  # without a model, JAX is not loaded
    from merjax.models.final_model import FinalModel
    from merjax.models.model import Model

LENGTH = "A micro-expression lasts about half a second at most, a macro-expression longer."
_SPOTTING = (
    "An interval is a stretch in which parts of the face moved, beside the head, as in an expression. That is all that is "
    "known of it. A blink, a word or a flicker of the light can look the same. Tested honestly on new people, published "
    "spotters reach F1 scores of .05 to .20: at .20, for example, one of five intervals is one that experts would mark, and "
    "four of five that experts would mark are missed. So most of these intervals are likely to be "
    "something else, and where nothing is marked there may be an expression all the same."
)
_CONFIDENCE = (
    "The confidence of an interval says how far its motion stands out from the motion around it. It is no probability, and "
    "compares intervals of one recording only."
)


def result_of(analyses: Sequence[Analysis]) -> str:
    """The result in a sentence."""
    micro, macro = (sum(one.kind == kind for a in analyses for one in a.intervals) for kind in ("micro", "macro"))
    where = f"{sum(map(length_of, analyses)):.0f} s of {analyses[0].name if len(analyses) == 1 else 'all recordings'}"
    if not micro + macro:
        return f"Nothing was found in {where}: no stretch of motion stands out as an expression would."
    kinds = f"{micro} as short as a micro-expression, {macro} longer"
    return f"{several(micro + macro, 'interval')} in {where} may hold an expression: {kinds}."


def can_tell(analyses: Sequence[Analysis]) -> list[str]:
    """What such a result can and cannot tell, a paragraph each."""
    model = analyses[0].model
    use = f"This page is for research. {NEVER}" if model is None else INTENDED_USE
    return [_SPOTTING, *_of_classes(analyses[0].classes), *_of_people(model, analyses), _CONFIDENCE, use]


def _of_classes(classes: Sequence[str]) -> list[str]:
    if not classes:
        return []
    return [
        f"The model names for each interval one class, of {', '.join(classes)}: that whose training clips it resembles most. "
        "It has no class for anything else, so it names one for a blink, too, and may be sure of it. A probability of .9 does "
        "not mean that nine of ten such answers are right."
    ]


def _of_people(model: "FinalModel | Model | None", analyses: Sequence[Analysis]) -> list[str]:
    """Whom the model was trained on, beside the recordings at hand."""
    rates = sorted({round(a.fps, 2) for a in analyses})
    here = f"{'this recording has' if len(analyses) == 1 else 'these recordings have'} {_rates(rates)}"
    if model is None:
        return [f"Databases of micro-expressions have 30 to 200 frames per second; {here}."]
    if "training" not in model.card:  # a fold's model knows little of its people
        rates = sorted(map(float, model.card["data"].get("fps", ())))
        return [f"The model was trained on clips of {_rates(rates)}; {here}. {_conditions(model)}"]
    people = "; ".join(
        f"{several(own['clips'], 'clip')} of {several(own['subjects'], 'subject')} from {own['title']}, "
        f"{_rates(own['frames_per_second'])}"
        for own in model.card["training"]["databases"]
    )
    return [f"The model was trained on {people}; {here}. {_conditions(model)}"]


def _conditions(model: "FinalModel | Model") -> str:
    if model.card["data"]["statement"]:
        return "These are clips that merjax made from still photographs: it has never seen a real expression."
    return (
        "Databases of this kind are recorded in a laboratory, from the front and in even light, of people who sit still and "
        "try to show nothing. How much worse the answers are for other people, cameras and light, nobody has measured."
    )


def _rates(rates: Sequence[float]) -> str:
    return f"{' and '.join(f'{rate:g}' for rate in rates) or 'an unknown number of'} frames per second"


def expected_of(model: "FinalModel | Model | None") -> tuple[list[str], TextTable | None]:
    """What to expect of the model: sentences, and its scores on people whom it, or its like, never saw."""
    if model is None:
        return ["No model was given, so intervals have no class: motion alone was looked at."], None
    from merjax.models.final_model import FinalModel

    card = model.card
    if isinstance(model, FinalModel):
        expected = card["expected"]
        of = "one trained run" if len(card["members"]) == 1 else f"the mean of {len(card['members'])} trained runs"
        said = [f"{model.expectation}.", f"It is {of} of {card['sweep']}, trial {card['trial']}."]
        return said, _scores(expected["scores"], expected["controls"], expected["of"])
    held_out = ", ".join(card["held_out_subjects"])
    said = [
        f"The model is one run of {card['sweep']}, trial {card['trial']}, seed {card['seed']}. It was trained on all subjects "
        f"but {held_out}, so nothing says what it is worth on others; `merjax train` makes a model for new recordings."
    ]
    return said, _scores(card["scores"], {}, "the trial's runs") if card["scores"] else None


_CONTROLS = {"majority": "always the most frequent class", "every class": "always every class", "chance": "chance"}


def _scores(scores: dict[str, Any], controls: dict[str, dict[str, float]], of: str) -> TextTable:
    rows = tuple(
        (
            name,
            f"{score['mean']:.3f}",
            "{:.3f} to {:.3f}".format(*score["interval"]),
            *(f"{control[name]:.3f}" if name in control else "-" for control in controls.values()),
        )
        for name, score in scores.items()
    )
    title = f"Scores of {of} on subjects that were held out"
    return TextTable(title, ("", "score", "95 % interval", *(_CONTROLS[control] for control in controls)), rows, ())
