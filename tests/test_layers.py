"""Who may import whom: the contracts in pyproject.toml, and what they cannot see.

`lint-imports` reads the import statements; here stands what is opened by name, and that a contract
finds what it should.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import tinygrad_dnn

ROOT = Path(tinygrad_dnn.__file__).parents[1]
# Who opens which module by name: the public names on first use, a command on demand.
OPENED = {
    "tinygrad_dnn/array_modules.py": {"name"},  # CuPy, and what `--device` names
    "tinygrad_dnn/__init__.py": {"tinygrad_dnn.api", "{__name__}.{name}"},
    "tinygrad_dnn/api.py": {"_LATER[name]"},
    "tinygrad_dnn/cli/main.py": {"tinygrad_dnn.cli.{args.command}"},
    "tinygrad_dnn/cli/choices.py": {"module"},  # where the names stand that an option takes
    "tinygrad_dnn/cli/functions.py": {"place"},
    "tinygrad_dnn/storage/platform.py": {"name"},  # of the standard library
    "viz/__init__.py": {"viz.curves", "_HOMES[name]"},
}


def sources() -> list[Path]:
    return [p for package in ("tinygrad_dnn", "viz") for p in (ROOT / package).rglob("*.py")]


def opened_by_name(tree: ast.AST) -> Iterator[str]:
    """What is given to import_module and __import__: a text, or the expression as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__"):
                yield ast.unparse(node.args[0]).removeprefix("f").strip("'\"")


def test_modules_are_opened_by_name_only_where_the_list_says() -> None:
    found = {}
    for path in sources():
        if names := set(opened_by_name(ast.parse(path.read_text(encoding="utf-8")))):
            found[path.relative_to(ROOT).as_posix()] = names
    assert found == OPENED


@pytest.mark.parametrize(
    "line", ["import_module('viz')", "def f():\n    importlib.import_module(f'viz')"]
)
def test_a_module_opened_by_name_is_found(line: str) -> None:
    assert [*opened_by_name(ast.parse(line))] == ["viz"]


def test_imports_name_the_whole_path() -> None:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


def test_no_module_bears_the_name_of_a_public_function() -> None:
    """Python hands out the module once it was imported."""
    for package in (tinygrad_dnn, __import__("viz")):
        folder = Path(package.__file__ or "").parent
        modules = {p.name.removesuffix(".py") for p in folder.iterdir()}
        assert not modules & set(package.__all__)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("tinygrad_dnn/graph/node.py", "from tinygrad_dnn.autodiff.tensor import Tensor"),
        ("tinygrad_dnn/ops/shape.py", "def late():\n    import tinygrad_dnn.rewrite"),
        ("tinygrad_dnn/autodiff/tensor.py", "import viz"),
        ("viz/palette.py", "from viz.drawing.draw import draw"),
        ("tinygrad_dnn/compiler/codegen/naming.py", "import tinygrad_dnn.compiler.build"),
    ],
)
def test_an_import_against_the_layers_turns_the_contracts_red(
    file: str, line: str, tmp_path: Path
) -> None:
    if find_spec("importlinter") is None:
        pytest.skip("import-linter is not installed: pip install 'tinygrad-dnn[dev]'")
    for name in ("tinygrad_dnn", "viz"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as f:
        f.write(f"\n{line}\n")
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", lint, "--no-cache"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."}
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout
