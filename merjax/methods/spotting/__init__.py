"""Spotters that need no training: from the motion of a face over time to the intervals of its expressions."""
