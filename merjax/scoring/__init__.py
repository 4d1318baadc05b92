"""Predictions to scores, with their uncertainty over subjects."""
