"""The flag that names the features of a store, and the answer to the flags of earlier versions that it replaces."""

import argparse

from merjax.cli.parser import Parser, positive
from merjax.system.errors import MerjaxError

EXAMPLES = """\
  merjax prepare --casme2 /data/CASME2 --features flow28,motion --out stores/casme2
        crops, a flow image of each clip for the networks that read it, and the motion of every frame (data.input: flow)
  merjax prepare --features flow64,dynamic --out stores/casme2
        adds to a store that exists; nothing is cut again
"""


def add_feature_flag(parser: Parser) -> None:
    """Add `--features`, and the flags of earlier versions, hidden."""
    group = parser.add_argument_group("features")
    group.add_argument("--features", metavar="NAMES", help="what else the store holds, by names with commas between them."
        " flow28, flow64, flow112 or another size: a picture of each clip's motion (u, v and optical strain of the face) from"
        " the onset to the apex, or to the middle frame if the release gives no apex. mosaic: four crops of flow28, for HTNet."
        " dynamic: all frames of a clip in one picture. motion: u, v and strain of each crop from the onset to every frame, for"
        " data.input: flow; this takes three times the crops' size on disk (200 KB per frame, 6 GB for 30,000) and 25 ms per"
        " frame and core. Settings follow a name: flow28:mid goes always to the middle frame, flow28:tvl1 takes TV-L1, which"
        " needs OpenCV's contrib modules, dynamic:learnet the weights of LEARNet's code. Without a release, they are added to"
        " the store at --out")  # fmt: skip
    group.add_argument("--flow", nargs="?", const="apex", choices=("apex", "mid", "every"), help=argparse.SUPPRESS)
    group.add_argument("--flow-algorithm", choices=("dis", "tvl1"), help=argparse.SUPPRESS)
    group.add_argument("--flow-size", type=positive, help=argparse.SUPPRESS)


def features_asked(asked: argparse.Namespace) -> list[str]:
    """The features that a command line asks for, each a name with its settings.

    Raises:
        MerjaxError: the line has a flag of earlier versions; the message says what to write.
    """
    if asked.flow or asked.flow_algorithm or asked.flow_size:
        settings = (":mid" if asked.flow == "mid" else "") + (":tvl1" if asked.flow_algorithm == "tvl1" else "")
        motion = ",motion" + (":tvl1" if asked.flow_algorithm == "tvl1" else "") if asked.flow == "every" else ""
        words = f"flow{asked.flow_size or 28}{settings}{motion}"
        raise MerjaxError(f"--flow, --flow-algorithm and --flow-size are now features; write: --features {words}")
    return [] if asked.features is None else asked.features.split(",")
