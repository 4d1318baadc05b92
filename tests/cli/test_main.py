"""The command `merjax`: its words, what their help loads, and the choices that help repeats from the package."""

import subprocess
import sys

import pytest
from support.places import CHECKOUT
from support.report_command import word

from merjax.cli import rescore, sweep, synthesize
from merjax.cli.main import WORDS, main
from merjax.protocols import SCHEMES
from merjax.sweeps.running.curve_logs import LOGS
from merjax.sweeps.sweep_file import SCALES
from merjax.synthesis import Camera
from merjax.synthesis.layouts import LAYOUTS
from merjax.system.versions import __version__

HEAVY = ("jax", "pandas", "numpy", "cv2", "dlib", "matplotlib", "flax")
_LOADED = """\
import sys
from merjax.cli.main import main
for line in {lines}:
    try:
        main(line)
    except SystemExit as end:
        assert not end.code, line
print(*sorted(sys.modules.keys() & set({heavy})), file=sys.stderr)
"""


def test_help_and_version_load_nothing_heavy():
    lines = [["--help"], ["--version"], [], *([name, "--help"] for name in WORDS)]
    code = _LOADED.format(lines=lines, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
    assert done.stdout.count("examples:") == len(WORDS) + 2
    assert f"merjax {__version__}\n" in done.stdout


@pytest.mark.parametrize("name", WORDS)
def test_each_help_closes_with_three_examples_or_more(name):
    result = word(name, "--help")
    assert result.returncode == 0
    examples = result.stdout.partition("\nexamples:\n")[2]
    commands = [line for line in examples.splitlines() if line.startswith(("  merjax ", "  python -m merjax.sweep"))]
    assert len(commands) >= 3


@pytest.mark.parametrize("module", ["merjax", "merjax.sweep"])
def test_both_modules_are_doors(module):
    line = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: {'merjax WORD' if module == 'merjax' else 'python -m merjax.sweep'}")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["swep"], "there is no word `swep`; did you mean sweep?"),
        (["learn"], "write one of sweep, train, prepare, check, report, rescore, synthesize, analyse, merge, doctor"),
        (["train"], "the following arguments are required: FILE|RUN"),
        (["sweeps/mine.yaml"], "write `merjax sweep sweeps/mine.yaml`"),
        (["report"], "give the folders of one or more sweeps"),
        (["report", "runs/a", "--clips", "x.csv"], "are flags of `merjax rescore LOG`"),
        (["report", "runs/a", "--no-crop"], "there is no flag --no-crop; did you mean --no-crops?"),
        (["report", "--rescore", "log.txt", "--clips", "a b.csv"], "write: merjax rescore log.txt --clips 'a b.csv'\n"),
        (["rescore"], "name a log, or a table of found intervals with --intervals FOUND.csv --truth TRUTH.csv"),
        (["rescore", "log.txt", "other.txt"], "`other.txt` is one word too many"),
        (["check"], "there is no release to read"),
        (["check", "--casme2-classes", "x.xlsx"], "add --casme2 DIR"),
        (["check", "--casme", "x"], "there is no flag --casme; did you mean --casme3 or --casme2"),
        (["synthesize"], "the following arguments are required: --out"),
        (["synthesize", "--out", "x", "--layout", "casme9"], "invalid choice: 'casme9'"),
    ],
)
def test_wrong_words_are_one_sentence_and_exit_code_2(capsys, line, sentence):
    with pytest.raises(SystemExit) as end:
        main(line)
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_choices_and_defaults_that_help_repeats_are_the_packages():
    """They are written twice so that --help does not have to load the modules that they come from."""
    assert sweep.SCALES == SCALES
    assert sweep.LOGS == LOGS
    assert tuple(SCHEMES) == rescore.PROTOCOLS
    assert tuple(LAYOUTS) == synthesize.LAYOUTS
    camera = Camera()
    assert (camera.noise, camera.drift, camera.flicker) == (synthesize.NOISE, synthesize.DRIFT, synthesize.FLICKER)
