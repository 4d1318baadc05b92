"""Readers of licensed releases: what they say about their clips, without touching a pixel."""

from merjax.datasets.casme2 import read_casme2
from merjax.datasets.clip import DATABASES, Clip, Database, Discrepancy, Release, index_of
from merjax.datasets.samm import read_samm
from merjax.datasets.smic import read_smic

__all__ = [
    "DATABASES",
    "Clip",
    "Database",
    "Discrepancy",
    "Release",
    "index_of",
    "read_casme2",
    "read_samm",
    "read_smic",
]
