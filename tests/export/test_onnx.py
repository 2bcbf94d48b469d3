"""Expressions as ONNX models: checked in full by onnx, run by onnxruntime, equal to rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Op, Tensor, gradients
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.export.onnx_ops import NO_ROW, ROWS, WITHOUT
from tinygrad_dnn.network import forward, initialize_parameters

pytest.importorskip("onnx", reason="onnx (the extra onnx) is not installed")
ort: Any = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
export: Any = pytest.importorskip("tinygrad_dnn.export.onnx_graph")
NotExportable, onnx_model = export.NotExportable, export.onnx_model

ort.set_default_logger_severity(3)
# onnxruntime's processor has these for float32 alone.
SINGLE = {
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cosh", "det", "sinh", "tan",
}  # fmt: skip


def run(model: Any, given: Mapping[str, Any]) -> list[Any]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(given)))


def agrees(outputs: Mapping[str, Tensor], inputs: Mapping[str, Tensor], ulps: int = 32) -> None:
    got = run(onnx_model(outputs, inputs), {name: t.data for name, t in inputs.items()})
    for theirs, ours in zip(got, outputs.values(), strict=True):
        assert (theirs.shape, theirs.dtype) == (ours.shape, ours.dtype)
        eps = np.finfo(ours.dtype).eps if ours.dtype.kind == "f" else 0
        np.testing.assert_allclose(theirs, ours.data, rtol=ulps * eps, atol=ulps * eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", REGISTRY.values(), ids=lambda op: op.name)
def test_every_op_agrees_or_says_why_not(op: Op, dtype: Any) -> None:
    if dtype == np.float64 and op.name in SINGLE:
        pytest.skip("onnxruntime has it for float32 alone")
    for case in cases_of(op):
        arrays = map(np.asarray, sampled(op, case))
        ts = [Tensor(x.astype(dtype) if x.dtype.kind == "f" else x) for x in arrays]
        z = op(ts, **case.meta) if op.many else op(*ts, **case.meta)
        inputs = {f"x{i}": t for i, t in enumerate(ts)}
        if op.name not in ROWS and not op.composite:
            said = WITHOUT.get(op.name, NO_ROW)
            with pytest.raises(NotExportable, match=f"onnx: {op.name}.*: {said}"):
                onnx_model({"z": z}, inputs)
        elif op.name == "einsum" and case.meta["subscripts"].startswith(("ii", "iji")):
            with pytest.raises(NotExportable, match="no diagonal in an einsum"):
                onnx_model({"z": z}, inputs)
        else:
            agrees({"z": z}, inputs)


def test_every_row_and_every_reason_is_of_an_op() -> None:
    assert {*ROWS, *WITHOUT} <= {*REGISTRY}
    assert not {*ROWS} & {*WITHOUT}
    assert not any(REGISTRY[name].composite for name in WITHOUT)


def test_s156_an_exported_network_takes_any_number_of_examples() -> None:
    parameters = initialize_parameters((5, 4, 3, 1), "he")
    X = Tensor(np.zeros((5, 2)), name="X")
    model = onnx_model({"AL": forward(X, parameters)[1]}, {"X": X}, free={"X": 1})
    (info,) = model.graph.input
    assert [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim] == [5, "m"]
    (out,) = model.graph.output
    assert [d.dim_param or d.dim_value for d in out.type.tensor_type.shape.dim] == [1, "m"]
    for m in (1, 2, 7, 100):
        x = np.random.default_rng(m).normal(size=(5, m))
        ours = forward(Tensor(x), parameters)[1].data
        np.testing.assert_allclose(run(model, {"X": x})[0], ours, rtol=1e-14)


def free_rows(x: Any) -> dict[str, Any]:
    """Expressions of x (n, 3) that hold for any n."""
    return {
        "softmax": tg.softmax(x, axis=1),
        "mean and std": (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3),
        "logsumexp": tg.logsumexp(x, axis=1, keepdims=True),
        "flat": x.reshape(-1) * 2,
        "column": x.reshape(-1, 3, 1),
        "cumsum": np.cumsum(x, axis=0),
        "least": x.argmin(axis=0),
        "joined": np.concatenate([x, x * 2], axis=1),
        "windows": sliding_window_view(x, (2, 2), axis=(1, 1)),
        "product": x @ np.arange(6.0).reshape(3, 2),
    }


@pytest.mark.parametrize("name", free_rows(Tensor(np.ones((2, 3)))))
def test_a_free_axis_stays_free_in_every_expression(name: str) -> None:
    x = Tensor(np.random.default_rng(0).normal(size=(2, 3)))
    model = onnx_model({"z": free_rows(x)[name]}, {"x": x}, free={"x": 0})
    for n in (2, 5):
        given = np.random.default_rng(n).normal(size=(n, 3))
        expected = free_rows(Tensor(given))[name].data
        np.testing.assert_allclose(run(model, {"x": given})[0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: x.reshape(6), "reshape.*: .*shape"),
        (lambda x: np.flip(x, 0), "flip.*: fixed places would fix the size that shall stay free"),
        (lambda x: x[0], "getitem.*fixed places"),
        (lambda x: sliding_window_view(x, 2, axis=0), "windows along it would fix the size"),
        (lambda x: x.var(axis=0, ddof=1), "ddof=1 would fix the size"),
        (lambda x: x + np.ones((2, 3)), "add.*needs the size that shall stay free"),
        (lambda x: np.broadcast_to(x.sum(axis=0), (2, 3)) + x, "needs the size|would fix"),
    ],
)
def test_what_fixes_a_free_axis_is_refused_by_name(make: Any, words: str) -> None:
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(NotExportable, match=words):
        onnx_model({"z": make(x)}, {"x": x}, free={"x": 0})


def test_a_pad_with_two_numbers_is_refused() -> None:
    x = Tensor(np.ones((2, 3)))
    agrees({"z": np.pad(x, 1, constant_values=((2.0, 2.0), (2.0, 2.0)))}, {"x": x})
    for constants in ((1.0, 2.0), ((1.0, 1.0), (1.0, 2.0))):
        with pytest.raises(NotExportable, match=r"pad.*one number on all sides"):
            onnx_model({"z": np.pad(x, 1, constant_values=constants)}, {"x": x})


def test_backward_passes_are_expressions_too() -> None:
    rng = np.random.default_rng(0)
    W = Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W")
    X = Tensor(rng.normal(size=(4, 5)), name="X")
    cost = tg.logsumexp(tg.relu(W @ X)[:, 1:], axis=0).sum()
    (dW,) = gradients(cost, [W], create_graph=True)
    agrees({"cost": cost, "dW": dW}, {"W": W, "X": X}, ulps=64)


def test_dtypes_follow_numpys_rules() -> None:
    x, i = Tensor(np.float32([1.5, -2.0])), Tensor(np.array([3, 4]))
    b = Tensor(np.array([True, False]))
    outputs = {
        "a": x * 2, "b": i / 2, "c": i + b, "d": x < i, "e": b == 1, "f": b.sum(), "g": i.mean(),
        "h": np.where(b, x, 0), "i": x.astype(np.float64) + i, "j": i ** 2, "k": b < True,
        "l": np.isfinite(i),
    }  # fmt: skip
    agrees(outputs, {"in x": x, "in i": i, "in b": b})


def test_numbers_at_the_edge() -> None:
    x = Tensor(np.array([-1e-18, 1e-18, 1e-9, -1e-9, 0.0, 0.6, -0.4999, 700.0]))
    y = Tensor(np.array([1e200, -1e200, 3e-200, 4e-200, 0.0, 5.0, -12.0, 1.0]))
    outputs = {"a": np.expm1(x), "b": np.log1p(abs(x)), "c": np.hypot(x, y), "d": tg.sigmoid(y)}
    outputs |= {"e": tg.softplus(-x), "f": np.logaddexp(x, 2 * x)}
    got = run(onnx_model(outputs, {"x": x, "y": y}), {"x": x.data, "y": y.data})
    for theirs, (name, ours) in zip(got, outputs.items(), strict=True):
        np.testing.assert_allclose(theirs, ours.data, rtol=1e-14, atol=1e-16, err_msg=name)


def test_what_cannot_be_an_input_is_refused() -> None:
    x = Tensor(np.ones(3), name="x")
    y = x * 2
    with pytest.raises(ValueError, match="input y: expected a leaf"):
        onnx_model({"z": y + 1}, {"y": y})
    with pytest.raises(ValueError, match="'x' is no input with an axis 1"):
        onnx_model({"z": y}, {"x": x}, free={"x": 1})


def test_a_result_cannot_have_the_name_of_an_input() -> None:
    x = Tensor(np.ones(2))
    with pytest.raises(ValueError, match="'x' names an input and a result"):
        onnx_model({"x": x * 2}, {"x": x})


def test_a_composite_that_counts_is_refused_where_the_count_is_free() -> None:
    try:

        @tg.op("share({x})", vjp=(lambda g: g,), composite=True)
        def share(x, /):  # type: ignore[no-untyped-def]
            return x / x.shape[0]

        x = Tensor(np.ones((2, 3)))
        agrees({"z": share(x)}, {"x": x})
        with pytest.raises(NotExportable, match=r"share.*a number from the size"):
            onnx_model({"z": share(x)}, {"x": x}, free={"x": 0})
    finally:
        REGISTRY.pop("share", None)


def test_names_do_not_collide() -> None:
    x = Tensor(np.ones(2), name="c.0")
    y = x * 2.0
    y.name = "add"
    z = y + y
    z.name = "z"
    agrees({"z": z, "add.add": y, "same": z}, {"c.0": x})


def test_an_op_of_ones_own_is_refused_by_name() -> None:
    from tinygrad_dnn import op

    try:

        @op("bent({x})", vjp=(lambda g: g,))
        def bent(x, /):  # type: ignore[no-untyped-def]
            return x + 0

        x = Tensor(np.ones(2))
        with pytest.raises(NotExportable, match=f"bent.*{NO_ROW}"):
            onnx_model({"z": bent(x)}, {"x": x})
    finally:
        REGISTRY.pop("bent", None)
