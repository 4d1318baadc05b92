"""Faces that fill their pictures are found, and their landmarks are those of the whole photograph."""

import numpy as np
import pytest
from support.places import LONDON

from benchmarks.tight_faces import crop, error, found_again
from merjax.faces.landmarks import find_face, find_model
from merjax.faces.pictures import read_image

pytestmark = pytest.mark.skipif(not LONDON.is_dir(), reason=f"the London faces are not at {LONDON}")


@pytest.fixture(scope="module")
def known():
    model = find_model()
    photographs = (read_image(path) for path in sorted(LONDON.glob("*.jpg")))
    return [(image, find_face(image, model, "sure")) for image in photographs]


@pytest.mark.long
@pytest.mark.parametrize(("margin", "size", "degrees"), [(0.0, 112, 0), (0.0, 224, 8), (-0.1, 224, -8)])
def test_all_102_are_found_at_the_margins_of_the_public_crops_and_tighter(known, margin, size, degrees):
    """Their pictures end where the detector's box of the face does; a tenth of the box less at each edge cuts into the chin."""
    model, errors = find_model(), []
    for image, face in known:
        cut = crop(image, face, margin, size, degrees)
        found = found_again(cut, model)
        assert found is not None
        errors.append(error(found.points, cut.points))
    assert len(errors) == 102
    assert np.median(errors) < (0.03 if margin == 0 else 0.05)
    assert np.quantile(errors, 0.95) < (0.05 if margin == 0 else 0.08)
