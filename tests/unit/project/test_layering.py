"""The modules of the product import in one direction only: no circles, and no room imports a higher one."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = {
    "dwell": ROOT / "dwell",
    "local_aws": ROOT / "local_aws",
    "feature_schema": ROOT / "layers" / "feature_schema" / "python" / "feature_schema",
    "rounds": ROOT / "layers" / "rounds" / "python" / "rounds",
    **{
        folder.name: folder
        for folder in sorted((ROOT / "functions").iterdir())
        if folder.is_dir() and any(folder.glob("*.py"))
    },
    "training_job": ROOT / "functions" / "retraining" / "training_job",
}
"""Top-level packages by name."""

ENTRY_FILES = {"retraining.train", "retraining.serving"}
"""What SageMaker starts, beside the package ``training_job``."""

LEVELS = (
    {"commands"},
    {"demo", "operations", "simulator"},
    {"messaging", "client", "local", "capacity"},
    {"template"},
    {"console"},
)
"""The rooms of ``dwell``, the highest first. A room imports rooms of lower levels only."""
SAME_LEVEL = {("demo", "simulator")}
"""The exceptions: the demo runs a simulated fleet."""


def list_modules() -> dict[str, Path]:
    """All modules of the product by their dotted name, without tests and entry files."""
    modules = {}
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if "tests" in parts or (package == "retraining" and parts[0] == "training_job"):
                continue
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            modules[name] = path
    return modules


MODULES = list_modules()


@cache
def list_imports(name: str) -> frozenset[str]:
    """The modules of the product that a module imports when it is imported."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imported: set[str] = set()
    statements: list[ast.stmt] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while statements:
        statement = statements.pop()
        match statement:
            case ast.Import(names=names):
                imported |= {alias.name for alias in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                prefix = ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""
                base = ".".join(part for part in (prefix, module or "") if part)
                imported |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in names}
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                statements += orelse
            case ast.If(body=body, orelse=orelse) | ast.Try(body=body, orelse=orelse):
                statements += [*body, *orelse]
    return frozenset(imported & MODULES.keys()) - {name}


def find_circles() -> list[list[str]]:
    """Strongly connected modules, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for imported in sorted(list_imports(name)):
            if imported not in index:
                visit(imported)
                low[name] = min(low[name], low[imported])
            elif imported in stack:
                low[name] = min(low[name], index[imported])
        if low[name] == index[name]:
            circle = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(circle) > 1:
                circles.append(sorted(circle))

    for name in MODULES:
        if name not in index:
            visit(name)
    return circles


def test_modules_import_without_circles() -> None:
    assert find_circles() == []


def test_search_sees_all_packages() -> None:
    packages = {name.partition(".")[0] for name in MODULES}
    assert packages >= {"dwell", "local_aws", "feature_schema", "rounds", "forwarder", "promotion", "training_job"}
    assert "dwell.console.exit_status" in list_imports("dwell.commands.fleet")


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.startswith("dwell.")))
def test_dwell_rooms_import_lower_rooms_only(name: str) -> None:
    levels = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
    room = room_of(name)
    if room == "__main__":
        return
    higher = [
        imported
        for imported in list_imports(name)
        if imported.startswith("dwell.")
        and room_of(imported) != room
        and levels[room_of(imported)] <= levels[room]
        and (room, room_of(imported)) not in SAME_LEVEL
    ]
    assert higher == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_packages_import_what_the_design_allows(name: str) -> None:
    package = name.partition(".")[0]
    if name in ENTRY_FILES:
        package = "training_job"
    allowed = {
        "dwell": {"dwell", "feature_schema", "rounds"},
        "local_aws": {"local_aws"},
        "feature_schema": {"feature_schema"},
        "rounds": {"rounds"},
        "training_job": {"training_job"},
    }.get(package, {package, "feature_schema", "rounds"})
    assert {imported.partition(".")[0] for imported in list_imports(name)} <= allowed
