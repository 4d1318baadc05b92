"""The six regions of the paper's Fig. 5, and the whole face of its Table 5.

Right and left are the subject's: the right eye lies on the image's left side.
"""

from typing import NamedTuple


class Region(NamedTuple):
    """One crop: its name, the kind that it shares with its mirror image, and its size in pixels (Sec. 3.1)."""

    name: str
    kind: str
    height: int
    width: int


REGIONS = (
    Region("eye_right", "eyes", 80, 100),
    Region("eye_left", "eyes", 80, 100),
    Region("nose", "nose", 80, 120),
    Region("cheek_right", "cheeks", 60, 60),
    Region("cheek_left", "cheeks", 60, 60),
    Region("mouth", "mouth", 60, 160),
)
FACE = Region("face", "face", 160, 160)
