"""A declared op put to the test: its rules against measured derivatives, and its manners.

`check_op` is what the project's own tests run on every op of the registry; whoever declares an op
calls it on theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.tensor import Tensor, record
from tinygrad_dnn.autodiff.transforms import gradients
from tinygrad_dnn.check.diagnosis import compare
from tinygrad_dnn.check.numeric.jacobian import measured_gradient
from tinygrad_dnn.graph import trace
from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import Op

# How far apart sampled values must be: a kink or a tie in between would spoil a difference.
APART = 6e-3
TOLERANCE = 1e-9  # of the largest element: far above what is measured, far below a wrong factor

BROADCASTS = (
    ((2, 3), (2, 3), (2, 3)),
    ((2, 3), (3,), ()),
    ((2, 1), (1, 3), (2, 3)),
    ((), (2, 3), (1, 1)),
    ((1, 3), (4, 2, 3), (2, 1)),
    ((), (), ()),
)


def cases_of(op: Op) -> list[Case]:
    """The calls an op is tested with: its own cases, or every way its arguments may broadcast."""
    if op.cases:
        return list(op.cases)
    if op.required:
        raise ValueError(
            f"check_op: op {op.name} needs {', '.join(sorted(op.required))}; "
            "declare cases=(Case(shape, ..., name=value),)"
        )
    n = len(op.arrays)
    if n == 1:
        return [Case((2, 3)), Case(()), Case((1, 4))]
    return [
        Case(*shapes)
        for b in BROADCASTS
        for shapes in {b[:n] if n <= 3 else (b[0],) * n, b[:n][::-1]}
    ]


def sampled(op: Op, case: Case, seed: int = 0) -> list[Any]:
    """Arrays for a case: values inside the op's domain, at a distance from 0 and from each other,
    so that a difference never steps across a kink or a tie; arranged as the op asks for.
    """
    rng = np.random.default_rng(seed)
    for attempt in range(100):
        arrays = [_spread(op, k, s, attempt, rng) for k, s in enumerate(case.shapes)]
        values = np.sort([0.0, *(v for x in arrays if x.dtype.kind == "f" for v in x.flat)])
        if np.all(np.diff(values) > APART):
            return list(op.arrange(*arrays)) if op.arrange else arrays
    raise ValueError(
        f"check_op: no room for distinct values in the domain {op.domain} of {op.name}"
    )


def _spread(op: Op, k: int, shape: tuple[int, ...], attempt: int, rng: Any) -> Any:
    domain = op.domain[min(k, len(op.domain) - 1)] if op.domain else (-2.0, 2.0)
    size = int(np.prod(shape))
    if domain is bool:
        return rng.permutation(np.arange(size) % 2 == 0).reshape(shape)
    if isinstance(domain, range):
        return rng.choice(domain, size=shape)
    low, high = domain
    shift = (0.31 + 0.137 * k + 0.071 * attempt) % 0.9 + 0.05
    points = low + (high - low) * (np.arange(size) + shift) / max(size, 1)
    return rng.permutation(points).reshape(shape)


def check_op(op: Op, seed: int = 0) -> None:
    """Test an op on its cases: first and second derivatives against measured ones, and manners.

    Manners: inputs are left alone, results repeat bit for bit, each rule works when its argument
    alone requires a gradient, rules are linear in g, float32 stays float32, a gradient has its
    input's shape, the saved values replay, the formula can be written; an argument without a rule
    is one that the result does not follow, and at its declared `kinks` the op answers as declared.

    Raises:
        AssertionError: names the op, the argument, the case, the worst element and both numbers.
    """
    if not isinstance(op, Op):
        raise TypeError(
            f"check_op: expected an op, what @op makes, got {type(op).__name__}; a function is "
            "checked by check_gradients(f, x)"
        )
    for case in cases_of(op):
        arrays = sampled(op, case, seed)
        where = f"op {op.name}({case})"
        _check_forward(op, case, arrays, where)
        _check_constant(op, case, arrays, where)
        if op.differentiable:
            _check_first(op, case, arrays, where)
            _check_second(op, case, arrays, where)

    _check_kinks(op)


def _apply(op: Op, case: Case, values: Sequence[Any]) -> Tensor:
    return record(op, values, op.defaults | case.meta)


def _tensors(op: Op, arrays: Sequence[Any], only: int | None = None) -> list[Tensor]:
    return [
        Tensor(x, requires_grad=op.rule(i) is not None and only in (None, i), name=f"x{i}")
        for i, x in enumerate(arrays)
    ]


def _check_forward(op: Op, case: Case, arrays: Sequence[Any], where: str) -> None:
    before = [x.copy() for x in arrays]
    tensors = [Tensor(x, name=f"x{i}") for i, x in enumerate(arrays)]
    z = _apply(op, case, tensors)
    assert all(map(np.array_equal, arrays, before)), f"{where}: forward changed its input"
    plain = op.forward(*arrays, **op.defaults | case.meta)
    assert np.array_equal(z.data, plain), f"{where}: recorded and plain results differ"
    assert np.array_equal(replay([z.node])[z.node], plain), f"{where}: replay differs"
    assert str(z), f"{where}: no formula"
    assert len(trace([z.node])) == 1 + len(tensors), f"{where}: expected one node"
    if z.dtype.kind == "f" and "dtype" not in case.meta:
        narrow = _apply(op, case, [Tensor(_narrow(x)) for x in arrays])
        assert narrow.dtype == np.float32, f"{where}: float32 became {narrow.dtype}"


def _narrow(x: Any) -> Any:
    return x.astype(np.float32) if x.dtype.kind == "f" else x


def _cotangent(z: Tensor, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(0.5, 1.5, z.shape) * np.where(
        np.arange(z.size).reshape(z.shape) % 2, 1.0, -1.0
    )


def _check_constant(op: Op, case: Case, arrays: Sequence[Any], where: str) -> None:
    for i, x in enumerate(arrays):
        if op.rule(i) is None and x.dtype.kind == "f" and not op.stops:
            meta = op.defaults | case.meta
            g = np.ones(np.shape(op.forward(*arrays, **meta)))
            slope = measured_gradient(
                lambda *a, m=meta: op.forward(*a, **m), arrays, i, g, op.elementwise
            )
            who = f"{where}: argument {i} ({op.arrays[0 if op.many else i]})"
            assert not np.any(slope), f"{who} has no rule, but the measured slope is {slope}"


def _check_kinks(op: Op) -> None:
    for point in op.kinks:
        arrays = [np.asarray(a, dtype=float) for a in point.arrays]
        xs = _tensors(op, arrays)
        with np.errstate(all="ignore"):  # a slope may be infinite
            z = record(op, xs, op.defaults | point.meta)
            for i, (x, slope) in enumerate(zip(xs, point.slopes, strict=True)):
                if slope is None:  # no gradient passes there
                    continue
                mine = gradients(z, x, gradient=np.ones(z.shape))
                assert np.allclose(mine, slope, rtol=1e-15, atol=0, equal_nan=True), (
                    f"op {op.name}{point.arrays}: the slope in argument {i} is {mine}, "
                    f"declared as {slope}"
                )


def _check_first(op: Op, case: Case, arrays: Sequence[Any], where: str) -> None:
    xs = _tensors(op, arrays)
    z = _apply(op, case, xs)
    g = _cotangent(z)
    meta = op.defaults | case.meta
    for i, x in enumerate(xs):
        if not x.requires_grad:
            continue
        mine = gradients(z, x, gradient=g)
        who = f"{where}: gradient of argument {i} ({op.arrays[0 if op.many else i]})"
        assert mine.shape == x.shape, f"{who}: shape {mine.shape}, expected {x.shape}"
        assert mine.dtype == x.dtype, f"{who}: dtype {mine.dtype}, expected {x.dtype}"
        if "dtype" not in meta:  # a cast to fewer bits has no measurable slope
            truth = measured_gradient(
                lambda *a: op.forward(*a, **meta), arrays, i, g, op.elementwise
            )
            _compare(mine, truth, who)
        again = gradients(z, x, gradient=g)
        assert np.array_equal(mine, again), f"{who}: differs when computed twice"
        minus_two = gradients(z, x, gradient=-2 * g)
        assert np.array_equal(minus_two, -2 * mine), f"{who}: not linear in g"
        alone = _tensors(op, arrays, only=i)
        assert np.array_equal(gradients(_apply(op, case, alone), alone[i], gradient=g), mine), (
            f"{who}: differs when this argument alone requires a gradient"
        )
        narrow = [Tensor(_narrow(a), t.requires_grad) for a, t in zip(arrays, xs, strict=True)]
        slope = gradients(_apply(op, case, narrow), narrow[i], gradient=g)
        assert slope.dtype == np.float32, f"{who}: of float32 it is {slope.dtype}"


def _check_second(op: Op, case: Case, arrays: Sequence[Any], where: str) -> None:
    """∂⟨u, vjp(g)⟩ for every argument against the measured slope of the vjp."""
    if "dtype" in case.meta:
        return
    wanted = [i for i in range(len(arrays)) if op.rule(i) is not None]
    for i in wanted:
        xs = _tensors(op, arrays)
        z = _apply(op, case, xs)
        g = _cotangent(z)
        first = gradients(z, xs[i], gradient=g, create_graph=True)
        u = _cotangent(first, seed=2)

        def slope(*values: Any, i: int = i, g: Any = g) -> Any:
            wide = _tensors(op, values)
            return gradients(_apply(op, case, wide), wide[i], gradient=g)

        for j in wanted:
            who = f"{where}: second derivative by arguments {i} and {j}"
            truth = measured_gradient(slope, arrays, j, u)
            try:
                mine = gradients(first, xs[j], gradient=u)
            except ValueError:  # does not depend on it
                mine = np.zeros_like(arrays[j])
            _compare(mine, truth, who)


def _compare(mine: Any, truth: Any, who: str) -> None:
    error = np.abs(mine - truth)
    scale = 1.0 + float(np.max(np.abs(truth), initial=0.0))
    if error.size and not np.all(error <= TOLERANCE * scale):
        at = tuple(int(k) for k in np.unravel_index(np.nanargmax(error), error.shape))
        found = compare(mine, np.asarray(truth, float)).explanation
        probably = f"; probably it {found}" if found is not None else ""
        raise AssertionError(
            f"{who}: element {list(at)} is {mine[at].item()!r}, measured {float(truth[at])!r}"
            f"{probably}"
        )
