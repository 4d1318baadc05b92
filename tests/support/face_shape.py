"""A face of 68 points, drawn from a few curves."""

import numpy as np


def face_points(d: float = 105.0, x: float = 300.0, y: float = 250.0) -> np.ndarray:
    """A schematic, symmetric face: 68 points in the order of iBUG 300-W."""
    right_half = np.zeros((68, 2))
    angle = np.linspace(np.pi, 0, 17)
    right_half[:17] = np.stack([1.1 * np.cos(angle), 0.3 + 1.2 * np.sin(angle)], 1)
    right_half[17:22] = np.stack([np.linspace(-0.85, -0.2, 5), -0.3 - 0.1 * np.sin(np.linspace(0, np.pi, 5))], 1)
    right_half[22:27] = right_half[17:22][::-1] * [-1, 1]
    right_half[27:31] = np.stack([np.zeros(4), np.linspace(0, 0.5, 4)], 1)
    right_half[31:36] = np.stack([np.linspace(-0.2, 0.2, 5), np.full(5, 0.6)], 1)
    eye = np.array([[-0.2, 0], [-0.07, -0.08], [0.07, -0.08], [0.2, 0], [0.07, 0.08], [-0.07, 0.08]])
    right_half[36:42], right_half[42:48] = eye + [-0.5, 0], eye + [0.5, 0]
    for places, size in ((slice(48, 60), 0.4), (slice(60, 68), 0.3)):
        ring = np.linspace(0, 2 * np.pi, places.stop - places.start, endpoint=False)
        right_half[places] = np.stack([-size * np.cos(ring), 0.95 - 0.4 * size * np.sin(ring)], 1)
    return right_half * d + [x, y]
