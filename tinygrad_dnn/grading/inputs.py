"""Inputs of an exercise's functions: what a teacher says of an argument, the cases made of it.

An argument is an array whose axes have letters, `array("n", "m")`; the same letter is the same
length. From that come the cases: small whole numbers first, on which a mistake is shown, then one
example, squares, exact zeros, random, large and small numbers, long arrays, float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

KINDS = ("zeros", "one", "square", "large", "small", "long", "float32")
WHOLE = np.array([-2.0, -1.0, 1.0, 2.0, 3.0])
EXAMPLES = "m"  # the letter of the axis of examples: it gets the length 1, and is the longest
LARGE, LARGEST = 30.0, 50.0  # the exponential of a few such numbers is still a number
MOST_LARGE = 3  # arrays that are made large, one after the other
Draw = Callable[["Sizes", str, np.random.Generator], Any]


@dataclass(frozen=True)
class Sizes:
    """The lengths of a case's axes, by letter; `turn` counts the cases."""

    lengths: Mapping[str, int]
    turn: int = 0

    def of(self, axes: Sequence[str | int]) -> tuple[int, ...]:
        """A shape."""
        return tuple(a if isinstance(a, int) else self.lengths[a] for a in axes)


@dataclass(frozen=True)
class Input:
    """An argument: its axes, and how its value is drawn for a kind of case."""

    axes: tuple[str | int, ...]
    draw: Draw
    says: str
    differentiable: bool = False


def array(*axes: str | int, within: tuple[float, float] | None = None) -> Input:
    """Floats; `array("n", "m")` has the shape (n, m).

    Args:
        axes: a letter or a word for a length that varies, or a number. `m` counts the examples.
        within: the numbers lie between these; else they are as they come, zeros among them.

    Example: `array("n", "m")`, `array(1, "m", within=(0.05, 0.95))`.
    """
    _check_axes("array", axes)
    if within is not None and not within[0] < within[1]:
        raise ValueError(f"array: within: expected (least, most), got {within}")

    def draw(sizes: Sizes, kind: str, rng: np.random.Generator) -> Any:
        shape = sizes.of(axes)
        if within is not None:
            least, most = within
            x = rng.uniform(least, most, shape)
            step = (most - least) / 16
            return least + step * np.clip(np.round((x - least) / step), 1, 15) if (
                kind in ("whole", "zeros", "square", "one")
            ) else x  # fmt: skip
        if kind in ("whole", "square", "one"):
            return rng.choice(WHOLE, size=shape)
        if kind == "zeros":
            return rng.choice([0.0, *WHOLE], size=shape) * (rng.random(shape) < 0.7)
        x = rng.normal(size=shape)
        if kind == "large":
            return np.clip(LARGE * x, -LARGEST, LARGEST)
        return 1e-4 * x if kind == "small" else x

    limits = "" if within is None else f" between {within[0]:g} and {within[1]:g}"
    return Input(axes, draw, f"array {_shape(axes)}{limits}", differentiable=True)


def one_hot(classes: str | int, examples: str | int = EXAMPLES) -> Input:
    """Columns with one 1 each, of shape (classes, examples): labels as a softmax takes them."""
    _check_axes("one_hot", (classes, examples))

    def draw(sizes: Sizes, _: str, rng: np.random.Generator) -> Any:
        c, m = sizes.of((classes, examples))
        return np.eye(c)[:, rng.integers(0, c, m)]

    return Input((classes, examples), draw, f"one-hot columns {_shape((classes, examples))}")


def labels(*axes: str | int, classes: str | int = 2) -> Input:
    """Whole numbers from 0, below `classes`: 0 and 1 where nothing else is said."""
    _check_axes("labels", (*axes, classes))

    def draw(sizes: Sizes, _: str, rng: np.random.Generator) -> Any:
        return rng.integers(0, sizes.of((classes,))[0], sizes.of(axes))

    return Input((*axes, *([classes] if isinstance(classes, str) else [])), draw,
                 f"labels {_shape(axes)}")  # fmt: skip


def mask(*axes: str | int, keep: float = 0.7) -> Input:
    """Zeros and ones, as dropout draws them: ones with the probability `keep`."""
    _check_axes("mask", axes)

    def draw(sizes: Sizes, _: str, rng: np.random.Generator) -> Any:
        return (rng.random(sizes.of(axes)) < keep) * 1.0

    return Input(axes, draw, f"mask {_shape(axes)}")


def choice(*values: Any) -> Input:
    """One of these values, each in its turn: `choice("relu", "sigmoid")`, `choice(0.1, 0.9)`."""
    if not values:
        raise ValueError("choice: expected at least one value")

    def draw(sizes: Sizes, _: str, rng: np.random.Generator) -> Any:
        return values[sizes.turn % len(values)]

    return Input((), draw, " or ".join(map(repr, values)))


def length(letter: str) -> Input:
    """The length of an axis as a number: `length("n")`."""
    return Input((letter,), lambda sizes, *_: sizes.lengths[letter], f"length {letter}")


def arguments(
    inputs: Mapping[str, Any], kinds: Sequence[str], seed: int
) -> Iterator[tuple[str, Sizes, dict[str, Any]]]:
    """The cases: kind, sizes and arguments by name, the smallest and roundest first."""
    letters = list(dict.fromkeys(a for x in _leaves(inputs) for a in x.axes if isinstance(a, str)))
    floats = list({id(x): x for x in _leaves(inputs) if x.differentiable}.values())
    rng = np.random.default_rng(seed)
    for turn, (kind, lengths) in enumerate(_plan(letters, kinds)):
        sizes = Sizes(lengths, turn)
        for large in floats[:MOST_LARGE] if kind == "large" else (None,):
            given = {name: _drawn(x, sizes, kind, rng, large) for name, x in inputs.items()}
            yield kind, sizes, given


def _plan(letters: Sequence[str], kinds: Sequence[str]) -> Iterator[tuple[str, dict[str, int]]]:
    """Kinds of cases with their lengths; no two axes are alike but where that is the point."""
    others = [a for a in letters if a != EXAMPLES]

    def sizes(first: int, m: int) -> dict[str, int]:
        return {a: first + n for n, a in enumerate(others)} | {EXAMPLES: m}

    def equal(n: int, m: int) -> dict[str, int]:
        return dict.fromkeys(others, n) | {EXAMPLES: m}

    wanted: list[tuple[str, dict[str, int]]] = []
    if "one" in kinds:
        wanted += [("one", equal(1, 1))]
    wanted += [("whole", equal(1, 2)), ("whole", sizes(2, 2))]
    if "one" in kinds:
        wanted += [("one", sizes(2, 1))]
    wanted += [("whole", sizes(2, 3)), ("whole", sizes(1, 4)), ("whole", sizes(3, 2))]
    if "square" in kinds:
        wanted += [("square", equal(2, 2)), ("square", equal(3, 3))]
    if "zeros" in kinds:
        wanted += [("zeros", sizes(2, 3)), ("zeros", sizes(3, 2)), ("zeros", equal(3, 3))]
    wanted += [("random", sizes(2, 5)), ("random", sizes(4, 3)), ("random", equal(4, 4))]
    if "one" in kinds:
        wanted += [("random", sizes(3, 1))]
    wanted += [(kind, sizes(3, 5)) for kind in ("large", "small", "float32") if kind in kinds]
    if "long" in kinds:
        wanted += [("long", sizes(8, 40))]
    yield from wanted


def _drawn(
    x: Any, sizes: Sizes, kind: str, rng: np.random.Generator, large: Input | None = None
) -> Any:
    """A value for an argument; of large ones a product would be too large: only one is."""
    if isinstance(x, Mapping):
        return {name: _drawn(v, sizes, kind, rng, large) for name, v in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(_drawn(v, sizes, kind, rng, large) for v in x)
    if not isinstance(x, Input):
        return x
    value = x.draw(sizes, "random" if kind == "large" and x is not large else kind, rng)
    if x.differentiable and not np.ndim(value):
        return float(value)
    if kind == "float32" and isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float32)
    return value


def _leaves(x: Any) -> Iterator[Input]:
    if isinstance(x, Mapping):
        for v in x.values():
            yield from _leaves(v)
    elif isinstance(x, (list, tuple)):
        for v in x:
            yield from _leaves(v)
    elif isinstance(x, Input):
        yield x


def described(x: Any) -> str:
    """An argument in words, for a docstring."""
    if isinstance(x, Input):
        return x.says
    if isinstance(x, Mapping):
        return f"dict of {', '.join(f'{name}: {described(v)}' for name, v in x.items())}"
    return repr(x)


def _shape(axes: Sequence[str | int]) -> str:
    inside = ", ".join(map(str, axes))
    return f"({inside},)" if len(axes) == 1 else f"({inside})"


def _check_axes(who: str, axes: Sequence[Any]) -> None:
    for a in axes:
        if not (isinstance(a, str) and a.isidentifier()) and not (type(a) is int and a > 0):
            raise ValueError(f'{who}: expected axes such as "n" or 3, got {a!r}')
