"""Scores of spotting: which found intervals of long videos are expressions, and which expressions were missed."""
