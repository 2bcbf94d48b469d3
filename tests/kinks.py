"""Slopes where a function has two, none, or an infinite one: stated in two tables, and looked for.

`check_op` samples away from such points. Here every op is differentiated at numbers that repeat and
at −1, 0, 1; where the slopes from both sides differ, KINKS must state what the engine answers, and
everywhere else the engine must answer what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tinygrad_dnn import Tensor, gradients, where
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.ops import REGISTRY, Op

WIDE = np.longdouble
STEP = WIDE(1e-6)
SAME = 1e-6  # slopes nearer than this agree: far above the error of a one-sided difference
NAN, INF = float("nan"), float("inf")

Slopes = Callable[..., Sequence[Any]]


def _shared(extreme: Any) -> Slopes:
    def slopes(g: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Sequence[Any]:
        hit = x == extreme(x, axis=axis, keepdims=True)
        if not keepdims:
            g = g.reshape(np.sum(x, axis=axis, keepdims=True).shape)
        return (hit * g / np.sum(hit, axis=axis, keepdims=True),)

    return slopes


def _of_places(g: Any, x: Any, axis: int | None = -1) -> Sequence[Any]:
    """Each element has the gradient of its place; equal ones keep their order."""
    order, placed = np.argsort(x, axis=axis, kind="stable"), np.zeros(x.shape)
    if axis is None:
        placed.reshape(-1)[order] = g
    else:
        np.put_along_axis(placed, order, g, axis)
    return (placed,)


# The gradient (g · slope, for each array) where the slopes from the two sides differ.
KINKS: dict[str, Slopes] = {
    "absolute": lambda g, x: (0 * g,),
    "sign": lambda g, x: (0 * g,),
    "relu": lambda g, x: (0 * g,),
    "leaky_relu": lambda g, x, slope=0.01: (slope * g,),
    "maximum": lambda g, x, y: (g / 2, g / 2),
    "minimum": lambda g, x, y: (g / 2, g / 2),
    "hypot": lambda g, x, y: (0 * g, 0 * g),
    "clip": lambda g, x, low, high: (g, 0 * g, 0 * g),
    "copysign": lambda g, x, y: (0 * g,),
    "fmax": lambda g, x, y: (g / 2, g / 2),
    "fmin": lambda g, x, y: (g / 2, g / 2),
    "max": _shared(np.max),
    "min": _shared(np.min),
    "sort": _of_places,
    "std": lambda g, x, **_: (np.zeros_like(x),),
}

# Slopes at the ends of a domain, and beyond them: (op, arguments, slopes), each slope for g = 1.
End = tuple[str, tuple[Any, ...], tuple[Any, ...]]
ENDS: tuple[End, ...] = (
    ("sqrt", (0.0,), (INF,)),
    ("log", (0.0,), (INF,)),
    ("log2", (0.0,), (INF,)),
    ("log10", (0.0,), (INF,)),
    ("log1p", (-1.0,), (INF,)),
    ("reciprocal", (0.0,), (-INF,)),
    ("divide", (1.0, 0.0), (INF, -INF)),
    ("divide", (-1.0, 0.0), (INF, INF)),
    ("divide", (0.0, 0.0), (INF, NAN)),
    ("arcsin", (1.0,), (INF,)),
    ("arcsin", (-1.0,), (INF,)),
    ("arccos", (1.0,), (-INF,)),
    ("arccos", (-1.0,), (-INF,)),
    ("arctan2", (0.0, 0.0), (NAN, NAN)),
    ("arctan2", (0.0, 1.0), (1.0, 0.0)),
    ("arctan2", (0.0, -1.0), (-1.0, 0.0)),
    ("arctan2", (-1.0, 0.0), (0.0, 1.0)),
    ("tan", (0.0,), (1.0,)),
    ("power", (0.0, 0.0), (0.0, 0.0)),
    ("power", (0.0, -1.0), (-INF, -INF)),
    ("power", (0.0, 0.5), (INF, 0.0)),
    ("power", (INF, 0.0), (0.0, INF)),
    ("power", (NAN, 0.0), (0.0, NAN)),
    ("arccosh", (1.0,), (INF,)),
    ("arctanh", (1.0,), (INF,)),
    ("cbrt", (0.0,), (INF,)),
    ("fmax", (NAN, 1.0), (0.0, 1.0)),
    ("fmax", (1.0, NAN), (1.0, 0.0)),
    ("fmin", (NAN, 1.0), (0.0, 1.0)),
    ("fmin", (1.0, NAN), (1.0, 0.0)),
    ("fmod", (4.0, 2.0), (1.0, -2.0)),
    ("fmod", (-5.0, 3.0), (1.0, 1.0)),
    ("fmod", (1.0, 0.1), (1.0, -9.0)),
    ("remainder", (4.0, 2.0), (1.0, -2.0)),
    ("remainder", (-5.0, 3.0), (1.0, 2.0)),
    ("remainder", (1.0, 0.1), (1.0, -9.0)),
    ("logaddexp2", (-INF, -INF), (0.0, 0.0)),
    ("logaddexp2", (-INF, 0.0), (0.0, 1.0)),
    ("logaddexp", (-INF, -INF), (0.0, 0.0)),
    ("logaddexp", (-INF, 0.0), (0.0, 1.0)),
    ("logaddexp", (0.0, -INF), (1.0, 0.0)),
    # NumPy's clip with its limits in the wrong order answers with the upper one.
    ("clip", (0.5, 3.0, 1.0), (0.0, 0.0, 1.0)),
    ("clip", (1.0, 3.0, 1.0), (0.0, 0.0, 1.0)),
    ("clip", (2.0, 3.0, 1.0), (0.0, 0.0, 1.0)),
    ("clip", (4.0, 3.0, 1.0), (0.0, 0.0, 1.0)),
    ("clip", (0.0, 1.0, 1.0), (0.0, 1.0, 0.0)),
    ("clip", (1.0, 1.0, 1.0), (1.0, 0.0, 0.0)),
    ("clip", (2.0, 1.0, 1.0), (0.0, 0.0, 1.0)),
    ("max", ([1.0, NAN, 3.0],), ([0.0, 1.0, 0.0],)),
    ("min", ([1.0, NAN, 3.0],), ([0.0, 1.0, 0.0],)),
    ("logsumexp", ([-INF, -INF],), ([0.0, 0.0],)),
    ("logsumexp", ([-INF, 0.0],), ([0.0, 1.0],)),
    ("log_weighted_sum", ([3.0, 0.0], [0.0, 1.0]), ([0.0, 1.0], [float(np.exp(3.0)), 1.0])),
    ("log_weighted_sum", ([-INF, 0.0], [1.0, 1.0]), ([0.0, 1.0], [0.0, 1.0])),
    ("power", (0.0, 1.0), (1.0, 0.0)),
    ("power", (0.0, 2.0), (0.0, 0.0)),
    ("power", (0.0, 3.0), (0.0, 0.0)),
    ("power", (-2.0, 0.0), (0.0, NAN)),
    ("power", (-2.0, 1.0), (1.0, NAN)),
    ("power", (-2.0, 2.0), (-4.0, NAN)),
    ("power", (-2.0, 3.0), (12.0, NAN)),
)

# Slopes far out, where eˣ is no float any more: right, and without a warning.
FAR: tuple[End, ...] = (
    ("sigmoid", (-1000.0,), (0.0,)),
    ("sigmoid", (1000.0,), (0.0,)),
    ("log_sigmoid", (-1000.0,), (1.0,)),
    ("log_sigmoid", (1000.0,), (0.0,)),
    ("softplus", (-1000.0,), (0.0,)),
    ("softplus", (1000.0,), (1.0,)),
    ("tanh", (1000.0,), (0.0,)),
    ("logaddexp", (1000.0, -1000.0), (1.0, 0.0)),
    ("logaddexp", (1e16, 1e16), (0.5, 0.5)),
    ("logsumexp", ([1000.0, 0.0],), ([1.0, 0.0],)),
    ("logsumexp", ([1e300, 1e300],), ([0.5, 0.5],)),
    ("expm1", (-37.0,), (float(np.exp(-37.0)),)),
    ("arctan", (1e200,), (0.0,)),
    ("hypot", (1e300, 0.0), (1.0, 0.0)),
    ("hypot", (0.0, 0.0), (0.0, 0.0)),
    ("log_weighted_sum", ([1000.0, 0.0], [1.0, 0.0]), ([1.0, 0.0], [1.0, 0.0])),
    ("softmax", ([1000.0, 0.0],), ([0.0, 0.0],)),
    ("log_softmax", ([1000.0, 0.0],), ([-1.0, 1.0],)),
)

# Second derivatives in x alone at the ends: (op, arguments, ∂²z/∂x²).
SECOND_ENDS: tuple[tuple[str, tuple[float, ...], float], ...] = (
    ("power", (0.0, 0.0), 0.0),
    ("power", (0.0, 1.0), 0.0),
    ("power", (0.0, 2.0), 2.0),
    ("power", (0.0, 3.0), 0.0),
    ("power", (-2.0, 3.0), -12.0),
)


def domain_of(op: Op, k: int) -> Any:
    """Where argument k may be sampled: an interval, bool, or a range of integers."""
    return op.domain[min(k, len(op.domain) - 1)] if op.domain else (-2.0, 2.0)


def special(op: Op, k: int) -> list[Any]:
    """Values of argument k at which functions like to turn a corner."""
    domain = domain_of(op, k)
    if domain is bool:
        return [False, True]
    if isinstance(domain, range):
        return [*domain]
    low, high = domain
    return [v for v in (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0) if low <= v <= high]


# As declared: a mutant takes the trait away, and is to be asked the same questions.
ELEMENTWISE = frozenset(name for name, op in REGISTRY.items() if op.elementwise)


def is_elementwise(op: Op) -> bool:
    """Declared so, or called by tests with whatever shapes broadcast."""
    return op.elementwise or op.name in ELEMENTWISE or not op.cases


def calls(op: Op) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arrays full of special values and ties, and the metadata to call an op with."""
    if is_elementwise(op):
        grid = list(product(*(special(op, k) for k in range(len(op.arrays)))))
        if not grid:  # its domain holds none of them
            return
        side = max(3, int(np.ceil(np.sqrt(len(grid)))))  # square, so that a transpose would show
        arrays = [np.resize(np.array(values), (side, side)) for values in zip(*grid, strict=True)]
        for meta in [case.meta for case in op.cases] or [{}]:
            yield [x.copy() for x in arrays], dict(op.defaults | meta)
        return
    for case in op.cases:
        meta = dict(op.defaults | case.meta)
        rng = np.random.default_rng(0)
        many = [special(op, k) for k in range(len(case.shapes))]
        alike = [v for v in (1.0, 0.0) if all(v in special(op, k) for k in range(len(many)))]
        for chosen in (many, *([_like(v, x) for x in many] for v in alike)):
            yield [rng.choice(x, s) for x, s in zip(chosen, case.shapes, strict=True)], meta
        cubes = [rng.choice(x, (3,) * len(s)) for x, s in zip(many, case.shapes, strict=True)]
        if _accepts(op, cubes, meta):
            yield cubes, meta


def _like(value: float, others: Sequence[Any]) -> list[Any]:
    """The value alone, as a number of their kind."""
    return [type(others[0])(value)]


def _accepts(op: Op, arrays: Sequence[Any], meta: dict[str, Any]) -> bool:
    try:
        op.forward(*arrays, **meta)
    except (ValueError, IndexError):
        return False
    return True


def cotangent(z: Any) -> Any:
    """Distinct numbers of both signs, none of them 0."""
    n = np.arange(np.size(z)).reshape(np.shape(z))
    return (0.5 + n / max(np.size(z), 1)) * np.where(n % 2, 1.0, -1.0)


def _ends(f: Callable[..., Any], arrays: Sequence[Any], i: int, g: Any, all_at_once: bool) -> Any:
    """⟨g, f⟩ with argument i moved by t steps, element by element, as a function of t."""
    wide = [x.astype(WIDE) if x.dtype.kind == "f" else x for x in arrays]

    def moved(t: int) -> Any:
        if all_at_once:
            return g * f(*wide[:i], wide[i] + t * STEP, *wide[i + 1 :])
        results = np.zeros_like(wide[i])
        for at in np.ndindex(wide[i].shape):
            x = wide[i].copy()
            x[at] += t * STEP
            results[at] = np.sum(g * f(*wide[:i], x, *wide[i + 1 :]))
        return results

    return moved


def sided_slopes(
    f: Callable[..., Any], arrays: Sequence[Any], i: int, g: Any, all_at_once: bool
) -> tuple[Any, Any]:
    """∂⟨g, f⟩/∂arrays[i] from the right, and where the function has no such slope, or another
    from the left: (slope, kinked).
    """
    value = _ends(f, arrays, i, g, all_at_once)
    e0 = value(0)
    slopes = []
    for sign in (1, -1):
        e1, e2, e4 = (value(sign * t) for t in (1, 2, 4))
        slopes += [sign * (-3 * e0 + 4 * e1 - e2) / (2 * STEP)]
        slopes += [sign * (-3 * e0 + 4 * e2 - e4) / (4 * STEP)]
    right = slopes[0]
    return right, ~np.all([np.abs(s - right) < SAME for s in slopes], axis=0)


def check_points(op: Op) -> int:
    """Differentiate an op at special values, once and twice; how many kinks were met.

    Raises:
        AssertionError: a slope is neither what is measured nor what KINKS states.
    """
    met = 0
    if op.name in KINKS and not op.differentiable:
        raise AssertionError(f"{op.name}: KINKS states slopes, but there is no rule")
    if not op.differentiable or "dtype" in op.settings:
        return met
    if op.__module__.endswith(".factorization"):
        return met  # of matrices full of ties most are singular, and LAPACK has no wider floats
    for arrays, meta in calls(op):
        met += _check_slopes(op, arrays, meta)
        repeats = all(np.all(x == x.flat[0]) for x in arrays if x.size)
        # Products of several arrays are polynomials: `check_op` has seen all of their bends.
        if not repeats and (is_elementwise(op) or len(arrays) == 1):
            _check_bends(op, arrays, meta)
    return met


def _recorded(op: Op, arrays: Sequence[Any], meta: dict[str, Any]) -> tuple[list[Tensor], Tensor]:
    xs = [Tensor(x, op.rule(i) is not None) for i, x in enumerate(arrays)]
    return xs, record(op, xs, meta)


def _check_slopes(op: Op, arrays: Sequence[Any], meta: dict[str, Any]) -> int:
    met = 0
    xs, z = _recorded(op, arrays, meta)
    g = cotangent(z.data)
    for i, x in enumerate(xs):
        if not x.requires_grad:
            continue
        slope, kinked = sided_slopes(partial(op.forward, **meta), arrays, i, g, is_elementwise(op))
        who = f"{op.name}({[a.tolist() for a in arrays]}, {meta}), argument {i}"
        if np.any(kinked):
            met += 1
            if not op.kinks or op.name not in KINKS:
                raise AssertionError(f"{who}: a kink that is not declared, or not stated in KINKS")
            slope = np.where(kinked, KINKS[op.name](g, *arrays, **meta)[i], slope)
        _agree(gradients(z, x, gradient=g), slope, who)
    return met


def _check_bends(op: Op, arrays: Sequence[Any], meta: dict[str, Any]) -> None:
    """Second derivatives, where there are any."""
    n = len(arrays)
    for i, j in product(range(n), range(n)):
        xs, z = _recorded(op, arrays, meta)
        if not (xs[i].requires_grad and xs[j].requires_grad):
            continue
        g = cotangent(z.data)
        first = gradients(z, xs[i], gradient=g, create_graph=True)
        u = cotangent(first.data)

        def slope(*values: Any, i: int = i, g: Any = g) -> Any:
            wide, there = _recorded(op, values, meta)
            return gradients(there, wide[i], gradient=g)

        bend, kinked = sided_slopes(slope, arrays, j, u, is_elementwise(op))
        try:
            mine = gradients(first, xs[j], gradient=u)
        except ValueError:  # does not depend on it
            mine = np.zeros_like(arrays[j])
        who = f"{op.name}({[a.tolist() for a in arrays]}, {meta}), second derivative by {i}, {j}"
        _agree(mine, np.where(kinked, mine, bend), who)


def _agree(mine: Any, truth: Any, who: str) -> None:
    if not np.allclose(mine, truth.astype(float), rtol=SAME, atol=SAME):
        raise AssertionError(f"{who}: {mine.tolist()}, expected {truth.tolist()}")


def check_ends(op: Op) -> None:
    """The slopes that ENDS and FAR state, beside Tensors and beside Python numbers; in a branch of
    `where` that is not taken they are 0.

    Raises:
        AssertionError: another slope, or an op with ends of its own that ENDS says nothing of.
    """
    stated = [end for end in ENDS if end[0] == op.name]
    restricted = any(
        not (d is bool or isinstance(d, range) or tuple(d) == (-2, 2)) for d in op.domain
    )
    if op.differentiable and restricted and not stated and op.name not in KINKS:
        raise AssertionError(f"{op.name}: the ends of its domain are not stated in ENDS")
    with np.errstate(all="ignore"):
        for end in stated:
            _check_end(op, *end[1:])
        for name, args, bend in SECOND_ENDS:
            if name == op.name:
                _check_bend(op, args, bend)
    for end in FAR:
        if end[0] == op.name:
            _check_end(op, *end[1:])


def _check_end(op: Op, args: Sequence[Any], slopes: Sequence[Any]) -> None:
    for i, slope in enumerate(slopes):
        who = f"{op.name}{tuple(args)}, argument {i}"
        for numbers in (False, True):
            got = _slope(op, args, i, numbers)
            if not np.array_equal(got, np.atleast_1d(slope), equal_nan=True):
                beside = "Python numbers" if numbers else "Tensors"
                raise AssertionError(f"{who}, beside {beside}: slope {got}, expected {slope}")
        if np.any(_slope(op, args, i, numbers=False, untaken=True)):
            raise AssertionError(f"{who}: not 0 in a branch that is not taken")


def _slope(op: Op, args: Sequence[Any], i: int, numbers: bool, untaken: bool = False) -> Any:
    """∂z/∂args[i]; the other arguments are Python numbers, or Tensors."""
    x = Tensor(np.atleast_1d(args[i]), requires_grad=True)
    others = [a if numbers else Tensor([a], requires_grad=True) for a in args]
    z = record(op, [*others[:i], x, *others[i + 1 :]], op.defaults)
    if untaken:
        z = where(np.zeros(z.shape, bool), z, 0.0)
    return gradients(z, x, gradient=np.ones(z.shape))


def _check_bend(op: Op, args: Sequence[float], bend: float) -> None:
    for others in (args[1:], [Tensor(a, requires_grad=True) for a in args[1:]]):
        x = Tensor(args[0], requires_grad=True)
        first = gradients(record(op, [x, *others], op.defaults), x, create_graph=True)
        got = float(gradients(first, x)) if first.requires_grad else 0.0
        if got != bend:
            raise AssertionError(f"{op.name}{tuple(args)}: second derivative {got}, not {bend}")


def check_bytes(op: Op) -> None:
    """What computes floats computes them of whole numbers too: −x of a byte would wrap around.

    Raises:
        AssertionError: a byte gives another value than the same number as a float.
    """
    if len(op.arrays) != 1 or op.many or not op.differentiable or op.required:
        return
    x = np.array([1, 2, 3, 100], np.uint8)
    with np.errstate(all="ignore"):
        try:
            mine, truth = op.forward(x), op.forward(x.astype(float))
        except (TypeError, ValueError, IndexError):  # matrices, or what NumPy has for floats alone
            return
    if np.result_type(mine).kind == "f":
        near = np.isclose(np.asarray(mine, float), truth, rtol=3e-3, equal_nan=True)
        beyond = ~np.isfinite(np.asarray(mine, float))  # half precision ends at 65504
        assert np.all(near | beyond), f"{op.name} of bytes: {mine}, of floats: {truth}"


def check_one_share(op: Op) -> None:
    """Slopes where one share of a softmax is all but 1 are what the others leave.

    Raises:
        AssertionError: a slope is off by more than rounding.
    """
    if op.name == "log_weighted_sum":
        x = np.array([[0.0, 0.0], [2000.0, 2000.0]])
        t = Tensor(x, requires_grad=True)
        z = record(op, [t, np.ones((2, 2))], op.defaults | {"axis": 1})
        slopes = gradients(z, t, gradient=np.ones(2))
        assert np.allclose(slopes, 0.5), slopes
        t = Tensor(np.array([0.0, 1000.0]), requires_grad=True)  # what weighs nothing is large
        with np.errstate(over="raise", invalid="raise"):
            z = record(op, [t, np.array([1.0, 0.0])], op.defaults)
            assert np.array_equal(gradients(z, t), [1.0, 0.0])
        with np.errstate(all="ignore"):
            whole = record(op, [np.array([np.inf, 0.0]), np.ones(2)], op.defaults).data
        assert whole == np.inf, whole
        nothing = record(op, [t, np.zeros(2)], op.defaults).data
        assert nothing == -np.inf, nothing
    if op.name not in ("softmax", "log_softmax"):
        return
    x = np.array([[37.4, 0.0, 1.0], [1.0, 38.0, 0.5], [0.1, 0.2, 0.3]])
    g = np.array([[1.0, 0.0, 0.0], [3.0, 0.5, -1.0], [0.7, 0.1, -2.0]])
    wide, gw = x.astype(WIDE), g.astype(WIDE)
    p = np.exp(wide - wide.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    if op.name == "softmax":  # Σ_j p_i p_j (g_i − g_j), without a difference from 1
        truth = np.einsum("ri,rj,rij->ri", p, p, gw[:, :, None] - gw[:, None, :])
    else:  # g_i Σ_{j≠i} p_j − p_i Σ_{j≠i} g_j
        others = np.stack([p[:, [k for k in range(3) if k != i]].sum(axis=1) for i in range(3)], 1)
        truth = gw * others - p * (gw.sum(axis=1, keepdims=True) - gw)
    t = Tensor(x, requires_grad=True)
    mine = gradients(record(op, [t], op.defaults | {"axis": 1}), t, gradient=g)
    assert np.allclose(mine, truth.astype(float), rtol=1e-9, atol=0), (mine, truth)
