"""All published tables by their names in sweep files: `published: table7`."""

from merjax.scoring.published.baselines import BASELINES, FURTHER, LATER
from merjax.scoring.published.paper import PAPER
from merjax.scoring.published.rows import PublishedTable
from merjax.system.errors import MerjaxError, meant

TABLES: dict[str, PublishedTable] = {
    **PAPER,
    "table8": PAPER["table8"]._replace(rows=(*PAPER["table8"].rows, *FURTHER)),
    **BASELINES,
    **LATER,
}


def refuse_unknown_rows(table: str, methods: dict[str, str], source: str) -> None:
    """Refuse a table that is not known, and methods that it does not hold.

    Args:
        table: name of a table, or "" for none.
        methods: by trial, the method whose row is shown beside it; "" for none.
        source: the file, named at the beginning of messages.

    Raises:
        MerjaxError: a name is unknown; the message lists the known ones and says which one may be meant.
    """
    if table and table not in TABLES:
        raise MerjaxError(
            f"{source}: there is no published table `{table}`, only {', '.join(TABLES)}{meant(table, TABLES)}"
        )
    for trial, method in methods.items():
        if method and not table:
            raise MerjaxError(
                f"{source}: trial {trial} says published: {method}, but the file names no table; write `published: table7` "
                f"(or any of {', '.join(TABLES)}) beside `trials`"
            )
        if method and method not in (known := TABLES[table].methods):
            raise MerjaxError(
                f"{source}: trial {trial}: {TABLES[table].called} has no row `{method}`, only {', '.join(known)}"
                f"{meant(method, known)}"
            )


# Plans of merjax 0.1.0 name no table. For the sweep files that it shipped, this gives the table by the sweep's name and the row
# by the trial's name, so the reports of such folders show their tables as before. Reports of other old folders show none.
_PROPOSED = {"proposed method": "Our proposed method"}
_SHIPPED: dict[str, tuple[str, dict[str, str]]] = {
    "table5_regions": ("table5", {name: name for name in PAPER["table5"].methods}),
    "table6_cnn": ("table6", {"proposed model": "proposed model", "simple CNN": "Simple CNN"}),
    "table7_loss": ("table7", {"cross-entropy": "CE", "focal, alpha 1/2": "Focal Loss (alpha 1/2, gamma 2)"}),
    "table8_megc": (
        "table8",
        {
            **_PROPOSED,
            "LBP-TOP": "LBP-TOP [39]",
            "Bi-WOOF": "Bi-WOOF [28]",
            "OFF-ApexNet": "OFF-ApexNet [17]",
            "STSTNet": "Liong et al. [27]",
            "Dual-Inception": "Zhou et al. [52]",
            "RCN-A": "RCN-A",
        },
    ),
    "table9_au5": ("table9", {**_PROPOSED, "LBP-TOP": "LBP-TOP", "HOOF": "HOOF"}),
    "table10_megc_loso": ("table10", _PROPOSED),
    "table11_au5_loso": ("table11", _PROPOSED),
    "table12_megc_cross_database": ("table12", {"proposed method": "proposed method"}),
    "table13_au5_cross_database": ("table13", {"proposed method": "proposed method"}),
    **{name: (name, {table.methods[0]: table.methods[0]}) for name, table in BASELINES.items()},
}


def published_before(sweep: str) -> tuple[str, dict[str, str]]:
    """The table and the rows by trial for a sweep that was planned before sweep files named them, if its file was shipped."""
    return _SHIPPED.get(sweep.removesuffix("-small"), ("", {}))
