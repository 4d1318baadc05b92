"""The section "What the features knew": where it stands, what it says, and that no row of a leak stands without its name."""

import html
import itertools
import re

import numpy as np
import pandas as pd
import pytest
from support.audited import POINTS, SKILLS, audited_run
from support.fake_runs import small_clips, write_fake_run
from support.report_command import page_of, report, word, words
from support.undrawn import draw_nothing

from merjax.report.audit import audit_figure, audit_sentences
from merjax.report.comparison import compare
from merjax.report.section import Section
from merjax.scoring.audit import SHUFFLED, TRUE
from merjax.scoring.entry import KNOWN
from merjax.sweeps.result import open_sweep


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    folder = audited_run(tmp_path_factory.mktemp("audit") / "run", clips=small_clips(("casme2", "samm")))
    with pytest.MonkeyPatch.context() as patch:  # the figure of the audit is drawn in a test of its own
        draw_nothing(patch)
        return folder, report(folder, "--log-megc")


def audit_of(folder):
    (audit,) = Section(compare([open_sweep(folder)])[0]).audits
    return audit


def test_every_place_that_shows_a_row_of_the_leak_says_that_it_leaks(reported):
    """Terminal, page, Markdown, LaTeX, CSV and logs; a row is told by the name that the sweep file gives its trial, "half"."""
    folder, result = reported
    assert result.returncode == 0, result.stderr
    out = folder / "report"
    page = (out / "report.html").read_text()
    rows = [row for row in re.findall(r"<tr>(.*?)</tr>", page, re.S) if "half" in row]
    assert len(rows) >= 20
    assert all(KNOWN in html.unescape(row) for row in rows)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert all(KNOWN in html.unescape(caption) for caption in captions if "half" in caption or "Scores" in caption)
    lines = result.stdout.splitlines()
    for line, next_line in itertools.pairwise(lines):  # a narrow cell breaks the name
        if line.lstrip().startswith("half"):
            assert KNOWN.split()[0] in line
            assert KNOWN.split()[-1] in line + next_line
    for path in {*out.glob("*.csv")} - {out / "ensembles.csv"}:  # a row that leaks is in no ensemble
        table = pd.read_csv(path)
        leaking = table[table["entry"].str.startswith("half")]
        assert len(leaking), path
        assert leaking["entry"].str.contains(KNOWN, regex=False).all(), path
    for path in (out / "latex").iterdir():
        assert "leaks: held-out subjects' frames trained the features" in path.read_text(), path
    for line in (out / "report.md").read_text().splitlines():
        assert KNOWN in line or not line.startswith("| half"), line
    logs = [path for path in (out / "logs").glob("*.txt") if path.name.startswith("half")]
    assert len(logs) == 4
    for path in logs:
        assert path.read_text().splitlines()[0] == f"# {KNOWN}"
        assert "leaks" in path.name


def test_a_log_of_the_leak_says_so_when_it_is_scored_again(reported):
    folder, _ = reported
    logs = folder / "report" / "logs"
    (log,) = (path for path in logs.glob("half-leaks*seed1.txt") if "shuffled" not in path.name)
    result = word("rescore", log, "--clips", logs / "clips.csv")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == KNOWN
    (shuffled,) = logs.glob("half-shuffled*seed1.txt")
    assert word("rescore", shuffled, "--clips", logs / "clips.csv").returncode == 2
    assert word("rescore", shuffled, "--clips", shuffled.with_suffix(".clips.csv")).returncode == 0


def test_terminal_page_latex_markdown_and_csv_show_the_same_numbers(reported):
    folder, result = reported
    audit, out = audit_of(folder), folder / "report"
    texts = [result.stdout, words((out / "report.html").read_text()), (out / "report.md").read_text()]
    texts += [(out / "latex" / "audit-together.tex").read_text()]
    part = audit.parts[0]
    numbers = [audit.row(part, labels, on)["UF1"] for labels in (TRUE, SHUFFLED) for on in ("fold", audit.trained_on)]
    adds = audit.difference(part, TRUE)["UF1"]
    for text in texts:
        own = text[text.index("What the features knew, on together") :]
        assert all(f"{number:.3f}" in own for number in numbers)
        assert re.search(rf"the leak adds, true labels\W+\+{adds:.3f}", own)
    table = pd.read_csv(out / "audit.csv")
    assert {*table["part"]} == {"together", "casme2", "samm"}
    at = (table["part"] == "together") & (table["labels"] == TRUE) & (table["trained_on"] == audit.trained_on)
    assert table.loc[at, "UF1"].tolist() == pytest.approx([numbers[1]])
    assert (out / "figures" / "audit.pdf").is_file()


@pytest.mark.usefixtures("undrawn")
def test_the_section_is_there_for_a_pair_only(tmp_path):
    title = "What the features knew"
    honest = {name: POINTS[name] for name in ("fold", "fold, shuffled")}
    without = write_fake_run(tmp_path / "honest", skills={name: 0.5 for name in honest}, overrides=honest)
    assert title not in page_of(without)
    pair = {name: POINTS[name] for name in ("fold", "half")}
    page = words(page_of(write_fake_run(tmp_path / "pair", skills={name: 0.5 for name in pair}, overrides=pair)))
    assert title in page
    assert "No row has all labels shuffled" in page
    assert "every" not in page[page.index(title) : page.index(title) + 40]


# what the trials know -> what the two sentences must say, and must not
REMEMBERS = ("not clearly above chance", "by remembering the tested clips", "raises UF1")
CASES = [
    ({"fold": 0.1, "half": 1.0}, REMEMBERS, ("something else leaks",)),
    ({"half, shuffled": 0.0}, ("nothing shows that it remembers",), ("only have by",)),
    ({"fold, shuffled": 0.9}, ("something else leaks",), ("not clearly above chance",)),
    ({"half": 0.3}, ("no evidence of a difference",), ("raises UF1",)),
    ({"fold": 1.0, "half": 0.3}, ("lowers UF1",), ("no evidence",)),
]


@pytest.mark.parametrize(("skills", "said", "unsaid"), CASES)
def test_the_sentences_say_what_was_found(tmp_path, skills, said, unsaid):
    few = {"clips": small_clips(("casme2",)), "seeds": (0, 1, 2)}
    sentences = " ".join(audit_sentences(audit_of(audited_run(tmp_path / "run", skills=SKILLS | skills, **few))))
    assert all(part in sentences for part in said), sentences
    assert not any(part in sentences for part in unsaid), sentences


def test_the_picture_has_two_dots_with_intervals_for_each_protocol(reported):
    audit = audit_of(reported[0])
    figure = audit_figure(audit)
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == [f"UF1 on {part.title}" for part in audit.parts]
    for axes, part in zip(panels, audit.parts, strict=True):
        drawn = {line.get_label(): line.get_xdata() for line in axes.lines}
        for labels in (TRUE, SHUFFLED):
            rows = [audit.row(part, labels, on) for on in ("fold", audit.trained_on)]
            np.testing.assert_allclose(drawn[labels], [row["UF1"] for row in rows])
        spans = sorted(tuple(c.get_segments()[0][:, 0]) for c in axes.collections)
        rows = [audit.row(part, labels, on) for labels in (TRUE, SHUFFLED) for on in ("fold", audit.trained_on)]
        np.testing.assert_allclose(spans, sorted((row["UF1_low"], row["UF1_high"]) for row in rows))
        assert KNOWN in " ".join(panels[0].get_yticklabels()[1].get_text().split())


def test_leaking_rows_are_not_compared_with_honest_ones_elsewhere(reported):
    section = Section(compare([open_sweep(reported[0])])[0])
    fold, _, half, _ = section.comparison.entries
    assert section.compared(fold) == []
    assert [entry.label for entry in section.compared(half)] == ["fold"]
    assert section.differences.empty
