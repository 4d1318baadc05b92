"""Readers of licensed releases: what they say about their clips, without touching a pixel."""

from merjax.datasets.casme1 import read_casme1
from merjax.datasets.casme2 import read_casme2
from merjax.datasets.casme3 import read_casme3
from merjax.datasets.casme_squared import read_casme_squared
from merjax.datasets.clip import DATABASES, Clip, Database, Discrepancy, Release, index_of
from merjax.datasets.dfme import read_dfme
from merjax.datasets.mmew import read_mmew
from merjax.datasets.own import read_own
from merjax.datasets.samm import read_samm
from merjax.datasets.samm_long import read_samm_long
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
    "read_casme3",
    "read_casme_squared",
    "read_dfme",
    "read_mmew",
    "read_own",
    "read_samm",
    "read_samm_long",
    "read_smic",
]
