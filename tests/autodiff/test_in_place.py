"""Writes into data that an expression was recorded from (lines S37 to S44 of the page)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as tg
from tinygrad_dnn import StaleValueError, Tensor, debug, no_grad
from tinygrad_dnn.autodiff import writing


def param(data: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)


def test_s37_augmented_assignment_makes_a_new_tensor_but_for_an_update() -> None:
    W = param([1.0, 2.0])
    other = W
    W += 1.0
    assert W is not other
    assert W.op is tg.REGISTRY["add"]
    np.testing.assert_array_equal(other.data, [1.0, 2.0])
    W, array = other, other.data
    with no_grad():
        W += 1.0
        W -= 0.5
        W *= 4.0
        W /= 2.0
    assert W is other
    assert W.data is array
    assert W.requires_grad
    np.testing.assert_array_equal(array, [3.0, 5.0])

    def f(A: Any) -> Any:
        with no_grad():
            A += 1.0
        return (A * A).sum()

    for transform in (tg.grad, tg.hessian):  # of a variable, and of one inside another
        with pytest.raises(TypeError, match="outside no_grad"):
            transform(f)(array)
    np.testing.assert_array_equal(array, [3.0, 5.0])


def added_by_a_helper(x: Any) -> Any:
    def add_to(total: Any, y: Any) -> None:
        total += y

    total = x * 0.0
    for y in (x, x**2):
        add_to(total, y)
    return (total * x).sum()


def held_twice(x: Any) -> Any:
    h = x * 1.0
    steps = []
    for _ in range(3):
        steps.append(h)
        h *= x  # as of an array, all of them
    return sum(((k + 1) * step).sum() for k, step in enumerate(steps))


def read_before(x: Any) -> Any:
    h = np.exp(x)
    before = h * x
    h -= x
    h /= x + 2
    h **= 2
    return (before * h).sum()


def a_row_and_its_array(x: Any) -> Any:
    b = x * 2.0
    b[1] *= b[0]
    b[0:2] += b[1:3]
    total = b[0] + 0.0
    total += b[2]
    return (b.sum() * total).sum()


def numbers(x: Any) -> Any:
    s = x.sum()
    before = s
    s += x[0]  # of a number in NumPy: before stays
    return s * before


@pytest.mark.parametrize(
    "f", [added_by_a_helper, held_twice, read_before, a_row_and_its_array, numbers]
)
def test_s327_names_of_one_tensor_see_what_is_added_in_place(f: Any) -> None:
    x = np.array([0.7, 1.9, 0.4])
    near = [x + h * e for e in np.eye(3) for h in (1e-6, -1e-6)]
    slopes = np.array([f(n) for n in near]).reshape(3, 2) @ [0.5e6, -0.5e6]
    W = Tensor(x, requires_grad=True)
    f(W).backward()
    for found in (tg.grad(f)(x), W.grad, tg.compile(tg.grad(f))(x)):
        np.testing.assert_allclose(found, slopes, rtol=1e-6)
    assert f(Tensor(x)).item() == pytest.approx(f(x), rel=1e-12)


@pytest.mark.skipif(
    sys.maxsize == writing._UNNAMED, reason="this Python does not say what has a name"
)
@pytest.mark.parametrize(
    "view", [lambda b: b[0], lambda b: b.T, lambda b: b.reshape(4), lambda b: b[:]]
)
def test_a_view_with_a_name_is_not_added_to_while_its_array_lives(view: Any) -> None:
    def f(x: Any) -> Any:
        b = x * 1.0
        part = view(b)
        part *= 2.0
        return b.sum()

    for run in (tg.grad(f), tg.compile(tg.grad(f)), lambda x: f(Tensor(x, requires_grad=True))):
        with pytest.raises(TypeError, match=r"write t\[0\] \+= u, or row = row \+ u"):
            run(np.ones((2, 2)))

    def alone(x: Any) -> Any:
        part = view(x * 1.0)
        same = part
        part *= 2.0
        return same.sum()

    assert np.all(tg.grad(alone)(np.ones((2, 2)))[0] == 2)


def test_what_is_added_inside_no_grad_is_seen_under_every_name() -> None:
    mean, W = Tensor(np.zeros(2)), param([[1.0, 2.0], [3.0, 4.0]])
    other, copy_of_memory = mean, W.detach()
    with no_grad():
        mean += 1.0
        copy_of_memory += 5.0
        W[0] += 1.0
        row = W[1]
        with pytest.raises(ValueError, match="read-only"):
            row += 1.0
    assert other is mean
    np.testing.assert_array_equal(other.data, [1.0, 1.0])
    np.testing.assert_array_equal(W.data, [[7.0, 8.0], [8.0, 9.0]])


@pytest.mark.parametrize("edit", ["data", "setitem", "update", "element", "out"])
def test_s38_a_counted_edit_makes_a_stale_backward_raise(edit: str) -> None:
    W, b = param([1.0, 2.0], "W"), param([1.0, 1.0], "b")
    cost = (W * W + b).sum()
    if edit == "data":
        W.data -= 1.0
    elif edit == "setitem":
        W[0] = 7.0
    elif edit == "element":
        W.data[0] = 7.0
    elif edit == "out":
        np.negative(W.data, out=W.data)
    else:
        with no_grad():
            W -= 1.0
    with pytest.raises(StaleValueError, match=r"W \(2,\) was edited .* after multiply \(2,\)"):
        cost.backward()
    (W * W).sum().backward()
    np.testing.assert_array_equal(W.grad, 2 * W.data)


HANDED_OUT = {
    "data": lambda t, alias: t.data,
    "numpy": lambda t, alias: t.numpy(),
    "detach": lambda t, alias: t.detach().data,
    "Tensor": lambda t, alias: Tensor(t.detach()).numpy(),
    "asarray": lambda t, alias: np.asarray(t.detach()),
    "dlpack": lambda t, alias: np.from_dlpack(t.detach()),
    "alias made before": lambda t, alias: alias.data,
}


@pytest.mark.parametrize("name", ["W", "X"])
@pytest.mark.parametrize("hand_out", HANDED_OUT.values(), ids=HANDED_OUT)
@pytest.mark.parametrize(
    "product",
    [lambda W, X: W * W * X, lambda W, X: X * W * W, lambda W, X: W.T @ W @ X.T],
    ids=["arrays", "data first", "views"],
)
def test_an_edit_through_any_array_that_was_handed_out_is_found(
    name: str, hand_out: Any, product: Any
) -> None:
    W, X = param([[1.0, 2.0]], "W"), Tensor([[3.0, 4.0]], name="X")
    edited = {"W": W, "X": X}[name]
    alias = edited.detach()
    cost = product(W, X).sum()
    hand_out(edited, alias)[0, 0] = 7.0
    with pytest.raises(StaleValueError, match=r"backward: .*was edited through its \.data after"):
        cost.backward()
    cost = product(W, X).sum()
    assert hand_out(edited, alias)[0, 0] == 7.0  # looked at, but not edited
    cost.backward()
    again = tg.grad(lambda W: product(W, X).sum())(W.data)
    np.testing.assert_array_equal(W.grad, again)


def test_data_that_was_looked_at_after_it_was_replaced_is_no_edit() -> None:
    W = param([1.0, 2.0], "W")
    cost = (W * W).sum()
    W.data = np.zeros(2)
    assert not W.data.any()
    cost.backward()
    np.testing.assert_array_equal(W.grad, [2.0, 4.0])


def test_s39_an_edit_that_no_rule_reads_harms_nothing() -> None:
    W, X = param([1.0, 2.0]), Tensor([3.0, 4.0])
    cost = (W + X).sum()
    W.data -= 1.0
    cost.backward()
    np.testing.assert_array_equal(W.grad, [1.0, 1.0])
    W.zero_grad()
    cost = (W * X).sum()  # ∂cost/∂W reads X alone
    W.data -= 1.0
    cost.backward()
    np.testing.assert_array_equal(W.grad, [3.0, 4.0])


@pytest.mark.parametrize(
    "view",
    [
        lambda W: W[:],
        lambda W: W.T,
        lambda W: W.reshape(4).reshape(2, 2),
        lambda W: W.detach(),
        lambda W: tg.flip(tg.expand_dims(W, 0).squeeze()),
    ],
    ids=["slice", "T", "reshape", "detach", "flip"],
)
def test_s40_an_edit_is_seen_through_every_view(view: Any) -> None:
    W, factor = Tensor(np.ones((2, 2)), name="W"), param(np.ones((2, 2)))
    cost = (factor * view(W)).sum()
    W.data *= 5.0
    with pytest.raises(StaleValueError, match="edited in place"):
        cost.backward()


@pytest.mark.parametrize(
    "make",
    [
        lambda W: np.einsum("ij->ji", W),
        lambda W: tg.custom_vjp(lambda x: x, lambda g, z, x: g)(W),
        lambda W: tg.custom_vjp(lambda x: x[:1], lambda g, z, x: g)(W),
        lambda W: W[np.array([0, 1])],
        lambda W: W.astype(float),
    ],
    ids=["einsum", "custom", "custom view", "fancy", "astype"],
)
def test_other_results_have_memory_of_their_own(make: Any) -> None:
    W, factor = Tensor(np.ones((2, 2)), name="W"), param(np.ones((2, 2)))
    cost = (factor * make(W)).sum()
    W.data *= 5.0
    cost.backward()
    np.testing.assert_array_equal(factor.grad, np.ones((2, 2)))


def test_an_edit_of_a_detached_tensor_is_one_of_the_tensor_itself() -> None:
    W = param(np.ones((2, 2)), "W")
    cost = (W * W).sum()
    W.detach()[...] = 0.0
    with pytest.raises(StaleValueError, match="edited in place"):
        cost.backward()


def test_s41_replaced_data_leaves_earlier_graphs_as_they_were() -> None:
    W = param([1.0, 2.0])
    cost = (W * W).sum()
    W.data = W.data - 10.0
    cost.backward()
    np.testing.assert_array_equal(W.grad, [2.0, 4.0])
    np.testing.assert_array_equal((W * 1).data, [-9.0, -8.0])
    with pytest.raises(ValueError, match=r"holds float64, got float64 \(3,\)"):
        W.data = np.ones(3)


def test_s43_an_index_is_copied() -> None:
    x, i = param([1.0, 2.0, 3.0]), np.array([0, 1])
    cost = (x[i] * np.array([1.0, 10.0])).sum()
    times = np.array([1, 2, 0])
    cost = cost + x.repeat(times).sum()
    i[0], times[2] = 2, 5
    cost.backward()
    np.testing.assert_array_equal(x.grad, [2.0, 12.0, 0.0])


def test_s44_a_write_through_another_name_is_found_under_debug() -> None:
    array = np.array([1.0, 2.0])
    W = Tensor(array, requires_grad=True, name="W")
    with debug():
        cost = (W * W).sum()
        array[0] = 5.0
        with pytest.raises(StaleValueError, match=r"W \(2,\).* alias .* after multiply"):
            cost.backward()
        first, second = (W * W).sum(), (W * W).sum()
        first.backward()
        W.data[0] = 7.0
        with pytest.raises(StaleValueError, match=r"W \(2,\).* alias .* after multiply"):
            second.backward()


def test_an_edit_counts_for_the_tensor_it_was_made_through() -> None:
    array = np.array([1.0, 2.0])
    one, other = param(array), Tensor(array, name="other")
    cost = (one * other).sum()
    other[0] = 5.0  # the rule for `one` reads `other`
    with pytest.raises(StaleValueError, match=r"other \(2,\) was edited"):
        cost.backward()


def test_an_edited_constant_array_is_found_under_debug() -> None:
    W, factor = param([1.0, 2.0], "W"), np.array([3.0, 4.0])
    with debug():
        cost = (W * factor).sum()
        factor[1] = 0.0
        with pytest.raises(StaleValueError, match=r"ndarray \(2,\) was edited in place after mult"):
            cost.backward()


def test_a_step_after_backward_is_no_stale_edit() -> None:
    W = param([4.0, -3.0], "W")
    for _ in range(60):
        W.zero_grad()
        (W * W).sum().backward()
        W.data -= 0.25 * W.grad
    np.testing.assert_allclose(W.data, 0.0, atol=1e-12)


def test_a_value_replayed_after_an_edit_is_refused() -> None:
    W = param([1.0, 2.0], "W")
    Z = W * 2 + 1
    cost = (Z * Z).sum()
    cost.backward()
    product = Z.inputs[0]
    W.data -= 1.0
    with pytest.raises(StaleValueError, match=r"replay: W \(2,\) was changed"):
        product.data


def test_parameters_made_inside_no_grad_can_be_trained() -> None:
    with no_grad():
        W = param([1.0, 2.0]) * 0.5
    W.requires_grad = True
    (W * W).sum().backward()
    W.data -= W.grad
    W[0] = 3.0
    np.testing.assert_array_equal(W.data, [3.0, -1.0])


def test_data_of_a_result_as_data_of_a_leaf_says_that_it_is_read_only() -> None:
    W = Tensor((param([1.0, 2.0]) * 2).data, requires_grad=True, name="W")
    for write in (lambda: W.__setitem__(0, 1.0), lambda: W.data.__isub__(1.0)):
        with pytest.raises(ValueError, match="read-only"):
            write()
    with pytest.raises(ValueError, match=r"W \(2,\).*read-only.*copy"):
        W[0] = 1.0


def test_positions_and_conditions_are_copied_too() -> None:
    x, i, m = param([1.0, 2.0, 3.0]), np.array([0, 1]), np.array([True, False, True])
    cost = (np.take(x, i) * [1.0, 10.0]).sum() + np.where(m, x * 100.0, 0.0).sum()
    cost = cost + tg.where(m, 0.0, x * 1000.0).sum()
    i[0], m[:] = 2, False
    cost.backward()
    np.testing.assert_array_equal(x.grad, [101.0, 1010.0, 100.0])


@pytest.mark.filterwarnings("ignore:Setting the (shape|dtype):DeprecationWarning")  # NumPy 2.5
@pytest.mark.parametrize("change", [("shape", (3, 1)), ("dtype", np.dtype("i8"))])
def test_another_shape_or_dtype_of_a_handed_out_array_is_an_edit(change: tuple[str, Any]) -> None:
    W = param([1.0, 2.0, 3.0], "W")
    cost = (W * W).sum()
    setattr(W.data, *change)
    with pytest.raises(StaleValueError, match="W"):
        cost.backward()


def test_what_is_differentiated_by_stays_so_in_a_transform() -> None:
    def f(x: Any) -> Any:
        x.requires_grad = False
        return (x * x).sum()

    with pytest.raises(TypeError, match="being differentiated"):
        tg.grad(f)(np.ones(2))
