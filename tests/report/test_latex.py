"""The LaTeX tables of a report, with names of trials that LaTeX would read as commands: compiled where a TeX is, and read by
a parser everywhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker
from support.fake_runs import small_clips, write_fake_run
from support.report_command import report
from support.undrawn import draw_nothing

NAMES = (
    "a_b^c~d",
    "[square]",
    "50% of #1 & more",
    "\\input{x} $y$ {z}",
    'γ = 2, "é", -1 < 2 > 1',
    "*star",
)


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("latex") / "run"
    write_fake_run(folder, clips=small_clips(("casme2",)), skills={name: 0.5 + n / 20 for n, name in enumerate(NAMES)})
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        assert report(folder).returncode == 0
    found = sorted((folder / "report" / "latex").glob("*.tex"))
    assert found
    return found


def test_every_table_is_well_formed_and_its_rows_have_as_many_cells_as_its_head(tables):
    for path in tables:
        text = path.read_text(encoding="utf-8")
        nodes, *_ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
        environments = [node for node in nodes if isinstance(node, LatexEnvironmentNode)]
        assert [node.environmentname for node in environments] == ["table"], path
        body = re.search(r"\\toprule\n(.*)\\bottomrule", text, re.DOTALL)[1]
        rows = [line for line in body.splitlines() if line.endswith("\\\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1, path
        assert not re.search(r"(?<!\\)[#%]|^\s*[\[*]", body, re.MULTILINE), path  # these begin a comment or an argument


@pytest.mark.skipif(
    not shutil.which("pdflatex"), reason="no pdflatex on this machine: the tables are parsed, not compiled"
)
def test_all_tables_compile(tables, tmp_path):
    body = "\n".join(f"\\input{{{path}}}" for path in tables)
    document = tmp_path / "all.tex"
    document.write_text(
        "\\documentclass{article}\\usepackage[T1]{fontenc}\\usepackage{booktabs}\n"
        f"\\begin{{document}}\\footnotesize\n{body}\n\\end{{document}}\n",
        encoding="utf-8",
    )
    line = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", document.name]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "all.pdf").stat().st_size > 1000
