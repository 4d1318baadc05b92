"""Turns predictions into scores, with their uncertainty over subjects."""
