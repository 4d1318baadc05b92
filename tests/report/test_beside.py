"""Published numbers beside ours: each is in its trial's row, and marked if it cannot be compared."""

import pytest
from support.fake_runs import megc_clips, small_clips, write_fake_run
from support.places import CHECKOUT

from merjax.report.beside import published_texts
from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.scoring.published.baselines import BASELINES
from merjax.sweeps.result import open_sweep
from merjax.sweeps.sweep_file import read_sweep


def text_of(folder):
    run = open_sweep(folder)
    return published_texts(Section(compare([run])[0]), run)


def test_sststnets_uar_and_lbp_tops_pair_carry_their_corrections(tmp_path):
    folder = write_fake_run(tmp_path / "r", published="table8", clips=megc_clips(), skills={"base": 0.6}, chunk_runs=80)
    (table,) = text_of(folder)
    row = next(row for row in table.rows if row[0].startswith("Liong et al. [27]") and row[0].endswith("on FULL"))
    mark = row[0].split("(paper) ")[1].split(" ")[0]
    note = next(note for note in table.notes if note.startswith(mark))
    assert "macro-precision" in note
    assert ".7186/.6703/.8190/.6415" in note
    assert any("cannot both hold" in note for note in table.notes)


def test_real_full_scores_stand_beside_the_printed_ones(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        published="table5",
        rows={"all regions": "all regions"},
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
        (("casme2",), {}, {}, "the published scores are on FULL, these are on CASME II"),
        (("smic", "casme2", "samm"), {}, {"data.folds": "group:5"}, "these are with folds group:5"),
    ],
)
def test_what_cannot_be_compared_says_so_first(tmp_path, databases, data, settings, why):
    folder = write_fake_run(
        tmp_path / "r",
        published="table7",
        rows={"focal": "Focal Loss (alpha 1/2, gamma 2)", "cross-entropy": "CE"},
        clips=small_clips(databases),
        data=data,
        settings=settings,
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
        tmp_path / "r",
        published="table10",
        rows={"base": "Our proposed method"},
        clips=clips.drop(index=lost).reset_index(drop=True),
        skills={"base": 0.6},
        chunk_runs=80,
    )
    (table,) = text_of(folder)
    marked = {row[0].split(" on ")[-1]: "NOT COMPARABLE" in row[0] for row in table.rows}
    assert marked == {"FULL": True, "SMIC-HS": False, "CASME II": True, "SAMM": False}
    assert any("441/442 clips" in row[0] for row in table.rows)
    assert any("144/145 clips" in row[0] for row in table.rows)
    assert "(some rows NOT COMPARABLE)" in table.title


def test_partial_entries_are_not_comparable(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        published="table10",
        rows={"base": "Our proposed method"},
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
    folder = write_fake_run(tmp_path / "r", published="table12", clips=clips, folds=folds, skills={"base": 0.6})
    (table,) = text_of(folder)
    assert sum("441/442 clips of all folds" in row[0] for row in table.rows) == 2


def test_changed_settings_are_told(tmp_path):
    runs = {"plain": {}, "changed": {"spatial": {"epochs": 2}, "data": {"frames": "count:3"}}}
    told = {}
    for name, settings in runs.items():
        folder = write_fake_run(
            tmp_path / name, published="table7", clips=megc_clips(), settings=settings, chunk_runs=200
        )
        (table,) = text_of(folder)
        told[name] = next(note for note in table.notes if note.startswith("Further settings of the trials"))
    assert "follow the paper): none" in told["plain"]
    assert "focal and cross-entropy: data.frames count:3, spatial.epochs 2.0" in told["changed"]


@pytest.mark.parametrize("name", BASELINES)
def test_a_baselines_own_sweep_has_its_own_scores_beside_it(name, tmp_path):
    sweep = read_sweep(CHECKOUT / "sweeps" / f"{name}.yaml")
    folder = write_fake_run(
        tmp_path / "r",
        published=sweep.published,
        rows={sweep.trials[0].name: sweep.trials[0].published},
        clips=megc_clips(),
        skills={sweep.trials[0].name: 0.6},
        chunk_runs=80,
    )
    (table,) = text_of(folder)
    full = next(row for row in table.rows if row[0].startswith(sweep.trials[0].name) and row[0].endswith("on FULL"))
    assert full[2::2] == tuple(f"{score:.4f}" for score in BASELINES[name].rows[0].scores.values())
    assert "NOT COMPARABLE" not in table.title
    if name == "ststnet":
        (port,) = (row for row in table.rows if row[0].startswith("STSTNet, PyTorch port"))
        assert port[2::2] == ("0.7209", "0.7250")
        assert any("as it reports itself" in note for note in table.notes)


def test_the_papers_table_of_baselines_gets_those_that_it_lacks(tmp_path):
    folder = write_fake_run(
        tmp_path / "r",
        published="table8",
        clips=megc_clips(),
        skills={"RCN-A": 0.6, "STSTNet": 0.5},
        rows={"RCN-A": "RCN-A", "STSTNet": "Liong et al. [27]"},
        chunk_runs=200,
    )
    (table,) = text_of(folder)
    cells = {row[0]: row[1:] for row in table.rows}
    assert next(own for label, own in cells.items() if label.startswith("RCN-A") and "FULL" in label)[1] == "0.7432"
    assert next(own for label, own in cells.items() if label.startswith("STSTNet (") and "FULL" in label)[1] == "0.73"
    assert any(label.startswith("STSTNet, PyTorch port (as it reports itself)") for label in cells)


def test_a_part_of_a_joint_training_is_not_a_training_on_that_database(tmp_path):
    folder = write_fake_run(tmp_path / "r", published="table10", clips=small_clips(("casme2",)), skills={"base": 0.5})
    (table,) = text_of(folder)
    assert "part of a training on all databases" in table.notes[0]


def test_other_sweeps_and_other_protocols_get_no_published_table(tmp_path):
    assert text_of(write_fake_run(tmp_path / "a", name="mine")) == []
    assert text_of(write_fake_run(tmp_path / "b", published="table9")) == []
