"""The house stands: a room imports only from floors below it, or beside it without a circle."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "workbench"
#: From the ground up. Rooms of one floor may use each other as long as there is no circle.
FLOORS = (
    ("model",),
    ("steps", "project", "scaffold", "expressions"),
    ("transforms", "analytics", "simulate", "store", "sources"),
    ("catalog", "collect", "ingest", "pipelines", "display", "reports", "demo", "logs"),
    ("cli",),
    ("__main__",),
)
#: These take data as an argument and give it back: they know no store, no catalog, no source.
PURE = {
    "expressions": {"model"},
    "transforms": {"model", "steps", "expressions"},
    "analytics": {"model", "steps", "expressions", "transforms"},
}
MOST_LINES = 500


def imports() -> dict[str, dict[str, set[str]]]:
    """Room to the rooms it imports to the files that do, type checking left out."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        room = parts[0]
        if room in ("_project", "__init__"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        unseen = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in unseen:
                continue
            names = []
            if isinstance(node, ast.ImportFrom) and node.module == "workbench":
                names = [f"workbench.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                head, _, rest = name.partition(".")
                other = rest.partition(".")[0]
                if head == "workbench" and other not in ("", room) and _is_room(other):
                    found[room][other].add(str(path.relative_to(PACKAGE)))
    return found


def _is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()


def test_no_import_climbs_a_floor():
    level = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    climbing = [
        f"{room} imports {other} in {', '.join(sorted(files))}"
        for room, others in imports().items()
        for other, files in others.items()
        if level[other] > level[room]
    ]
    assert climbing == []


def test_there_is_no_circle():
    graph = {room: set(others) for room, others in imports().items()}
    done: set[str] = set()
    path: list[str] = []

    def visit(room: str) -> None:
        assert room not in path, " → ".join([*path[path.index(room) :], room])
        if room in done:
            return
        path.append(room)
        for other in sorted(graph.get(room, ())):
            visit(other)
        path.pop()
        done.add(room)

    for room in sorted(graph):
        visit(room)


def test_functions_of_data_know_no_store_and_no_source():
    found = imports()
    for room, allowed in PURE.items():
        assert set(found[room]) <= allowed, {other: found[room][other] for other in set(found[room]) - allowed}


def test_no_room_is_missing_from_the_house():
    rooms = {p.stem for p in PACKAGE.iterdir() if (p.suffix == ".py" or (p / "__init__.py").exists())} - {"__init__"}
    assert rooms == {room for floor in FLOORS for room in floor}


def test_a_module_has_one_idea():
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES
    }
    assert long == {}


def test_every_exported_name_is_there():
    """A name in ``__all__`` that nothing gives fails only where somebody asks for it."""
    import importlib

    lacking = []
    for path in PACKAGE.rglob("__init__.py"):
        module = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).parent.parts))
        lacking += [f"{module.__name__}.{name}" for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
    assert lacking == []
