"""Each package of merjax imports only packages of lower floors: the plan of the house (ARCHITECTURE.md), held by a walk over
every import, those inside functions too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.places import CHECKOUT

# From the top. Packages of one floor do not import each other. `sweeps/running` stands half a floor above `sweeps`.
FLOORS = (
    ("__main__", "sweep"),
    ("__init__", "cli"),
    ("report",),
    ("sweeps/running",),
    ("sweeps",),
    ("models",),
    ("methods",),
    ("training", "synthesis"),
    ("scoring", "stores"),
    ("protocols",),
    ("engine", "datasets", "faces"),
    ("nn",),
    ("config",),
    ("system",),
)
FLOOR = {room: -number for number, rooms in enumerate(FLOORS) for room in rooms}
# These may import only the packages listed here, whatever lies below them.
ONLY = {"system": set(), "nn": set(), "config": {"system"}, "engine": {"system"}}
# Packages whose __init__ imports no module of merjax when it is loaded: a worker process loads them before it has chosen its
# core, which is too late once JAX is there. merjax itself loads its version.
SILENT = {"system", "sweeps", "sweeps/running", "methods", "methods/handcrafted"}
# The one import upwards: a method of a sweep's result for notebooks, which imports the report by name when it is called.
UPWARDS = {
    ("sweeps/result.py", "importlib.import_module('merjax.report.files')"),
    ("sweeps/result.py", "importlib.import_module('merjax.report.plots')"),
}
LONGEST = 310  # lines of a file


def room_of(module: str) -> str:
    """The room of a dotted module below merjax, "sweeps.running.pool"; "" is merjax itself."""
    first, *rest = module.split(".")
    return "sweeps/running" if first == "sweeps" and rest[:1] == ["running"] else first or "__init__"


def modules_of(node: ast.Import | ast.ImportFrom | ast.Call, package: Path) -> Iterator[str]:
    """The modules below merjax that an import names, dotted; `from merjax.a import b` is a.b where that is a module."""
    if isinstance(node, ast.Call):
        names = [node.args[0].value]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        assert node.level == 0, "imports are absolute"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    for name in names:
        first, *parts = name.split(".")
        if first != "merjax":
            continue
        while parts and not is_module(package.joinpath(*parts)):
            parts.pop()
        yield ".".join(parts)


def is_module(path: Path) -> bool:
    return path.with_suffix(".py").is_file() or path.is_dir()


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom | ast.Call]:
    """All imports except those for type checkers only, with the calls of `import_module` that spell a module's name out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or imports_by_name(node):
            yield node
        elif not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            yield from imports(node)


def imports_by_name(node: ast.AST) -> bool:
    called = ast.unparse(node.func) if isinstance(node, ast.Call) and node.args else ""
    return called.rpartition(".")[2] == "import_module" and isinstance(getattr(node.args[0], "value", None), str)


def faults(package: Path) -> list[str]:
    """The imports that break the plan, each with its file and line."""
    rooms = {path.stem for path in package.iterdir() if path.is_dir() or path.suffix == ".py"} - {"__pycache__"}
    found = [f"merjax/{room} stands on no floor" for room in sorted(rooms - FLOOR.keys())]
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).as_posix()
        text = path.read_text()
        if text.count("\n") > LONGEST:
            found.append(f"merjax/{own} is longer than {LONGEST} lines")
        tree = ast.parse(text)
        room = room_of(own.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        silent = path.name == "__init__.py" and path.parent.relative_to(package).as_posix() in SILENT
        for node in imports(tree):
            if (own, ast.unparse(node)) in UPWARDS:
                continue
            where = f"merjax/{own}:{node.lineno}: {ast.unparse(node)}"
            for module in modules_of(node, package):
                target = room_of(module)
                if silent and node in tree.body:
                    found.append(f"{where}: this __init__ must import nothing of merjax")
                elif room == "__init__" and node in tree.body and target != "system":
                    found.append(f"{where}: merjax loads nothing but its version until it is asked")
                elif target in ("__init__", room) or room == "__init__":
                    continue
                elif target not in ONLY.get(room, {target}):
                    found.append(f"{where}: {room} must not know {target}")
                elif FLOOR.get(target, 1) >= FLOOR.get(room, 0):
                    found.append(f"{where}: {room} does not stand above {target}")
    return found


def test_imports_run_downwards_only():
    assert not faults(CHECKOUT / "merjax"), "\n".join(faults(CHECKOUT / "merjax"))


def test_every_room_of_the_plan_is_there():
    assert [room for room in FLOOR if not is_module(CHECKOUT / "merjax" / room)] == []


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("nn/cnn.py", "from merjax.engine.stage import Stage", "nn must not know engine"),
        ("stores/store.py", "import merjax.cli.prepare", "stores does not stand above cli"),
        ("stores/store.py", "from merjax import scoring", "stores does not stand above scoring"),
        ("sweeps/plan.py", "from merjax.sweeps.running import pool", "sweeps does not stand above sweeps/running"),
        ("models/model.py", "def f():\n    import merjax.report", "models does not stand above report"),
        ("sweeps/plan.py", "import_module('merjax.report.files')", "sweeps does not stand above report"),
        ("sweeps/result.py", "importlib.import_module('merjax.report')", "sweeps does not stand above report"),
        ("methods/__init__.py", "from merjax.methods import runs", "must import nothing"),
        ("__init__.py", "from merjax.stores.store import Store", "nothing but its version"),
        ("tools/many.py", "", "merjax/tools stands on no floor"),
        ("faces/flow.py", "\n" * 400, "longer than"),
    ],
)
def test_a_broken_plan_is_found_and_the_import_named(tmp_path, file, line, fault):
    for room in ("engine", "cli", "report", "scoring", "sweeps/running"):
        (tmp_path / room).mkdir(parents=True)
    (tmp_path / "sweeps/running/pool.py").touch()
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods/runs.py").write_text("import merjax.nn\nfrom merjax.methods import other\nimport jax\n")
    assert faults(tmp_path) == []
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n")
    (said,) = faults(tmp_path)
    assert fault in said
    assert said.startswith(f"merjax/{file}" if line.strip() else "merjax/")
