"""Who may import whom: every room imports only rooms that stand earlier in this list.

Read from the source, so that imports inside functions, under TYPE_CHECKING and by
`import_module` count as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_dnn

ROOT = Path(tinygrad_dnn.__file__).parents[1]

ENGINE = [
    "graph", "notation", "metadata", "formula", "mathml", "latex", "readable", "notebook",
    "ops.declare", "ops.shape", "ops.positions", "ops.elementwise", "ops.reduction",
    "ops.linalg", "ops.activation", "ops.logic", "ops",
    "reverse", "replay", "complain", "records", "tree",
    "values", "numpy_names", "conversions", "indexing", "requests", "operators", "tensor",
    "passes", "transforms", "watch",
    "rewrite.terms", "rewrite.nodes", "rewrite.conditions", "rewrite.rows", "rewrite.table",
    "rewrite.engine", "rewrite.explain", "rewrite",
    "compiler.bytecode", "compiler.tracer", "compiler.reach", "compiler.surroundings",
    "compiler.typeset", "compiler.arguments", "compiler.plain", "compiler.record",
    "compiler.lower", "compiler.spell", "compiler.picks", "compiler.moves", "compiler.plan",
    "compiler.naming", "compiler.constants", "compiler.lines", "compiler.module",
    "compiler.printer", "compiler.program", "compiler.build", "compiler.compiled", "compiler",
    "loops", "loops.repeated", "loops.picked", "loops.forms", "loops.walk", "loops.strength",
    "loops.once", "loops.later", "loops.loop", "loops.repeating", "loops.spare",
    *(f"check.diagnosis.{room}" for room in (
        "numbers", "slopes", "known", "factors", "hypotheses", "offsets", "pattern", "told",
        "verdict",
    )),
    "check.diagnosis",
    "check.measured", "check.columns", "check.directions", "check.faults", "check.alone",
    "check.local", "check.large", "check.recorded", "check.hidden", "check.swept", "check.report",
    "check.ledger", "check.probable", "check.work", "check.graphs", "check.rules", "check",
    "_checked", "_data.make_digits", "_data", "hdf5", "data",
    "_hdf5_archive", "_random_state", "_sealed_file", "checkpoint",
    "textbook", "network", "optim", "check.network",
    *(f"check.grading.{room}" for room in (
        "standins", "worker", "process", "source", "outcome", "function", "cases", "forward",
        "backward", "models", "example", "grades", "attempt", "grader",
    )),
    "check.grading", "train",
    "api",
]  # fmt: skip
VIZ = [
    "palette", "files", "places", "repeats", "boxes", "summary", "plans", "fold",
    "problems", "labels", "scene", "subject", "backward", "layout", "views",
    "typeset", "render", "picture", "dot", "drawing", "notebook",
    "curves.sheet", "curves.lines", "curves.images", "curves.histograms", "curves",
    "mathematics", "divisor", "algebra", "lines", "legend",
    "page", "arrays", "story", "explorer", "report", "derivation", "grades",
]  # fmt: skip
CLI = [
    "status", "descent", "pictures", "train", "models", "predict", "grade", "check", "functions",
    "subject", "draw", "compile", "explore", "derive", "main",
]  # fmt: skip

ROOMS = [
    *(f"tinygrad_dnn.{room}" for room in ENGINE),
    "tinygrad_dnn",  # the public names
    *(f"viz.{room}" for room in VIZ),
    "viz",
    "tinygrad_dnn.cli",  # a docstring
    *(f"tinygrad_dnn.cli.{room}" for room in CLI),
    "tinygrad_dnn.__main__",
]


def sources() -> dict[str, Path]:
    """Every module of the two packages and its file."""
    files = [p for package in ("tinygrad_dnn", "viz") for p in (ROOT / package).rglob("*.py")]
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files]
    return {n.removesuffix(".__init__"): p for n, p in zip(names, files, strict=True)}


def modules_named(name: str, rooms: dict[str, Path]) -> Iterator[str]:
    """The module of a dotted name, or for `package.{...}` all that could stand there."""
    if name.endswith("."):
        yield from (m for m in rooms if m.startswith(name))
    while name and name not in rooms:
        name = name.rpartition(".")[0]
    if name:
        yield name


def literal(argument: ast.expr) -> str:
    """A string, or what stands before the first brace of an f-string."""
    if isinstance(argument, ast.JoinedStr):
        argument = argument.values[0]
    return argument.value if isinstance(argument, ast.Constant) else ""


def imports(path: Path, rooms: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import; write the full name"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                names.append(literal(node.args[0]))
    return {module for name in names for module in modules_named(name, rooms)}


def against_the_order(order: list[str], imported: dict[str, set[str]]) -> list[str]:
    place = {room: i for i, room in enumerate(order)}
    return [
        f"{room} imports {other}, which stands later in the list"
        for room, others in imported.items()
        for other in sorted(others - {room})
        if place[other] > place[room]
    ]


def all_imports() -> dict[str, set[str]]:
    rooms = sources()
    return {room: imports(path, rooms) for room, path in rooms.items()}


def test_the_list_names_every_room_once() -> None:
    assert sorted(ROOMS) == sorted(sources())


def test_a_room_imports_only_rooms_earlier_in_the_list() -> None:
    assert against_the_order(ROOMS, all_imports()) == []


def test_only_the_command_line_knows_the_pictures() -> None:
    for room, others in all_imports().items():
        if room.startswith("tinygrad_dnn") and not room.startswith("tinygrad_dnn.cli"):
            assert not {o for o in others if o.split(".")[0] == "viz"}, room


def test_nobody_knows_the_command_line() -> None:
    for room, others in all_imports().items():
        if not room.startswith("tinygrad_dnn.cli") and room != "tinygrad_dnn.__main__":
            assert not {o for o in others if o.startswith("tinygrad_dnn.cli")}, room


def test_no_room_bears_the_name_of_a_public_function() -> None:
    public = {f"tinygrad_dnn.{name}" for name in tinygrad_dnn.__all__}
    assert not public & sources().keys()


@pytest.mark.parametrize(
    "line",
    [
        "from late import x",
        "import late",
        "def f():\n    from late import x",
        "if TYPE_CHECKING:\n    import late",
        "import_module('late')",
        "importlib.import_module(f'late.{name}')",
        "from package import late",
    ],
)
def test_the_test_finds_an_import_against_the_order(line: str, tmp_path: Path) -> None:
    file = tmp_path / "early.py"
    file.write_text(line, encoding="utf-8")
    late = "package.late" if "package" in line else "late"
    rooms = {"early": file, late: file, "package": file}
    found = against_the_order(["package", "early", late], {"early": imports(file, rooms)})
    assert found == [f"early imports {late}, which stands later in the list"]
