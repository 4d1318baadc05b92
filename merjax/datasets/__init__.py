"""Readers of licensed releases: what they say about their clips, without touching a pixel."""

from merjax.datasets.casme1 import read_casme1
from merjax.datasets.casme2 import read_casme2
from merjax.datasets.clip import DATABASES, Clip, Database, Discrepancy, Release, index_of
from merjax.datasets.dfme import read_dfme
from merjax.datasets.mmew import read_mmew
from merjax.datasets.samm import read_samm
from merjax.datasets.smic import read_smic

__all__ = [
    "DATABASES",
    "Clip",
    "Database",
    "Discrepancy",
    "Release",
    "index_of",
    "read_casme1",
    "read_casme2",
    "read_dfme",
    "read_mmew",
    "read_samm",
    "read_smic",
]
