"""Every row of the table on random values: what it says of itself is what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
import pytest

from tinygrad_dnn import Tensor, exp, log, matmul, negative, sigmoid, tanh
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.tensor import record
from tinygrad_dnn.graph import trace
from tinygrad_dnn.rewrite import PAPER, PROGRAM, Row, rewrite
from tinygrad_dnn.rewrite.terms import Setting, Term, Variable

ROWS = list(dict.fromkeys((*PROGRAM, *PAPER)))
# Shapes of variables where a row does not say them itself: all alike, and such as broadcast.
BROADCASTS: tuple[Mapping[str, Any], ...] = (
    {}, {"y": (4,)}, {"x": (3, 1), "y": (1, 4)}, {"x": (4,)}, {"a": (3, 1)},
    {"x": (), "y": (), "a": ()}, {"a": ()},
)  # fmt: skip
AWKWARD = (
    0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, -1e-310, 800.0, -800.0, 40.0, 1.0,
    *(1.7e308, -1.7e308) * 3,
)  # fmt: skip
ZEROS = (0.0, -0.0, 1.0, -1.0, 2.0)
USUAL: tuple[float, ...] = ()
ROUNDING = 100 * np.finfo(float).eps  # of the largest number on the way
TIMES = 35  # five for each way to broadcast
RARELY = 350  # until a rare point is met
# What variables that come from exponentials are sampled as.
EXPONENTIALS = (exp, sigmoid)


class Sides(NamedTuple):
    left: Any
    right: Any
    scale: float


def variables(term: Any) -> list[str]:
    """The letters of a term."""
    if isinstance(term, Variable):
        return [term.letter]
    return [v for x in getattr(term, "inputs", ()) for v in variables(x)]


def written(term: Any, values: Mapping[str, Any]) -> Any:
    """A term recorded with Tensors and settings in place."""
    if isinstance(term, Variable):
        return values[term.letter]
    if not isinstance(term, Term):
        return term
    inputs = [written(x, values) for x in term.inputs]
    meta = {k: values[v] if isinstance(v, Setting) else v for k, v in term.meta.items()}
    assert term.op is not None
    return record(term.op, inputs, meta)


def usual(shape: tuple[int, ...], rng: Any, positive: bool = False) -> Any:
    """Numbers of many sizes, so that adding them rounds."""
    if positive:
        return rng.uniform(0.2, 0.9, shape)
    return np.exp2(rng.uniform(-4, 1, shape)) * rng.choice([-1, 1], shape)


def sampled(row: Row, case: Mapping[str, Any], rng: Any, among: Sequence[float]) -> dict[str, Any]:
    """Values of the variables: numbers in turn as Python's and as 0-d Tensors."""
    values = {k: v for k, v in case.items() if len(k) > 1}
    for letter in dict.fromkeys(variables(row.left)):
        if letter in ("c", "k"):
            number = case.get(letter, float(rng.choice(among) if among else usual((), rng)))
            is_python = letter in case or rng.random() < 0.6
            values[letter] = number if is_python else Tensor(number)
            continue
        shape = case.get(letter, (3, 4))
        if isinstance(shape, np.ndarray):  # a constant
            values[letter] = shape
            continue
        if letter in row.whole:
            x: Any = rng.integers(-3, 9, shape)
        elif letter == "i":
            x = rng.integers(0, 2, shape)
        elif letter == "p":
            x = rng.random(shape) < 0.5
        else:
            x = usual(shape, rng, letter in row.positive)
            if among:
                share = rng.choice([0.05, 0.2, 0.7])
                x = np.where(rng.random(shape) < share, rng.choice(among, shape), x)
        values[letter] = Tensor(x, name=letter)
        if letter in row.exponential:
            values[letter] = EXPONENTIALS[rng.integers(len(EXPONENTIALS))](values[letter])
        if letter in row.hyperbolic:
            values[letter] = tanh(values[letter])
    return values


def tried(row: Row, case: Mapping[str, Any], rng: Any, among: Sequence[float]) -> Sides | None:
    """Both sides on random values, the right one by the engine; None if it does not fire."""
    with np.errstate(all="ignore"):
        left = written(row.left, sampled(row, case, rng, among))
        done = rewrite(trace([left.node]), [row], limit=1)
        if not done.steps:
            return None
        (after,) = done.graph.outputs
        assert (after.shape, after.dtype) == (left.shape, left.dtype)
        values = replay([left.node])
        right = replay([after])[after]
    sizes = [np.max(np.abs(v), initial=0.0, where=np.isfinite(v)) for v in values.values()]
    return Sides(left.data, np.asarray(right), max(sizes))


def all_tried(row: Row, among: Sequence[float], seeds: range = range(TIMES)) -> Iterator[Sides]:
    given = row.cases or BROADCASTS
    for seed in seeds:
        sides = tried(row, given[seed % len(given)], np.random.default_rng(seed), among)
        if sides is not None:
            yield sides


def met(row: Row, what: Callable[[Sides], bool]) -> bool:
    """Whether a rare point is found at which the sides are what is asked for."""
    seeds = range(TIMES, RARELY)
    return any(what(s) for among in (ZEROS, AWKWARD) for s in all_tried(row, among, seeds))


def same_bits(sides: Sides, zeros: bool) -> bool:
    left, right = sides.left, sides.right
    signs = zeros or bool(np.all((np.signbit(left) == np.signbit(right)) | np.isnan(left)))
    return np.array_equal(left, right, equal_nan=True) and signs


def close(sides: Sides) -> bool:
    left, right, scale = sides
    return np.allclose(left, right, rtol=ROUNDING, atol=ROUNDING * scale, equal_nan=True)


def strange(sides: Sides) -> bool:
    """Whether the sides differ by more than any rounding."""
    return not np.allclose(sides.left, sides.right, rtol=1e-6, atol=1e-12, equal_nan=True)


def multiplies_matrices(term: Any) -> bool:
    inside = getattr(term, "op", None) is matmul
    return inside or any(map(multiplies_matrices, getattr(term, "inputs", ())))


def complaints(row: Row) -> list[str]:
    """What a row says of itself and does not do."""
    ordinary = list(all_tried(row, USUAL))
    odd = [s for among in (ZEROS, AWKWARD) for s in all_tried(row, among)]
    if not ordinary or not odd:
        return ["it never fires"]
    said = []
    if not row.rounds and not all(same_bits(s, row.zeros) for s in ordinary):
        said.append("the sides differ")
    if row.rounds and not all(map(close, ordinary)):
        said.append("the sides differ by more than rounding")
    if row.exact and not all(same_bits(s, row.zeros) for s in odd):
        said.append("the sides differ at awkward values")
    if row.rounds and not row.awkward and any(map(strange, odd)):
        said.append("the sides differ at awkward values by more than rounding")
    # Nor is anything said that is not so; but how products round is up to the BLAS that is there.
    if multiplies_matrices(row.left):
        return said
    if row.rounds and all(same_bits(s, True) for s in (*ordinary, *odd)):
        said.append("no rounding was seen")
    if row.awkward and not any(map(strange, odd)) and not met(row, strange):
        said.append("no awkward value was seen")
    if row.exact and row.zeros and all(same_bits(s, False) for s in odd):
        said.append("no zero of another sign was seen")
    return said


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_is_what_it_says(row: Row) -> None:
    assert complaints(row) == []


WRONG = {
    "a wrong sign": Row("wrong", lambda x, y: (x - -y, x - y)),
    "a wrong factor": Row("wrong", lambda x: (x + x, 3 * x)),
    "a case that is not": Row("wrong", lambda x: (log(exp(x)) * 1, x), rounds=True),
    "rounding concealed": Row("wrong", lambda x, y, a: ((x * y) * a, x * (y * a))),
    "zero concealed": Row("wrong", lambda x: (x + 0, x)),
    "rounding pretended": Row("wrong", lambda x: (negative(-x), x), rounds=True),
    "a point pretended": Row("wrong", lambda x: (negative(-x), x), awkward="where x is 7"),
    "never": Row("wrong", lambda x: (x + 0, x), where=lambda m: False),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_row_is_found(fault: str) -> None:
    assert complaints(WRONG[fault])


def test_a_right_row_spoilt_is_found() -> None:
    for row in ROWS[::3]:
        if isinstance(row.right, Term) and len(row.cases) == 0 and not row.where:
            assert complaints(replace(row, line=_spoilt(row.line))), row.name


def _spoilt(line: Callable[..., Any]) -> Callable[..., Any]:
    """The line with a right side that is a little too large."""

    @wraps(line)
    def spoilt(*terms: Any, **named: Any) -> Any:
        left, right = line(*terms, **named)
        return left, right + 1e-6

    return spoilt
