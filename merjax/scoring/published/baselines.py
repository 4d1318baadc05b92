"""Scores from the baselines' own papers and ports, to four digits, for sweeps that repeat one of them.

The paper's Table 8 has most of these scores too, cut after two digits; RCN-A and the port of STSTNet are not in it.
"""

from merjax.scoring.parts import Part
from merjax.scoring.published.paper import STSTNET
from merjax.scoring.published.rows import PublishedRow, PublishedTable

_PARTS = ("FULL", "smic", "casme2", "samm")
_UNCHECKED = "Noted from memory of the article and not checked against it."
_PORT = "STSTNet's PyTorch port, as it reports itself, on FULL alone and without an interval."


_LAST = "last epoch"


def _rows(
    method: str, where: str, scores: tuple[float, ...], notes: tuple[str, ...], chosen: str = _LAST
) -> tuple[PublishedRow, ...]:
    """Rows of UF1 and UAR, which alternate in `scores`, for as many parts as there are pairs."""
    return tuple(
        PublishedRow(
            method, Part(part), dict(zip(("UF1", "UAR"), scores[2 * i : 2 * i + 2], strict=True)), notes, where, chosen
        )
        for i, part in enumerate(_PARTS[: len(scores) // 2])
    )


def _table(*rows: PublishedRow, caption: str = "", protocol: str = "megc3") -> PublishedTable:
    caption = caption or f"{rows[0].method} with leave-one-subject-out on MEGC 2019"
    return PublishedTable("published scores", caption, protocol, rows)


_RCN = _rows(
    "RCN-A",
    "Xia et al. 2020",
    (0.7432, 0.7190, 0.6326, 0.6441, 0.8512, 0.8123, 0.7601, 0.6715),
    (f"RCN-A, Xia et al. 2020. {_UNCHECKED}",),
)
_RCN_F = _rows(
    "RCN-F",
    "Xia et al. 2020",
    (0.7052, 0.7164),
    (f"RCN-F, Xia et al. 2020. {_UNCHECKED} The published code of RCN-F cannot be constructed.",),
    "last epoch, of other code",
)
_ORACLE = (
    "HTNet's scores are oracles: its code keeps, for each held-out subject, the predictions of the best of 800 epochs on that "
    "subject. Its own log of predictions gives the second row; the third is what a user of it reports, most likely after the "
    "last epoch."
)
_BEST = "best of 800 epochs for each held-out subject, on that subject"
_SSSNET = (
    "SSSNet as the MEB repository reports it, one seed: 262 clips of CASME II and SAMM whose classes were predicted from "
    "action units, so not quite the 253 clips here."
)
_STSTNET_PORT = _rows("STSTNet, PyTorch port", "as it reports itself", (0.7209, 0.7250), (_PORT,))

FURTHER = (*_RCN, *_STSTNET_PORT)  # rows that Table 8 lacks

BASELINES: dict[str, PublishedTable] = {
    "ststnet": _table(
        *_rows(
            "STSTNet",
            "Liong et al. 2019, UAR corrected",
            (0.7353, 0.7186, 0.6801, 0.6703, 0.8382, 0.8190, 0.6588, 0.6415),
            (STSTNET,),
        ),
        *_STSTNET_PORT,
    ),
    "off_apexnet": _table(
        *_rows(
            "OFF-ApexNet",
            "Gan et al. 2019, on MEGC 2019",
            (0.7196, 0.7096, 0.6817, 0.6695, 0.8764, 0.8681, 0.5409, 0.5392),
            (f"OFF-ApexNet's UAR on SAMM: {_UNCHECKED[0].lower()}{_UNCHECKED[1:]}",),
        )
    ),
    "dual_inception": _table(
        *_rows(
            "Dual-Inception",
            "Zhou et al. 2019",
            (0.7322, 0.7278, 0.6645, 0.6726, 0.8621, 0.8560, 0.5868, 0.5663),
            (
                f"Dual-Inception, Zhou et al. 2019. Scores on the databases' parts: {_UNCHECKED[0].lower()}{_UNCHECKED[1:]}",
            ),
        )
    ),
    "rcn_a": _table(*_RCN),
}

LATER: dict[str, PublishedTable] = {  # of sweep files that merjax 0.1.0 did not have
    "rcn_family": _table(*_RCN, *_RCN_F, caption="the RCN family with leave-one-subject-out on MEGC 2019"),
    "htnet": _table(
        *_rows(
            "HTNet",
            "Wang et al. 2024, oracle",
            (0.8603, 0.8475, 0.8049, 0.7905, 0.9532, 0.9516, 0.8131, 0.8124),
            (_ORACLE,),
            _BEST,
        ),
        *_rows(
            "HTNet, its log",
            "its log of predictions, oracle",
            (0.8313, 0.8175, 0.7691, 0.7620, 0.9367, 0.9242, 0.7870, 0.7590),
            (_ORACLE,),
            _BEST,
        ),
        *_rows("HTNet, a user", "a user of its code", (0.6484, 0.6456), (_ORACLE,), "most likely the last epoch"),
    ),
    "sssnet": _table(
        PublishedRow("SSSNet", Part("FULL"), {"UF1": 0.6983}, (_SSSNET,), "MEB", _LAST),
        caption="SSSNet with leave-one-subject-out on five classes of action units",
        protocol="au5",
    ),
    "inception_cbam": _table(
        *_rows(
            "IncepTR",
            "Zhou et al. 2023",
            (0.753, 0.746, 0.656, 0.655, 0.911, 0.896, 0.691, 0.694),
            (
                "IncepTR has a transformer beside the branch that merjax trains. Scores on the databases' parts: "
                f"{_UNCHECKED[0].lower()}{_UNCHECKED[1:]} Two clips of SAMM have exchanged labels in its lists.",
            ),
            "last epoch, with a transformer beside it",
        ),
        *_rows(
            "Dual-ATME",
            "Zhou et al. 2023",
            (0.679, 0.666),
            (
                "Dual-ATME's second branch sees a picture put together from regions of interest, which merjax does not have. "
                f"{_UNCHECKED} Two clips of SAMM have exchanged labels in its lists.",
            ),
        ),
        caption="Inception networks with CBAM with leave-one-subject-out on MEGC 2019",
    ),
}

LATER["leaderboard"] = _table(
    *(
        row
        for table in (*BASELINES.values(), LATER["htnet"], LATER["inception_cbam"])
        for row in (*table.rows, *(_RCN_F if table is BASELINES["rcn_a"] else ()))
    ),
    caption="networks with leave-one-subject-out on MEGC 2019",
)
