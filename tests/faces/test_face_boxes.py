"""The detector is asked about pictures of any shape."""

import numpy as np
import pytest

from merjax.faces.face_boxes import faint_boxes, sure_boxes


@pytest.mark.parametrize("shape", [(3, 2000), (1, 640), (640, 1), (1, 1)])
def test_strips_show_no_face_and_stop_nothing(shape):
    strip = np.zeros(shape, np.uint8)
    assert [boxes for way in (sure_boxes, faint_boxes) for _, boxes in way(strip) if boxes] == []
