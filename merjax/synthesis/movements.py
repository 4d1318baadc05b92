"""Action units as displacements of facial points, and the sets of units that the databases' coders report.

The displacements were drawn by hand after the FACS manual's descriptions (Ekman, Friesen and Hager 2002), except those of
units 6 and 12. These are the median displacement, relative to that of the lip corners, between the neutral and the smiling
photographs of the 102 people of the Face Research Lab London Set (DeBruine and Jones 2017, CC BY 4.0), aligned by eye
corners and nose bridge. The 68 points were measured by landmarks, the derived ones by dense optical flow.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np

Side = Literal["both", "left", "right"]
Point = int | str


class ActionUnit(NamedTuple):
    """How one side of the face moves.

    Attributes:
        displacements: (lateral, down) by point: a 0-based index of the subject's right half of the 68 landmarks, or a
            derived point of `merjax.synthesis.face`; lateral > 0 leads away from the midline. Relative magnitudes.
        reach: sigma of the Gaussian that spreads a point's displacement, in inter-ocular distances.
    """

    displacements: Mapping[Point, tuple[float, float]]
    reach: float = 0.15


class Movement(NamedTuple):
    """An action unit in a clip: the subject's side or sides, and its strength relative to the clip's other units (0-1]."""

    unit: int
    side: Side
    intensity: float


# The lids are thin and slide over an eyeball that does not move: their displacement must not reach the iris.
_LIDS = 0.06

# fmt: off
ACTION_UNITS: dict[int, ActionUnit] = {
    1: ActionUnit(
        {21: (0, -1), 20: (0, -0.75), 19: (0, -0.3), "forehead_inner": (0, -0.8), "forehead_middle": (0, -0.3),
         "glabella": (0, -0.4)}
    ),
    2: ActionUnit(
        {17: (0, -0.7), 18: (0, -1), 19: (0, -0.8), 20: (0, -0.3), "forehead_outer": (0, -0.8),
         "forehead_middle": (0, -0.6)}
    ),
    4: ActionUnit(
        {21: (-0.6, 0.8), 20: (-0.5, 0.8), 19: (-0.3, 0.6), 18: (-0.1, 0.35), 27: (0, 0.3),
         "forehead_inner": (-0.3, 0.5), "glabella": (0, 0.5)}
    ),
    5: ActionUnit({37: (0, -0.7), 38: (0, -0.7)}, _LIDS),
    6: ActionUnit(
        {36: (-0.1, -0.08), 40: (-0.03, -0.14), 41: (-0.09, -0.16),
         "infraorbital": (0.07, -0.3), "cheek": (0.29, -0.52)}
    ),
    7: ActionUnit({41: (0, -0.5), 40: (0, -0.5), 37: (0, 0.35), 38: (0, 0.35)}, _LIDS),
    9: ActionUnit(
        {30: (0, -0.4), 31: (0.15, -0.8), 32: (0.05, -0.6), 33: (0, -0.5), 50: (0, -0.4), 51: (0, -0.35),
         21: (-0.3, 0.45), "ala": (0.1, -1), "nasolabial": (0.1, -0.6), "glabella": (0, 0.4),
         "infraorbital": (0, -0.3)}
    ),
    10: ActionUnit(
        {50: (0, -0.9), 51: (0, -0.7), 49: (0.05, -0.7), 61: (0, -0.8), 62: (0, -0.6), 31: (0, -0.3),
         "nasolabial": (0.1, -0.7), "ala": (0.1, -0.4), "cheek_low": (0, -0.3)}
    ),
    12: ActionUnit(
        {48: (0.46, -0.89), 60: (0.45, -0.77), 49: (0.28, -0.61), 59: (0.32, -0.22), 50: (0.11, -0.39),
         51: (0, -0.42), 58: (0.13, -0.06), 61: (0.13, -0.55), 62: (0, -0.52), 67: (0.13, 0.02), 31: (0.1, -0.17),
         "nasolabial": (0.32, -0.65), "cheek_low": (0.4, -0.79), "dimple": (0.32, -0.69), "ala": (0.15, -0.28)}
    ),
    14: ActionUnit(
        {48: (0.7, -0.1), 60: (0.6, -0.1), 49: (0.35, 0), 59: (0.35, -0.05), "dimple": (-0.25, 0),
         "cheek_low": (-0.1, 0.1)}
    ),
    15: ActionUnit(
        {48: (0.15, 0.95), 60: (0.1, 0.75), 49: (0, 0.35), 59: (0.05, 0.6), 58: (0, 0.3), "dimple": (0, 0.6),
         "cheek_low": (0, 0.35)}
    ),
    17: ActionUnit(
        {57: (0, -0.6), 58: (0, -0.55), 66: (0, -0.45), 67: (0, -0.4), "chin": (0, -1), 8: (0, -0.35), 7: (0, -0.25)}
    ),
    20: ActionUnit(
        {48: (1, 0.1), 60: (0.85, 0.1), 49: (0.5, 0.05), 59: (0.5, 0.1), 50: (0.2, 0.05), 58: (0.2, 0.1),
         "dimple": (0.8, 0.05), "cheek_low": (0.3, 0.1)}
    ),
    23: ActionUnit(
        {48: (-0.5, 0), 60: (-0.4, 0), 49: (-0.25, 0.25), 50: (-0.1, 0.45), 51: (0, 0.4), 58: (-0.1, -0.45),
         57: (0, -0.45), 59: (-0.25, -0.2)}
    ),
    24: ActionUnit(
        {50: (0, 0.55), 51: (0, 0.55), 49: (0, 0.35), 58: (0, -0.6), 57: (0, -0.6), 59: (0, -0.4), "chin": (0, -0.4)}
    ),
    25: ActionUnit(
        {50: (0, -0.2), 51: (0, -0.2), 61: (0, -0.3), 62: (0, -0.3), 67: (0, 0.9), 66: (0, 1), 59: (0, 0.4),
         58: (0, 0.9), 57: (0, 1), "chin": (0, 0.6), 8: (0, 0.35), 7: (0, 0.3)}
    ),
}
# What a face does besides: its units in FACS, 26 jaw drop, 45 blink, 61 and 62 an eye that turns outwards and inwards.
BESIDE: dict[int, ActionUnit] = {
    26: ActionUnit(
        {57: (0, 0.9), 58: (0, 0.8), 66: (0, 1), 67: (0, 0.9), 59: (0, 0.5), 48: (-0.05, 0.3), 60: (0, 0.3), "chin": (0, 1),
         8: (0, 0.9), 7: (0, 0.8), 6: (0, 0.5), "cheek_low": (0, 0.25)}
    ),
    45: ActionUnit({37: (0, 1), 38: (0, 1), 40: (0, -0.15), 41: (0, -0.15)}, _LIDS),
    61: ActionUnit({"iris": (1, 0)}, _LIDS),
    62: ActionUnit({"iris": (-1, 0)}, _LIDS),
}
# fmt: on

# Units that coders also report on one side; the others move the midline.
ONE_SIDED = frozenset({1, 2, 4, 6, 7, 9, 10, 12, 14, 15, 20})

# Sets that CASME II's and SAMM's coders report for each emotion.
EXPRESSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "happiness": ((6, 12), (12,), (6, 7, 12)),
    "surprise": ((1, 2), (5,), (1, 2, 25), (25,)),
    "disgust": ((4, 7), (9,), (4, 9), (10,), (4, 10), (4, 7, 9)),
    "repression": ((15,), (17,), (15, 17), (14,), (17, 24)),
    "anger": ((4,), (4, 7), (23,), (4, 5, 7)),
    "sadness": ((1,), (1, 4), (15, 17), (6, 15)),
    "fear": ((1, 2, 4), (20,)),
    "contempt": ((14,),),
    "others": ((4,), (23,), (14,), (24,)),
}


def draw_movements(units: Iterable[int], rng: np.random.Generator, *, one_sided: float = 0.2) -> tuple[Movement, ...]:
    """Random sides and intensities for a set of units: the strongest has intensity 1, the others at least 0.6.

    With probability `one_sided`, all units that can move on one side alone move on the same single side.
    """
    units = tuple(units)
    sides: tuple[Side, Side] = ("left", "right")
    side: Side = sides[rng.integers(2)] if rng.random() < one_sided else "both"
    intensities = rng.uniform(0.6, 1, len(units))
    intensities /= intensities.max()
    return tuple(
        Movement(unit, side if unit in ONE_SIDED else "both", float(intensity))
        for unit, intensity in zip(units, intensities, strict=True)
    )


def unit_of(number: int) -> ActionUnit:
    """How a unit moves the face, of an expression or beside."""
    return ACTION_UNITS.get(number) or BESIDE[number]


def coded(movements: Iterable[Movement]) -> str:
    """The movements as coders write them: "4+L10"."""
    prefix = {"both": "", "left": "L", "right": "R"}
    return "+".join(f"{prefix[movement.side]}{movement.unit}" for movement in movements)
