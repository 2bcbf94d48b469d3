"""check_gradients: planted faults are found and named, awkward gradients that are right are not."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import FAULTS, RIGHT, UNDECIDED, X, square_with, unary
from random_registry import OPS, program

import tinygrad_dnn as tg
from tinygrad_dnn import (
    Op,
    Tensor,
    assert_gradients,
    check_gradients,
    check_vjp,
    custom_vjp,
    network,
)
from tinygrad_dnn.autodiff import reverse, tensor
from tinygrad_dnn.check import faults
from tinygrad_dnn.check.op_check import cases_of, sampled

HERE = Path(__file__).parents[1]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name: str) -> None:
    make, inputs, kind = FAULTS[name]
    f = make()
    report = check_gradients(f, *inputs)
    assert report.verdict == "wrong", report
    assert not report
    blame = report.blame[0]
    assert blame.kind == kind
    assert blame.op == (f.name if isinstance(f, Op) else None)
    assert blame.reason in str(report)


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_awkward_but_right_is_right(name: str) -> None:
    f, inputs = RIGHT[name]
    report = check_gradients(f, *inputs)
    assert report.verdict == "right", report
    assert report.ok
    assert not report.blame


@pytest.mark.parametrize("name", UNDECIDED)
def test_where_nothing_can_be_measured_it_says_so(name: str) -> None:
    f, inputs = UNDECIDED[name]
    report = check_gradients(f, *inputs)
    assert report.verdict == "cannot tell", report
    assert report.notes


# --- the whole registry ---------------------------------------------------------------------------

GRAPHS = 30  # of the thousands that `python tests/random_registry.py` checks


@pytest.mark.parametrize("start", range(0, GRAPHS, 10))
def test_random_right_graphs_of_any_op_are_right(start: int) -> None:
    for seed in range(start, start + 10):
        inputs, f, _ = program(seed, 6)
        report = check_gradients(f, *inputs)
        assert report.verdict == "right", (seed, report)


def off_by(op: Op, factor: float) -> Op:
    """The op with its first rule off by a factor."""
    rules = list(op.rules)
    k = next(k for k, rule in enumerate(rules) if rule is not None)
    right = rules[k]
    names = ", ".join(inspect.signature(right).parameters)
    rules[k] = eval(f"lambda {names}: factor * right({names})", {"factor": factor, "right": right})
    return Op(
        op.forward,
        op.formula,
        tuple(rules),
        elementwise=op.elementwise,
        selects=op.selects,
        view=op.view,
        domain=op.domain,
        cases=op.cases,
        analytic=op.analytic,
        shared=op.shared,
        arrange=op.arrange,
        name=op.name,
    )


def test_a_factor_of_a_millionth_in_any_rule_is_found_and_the_op_named() -> None:
    missed = []
    for op in (o for o in OPS if o.differentiable):
        wrong = off_by(op, 1 + 1e-6)
        case = cases_of(op)[0]
        arrays = sampled(op, case)

        def f(*xs: Any, wrong: Op = wrong, meta: Any = case.meta) -> Any:
            return np.tanh(wrong(xs, **meta) if wrong.many else wrong(*xs, **meta)) * 2

        report = check_gradients(f, *arrays)
        if report.blame:
            assert {b.op for b in report.blame} == {op.name}, (op.name, report)
        else:
            missed.append(op.name)
    assert missed == ["heaviside", "sign"]  # their slopes are 0


def test_one_wrong_op_in_a_random_graph_is_named() -> None:
    found = 0
    for seed in range(24):
        op = OPS[seed * 7 % len(OPS)]
        if not op.differentiable:
            continue
        inputs, f, _ = program(seed, 5, [*[off_by(op, 1.0001)] * 90, *OPS])
        report = check_gradients(f, *inputs)
        if report.blame:
            assert {b.op for b in report.blame} == {op.name}, (seed, report)
            found += 1
    assert found >= 12


# --- the sweep ------------------------------------------------------------------------------------

SWEEP_FAULTS = {
    "a leaf's last use alone": (
        "found[x] = found[x] + gx", "found[x] = gx", faults.MISSING_ACCUMULATION
    ),
    "a result's last use alone": (
        "cotangents[x] = cotangents[x] + gx", "cotangents[x] = gx", faults.MISSING_ACCUMULATION
    ),
    "a result's first use alone": (
        "cotangents[x] = cotangents[x] + gx", "pass", faults.MISSING_ACCUMULATION
    ),
    "counted twice": (
        "cotangents[x] = cotangents[x] + gx", "cotangents[x] = cotangents[x] + 2 * gx",
        faults.MISSING_ACCUMULATION,
    ),
    "second arguments passed over": (
        "if gx is None:", "if gx is None or i == 1:", faults.MISSING_ACCUMULATION
    ),
    "wrong where nobody watches": (
        "found[x] = found[x] + gx", "found[x] = found[x] + gx * (1 if special else 1.01)",
        faults.MISSING_ACCUMULATION,
    ),
    "the seed doubled": (
        "cotangents[root] = seed\n", "cotangents[root] = seed * 2\n", faults.MISSING_ACCUMULATION
    ),
    "averaged over broadcast axes": (
        "return g.sum(axis=repeated, keepdims=True)", "return g.mean(axis=repeated, keepdims=True)",
        faults.NOT_SUMMED,
    ),
    "one of the broadcast": (
        "return g.sum(axis=repeated, keepdims=True)", "return g[:, :1]", faults.NOT_SUMMED
    ),
    "not summed": (
        "gx = _fitting(unbroadcast(gx, x.shape), node, i)", "pass", faults.NOT_SUMMED
    ),
}  # fmt: skip


def two_uses(x: Any, b: Any, W: Any) -> Any:
    y = np.tanh(x)
    y.name = "y"
    return ((y @ W + b) * y + x).sum()


@pytest.mark.parametrize("name", SWEEP_FAULTS)
def test_a_fault_in_the_sweep_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong, kind = SWEEP_FAULTS[name]
    source = inspect.getsource(reverse)
    assert right in source
    changed = dict(vars(reverse))
    exec(compile(source.replace(right, wrong), "changed", "exec"), changed)
    monkeypatch.setattr(tensor, "sweep", changed["sweep"])
    report = check_gradients(two_uses, X, X[:, :1], np.eye(4) + 0.1)
    assert report.verdict == "wrong"
    assert kind in {b.kind for b in report.blame}, report
    assert not {b.kind for b in report.blame} & {faults.WRONG_RULE, faults.NOT_RECORDED}


def test_the_uses_that_were_counted_are_told() -> None:
    with pytest.MonkeyPatch.context() as patch:
        source = inspect.getsource(reverse).replace(
            "cotangents[x] = cotangents[x] + gx", "cotangents[x] = gx"
        )
        changed = dict(vars(reverse))
        exec(compile(source, "changed", "exec"), changed)
        patch.setattr(tensor, "sweep", changed["sweep"])
        (blame,) = check_gradients(two_uses, X, X[:, :1], np.eye(4) + 0.1).blame
    assert blame.where == "y"
    assert "of its 2 uses only one, the first, was counted" in blame.reason


# --- higher orders --------------------------------------------------------------------------------


def test_second_derivatives_are_checked() -> None:
    assert check_gradients(lambda x: np.sin(x) * x, X, order=2).ok
    assert check_gradients(lambda x: (np.tanh(x) ** 3).sum(), X, order=3).ok
    # What the function stops itself is its purpose.
    assert check_gradients(lambda x: np.sin(x * tg.stop_gradient(x)), X, order=2).ok


def test_limits_that_require_a_gradient_have_second_derivatives() -> None:
    """A mask that is an array beside one that is a Tensor: np.array(...) & t is recorded."""
    low, x = np.array([-0.5, -0.5, 0.9]), np.array([-1.0, 0.2, 0.3])
    assert check_gradients(lambda low: np.sin(tg.clip(Tensor(x), low, 1.0)), low, order=2).ok
    mask = np.array([True, False, True]) & (Tensor(x, requires_grad=True) > 0)
    assert mask.data.tolist() == [False, False, True]
    with pytest.raises(TypeError, match="bitwise_and"):
        np.array([1, 2, 3]) & Tensor([1, 2, 3])


def _frozen(g: Any, x: Any) -> Any:
    slope = x.detach() if isinstance(x, Tensor) else x
    return g * 2 * slope


def _other_when_recorded(g: Any, x: Any) -> Any:
    return g * (2.001 if isinstance(x, Tensor) else 2) * x


def _stopped(g: Any, x: Any) -> Any:
    return g * 2 * (tg.stop_gradient(x) if isinstance(x, Tensor) else x)


def _wrong_cosine() -> Op:
    return unary(np.cos, lambda g, x: g * np.sin(x))


WRONG_COSINE = _wrong_cosine()


@pytest.mark.parametrize(
    ("rule", "forward"),
    [
        (_frozen, np.square),
        (_stopped, np.square),
        (_other_when_recorded, np.square),
        (lambda g, x: g * WRONG_COSINE(x), np.sin),
    ],
    ids=["frozen", "stopped", "other when recorded", "wrong op in a rule"],
)
def test_what_is_wrong_in_the_second_derivative_alone(rule: Any, forward: Any) -> None:
    f = unary(forward, rule)
    assert check_gradients(f, X).ok
    assert check_gradients(f, X, order=2).verdict == "wrong"


# --- large inputs ---------------------------------------------------------------------------------

SIDE = 500


@pytest.mark.parametrize("k", [1, 3, 1000])
def test_wrong_elements_among_a_quarter_of_a_million(k: int) -> None:
    for trial in range(2):
        rng = np.random.default_rng([k, trial])
        at = rng.choice(SIDE * SIDE, k, replace=False)
        sizes = 1e-6 * rng.uniform(0.1, 1, k) * rng.choice([-1, 1], k)
        error = np.zeros(SIDE * SIDE)
        error[at] = sizes
        error = error.reshape(SIDE, SIDE)
        f = custom_vjp(lambda x: np.sum(np.sin(x)), lambda g, z, x, e=error: g * (np.cos(x) + e))
        report = check_gradients(f, rng.normal(size=(SIDE, SIDE)))
        worst = np.unravel_index(at[np.argmax(np.abs(sizes))], (SIDE, SIDE))
        assert report.verdict == "wrong"
        assert report.blame[0].element == tuple(worst)
        assert report.rows[0].element == tuple(worst)


def test_the_worst_element_of_a_black_box_is_found_by_halving() -> None:
    rng = np.random.default_rng(0)
    Y = rng.normal(size=(SIDE, 20))

    def product(x: Any) -> Any:
        if isinstance(x, Tensor):
            raise TypeError("arrays alone")
        return x @ Y

    for at in ((3, 77), (499, 0)):

        def backward(g: Any, z: Any, x: Any, at: Any = at) -> Any:
            gx = g @ Y.T
            gx[at] *= 1 + 1e-5
            return gx

        f = custom_vjp(product, backward)
        report = check_gradients(lambda x, f=f: f(x).sum(), rng.normal(size=(SIDE, SIDE)))
        assert report.blame[0].element == at
        assert "random directions" in report.rows[0].method


def test_a_large_product_is_checked_along_directions() -> None:
    rng = np.random.default_rng(0)
    W, A = rng.normal(size=(20, 3000)), rng.normal(size=(3000, 50))
    report = check_gradients(lambda W: np.tanh(W @ A / 50).sum(), W)
    assert report.ok
    assert "directions" in report.rows[0].method
    assert report.rows[0].apart < 1e-14


# --- the document's network -----------------------------------------------------------------------


def test_the_documents_network_agrees_to_rounding() -> None:
    rng = np.random.default_rng(1)
    sizes = [12, 5, 4, 1]
    A0, Y = rng.random((12, 9)), (rng.random((1, 9)) > 0.5).astype(float)
    parameters = {}
    for l in range(1, len(sizes)):
        parameters[f"W{l}"] = rng.normal(size=(sizes[l], sizes[l - 1])) / np.sqrt(sizes[l - 1])
        parameters[f"b{l}"] = rng.normal(size=(sizes[l], 1))
    report = check_gradients(lambda p: network.cost_of(Tensor(A0), Y, p), parameters)
    assert report.ok, report
    assert [row.name for row in report.rows] == [*parameters]
    for row in report.rows:
        assert row.apart < 1e-14
        assert "complex step" in row.method
        assert "80 bits" in row.method or np.finfo(np.longdouble).nmant != 63


# --- what comes back ------------------------------------------------------------------------------

BAD = square_with(lambda g, x: g * x)


def test_the_report_says_element_numbers_and_what_it_probably_is() -> None:
    report = check_gradients(lambda W: BAD(W).sum(), np.array([[1.0, 2.0, 3.5]]))
    (row,) = report.rows
    assert (row.name, row.shape, row.verdict) == ("W", (1, 3), "wrong")
    assert (row.element, row.yours, row.truth, row.error) == ((0, 2), 3.5, 7.0, 0.5)
    assert row.uncertainty is not None
    assert row.uncertainty < 1e-15
    (blame,) = report.blame
    assert (blame.op, blame.where) == ("planted", "f(W)")
    assert "exactly half of what is right" in blame.reason
    assert str(report) == repr(report)
    assert "50%" in str(report)


def test_swapped_arguments_are_recognised() -> None:
    make, inputs, _ = FAULTS["swapped factors"]
    first, second = check_gradients(make(), *inputs).blame
    assert first.reason.endswith("Probably it is the gradient for y")
    assert second.reason.endswith("Probably it is the gradient for x")


def test_the_activations_slope_is_recognised() -> None:
    sigmoid = unary(lambda x: 1 / (1 + np.exp(-x)), lambda g, z: g * z)
    sigmoid.name = "sigmoid"
    assert "lacks the factor (1 − A)" in check_gradients(sigmoid, X).blame[0].reason


def test_the_report_as_json_and_html() -> None:
    report = check_gradients(lambda W: BAD(W).sum(), np.array([[1.0, 2.0, 3.5]]))
    told = json.loads(json.dumps(report.to_dict()))
    assert told["verdict"] == "wrong"
    assert told["inputs"][0]["element"] == [0, 2]
    assert told["blame"][0]["kind"] == faults.WRONG_RULE
    html = report._repr_html_()
    assert "<table>" in html
    assert "wrong" in html
    right = check_gradients(lambda p: p["<i>"] * 2, {"<i>": X})
    assert "<i>" not in right._repr_html_()


def test_assert_gradients() -> None:
    assert assert_gradients(np.sin, X).ok
    with pytest.raises(AssertionError, match="the rule of 'planted'"):
        assert_gradients(BAD, X)
    with pytest.raises(AssertionError, match="on a corner"):
        assert_gradients(tg.relu, np.zeros(2))
    assert_gradients(tg.relu, np.zeros(2), allow_cannot_tell=True)


def test_a_kink_is_counted_and_left_out() -> None:
    report = check_gradients(tg.relu, np.array([0.0, 1.0, -1.0]))
    assert report.ok
    assert any("1 of 3 elements" in note for note in report.notes)


def test_parameters_that_the_function_closed_over() -> None:
    W = Tensor(X, requires_grad=True, name="W")
    W.grad = np.ones_like(X)
    report = check_gradients(lambda: BAD(W).sum())
    assert [row.name for row in report.rows] == ["W"]
    assert report.verdict == "wrong"
    np.testing.assert_array_equal(W.grad, np.ones_like(X))


def test_what_is_taken_out_of_a_parameter_closed_over() -> None:
    W = Tensor(X, requires_grad=True, name="W")
    earlier = (W * 2).sum()
    report = check_gradients(lambda: (W * W.data).sum())
    assert [(b.kind, b.where) for b in report.blame] == [(faults.NOT_RECORDED, "W")]
    assert W.data is X
    earlier.backward()
    assert check_gradients(earlier.detach() + (W * W).sum()).ok


def test_what_is_not_finite_is_counted() -> None:
    report = check_gradients(np.log, np.array([-1.0, 2.0, 3.0]))
    assert report.ok
    assert any("1 of 3 elements without a slope" in note for note in report.notes)


def test_a_recorded_tensor_is_checked_in_its_own_graph() -> None:
    W = Tensor(X, requires_grad=True, name="W")
    y = BAD(W)
    cost = (y * 2).sum()
    report = check_gradients(cost)
    assert report.blame[0].node is y.node
    assert report.graph.outputs == (cost.node,)
    cost.backward()  # nothing was freed
    assert check_gradients((W * W).sum(), order=2).ok


def test_whatever_is_no_float_is_data() -> None:
    report = check_gradients(
        lambda x, k, flag, word: x[k] * 2 if flag and word else x, X, np.array([0, 1]), True, "a"
    )
    assert [row.name for row in report.rows] == ["x"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: check_gradients(lambda x: x, 3), ValueError, "nothing to differentiate"),
        (lambda: check_gradients(lambda x: 3.0, 3.0), TypeError, "leaves the graph"),
        (lambda: check_gradients(lambda x: x > 0, X), TypeError, "has no gradient"),
        (lambda: check_gradients(np.sin, X, order=0), ValueError, "order 1 or more"),
        (lambda: check_gradients(Tensor(X).sum()), ValueError, "requires a gradient"),
        (lambda: check_gradients(Tensor(X).sum(), X), TypeError, "in its graph"),
        (lambda: check_vjp(lambda x: (x, x), lambda x, g: g, X), TypeError, "one array"),
    ],
)
def test_what_cannot_be_checked_is_refused(call: Callable[[], Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


# --- hand-written gradients -----------------------------------------------------------------------


def linear(A_prev: Any, W: Any, b: Any) -> Any:
    return W @ A_prev + b


def linear_backward(A_prev: Any, W: Any, b: Any, g: Any) -> Any:
    return W.T @ g, g @ A_prev.T, g.sum(axis=1, keepdims=True)


def forgets_transpose(A_prev: Any, W: Any, b: Any, g: Any) -> Any:
    return W @ g, g @ A_prev.T / A_prev.shape[1], g.sum(axis=0, keepdims=True)


def test_a_hand_written_gradient() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(3, 5)), rng.normal(size=(3, 3)), rng.normal(size=(3, 1))
    assert check_vjp(linear, linear_backward, *inputs).ok
    report = check_vjp(linear, forgets_transpose, *inputs)
    assert [(b.argument, b.kind) for b in report.blame] == [
        ("A_prev", faults.WRONG_RULE), ("W", faults.WRONG_RULE), ("b", faults.WRONG_SHAPE),
    ]  # fmt: skip
    assert report.blame[0].reason.startswith("forgets_transpose: the gradient for A_prev is wrong")
    assert "m = 5" in report.blame[1].reason or "5 = m" in report.blame[1].reason


def test_a_hand_written_gradient_beside_whole_numbers() -> None:
    labels = np.array([0, 2, 1])

    def cost(x: Any, y: Any) -> Any:
        return np.sum(np.log(np.sum(np.exp(x), axis=1)) - x[np.arange(3), y])

    def right(x: Any, y: Any, g: Any) -> Any:
        p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
        p[np.arange(3), y] -= 1
        return g * p

    assert check_vjp(cost, right, X, labels).ok
    report = check_vjp(cost, lambda x, y, g: -right(x, y, g), X, labels)
    assert "opposite sign" in report.blame[0].reason


# --- without 80-bit floats ------------------------------------------------------------------------


def test_where_the_widest_float_has_64_bits() -> None:
    """As on macOS and Windows: the same verdicts, and the report says what it measured with."""
    program = f"""
import sys
import numpy as np
np.longdouble, np.clongdouble = np.float64, np.complex128
sys.path.insert(0, {str(HERE)!r})
from planted import FAULTS, NEEDS_WIDER, RIGHT
from tinygrad_dnn import check_gradients
for name, (make, inputs, kind) in FAULTS.items():
    report = check_gradients(make(), *inputs)
    assert report.verdict == "wrong", name
# Whether the error of a rule is rounding, wider floats alone can tell.
for name, (f, inputs) in RIGHT.items():
    report = check_gradients(f, *inputs)
    assert report.verdict == "right" or name in NEEDS_WIDER, (name, report)
    assert "80 bits" not in str(report)
print(check_gradients(np.sin, 0.3).rows[0].method)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "complex step, 64 bits\n"
