"""Lines of mathematics for any expression: their values, their form, what may be asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from derivations import balanced, handle, lines, net, value, well_formed
from drawings import named
from numpy.lib.stride_tricks import sliding_window_view
from zoo import convolution

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import REGISTRY, StaleValueError, Tensor, log, log_softmax, relu
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.formula.listing import distinct_names

# --- any expression -------------------------------------------------------------------------------


def applied(declared: Any, case: Any) -> Tensor:
    tensors = [
        Tensor(a, a.dtype.kind == "f" and declared.rule(i) is not None, f"in{i}")
        for i, a in enumerate(sampled(declared, case))
    ]
    return record(declared, tensors, declared.defaults | case.meta)


def owner(line: Any, cost: Tensor) -> Any:
    """What a line is the gradient of, by its name or by its id in `print(graph)`."""
    graph = tg.graph.trace([cost.node])
    names = distinct_names(graph, {n: n.name for n in graph if n.name}, graph)
    called = re.sub("^[dδ]", "", line.name)
    return next(n for n, name in names.items() if name == called)


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.differentiable))
def test_the_lines_of_every_op_have_the_values_of_its_gradients(name: str) -> None:
    declared = REGISTRY[name]
    for case in cases_of(declared):
        z = applied(declared, case)
        if not z.requires_grad:
            continue
        weights = Tensor(np.cos(np.arange(z.size)).reshape(z.shape), name="g")
        cost = (z * weights).sum()
        rtol = 1e-5 if "dtype" in case.meta else 1e-9
        found = viz.derive(cost, convention="plain").lines
        assert found
        for line in found:
            wanted = tg.gradients(cost, handle(owner(line, cost)))
            assert line.shape == wanted.shape
            np.testing.assert_allclose(value(line), wanted, rtol=rtol, atol=1e-12)
            assert line.raw.plain
            assert balanced(line.text.latex)
            well_formed(line.text.mathml)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        (lambda x, g: tg.tanh(x) * g, "g ⊙ (1 − tanh(x)²)"),
        (lambda x, g: tg.sigmoid(x) * g, "g ⊙ σ(x) ⊙ (1 − σ(x))"),
        (lambda x, g: tg.relu(x) * g, "g ⊙ 1[x > 0]"),
        (lambda x, g: tg.log_sigmoid(x) * g, "g ⊙ (1 − σ(x))"),
        (lambda x, g: tg.softplus(x) * g, "g ⊙ σ(x)"),
        (lambda x, g: tg.leaky_relu(x, 0.1) * g, "where(x > 0, g, 0.1 · g)"),
        (lambda x, g: x * x * g, "2 · g ⊙ x"),
        (lambda x, g: x / g, "1 / g"),
        (lambda x, g: -(x - g) * 2, "−2"),
        (lambda x, g: np.exp(x) * g, "g ⊙ exp(x)"),
        (lambda x, g: np.log(x) * g, "g / x"),
        (lambda x, g: tg.softmax(x) * g, "softmaxⱼ(x) ⊙ (g − Σⱼ g ⊙ softmaxⱼ(x))"),
        (lambda x, g: np.logaddexp(x, 0.0) * g, "g ⊙ σ(x)"),
    ],
)
def test_lines_as_one_would_write_them(expression: Callable[..., Tensor], told: str) -> None:
    x = Tensor(np.array([[0.5, 1.5, 2.0]]), requires_grad=True, name="x")
    g = Tensor(np.array([[0.3, -1.0, 0.7]]), name="g")
    assert lines(viz.derive(expression(x, g).sum())) == {"dx": told}


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.differentiable))
def test_so_have_the_lines_of_its_second_derivatives(name: str) -> None:
    declared = REGISTRY[name]
    case = cases_of(declared)[0]
    z = applied(declared, case)
    xs = [t for t in z.inputs if t.requires_grad]
    first = [
        tg.gradients(z, x, gradient=np.cos(np.arange(z.size)).reshape(z.shape), create_graph=True)
        for x in xs
    ]
    sums = [(g * np.sin(1.0 + np.arange(g.size)).reshape(g.shape)).sum() for g in first]
    cost = sum(sums[1:], start=sums[0])
    if not cost.requires_grad:
        return  # it is linear
    rtol = 1e-5 if "dtype" in case.meta else 1e-8
    for line in viz.derive(cost, convention="plain").lines:
        wanted = tg.gradients(cost, handle(owner(line, cost)))
        np.testing.assert_allclose(value(line), wanted, rtol=rtol, atol=1e-11)


def test_a_second_derivative() -> None:
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True, name="x")
    y = (x**3).sum()
    g = tg.gradients(y, x, create_graph=True)
    s = (g * g).sum()
    derived = viz.derive(s, names={"g": g, "s": s})
    assert lines(derived) == {"ddx": "2 · dx", "δx": "6 · ddx ⊙ x"}  # dx is taken: it is g
    assert r"\delta x &= 6 \cdot \mathrm{d}" in derived.latex
    np.testing.assert_allclose(value(derived.lines[1]), 36 * np.array([1.0, 8.0]))


def test_half_a_mean_square_with_weight_decay() -> None:
    rng = np.random.default_rng(0)
    m = 5
    X, Y = Tensor(rng.normal(size=(3, m)), name="X"), Tensor(rng.normal(size=(2, m)), name="Y")
    W = Tensor(rng.normal(size=(2, 3)), requires_grad=True, name="W")
    A = np.tanh(W @ X)
    J = ((A - Y) ** 2).sum() / (2 * m) + 0.1 * (W * W).sum() / (2 * m)
    derived = viz.derive(J, names=locals())
    told = {"dA": "A − Y", "dW": "0.1/m · W + 1/m · (dA ⊙ (1 − A²)) Xᵀ"}
    assert lines(derived) == told
    assert derived.divisor is not None
    assert (derived.divisor.name, derived.divisor.value) == ("m", m)
    np.testing.assert_allclose(value(derived.lines[1]), tg.gradients(J, W), rtol=1e-12)
    np.testing.assert_allclose(value(derived.lines[0]), m * tg.gradients(J, A), rtol=1e-12)


def test_a_mean_is_divided_by_the_number_of_examples_too() -> None:
    Z = Tensor(np.array([[0.5, -1.0, 2.0]]), requires_grad=True, name="Z")
    Y = Tensor(np.array([[1.0, 0.0, 1.0]]), name="Y")
    A = tg.sigmoid(Z)
    A.name = "A"
    J = -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).mean()
    derived = viz.derive(J)
    assert lines(derived)["dA"] == "(1 − Y) / (1 − A) − Y / A"
    assert lines(derived)["dZ"] == "1/m · (A − Y)"  # Z is a leaf here, as a parameter is


@pytest.mark.parametrize(
    ("names", "called"),
    [({}, "m"), ({"n": 6}, "n"), ({"n": 6, "m": 6.0}, "m"), ({"m": 7}, "m"), ({"flag": True}, "m")],
)
def test_the_divisor_takes_the_name_that_the_user_gave_it(names: Any, called: str) -> None:
    derived = viz.derive(net(1)[0], names=names)
    assert derived.divisor is not None
    assert (derived.divisor.name, derived.divisor.value) == (called, 6)
    assert lines(derived)["dW1"] == f"1/{called} · dZ1 Xᵀ"


def test_a_number_that_counts_nothing_is_no_m() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True, name="x")
    derived = viz.derive((x * x).sum() / 7)
    assert derived.divisor is None
    assert lines(derived) == {"dx": "2/7 · x"}
    assert str(derived).startswith("Each line is the derivative of the result.")


def test_only_what_leads_to_the_wanted_gradients() -> None:
    cost, *_ = net(3)
    some = viz.derive(cost, wrt=["b2", "W3"])
    assert list(lines(some)) == ["dZ3", "dW3", "dA2", "dZ2", "db2"]
    with pytest.raises(ValueError, match="no gradient flows to 'X'; there are A3, Z3, W3, b3"):
        viz.derive(cost, wrt="X")
    with pytest.raises(ValueError, match=r"wrt: .* is not part of the expression"):
        viz.derive(cost, wrt=Tensor([1.0]))


def test_gradients_by_tensor_by_name_and_of_unnamed_leaves() -> None:
    x, y = (Tensor(np.array([1.0, 2.0]), requires_grad=True) for _ in range(2))
    cost = (x * y).sum()
    assert lines(viz.derive(cost, names={"x": x, "y": y}, wrt=x)) == {"dx": "y"}
    assert lines(viz.derive(cost)) == {"dx1": "x2", "dx2": "x1"}


def test_one_gradient_for_two_and_a_result_used_twice() -> None:
    x = Tensor(np.array([[1.0, 2.0]]), requires_grad=True, name="x")
    b = Tensor(np.array([[3.0, 1.0]]), requires_grad=True, name="b")
    z = x + b
    z.name = "z"
    cost = (z * z + z).sum()
    assert lines(viz.derive(cost)) == {"dz": "1 + 2 · z", "dx": "dz", "db": "dz"}


def test_the_graph_that_is_given_is_left_alone_freed_or_not() -> None:
    cost, *_ = net(2)
    before = str(viz.derive(cost))
    cost.backward()
    nodes = [(n, n.inputs, n.name, n.saved) for n in tg.graph.trace([cost.node])]
    assert str(viz.derive(cost)) == before
    assert [(n, n.inputs, n.name, n.saved) for n in tg.graph.trace([cost.node])] == nodes


def test_a_long_chain_takes_no_recursion() -> None:
    x = Tensor(np.ones(2), requires_grad=True, name="x")
    z = x
    for _ in range(700):  # 2,100 ops in a row
        z = np.negative(-z) * 1.0
    cost = z.sum()
    *others, dx = viz.derive(cost).lines  # long formulas are taken apart: dh15 = dh27, dx = dh15
    known = {"1"}
    for line in (*others, dx):
        assert line.text.plain.removeprefix("−") in known
        known.add(line.name)
        assert abs(value(line)).tolist() == [1, 1]
    assert dx.name == "dx"
    assert value(dx).tolist() == [1, 1]


def test_every_id_that_is_read_stands_for_what_a_rule_says() -> None:
    told = str(viz.derive(convolution()))  # slices of its image are data
    said = set(re.findall(r"(?:from|;) (h\d+) =", told))
    assert said
    assert said == set(re.findall(r"\bh\d+\b", told))


def test_a_convolution_by_einsum_is_derived_as_it_was_written() -> None:
    rng = np.random.default_rng(0)
    X = Tensor(rng.normal(size=(16, 2, 9, 9)), name="X")
    W1 = Tensor(rng.normal(size=(4, 2, 3, 3)), requires_grad=True, name="W1")
    W2 = Tensor(rng.normal(size=(5, 4, 3, 3)), requires_grad=True, name="W2")
    A1 = X
    for l, W in ((1, W1), (2, W2)):
        windows = sliding_window_view(A1, (3, 3), axis=(2, 3))
        Z = named(np.einsum("mchwij,ncij->mnhw", windows, W), f"Z{l}")
        A1 = named(relu(Z), f"A{l}")
    told = {line.name: line.text.plain for line in viz.derive((A1**2).sum()).lines}
    for k, A_prev in (("1", "X"), ("2", "A1")):
        windows = f"windows({A_prev}; 3×3 along 2, 3)"
        assert told[f"dW{k}"] == f"einsum(mnhw,mchwij→ncij; dZ{k}, {windows})"
    assert told["dA1"] == "overlap_add(einsum(mnhw,ncij→mchwij; dZ2, W2); 3×3 along 2, 3)"


def test_bad_input_is_named() -> None:
    cost, *_ = net(1)
    with pytest.raises(ValueError, match="expected convention 'document' or 'plain', got 'mine'"):
        viz.derive(cost, convention="mine")
    with pytest.raises(TypeError, match="derive: expected a Tensor"):
        viz.derive(1.0)
    with pytest.raises(ValueError, match="depends on nothing that requires a gradient"):
        viz.derive(Tensor([1.0]) * 2)
    W = handle(next(n for n in tg.graph.trace([cost.node]).leaves if n.name == "W1"))
    W.data -= 1.0
    with pytest.raises(StaleValueError, match="W1"):
        viz.derive(cost)


def test_a_mean_along_an_axis_that_is_gone_leaves_no_shapes_behind() -> None:
    rng = np.random.default_rng(0)
    W = Tensor(rng.random((3, 4)), requires_grad=True, name="W")
    X, Y = Tensor(rng.random((4, 10)), name="X"), Tensor(rng.random((3, 10)), name="Y")
    Z = W @ X
    squares = ((Z - Y) ** 2).sum(axis=0).mean()
    assert "dZ = 2 · (Z − Y)" in str(viz.derive(squares, names={"Z": Z}))
    L = log_softmax(Z, axis=0)
    entropy = -(Y * L).sum(axis=0).mean()
    assert "dL = −Y" in str(viz.derive(entropy, names={"Z": Z, "L": L}))


def test_the_rule_of_a_square_reads_its_base_and_no_first_power() -> None:
    w, x = (Tensor(np.array([0.5, -1.5]), requires_grad=True, name=name) for name in "wx")
    raw = viz.derive(((w - x) ** 2).sum(), simplify=False)
    assert "¹" not in str(raw)
    assert raw.lines[0].raw.plain.endswith("(w − x)")


def test_s356_an_inner_mean_divides_by_a_letter() -> None:
    x = Tensor(np.arange(40.0).reshape(5, 8) ** 1.1, requires_grad=True, name="x")
    mu = named(x.mean(axis=1, keepdims=True), "mu")
    derived = viz.derive(((x - mu) ** 2).sum())
    assert derived.lines[-1].text.plain == "1/n · dmu + 2 · (x − mu)"
    assert "n = 8 is the number of elements that an inner mean is over." in derived.remark
    assert r"\frac{1}{n}" in derived.latex
    n, nu = Tensor(2.0, requires_grad=True, name="n"), x.mean(axis=0)  # n is taken
    remark = viz.derive((n * (x - mu - nu) ** 2).sum()).remark
    assert "n_2 = 5, n_3 = 8 are the numbers of elements" in remark
    centred = x - nu  # of as many as the cost is divided by: one letter
    derived = viz.derive((centred / np.sqrt((centred**2).mean(axis=0) + 1)).sum() / 5)
    assert "1/m" in derived.lines[-1].text.plain
    assert "mean" not in derived.remark
    half = viz.derive((x[:2] ** 2).mean())  # of (2, 8): no number of examples
    assert half.remark.startswith("n = 16 is the number of elements that the mean is over. Each ")
    pair = named(x[:, :2].mean(axis=1), "pair")
    assert "0.5 · dpair" in str(viz.derive((pair**3).sum()))  # a half is read at once


def test_what_is_put_in_a_place_and_taken_from_it_is_itself() -> None:
    A = Tensor(np.eye(3) + 0.1, requires_grad=True, name="A")
    log_det = named(np.linalg.slogdet(A)[1], "l")
    assert "dA = dl · inv(A)ᵀ " in str(viz.derive(log_det * log_det))


def test_of_equal_gradients_each_line_cites_its_own() -> None:
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(3, 3)), requires_grad=True, name="x")
    a, b = log_softmax(x, axis=0), log_softmax(x, axis=1)
    a.name, b.name = "a", "b"
    cost = (np.diagonal(a).sum() + np.diagonal(b).sum()) / 2
    dx = {line.name: line.text.plain for line in viz.derive(cost).lines}["dx"]
    assert "da − exp(a) ⊙ (Σᵢ da)" in dx
    assert "db − exp(b) ⊙ (Σⱼ db)" in dx


def test_costs_that_people_write_have_the_gradients_of_textbooks() -> None:
    rng = np.random.default_rng(0)
    y, sign = np.array([1, 0, 2, 1]), np.array([1.0, -1, 1, 1])
    Z = Tensor(rng.normal(size=(4, 3)), requires_grad=True, name="Z")
    s = Tensor(rng.random(4), requires_grad=True, name="s")
    unit = named(Z / np.linalg.norm(Z, axis=1, keepdims=True), "unit")
    share = 0.05 * log(0.05 / s) + 0.95 * log(0.95 / (1 - s))
    h = named(tg.tanh(s), "h")
    for cost, said in (
        (-log_softmax(Z, axis=1)[np.arange(4), y].mean(),
         "dZ = 1/m · (softmaxⱼ(Z) − scatter(1 → (4, 3)[range(4), y]))"),
        (-log_softmax(Z.T, axis=0)[y, np.arange(4)].sum(),
         "dZ = (softmaxᵢ(Zᵀ) − scatter(1 → (3, 4)[y, range(4)]))ᵀ"),
        (np.maximum(0, 1 - sign * h).mean(),
         "dh = −(where(1 − sign ⊙ h > 0, 1, 0.5 · 1[1 − sign ⊙ h = 0]) ⊙ sign)"),
        ((unit**3).sum(), "dZ = dunit / √(Σⱼ Z²) − (Σⱼ dunit ⊙ unit) ⊙ Z / (Σⱼ Z²)"),
        (share.sum(), "ds = 0.95 / (1 − s) − 0.05 / s"),
        ((Z * (Z * s[:, None])).sum(), "ds = (Σⱼ Z²)[:, 0]"),
    ):  # fmt: skip
        derived = viz.derive(cost, names={"y": y, "sign": sign})
        assert said in [f"{line.name} = {line.text.plain}" for line in derived.lines]


def test_a_sum_by_einsum_has_a_slope_of_one() -> None:
    A = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="A")
    assert "dA = 1   (2, 3)" in str(viz.derive(np.einsum("ij->", A)))
    diagonal = viz.derive(
        np.einsum("iij->ij", Tensor(np.ones((2, 2, 3)), requires_grad=True, name="D"))
    )
    assert "einsum(ij" not in str(diagonal).replace("einsum(iij", "")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_mean_of_nothing_is_over_no_examples() -> None:
    B = Tensor(np.ones(1), requires_grad=True, name="B")
    assert "dB" in str(viz.derive(np.diff(B).mean()))
