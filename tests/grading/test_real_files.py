"""What real homework looks like: each kind a small file; nobody right is accused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from students import FEW, RIGHT, Fault, planted

from tinygrad_dnn.grading import Grades, grade
from tinygrad_dnn.grading.crashes import CRASHES, hint_for

ALL_RIGHT = {"relu": "right", "linear_forward": "right", "relu_backward": "right"}
LINEAR, RELU, BACK = FEW.split("\n\n\n")[1:]


def graded(folder: Path, text: str, **options: Any) -> Grades:
    path = folder / "homework.py"
    path.write_text(text, encoding="utf-8")
    return grade(path, **options)


def notebook(folder: Path, *cells: str, book: Any = None, **options: Any) -> Grades:
    path = folder / "homework.ipynb"
    code = [{"cell_type": "code", "source": c.splitlines(keepends=True)} for c in cells]
    path.write_text(json.dumps(book or {"cells": code, "nbformat": 4}), encoding="utf-8")
    return grade(path, **options)


def statuses(found: Grades) -> dict[str, str]:
    return {g.name: g.status for g in found.present}


# --- 1. what is no Python costs itself alone ------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    ["%matplotlib inline", "!ls -l", "cd ../input", "pip install h5py", "np.dot?", "?np.dot",
     "x = !ls", "x = %time 1", "    %time", "%%html\n<b>def</b>", "%%bash\necho hi; done"],
)  # fmt: skip
def test_s160_what_only_a_notebook_understands_is_left_alone(line: str, tmp_path: Path) -> None:
    found = notebook(tmp_path, "import numpy as np", line, LINEAR, RELU, BACK)
    assert statuses(found) == ALL_RIGHT, str(found)
    if not line.startswith(("%%", "    ")):
        found = notebook(tmp_path, "import numpy as np", f"{line}\n{LINEAR}\n{line}", RELU, BACK)
        assert statuses(found) == ALL_RIGHT, str(found)
        assert not [x for x in found.left_out if "syntax" in x]


def test_a_cell_that_is_timed_or_written_is_python(tmp_path: Path) -> None:
    cells = ["%%time\n" + LINEAR, "\n%%writefile x.py\n" + RELU, "%%capture out\n" + BACK]
    found = notebook(tmp_path, "import numpy as np", *cells)
    assert statuses(found) == ALL_RIGHT, str(found)


def test_a_sentence_in_a_cell_costs_the_sentence(tmp_path: Path) -> None:
    found = notebook(
        tmp_path,
        "import numpy as np",
        f"I think this is right.\n{LINEAR}",
        RELU,
        BACK + "\n\nwhy so?",
    )
    assert statuses(found) == ALL_RIGHT, str(found)
    assert [x.split(": ")[0] for x in found.left_out] == [
        "code cell 2, line 1", "code cell 4, line 5",
    ]  # fmt: skip


def test_a_script_is_read_definition_by_definition(tmp_path: Path) -> None:
    odd = "def helper(:\n    '''\nat the margin\n    '''\n    return 1\n"
    found = graded(tmp_path, FEW.replace("def relu(", f"{odd}\n\ndef relu("))
    assert statuses(found) == ALL_RIGHT, str(found)
    assert found.left_out[0].startswith("line 8: invalid syntax: def helper(:")
    kept = (
        "def f():\n    '''\nat the margin\n    '''\nif 1:\n    pass\nelse:\n    pass\nx = (\n1\n)\n"
    )
    found = graded(tmp_path, f"{FEW}\n{kept}\nthis is no python\n")
    assert len(found.left_out) == 1, found.left_out


def test_python_2(tmp_path: Path) -> None:
    text = FEW.replace(
        "    return np.max", "    print 'Z', Z.shape\n    if 1: print 'x'\n    return np.max"
    )
    text += "print\ntry:\n\tprint 'a' % 1,\nexcept Exception, e:\n        print e\n"
    found = graded(tmp_path, text)
    assert statuses(found) == ALL_RIGHT, str(found)
    assert "Python 2's print" in found.notes[-1]


def test_a_notebook_of_format_3(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "input": FEW}, {"cell_type": "markdown", "source": "x"}]
    found = notebook(tmp_path, book={"worksheets": [{"cells": cells}], "nbformat": 3})
    assert statuses(found) == ALL_RIGHT


def test_what_is_left_blank_is_not_written(tmp_path: Path) -> None:
    text = planted(
        Fault("initialize_parameters", "np.zeros((n_h, 1))", "", ""),
        Fault(
            "linear_activation_backward", "dZ = sigmoid_backward(dA, activation_cache)", "# ?", ""
        ),
        Fault("relu", "np.maximum(0, Z)", "np.maximum(0, Z", ""),
    )
    found = graded(tmp_path, text)
    other = {n: s for n, s in statuses(found).items() if s != "right"}
    assert other == {
        "initialize_parameters": "not written", "linear_activation_backward": "not written",
        "relu": "crashed",
    }, str(found)  # fmt: skip
    assert "b1 =" in found["initialize_parameters"].words[0]
    assert "line 11: '(' was never closed" in found["relu"].words[0]
    assert found["initialize_parameters"].code[0] == "def initialize_parameters(n_x, n_h, n_y):"
    assert found["initialize_parameters"].lit == (3,)


# --- 2. asserts -----------------------------------------------------------------------------------


def test_an_assert_does_not_hide_the_mistake(tmp_path: Path) -> None:
    faults = (
        Fault("linear_backward", "axis=1, keepdims", "axis=0, keepdims", ""),
        Fault("linear_backward", "    return", "    assert db.shape == b.shape, 'db'\n    return",
              ""),
    )  # fmt: skip
    found = graded(tmp_path, planted(*faults))["linear_backward"]
    assert found.status == "wrong"
    assert "is summed over axis 0 where axis 1 is right" in found.words[0]
    assert found.notes == ("its own assert fails in line 93: assert db.shape == b.shape, 'db'",)


@pytest.mark.parametrize("test", ["Z.shape == (1, 9)", "Z[99, 99]", "isinstance(Z, float)"])
def test_s161_a_wrong_assert_does_not_make_a_right_function_wrong(
    test: str, tmp_path: Path
) -> None:
    text = planted(Fault("linear_forward", "    cache =", f"    assert({test})\n    cache =", ""))
    found = graded(tmp_path, text)
    assert found.right, str(found)
    assert "its own assert fails in line 51: assert(" in found["linear_forward"].notes[0]
    assert found["L_model_forward"].notes == ()


def test_an_assert_that_is_caught_stays_as_it_is(tmp_path: Path) -> None:
    text = FEW.replace(
        "    return np.max",
        "    try:\n        assert False\n    except AssertionError:\n        Z = Z\n"
        "    return np.max",
    )
    assert statuses(graded(tmp_path, text)) == ALL_RIGHT
    text = text.replace("        Z = Z", "        Z = 2 * Z")
    assert graded(tmp_path, text)["relu"].status == "wrong"


# --- 3. one line on what was left out -------------------------------------------------------------


def test_what_is_left_out_takes_one_line(tmp_path: Path) -> None:
    tests = "\n".join(f"A{i}, W{i} = linear_forward_test_case()" for i in range(30))
    found = notebook(tmp_path, FEW, "from testCases import *", tests, "1 / 0")
    assert len(found.notes) == 1
    assert found.notes[0] == (
        "left out: code cell 3, line 1: NameError: name 'linear_forward_test_case' is not defined, "
        "and 29 more of the kind; code cell 4, line 1: ZeroDivisionError: division by zero"
    )
    assert len(found.left_out) == 31
    assert "code cell 3, line 30: NameError" in found.left_out[-2]


def test_lines_of_a_notebook_are_those_of_the_cell(tmp_path: Path) -> None:
    found = notebook(tmp_path, "import numpy as np", "\n" + RELU.replace("0, Z", "0, Zz"))
    relu = found["relu"]
    assert (relu.line, relu.cell, relu.place) == (2, 2, "code cell 2, line 2")
    assert str(relu.lines[0]) == "code cell 2, line 3, in relu: return np.maximum(0, Zz), Z"
    assert relu.lit == (1,)
    assert "✗ relu (code cell 2, line 2): crashed" in str(found)


# --- 4. another signature -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("initialize_parameters", "(n_x, n_h, n_y):",
         "(layer_dims):\n    n_x, n_h, n_y = layer_dims"),
        ("predict", "(X, y, parameters):", "(parameters, X):\n    y = 0"),
        ("compute_cost", "(AL, Y):", "(AL, Y, parameters):"),
        ("L_model_backward", "(AL, Y, caches):", "(AL, Y, caches, rate):"),
        ("linear_activation_forward", "(A_prev, W, b, activation):",
         "(A_prev, activation, theta):\n    W, b = theta"),
    ],
)  # fmt: skip
def test_s162_another_signature_is_no_crash_and_harms_no_caller(
    name: str, old: str, new: str, tmp_path: Path
) -> None:
    text = planted(Fault(name, old, new, ""))
    calls = {
        "initialize_parameters": ("initialize_parameters(n_x, n_h, n_y)\n    for",
                                  "initialize_parameters((n_x, n_h, n_y))\n    for"),
        "compute_cost": ("compute_cost(A2, Y)", "compute_cost(A2, Y, parameters)"),
    }  # fmt: skip
    if name in calls:
        text = text.replace(*calls[name])
    if name == "compute_cost":
        text = text.replace("compute_cost(AL, Y)\n        g", "compute_cost(AL, Y, 0)\n        g")
    found = graded(tmp_path, text)
    assert found[name].status == "another signature", str(found)
    assert "was not judged" in found[name].words[0]
    if name in ("initialize_parameters", "predict", "compute_cost"):
        assert {n for n, s in statuses(found).items() if s != "right"} == {name}, str(found)


def test_s163_parameters_in_another_order_are_given_by_name(tmp_path: Path) -> None:
    text = planted(
        Fault("linear_forward", "(A, W, b):", "(W, A_prev, b):\n    A = A_prev", ""),
        Fault("linear_activation_forward", "(A_prev, W, b)\n", "(W, A_prev, b)\n", ""),
        Fault("compute_cost", "(AL, Y):", "(Y, AL):", ""),
        Fault("L_layer_model", "cost(AL, Y)", "cost(Y, AL)", ""),
        Fault("two_layer_model", "cost(A2, Y)", "cost(Y, A2)", ""),
    )
    found = graded(tmp_path, text)
    assert found.right, str(found)
    wrong = planted(Fault("compute_cost", "(AL, Y):", "(Y, AL):", ""),
                    Fault("compute_cost", "-(1 / m)", "(1 / m)", ""))  # fmt: skip
    example = graded(tmp_path, wrong)["compute_cost"].example
    assert example is not None
    assert "cost = compute_cost(AL=AL, Y=Y)" in example


def test_other_names(tmp_path: Path) -> None:
    text = RIGHT.replace("linear_backward", "Linear_Backward").replace("relu(Z", "rectify(Z")
    found = graded(tmp_path, text, aliases={"relu": ["rectify"]})
    assert found.right, str(found)
    assert found["linear_backward"].notes == ("under the name Linear_Backward",)
    assert found["relu"].notes == ("under the name rectify",)
    assert found["relu"].status == "right"
    wrong = text.replace("np.maximum(0, Z)", "np.maximum(1, Z)").replace("axis=1, k", "axis=0, k")
    found = graded(tmp_path, wrong, aliases={"relu": ["rectify"]})
    assert {n for n, s in statuses(found).items() if s != "right"} == {"relu", "linear_backward"}
    assert "from homework import Linear_Backward as linear_backward" in str(found)
    with pytest.raises(ValueError, match="reluu: expected functions of the document"):
        grade(tmp_path / "homework.py", aliases={"reluu": []})


def test_a_cache_of_ones_own_that_nobody_makes_cannot_be_told(tmp_path: Path) -> None:
    text = (
        'def linear_backward(dZ, cache):\n    A, W = cache["A"], cache["W"]\n    return 1, 2, 3\n'
    )
    found = graded(tmp_path, text)["linear_backward"]
    assert found.status == "cannot tell", found
    assert "may expect caches of another layout" in found.words[0]


# --- 5 to 9 ---------------------------------------------------------------------------------------


def test_code_for_two_layers_and_more_is_right(tmp_path: Path) -> None:
    """With one layer A_prev is never assigned."""
    fault = Fault(
        "L_model_forward", "        A, cache = l", "        last = 1\n        A, cache = l", ""
    )
    text = planted(fault, Fault("L_model_forward", "AL, cache =", "last += 1\n    AL, cache =", ""))
    assert graded(tmp_path, text)["L_model_forward"].status == "right"


@pytest.mark.parametrize("dA", ["dAL", 'grads["dA" + str(L)]', "AL"])
def test_the_same_dA_in_every_pass_of_the_loop(dA: str, tmp_path: Path) -> None:
    fault = Fault("L_model_backward", 'dA = grads["dA" + str(l + 2)]', f"dA = {dA}", "")
    found = graded(tmp_path, planted(fault))["L_model_backward"]
    assert found.status == "wrong"
    said = {"dAL": "comes from dAL where", "AL": "comes from AL where"}
    assert said.get(dA, "comes from the dA that layer 3 passes on where") in "\n".join(found.words)
    assert "is dA the same in every pass of the loop?" in "\n".join(found.words)


MORE = (
    Fault("L_model_backward", "(dAL, current", "(AL, current", "comes from dAL = AL where"),
    Fault("compute_cost", "(np.dot(Y, np.log(AL).T) + np.dot((1 - Y), np.log(1 - AL).T))",
          "np.sum(Y * np.log(AL).T + (1 - Y) * np.log(1 - AL).T)", "every label with every log"),
    Fault("sigmoid_backward", "dA * s * (1 - s)", "dA * (1 - Z ** 2)", "has 1 − Z² where A"),
    Fault("update_parameters", "range(L)", "range(L - 1)", "does the loop end a layer too early?"),
    Fault("initialize_parameters", "np.zeros((n_h, 1))", "np.zeros(n_h, 1)",
          "np.zeros takes the shape as one tuple"),
    Fault("relu", "np.maximum(0, Z)", "np.max(0, Z)", "is np.maximum(0, Z)"),
    Fault("initialize_parameters", "randn(n_y, n_h) * 0.01", "randn(n_y, n_h)",
          "gives W2 weights of standard deviation"),
    Fault("initialize_parameters_deep", "* 0.01", "* (0.01 if l == 1 else 1)",
          "gives W2 weights of standard deviation"),
)  # fmt: skip


@pytest.mark.parametrize("fault", MORE, ids=lambda f: f"{f.function} {f.new}")
def test_more_mistakes_are_named(fault: Fault, tmp_path: Path) -> None:
    found = graded(tmp_path, planted(fault))
    assert {n for n, s in statuses(found).items() if s != "right"} == {fault.function}, str(found)
    assert fault.words in "\n".join(found[fault.function].words), str(found)


def test_hints_for_crashes() -> None:
    assert "np.maximum" in hint_for(
        "only integer scalar arrays can be converted", "A = np.max(0, Z)"
    )
    assert hint_for("division by zero", "A = np.max(0, Z)") == ""
    assert all(c.hint for c in CRASHES)


def test_activations_alone_are_right(tmp_path: Path) -> None:
    text = (
        FEW.replace("np.maximum(0, Z), Z", "np.maximum(0, Z)")
        + "\n\ndef linear_activation_forward(A_prev, W, b, activation):\n"
        "    Z, c = linear_forward(A_prev, W, b)\n"
        "    return relu(Z) if activation == 'relu' else 1 / (1 + np.exp(-Z)), (c, Z)\n"
    )
    found = graded(tmp_path, text)
    assert found.right, str(found)


def test_a_guard_in_the_denominators_is_right(tmp_path: Path) -> None:
    text = planted(
        Fault("L_model_backward", "np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)",
              "Y / (AL + 1e-8) - (1 - Y) / (1 - AL + 1e-8)", ""),
    )  # fmt: skip
    found = graded(tmp_path, text)["L_model_backward"]
    assert found.status == "right", found
    assert found.notes == ("1e-08 added to the denominators of dAL: right all the same",)


def test_names_of_an_old_numpy_are_given(tmp_path: Path) -> None:
    text = planted(
        Fault("relu_backward", "dZ[Z <= 0] = 0", "dZ = dA * np.int64(Z > 0) * np.float(1)", ""),
        Fault("predict", "m = X", "m = np.int(1)\n    m = X", ""),
    )
    found = graded(tmp_path, text)
    assert found.right, str(found)
    assert found.notes == (
        "np.int and np.float: today's NumPy has no such name; it was given for grading",
    )
    without = graded(tmp_path, FEW.replace("import numpy as np\n", ""))
    assert statuses(without) == ALL_RIGHT
    assert without.notes == ("np is never imported; it was given for grading",)


def test_what_people_do_with_grads_and_iterations(tmp_path: Path) -> None:
    text = planted(
        Fault("update_parameters", "len(parameters) // 2",
              "len(grads) // 3\n    grads['dA2'].shape", ""),
        Fault("L_layer_model", "        AL, caches",
              "        i % (num_iterations // 10)\n        AL, caches", ""),
    )  # fmt: skip
    text = text.replace('"dW2": dW2, "db2": db2}', '"dW2": dW2, "db2": db2, "dA1": 0, "dA2": dA2}')
    assert graded(tmp_path, text).right


def test_the_maker_of_a_useless_cache_does_not_harm_the_reader(tmp_path: Path) -> None:
    fault = Fault(
        "linear_activation_forward", "(linear_cache, activation_cache)", "linear_cache", ""
    )
    found = graded(tmp_path, planted(fault))
    assert found["linear_activation_backward"].status == "right", str(found)
    assert found["L_model_backward"].status == "right", str(found)


# --- 11 to 13 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["...", "pass", "return None", "'''doc'''", "return",
                                  "Z = None\n    cache = None\n    return Z, cache",
                                  "raise NotImplementedError", "Z = None\n    cache = (A, W, b)\n"
                                  "    return Z, cache",
                                  "Z, cache = None, None\n    return Z, cache"])  # fmt: skip
def test_stubs_are_not_written(body: str, tmp_path: Path) -> None:
    found = graded(tmp_path, f"def linear_forward(A, W, b):\n    '''Z.'''\n    {body}\n")
    assert statuses(found) == {"linear_forward": "not written"}, str(found)


def test_a_half_written_function(tmp_path: Path) -> None:
    old = "(1 / m) * np.dot(dZ, A_prev.T)"
    found = graded(tmp_path, planted(Fault("linear_backward", old, "None", "")))["linear_backward"]
    assert (found.status, found.words) == (
        "not written", ("line 90 is to be filled in: dW = None",),
    )  # fmt: skip
    assert found.lit == (3,)


def test_an_example_of_a_notebook_is_pasted_into_it(tmp_path: Path) -> None:
    text = RIGHT.replace("axis=1, k", "axis=0, k")
    found = notebook(tmp_path, *text.split("\n\n\n"))
    example = found["linear_backward"].example
    assert example is not None
    assert "homework" not in example
    space: dict[str, Any] = {}
    exec(text, space)
    exec(example, space)
    assert space["db"].shape != space["b"].shape or "db is" in example


def test_required_functions_are_counted(tmp_path: Path) -> None:
    found = graded(tmp_path, FEW, require=["relu", "linear_backward"])
    assert (found.count, len(found.grades)) == (1, 2)
    assert found.summary == "1 right, 1 missing"


def test_own_lines_and_those_that_are_meant(tmp_path: Path) -> None:
    for old, new, meant in [
        ("axis=1, k", "axis=0, k", "    db = "),
        ("return dA_prev, dW, db", "return dA_prev, 2 * dW, db", "    return dA_prev, 2 * dW"),
        ("dA_prev = np.dot(W.T, dZ)", "dA_prev = W[:, 0] / 0 @ Q", "    dA_prev = "),
    ]:
        g = graded(tmp_path, planted(Fault("linear_backward", old, new, "")))["linear_backward"]
        assert g.code[g.lit[0]].startswith(meant), g
        assert len(g.lit) == 1
        assert g.code[0] == "def linear_backward(dZ, cache):"


def test_functions_in_tables_are_exchanged_as_well(tmp_path: Path) -> None:
    """A wrong sigmoid is not blamed on who reaches it through a table, or a helper."""
    for table, use in [
        ('TABLE = {"sigmoid": sigmoid, "relu": lambda Z: relu(Z)}', "TABLE[activation](Z)"),
        ("def helper(Z, name):\n    return sigmoid(Z) if name == 'sigmoid' else relu(Z)",
         "helper(Z, activation)"),
    ]:  # fmt: skip
        text = planted(
            Fault("sigmoid", "np.exp(-Z)", "np.exp(Z)", ""),
            Fault("linear_activation_forward", "    cache =",
                  f"    A, activation_cache = {use}\n    cache =", ""),
        )  # fmt: skip
        head = "def initialize_parameters("
        found = graded(tmp_path, text.replace(head, f"{table}\n\n\n{head}"))
        assert {n for n, s in statuses(found).items() if s != "right"} == {"sigmoid"}, str(found)


def test_the_parameters_of_the_layer_before(tmp_path: Path) -> None:
    fault = Fault("L_model_forward", '"W" + str(L)], parameters["b" + str(L)]',
                  '"W" + str(L - 1)], parameters["b" + str(L - 1)]', "")  # fmt: skip
    found = graded(tmp_path, planted(fault))["L_model_forward"]
    assert "lacks the biases" not in "\n".join(found.words)
    assert "the inner sizes must agree" in "\n".join(found.words)
