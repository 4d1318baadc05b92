"""The paper's numbers: complete, matched by name, and never shown as comparable when they are not."""

import numpy as np
import pytest
from support.fake_runs import megc_clips, small_clips, write_fake_run
from support.places import CHECKOUT

from merjax.protocols import SCHEMES
from merjax.report.comparison import compare
from merjax.report.published.beside import published_texts
from merjax.report.published.peers import PEERS
from merjax.report.published.tables import TABLES, row_of, table_of
from merjax.report.section import Section
from merjax.sweeps.result import read_run
from merjax.sweeps.sweep_file import read_sweep


def text_of(folder):
    run = read_run(folder)
    return published_texts(Section(compare([run])[0]), run)


def test_tables_5_to_13_are_there_with_as_many_rows_as_printed():
    assert {n: len(table.rows) for n, table in TABLES.items()} == {
        **{5: 4, 6: 2, 7: 2, 8: 12 * 4, 9: 4 * 3 + 2, 10: 4, 11: 3, 12: 9, 13: 2}
    }
    for table in TABLES.values():
        assert table.protocol in SCHEMES
        for row in table.rows:
            assert row.scores
            assert all(0 < score <= 1 for score in row.scores.values())


def test_the_paper_agrees_with_itself_where_it_prints_a_number_twice():
    def ours(number):
        return {row.part: row.scores for row in TABLES[number].rows if "proposed" in row.method.lower()}

    assert ours(8) == ours(10)
    assert ours(9) == ours(11)


def test_sweeps_find_their_table_by_name():
    assert table_of("table5_regions").number == 5
    assert table_of("table12-cross").number == 12
    assert table_of("Table_07").number == 7
    for name in ("quickstart", "table1_regions", "table50", "my_table5"):
        assert table_of(name) is None


def test_trials_find_their_row_by_name_in_any_spelling():
    assert row_of(TABLES[5], "whole_face", "FULL").scores == {"UF1": 0.84, "UAR": 0.84, "accuracy": 0.85}
    assert row_of(TABLES[5], "No cheeks", "FULL").method == "no cheeks"
    assert row_of(TABLES[7], "cross-entropy", "FULL").scores["accuracy"] == 0.91
    assert row_of(TABLES[10], "base", "casme2").scores == {"UF1": 0.98, "UAR": 0.98}
    assert row_of(TABLES[12], "base", "samm->smic").scores == {"UF1": 0.76, "accuracy": 0.75}
    assert row_of(TABLES[5], "only mouth", "FULL") is None
    assert row_of(TABLES[5], "whole face", "smic") is None


def test_sststnets_uar_and_lbp_tops_pair_carry_their_corrections(tmp_path):
    folder = write_fake_run(tmp_path / "r", name="table8_megc", clips=megc_clips(), skills={"base": 0.6}, chunk_runs=80)
    (table,) = text_of(folder)
    row = next(row for row in table.rows if row[0].startswith("Liong et al. [27]") and row[0].endswith("on FULL"))
    mark = row[0].split("(paper) ")[1].split(" ")[0]
    note = next(note for note in table.notes if note.startswith(mark))
    assert "macro-precision" in note
    assert ".7186/.6703/.8190/.6415" in note
    assert any("cannot both hold" in note for note in table.notes)


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


def test_real_full_scores_stand_beside_the_printed_ones(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        name="table5_regions",
        clips=megc_clips(),
        skills={"all regions": 0.7, "mine": 0.5},
        chunk_runs=80,
    )
    (table,) = text_of(folder)
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["all regions"][1::2] == ("0.89", "0.89", "0.92")
    assert cells["mine"][1::2] == ("–", "–", "–")
    assert cells["no nose (paper)"] == ("", "0.85", "", "0.84", "", "0.91")
    assert not any("NOT COMPARABLE" in note for note in table.notes)


@pytest.mark.parametrize(
    ("databases", "data", "settings", "why"),
    [
        (("smic", "casme2", "samm"), {"statement": "Made up."}, {}, "these clips are synthetic"),
        (("casme2",), {"statement": "Made up."}, {}, "these clips are synthetic"),
        (("casme2",), {}, {}, "published on FULL, these are scores on CASME II"),
        (("smic", "casme2", "samm"), {}, {"data.folds": "group:5"}, "scores with folds group:5"),
    ],
)
def test_what_cannot_be_compared_says_so_first(tmp_path, databases, data, settings, why):
    folder = write_fake_run(
        tmp_path / "r", name="table7_loss", clips=small_clips(databases), data=data, settings=settings
    )
    (table,) = text_of(folder)
    assert table.notes[0].startswith("NOT COMPARABLE")
    assert why in table.notes[0]
    assert "Table 7 of the paper (NOT COMPARABLE)" in table.title
    assert [row[0] for row in table.rows] == ["focal", "cross-entropy"]


def test_rows_on_other_clips_than_the_protocols_are_not_comparable(tmp_path):
    """One clip of CASME II is missing: FULL and that part say so, the other parts do not."""
    clips = megc_clips()
    lost = clips.index[clips["database"] == "casme2"][3]
    folder = write_fake_run(
        tmp_path / "r", name="table10_megc_loso", clips=clips.drop(index=lost).reset_index(drop=True),
        skills={"base": 0.6}, chunk_runs=80,
    )  # fmt: skip
    (table,) = text_of(folder)
    marked = {row[0].split(" on ")[-1]: "NOT COMPARABLE" in row[0] for row in table.rows}
    assert marked == {"FULL": True, "SMIC-HS": False, "CASME II": True, "SAMM": False}
    assert any("441/442 clips" in row[0] for row in table.rows)
    assert any("144/145 clips" in row[0] for row in table.rows)
    assert "(some rows NOT COMPARABLE)" in table.title


def test_partial_entries_are_not_comparable(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        name="table10_megc_loso",
        clips=megc_clips(),
        skills={"base": 0.6},
        chunk_runs=60,
        unfinished=(1,),
    )
    (table,) = text_of(folder)
    full = next(row[0] for row in table.rows if row[0].endswith("on FULL"))
    assert "NOT COMPARABLE" in full
    assert "60/68 subjects" in full


def test_across_databases_what_was_trained_on_counts_too(tmp_path):
    clips = megc_clips()
    clips = clips.drop(index=clips.index[clips["database"] == "casme2"][0]).reset_index(drop=True)
    folds = {
        "casme2->samm": (clips["database"] == "samm").to_numpy(),
        "casme2->smic": (clips["database"] == "smic").to_numpy(),
    }
    folder = write_fake_run(tmp_path / "r", name="table12_x", clips=clips, folds=folds, skills={"base": 0.6})
    (table,) = text_of(folder)
    assert sum("441/442 clips of all folds" in row[0] for row in table.rows) == 2


def test_changed_settings_are_told(tmp_path):
    runs = {"plain": {}, "changed": {"spatial": {"epochs": 2}, "data": {"frames": "count:3"}}}
    told = {}
    for name, settings in runs.items():
        folder = write_fake_run(
            tmp_path / name, name="table7_loss", clips=megc_clips(), settings=settings, chunk_runs=200
        )
        (table,) = text_of(folder)
        told[name] = next(note for note in table.notes if note.startswith("Settings beside what"))
    assert "follow the paper): none" in told["plain"]
    assert "focal and cross-entropy: data.frames count:3, spatial.epochs 2.0" in told["changed"]


@pytest.mark.parametrize("name", PEERS)
def test_a_peers_own_sweep_has_the_peers_own_scores_beside_it(name, tmp_path):
    sweep = read_sweep(CHECKOUT / "sweeps" / f"{name}.yaml")
    folder = write_fake_run(
        tmp_path / "r", name=sweep.name, clips=megc_clips(), skills={sweep.trials[0].name: 0.6}, chunk_runs=80
    )
    (table,) = text_of(folder)
    full = next(row for row in table.rows if row[0].startswith(sweep.trials[0].name) and row[0].endswith("on FULL"))
    assert full[2::2] == tuple(f"{score:.4f}" for score in PEERS[name].rows[0].scores.values())
    assert "NOT COMPARABLE" not in table.title
    if name == "ststnet":
        (port,) = (row for row in table.rows if row[0].startswith("STSTNet, PyTorch port"))
        assert port[2::2] == ("0.7209", "0.7250")
        assert any("as it reports itself" in note for note in table.notes)


def test_the_papers_table_of_peers_gets_those_that_it_lacks(tmp_path):
    folder = write_fake_run(
        tmp_path / "r", name="table8_megc", clips=megc_clips(), skills={"RCN-A": 0.6, "STSTNet": 0.5}, chunk_runs=200
    )
    (table,) = text_of(folder)
    cells = {row[0]: row[1:] for row in table.rows}
    assert next(own for label, own in cells.items() if label.startswith("RCN-A") and "FULL" in label)[1] == "0.7432"
    assert next(own for label, own in cells.items() if label.startswith("STSTNet (") and "FULL" in label)[1] == "0.73"
    assert any(label.startswith("STSTNet, PyTorch port (as it reports itself)") for label in cells)


def test_a_part_of_a_joint_training_is_not_a_training_on_that_database(tmp_path):
    folder = write_fake_run(tmp_path / "r", name="table10_megc", clips=small_clips(("casme2",)), skills={"base": 0.5})
    (table,) = text_of(folder)
    assert "part of a training on all databases" in table.notes[0]


def test_other_sweeps_and_other_protocols_get_no_published_table(tmp_path):
    assert text_of(write_fake_run(tmp_path / "a", name="mine")) == []
    assert text_of(write_fake_run(tmp_path / "b", name="table9_au5")) == []
