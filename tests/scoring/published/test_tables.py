"""The published numbers: complete, in agreement with themselves, and found by the names that sweep files give."""

import json

import numpy as np
import pytest
from support.fake_runs import write_fake_run
from support.places import CHECKOUT

from merjax.protocols import SCHEMES
from merjax.scoring.parts import Part
from merjax.scoring.published.baselines import LATER
from merjax.scoring.published.paper import PAPER
from merjax.scoring.published.tables import TABLES, published_before
from merjax.sweeps.plan import NotRun
from merjax.sweeps.result import open_sweep
from merjax.sweeps.sweep_file import make_sweep, read_sweep
from merjax.system.errors import MerjaxError

LATER_FILES = ("rcn_a_merjax",)  # that a later merjax ships, beside those that "authors" names and those of `LATER`
SHIPPED = sorted((CHECKOUT / "sweeps").glob("*.yaml"))


def test_tables_5_to_13_are_there_with_as_many_rows_as_printed():
    rows = {5: 4, 6: 2, 7: 2, 8: 12 * 4, 9: 4 * 3 + 2, 10: 4, 11: 3, 12: 9, 13: 2}
    assert {name: len(table.rows) for name, table in PAPER.items()} == {f"table{n}": many for n, many in rows.items()}
    for table in PAPER.values():
        assert table.protocol in SCHEMES
        for row in table.rows:
            assert row.scores
            assert all(0 < score <= 1 for score in row.scores.values())


def test_the_paper_agrees_with_itself_where_it_prints_a_number_twice():
    def ours(number):
        return {row.part: row.scores for row in PAPER[f"table{number}"].rows if "proposed" in row.method.lower()}

    assert ours(8) == ours(10)
    assert ours(9) == ours(11)


def test_no_uf1_below_37_goes_with_lbp_tops_uar_on_smic():
    """The footnote's claim, by search over recalls and over where the errors go."""
    clips_K = np.array([70, 51, 43.0])
    rng = np.random.default_rng(0)
    recall_Nx3 = rng.dirichlet(np.ones(3), 200_000) * 3 * 0.528
    recall_Nx3 = recall_Nx3[(recall_Nx3 <= 1).all(1)]
    hits_Nx3, first_Nx3 = recall_Nx3 * clips_K, rng.random(recall_Nx3.shape).round(1)
    misses_Nx3 = clips_K - hits_Nx3
    predicted_Nx3 = (
        hits_Nx3 + np.roll(misses_Nx3 * first_Nx3, 1, axis=1) + np.roll(misses_Nx3 * (1 - first_Nx3), 2, axis=1)
    )
    uf1_N = (2 * hits_Nx3 / (clips_K + predicted_Nx3)).mean(1)
    assert 0.37 < uf1_N.min() < 0.40


def test_a_row_is_found_by_its_method_and_part():
    assert TABLES["table5"].row("whole face", Part("FULL")).scores == {"UF1": 0.84, "UAR": 0.84, "accuracy": 0.85}
    assert TABLES["table10"].row("Our proposed method", Part("casme2")).scores == {"UF1": 0.98, "UAR": 0.98}
    (across,) = (row for row in TABLES["table12"].rows if row.part.title == "SAMM → SMIC-HS")
    assert across.scores == {"UF1": 0.76, "accuracy": 0.75}
    assert TABLES["table5"].row("only mouth", Part("FULL")) is None
    assert TABLES["table5"].row("whole face", Part("smic")) is None


def test_a_published_row_is_no_setting_and_part_of_no_identity():
    content = {"trials": {"ce": {"loss.gamma": 0}, "focal": {"loss.gamma": 2}}}
    plain = make_sweep(content, "mine")
    content["trials"]["ce"] = {"loss.gamma": 0, "published": "CE"}
    named = make_sweep(content | {"published": "table7"}, "mine")
    assert (named.published, [trial.published for trial in named.trials]) == ("table7", ["CE", ""])
    assert [trial._replace(published="") for trial in named.trials] == list(plain.trials)
    along = make_sweep(content | {"published": "table7", "axes": {"seed_of_nothing": []}} | {"axes": {}}, "mine")
    assert along.trials == named.trials
    times = make_sweep(content | {"published": "table7", "axes": {"spatial.epochs": [1, 2]}}, "mine")
    assert [trial.published for trial in times.trials] == ["CE", "CE", "", ""]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"published": "tabel7"}, "mine.yaml: there is no published table `tabel7`, only table5, table6"),
        ({"published": "tabel7"}, "leaderboard; did you mean table7"),
        ({"published": "mine"}, "no published table `mine`, only table5, table6"),
        (
            {"published": "table8", "trials": {"a": {"published": "LBP TOP"}}},
            "trial a: Table 8 of the paper has no row `LBP TOP`, only LBP-TOP [39], Bi-WOOF",
        ),
        (
            {"published": "table8", "trials": {"a": {"published": "LBP TOP"}}},
            "STSTNet, PyTorch port; did you mean LBP-TOP [39]?",
        ),
        ({"trials": {"a": {"published": "CE"}}}, "trial a says published: CE, but the file names no table; write"),
    ],
)
def test_a_misspelt_table_or_row_is_refused_when_the_file_is_read(content, sentence):
    with pytest.raises(MerjaxError) as raised:
        make_sweep(content, "mine", source="mine.yaml")
    assert sentence in str(raised.value)


def test_the_shipped_files_name_what_plans_of_before_were_known_by():
    """A folder that an earlier merjax wrote from a shipped file shows the table and the rows that the file names today."""
    named = {}
    for path in SHIPPED:
        sweep = read_sweep(path)
        rows = {trial.name: trial.published for trial in sweep.trials if trial.published}
        named |= {sweep.name: sweep.published} if sweep.published else {}
        if published_before(sweep.name) == ("", {}) and (sweep.name in LATER or sweep.name in LATER_FILES):
            continue
        if "authors" in path.stem:
            continue
        assert published_before(sweep.name) == (sweep.published, rows)
        assert published_before(f"{sweep.name}-small") == (sweep.published, rows)
    assert set(named.values()) == set(TABLES)
    assert published_before("my_table5") == ("", {})


def test_an_old_plan_is_read_with_the_table_of_its_name_and_a_new_one_with_its_own(tmp_path):
    folder = write_fake_run(tmp_path / "r", name="table7_loss", skills={"cross-entropy": 0.5, "mine": 0.4})
    path = folder / "plan.json"
    plan = json.loads(path.read_text()) | {"not_run": [{"trial": "focal, alpha 1/2", "reason": "none"}]}
    assert open_sweep(folder).plan.published == ""
    del plan["published"]
    for trial in plan["trials"]:
        del trial["published"]
    path.write_text(json.dumps(plan))
    old = open_sweep(folder).plan
    assert old.published == "table7"
    assert [trial.published for trial in old.trials] == ["CE", ""]
    assert old.not_run == (NotRun("focal, alpha 1/2", "none", "Focal Loss (alpha 1/2, gamma 2)"),)


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.stem.startswith("table")], ids=lambda path: path.stem
)
def test_the_header_of_a_table_names_the_published_numbers_and_the_audit(path):
    header = path.read_text().partition("# Published: ")[2].partition("# Score:")[0]
    sweep = read_sweep(path)
    table = TABLES[sweep.published]
    across = sweep.published in ("table12", "table13")
    for trial in sweep.trials:
        rows = [row for row in table.rows if row.method == trial.published and row.where == "paper"]
        for row in rows if sweep.published != "table12" else []:
            if trial.config.method != "local_regions" and row.part != Part("FULL"):
                continue
            assert f"{row.scores['UF1']:.2f}"[1:] in header, (trial.name, row.part)
    about = path.read_text() if "authors" in path.stem else header
    assert "docs/audit.md" in about
    notes = " ".join(table.notes)
    assert "docs/audit.md" in notes
    assert ("can only be reproduced with that leak" in notes) != across
