"""Rows for programs at the edges: every dtype, zeros of both signs, infinities and NaN."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_rewrite_rows import variables, written

import tinygrad_dnn as tg
from tinygrad_dnn import REGISTRY, Tensor
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.graph import trace
from tinygrad_dnn.rewrite import PROGRAM, STABLE, Row, rewrite
from tinygrad_dnn.rewrite.rows import COMMON_FACTOR, ONE_ZERO, SIGNS, TOO_LARGE
from tinygrad_dnn.rewrite.table import REPEATED

NUMBERS = ("c", "k")
ROWS = [row for row in PROGRAM if row not in REPEATED]
# They fire where something saturates, and are tried there (test_saturation.py).
SATURATED = {row.name for row in STABLE} - {row.name for row in SIGNS}
# They differ elsewhere too, and the page of semantics says so.
LISTED = {row.name for row in PROGRAM if row.awkward not in ("", TOO_LARGE)}


class Both:
    """Both sides of a row, computed as they are written, and the largest number on the way."""

    def __init__(self, row: Row, values: Mapping[str, Any]) -> None:
        with np.errstate(all="ignore"):
            left = written(row.left, values)
            done = rewrite(trace([left.node]), [row], limit=1)
            (after,) = done.graph.outputs
            self.fired = bool(done.steps)
            found = [*replay([left.node]).values(), *replay([after]).values()]
            self.left, self.right = left.data, np.asarray(replay([after])[after])
        sizes = [np.max(np.abs(v), initial=0, where=np.isfinite(v)) for v in map(floats, found)]
        self.scale = max(sizes)

    def differ(self, special: bool) -> Any:
        """Where they differ by more than rounding.

        Args:
            special: count zeros of other signs, infinities and NaN too.
        """
        left, right = floats(self.left), floats(self.right)
        rounding = 100 * np.finfo(self.left.dtype).eps if self.left.dtype.kind == "f" else 0
        with np.errstate(all="ignore"):
            near = np.abs(left - right) <= rounding * self.scale
        if not special:
            return ~(near | ~np.isfinite(left) | ~np.isfinite(right))
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        zeros = (left == 0) & (right == 0) & (np.signbit(left) != np.signbit(right))
        return ~(near | same) | zeros


def floats(x: Any) -> Any:
    return np.asarray(x, np.longdouble)


def locked(x: Any) -> Any:
    x.setflags(write=False)
    return x


def valued(row: Row, case: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Settings of a case, and for each letter what `value(letter, shape)` gives."""
    found = {k: v for k, v in case.items() if len(k) > 1}
    for letter in dict.fromkeys(variables(row.left)):
        if letter in NUMBERS and letter in case:
            found[letter] = case[letter]
        else:
            shape = () if letter in NUMBERS else case.get(letter, (3, 4))
            found[letter] = value(letter, shape)
    return found


# --- every dtype ----------------------------------------------------------------------------------

DTYPES = [np.dtype(c) for c in "?BbhIiLlefd"]  # truth values, whole numbers, floats
NUMBER = (3, 0.1, np.float16(0.1), np.float32(0.1), np.uint8(3), np.int8(100), np.True_)


def of_dtype(dtype: Any, shape: tuple[int, ...], rng: Any) -> Any:
    """Small numbers, and of whole numbers the ends too."""
    among = [0, 0.1, 0.3, 0.7, 2] if dtype.kind == "f" else [0, 1, 2, 3, 5, 100]
    x = np.asarray(rng.choice(among, shape)).astype(dtype)
    if dtype.kind in "iu" and dtype.itemsize < 4:
        ends = rng.choice([np.iinfo(dtype).min, np.iinfo(dtype).max], shape)
        x = np.where(rng.random(shape) < 0.3, ends, x).astype(dtype)
    return x


def dtype_choices(letters: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One, some or all of them of each dtype, the others float64."""
    for dtype, which in product(DTYPES, product((False, True), repeat=len(letters))):
        if any(which):
            kinds = (dtype if here else np.dtype(float) for here in which)
            yield dict(zip(letters, kinds, strict=True))


def wrong_dtypes(row: Row) -> list[str]:
    """Dtypes at which a row's sides differ, of inputs and of constants."""
    letters = [v for v in dict.fromkeys(variables(row.left)) if v not in NUMBERS]
    case = row.cases[0] if row.cases else {}
    said = []
    for n, dtypes in enumerate(dtype_choices(letters)):
        rng = np.random.default_rng(n)
        as_constant = n % 3 == 0

        def value(letter: str, shape: tuple[int, ...], n: int = n, dtypes: Any = dtypes,
                  rng: Any = rng, as_constant: bool = as_constant) -> Any:  # fmt: skip
            if letter in NUMBERS:
                number = NUMBER[(n + (letter == "k")) % len(NUMBER)]
                return Tensor(np.asarray(number)) if n % 4 == 3 else number
            if letter == "i" or letter in row.whole:  # positions
                return Tensor(rng.integers(-3, 3, shape))
            dtype = np.dtype(bool) if letter == "p" else dtypes[letter]
            x = of_dtype(dtype, shape, rng)
            return locked(x) if as_constant and letter != letters[0] else Tensor(x)

        try:
            sides = Both(row, valued(row, case, value))
        except (TypeError, ValueError, OverflowError):
            continue  # NumPy has no such operation
        if sides.fired and sides.differ(special=False).any():
            said.append(str({k: v.name for k, v in dtypes.items()}))
    return said


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_holds_for_every_dtype_that_it_meets(row: Row) -> None:
    assert wrong_dtypes(row) == []


def test_a_row_that_computes_in_bytes_is_found() -> None:
    assert wrong_dtypes(replace(COMMON_FACTOR, floats=False))
    assert not wrong_dtypes(COMMON_FACTOR)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, bool])
def test_labels_of_few_bits_are_subtracted_in_the_floats_they_meet(kind: Any) -> None:
    a, b = np.array([0, 1, 1], kind), np.array([1, 0, 1], kind)
    t = np.array([2.0, 3.0, 5.0])
    for f in (
        lambda t, a, b: t * a - t * b,
        lambda t, a, b: 0.5 * a + 0.5 * b + t,
        lambda t, a, b: t * (1 - 1.0 * a) - (1.0 * b) * t,
    ):
        np.testing.assert_allclose(tg.compile(f)(t, a, b), f(t, a, b), rtol=1e-15)


def test_a_number_of_sixteen_bits_is_not_computed_with_ahead() -> None:
    x = np.array([2.0, 0.7])
    for f in (
        lambda x: np.float16(0.1) * (np.float16(0.3) * x),
        lambda x: x / np.float16(3),
        lambda x: (np.float16(0.1) * x) / (np.float16(0.7) * x),
    ):
        np.testing.assert_allclose(tg.compile(f)(x), f(x), rtol=1e-15)


def test_whole_numbers_overflow_where_eager_ones_do() -> None:
    x = np.array([2**30 + 5, 7], np.int32)
    for f in (lambda x: 0.5 * (2 * x), lambda x: 0.5 * x - 0.5 * (x + x)):
        np.testing.assert_array_equal(tg.compile(f)(x), f(x))


# --- zeros of both signs, infinities and NaN ------------------------------------------------------

LATTICE = (0.0, -0.0, 1.0, -1.0, 2.0, -0.5, np.inf, -np.inf, np.nan)
CONSTANTS = (2.0, -0.5, 0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)
TIMES = 6
FACTORIZATIONS = [op for op in REGISTRY.values() if op.__module__.endswith(".factorization")]


def special(row: Row) -> Iterator[Both]:
    """Both sides on the whole lattice, or with shapes of a row's own on some of it."""
    letters = dict.fromkeys(variables(row.left))
    arrays = [v for v in letters if v not in NUMBERS and v != "p"]
    whole = np.array([*product(LATTICE, repeat=len(arrays))]).T
    for n, case in enumerate(row.cases * TIMES if row.cases else ({},)):
        numbers = [v for v in letters if v in NUMBERS and v not in case]
        for c in product(CONSTANTS, repeat=len(numbers)):
            rng = np.random.default_rng(n)

            given = dict(zip(numbers, c, strict=True))

            def value(letter: str, shape: tuple[int, ...], n: int = n, rng: Any = rng,
                      own: Any = case, given: Mapping[str, float] = given) -> Any:  # fmt: skip
                if letter in NUMBERS:
                    return Tensor(given[letter]) if n % 3 == 2 else given[letter]
                if letter == "p":
                    return Tensor(rng.random(shape if own else whole.shape[1:]) < 0.5)
                if letter in row.whole:
                    return Tensor(rng.integers(-3, 9, shape))
                some = rng.choice(LATTICE[: 4 if n % 2 else None], shape)
                return Tensor(some if own else whole[arrays.index(letter)])

            sides = Both(row, valued(row, case, value))
            if sides.fired:
                yield sides


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in LISTED | SATURATED],
                         ids=lambda row: row.name)  # fmt: skip
def test_a_row_keeps_zeros_infinities_and_nan(row: Row) -> None:
    tried = [*special(row)]
    assert tried
    assert not any(sides.differ(special=True).any() for sides in tried)


@pytest.mark.parametrize("row", ONE_ZERO, ids=lambda row: row.name)
def test_a_row_that_holds_for_one_zero_is_found_and_is_not_for_programs(row: Row) -> None:
    assert any(sides.differ(special=True).any() for sides in special(row))
    assert row not in PROGRAM


def test_no_row_for_programs_takes_both_zeros_for_one() -> None:
    assert [row.name for row in PROGRAM if row.zeros and row.name not in SATURATED] == []


def told(number: str) -> set[str]:
    """The rows that a line of the page of semantics names."""
    page = Path(tg.__file__).with_name("SEMANTICS.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {number} "))
    return set(re.findall(r"\*([^*]+)\*", line))


def test_s96_rows_that_may_overflow_are_listed() -> None:
    assert told("S96") == {row.name for row in PROGRAM if row.awkward == TOO_LARGE}
    x = np.array([1e200])
    with np.errstate(over="ignore"):
        assert 1e-200 * (1e200 * x) == np.inf
        assert tg.compile(lambda x: 1e-200 * (1e200 * x))(x) == 1e200


def test_s97_rows_that_differ_elsewhere_are_listed() -> None:
    assert told("S97") == LISTED - SATURATED
    f = tg.compile(lambda x, y: (x / y) * y)
    assert f(np.array([3.0]), np.array([0.0])) == 3.0


OF_ZEROS = {
    "plus zero": lambda x: 1 / (np.ceil(x) + 0),
    "zero minus": lambda x: np.arctan2(0 - np.ceil(x), -1.0),
    "a difference turned": lambda x: 1 / (-(x - x)),
    "one element": lambda x: 1 / np.sum(np.ceil(x)[:1]),
    "a negative number": lambda x: 1 / (-0.5 * x + 0.5 * x),
    "out of a sum": lambda x: 1 / np.sum(-(0 * x)),
    "into a sum": lambda x: 1 / np.sum(-2.0 * np.abs(np.ceil(x))),
    "minus minus zero": lambda x: 1 / (np.ceil(x) - -0.0),
    "largest of two zeros": lambda x: 1 / (
        tg.maximum(np.ceil(x), 0 * np.abs(x)) + 2.0 * tg.maximum(0 * np.abs(x), np.ceil(x))
    ),
    "a single element": lambda x: 1 / (x[:, None] @ np.zeros((1, 1))),
}  # fmt: skip


@pytest.mark.parametrize("form", OF_ZEROS)
def test_a_program_keeps_the_sign_of_zero(form: str) -> None:
    f = OF_ZEROS[form]
    x = np.array([-0.5, 0.0, -0.0, 0.5])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tg.compile(f)(x), np.asarray(f(x)))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_op_rewritten_agrees_at_special_values(name: str) -> None:
    op = REGISTRY[name]
    for k, case in enumerate(cases_of(op)[:2]):
        given = sampled(op, case, 0)
        rng = np.random.default_rng(k)
        # LAPACK raises at NaN and singular matrices, or does not end: there 0 and ±1, arranged.
        among = LATTICE[:4] if op in FACTORIZATIONS else LATTICE
        arrays = [rng.choice(among, x.shape) if x.dtype.kind == "f" else x for x in given]
        arrays = list(op.arrange(*arrays)) if op.arrange else arrays
        if op is REGISTRY["qr_parts"]:  # its gradient divides by the triangle
            arrays = given

        def f(*xs: Any, case: Any = case) -> Any:
            def total(*xs: Any) -> Any:
                z = op(xs, **case.meta) if op.many else op(*xs, **case.meta)
                return np.sum(z * np.cos(np.arange(z.size)).reshape(z.shape)), z

            at = tuple(i for i, x in enumerate(xs) if x.dtype.kind == "f")
            z = total(*xs)
            if not (op.differentiable and z[1].dtype.kind == "f" and at):
                return z
            return (*z, *tg.grad(lambda *xs: total(*xs)[0], at)(*xs))

        with np.errstate(all="ignore"):
            literal = tg.compile(f, rewrite=False)(*arrays)
            rewritten = tg.compile(f)(*arrays)
        for mine, theirs in zip(chain(rewritten), chain(literal), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14)
            zero = (mine == 0) & (theirs == 0)
            np.testing.assert_array_equal(np.signbit(mine)[zero], np.signbit(theirs)[zero])
