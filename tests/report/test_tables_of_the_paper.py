"""The paper's tables as sweeps: complete, named as they were published, and the same at small scale on made clips."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from support.commands import run
from support.fake_runs import fake_clips, write_fake_run
from support.placeholder_store import placeholder_store
from support.places import CHECKOUT
from support.small_command import tiny_networks

from merjax.protocols import SCHEMES
from merjax.report.beside import published_texts
from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.scoring.published.paper import PAPER
from merjax.scoring.published.tables import TABLES
from merjax.stores.store import open_store
from merjax.sweeps.plan import make_plan
from merjax.sweeps.result import open_sweep
from merjax.sweeps.sweep_file import make_sweep, read_sweep
from merjax.synthesis.demo_store import make_demo_store, releases_of
from merjax.system.errors import MerjaxError
from merjax.system.settings import flatten
from merjax.system.values import plain, read_yaml

SWEEPS = {
    int(re.findall(r"\d+", path.stem)[0]): path
    for path in (CHECKOUT / "sweeps").glob("table*")
    if "authors" not in path.stem  # those repeat Tables 10 and 11 with the settings of the code of 2022
}
OWN = (5, 6, 7, 10, 11, 12, 13)  # tables of the paper's own method; 8 and 9 include the baselines
UNPUBLISHED = {7: {"focal, inverse frequency"}, 10: {"control"}}  # trials that the paper does not print
QUIET = Console(quiet=True)

tables = pytest.mark.parametrize("number", OWN)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return placeholder_store(tmp_path_factory.mktemp("stores") / "all")


@tables
def test_at_full_scale_clips_and_folds_are_the_papers(number, store):
    plan = make_plan(read_sweep(SWEEPS[number], (f"data.store={store}",)), 1)
    table = PAPER[f"table{number}"]
    scheme, own = SCHEMES[table.protocol], SCHEMES[table.protocol].expected_subjects
    across = tuple(row.part.fold for row in table.rows if row.part.fold)
    for group in plan.groups:
        assert group.protocol == table.protocol
        assert group.clips == sum(map(sum, scheme.expected.values()))
        assert group.subjects == sum(own.values())
        assert group.folds == across if across else len(group.folds) == sum(own.values())
    settings = flatten(plan.trials[0].config)
    assert (settings["data.input"], settings["data.frames"], settings["data.whole_face"]) == ("gray", "all", False)


@tables
def test_every_published_row_of_ours_has_its_trial_and_every_trial_its_row(number):
    sweep, table = read_sweep(SWEEPS[number]), PAPER[f"table{number}"]
    assert TABLES[sweep.published] is table
    assert read_sweep(SWEEPS[number], scale="small").published == sweep.published
    matched = {t.name: [r for r in table.rows if table.row(t.published, r.part) is r] for t in sweep.trials}
    assert {name for name, rows in matched.items() if not rows} == UNPUBLISHED.get(number, set())
    assert [row for row in table.rows if not any(row in rows for rows in matched.values())] == []


@tables
def test_the_small_scale_changes_what_it_says_and_nothing_else(number):
    full, small = read_sweep(SWEEPS[number]), read_sweep(SWEEPS[number], scale="small")
    assert (full.synthesize, full.small) == (None, {})
    assert small.name == f"{full.name}-small"
    assert [t.name for t in small.trials] == [t.name for t in full.trials]
    for one, other in zip(full.trials, small.trials, strict=True):
        one, other = flatten(one.config), flatten(other.config)
        assert other["data.store"] != one["data.store"]
        assert {key: other[key] for key in one if other[key] != one[key]} == {
            key: other[key] for key in small.small if other[key] != one[key]
        }
    for key in ("data.folds", "data.protocol", "regions", "loss.gamma", "loss.alpha", "spatial.network", "control"):
        assert key not in small.small


@tables
def test_the_report_prints_the_published_scores_beside_ours_and_says_what_the_clips_are(number, tmp_path):
    sweep, table = read_sweep(SWEEPS[number], scale="small"), PAPER[f"table{number}"]
    scheme = SCHEMES[table.protocol]
    clips = fake_clips({name: [3] * len(scheme.classes) for name in scheme.expected}, dict.fromkeys(scheme.expected, 3))
    pairs = [row.part.fold for row in table.rows if row.part.fold]
    across = {pair.name: (clips["database"] == pair.test_database).to_numpy() for pair in pairs}
    folder = write_fake_run(
        tmp_path / "run",
        published=sweep.published,
        rows={trial.name: trial.published for trial in sweep.trials},
        clips=clips,
        folds=across or None,
        skills={trial.name: 0.6 for trial in sweep.trials},
        data={"protocol": table.protocol, "statement": "Made by merjax."},
    )
    read = open_sweep(folder)
    (text,) = published_texts(Section(compare([read])[0]), read)
    assert "NOT COMPARABLE" in text.title
    assert any("Nothing is reproduced" in note for note in text.notes)
    published = [float(cell) for row in text.rows for cell in row[2::2] if cell not in ("–", "")]
    assert sorted(published) == sorted(score for row in table.rows for score in row.scores.values())
    assert not any(row[0].endswith("(paper)") for row in text.rows)  # all stand in rows of ours


def test_a_file_without_a_small_section_says_so():
    with pytest.raises(MerjaxError, match="has no `small` section"):
        make_sweep({"base": {}}, "mine", scale="small")
    with pytest.raises(MerjaxError, match="write settings under base"):
        make_sweep({"small": {"spatial": {"epochs": 1}}}, "mine", scale="small")


def test_every_layout_gets_people_of_its_own():
    releases = releases_of({"invent": 3, "layouts": {"smic": {}, "casme2": {"emotions": ["fear"]}}}, "mine")
    assert list(releases) == ["casme2", "smic"]
    assert releases["casme2"] == {"invent": 3, "seed": 0, "emotions": ["fear"]}
    assert releases["smic"]["seed"] != 0
    assert releases_of({"invent": 3}, "mine") == {"casme2": {"invent": 3, "seed": 0}}
    with pytest.raises(MerjaxError, match="no setting `inventt`"):
        releases_of({"inventt": 3}, "mine")
    with pytest.raises(MerjaxError, match="layouts is"):
        releases_of({"layouts": {"samm2": {}}}, "mine")


def test_made_clips_never_take_the_place_of_others(store, tmp_path):
    def ask(place):
        sweep = read_sweep(SWEEPS[7], (f"data.store={place}",), scale="small")
        make_demo_store(sweep.trials[0].config.data, sweep.synthesize, sweep.name, QUIET)

    with pytest.raises(MerjaxError, match="holds real recordings"):
        ask(store)
    two = placeholder_store(tmp_path / "two", synthetic="Made by merjax.")
    ask(two)
    content = json.loads((two / "store.json").read_text())
    (two / "store.json").write_text(json.dumps(content | {"sources": content["sources"][:2]}))
    with pytest.raises(MerjaxError, match="holds clips of casme2, smic"):
        ask(two)


@pytest.mark.long
def test_a_table_runs_at_small_scale_from_nothing_to_its_report(tmp_path):
    """Table 13 with two people a database and tiny networks: clips in two layouts, folds across databases, the paper's rows."""
    content = plain(read_yaml(SWEEPS[13]))
    small = plain(read_yaml(SWEEPS[13].parent / content["small"]))
    small["base"] |= {"temporal": {"epochs": 1}, "spatial": {"epochs": 0.5, "batch": 16}}
    small["base"]["data"] |= {"frames": "count:2"}
    layouts = {name: small["synthesize"]["layouts"][name] for name in ("casme2", "samm")}
    small["synthesize"] |= {"invent": 2, "clips_per_subject": 3, "layouts": layouts}
    content |= {"base": plain(read_yaml(SWEEPS[13].parent / content["base"])), "small": small}
    (tmp_path / "table13_tiny.yaml").write_text(json.dumps(content))

    line = ("table13_tiny.yaml", "engine.workers=1", "--scale", "small")
    result = run(*line, cwd=tmp_path, MERJAX_CACHE=str(tmp_path / "cache"), **tiny_networks(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "CASME II → SAMM" in result.stdout
    made = open_store(tmp_path / small["base"]["data"]["store"])
    assert set(made.index["database"]) == {"casme2", "samm"}
    assert made.statement

    report = run("report", "runs/table13_tiny-small", "--no-crops", module="merjax", cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    assert "beside Table 13 of the paper (NOT COMPARABLE)" in report.stdout
