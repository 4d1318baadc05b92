"""What clips are recognised as, and how they are split into training and test."""

from merjax.protocols.action_units import audit_aus, objective_class_from_aus
from merjax.protocols.folds import Fold, FoldId, assert_disjoint, make_folds, split_hash
from merjax.protocols.labels import LabelledClips, label_clips
from merjax.protocols.own_schemes import read_scheme, scheme_of
from merjax.protocols.schemes import SCHEMES, LabelScheme, scheme_named

__all__ = [
    "SCHEMES",
    "Fold",
    "FoldId",
    "LabelScheme",
    "LabelledClips",
    "assert_disjoint",
    "audit_aus",
    "label_clips",
    "make_folds",
    "objective_class_from_aus",
    "read_scheme",
    "scheme_named",
    "scheme_of",
    "split_hash",
]
