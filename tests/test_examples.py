"""The examples in the docstrings of the public names, run as they are written, in a folder that holds what they name.

`data/` has made releases, `stores/mine` is the store of `data/casme2`, `stores/measured` a motion store, `recordings/talk` a
folder of pictures, `runs/mine` is what the example of `run_sweep` trains, `models/mine` its final model; `found.csv`,
`truth.csv` and `videos.csv` are of one video.
An example that shows no output is only run.
"""

import doctest
import inspect
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.made_motion import make_motion_store
from support.small_command import tiny_networks
from support.small_experiment import networks_in_use

import merjax
from merjax.cli.report import main as report_command

TRAINED = {
    "FinalModel",
    "Model",
    "SweepResult",
    "insight",
    "load_final_model",
    "load_model",
    "make_report",
    "open_sweep",
}
TRAINED |= {"rescore", "run_sweep"}
MODEL = "runs/mine/models/focal/seed0/casme2-sub01"


class Lenient(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def texts(name: str) -> Iterator[tuple[str, str]]:
    """The docstrings of a public name, and of what it offers."""
    thing = getattr(merjax, name)
    yield name, inspect.getdoc(thing) or ""
    if inspect.isclass(thing) or inspect.ismodule(thing):
        for inside, own in vars(thing).items():
            mine = getattr(own, "__module__", None) == getattr(thing, "__module__", thing.__name__)
            if mine and (not inside.startswith("_") or inside == "__call__"):
                yield f"{name}.{inside}", inspect.getdoc(own) or ""


def run(name: str, **names: object) -> int:
    """Run the examples of a public name; how many there were."""
    runner = doctest.DocTestRunner(Lenient(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    known = {"merjax": merjax, **names}
    for title, text in texts(name):
        examples = doctest.DocTestParser().get_doctest(text, known, title, None, None)
        runner.run(examples, out=said.append, clear_globs=False)
        known |= examples.globs
    assert not runner.summarize(verbose=False).failed, "".join(said)
    return runner.tries


@pytest.fixture(scope="module")
def place(small_release, small_store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "data").mkdir()
    (folder / "stores").mkdir()
    (folder / "data" / "casme2").symlink_to(small_release)
    (folder / "stores" / "mine").symlink_to(small_store)
    for layout in ("samm", "smic", "casme1", "casme_squared", "casme3", "samm_long", "dfme", "mmew"):
        merjax.synthesize_release(folder / "data" / layout, layout=layout, subjects=1, clips_per_subject=1)
    (clip,) = merjax.read_samm(folder / "data" / "samm").clips
    (folder / "data" / "own").mkdir()
    (folder / "recordings").mkdir()
    (folder / "recordings" / "talk").symlink_to(clip.frames[0].parent)
    row = f"{clip.frames[0].parent},anna,,,,tense,200"
    (folder / "data" / "own" / "clips.csv").write_text(f"path,subject,onset,apex,offset,label,fps\n{row}\n")
    (folder / "data" / "own" / "videos.csv").write_text(f"video,path,fps\ntalk,{clip.frames[0].parent},200\n")
    (folder / "data" / "own" / "intervals.csv").write_text("video,onset,offset,kind\ntalk,2,9,micro\n")
    make_motion_store(folder / "stores" / "measured", subjects=1, videos=1, frames=60, kinds=("micro",))
    (folder / "found.csv").write_text("video,onset,offset\none,10,20\n")
    (folder / "truth.csv").write_text("video,onset,offset\none,12,21\n")
    (folder / "videos.csv").write_text("video,frames\none,30\n")
    return folder


@pytest.fixture(scope="module")
def trained(place, tmp_path_factory) -> Iterator[Path]:
    """Of tiny networks, since no example shows their sizes: the paper's take two minutes to compile and train."""
    with pytest.MonkeyPatch.context() as patch, networks_in_use("tiny"):
        patch.chdir(place)
        for name, value in tiny_networks(tmp_path_factory.mktemp("tiny")).items():
            patch.setenv(name, value)
        patch.delenv("XLA_FLAGS", raising=False)  # four devices on a worker's one core would wait for each other
        assert run("run_sweep")
        shutil.copytree("runs/mine", "runs/other")
        train = [sys.executable, "-m", "merjax", "train", "runs/mine", "--trial", "focal", "--out", "models/mine"]
        subprocess.run(train, check=True, capture_output=True)  # with one device, too
        report_command(["runs/mine", "--log-megc"])  # whose logs the example of `rescore` scores again
        yield place


@pytest.mark.parametrize("name", sorted({*merjax.__all__} - TRAINED))
def test_examples(name, place, prepared_here, monkeypatch):
    monkeypatch.chdir(place)
    functions = inspect.isfunction(getattr(merjax, name))
    assert run(name) or not functions


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(TRAINED))
def test_examples_with_a_trained_model(name, trained, monkeypatch):
    monkeypatch.chdir(trained)
    asked = {"Model", "insight"} & {name}
    names = {"model": merjax.load_model(MODEL), "insight": merjax.insight} if asked else {}
    if name == "FinalModel":
        names = {"model": merjax.load_final_model("models/mine")}
    assert run(name, **names)
