"""What `check_op` does not ask: numbers, masks, shared memory, dtypes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from kinks import calls, cotangent, domain_of, is_elementwise, special
from mutation.planted import redeclared

from tinygrad_dnn import Tensor, gradients, sqrt, where
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.check import check_op
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.ops import REGISTRY, Case, Op

AWFUL = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e300)
# Where these drop a value, nothing reaches what it came from; as declared, whatever a mutant says.
SELECT = frozenset(name for name, op in REGISTRY.items() if op.selects)

# Calls that the declarations' own cases leave out.
MORE_CASES: dict[str, tuple[Case, ...]] = {
    "sum": (Case((), axis=0),),
    "cumprod": (Case((), axis=0), Case((3, 2), axis=0)),
}


def _float_arguments(op: Op, arrays: list[Any]) -> list[int]:
    return [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]


def check_more(op: Op) -> None:
    """`check_op` on MORE_CASES.

    Raises:
        AssertionError: as `check_op`.
    """
    if op.name in MORE_CASES:
        with redeclared(op, cases=MORE_CASES[op.name]):
            check_op(op)


def check_cast(op: Op) -> None:
    """A cast to another dtype of floats has the slope 1, in its input's own dtype.

    Raises:
        AssertionError: it has another.
    """
    if "dtype" not in op.settings:
        return
    for case in op.cases:
        square = Case(*((3, 3) for _ in case.shapes), **case.meta)
        (x,) = (Tensor(a, requires_grad=True) for a in sampled(op, square))
        z = record(op, (x,), dict(op.defaults | case.meta))
        g = cotangent(z.data).astype(z.dtype)
        slope = gradients(z, x, gradient=g)
        if slope.dtype != x.dtype or not np.array_equal(slope, g):
            raise AssertionError(f"{op.name}({case}): gradient {slope}, expected {g}")
        # Cast the other way, so that a gradient wider than its input would show.
        back = Tensor(x.data.astype(z.dtype), requires_grad=True)
        if not np.array_equal(gradients(back.astype(x.dtype), back, gradient=x.data), z.data):
            raise AssertionError(f"{op.name}({case}): a cast to {x.dtype} has another slope")


def check_numbers(op: Op) -> None:
    """Beside Python numbers an elementwise op has the gradient that it has beside Tensors.

    Raises:
        AssertionError: it differs.
    """
    if not (is_elementwise(op) and op.differentiable and len(op.arrays) > 1):
        return
    for values in product(*(special(op, k) for k in range(len(op.arrays)))):
        whole = [int(v) if not isinstance(v, bool) and v == int(v) else v for v in values]
        for i, rule in enumerate(op.rules):
            if rule is None:
                continue
            found = []
            for others in ([Tensor(v) for v in values], values, whole):
                x = Tensor(float(values[i]), requires_grad=True)
                z = record(op, [*others[:i], x, *others[i + 1 :]], op.defaults)
                found.append(float(gradients(z, x)))
            if not np.allclose(found, found[0], rtol=1e-12, atol=0):
                raise AssertionError(
                    f"{op.name}{values}, argument {i}: {found} beside Tensors, floats and ints"
                )


def check_untaken(op: Op) -> None:
    """In the branch of a `where` that is not taken, nothing reaches an argument, whatever it is.

    Raises:
        AssertionError: something other than 0 does.
    """
    if not (is_elementwise(op) and op.differentiable):
        return
    domains = [domain_of(op, k) for k in range(len(op.arrays))]
    grid = product(*((False, True) if d is bool else AWFUL for d in domains))
    arrays = [np.array(values) for values in zip(*grid, strict=True)]
    for case in op.cases or [None]:
        meta = dict(op.defaults | (case.meta if case else {}))
        xs = [Tensor(x, rule is not None) for x, rule in zip(arrays, op.rules, strict=True)]
        with np.errstate(all="ignore"):
            z = where(np.zeros(arrays[0].shape, bool), record(op, xs, meta), 0.0)
            for i, x in enumerate(xs):
                if x.requires_grad:
                    slope = gradients(z, x, gradient=np.ones(z.shape))
                    if not np.all(slope == 0):
                        raise AssertionError(
                            f"{op.name}, argument {i}: {slope} in an untaken branch"
                        )


def check_selection(op: Op) -> None:
    """Where an op drops a value, nothing reaches what it came from, however steep that was.

    Raises:
        AssertionError: something other than 0 does, or nothing was dropped.
    """
    if op.name not in SELECT:
        return
    dropped = 0
    for arrays, meta in calls(op):
        for i in _float_arguments(op, arrays):
            v = Tensor(np.zeros(arrays[i].shape), requires_grad=True)
            x = Tensor(arrays[i], requires_grad=True)
            with np.errstate(all="ignore"):
                z = record(op, [*arrays[:i], x + sqrt(v), *arrays[i + 1 :]], meta)
                g = cotangent(z.data)
                picked = gradients(z, x, gradient=g) != 0
                slope = gradients(z, v, gradient=g)
            dropped += int(np.sum(~picked))
            if not np.array_equal(np.isinf(slope), picked) or np.any(np.isnan(slope)):
                raise AssertionError(f"{op.name}, argument {i}: {slope}, picked {picked}")
    if not dropped:
        raise AssertionError(f"{op.name} dropped nothing here")


def check_shares(op: Op) -> None:
    """An op whose result shows its input's memory says so, for the sake of edits in place.

    Raises:
        AssertionError: it does not.
    """
    for case in cases_of(op):
        arrays = sampled(op, case)
        meta = dict(op.defaults | case.meta)
        z = op.forward(*arrays, **meta)
        said = op.view(meta) if callable(op.view) else op.view
        if not said and any(np.shares_memory(z, x) for x in arrays):
            raise AssertionError(f"{op.name}({case}): shares its input's memory; declare view=True")


def check_narrow(op: Op) -> None:
    """A rule on float32 computes in float32, before the sweep would cast its result.

    Raises:
        AssertionError: it gives another dtype.
    """
    for case in cases_of(op):
        if "dtype" in case.meta or not op.differentiable:
            continue
        arrays = [x.astype("f4") if x.dtype.kind == "f" else x for x in sampled(op, case)]
        xs = [Tensor(x, op.rule(i) is not None) for i, x in enumerate(arrays)]
        z = record(op, xs, dict(op.defaults | case.meta))
        g = cotangent(z.data).astype("f4")
        for i, x in enumerate(xs):
            if x.requires_grad:
                pull = op.pulls[0 if op.many else i]
                gx = pull(g, z.node.saved, z.node, i) if pull else g
                if gx.dtype != np.float32:
                    raise AssertionError(
                        f"{op.name}({case}), argument {i}: the rule gave {gx.dtype}"
                    )
