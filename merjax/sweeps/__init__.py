"""What a sweep asks for, and what of it lies on disk; `sweeps.running` does the work."""
