"""`merjax check`: prints counts of releases beside the published ones, and makes nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merjax.cli.long_videos import add_video_flags, asks_for_videos, print_long_videos, read_long_videos
from merjax.cli.parser import Parser
from merjax.cli.releases import add_release_flags, read_releases
from merjax.system.at_work import at_work
from merjax.system.console import TextConsole
from merjax.system.errors import command

if TYPE_CHECKING:
    from merjax.datasets.clip import Release

_ABOUT = """\
Compare what releases of the databases below hold with what was published: counts per database and protocol, and every
discrepancy between sheets and folders. It opens no image and makes nothing."""

_EPILOG = """\
examples:
  merjax check --casme2 /data/CASME2 --samm /data/SAMM --smic /data/SMIC_all_raw
        is the composite of all three complete?
  merjax check --samm /data/SAMM --samm-annotations SAMM_Micro_FACS_Codes_v2.xlsx
        a sheet in another place
  merjax check --casme2 /data/CASME2 --audit-aus
        also list the clips whose objective class is not the one that the rule of action units gives
  merjax check --samm /data/SAMM --overrides corrections.yaml
        with corrections of annotated rows (`merjax prepare --help` shows such a file)
  merjax check --videos --casme-squared /data/CASME_squared
        whole recordings, for spotting: how many videos and expressions are there?

If all counts are right, `merjax prepare` with the same flags and --out STORE makes the clip store.
"""


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; without `argv`, the process's own."""
    asked = _parser().read(argv)
    if asks_for_videos(asked):
        videos, releases = read_long_videos(asked)
        if releases:
            _print_counts(releases, audit=asked.audit_aus)
        print_long_videos(videos, TextConsole())
    else:
        _print_counts(read_releases(asked), audit=asked.audit_aus)


def _print_counts(releases: "Sequence[Release]", *, audit: bool) -> None:
    from merjax.cli.completeness import print_audit, print_completeness
    from merjax.datasets import index_of
    from merjax.protocols.completeness import check_releases

    console = TextConsole()
    with at_work("counting the clips of", ", ".join(release.database for release in releases)):
        print_completeness(check_releases(releases), console)
        if audit:
            print_audit(index_of([clip for release in releases for clip in release.clips]), console)


def _parser() -> Parser:
    parser = Parser("merjax check", _ABOUT, _EPILOG)
    add_release_flags(parser)
    add_video_flags(parser)
    parser.add_argument(
        "--audit-aus",
        action="store_true",
        help="also list the clips whose objective class is not the one that the rule of action units gives",
    )
    return parser


def release_words(argv: Sequence[str]) -> list[str]:
    """The words of a line that `merjax check` takes; it replaces `merjax prepare --check`."""
    _, unknown = _parser().parse_known_args(argv)
    kept = list(argv)
    for word in unknown:
        kept.remove(word)
    return kept
