"""Published scores: those that the paper printed, and those that the authors of its baselines printed."""
