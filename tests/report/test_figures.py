"""The figures of a report: each draws its numbers, and says what it is without the page."""

import base64
import re

import numpy as np
import pandas as pd
import pytest
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of

from merjax.report.comparison import compare
from merjax.report.figures import confusion_figure, score_figure, subject_figure, svg
from merjax.report.page import render_page
from merjax.report.section import Section, warnings_of
from merjax.scoring.parts import Part
from merjax.sweeps.result import open_sweep

CASME2 = small_clips(("casme2",))


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A run with oracles of 40 snapshots in 800 epochs, on synthetic clips."""
    return write_fake_run(
        tmp_path_factory.mktemp("chosen") / "r",
        clips=CASME2,
        skills={"a": 0.4},
        selections={"fixed": 0.0, "oracle": 0.4},
        settings={
            "method": "ststnet",
            "peer": {"epochs": 800, "batch": 16},
            "selection": {"rules": ["fixed", "oracle"], "looks": 40},
        },
        data={"statement": "Made up."},
    )


def test_figures_say_what_they_are_without_the_page(chosen):
    """Figures of confusion matrices, subjects and scores name their trial, the choice of the budget, and what the clips are."""
    section = Section(compare([open_sweep(chosen)])[0])
    for entry in section.comparison.entries:
        own = warnings_of([entry])
        for figure in (
            confusion_figure(entry, section.comparison.parts, own),
            subject_figure(section.subjects, entry.label, own),
        ):
            drawn = " ".join(figure.get_suptitle().split())
            assert drawn.startswith(entry.label)
            assert "Synthetic data" in drawn
            assert ("does not estimate accuracy on new people" in drawn) == (entry.selection == "oracle")
    figures = [base64.b64decode(s).decode() for s in re.findall(r"svg\+xml;base64,([^\"]+)", page_of(chosen))]
    for text in figures[:-2]:  # the last ones are training curves
        assert "Synthetic data" in text
    assert sum("oracle (leaks)" in text for text in figures) >= 4


def test_curves_are_drawn_of_the_trials_that_have_them(tmp_path):
    """A stage's figure names the trials that have such a stage; what is fitted in one step has no curve."""
    folder = write_fake_run(tmp_path / "r", clips=CASME2, skills={"network": 0.4, "machine": 0.4})
    run = open_sweep(folder)
    network = run.curves[run.curves["trial"] == "network"]
    machine = run.curves[(run.curves["trial"] == "machine") & (run.curves["stage"] == "spatial")]
    machine = machine[machine["step"] == 0].assign(stage="svm")
    vars(run)["curves"] = pd.concat([network, machine])  # where the result keeps what it has read
    page = render_page([run], [Section(compare([run])[0])], crops=False)
    captions = [c for c in re.findall(r"<figcaption>(.*?)</figcaption>", page) if "curves" in c]
    assert [c.split("curves of ")[1] for c in captions] == ["the spatial stage", "the temporal stage"]
    figures = [base64.b64decode(s).decode() for s in re.findall(r"svg\+xml;base64,([^\"]+)", page)][-2:]
    assert all("network" in figure and "machine" not in figure for figure in figures)


def test_a_figure_draws_each_score_where_it_is(tmp_path):
    section = Section(compare([open_sweep(write_fake_run(tmp_path / "r"))])[0])
    figure = score_figure(section.scores_and_controls, Part("FULL"))
    drawn = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    own = section.scores_and_controls.query("part == 'FULL'")
    for name in ("UF1", "UAR", "accuracy"):
        np.testing.assert_allclose(np.asarray(drawn[name]), own[name])
    assert svg(figure) == svg(figure)
