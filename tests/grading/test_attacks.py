"""Files that attack the grader or borrow the answer: a verdict for each, and for nobody else."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from students import RIGHT

from tinygrad_dnn.cli import grade as command
from tinygrad_dnn.cli.main import main
from tinygrad_dnn.grading import FUNCTIONS, Grades, grade

FEW = """\
import numpy as np


def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)


def relu(Z):
    return np.maximum(0, Z), Z
"""
HONEST = {"relu": "right", "linear_forward": "right"}


def graded(folder: Path, text: str, limit: float = 2.0) -> Grades:
    path = folder / "homework.py"
    path.write_text(text, encoding="utf-8")
    return grade(path, limit=limit, memory=1 << 29)


def with_functions(**bodies: str) -> str:
    """The honest file with functions of these bodies."""
    made = (
        f"\n\ndef {name}(*args):\n    " + body.replace("\n", "\n    ") + "\n"
        for name, body in bodies.items()
    )
    return FEW + "".join(made)


def statuses(found: Grades) -> dict[str, str]:
    return {g.name: g.status for g in found.present}


# --- nothing of it is run in the grader -----------------------------------------------------------

CRAFTED = """\
import os, pickle, struct
class Run:
    def __reduce__(self):
        return exec, ("import os; open({canary!r}, 'a').write(f'{{os.getpid()}} ')",)
data = pickle.dumps(("ran", Run()))
for n in range(3, 300):
    try:
        os.write(n, struct.pack("<Q", len(data)) + data)
    except OSError:
        pass
"""


@pytest.mark.parametrize("where", ["in a function", "at the top"])
def test_s104_a_crafted_message_runs_nothing_in_the_grader(where: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    code = CRAFTED.format(canary=str(canary))
    if where == "at the top":
        found = graded(tmp_path, f"exec({code!r})\n{FEW}")
        assert statuses(found) == HONEST, str(found)
        assert "left out: line 1: what came from its process is no answer" in found.notes[0]
    else:
        found = graded(tmp_path, with_functions(sigmoid=f"exec({code!r})\nreturn 1"))
        assert statuses(found) == HONEST | {"sigmoid": "crashed"}, str(found)
        assert (
            "is no answer: something else wrote to the grader's pipe" in found["sigmoid"].words[0]
        )
    assert not canary.exists()


def test_expected_values_are_not_among_what_a_function_is_given() -> None:
    """The right outputs of every case against every array that goes into the process."""
    for function in FUNCTIONS:
        compared, same = 0, 0
        for case in function.cases():
            given = [x for v in case.given.values() for x in arrays(v)]
            for truth in truths(function.name, case):
                compared += 1
                same += any(x.shape == truth.shape and np.array_equal(x, truth) for x in given)
        assert same <= compared / 4, function.name  # dZ is dA where relu lets all through
        assert compared > 10 or function.name not in JUDGED


JUDGED = (
    "linear_forward", "linear_activation_forward", "sigmoid_backward", "relu_backward",
    "linear_backward", "linear_activation_backward", "L_model_backward", "update_parameters",
)  # fmt: skip


def arrays(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in arrays(v)]
    return [value] if isinstance(value, np.ndarray) else []


def truths(name: str, case: Any) -> list[Any]:
    """The right answers of the functions that have one, of more numbers than chance explains."""
    q, given = case.truth, case.given
    if name in ("linear_forward", "linear_activation_forward"):
        found = [q.values["Z" if name == "linear_forward" else "A"]]
    elif name in ("sigmoid_backward", "relu_backward"):
        found = [q.back["dZ"]]
    elif name == "linear_backward":
        found = [q.back_linear[k] for k in ("dA_prev", "dW", "db")]
    elif name == "linear_activation_backward":
        found = [q.back[k] for k in ("dA_prev", "dW", "db")]
    elif name == "L_model_backward":
        found = [g for k, g in q.grads.items() if k[1] in "Wb"]
    elif name == "update_parameters":
        rate, grads = given["learning_rate"], given["grads"]
        found = [p - rate * grads[f"d{k}"] for k, p in given["parameters"].items()]
    else:
        return []
    return [x for x in found if x.size > 4 and np.any(x)]


# --- one file's failure is its own ----------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyError("functions"), TimeoutError(), OSError(5, "gone"),
                                   MemoryError(), AssertionError()])  # fmt: skip
def test_s105_a_failure_of_one_file_loses_no_other(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def failing(path: Path, **limits: Any) -> Grades:
        if path.stem == "b":
            raise error
        return grade(path, **limits)

    monkeypatch.setattr(command, "grade", failing)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "class").mkdir()
    for name in "abc":
        (tmp_path / "class" / f"{name}.py").write_text(FEW, encoding="utf-8")
    assert main(["check", "class", "--csv", "t.csv", "--html", "t.html"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "class/a.py", "class/b.py", "class/c.py", "wrote t.html, t.csv",
    ]  # fmt: skip
    assert "2 right" in lines[0]
    assert "can't be " in lines[1]
    assert "2 right" in lines[2]
    table = Path("t.csv").read_text(encoding="utf-8")
    assert table.count(",2,2,") == 2
    assert "class/c.py" in Path("t.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes and devices as files")
def test_what_is_no_file_is_that_files_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("class/folder.py").mkdir(parents=True)
    Path("class/a.py").write_text(FEW, encoding="utf-8")
    Path("class/lost.py").symlink_to("nowhere.py")
    Path("class/round.py").symlink_to("round.py")
    Path("class/endless.py").symlink_to("/dev/zero")
    os.mkfifo("class/pipe.py")
    assert main(["check", "class"]) == 1
    told = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert "2 right" in told["class/a.py"]
    assert "No such file" in told["class/lost.py"]
    assert "symbolic links" in told["class/round.py"]
    assert "not a regular file" in told["class/endless.py"]
    assert "not a regular file" in told["class/pipe.py"]
    assert len(told) == 5
    assert main(["check", "class/pipe.py"]) == 2


def test_results_are_written_also_when_grading_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupted(path: Path, **limits: Any) -> Grades:
        if path.stem == "b":
            raise KeyboardInterrupt
        return grade(path, **limits)

    monkeypatch.setattr(command, "grade", interrupted)
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(FEW, encoding="utf-8")
    with contextlib.suppress(KeyboardInterrupt):
        main(["check", "a.py", "b.py", "--csv", "t.csv"])
    assert "a.py,2,2," in Path("t.csv").read_text(encoding="utf-8")


def test_a_value_that_breaks_a_judge_is_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_functions(
        two_layer_model="return {k: 'x' for k in ('W1', 'b1', 'W2', 'b2')}",
        compute_cost="return [['a', 1], [None]]",
    )
    found = graded(tmp_path, text)
    assert statuses(found) == HONEST | {"two_layer_model": "wrong", "compute_cost": "wrong"}
    assert "returns what can't be compared (ValueError" in found["two_layer_model"].words[0]


def test_a_file_that_is_loaded_only_once_is_judged_as_far_as_that_goes(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    head = f"import os\n{f'if os.path.exists({str(mark)!r}): os._exit(1)' + chr(10)}" * 25
    body = f"open({str(mark)!r}, 'w').close()\nos._exit(2)"
    found = graded(tmp_path, head + with_functions(initialize_parameters=body))
    crashed = dict.fromkeys(("initialize_parameters", *HONEST), "crashed")
    assert statuses(found) == crashed, str(found)
    assert "exit status 2" in found["initialize_parameters"].words[0]
    assert "exit status 1" in found["relu"].words[0]


@pytest.mark.parametrize("text", ["x = " + "-" * 10**5 + "1", "x = " + "(" * 10**4, "[" * 300])
def test_what_the_parser_gives_up_is_a_verdict(text: str, tmp_path: Path) -> None:
    assert graded(tmp_path, text).problem


# --- borrowed answers -----------------------------------------------------------------------------

TEXTBOOK = "calls the document's own {} (tinygrad_dnn.textbook) and does not compute"
ENGINE = "has the engine of tinygrad_dnn compute"
EXEC = "runs a {} that exec has made of a text, which does not stand in the file"
FROM_FRAME = """\
import sys
frame = sys._getframe()
while "textbook" not in {**frame.f_globals, **frame.f_locals}:
    frame = frame.f_back
textbook = {**frame.f_globals, **frame.f_locals}["textbook"]
"""
BY_ENGINE = """\
from tinygrad_dnn import Tensor, gradients
dZ, (A, W, b) = args
A, W, b = (Tensor(x, requires_grad=True) for x in (A, W, b))
dA, dW, db = gradients(W @ A + b, [A, W, b], gradient=dZ)
return dA, dW / A.shape[1], db / A.shape[1]
"""
SOURCE = """\
import inspect, tinygrad_dnn.textbook
from pathlib import Path
text = Path(tinygrad_dnn.textbook.__file__).read_text()
"""
BORROWED = {
    "sigmoid": ("from tinygrad_dnn import textbook\nreturn textbook.sigmoid(*args)", TEXTBOOK),
    "compute_cost": (
        "from tinygrad_dnn.textbook import compute_cost\nreturn compute_cost(*args)", TEXTBOOK),
    "relu_backward": (f"{FROM_FRAME}return textbook.relu_backward(*args)", TEXTBOOK),
    "sigmoid_backward": (
        "from tinygrad_dnn import textbook as t\ndA, Z = args\n"
        "return t.linear_activation_backward(dA, ((Z, np.eye(len(Z)), 0), Z), 'sigmoid')[0]",
        TEXTBOOK),
    "linear_backward": (BY_ENGINE, ENGINE),
    "update_parameters": (
        f"{SOURCE}space = {{}}\nexec(text, space)\nreturn space['update_parameters'](*args)", EXEC),
    "linear_activation_forward": (
        "import inspect, tinygrad_dnn.textbook as t\ntext = inspect.getsource(t)\n"
        "space = {}\nexec(compile(text, __file__, 'exec'), space)\n"
        "return space['linear_activation_forward'](*args)", EXEC),
}  # fmt: skip


def test_s106_a_function_that_has_others_compute_is_called_borrowed(tmp_path: Path) -> None:
    found = graded(tmp_path, with_functions(**{n: b for n, (b, _) in BORROWED.items()}), limit=20)
    assert statuses(found) == HONEST | dict.fromkeys(BORROWED, "borrowed"), str(found)
    for name, (_, words) in BORROWED.items():
        assert words.format(name) in "\n".join(found[name].words), str(found)
    assert not found.right
    assert f"2 right, {len(BORROWED)} borrowed, " in found.summary


PARTS = """\
import sys, importlib
text = open(sys.modules["tinygrad_dnn.textbook"].__file__).read()
"""
OTHER_WAYS = {
    "sigmoid": (
        "import importlib\nreturn getattr(importlib.import_module('tinygrad_dnn.text' + 'book'), "
        "'sig' + 'moid')(*args)", TEXTBOOK),
    "sigmoid_backward": (
        "import sys\nreturn vars(sys.modules['tinygrad_dnn.textbook'])['sigmoid_backward'](*args)",
        TEXTBOOK),
    "relu_backward": (
        "from types import FunctionType\nfrom tinygrad_dnn.textbook import relu_backward as f\n"
        "return FunctionType(f.__code__, f.__globals__)(*args)", TEXTBOOK),
    "linear_backward": (
        "import gc\nf = [x for x in gc.get_objects() if type(x).__name__ == 'function' and "
        "x.__name__ == 'linear_backward' and 'textbook' in x.__code__.co_filename]\n"
        "return f[-1](*args)", TEXTBOOK),
    "compute_cost": (
        f"{PARTS}space = {{}}\nexec(text.replace('compute_cost', 'mine'), space)\n"
        "return space['mine'](*args)", EXEC),
    "update_parameters": (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'pass'])\n"
        "p, g, r = args\nreturn {k: p[k] - r * g['d' + k] for k in p}", "starts another process"),
    "L_model_forward": ("return _copied(*args)", EXEC),
}  # fmt: skip


def test_s164_other_ways_to_borrow(tmp_path: Path) -> None:
    text = with_functions(**{n: b for n, (b, _) in OTHER_WAYS.items()})
    text += (
        "import tinygrad_dnn.textbook as t\nspace = {}\nsource = open(t.__file__).read()\n"
        "exec(compile(source.replace('L_model_forward', '_c'), __file__, 'exec'), space)\n"
        "_copied = space['_c']\n"
    )
    found = graded(tmp_path, text, limit=20)
    assert statuses(found) == HONEST | dict.fromkeys(OTHER_WAYS, "borrowed"), str(found)
    for name, (_, words) in OTHER_WAYS.items():
        assert words.format(name) in "\n".join(found[name].words), str(found[name])


def test_code_that_is_not_in_the_file_is_called_borrowed(tmp_path: Path) -> None:
    names = "linear_backward|relu_backward"
    text = (
        f"{FEW}\nimport re, tinygrad_dnn.textbook as t\nfrom pathlib import Path\n"
        "text = Path(t.__file__).read_text()\n"
        f"parts = re.findall(r'^def (?:{names})\\(.*?(?=^def )', text, re.M | re.S)\n"
        "space = dict(vars(t))\nexec(compile(chr(10).join(parts), __file__, 'exec'), globals()"
        " | space, globals())\n"
    )
    found = graded(tmp_path, text)
    assert statuses(found) == HONEST | {"linear_backward": "borrowed", "relu_backward": "borrowed"}
    assert "its code does not stand in the file" in found["relu_backward"].words[0]


def test_callers_of_a_borrowed_function_are_judged_by_themselves(tmp_path: Path) -> None:
    start = RIGHT.index("def linear_backward")
    end = RIGHT.index("def linear_activation_backward")
    body = "    from tinygrad_dnn import textbook\n    return textbook.linear_backward(dZ, cache)\n"
    text = f"{RIGHT[:start]}def linear_backward(dZ, cache):\n{body}\n\n{RIGHT[end:]}"
    found = graded(tmp_path, text)
    assert [g.name for g in found if g.status != "right"] == ["linear_backward"], str(found)
    assert found["linear_backward"].status == "borrowed"


def test_who_uses_python_in_other_ways_is_not_accused(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text(
        "import numpy as np\ndef sigmoid_backward(dA, Z):\n"
        "    s = 1 / (1 + np.exp(-Z))\n    return dA * s * (1 - s)\n", encoding="utf-8"
    )  # fmt: skip
    text = FEW + (
        "import functools\nfrom tinygrad_dnn import Tensor, check_gradients\n"
        "from dnn_utils_v2 import sigmoid\n"
        "Tensor(np.ones(2), requires_grad=True).sum().backward()\n"
        "def twice(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a)\n"
        "    return g\n"
        "@twice\ndef relu_backward(dA, cache):\n    exec('x = 1')\n    return dA * (cache > 0)\n"
        "def sigmoid_backward(dA, cache):\n    from helper import sigmoid_backward as s\n"
        "    return s(dA, cache)\n"
        "def linear_activation_forward(A, W, b, activation):\n"
        "    Z, c = linear_forward(A, W, b)\n"
        "    return (sigmoid if activation == 'sigmoid' else relu)(Z)[0], (c, Z)\n"
        "class _Cost:\n    def __call__(self, AL, Y):\n"
        "        return -np.mean(Y * np.log(AL) + (1 - Y) * np.log(1 - AL))\n"
        "compute_cost = _Cost()\n"
    )
    found = graded(tmp_path, text, limit=20)
    expected = ("relu_backward", "sigmoid_backward", "linear_activation_forward", "compute_cost")
    assert statuses(found) == HONEST | dict.fromkeys(expected, "right"), str(found)
    assert found.notes == ()


# --- what is shown --------------------------------------------------------------------------------

ESCAPE = "\\x1b[2J\\x9b31m\\r\\u202e"


def test_texts_of_students_reach_no_terminal_as_they_are(tmp_path: Path) -> None:
    found = graded(
        tmp_path,
        f"raise Exception('{ESCAPE}' + '\\n\\u2713 sigmoid')\n"
        + with_functions(
            sigmoid=f"raise Exception('{ESCAPE}' * 10**5)",
            compute_cost=f"raise type('{ESCAPE}', (Exception,), {{}})('a\\n✓ compute_cost')",
            predict=f"return type('{ESCAPE}' * 999, (), {{}})()",
            update_parameters=f"return {{'{ESCAPE}' * 10**4: 1}}",
            relu_backward="return '\\x1b' * 10**5",
        ),
    )
    text = str(found)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\\x1b[2J\\x9b31m\\r\\u202e" in text
    assert len(text) < 6000
    lines = text.splitlines()
    assert not {"✓ compute_cost", "✓ sigmoid"} & set(lines), text
    assert "✓ relu" in lines
    data = json.dumps(found.to_dict())
    assert len(data) < 10_000


def test_a_syntax_error_is_told_with_its_escapes_escaped(tmp_path: Path) -> None:
    said = str(graded(tmp_path, "x = '\x1b[2J" + "x" * 10**5 + "\n"))
    assert "\x1b" not in said
    assert len(said) < 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_in_a_function_changes_no_verdict(tmp_path: Path) -> None:
    text = with_functions(
        sigmoid="import os; os.fork()\nreturn 1 / (1 + np.exp(-args[0])), args[0]",
        relu_backward="import os\nif os.fork() == 0: os._exit(0)\nreturn args[0] * (args[1] > 0)",
    )
    found = graded(tmp_path, text, limit=10)
    assert statuses(found) == HONEST | {"sigmoid": "right", "relu_backward": "right"}, str(found)


def test_results_too_large_to_be_told_are_wrong_and_named(tmp_path: Path) -> None:
    text = with_functions(
        sigmoid="return np.zeros((1000, 1000))", compute_cost="return [1.0] * 10**6",
        relu_backward="return 10**5000",
    )  # fmt: skip
    found = graded(tmp_path, text)
    assert statuses(found) == HONEST | dict.fromkeys(
        ("sigmoid", "compute_cost", "relu_backward"), "wrong"
    )
    assert "returns an array (1000, 1000) of 7 MiB where" in found["sigmoid"].words[0]
    assert "returns too large a result" in found["compute_cost"].words[0]
    assert "returns an integer of 16610 bits where" in found["relu_backward"].words[0]


def test_a_judged_function_can_not_end_the_questions(tmp_path: Path) -> None:
    lie = (
        "import gc\npipe = next(x for x in gc.get_objects() if type(x).__name__ == 'Pipe')\n"
        "Z = args[0]\nif Z.size > 2: pipe.send('done', None)\nreturn 1 / (1 + np.exp(-Z))"
    )
    found = graded(tmp_path, with_functions(sigmoid=lie))
    assert found["sigmoid"].status == "crashed"
