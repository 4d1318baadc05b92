"""A sweep on action units, of which a clip may show several: scores, page, files and logs, from predictions to rescoring."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from support.fake_runs import unit_clips, write_fake_run
from support.report_command import words
from support.undrawn import draw_nothing

from merjax.protocols import SCHEMES
from merjax.report.files import make_report, sections_of, write_logs
from merjax.scoring.megc_log import rescore
from merjax.sweeps.result import open_sweep
from merjax.system.errors import MerjaxError

TASK = SCHEMES["au12"].task
CLIPS = unit_clips({"casme2": 24, "samm": 20})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folds = {f"lodo:{name}": (CLIPS["database"] == name).to_numpy() for name in ("casme2", "samm")}
    return write_fake_run(
        tmp_path_factory.mktemp("runs") / "units",
        clips=CLIPS,
        folds=folds,
        skills={"good": 0.9, "poor": 0.3},
        seeds=(0, 1),
        data={"protocol": "au12"},
        settings={"data.protocol": "au12", "data.folds": "lodo"},
    )


@pytest.fixture(scope="module")
def out(folder):
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        return make_report(folder, crops=False).parent


def f1_by_hand(own: pd.DataFrame) -> np.ndarray:
    truth, answer = (TASK.members(own[side].to_numpy()) for side in ("label", "prediction"))
    return f1_score(truth, answer, average=None)


def test_the_macro_f1_is_scikit_learns_on_all_clips_and_on_each_database(folder, out):
    rows = pd.concat(map(pd.read_parquet, folder.glob("predictions-*.parquet")))
    scores = pd.read_csv(out / "scores.csv").set_index(["part", "entry"])
    classes = pd.read_csv(out / "classes.csv").set_index(["part", "entry", "class"])
    for trial, own in rows.groupby("trial"):
        parts = {"together": own} | {str(name): of for name, of in own.groupby("database")}
        for part, of in parts.items():
            f1_SxK = [f1_by_hand(seed) for _, seed in of.groupby("seed")]
            row = scores.loc[part, trial]
            assert row["UF1"] == pytest.approx(np.mean(f1_SxK))
            assert row["UF1_low"] < row["UF1"] < row["UF1_high"]
            assert (row["clips"], row["subjects"]) == (
                len(of) / 2,
                of[["database", "subject"]].drop_duplicates().shape[0],
            )
            for name, f1 in zip(TASK.classes, np.mean(f1_SxK, 0), strict=True):
                assert classes.loc[(part, trial, name), "F1"] == pytest.approx(f1)
    assert scores.loc[("together", "majority"), "UF1"] < 0.01
    assert scores.loc[("together", "every class"), "UF1"] > scores.loc[("together", "chance"), "UF1"]
    assert np.isnan(scores.loc[("together", "good"), "fold_accuracy"])


def test_the_files_tell_each_class_by_itself(folder, out):
    confusions = pd.read_csv(out / "confusions.csv")
    own = confusions[(confusions["part"] == "together") & (confusions["entry"] == "good")]
    assert len(own) == 4 * len(TASK.classes)
    assert own["clips"].sum() == 2 * len(CLIPS) * len(TASK.classes)
    shown = own[own["truth"] == "AU4"].set_index("prediction")["clips"]
    assert shown.sum() == 2 * TASK.members(CLIPS["label"].to_numpy())[:, 2].sum()
    assert set(shown.index) == {"AU4", "not AU4"}
    assert not list((out / "figures").glob("confusion-*"))


def test_the_page_says_what_the_scores_mean_and_refuses_what_needs_one_class(out):
    text = words((out / "report.html").read_text())
    assert "Five of CD6ME's six databases at most, without 4DME: no published mean of CD6ME stands beside" in text
    assert "UF1 is the macro F1, the mean over classes of F1" in text
    assert "A confusion matrix needs one class per clip, and here a clip may have several" in text
    assert "A list of mistakes needs one class per clip" in text
    assert "24 / 255" in text
    assert "The price of choosing the best of 2 trials" in text
    assert "Five of CD6ME's six" in (out / "report.md").read_text()


def test_a_log_of_several_classes_is_rescored_to_the_same_scores(folder, tmp_path):
    sections = sections_of([open_sweep(folder)])
    logs = write_logs(tmp_path, sections)
    entry = sections[0].comparison.base
    (log,) = [path for path in logs if path.name == "good-seed0.txt"]
    rescored = rescore(log, clips=log.parent / "clips.csv", protocol="au12")
    assert "Five of CD6ME's six" in rescored.remarks[0]
    own = rescored.table.set_index("part")
    seed = entry.predictions[entry.predictions["seed"] == 0]
    assert own.loc["together", "UF1"] == pytest.approx(np.mean(f1_by_hand(seed)))
    with pytest.raises(MerjaxError, match="CASME II has 24 clips .* but au12 has 255 of 26; complete the log"):
        rescore(log, protocol="au12")
    log.write_text(log.read_text().replace(" 0 ", " 4096 ", 1))
    with pytest.raises(MerjaxError, match="classes of au12 are sums of 1 AU1, 2 AU2, 4 AU4"):
        rescore(log, protocol="au12")


def test_the_page_tells_how_to_compute_the_macro_f1_again(folder, out, capsys, monkeypatch):
    """The lines that it gives, run."""
    page = (out / "report.html").read_text()
    lines = [block.split("</pre>")[0].partition(">")[2] for block in page.split("<pre")[1:]]
    code = "\n".join([lines[-2].split("classes =")[0], lines[-1]]).replace("&gt;", ">").replace("&#34;", '"')
    exec(code.replace('"RUN"', repr(str(folder))), {})
    printed = [line.split() for line in capsys.readouterr().out.strip().splitlines()]
    rows = pd.concat(map(pd.read_parquet, folder.glob("predictions-*.parquet")))
    for trial, seed, f1 in printed:
        own = rows[(rows["trial"] == trial) & (rows["seed"] == int(seed))]
        assert float(f1) == pytest.approx(np.mean(f1_by_hand(own)))
    assert len(printed) == 4
