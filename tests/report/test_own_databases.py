"""A report on a user's own recordings under a label scheme of their own, of which nothing is published."""

import pandas as pd
import pytest
from support.fake_runs import fake_clips, write_fake_run
from support.undrawn import draw_nothing

from merjax.report.figures import _colours_of
from merjax.report.files import make_report
from merjax.report.texts import data_text
from merjax.sweeps.result import open_sweep

CLASSES = ("smiling", "other")
CLIPS = fake_clips({"own": (6, 5), "lab_2": (4, 4), "casme2": (3, 3)}, {"own": 3, "lab_2": 3, "casme2": 2})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_fake_run(
        tmp_path_factory.mktemp("runs") / "own",
        clips=CLIPS,
        data={"protocol": "lab 3f2a", "classes": CLASSES},
        settings={"data.protocol": "lab.yaml"},
    )


def test_tables_and_page_show_own_databases_by_their_names(folder):
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        page = make_report(folder, crops=False)
    scores = pd.read_csv(page.parent / "scores.csv")
    assert set(scores["part"]) == {"together", "casme2", "lab_2", "own"}
    assert scores.groupby("part")["clips"].first().to_dict() == {"together": 25, "casme2": 6, "lab_2": 8, "own": 11}
    text = page.read_text()
    assert "own data" in text
    assert "lab 3f2a" in text


def test_no_published_count_stands_beside_those_of_a_users_own(folder):
    table = data_text(open_sweep(folder).entries[0])
    assert table.columns == ("database", "clips", "subjects", *CLASSES)
    assert table.rows == (
        ("CASME II", "6 / –", "2 / –", "3 / –", "3 / –"),
        ("lab_2", "8 / –", "3 / –", "4 / –", "4 / –"),
        ("own data", "11 / –", "3 / –", "6 / –", "5 / –"),
        ("all", "25 / –", "8 / –", "13 / –", "12 / –"),
    )


def test_databases_of_a_figure_have_a_colour_each_and_the_papers_keep_theirs():
    """Nine databases and a user's own are more than there are colours."""
    shown = _colours_of(["own", "casme2", "dfme", "lab_2", "mmew"])
    assert len(set(shown.values())) == len(shown) == 7
    assert {name: shown[name] for name in ("smic", "casme2", "samm")} == _colours_of(["casme2"])
