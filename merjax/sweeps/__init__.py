"""What a sweep asks for, and its files on disk; `sweeps.running` does the work."""
