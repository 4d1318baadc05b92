"""What a wheel of merjax holds, and that it works from any folder."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from support.places import CHECKOUT

SHIPPED = {
    f"merjax/shipped/{kind}/{path.name}" for kind in ("configs", "sweeps") for path in (CHECKOUT / kind).glob("*.yaml")
}


def test_every_package_is_listed_and_both_folders_are_mapped_into_the_wheel():
    setuptools = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
    there = {
        str(path.parent.relative_to(CHECKOUT)).replace(os.sep, ".") for path in (CHECKOUT / "merjax").rglob("*.py")
    }
    shipped = {"merjax.shipped.configs": "configs", "merjax.shipped.sweeps": "sweeps"}
    assert set(setuptools["packages"]) == there | shipped.keys()
    assert setuptools["package-dir"] == shipped
    assert all(setuptools["package-data"][name] == ["*.yaml"] for name in shipped)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy of what git tracks, so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listed, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    for name in filter(lambda name: name and (CHECKOUT / name).is_file(), names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((CHECKOUT / name).read_bytes())
    line = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(source)]
    subprocess.run(line, capture_output=True, text=True, check=True)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory) -> Path:
    """A fresh environment that holds the wheel, and reads all other packages from this one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    line = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(place / "bin" / "python"),
        "install",
        "-q",
        "--no-deps",
        str(wheel),
    ]
    elsewhere = {
        k: v for k, v in os.environ.items() if k != "PYTHONPATH"
    }  # where pip would find merjax installed already
    subprocess.run(line, cwd=place, env=elsewhere, capture_output=True, check=True)
    (own,) = place.glob("lib/python*/site-packages")
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


@pytest.mark.long
def test_the_wheel_holds_both_folders_the_page_and_the_types(wheel):
    assert set(zipfile.ZipFile(wheel).namelist()) >= SHIPPED | {"merjax/report/page.html", "merjax/py.typed"}


@pytest.mark.long
def test_an_installed_wheel_works_from_an_empty_folder(bin_folder, tmp_path):
    def run(*line: str) -> str:
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "XLA_FLAGS")}
        program = [str(bin_folder / line[0]), *line[1:]]
        done = subprocess.run(
            program, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=1800, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run("python", "-c", "import merjax; print(merjax.__file__)")
    assert Path(where.strip()).is_relative_to(bin_folder.parent)
    assert "quickstart" in run("merjax", "sweep", "--list")
    assert "base: ../configs/quickstart.yaml" in run("merjax", "sweep", "--show", "quickstart")
    assert "merjax" in run("merjax", "--version")
