"""How well faces are found that fill their pictures: `python -m benchmarks.tight_faces --faces ../shared/faces/london/neutral`.

Cuts each photograph around the box of its face, as face crops that circulate in the field are cut, and finds the face again.
The margin is what is left around the box at each edge, in sides of the box; a negative one cuts into the face. A row of the
table gives how many faces each step found, and how far the landmarks lie from those of the whole photograph, in distances
of the eye centres (the mean over the 68 points; median and 95 % over faces).
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from merjax.faces.crops import Points, inter_ocular_distance
from merjax.faces.face_boxes import FaceBox, padding_of
from merjax.faces.landmarks import STEPS, FoundFace, face_in_box, find_face, find_model
from merjax.faces.pictures import Image, read_image

MARGINS = (0.2, 0.1, 0.0, -0.05, -0.1, -0.15)
SIZES = (112, 224, 640)
TURNS = (-8.0, 8.0)  # degrees


class Crop(NamedTuple):
    """A square picture of a face, its landmarks according to the whole photograph, and where the box of its face is."""

    image: Image
    points: Points
    box: FaceBox


def crop(photograph: Image, face: FoundFace, margin: float, size: int, degrees: float = 0.0) -> Crop:
    """The face's box and a margin around it, turned, as a picture of `size` x `size` pixels."""
    scale = size / (face.box.side * (1 + 2 * margin))
    x, y = (face.box.left + face.box.right) / 2, (face.box.top + face.box.bottom) / 2
    matrix = cv2.getRotationMatrix2D((x, y), degrees, scale)
    matrix[:, 2] += (size - 1) / 2 - np.array([x, y])
    soft = cv2.GaussianBlur(photograph, (0, 0), 0.5 * (max(1 / scale, 1) ** 2 - 1) ** 0.5 + 1e-6)
    image = cv2.warpAffine(soft, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    edge = round(margin * face.box.side * scale)
    points = face.points @ matrix[:, :2].T + matrix[:, 2]
    return Crop(image, points, FaceBox(edge, edge, size - 1 - edge, size - 1 - edge))


def found_again(cut: Crop, model: Path) -> FoundFace | None:
    """The face of a crop, at the lowest in the box that other pictures of a release would give."""
    padding = padding_of(*cut.image.shape[:2])
    return find_face(cut.image, model) or face_in_box(cut.image, cut.box, padding, model, "picture")


def error(points: Points, truth: Points) -> float:
    """Mean distance of points in distances of the eye centres."""
    return float(np.linalg.norm(points - truth, axis=1).mean() / inter_ocular_distance(truth))


def rows() -> Iterator[tuple[float, int, float]]:
    """(margin, size, degrees) of the table's rows."""
    for margin in MARGINS:
        for size in SIZES:
            yield margin, size, 0.0
    for margin in (0.0, -0.1):
        for degrees in TURNS:
            yield margin, 224, degrees


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tight_faces", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, metavar="DIR", help="folder of photographs, JPEG")
    folder, model = parser.parse_args().faces, find_model()
    photographs = [read_image(path) for path in sorted(folder.glob("*.jpg"))]
    known = [(image, face) for image in photographs if (face := find_face(image, model, "sure"))]
    print(f"{len(known)} of {len(photographs)} faces are found in the whole photographs")
    print(
        f"| margin | size | turned by | {' | '.join(step for step in STEPS if step != 'subject')} | none | median | 95 % |"
    )
    for margin, size, degrees in rows():
        cuts = [crop(image, face, margin, size, degrees) for image, face in known]
        found = [found_again(cut, model) for cut in cuts]
        steps = Counter(face.step if face else "none" for face in found)
        errors = [error(face.points, cut.points) for face, cut in zip(found, cuts, strict=True) if face]
        counts = " | ".join(str(steps[name]) for name in (*STEPS, "none") if name != "subject")
        middle, most = np.quantile(errors, [0.5, 0.95]) if errors else (np.nan, np.nan)
        print(f"| {margin:+.0%} | {size} | {degrees:+.0f}° | {counts} | {middle:.3f} | {most:.3f} |", flush=True)


if __name__ == "__main__":
    main()
