"""A new op touches one file: declared there, it is found everywhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import tinygrad_dnn

ROOT = Path(tinygrad_dnn.__file__).parents[1]

DECLARED = '''

@elementwise("nextafter({x}, {y})", vjp=(lambda g: g, lambda g: 0 * g), analytic=False)
def nextafter(x, y, /):
    """The next number after x towards y."""
    return np.nextafter(x, y)
'''

USER = """
import numpy as np
import tinygrad_dnn as td
import viz
from tinygrad_dnn.check import check_op

x = td.Tensor(np.array([0.5, 1.0, 1.5]), requires_grad=True, name="x")
assert "nextafter" in td.__all__ and td.REGISTRY["nextafter"] is td.nextafter
check_op(td.nextafter)
y = np.nextafter(x, 2.0)
assert y.node.op is td.nextafter
y.sum().backward()
np.testing.assert_array_equal(x.grad, [1, 1, 1])
cost = td.nextafter(x, 2.0).sum()
assert "nextafter(x, 2)" in viz.draw(cost).source
assert "nextafter(x, 2)" in str(viz.derive(cost))
both = lambda x: td.value_and_grad(lambda x: td.nextafter(x, 2.0).sum())(x)
compiled = td.compile(both)
np.testing.assert_array_equal(compiled(x.data)[1], both(x.data)[1])
assert "np.nextafter(x" in compiled.source
"""


def used(folder: Path) -> subprocess.CompletedProcess[str]:
    """The user's script, run on the copy."""
    (folder / "user.py").write_text(USER, encoding="utf-8")
    command = [sys.executable, "-W", "error", "user.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_op_declared_in_one_file_is_found_everywhere(tmp_path: Path) -> None:
    for name in ("tinygrad_dnn", "viz"):
        shutil.copytree(ROOT / name, tmp_path / name)
    assert '"nextafter" in td.__all__' in used(tmp_path).stderr  # it is not there yet
    file = tmp_path / "tinygrad_dnn" / "ops" / "elementwise.py"
    text = file.read_text(encoding="utf-8")
    text = text.replace('    "multiply",\n', '    "multiply",\n    "nextafter",\n', 1) + DECLARED
    file.write_text(text, encoding="utf-8")
    done = used(tmp_path)
    assert done.returncode == 0, done.stderr
