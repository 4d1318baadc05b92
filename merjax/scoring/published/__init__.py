"""Published scores: what the paper printed, and what the authors of its baselines did."""
