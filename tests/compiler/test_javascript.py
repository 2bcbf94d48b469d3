"""The text of a printed program: names, lines, what is refused. Its numbers: tests/browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Op, Tensor, relu, scope, softmax
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.compiler.javascript import NotPrintable, javascript
from tinygrad_dnn.compiler.javascript.sized import Fixed, in_m
from tinygrad_dnn.graph import Graph, trace


def test_a_program_is_memory_kernels_and_a_call_for_each_op() -> None:
    W, x = Tensor(np.ones((2, 3)), name="W"), Tensor(np.ones((3, 1)), name="x")
    A = relu(W @ x + 0.5)
    A.name = "A"
    printed = javascript(trace([A.node]))
    assert [*printed.inputs] == ["W", "x"]
    run = printed.source.partition("function run() {\n")[2].partition("}")[0]
    assert "".join(run.split()) == "matmul(t1,W,x);add(t2,t1,0.5);relu(A,t2);"
    assert "const A = new Float64Array(2); // (2, 1)" in printed.source


def test_equal_kernels_are_written_once_and_a_reshape_is_no_op() -> None:
    x = Tensor(np.ones((2, 3)), name="x")
    printed = javascript(trace([((x + 1.0).T.reshape(3, 2) + 2.0).sum().node]))
    assert printed.source.count("function add") == 2  # of another order of memory
    assert "transpose" not in printed.source


def test_names_of_the_language_are_not_taken() -> None:
    words = ["class", "run", "Math", "total", "x y", "3", "memory", "λ", "x y", "z²"]
    leaves = [Tensor(float(k), name=word) for k, word in enumerate(words)]
    total = leaves[0]
    for leaf in leaves[1:]:
        total = total * leaf
    printed = javascript(trace([total.node]))
    found = ["class_2", "run_2", "Math_2", "total_2", "x_y", "x3", "memory_2", "λ", "x_y_2", "z_"]
    assert [*printed.inputs] == found


def test_lines_of_a_step_are_its_own() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True, name="x")
    forward = forward_again(trace([softmax(x * 2.0, axis=0).sum().node]))
    backward = backward_again(forward)
    made = [[n] for n in forward.graph if n.op] + [[t.node] for t in backward.gradients.values()]
    nodes = [n for step in made for n in step]
    printed = javascript(Graph(trace(nodes).nodes, tuple(nodes)), forward=forward.graph.nodes)
    lines = printed.lines(made)
    text = printed.source.splitlines()
    assert [text[k - 1].strip() for k in lines[0]] == ["multiply(t1, x, 2.0);"]
    assert len(lines[1]) > 1  # softmax is what it is composed of
    flat = [k for own in lines for k in own]
    calls = text.index("function run() {") + 2, text.index("}", text.index("function run() {"))
    assert sorted(flat) == [k for k in range(calls[0], calls[1] + 1) if "//" not in text[k - 1]]
    assert "  // backward" in text


def test_what_has_no_row_is_named() -> None:
    x = Tensor(np.eye(2), name="A")
    with scope("layer 1"):
        places = np.argpartition(x, 1)
    with pytest.raises(NotPrintable) as told:
        javascript(trace([np.take_along_axis(x, places, axis=1).node]))
    assert str(told.value) == (
        "javascript: a page can't compute np.argpartition, which gives a result (2, 2) in layer 1: "
        "of the many orders that are right NumPy's own can't be foretold"
    )


def test_an_op_of_ones_own_is_printed_where_it_is_made_of_others() -> None:
    def forward(x: Any, /) -> Any:
        """Half of the square."""
        return x * x / 2

    slope = (lambda g, x: g * x,)
    whole = Op(forward, "{x}² / 2", slope, elementwise=True)  # not in the registry of others' tests
    x = Tensor([1.0, 2.0], name="x")
    with pytest.raises(
        NotPrintable,
        match=r"forward, which gives a result \(2,\): an op of .*declare it with composite=True",
    ):
        javascript(trace([whole(x).node]))
    parts = Op(forward, "{x}² / 2", slope, elementwise=True, composite=True)
    assert "divide(t2, t1, 2)" in javascript(trace([parts(x).node])).source


def test_other_dtypes_are_named() -> None:
    x = Tensor(np.ones(3, np.float16), name="x")
    with pytest.raises(
        NotPrintable, match=r"x \(3,\) of float16: its numbers are float64 or float32"
    ):
        javascript(trace([(x * x).node]))
    k = Tensor(np.ones(3, np.uint8), name="k")
    with pytest.raises(NotPrintable, match="uint8"):
        javascript(trace([(k + k).node]))


def test_numbers_among_float32_are_rounded_as_numpy_does() -> None:
    x = Tensor(np.ones(3, np.float32), name="x")
    source = javascript(trace([((x * 0.1 + 0.5) / 3).node])).source
    assert "const x = new Float32Array(3);" in source
    assert "Float64Array" not in source
    assert "(x, Math.fround(0.1))" in source.replace("t1, ", "")
    assert "0.5);" in source  # it is the same in both
    text = javascript(trace([(x * np.float32(0.1) * Tensor(np.ones(3), name="y")).node])).source
    assert "Math.fround(0.1)" in text
    assert "new Float64Array(3)" in text
    sizes, numbers = (101, 103, 107), [np.float32(1 / m) for m in (101, 103, 107)]
    assert in_m([f"f(Math.fround(-{n}))" for n in numbers], sizes) == "f(Math.fround(-(1 / m)))"
    with pytest.raises(Fixed, match=r"a number is 0\.00990099, .* no multiple of m or 1/m"):
        in_m([f"f({n})" for n in numbers], sizes)


def test_whole_numbers_and_truth_values_are_numbers() -> None:
    k = Tensor(np.arange(3), name="k")
    printed = javascript(trace([((k > 1) * 2.0).sum().node]))
    assert "greater" in printed.source


def test_other_kinds_of_arrays_are_named() -> None:
    da = pytest.importorskip("dask.array")
    lazy = Tensor(da.ones(3), name="lazy")
    with pytest.raises(
        NotPrintable, match=r"lazy \(3,\), Array: of another kind of array than NumPy's"
    ):
        javascript(trace([(lazy * 2.0).node]))


def test_many_factors_and_many_axes() -> None:
    x = Tensor(np.ones((1, 2) * 7), name="x")
    y = np.einsum(",".join(["i"] * 10), *[Tensor(np.ones(2), name=f"v{k}") for k in range(10)])
    source = javascript(trace([(np.swapaxes(x, 1, -1).cumsum(axis=3) * y).sum().node])).source
    assert "x2[i] * x3[i] * x4[i]" in source
