"""Ctrl-C while a picture is drawn: `draw` and `explore` stop at once and leave what was there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import ALONE, INTERRUPTED

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")

NET = """
import numpy as np
from tinygrad_dnn import Tensor

def cost():
    return (Tensor(np.ones((2, 3)), requires_grad=True, name="W") ** 2).sum()
"""
# A Graphviz that never gets done, and says when it has read the picture.
SLOW_DOT = """#!/bin/sh
cat > /dev/null
echo $$ > begun.part && mv begun.part begun
exec sleep 300
"""
# With Ctrl-C heard where a shell that starts it in the background has children ignore it.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tinygrad_dnn.cli.main import program
sys.exit(program())
"""
PATIENCE = 60  # seconds, on a busy machine


@pytest.mark.parametrize(("command", "name"), [("draw", "graph.svg"), ("explore", "page.html")])
def test_s276_an_interrupt_stops_at_once_and_leaves_no_half_file(
    command: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "mynet.py").write_text(NET)
    (tmp_path / name).write_text("before")
    dot = tmp_path / "bin" / "dot"
    dot.parent.mkdir()
    dot.write_text(SLOW_DOT)
    dot.chmod(0o755)
    path = f"{dot.parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, command, "mynet.py:cost", "-o", name],
        cwd=tmp_path,
        env=os.environ | ALONE | {"PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            begun = tmp_path / "begun"
            _wait(lambda: begun.exists() or process.poll() is not None)
            assert begun.exists(), process.communicate()
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert process.returncode == INTERRUPTED
    assert time.monotonic() - start < PATIENCE / 4
    assert err.strip() == "tinygrad-dnn: interrupted"
    assert out == ""
    assert (tmp_path / name).read_text() == "before"
    there = sorted(one.name for one in tmp_path.iterdir() if one.name != "__pycache__")
    assert there == sorted(["begun", "bin", "mynet.py", name])
    child = int(begun.read_text())
    _wait(lambda: not _runs(child))


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
