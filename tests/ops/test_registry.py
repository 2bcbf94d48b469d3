"""Every declared op put to the same tests; so is an op that a user declares."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import REGISTRY, Case, Op, Tensor, gradients, op
from tinygrad_dnn.check import check_op
from tinygrad_dnn.check.op_check import cases_of, sampled


def rule_of(op: Op, i: int) -> Any:
    return op.rules[0 if op.many else i]


def applied(op: Op, tensors: Sequence[Any], **meta: Any) -> Any:
    return op(tensors, **meta) if op.many else op(*tensors, **meta)


def leaves(op: Op, arrays: Sequence[Any], *, names: bool = False) -> list[Tensor]:
    return [
        Tensor(x, x.dtype.kind == "f" and rule_of(op, i) is not None, f"in{i}" if names else None)
        for i, x in enumerate(arrays)
    ]


def slopes(op: Op, arrays: Sequence[Any], **meta: Any) -> tuple[Any, list[Any]]:
    """The result and the gradients of ⟨g, op(arrays)⟩, g the same for every layout of memory."""
    xs = leaves(op, arrays)
    z = applied(op, xs, **meta)
    wanted = [x for x in xs if x.requires_grad]
    if not z.requires_grad:
        return z.data, []
    g = np.cos(np.arange(z.size, dtype=z.dtype)).reshape(z.shape)
    return z.data, gradients(z, wanted, gradient=g)


def same(ours: tuple[Any, list[Any]], theirs: tuple[Any, list[Any]]) -> None:
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-13, atol=1e-14)
    assert len(ours[1]) == len(theirs[1])
    for mine, its in zip(ours[1], theirs[1], strict=True):
        assert mine.shape == its.shape
        np.testing.assert_allclose(mine, its, rtol=1e-12, atol=1e-14)


# --- what every op is asked -----------------------------------------------------------------------


def agrees_with_measured_derivatives(op: Op) -> None:
    check_op(op)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "Fortran": lambda x: x.copy(order="F"),
    "negative strides": lambda x: np.flip(np.flip(x).copy()),
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
    "transposed base": lambda x: x.T.copy().T,
}


def works_in_every_layout_of_memory(op: Op) -> None:
    for case in cases_of(op):
        arrays = sampled(op, case)
        expected = slopes(op, arrays, **case.meta)
        for layout in LAYOUTS.values():
            same(slopes(op, [layout(x) for x in arrays], **case.meta), expected)


def reads_read_only_arrays_and_locks_none(op: Op) -> None:
    for case in cases_of(op):
        arrays = sampled(op, case)
        expected = slopes(op, arrays, **case.meta)
        assert all(x.flags.writeable for x in arrays), f"{op.name} locked its input"
        for x in arrays:
            x.setflags(write=False)
        same(slopes(op, arrays, **case.meta), expected)


def permits_the_empty_arrays_that_numpy_permits(op: Op) -> None:
    """With each length of a case made 0: NumPy's answer, and gradients of its shapes."""
    for case in cases_of(op):
        for gone in {n for s in case.shapes for n in s}:
            arrays = [
                np.ones_like(x, shape=tuple(0 if n == gone else n for n in x.shape))
                for x in sampled(op, case)
            ]
            arrays = list(op.arrange(*arrays)) if op.arrange else arrays
            answers_empty_arrays(op, arrays, **case.meta)


def answers_empty_arrays(op: Op, arrays: Sequence[Any], **meta: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's "mean of empty slice"
        try:
            plain = op.forward(*arrays, **op.defaults | meta)
        except (ValueError, IndexError) as refused:
            with pytest.raises(type(refused), match=op.name):
                applied(op, leaves(op, arrays), **meta)
            return
        z, found = slopes(op, arrays, **meta)
    assert z.shape == np.shape(plain)
    wanted = [x.shape for x in leaves(op, arrays) if x.requires_grad]
    assert [g.shape for g in found] == wanted


def keeps_0d_arrays_0d(op: Op) -> None:
    if not op.elementwise:
        return
    case = next(iter(op.cases), Case())
    arrays = [x.reshape(-1)[0].reshape(()) for x in sampled(op, cases_of(op)[0])]
    z, found = slopes(op, arrays, **case.meta)
    for x in (z, *found):
        assert type(x) is np.ndarray
        assert x.shape == ()


def sums_gradients_over_every_broadcast_position(op: Op) -> None:
    """An argument of a smaller shape has the gradient of its copy blown up by hand, summed."""
    if not op.elementwise or len(op.arrays) < 2:
        return
    full = (2, 3, 4)
    arrays = sampled(op, Case(*[full] * len(op.arrays)))
    smaller = [(), (1,), (4,), (1, 4), (3, 1), (3, 4), (1, 3, 1), (2, 1, 1), (2, 1, 4), (1, 1, 1)]
    for i, shape in product(range(len(arrays)), smaller):
        wide = (1,) * (3 - len(shape)) + shape
        corner = arrays[i][tuple(slice(n) for n in wide)]
        small = [*arrays[:i], corner.reshape(shape), *arrays[i + 1 :]]
        blown = [*arrays[:i], np.broadcast_to(corner, full), *arrays[i + 1 :]]
        (z, mine), (z_full, its) = slopes(op, small), slopes(op, blown)
        repeated = tuple(k for k in range(3) if wide[k] == 1)
        order = [k for k in range(len(arrays)) if rule_of(op, k) is not None]
        its = [
            g.sum(axis=repeated).reshape(shape) if k == i else g
            for k, g in zip(order, its, strict=False)
        ]
        same((z, mine), (z_full, its))


def is_written_in_its_inputs_names(op: Op) -> None:
    for case in cases_of(op):
        xs = leaves(op, sampled(op, case), names=True)
        z = applied(op, xs, **case.meta)
        z.name = "result"
        told = repr(z)
        assert all(x.name in told for x in xs), told
        assert "result" in told
        assert "…" not in told


def composes_of_primitives(op: Op) -> None:
    """A composite op is its own expansion: the same value and the same gradients."""
    if not op.composite:
        return
    for case in cases_of(op):
        arrays = sampled(op, case)
        xs = leaves(op, arrays)
        z = op.forward(*xs, **op.defaults | case.meta)
        assert isinstance(z, Tensor)
        assert z.op is not op
        g = np.cos(np.arange(z.size, dtype=z.dtype)).reshape(z.shape)
        same(slopes(op, arrays, **case.meta), (z.data, gradients(z, xs, gradient=g)))


EVERY_TEST = (
    agrees_with_measured_derivatives,
    works_in_every_layout_of_memory,
    reads_read_only_arrays_and_locks_none,
    permits_the_empty_arrays_that_numpy_permits,
    keeps_0d_arrays_0d,
    sums_gradients_over_every_broadcast_position,
    is_written_in_its_inputs_names,
    composes_of_primitives,
)


@pytest.mark.parametrize("name", sorted(REGISTRY))
@pytest.mark.parametrize("test", EVERY_TEST, ids=lambda t: t.__name__)
def test_op(test: Callable[[Op], None], name: str) -> None:
    test(REGISTRY[name])


# --- ops of users ---------------------------------------------------------------------------------


@pytest.fixture
def users_ops() -> Iterator[list[Op]]:
    @op("softsign({x})", vjp=lambda g, x: g / (1 + np.abs(x)) ** 2, elementwise=True)
    def softsign(x, /):
        return x / (1 + np.abs(x))

    @op("|{x}, {y}|", vjp=(lambda g, z, x: g * x / z, lambda g, z, y: g * y / z), elementwise=True)
    def distance(x, y, /):
        return np.sqrt(x * x + y * y)

    @op(
        "lag({x})",
        vjp=lambda g, x, steps: np.concatenate([g[steps:], np.zeros_like(x[:steps])]),
        cases=(Case((5,), steps=2), Case((4, 2), steps=1)),
    )
    def lag(x, /, steps=1):
        return np.concatenate([np.zeros_like(x[:steps]), x[:-steps]])

    yield [softsign, distance, lag]
    for declared in (softsign, distance, lag):
        del REGISTRY[declared.name]


def test_ops_of_a_user_pass_them_all(users_ops: list[Op]) -> None:
    for declared, test in product(users_ops, EVERY_TEST):
        test(declared)
    longest = max(len(inspect.getsource(o.forward).splitlines()) for o in users_ops)
    assert longest < 10


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, x: g * np.cos(x) * (1 + 1e-6),
        lambda g, x: g * np.cos(x) + 1e-7,
        lambda g, x: g * g * np.cos(x),
        lambda g, x: np.sum(g * np.cos(x), axis=-1, keepdims=True) + 0 * g,
        lambda g, x: (g * np.cos(x)).astype(np.float32).astype(x.dtype),
        lambda g, x: g * np.asarray(np.cos(getattr(x, "data", x))),  # no second derivative
    ],
    ids=["factor", "offset", "square", "axis", "rounded", "detached"],
)
def test_a_faulty_rule_of_a_user_is_found_and_named(rule: Callable[..., Any]) -> None:
    @op("sinus({x})", vjp=rule, elementwise=True)
    def sinus(x, /):
        return np.sin(x)

    try:
        with pytest.raises(AssertionError, match="sinus"):
            check_op(sinus)
    finally:
        del REGISTRY["sinus"]


def test_a_faulty_rule_is_told_with_its_probable_mistake() -> None:
    declared = Op(
        lambda x, /: np.sin(x),
        "sinus({x})",
        lambda g, x: -g * np.cos(x),
        cases=(Case((3,)),),
        name="sinus",
    )
    with pytest.raises(AssertionError, match=r"is -?\d[^;]*; probably it has the opposite sign"):
        check_op(declared)


def test_the_number_of_rules_is_the_number_of_arrays() -> None:
    with pytest.raises(TypeError, match=r".*: expected a derivative rule for each .*got 1"):
        op("{x}{y}", vjp=(lambda g: g,))(lambda x, y, /: x)


def test_a_rule_that_asks_for_what_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="asks for 'w'"):

        @op("f({x})", vjp=lambda g, w: g)
        def f(x, /):
            return x


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="op exp: that name is taken"):

        @op("exp({x})", vjp=lambda g: g, name="exp")
        def mine(x, /):
            return x

    assert REGISTRY["exp"](0.0) == 1


# --- the same ops by NumPy's own names ------------------------------------------------------------

# NumPy has something else, or nothing that takes a Tensor, under these names.
NOT_NUMPYS = {"identity"}


def by_numpys_name(op: Op, xs: Sequence[Tensor], **meta: Any) -> Any:
    function = getattr(np, op.name)
    if op.name == "einsum":
        return function(meta["subscripts"], *xs)
    if op.name == "astype":
        return function(*xs, meta["dtype"])
    return function(list(xs), **meta) if op.many else function(*xs, **meta)


@pytest.mark.parametrize("name", sorted(n for n in REGISTRY.keys() - NOT_NUMPYS if hasattr(np, n)))
def test_numpys_own_function_records_the_same_node(name: str) -> None:
    declared = REGISTRY[name]
    for case in cases_of(declared):
        xs = leaves(declared, sampled(declared, case))
        theirs, ours = by_numpys_name(declared, xs, **case.meta), applied(declared, xs, **case.meta)
        assert theirs.op is ours.op is declared
        assert dict(theirs.node.meta) == dict(ours.node.meta)
        assert all(a is b for a, b in zip(theirs.inputs, ours.inputs, strict=True))
        np.testing.assert_array_equal(theirs.data, ours.data)


@pytest.mark.parametrize(
    ("name", "arguments", "declared"),
    [
        ("abs", (), "absolute"), ("amax", (0,), "max"), ("amin", (0,), "min"),
        ("ravel", (), "reshape"), ("permute_dims", ((1, 0),), "transpose"),
        ("moveaxis", (0, 1), "transpose"), ("sum", (0,), "sum"), ("mean", (-1,), "mean"),
        ("reshape", ((3, 2),), "reshape"), ("roll", (1, 0), "roll"), ("repeat", (2,), "repeat"),
        ("clip", (0.0, 1.0), "clip"), ("pad", (1,), "pad"), ("acos", (), "arccos"),
    ],
)  # fmt: skip
def test_numpys_other_names_and_positional_settings(
    name: str, arguments: tuple[Any, ...], declared: str
) -> None:
    x = Tensor(np.full((2, 3), 0.5), requires_grad=True)
    z = getattr(np, name)(x, *arguments)
    assert z.op is REGISTRY[declared]
    np.testing.assert_array_equal(z.data, getattr(np, name)(x.data, *arguments))


# --- and NumPy's functions that have no op --------------------------------------------------------

# They read files, print, change NumPy's settings, or take a program.
NOT_CALLED = {
    "errstate", "fromfile", "fromregex", "genfromtxt", "get_include", "info", "load", "loadtxt",
    "memmap", "printoptions", "save", "savetxt", "savez", "savez_compressed", "set_printoptions",
    "setbufsize", "seterr", "seterrcall", "show_config", "show_runtime", "test", "typename",
    "vectorize",
}  # fmt: skip
# Functions of shapes, tests and positions (S6 of the page of semantics).
PLAIN_ANSWERS = {
    "all", "allclose", "any", "argsort", "array2string", "array_equal", "array_repr", "array_str",
    "can_cast", "count_nonzero", "empty_like", "full_like", "isclose", "isscalar", "iterable",
    "may_share_memory", "ndim", "nonzero", "ones_like", "result_type", "shape", "shares_memory",
    "size", "str_", "zeros_like",
}  # fmt: skip


def numpys_functions() -> list[Any]:
    found = []
    for module, prefix in ((np, ""), (np.linalg, "linalg."), (np.fft, "fft.")):
        for name in sorted(vars(module).keys() - NOT_CALLED):
            function = getattr(module, name)
            is_error = isinstance(function, type) and issubclass(function, BaseException)
            if callable(function) and not name.startswith("_") and not is_error:
                found.append(pytest.param(function, id=prefix + name))
    return found


def arguments(scale: float) -> list[tuple[Any, ...]]:
    plain = np.array([[2.0, 1.0], [0.5, 3.0]])
    t = Tensor(plain[::-1] * scale, requires_grad=True)
    return [(t,), (t, t), ([t, t],), (plain, t), (t, plain), (t, 1), ([t, 1.0],)]


def plain_parts(result: Any) -> list[Any]:
    """The floating-point arrays and numbers in a result that are no Tensors."""
    if isinstance(result, (list, tuple)):
        return [x for part in result for x in plain_parts(part)]
    dtype = np.dtype(bool if isinstance(result, Tensor) else getattr(result, "dtype", bool))
    assert dtype.kind != "O", f"an object array: {result!r}"
    return [result] if dtype.kind in "fc" else []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("function", numpys_functions())
def test_no_function_of_numpy_loses_a_gradient_in_silence(function: Any) -> None:
    """It records, or it raises; what follows a Tensor's values has a recipe."""
    for args, doubled in zip(arguments(1.0), arguments(2.0), strict=True):
        try:
            found, other = plain_parts(function(*args)), plain_parts(function(*doubled))
        except (TypeError, ValueError, AttributeError, IndexError, np.linalg.LinAlgError):
            continue
        if function.__name__ not in PLAIN_ANSWERS:
            assert all(map(np.array_equal, found, other)), f"{found} lost their recipe"


@pytest.mark.parametrize(
    "function", [np.linalg.eig, np.linalg.eigvals, np.fft.fft, np.fft.irfft, np.spacing, np.frexp]
)
def test_a_function_without_a_rule_refuses_by_name(function: Any) -> None:
    told = rf"np\.(linalg\.|fft\.)?{function.__name__}\b.* has no derivative rule"
    with pytest.raises(TypeError, match=told):
        function(Tensor(np.eye(3), requires_grad=True))


@pytest.mark.parametrize("function", [np.nextafter, np.union1d, np.setdiff1d])
def test_a_function_of_two_without_a_rule_refuses_by_name(function: Any) -> None:
    with pytest.raises(TypeError, match=rf"np\.{function.__name__}\b.* has no derivative rule"):
        function(np.ones(3), Tensor(np.ones(3), requires_grad=True))


def test_an_option_without_a_rule_is_refused_by_name() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    with pytest.raises(TypeError, match=r"sum: .*'out'"):
        np.sum(x, out=np.zeros(()))


def test_an_op_of_np_linalg_is_measured_in_the_floats_that_it_takes() -> None:
    """np.linalg has no wide floats, so differences of 64 bits are taken."""

    def declared(sign: float) -> Op:
        return Op(
            lambda x, /: np.linalg.inv(x + 5.0 * np.eye(x.shape[-1], dtype=x.dtype)),
            "inv({x})",
            lambda g, z: sign * np.transpose(z) @ g @ np.transpose(z),
            cases=(Case((3, 3)),),
            name="inverse",
        )

    check_op(declared(-1.0))
    with pytest.raises(AssertionError, match="gradient of argument 0"):
        check_op(declared(1.0))
    with pytest.raises(TypeError, match="check_gradients"):
        check_op(np.sin)
