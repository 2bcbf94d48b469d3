"""Where students sit: without what only Unix has, everything is imported and the commands run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_dnn
from tinygrad_dnn.storage import platform

ROOT = Path(tinygrad_dnn.__file__).parents[1]

# Python runs it before anything else, in the processes that the grader starts as well.
# SIGKILL stays: Python's own Popen.kill uses it on Unix.
WITHOUT_UNIX = """
import os, signal, sys
stays = ["O_NONBLOCK"] if sys.version_info >= (3, 13) else []  # which Python itself reads there
for name in ("fcntl", "resource", "termios", "pty", "pwd", "grp", "syslog"):
    sys.modules[name] = None
for module, names in {
    os: "killpg setsid getpgid fork getuid geteuid getgid chown O_DIRECTORY O_NOFOLLOW O_NONBLOCK",
    signal: "SIGHUP SIGQUIT SIGUSR1 SIGALRM alarm setitimer pthread_sigmask",
}.items():
    for name in names.split():
        if hasattr(module, name) and name not in stays:
            delattr(module, name)
"""

IMPORT_ALL = """
import importlib, pkgutil
import tinygrad_dnn, viz
for package in (tinygrad_dnn, viz):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            if "pip install" not in str(error):  # an extra that is not installed
                raise
        print(module.name)
"""

HOMEWORK = """
import numpy as np

def sigmoid(Z):
    return 1 / (1 + np.exp(-Z)), Z

def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which Python finds nothing that only Unix has."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_UNIX, encoding="utf-8")
    there = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    monkeypatch.setenv("PYTHONPATH", there)
    return tmp_path


def run(folder: Path, *words: str) -> str:
    command = [sys.executable, "-W", "error", *words]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_modules_are_away_there(elsewhere: Path) -> None:
    away = (
        "import os\ntry:\n    import fcntl\nexcept ImportError:\n    print(hasattr(os, 'killpg'))"
    )
    assert run(elsewhere, "-c", away) == "False\n"


def test_every_module_is_imported(elsewhere: Path) -> None:
    names = run(elsewhere, "-c", IMPORT_ALL).split()
    assert len(names) > 150
    assert "tinygrad_dnn.isolation.worker" in names


def test_a_network_is_trained_checked_and_drawn(elsewhere: Path) -> None:
    program = ("-m", "tinygrad_dnn")
    for _ in range(2):  # the second sets the first model aside
        run(elsewhere, *program, "train", "--iterations", "3", "--layers", "64,4,1", "--out", "run")
    assert (elsewhere / "run" / "model.h5").stat().st_size > 0
    run(elsewhere, *program, "check", "--layers", "4,3,1")
    run(elsewhere, *program, "draw", "run/model.h5", "--out", "graph.svg")
    assert "</svg>" in (elsewhere / "graph.svg").read_text(encoding="utf-8")


def test_homework_is_graded(elsewhere: Path) -> None:
    (elsewhere / "homework.py").write_text(HOMEWORK, encoding="utf-8")
    grade = "from tinygrad_dnn.grading import grade\nprint(grade('homework.py'))"
    told = run(elsewhere, "-c", grade)
    assert "linear_forward" in told
    assert "sigmoid" in told
    assert "crashed" not in told


def test_an_end_is_told_in_words() -> None:
    assert platform.exit_words(3) == "exit status 3"
    assert platform.exit_words(-9) == "SIGKILL"
    assert platform.exit_words(-200) == "signal 200"
