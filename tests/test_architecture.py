"""The house: imports point down only, rooms on one line never import each other, and who may use what."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES: tuple[tuple[str, ...], ...] = (
    ("cli",),
    ("flows", "desk"),
    ("pipeline", "simulate"),
    ("verify", "warning"),
    ("hazard",),
    ("storms", "nowcast"),
    ("products",),
    ("radar", "satellite", "lightning", "station", "environment", "archive", "landing"),
    ("region",),
    ("grid",),
    ("times",),
    ("schema",),
    ("hdf5", "codes"),
    ("errors",),
)
RANK = {room: rank for rank, line in enumerate(reversed(LINES)) for room in line}
SETTINGS = "settings"
ALLOWED_USERS = {
    "zarr": {"archive"},
    "icechunk": {"archive"},
    "obstore": {"archive"},
    "sqlalchemy": {"landing"},
    "eccodes": {"codes"},
    "pdbufr": set(),
    "metpy": {"environment"},
    "sklearn": {"hazard"},
    "skops": {"hazard"},
    "prefect": {"flows"},
    "fastapi": {"desk"},
    "starlette": {"desk"},
    "uvicorn": {"desk"},
    "argon2": {"desk"},
    "signxml": {"warning"},
    "cryptography": {"warning"},
    "paho": {"warning"},
    f"wxcore.{SETTINGS}": {"cli", "desk", "flows"},
    "flows": {"cli", "flows"},
}
MAX_MODULE_LINES, MAX_FUNCTION_LINES = 400, 60


def modules() -> list[Path]:
    return sorted([*(ROOT / "wxcore").rglob("*.py"), *(ROOT / "flows").rglob("*.py")])


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "flows" if parts[0] == "flows" else parts[1]


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative import"
        module = node.module or ""
        return [f"{module}.{alias.name}" for alias in node.names] if module == "wxcore" else [module]
    return []


def imports(path: Path) -> list[str]:
    return [name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node)]


def target_room(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] == "flows":
        return "flows"
    return parts[1] if parts[0] == "wxcore" and len(parts) > 1 else None


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
class TestModule:
    def test_imports_point_down(self, path: Path) -> None:
        room = room_of(path)
        if room in {"__init__", SETTINGS}:
            return
        wrong = []
        for name in imports(path):
            other = target_room(name)
            if other is None or other in {room, SETTINGS}:
                continue
            if RANK[other] >= RANK[room]:
                wrong.append(name)
        assert not wrong, f"{room} may not import {wrong}"

    def test_only_the_right_room_uses_a_library(self, path: Path) -> None:
        room = room_of(path)
        for name in imports(path):
            for library, rooms in ALLOWED_USERS.items():
                if name == library or name.startswith(library + "."):
                    assert room in rooms, f"{room} imports {name}: only {sorted(rooms)} may"

    def test_no_import_inside_a_function(self, path: Path) -> None:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                assert not inner, f"{node.name} imports inside itself"

    def test_size(self, path: Path) -> None:
        text = path.read_text()
        assert text.count("\n") <= MAX_MODULE_LINES
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno + 1 <= MAX_FUNCTION_LINES, node.name


def test_every_room_is_on_a_line() -> None:
    rooms = {room_of(path) for path in modules()} - {"__init__", SETTINGS}
    assert rooms <= set(RANK)


def test_no_cycles_between_modules() -> None:
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): set(imports(path))
        for path in modules()
    }
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != 1, f"cycle: {' -> '.join((*trail, name))}"
        if state.get(name) == 2 or name not in graph:
            return
        state[name] = 1
        for other in graph[name]:
            visit(other, (*trail, name))
        state[name] = 2

    for name in graph:
        visit(name, ())
