"""Grading whatever a file does: nothing of it reaches the caller, the report or other functions."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from process_end import ends
from students import FEW, RIGHT, Fault, planted

from tinygrad_dnn.grading import Grades, grade


def graded(folder: Path, text: str | bytes, name: str = "homework.py", **limits: Any) -> Grades:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return grade(path, **({"limit": 3.0} | limits))


def statuses(found: Grades) -> dict[str, str]:
    return {g.name: g.status for g in found.present}


ALL_RIGHT = {"relu": "right", "linear_forward": "right", "relu_backward": "right"}


class Mishap(NamedTuple):
    """What a function does instead, the status it gets, and what must be said."""

    code: str
    status: str
    words: str


HOSTS = ("sigmoid", "relu", "compute_cost", "sigmoid_backward", "predict", "L_model_forward")
MISHAPS = (
    Mishap("while True:\n        pass", "timed out", "still running after 1 seconds"),
    Mishap("while 1: np.sum(np.ones(99999))", "timed out", "still running after 1 seconds"),
    Mishap("import time; time.sleep(60)", "timed out", "still running after 1 seconds"),
    Mishap("import sys; sys.exit(3)", "crashed", "it calls exit (3)"),
    Mishap("exit()", "crashed", "it calls exit"),
    Mishap("import os; os._exit(5)", "crashed", "ended the Python process (exit status 5)"),
    Mishap("import os; os.abort()", "crashed", "it ended the Python process (SIGABRT)"),
    Mishap("import ctypes; ctypes.string_at(0)", "crashed", "ended the Python process (SIGSEGV)"),
    Mishap("f = lambda: f()\n    return f()", "crashed", "RecursionError"),
    Mishap("np.zeros((10**6, 10**6))", "out of memory", "MemoryError: Unable to allocate"),
    Mishap("x = []\n    while True: x.append(np.empty(10**7))", "out of memory", "MemoryError"),
    Mishap("return 1 / 0", "crashed", "ZeroDivisionError: division by zero"),
    Mishap("return Zz", "crashed", "NameError: name 'Zz' is not defined"),
    Mishap("assert False", "wrong", "returns None where an array is expected"),
    Mishap("class E(Exception):\n        def __str__(self): 1 / 0\n    raise E()", "crashed", "E"),
    Mishap("raise KeyboardInterrupt", "crashed", "KeyboardInterrupt"),
    Mishap("input('Z? ')", "crashed", "EOFError"),
    Mishap("yield 1", "wrong", "returns a generator where "),
    Mishap("return", "not written", "nothing is written in it"),
    Mishap("return 'Z'", "wrong", "returns a str where an array is expected"),
    Mishap("return np.array([object()]), 1", "wrong", "returns 2 values where an array is exp"),
    Mishap("return np.full((3, 4, 5), np.nan)", "wrong", "shape (3, 4, 5)"),
    Mishap("import os\n    for i in range(3): os.close(i)", "crashed", "OSError"),
)  # fmt: skip


@pytest.mark.parametrize("first", range(0, len(MISHAPS), len(HOSTS)))
def test_one_function_does_not_stop_the_others(first: int, tmp_path: Path) -> None:
    planned = dict(zip(HOSTS, MISHAPS[first : first + len(HOSTS)], strict=False))
    bad = "".join(f"\n\ndef {host}(*_):\n    {m.code}\n" for host, m in planned.items())
    found = graded(
        tmp_path, FEW.replace("def relu(Z", "def _relu(Z") + bad, limit=1.0, memory=1 << 29
    )
    expected = ALL_RIGHT | {host: m.status for host, m in planned.items()}
    assert statuses(found) == {k: v for k, v in expected.items() if k != "relu"} | (
        {"relu": planned["relu"].status} if "relu" in planned else {}
    ), str(found)
    for host, m in planned.items():
        assert m.words in "\n".join(found[host].words), str(found)
        if m.status == "crashed" and "process" not in m.words:
            assert found[host].lines, str(found)


def test_an_error_is_told_with_the_students_line(tmp_path: Path) -> None:
    bad = FEW.replace("return np.maximum(0, Z), Z", "A = np.dot(Z, Z[0:0])\n    return A, Z")
    relu = graded(tmp_path, bad)["relu"]
    assert relu.lines == ((9, "relu", "A = np.dot(Z, Z[0:0])", None),)
    assert relu.line == 8
    loop = FEW.replace("return np.maximum(0, Z), Z", "while True:\n        Z = Z + 0")
    relu = graded(tmp_path, loop, limit=0.5)["relu"]
    assert relu.status == "timed out"
    assert relu.lines[0][0] in (9, 10)


NOISE = """from __future__ import annotations
import os, sys, warnings, numpy as n
print('x' * 10**6); sys.stderr.write('y' * 10**6)
os.system('echo out; echo err >&2'); os.write(1, b'z' * 9)
import matplotlib.pyplot as plt
fig, ax = plt.subplots()
plt.plot([1]); plt.show()
from testCases_v2 import *
from dnn_utils_v2 import sigmoid, relu
import lr_utils
from PIL import Image
from scipy import ndimage
%matplotlib inline
!ls
get_ipython().run_line_magic('a', 'b')
os.chdir('/'); sys.path.clear(); sys.argv = None
n.random.seed(5); n.seterr(all='raise'); n.set_printoptions(1)
warnings.simplefilter('error')
if __name__ == '__main__':
    raise SystemExit
x: nothing = 1
import threading, time; threading.Thread(target=time.sleep, args=(99,)).start()
import builtins; builtins.print = None
sys.stdout = None; sys.stderr.close()
"""


def test_what_a_file_does_by_itself_disturbs_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = os.getcwd(), list(sys.path), np.geterr(), np.get_printoptions()
    found = graded(tmp_path, NOISE + FEW, limit=20.0)
    assert statuses(found) == ALL_RIGHT, str(found)
    assert found.notes == ()
    assert capfd.readouterr() == ("", "")
    assert before == (os.getcwd(), list(sys.path), np.geterr(), np.get_printoptions())


def test_statements_that_fail_are_left_out(tmp_path: Path) -> None:
    head = (
        "name = input('Who? ')\nraise ValueError('no data')\nimport nothing_of_the_kind\n"
        "import sys; sys.exit(1)\nimport os; os._exit(1)\nwhile True: pass\n"
    )
    found = graded(tmp_path, head + FEW, limit=2.0)
    assert statuses(found) == ALL_RIGHT, str(found)
    assert found.left_out == (
        "line 1: asks for input, which nobody gives here",
        "line 2: ValueError: no data",
        "line 3: ModuleNotFoundError: No module named 'nothing_of_the_kind'",
        "line 4: it calls exit (1)",
        "line 5: it ended the Python process (exit status 1)",
        "line 6: still running after 2 seconds",
    )


@pytest.mark.parametrize("head", ["import numpy; numpy.dot = numpy.exp = None",
                                  "import sys; sys.setrecursionlimit(70)"])  # fmt: skip
def test_who_takes_python_apart_gets_the_report_of_it(head: str, tmp_path: Path) -> None:
    assert graded(tmp_path, f"{head}\n{FEW}").grades
    assert graded(tmp_path, FEW).right


def test_functions_that_print_and_draw(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noisy = FEW.replace("    return", "    print('here'); np.random.seed(9); __import__("
                        "'matplotlib.pyplot').pyplot.show()\n    return")  # fmt: skip
    assert statuses(graded(tmp_path, noisy)) == ALL_RIGHT
    assert capfd.readouterr() == ("", "")


def test_what_is_changed_bears_the_name_that_the_call_gives_it(tmp_path: Path) -> None:
    text = FEW.replace("    return dA *", "    cache[:] = 0\n    return dA *")
    words = graded(tmp_path, text)["relu_backward"].words
    assert words[-1].startswith("It changes cache in place, which the caller still needs")


def test_what_a_file_starts_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    shell = f"sleep 60 & echo $! > {pid}"
    assert graded(tmp_path, f"import os\nos.system({shell!r})\n{FEW}", limit=20.0).right
    assert ends(pid.read_text(encoding="utf-8").strip())


def test_missing_functions_come_from_the_document(tmp_path: Path) -> None:
    only = RIGHT[: RIGHT.index("def sigmoid")] + RIGHT[RIGHT.index("def linear_activation_forw") :]
    found = graded(tmp_path, only)
    assert found.right, str(found)
    assert found["linear_forward"].status == "missing"
    assert found["linear_backward"].status == "right"


def test_imported_helpers_are_not_the_students_own(tmp_path: Path) -> None:
    head = "from dnn_utils_v2 import sigmoid, sigmoid_backward, relu, relu_backward\n"
    found = graded(tmp_path, head + "def linear_forward(A, W, b): return W @ A + b, (A, W, b)\n")
    assert statuses(found) == {"linear_forward": "right"}


def test_modules_beside_the_file_are_preferred(tmp_path: Path) -> None:
    (tmp_path / "dnn_utils_v2.py").write_text("def relu(Z): return abs(Z), Z\n", encoding="utf-8")
    text = (
        "from dnn_utils_v2 import relu\n"
        "def linear_activation_forward(A_prev, W, b, activation):\n"
        "    Z = W @ A_prev + b\n"
        "    A = relu(Z)[0] if activation == 'relu' else 1 / (1 + 2.718281828459045 ** -Z)\n"
        "    return A, ((A_prev, W, b), Z)\n"
    )
    assert graded(tmp_path, text)["linear_activation_forward"].status == "wrong"


def test_changes_in_place_are_reported(tmp_path: Path) -> None:
    for old, new, name in [
        (
            "A_prev, W, b = cache",
            "A_prev, W, b = cache\n    dZ /= 2\n    dZ *= 2\n    W[:] = 0",
            "cache[1]",
        ),
        ("    return", "    dZ *= 2\n    return", "dZ"),
        ("    return", "    A_prev[0, 0] += 1\n    return", "cache[0]"),
    ]:
        found = graded(tmp_path, planted(Fault("linear_backward", old, new, "")))
        words = "\n".join(found["linear_backward"].words)
        assert "in place, which the caller still needs" in words
        assert name in words


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.py", "def f(:\n", "line 1: invalid syntax: def f(:"),
        ("a.py", "if x:\npass\n", "line 1: expected an indented block"),
        ("a.py", "x = '\n", "line 1: unterminated string literal"),
        ("a.py", b"x = 1\0\n", "null bytes"),
        ("a.ipynb", "{", "expected a notebook"),
        ("a.ipynb", '{"cells": 3}', "expected a notebook"),
        ("a.py", "", ""),
        ("a.py", "x = 1\n", ""),
    ],
)
def test_files_of_which_nothing_can_be_graded(
    name: str, text: str | bytes, problem: str, tmp_path: Path
) -> None:
    found = graded(tmp_path, text, name)
    assert problem in found.problem
    assert "None" not in found.problem
    assert not found.present
    assert not found.right
    assert str(found)
    json.dumps(found.to_dict())


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        grade(tmp_path / "none.py")
    with pytest.raises(ValueError, match=r"expected a Python file \(\.py\) or a notebook"):
        grade(tmp_path / "none.txt")


@pytest.mark.parametrize("name", ["numpy.py", "my homework.py", "ünï.py", "queue.py", "class.py"])
def test_any_name(name: str, tmp_path: Path) -> None:
    found = graded(tmp_path, FEW.replace("cache > 0", "cache >= 0"), name)
    assert found["relu_backward"].status == "wrong", str(found)
    example = found["relu_backward"].example
    assert example is not None
    assert compile(example, "example", "exec")


@pytest.mark.parametrize(
    "text",
    [
        ("\ufeff" + FEW).encode(), FEW.replace("\n", "\r\n").encode(), FEW.encode("latin-1"),
        ("# ä\n" + FEW).encode("latin-1"), FEW.replace("    ", "\t").encode(),
    ],
)  # fmt: skip
def test_any_encoding(text: bytes, tmp_path: Path) -> None:
    assert statuses(graded(tmp_path, text)) == ALL_RIGHT


def test_a_notebook(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# def relu(Z): not code\n"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n", "!ls"]},
        {"cell_type": "code", "source": FEW.replace("cache > 0", "cache >= 0")},
        {"cell_type": "code", "source": "linear_forward(1, 2)"},
    ]
    found = graded(tmp_path, json.dumps({"cells": cells, "nbformat": 4}), "homework.ipynb")
    assert statuses(found) == ALL_RIGHT | {"relu_backward": "wrong"}
    assert "left out: code cell 3, line 1: TypeError: linear_forward() missing" in found.notes[0]


def test_a_module(tmp_path: Path) -> None:
    path = tmp_path / "homework.py"
    path.write_text(FEW, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("homework", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert statuses(grade(module)) == ALL_RIGHT
    with pytest.raises(ValueError, match="has no source file"):
        grade(type(sys)("made_up"))


def test_a_slow_function_is_judged_on_fewer_inputs(tmp_path: Path) -> None:
    slow = FEW.replace("    return np.max", "    import time; time.sleep(0.3)\n    return np.max")
    found = graded(tmp_path, slow, limit=1.0)
    assert found["relu"].status == "right"
    assert found["relu"].notes[0].startswith("slow: judged on ")


def test_data_and_words(tmp_path: Path) -> None:
    found = graded(tmp_path, FEW.replace("cache > 0", "cache >= 0"))
    data = json.loads(json.dumps(found.to_dict()))
    assert data["summary"] == "2 right, 1 wrong, 14 missing"
    by_name = {f["name"]: f for f in data["functions"]}
    assert by_name["relu_backward"]["diagnoses"][0]["explanations"][0]["name"] == "≥ for > at zero"
    assert by_name["relu"] == {
        "name": "relu", "status": "right", "words": [], "notes": [], "diagnoses": [],
        "example": None, "lines": [], "line": 8, "cell": None,
        "code": ["def relu(Z):", "    return np.maximum(0, Z), Z"], "lit": [], "points": 1.0,
        "possible": 1.0,
    }  # fmt: skip
    text = str(found)
    assert "✓ relu\n" in text
    assert "✗ relu_backward (line 12): wrong\n    dZ has 1[Z ≥ 0] where 1[Z > 0] is right" in text
    assert "– missing: initialize_parameters, " in text
