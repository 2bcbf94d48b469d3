"""Faults that using the library brought to light, under their numbers: A what was silently wrong, B
what was unclear or refused although legal, F what was lost or run. Each has the small input that
showed it; of F, whose tests are long, the tests are named.
"""

from __future__ import annotations

import array
import cmath
import copy
import math
import pickle
import re
import statistics
import struct
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import StaleValueError, Tensor

TESTS = Path(__file__).parent


def told(action: Callable[[], Any]) -> str:
    """What an action that is refused says, and what was the cause of it."""
    with pytest.raises(Exception) as caught:
        action()
    error: BaseException | None = caught.value
    said = []
    while error is not None:
        said.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(said)


def parameter(data: Any) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name="W")


def equal(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# --- A: silently wrong or NaN ---------------------------------------------------------------------


def test_a1_a_number_taken_in_passing_loses_no_gradient() -> None:
    def filled(a: Any) -> Any:
        out = np.zeros(3)
        out[0] = a[0] ** 2
        return (out * a).sum()

    assert "would lose its gradient" in told(lambda: td.grad(filled)([2.0, 1.0, 1.0]))
    for way in (math.exp, np.float64, np.zeros(1).fill, Tensor.tolist):
        said = told(lambda way=way: td.grad(lambda x: (way(x), x)[1])(1.0))
        assert "lose" in said

    def buffer(a: Any) -> Any:
        out = Tensor(np.zeros(3))
        out[0] = a[0] ** 2
        return (out * a).sum()

    equal(td.grad(buffer)(np.array([2.0, 1.0, 1.0])), [12, 0, 0])


def test_a2_a_write_into_the_variable_of_a_transform() -> None:
    def f(A: Any) -> Any:
        A[1] = 3.0
        return np.sum(A**2)

    x = np.array([1.0, 2.0, 4.0])
    equal(td.grad(f)(x), [2, 0, 8])
    equal(td.jacobian(f)(x), [2, 0, 8])
    assert td.jvp(f, [x], [np.ones(3)]) == (26.0, 10.0)
    equal(x, [1, 2, 4])


Y1, Z1 = np.array([[1.0, 0.0]]), np.array([[-900.0, 900.0]])


def cross_entropy(A: Any, Y: Any, B: Any = None) -> Any:
    return -(Y * np.log(A) + (1 - Y) * np.log(1 - A if B is None else B)).sum() / 2


SPELLINGS: dict[str, Callable[[Any], Any]] = {
    "A3": lambda Z: cross_entropy(td.sigmoid(Z), Y1),
    "A3 twice, whole labels": lambda Z: cross_entropy(
        td.sigmoid(Z), Y1.astype(np.int64), 1 - td.sigmoid(Z)
    ),
    "A3 dot": lambda Z: -(
        np.dot(Y1, np.log(td.sigmoid(Z)).T) + np.dot(1 - Y1, np.log(1 - td.sigmoid(Z)).T)
    ).sum() / 2,
    "A3 where": lambda Z: -np.where(
        Y1 == 1, np.log(td.sigmoid(Z)), np.log(1 - td.sigmoid(Z))
    ).sum() / 2,
    "A3 .T": lambda Z: cross_entropy(td.sigmoid(Z).T, Y1.T),
    "A3 reshape": lambda Z: cross_entropy(td.sigmoid(Z).reshape(2), Y1[0]),
    "A3 ravel": lambda Z: cross_entropy(np.ravel(td.sigmoid(Z)), Y1[0]),
    "A3 index": lambda Z: cross_entropy(td.sigmoid(Z)[0], Y1[0]),
    "A17 1/(1+exp(-z))": lambda Z: cross_entropy(1 / (1 + np.exp(-Z)), Y1),
    "A17 exp(z)/(1+exp(z))": lambda Z: cross_entropy(np.exp(Z) / (1 + np.exp(Z)), Y1),
    "A17 log1p(-A)": lambda Z: -(
        Y1 * np.log(td.sigmoid(Z)) + (1 - Y1) * np.log1p(-td.sigmoid(Z))
    ).sum() / 2,
    "A17 log(1+exp(z))": lambda Z: (np.log(1 + np.exp(Z)) - Y1 * Z).sum() / 2,
    "A17 A**Y": lambda Z: -np.log(
        td.sigmoid(Z) ** Y1 * (1 - td.sigmoid(Z)) ** (1 - Y1)
    ).sum() / 2,
}  # fmt: skip


def _by_hand(Z: Any) -> Any:
    e = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


OF_CLASSES: dict[str, Callable[[Any], Any]] = {
    "A3 log, then picked": lambda Z: -np.log(td.softmax(Z, axis=0))[np.array([0, 1]), [0, 1]].sum(),
    "A17 picked, then log": lambda Z: (
        -np.log(td.softmax(Z, axis=0)[np.array([0, 1]), [0, 1]]).sum()
    ),
    "A17 maximum by hand": lambda Z: -(np.eye(2) * np.log(_by_hand(Z))).sum(),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a3_and_a17_what_is_made_finite_has_a_finite_slope(name: str) -> None:
    value, slope = td.compile(td.value_and_grad(SPELLINGS[name]))(Z1)
    close(value, 900.0)
    close(slope, [[-0.5, 0.5]])


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a3_and_a17_of_classes(name: str) -> None:
    value, slope = td.compile(td.value_and_grad(OF_CLASSES[name]))(
        np.array([[-1e3, 1e3], [1e3, -1e3]])
    )
    close(value, 4e3)
    close(slope, [[-1, 1], [1, -1]])
    close(td.compile(td.grad(lambda x: np.log(1 - td.sigmoid(x))))(np.array(900.0)), -1.0)


def test_a4_slopes_of_equal_arguments_share() -> None:
    for x in (1e10, 1e16):
        assert td.grad(lambda x: np.logaddexp(x, x))(x) == 1.0
    equal(td.grad(td.logsumexp)(np.array([1e50, 1e50])), [0.5, 0.5])
    found = td.grad(td.logsumexp)(np.array([1e5, 1e5], np.float32))
    np.testing.assert_allclose(found, [0.5, 0.5], rtol=2e-7)


def test_a5_a_slope_of_log_softmax_is_not_cancelled() -> None:
    p = math.exp(-37.43) / (1 + math.exp(-37.43))
    found = td.grad(lambda z: td.log_softmax(z)[0])(np.array([37.43, 0.0]))
    np.testing.assert_allclose(found, [p, -p], rtol=1e-12)


def test_a6_rewriting_keeps_the_sign_of_zero() -> None:
    cases: list[tuple[Callable[[Any], Any], float]] = [
        (lambda x: np.ceil(x) + 0, -0.5), (lambda x: 0 - x, 0.0), (lambda x: -(x - x), 1.0),
        (lambda x: np.sum(x, axis=0), -0.0),
    ]  # fmt: skip
    for f, at in cases:
        x = np.array([at])
        equal(np.signbit(td.compile(f)(x)), np.signbit(f(Tensor(x)).data))
    assert td.compile(lambda x: np.arctan2(0 - x, -1.0))(np.array(0.0)) == np.pi


def test_a7_threads_lose_no_addition() -> None:
    W = parameter(np.zeros(1000))
    work = [
        threading.Thread(target=lambda: [(W * 1.0).sum().backward() for _ in range(50)])
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    equal(W.grad, 200.0)


def test_a8_a_second_derivative_through_saved_values_is_refused() -> None:
    saved: list[Any] = []

    def forward(x: Any) -> Any:
        saved[:] = [x]
        return x**3

    cube = td.custom_vjp(forward, lambda g: 3 * g * saved[0] ** 2)
    assert td.grad(cube)(2.0) == 12.0
    assert "no second derivative" in told(lambda: td.hessian(cube)(2.0))


def test_a9_a_row_that_is_left_out_costs_no_slope() -> None:
    X, mask = np.eye(3), np.array([[0.0, 0, 0], [0, 0, 0], [-np.inf] * 3])

    def attention(W: Any) -> Any:
        return (td.softmax(X @ W @ X.T + mask, axis=1) @ X)[:2].sum()

    with np.errstate(invalid="ignore"):
        assert np.isfinite(td.grad(attention)(np.ones((3, 3)))).all()


def test_a10_a_root_of_squares_at_zero_is_nan_with_a_warning() -> None:
    with pytest.warns(RuntimeWarning):
        slope = td.grad(lambda x: np.sqrt((x**2).sum()) ** 2)(np.zeros(3))
    assert np.isnan(slope).all()


def test_a11_rows_hold_in_the_labels_own_type() -> None:
    a, b, t = np.array([0], np.uint8), np.array([1], np.uint8), np.array([1.0])
    equal(td.compile(lambda t, a, b: t * a - t * b)(t, a, b), [-1.0])


def test_a12_nothing_but_the_unused_is_hidden() -> None:
    def f(z: Any) -> Any:
        return td.value_and_grad(lambda z: -(z - np.log(np.exp(z).sum()))[1])(z)

    value, slope = td.compile(f)(np.array([1000.0, 0.0]))
    close(value, 1000.0)
    close(slope, [1.0, -1.0])


EDITS: dict[str, Callable[[Any, Any], Any]] = {
    "numpy": lambda W, X: W.numpy().__setitem__(0, 7),
    "detach": lambda W, X: W.detach().data.__setitem__(0, 7),
    "data of a constant": lambda W, X: X.data.__setitem__(0, 9),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a13_an_edit_through_another_alias_is_seen(edit: Callable[[Any, Any], Any]) -> None:
    W, X = parameter([1.0, 2.0]), Tensor(np.array([3.0, 4.0]), name="X")
    cost = (W * W * X).sum()
    edit(W, X)
    with pytest.raises(StaleValueError):
        cost.backward()


def test_a14_copies_in_a_transform_stay_connected() -> None:
    for copied in (copy.copy, copy.deepcopy):
        assert td.grad(lambda x, copied=copied: x * copied(x))(3.0) == 6.0
    assert "pickle" in told(lambda: td.grad(lambda x: x * pickle.loads(pickle.dumps(x)))(3.0))


OTHER_WAYS: dict[str, Callable[[Any], Any]] = {
    "array.array": lambda t: array.array("d", [t]),
    "memoryview": lambda t: memoryview(np.zeros(3)).__setitem__(0, t),
    "struct": lambda t: struct.pack("d", t),
    "np.fromiter": lambda t: np.fromiter([t], float),
    "fmean": lambda t: statistics.fmean([t, t]),
    "cmath": cmath.exp,
    "np.full_like": lambda t: np.full_like(np.zeros(2), t),
    "np.full_like of a Tensor": lambda t: np.full_like(t, t),
    # SciPy's, in a test of their own: test_scipy_takes_no_number_in_passing
}


@pytest.mark.parametrize("way", OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_a15_other_ways_out_are_refused(way: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, ValueError, struct.error)):
        td.grad(lambda x: (way(x * x), x)[1])(2.0)


def test_a15_edits_out_of_sight_are_refused() -> None:
    def unrecorded(A: Any) -> Any:
        with td.no_grad():
            A += 1.0
        return (A * A).sum()

    def writing(x: Any) -> Any:
        x *= 2.0
        return x

    x = np.ones(2)
    assert "unrecorded" in told(lambda: td.grad(unrecorded)(x))
    edited = td.custom_vjp(writing, lambda g, z: 2 * g)
    assert "read-only" in told(lambda: td.grad(lambda x: edited(x).sum())(x))
    equal(x, 1.0)


def test_a16_slopes_far_out() -> None:
    close(td.grad(lambda y: np.arctan2(y, 1e-300))(1e-300), 5e299)
    close(td.grad(np.expm1)(-37.0), math.exp(-37.0))
    at = np.nextafter(1.0, 0.0)
    for f, sign in ((np.arcsin, 1.0), (np.arccos, -1.0)):
        close(td.grad(f)(at), sign / math.sqrt((1.0 - at) * (1.0 + at)))
    slope = td.grad(lambda z: td.softmax(z)[0])(np.array([37.4, 0.0]))
    np.testing.assert_allclose(slope, [math.exp(-37.4), -math.exp(-37.4)], rtol=1e-12)
    close(td.grad(td.logsumexp)(np.array([1e300] * 3)), 1 / 3)


def test_a18_a_compiled_picking_has_the_order_of_its_positions() -> None:
    ix = np.array([[0, 1], [2, 0]])
    for x in (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(6.0).reshape(3, 2).T):
        for rewrite in (True, False):
            found = td.compile(lambda x: np.take(np.exp(x), ix, axis=1), rewrite=rewrite)(x)
            equal(found, np.take(np.exp(x), ix, axis=1))


# --- B: unclear, or refusing what is legal --------------------------------------------------------

T, U, V = parameter([[1.0, 2.0], [3.0, 4.0]]), parameter(2.0), parameter([1.0, 2.0, 3.0])
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "B1 np.array of Tensors": (lambda: np.array([U, U]), "td.array"),
    "B1 nested": (lambda: np.array([[U, U], [U, U]]), "td.array"),
    "B1 np.mean of a list": (lambda: np.mean([U, U]), r"td\.(array|stack|mean)"),
    "B1 np.full": (lambda: np.full(3, U), "a value everywhere"),
    "B1 ndarray.dot": (lambda: np.ones(3).dot(V), "@"),
    "B2 np.full_like": (lambda: np.full_like(np.ones(2), U), "np.ones"),
    "B3 an argument that is none of ours": (lambda: T.sum(nonsense=1), "sum"),
    "B4 no argument of that name": (
        lambda: td.grad(lambda a, b: a, argnums="c")(1.0, 2.0), "'c'"
    ),
    "B4 a tree with an array of text": (
        lambda: td.grad(lambda p: p["a"].sum())({"a": np.ones(2), "b": np.array(["x"])}), r"\['b'\]"
    ),
    "B4 grad of (loss, aux)": (lambda: td.grad(lambda x: (x.sum(), 1))(np.ones(2)), "tuple"),
    "B6 labels as an index": (
        lambda: td.compile(lambda z, y: z[y, 0])(np.ones((2, 2)), np.array([0, 1])), "one-hot"
    ),
    "B10 td.tensor": (lambda: td.tensor([1.0]), "Tensor"),
    "B10 gradients(f, t)": (lambda: td.gradients(lambda x: x, U), r"grad\(f\)"),
    "B10 retain_graph": (lambda: (U * U).backward(retain_graph=True), "keep"),
    "B10 dim, keepdim": (lambda: T.sum(dim=0, keepdim=True), "axis"),
    "B10 argnum": (lambda: td.grad(lambda x: x, argnum=1), "argnums"),
    "B10 unsqueeze": (lambda: T.unsqueeze(0), "expand_dims|None"),
    "B10 view": (lambda: T.view(4), "reshape"),
    "B10 clamp": (lambda: T.clamp(0, 1), "clip"),
    "B10 exp": (lambda: T.exp(), r"exp\("),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_b_what_is_refused_names_what_works(name: str) -> None:
    action, words = REFUSED[name]
    said = told(action)
    assert re.search(words, said), said
    assert "Operators." not in said


def test_b2_calls_of_numpy_that_are_legal() -> None:
    equal(np.concatenate((T, T), 1).shape, (2, 4))
    equal(np.stack((T, T), 1).shape, (2, 2, 2))
    equal(np.where(T.data > 2, T, 0.0).shape, (2, 2))
    equal(np.identity(3, like=T), np.eye(3))
    equal(T.sum(out=None).data, 10.0)
    equal(T.reshape(4, order="F").data, [1, 3, 2, 4])
    equal(T.flatten("F").data, [1, 3, 2, 4])


def test_b4_a_ufunc_is_compiled_and_differentiated() -> None:
    equal(td.compile(np.sin)(np.ones(2)), np.sin(np.ones(2)))
    close(td.grad(np.sin)(1.0), math.cos(1.0))
    close(td.compile(td.grad(np.sin))(np.array(1.0)), math.cos(1.0))
    close(td.compile(td.hessian(np.sin))(np.array(1.0)), -math.sin(1.0))


def test_b5_an_op_of_ones_own_may_use_linalg() -> None:
    inverse = td.custom_vjp(np.linalg.inv, lambda g, z: -z.T @ g @ z.T)
    assert str(td.check_gradients(lambda x: inverse(x).sum(), np.eye(2) * 2.0)).startswith(
        "gradients: right"
    )


def test_b7_a_long_program_says_so() -> None:
    def long(x: Any) -> Any:
        for _ in range(5001):
            x = np.sin(x)
        return x

    with pytest.warns(UserWarning, match="ops; its loops are written out"):
        td.compile(long).prepare(np.array(1.0))


def test_b9_public_names() -> None:
    assert {"compile", "grad", "Tensor", "optim"} <= {*dir(td)}
    assert not {"Any", "import_module", "Path"} & {*dir(td)}
    assert td.softmax(Tensor(np.zeros((0,)))).shape == (0,)


# --- F: reliability -------------------------------------------------------------------------------

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "A15 SciPy": ("autodiff/test_leaving.py::test_scipy_takes_no_number_in_passing",),
    "A15 a float() in a rule": (
        "autodiff/test_leaving.py"
        "::test_a_number_taken_in_a_rule_is_refused_where_the_rule_is_recorded",
    ),
    "A16 every op": ("ops/test_slopes.py::test_s98_slopes_are_as_exact_as_the_page_says",),
    "A17 many": (
        "compiler/test_stable.py::test_s92_however_a_cost_is_spelled_value_and_gradient_are_finite",
    ),
    "A18 every op and order": (
        "reliability/test_memory_orders.py"
        "::test_ops_that_move_or_pick_agree_with_eager_in_every_memory_order",
    ),
    "B8 types": (
        "test_types.py::test_mypy_finds_what_is_wrong_and_nothing_else",
        "test_types.py::test_pyright_finds_what_is_wrong_and_nothing_else",
    ),
    "B10 all words": ("autodiff/test_numpy_calls.py::test_s110_what_is_refused_names_what_works",),
    "B12": (
        "test_train.py::test_while_training_the_threads_of_blas_follow_from_the_largest_product",
    ),
    "B13": ("test_readme.py::test_the_snippets_run_and_print_what_stands_beside_them",),
    "F1": (
        "cli/test_cli_encodings.py::test_s100_every_command_prints_in_every_encoding",
        "cli/test_cli_encodings.py::test_a_program_whose_output_is_redirected_on_windows",
        "cli/test_cli_encodings.py::test_a_file_name_that_does_not_decode",
    ),
    "F2": (
        "grading/test_attacks.py::test_s104_a_crafted_message_runs_nothing_in_the_grader",
        "isolation/test_messages.py::test_a_pickle_is_no_message",
    ),
    "F3": ("grading/test_attacks.py::test_s105_a_failure_of_one_file_loses_no_other",),
    "F4": (
        "cli/test_cli_signals.py::test_s101_a_signal_saves_and_stops_and_a_second_one_waits",
        "cli/test_cli_signals.py::test_ctrl_c_while_python_starts_or_ends_shows_no_traceback",
        "cli/test_cli_signals.py::test_a_full_disk_under_the_log_does_not_stop_the_run",
    ),
    "F5": (
        "cli/test_cli_signals.py::test_s102_one_run_at_a_time_trains_in_a_folder",
        "cli/test_cli_signals.py::test_setting_a_model_aside_takes_no_name_that_another_run_has_"
        "just_taken",
    ),
    "F6 constants": (
        "reliability/test_memory_orders.py"
        "::test_a_constant_has_the_memory_order_that_eager_gives_it",
    ),
    "F7": (
        "cli/test_cli_pictures.py::test_a_picture_of_too_many_pixels_is_refused_before_it_is_read",
        "cli/test_cli_pictures.py::test_formats_that_start_other_programs_are_not_tried",
    ),
    "F9": (
        "grading/test_attacks.py::test_s106_a_function_that_has_others_compute_is_called_borrowed",
    ),
    "F10": (
        "grading/test_attacks.py::test_a_fork_in_a_function_changes_no_verdict",
        "grading/test_attacks.py::test_texts_of_students_reach_no_terminal_as_they_are",
        "cli/test_cli_signals.py::test_a_write_protected_model_is_not_gone_on_with",
        "cli/test_cli_grade.py::test_a_table_is_no_formula",
        "autodiff/test_long_messages.py::test_a_shape_of_many_entries_is_cut_short",
        "browser/test_explorer_large.py::test_a_chain_of_10000_ops_opens_folded_and_steps_fast",
    ),
}


@pytest.mark.parametrize("number", ELSEWHERE)
def test_every_number_has_its_tests(number: str) -> None:
    for place in ELSEWHERE[number]:
        file, name = place.split("::")
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8"), place


def test_f6_without_rewriting_the_bits_are_eagers() -> None:
    W = np.random.default_rng(0).normal(size=(5, 3)).tolist()
    f = td.value_and_grad(lambda x: td.tanh(x @ np.array(W)).sum())
    x = np.random.default_rng(1).normal(size=(4, 5))
    program = td.compile(f, rewrite=False)
    for found, expected in zip(program(x), f(x), strict=True):
        assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()
    swapped = x.astype(">f8")
    costs: tuple[Callable[[Any], Any], ...] = (
        np.sum, lambda x: (x * x).sum(), lambda x: np.tanh(x).sum() + x.T[0].sum(),
        lambda x: (x @ x.T).mean(), lambda x: td.softmax(x)[0, 0],
    )  # fmt: skip
    for cost in costs:
        slope = td.grad(cost)
        for rewrite in (True, False):
            found = td.compile(slope, rewrite=rewrite)(swapped)
            assert found.dtype.str == slope(swapped).dtype.str == ">f8"
            close(found, slope(x))
        t = Tensor(swapped, requires_grad=True)
        cost(t).backward()
        assert t.grad.dtype.str == ">f8"


def test_f8_programs_leave_nothing_in_linecache() -> None:
    import gc
    import linecache

    gc.collect()
    before = len(linecache.cache)
    f = td.compile(lambda x, s: x * s)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for s in range(50):
            f(np.ones(2), float(s))
    assert len(linecache.cache) - before <= 40
    del f
    gc.collect()
    assert len(linecache.cache) <= before + 1
