"""Which op runs on which kind of array: the kinds, the attempts, and the table array_kinds.md.

`python tests/array_kinds.py` writes the table; test_array_kinds.py demands that it is what runs.
"""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cupy_interface
import device_array
import numpy as np
import pytest

from tinygrad_dnn import REGISTRY, Tensor, gradients, log, relu, sigmoid
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.check.op_check import cases_of, sampled

TABLE = Path(__file__).with_name("array_kinds.md")
WRITE = "python tests/array_kinds.py"
NO_DASK = 'dask is not installed: pip install "tinygrad-dnn[test]"'

# Sums in another order; 64 units of rounding of the largest element is far below any mistake.
ROUNDING = 64 * np.finfo(float).eps

# Why something does not run, in words: one sentence for each (kind, op) that fails, no others.
REASONS = {
    ("dask", "argpartition"): "Dask does not sort across its chunks",
    ("dask", "argsort"): "Dask does not sort across its chunks",
    ("dask", "cholesky_lower"): "Dask's own linear algebra takes one matrix, in square chunks",
    ("dask", "cofactors"): "LAPACK wants the whole matrix in one array",
    ("dask", "det"): "LAPACK wants the whole matrix in one array",
    ("dask", "dot"): "Dask's `dot` takes no 0-d operand; `*` does the same",
    ("dask", "eigh_parts"): "LAPACK wants the whole matrix in one array",
    ("dask", "einsum"): "the gradient of a repeated letter is a `scatter`",
    ("dask", "getitem"): "Dask takes one 1-d list of positions; a gradient is a `scatter`",
    ("dask", "inv"): "Dask's own linear algebra takes one matrix, in square chunks",
    ("dask", "pinv"): "LAPACK wants the whole matrix in one array",
    ("dask", "qr_parts"): "LAPACK wants the whole matrix in one array",
    ("dask", "repeat"): "Dask repeats every element equally often",
    ("dask", "reshape"): "Dask merges or splits whole axes only",
    ("dask", "roll"): "Dask wants one shift for each axis",
    ("dask", "scatter"): "adding at positions is `np.add.at`, which Dask has not",
    ("dask", "scatter_add"): "adding at positions is `np.add.at`, which Dask has not",
    ("dask", "setitem"): "Dask assigns at slices and one 1-d list of positions, without a new axis",
    ("dask", "slogdet_parts"): "LAPACK wants the whole matrix in one array",
    ("dask", "solve"): "Dask's own linear algebra takes one matrix, in square chunks",
    ("dask", "svd_parts"): "LAPACK wants the whole matrix in one array",
    ("dask", "take"): "Dask takes 1-d positions along one axis; a gradient is a `scatter_add`",
    ("dask", "trace"): "the gradient is a `scatter`",
    ("dask", "eigenvalues"): "LAPACK wants the whole matrix in one array",
    ("dask", "scatter_along_axis"): "Dask writes at no positions that are an array",
    ("dask", "singular_values"): "Dask's own svd has other arguments",
    ("dask", "sort"): "Dask does not sort across its chunks",
    ("dask", "sparse_matmul"): "a sparse matrix multiplies arrays in memory",
    ("dask", "take_along_axis"): "Dask takes one 1-d list of positions",
    ("device", "sparse_matmul"): "a sparse matrix multiplies arrays in memory",
    ("dask", "triangular"): "Dask's own linear algebra takes one matrix, in square chunks",
}


@dataclass(frozen=True)
class Kind:
    """How arrays of a kind are made and brought back, and what guards against early computing.

    With `create_graph` the derivative rules are recorded while they run.
    """

    name: str
    make: Callable[[Any], Any]
    back: Callable[[Any], Any]
    type: type
    guard: Callable[[], AbstractContextManager[Any]] = nullcontext
    create_graph: bool = False


def strided(x):
    """The same values as a read-only view of every second element of a larger array."""
    wide = np.full((*x.shape, 2), 7).astype(x.dtype)
    wide[..., 0] = x
    view = wide[..., 0]
    view.flags.writeable = False
    return view


class ComputedEarly(Exception):
    """A lazy array was computed before anybody asked for its values."""


def refuse(*_args, **_kwargs):
    """A Dask scheduler under which nothing can be computed."""
    raise ComputedEarly


class HiddenCopy(Exception):
    """An array went from the device to the host, or the other way, and nobody had asked for it."""


@contextmanager
def no_copies():
    """No array travels within the block; host positions may, which CuPy itself sends along."""
    with device_array.counted() as copies:
        yield
    if copies["to host"] or copies["to device"]:
        raise HiddenCopy


def kind_of(name):
    """The Kind of that name; skips where its package is not installed."""
    if name == "device":
        return Kind(
            name, device_array.asarray, device_array.asnumpy, device_array.ndarray, no_copies
        )
    if name == "numpy":
        return Kind(name, strided, np.asarray, np.ndarray)
    if name == "Tensor":
        return Kind(name, np.asarray, np.asarray, np.ndarray, create_graph=True)
    if name == "dask":
        dask = pytest.importorskip("dask", reason=NO_DASK)
        array = pytest.importorskip("dask.array", reason=NO_DASK)
        return Kind(
            name,
            lambda x: array.from_array(x, chunks=tuple(max(1, (n + 1) // 2) for n in x.shape)),
            lambda d: d.compute(optimize_graph=False, scheduler="synchronous"),
            array.Array,
            lambda: dask.config.set(scheduler=refuse),
        )
    cupy = pytest.importorskip("cupy", reason="cupy is not installed")
    if not cupy.is_available():
        pytest.skip("cupy finds no GPU")
    return Kind(name, cupy.asarray, cupy.asnumpy, cupy.ndarray)


KINDS = ("numpy", "Tensor", "dask", "device", "cupy")


def package_ops():
    """The package's own ops; other tests declare ops too."""
    return {n: op for n, op in REGISTRY.items() if op.builtin}


def document_cost(parameters, X, Y):
    """The document's expression: (linear, relu) × (L−1), linear, sigmoid, cross-entropy."""
    L = len(parameters) // 2
    A = X
    for layer in range(1, L):
        A = relu(parameters[f"W{layer}"] @ A + parameters[f"b{layer}"])
    AL = sigmoid(parameters[f"W{L}"] @ A + parameters[f"b{L}"])
    return -(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / Y.shape[1]


# --- one op, one case, one kind -------------------------------------------------------------------


def failure(kind, compute, expected):
    """Why `compute` does not give `expected` as an array of the kind; None where it does."""
    try:
        with warnings.catch_warnings(), kind.guard():
            warnings.simplefilter("error")
            got = compute()
        if not isinstance(got, kind.type):
            return f"it became {type(got).__name__}"
        got = kind.back(got)
    except Exception as error:  # whatever it is, it is what the table is about
        return type(error).__name__
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"it became {got.dtype} {got.shape} for {expected.dtype} {expected.shape}"
    scale = np.max(np.abs(expected), initial=0) if expected.dtype.kind == "f" else 0
    if not np.all(np.abs(got * 1.0 - expected * 1.0) <= ROUNDING * scale):
        return "other values"
    return None


def attempts(op, case, kind):
    """(part, failure) for the forward and for every derivative rule: "forward", "∂x", "∂y"."""
    arrays = sampled(op, case)
    meta = op.defaults | case.meta
    plain = op.forward(*arrays, **meta)
    made = [kind.make(x) for x in arrays]
    yield "forward", failure(kind, lambda: record(op, [Tensor(x) for x in made], meta).data, plain)
    g = np.random.default_rng(1).uniform(0.5, 1.5, np.shape(plain))
    cotangent = kind.make(g)
    for i in range(len(arrays)):
        place = 0 if op.many else i
        if op.rules[place] is None:
            continue

        def slope(values, cotangent, i=i, create_graph=False):
            xs = [Tensor(x, requires_grad=k == i) for k, x in enumerate(values)]
            z = record(op, xs, meta)
            found = gradients(z, xs[i], gradient=cotangent, create_graph=create_graph)
            return found.data if create_graph else found

        def slope_of_kind(slope=slope):
            return slope(made, cotangent, create_graph=kind.create_graph)

        yield f"∂{op.arrays[place]}", failure(kind, slope_of_kind, slope(arrays, g))


def outcome(op, kind):
    """Per part how many attempts ran and how many there were; and what failed, as text."""
    ran: dict[str, list[int]] = {}
    failed = []
    for case in cases_of(op):
        for part, why in attempts(op, case, kind):
            count = ran.setdefault(part, [0, 0])
            count[0] += why is None
            count[1] += 1
            if why is not None:
                called = f"{op.name}({case!r})".replace("\n", " ")
                failed.append(f"{part} of `{called}`: {why}")
    return ran, failed


# --- the table ------------------------------------------------------------------------------------


def cell(ran):
    """`forward ∂x ∂y`, with `3/5` after what runs for some cases only and `no` before the rest."""
    parts = []
    for part, (good, tried) in ran.items():
        some = f"{part} {good}/{tried}" if good else f"no {part}"
        parts.append(part if good == tried else some)
    return " ".join(parts)


def column(kind):
    """The cell of every op, and the list of what does not run."""
    cells, notes = {}, []
    for name, op in sorted(package_ops().items()):
        ran, failed = outcome(op, kind)
        cells[name] = cell(ran)
        if failed:
            reason = REASONS.get((kind.name, name), "no reason is known")
            notes.append(f"- {kind.name}, {name}: {reason}.")
            notes += [f"  - {line}" for line in failed]
    return cells, notes


def page(columns):
    """array_kinds.md from {kind: (cells, notes)}."""
    lines = [
        "# Which op runs on which kind of array",
        "",
        f"Written by `{WRITE}`; the tests run it again and compare.",
        "Every op is called on arrays of the kind with every case that it declares, forward and",
        "each derivative rule. It runs where the result is of the same kind, equals that of plain",
        "arrays to rounding, raised no warning, and, on Dask, computed nothing before it was asked",
        "to. `3/5` counts the cases that run. numpy: read-only strided views. Tensor: the rule is",
        "itself recorded, as for second derivatives. dask: two chunks along every axis.",
        "device: the stand-in for CuPy of `tests/device_array.py`, which has what the real one has",
        f"(CuPy {cupy_interface.version()}), refuses `float()`, `bool()` and NumPy's arrays, and",
        "counts copies to and from the device: none happened.",
        "",
        f"{versions()} With others, the tests of foreign kinds skip, visibly.",
        "",
        f"| op | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
    ]
    for name in sorted(package_ops()):
        cells = (cells.get(name, "") for cells, _ in columns.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "## What does not run, and why", ""]
    for _, notes in columns.values():
        lines += notes
    return "\n".join(lines) + "\n"


def versions():
    """The versions that what runs depends on."""
    return f"Versions: numpy {np.__version__}, dask {version('dask')}, SciPy {_scipy()}."


def _scipy():
    """SciPy's version; Dask's linear algebra stands on it."""
    try:
        return version("scipy")
    except PackageNotFoundError:
        return "none"


def same_versions():
    """Whether the table was written with the versions that are installed."""
    return versions() in TABLE.read_text(encoding="utf-8")


@cache
def committed(name):
    """A kind's cells and notes as they stand in array_kinds.md; None where it has no column."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [[c.strip() for c in x.strip("|").split(" | ")] for x in lines if x.startswith("| ")]
    if name not in rows[0]:
        return None
    at = rows[0].index(name)
    notes, inside = [], False
    for line in lines:
        if line.startswith("- "):
            inside = line.startswith(f"- {name},")
        if inside and line.lstrip().startswith("- "):
            notes.append(line)
    return {row[0]: row[at] for row in rows[1:]}, notes


# Ops that look where the values of an array lie, or stand on one that does.
LOOK = (
    "cholesky_lower",
    "cumprod",
    "getitem",
    "recurrence",
    "repeat",
    "scatter",
    "setitem",
    "trace",
)


# Positions that no case has: several at once, rows without elements.
MORE_POSITIONS = {
    "setitem": (
        (np.ones((4, 3)), np.arange(12.0).reshape(2, 2, 3), np.array([[0, 1], [1, 0]])),
        (np.ones((3, 0)), np.ones((2, 0)), np.array([0, 0])),
    ),
}


def check_elsewhere(op):
    """Ops that go another way for arrays elsewhere run there as the table says.

    Raises:
        AssertionError: they don't.
    """
    for name in ("device", "dask") if op.name in LOOK else ():
        kind = kind_of(name)
        ran, _ = outcome(op, kind)
        told, _ = committed(name)
        assert cell(ran) == told[op.name]
        for case in cases_of(op) if told[op.name].startswith("forward ∂") else ():
            arrays = sampled(op, case)
            made = [kind.make(x) for x in arrays]
            op.forward(*made, **(op.defaults | case.meta))
            for x, given in zip(arrays, made, strict=True):
                np.testing.assert_array_equal(kind.back(given), x)  # nobody wrote to it
    for *arrays, index in MORE_POSITIONS.get(op.name, ()):
        z = op.forward(*map(device_array.asarray, arrays), index=index)
        plain = op.forward(*arrays, index=index)
        np.testing.assert_allclose(device_array.asnumpy(z), plain, rtol=1e-14)


if __name__ == "__main__":
    columns: dict[str, Any] = {}
    for name in KINDS:
        try:
            columns[name] = column(kind_of(name))
        except pytest.skip.Exception as absent:
            print(f"{name}: {absent}; its column stays as it is")
            if TABLE.exists() and (there := committed(name)):
                columns[name] = there
    TABLE.write_text(page(columns), encoding="utf-8")
