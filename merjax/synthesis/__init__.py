"""Makes labelled clips and long videos from portraits, in a database's own layout; nothing here says anything about people."""

from merjax.synthesis.long_release import synthesize_long_videos
from merjax.synthesis.long_scripts import LongPlan
from merjax.synthesis.portraits import default_portraits
from merjax.synthesis.release import MARKER, synthesize_release
from merjax.synthesis.rendering import Camera

__all__ = ["MARKER", "Camera", "LongPlan", "default_portraits", "synthesize_long_videos", "synthesize_release"]
