"""How each database's release lies on disk."""

from merjax.synthesis.clip_layouts import CASME1, CASME2, DFME, MMEW, SAMM, SMIC
from merjax.synthesis.recording_layouts import CASME3, CASME_SQUARED, SAMM_LONG
from merjax.synthesis.release_layout import LayoutName, ReleaseLayout

LAYOUTS: dict[LayoutName, ReleaseLayout] = {
    layout.name: layout for layout in (CASME2, SAMM, SMIC, CASME_SQUARED, CASME3, SAMM_LONG, CASME1, MMEW, DFME)
}
