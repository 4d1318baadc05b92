"""Carries out a sweep: processes that take chunks, train them and report their progress."""
