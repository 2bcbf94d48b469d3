"""A result taken apart beside the truth: every array of it, with the size of its rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import as_array, largest
from tinygrad_dnn.check.diagnosis.offsets import REGULARISERS
from tinygrad_dnn.grading.function import Case
from tinygrad_dnn.grading.outcome import Output, Unusable, array, dictionary, kind, several
from tinygrad_dnn.grading.truth import Derived, Truth, arrays_of, called, cast, moved

IN_PLACE, ORDER = "is what is right for", "are the results in another order?"
TOO_MUCH = "does the cost regularise it, and once?"
NOT_JUDGED = "cache"  # what a student keeps for the backward pass may have any layout
SINGLE = float(np.finfo(np.float32).eps)
STEPS = (1e-6, 1e-7)  # by which inputs are moved; what does not grow with the step is a jump
STEADY = 3.0  # how far two of them may differ
SEVERAL = 3  # times that inputs are moved
SLACK = 4.0  # another order of operations rounds a few times more


class Answer:
    """What is right for some arguments, computed when it is first needed.

    Attributes:
        given: the arguments.
        lengths: of the axes, by letter, for the words: "is exactly 3 = m times too large".
        usual: how large each result is in the middle of all cases: a formula as good as the
            truth's may have terms of that size that cancel here.
    """

    def __init__(
        self, truth: Truth, names: Sequence[str], given: Mapping[str, Any], lengths: Any
    ) -> None:
        self.truth, self.names = truth, names
        self.given, self.lengths = given, lengths
        self.usual: Mapping[str, float] = {}

    @cached_property
    def single(self) -> bool:
        """Whether an argument is of single precision."""
        return any(x.dtype == np.float32 for x in arrays_of(self.given))

    @cached_property
    def value(self) -> Any:
        """What is right, as the call returns it, in double precision."""
        return self.truth.value(cast(self.given, np.float64))

    @cached_property
    def flat(self) -> dict[str, Any]:
        """The arrays of it by name, in the precision of the arguments."""
        found = flat(self.names, self.value)
        return cast(found, np.float32) if self.single else found

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """What rounding is measured by: the largest element, the terms of a sum, and how far the
        truth moves when it is computed in single precision or its inputs in their last digits.
        """
        given = cast(self.given, np.float64)
        right = flat(self.names, self.value)
        terms = self.truth.magnitudes(given)
        size = {
            n: np.maximum(
                np.full(x.shape, max(largest(x), self.usual.get(n, 0.0))), finite(terms.get(n, 0))
            )
            for n, x in right.items()
        }
        rng = np.random.default_rng(0)
        for _ in range(SEVERAL):
            state = rng.integers(1 << 30)
            slopes = []
            for step in STEPS:
                there = self._at(moved(given, step, np.random.default_rng(state)))
                slopes.append({n: np.abs(there[n] - x) / step for n, x in right.items()
                               if n in there and there[n].shape == x.shape})  # fmt: skip
            for n in slopes[0].keys() & slopes[1].keys():
                one, other = slopes[0][n], slopes[1][n]
                steady = (one <= STEADY * other) & (other <= STEADY * one)
                size[n] = np.maximum(size[n], np.where(steady, one, 0))
        if not self.single:
            there = self._at(cast(self.given, np.float32))
            for n, x in right.items():
                if n in there and there[n].shape == x.shape:
                    rounded = SLACK * np.abs(there[n].astype(float) - x) / SINGLE
                    size[n] = np.maximum(size[n], finite(rounded))
        return size

    def _at(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The truth elsewhere; nothing where it does not compute."""
        try:
            with np.errstate(all="ignore"):
                return flat(self.names, self.truth.value(given))
        except Exception:  # the reference may not be made for that
            return {}

    @cached_property
    def mistaken(self) -> dict[str, dict[str, Any]]:
        """Each result by name as each known mistake would make it, by what one sees then."""
        found: dict[str, dict[str, Any]] = {n: {} for n in self.flat}
        given = cast(self.given, np.float64)
        for mistake in self.truth.mistakes:
            try:
                with np.errstate(all="ignore"):
                    wrong = flat(self.names, called(mistake.function, given))
            except Exception:  # a mistake that is refused here is seen at once
                continue
            for n in found.keys() & wrong.keys():
                more = np.ndim(wrong[n]) > np.ndim(self.flat[n])
                found[n][mistake.says] = (
                    np.squeeze(wrong[n]) if mistake.keeps and more else wrong[n]
                )
        for n, right in self.flat.items():
            for other, x in self.flat.items():
                if other != n:
                    alone = np.ndim(right) == 0 and np.size(x) == 1  # as a result is read
                    found[n][f"{IN_PLACE} {other}: {ORDER}"] = np.reshape(x, ()) if alone else x
            found[n] |= self._regularised(n)
        return found

    def _regularised(self, name: str) -> dict[str, Any]:
        """A gradient with a multiple of its parameter added, by each λ among the arguments."""
        wrt = self.truth.wrt.get(name) if isinstance(self.truth, Derived) else None
        if wrt is None:
            return {}
        right, parameter = self.flat[name], np.asarray(self.given[wrt], float)
        m = float(self.lengths.get("m", 0))
        found = {}
        for q in (q for q in REGULARISERS if isinstance(self.given.get(q), (int, float))):
            of = {q: self.given[q]} | ({f"{q}/m": self.given[q] / m} if m else {})
            for words, k in of.items():
                found[f"has {words} · {wrt} added: {TOO_MUCH}"] = right + k * parameter
        return found


class Context(Mapping[str, Any]):
    """What `compare` may know of a case; mistakes are made when it asks for them."""

    def __init__(self, answer: Answer, name: str) -> None:
        self.answer, self.name = answer, name
        self.known = {n: x for n, x in answer.given.items() if not isinstance(x, float)}
        self.known |= {n: float(x) for n, x in answer.lengths.items()}
        others = {n: x for n, x in answer.flat.items() if n != name}
        self.known["others"] = others

    def __getitem__(self, key: str) -> Any:
        return self.answer.mistaken[self.name] if key == "alternatives" else self.known[key]

    def __iter__(self) -> Iterator[str]:
        yield from self.known
        yield "alternatives"

    def __len__(self) -> int:
        return len(self.known) + 1


def finite(x: Any) -> Any:
    """The finite ones of some sizes, 0 for the others."""
    return np.where(np.isfinite(x), x, 0)


def flat(names: Sequence[str], value: Any) -> dict[str, Any]:
    """The arrays of a right result by name; without caches."""
    values = value if len(names) > 1 else (value,)
    if not isinstance(values, (tuple, list)) or len(values) != len(names):
        raise TypeError(f"returns {kind(value)} where {', '.join(names)} are asked for")
    found: dict[str, Any] = {}
    for name, x in zip(names, values, strict=True):
        if NOT_JUDGED not in name:
            found.update(_flat(name, x))
    return found


def _flat(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(x, Mapping):
        for key, v in x.items():
            yield from _flat(str(key), v)
    elif isinstance(x, (list, tuple)) and not _is_array(x):
        for n, v in enumerate(x):
            yield from _flat(f"{name}[{n}]", v)
    elif (found := as_array(x)) is not None:
        yield name, found
    elif not isinstance(x, str):
        raise TypeError(f"{name} is {kind(x)}: expected arrays, numbers, dicts or tuples of them")


def _is_array(x: Any) -> bool:
    """Whether a list is one of numbers."""
    return bool(x) and as_array(x) is not None and not any(isinstance(v, np.ndarray) for v in x)


def judge(case: Case, value: Any, names: Sequence[str]) -> list[Output]:
    """A result as arrays beside the truth; an array of one number is a number, as [[cost]] is.

    Raises:
        Unusable: it is something else than the truth is.
    """
    answer: Answer = case.truth
    yours: dict[str, Any] = {}
    values = several(value, names) if len(names) > 1 else (value,)
    rights = answer.value if len(names) > 1 else (answer.value,)
    for name, x, right in zip(names, values, rights, strict=True):
        if NOT_JUDGED not in name:
            yours.update(_beside(name, x, right))
    return [
        Output(
            name,
            _narrow(x) if answer.single else x,
            answer.flat[name],
            Context(answer, name),
            answer.sizes[name],
            name,
        )
        for name, x in yours.items()
    ]


def _narrow(x: Any) -> Any:
    """In single precision: integers among the arguments widen results, but not their digits."""
    found = as_array(x)
    with np.errstate(all="ignore"):
        return x if found is None or found.dtype.kind != "f" else found.astype(np.float32)


def _beside(name: str, yours: Any, right: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(right, Mapping):
        there = dictionary(yours, [str(k) for k in right])
        for key, x in right.items():
            yield from _beside(str(key), there[str(key)], x)
    elif isinstance(right, (list, tuple)) and not _is_array(right):
        inner = [f"{name}[{n}]" for n in range(len(right))]
        for label, mine, x in zip(inner, several(yours, inner), right, strict=True):
            yield from _beside(label, mine, x)
    elif isinstance(right, str):
        if yours != right:
            raise Unusable(f"returns {yours!r:.60} as {name} where {right!r} is right")
    else:
        found, number = array(yours), np.ndim(right) == 0
        yield name, np.reshape(found, ()) if number and np.size(found) == 1 else found
