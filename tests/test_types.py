"""What checkers of types make of the public names: no error where there is none, and one where
there is. The stub is written from the registry.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import stubs

from tinygrad_dnn import Tensor, api

SCRIPT = Path(__file__).parent / "typed" / "script.py"
LINES = SCRIPT.read_text("utf-8").splitlines()
WRONG = [n for n, line in enumerate(LINES, 1) if "# wrong" in line]


def test_the_stub_is_that_of_the_registry() -> None:
    assert stubs.STUB.read_text("utf-8") == stubs.stub(), "run python tests/stubs.py"


def test_the_stub_has_every_public_name() -> None:
    named = re.findall(
        r"^(?:def )?(\w+)(?:: |\()| import \w+ as (\w+)$", stubs.stub(), re.MULTILINE
    )

    assert set(dir(api)) <= {a or b for a, b in named}


def test_mypy_finds_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed: pip install '.[dev]'")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache()), str(SCRIPT)]
    assert lines_of(command, r"script\.py:(\d+): error") == WRONG


def test_pyright_finds_what_is_wrong_and_nothing_else() -> None:
    here = Path(sys.executable).parent
    found = [
        p for n in ("pyright", "basedpyright") if (p := shutil.which(n) or shutil.which(here / n))
    ]
    if not found:
        pytest.skip("pyright is not installed: pip install basedpyright (which brings Node.js)")
    command = [found[0], "--pythonpath", sys.executable, "--level", "error", str(SCRIPT)]
    assert lines_of(command, r"script\.py:(\d+):\d+ - error") == WRONG


def cache() -> Path:
    """A folder that lasts: reading NumPy's types anew takes most of the time."""
    return SCRIPT.parents[2] / ".mypy_cache" / "typed"


def lines_of(command: list[str], pattern: str) -> list[int]:
    """The lines that a checker complains about."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=SCRIPT.parents[2]
    )
    told = done.stdout + done.stderr
    assert done.returncode in (0, 1), told
    print(told)
    return sorted({int(n) for n in re.findall(pattern, told)})


def test_the_script_runs_up_to_its_faults() -> None:
    names: dict[str, object] = {}
    exec("\n".join(line for line in LINES if "# wrong" not in line), names)
    assert isinstance(names["joined"], Tensor)
