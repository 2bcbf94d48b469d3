"""Printed mathematics read back: the value of a line computed from its text and its shape alone.

A reader's rules, written down anew: Σ reaches over the products after it; i, j, k are the first,
second, third axis, kept with length 1, or in brackets dropped; Σ without a letter is over
everything, but on a line of its own (a sign and numbers apart) down to the shape beside it. A
vector is a column in a product of matrices: vᵀ is a row, u vᵀ a matrix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np

SMALL = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))
DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
LOW = {c: i for i, c in enumerate("ᵢⱼₖₗₚᵣₛₜᵤᵥ")}
TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[-−+]?\d+)?|inf|nan)|(?P<name>log₂|log₁₀|σ|I[₀-₉]+|[A-Za-zδ_]\w*)"
    r"|(?P<low>[ᵢⱼₖₗₚᵣₛₜᵤᵥ₍₎]+)|(?P<high>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)|(?P<sign>\S))",
    re.ASCII,
)
NUMBERS = re.compile(r"(?:[\[\] ,.\d−/]|e[−+]?\d+|nan)*")  # of an array
COMPARED = {
    ">": np.greater, "≥": np.greater_equal, "<": np.less, "≤": np.less_equal,
    "=": np.equal, "≠": np.not_equal,
}  # fmt: skip
REDUCED = {
    "Σ": np.sum, "Π": np.prod, "mean": np.mean, "max": np.max, "min": np.min, "var": np.var,
    "std": np.std, "argmax": np.argmax, "argmin": np.argmin,
    "log Σ": lambda x, **how: np.log(np.sum(np.exp(x), **how)),
}  # fmt: skip
TO_SHAPE = {
    "reshape": np.reshape, "squeeze": np.reshape, "expand_dims": np.reshape,
    "broadcast": np.broadcast_to,
}  # fmt: skip
ALONG: dict[str, Callable[..., Any]] = {
    "cumsum": np.cumsum, "cumprod": np.cumprod, "flip": np.flip, "roll": np.roll,
    "repeat": np.repeat, "sort": np.sort, "take": np.take,
    "softmax": lambda x, axis=0: np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True),
    "log_softmax": lambda x, axis=0: x - np.log(np.sum(np.exp(x), axis=axis, keepdims=True)),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "σ": lambda x: 1 / (1 + np.exp(-x)), "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.log(1 + np.exp(x)), "tr": np.trace, "log₂": np.log2,
    "log₁₀": np.log10, "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "inv": np.linalg.inv, "det": np.linalg.det, "solve": np.linalg.solve,
    "cof": lambda x: np.linalg.det(x)[..., None, None] * np.swapaxes(np.linalg.inv(x), -1, -2),
    "stop": lambda x: x, "identity": lambda x: x, "rounding": lambda x: x, "not": np.logical_not,
    "pad": lambda x, width, constant_values=0: np.pad(x, width, constant_values=constant_values),
    "stack": lambda *xs, axis=0: np.stack(xs, axis), "abs": np.abs,
    "solve_lower": lambda x, y: np.linalg.solve(np.tril(x), y),
    "solve_upper": lambda x, y: np.linalg.solve(np.triu(x), y),
    "cholesky": np.linalg.cholesky, "recur": lambda x, y: _recurrence(x, y),
    "I₀": lambda x: _bessel(x, 0), "sinc": lambda x: _sinc(x, 0),
}  # fmt: skip


def _recurrence(x: Any, y: Any) -> Any:
    """z_k = y_k + x_k z_{k−1}."""
    z = np.zeros(np.broadcast_shapes(np.shape(x), np.shape(y)))
    for k in range(len(z)):
        z[k] = y[k] + (x[k] * z[k - 1] if k else 0)
    return z


def _quadrature(f: Callable[..., Any], low: float, high: float) -> Any:
    at, weights = np.polynomial.legendre.leggauss(80)
    middle, half = (low + high) / 2, (high - low) / 2
    return half * sum(w * f(middle + half * t) for t, w in zip(at, weights, strict=True))


def _bessel(x: Any, order: int) -> Any:
    """1/π ∫ cosⁿθ exp(x cosθ) dθ from 0 to π."""
    return _quadrature(lambda a: np.cos(a) ** order * np.exp(x * np.cos(a)), 0, np.pi) / np.pi


def _sinc(x: Any, order: int) -> Any:
    """The n-th derivative of ∫ cos(π x t) dt from 0 to 1."""
    turn = order * np.pi / 2
    return _quadrature(lambda t: (np.pi * t) ** order * np.cos(np.pi * x * t + turn), 0, 1)


FAMILIES: dict[str, Callable[..., Any]] = {"I₀": _bessel, "sinc": _sinc}  # with all derivatives


def evaluated(text: str, names: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> Any:
    """The value of a formula; `shape` is what stands beside it, if anything does."""
    reader = Reader(text, names)
    value = reader.loosest(shape)
    assert reader.at_end(), f"not read: {reader.rest()!r} of {text!r}"
    return value


class Reader:
    """Reads and computes at once, by the usual precedence of the signs.

    The shape beside the line is handed down only to what the line is but for signs and numbers.
    """

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self.text, self.names, self.at = text, names, 0

    def rest(self) -> str:
        return self.text[self.at :]

    def at_end(self) -> bool:
        return not self.rest().strip()

    def peek(self) -> tuple[str, str]:
        found = TOKEN.match(self.text, self.at)
        return ("", "") if found is None else (str(found.lastgroup), found[found.lastgroup or 0])

    def take(self, *signs: str) -> str:
        """The next sign, if it is one of these."""
        if self.peek()[1] not in signs:
            return ""
        return self.next()[1]

    def next(self) -> tuple[str, str]:
        found = TOKEN.match(self.text, self.at)
        assert found, f"expected more: {self.text!r}"
        self.at = found.end()
        return str(found.lastgroup), found[found.lastgroup or 0]

    def need(self, sign: str) -> None:
        assert self.take(sign), f"expected {sign!r} at {self.rest()!r} in {self.text!r}"

    def loosest(self, shape: Any = None) -> Any:
        value = self.both(shape)
        while self.take("or"):
            value = np.logical_or(value, self.both())
        return value

    def both(self, shape: Any = None) -> Any:
        value = self.compared(shape)
        while self.take("and"):
            value = np.logical_and(value, self.compared())
        return value

    def compared(self, shape: Any = None) -> Any:
        value = self.added(shape)
        while sign := self.take(*COMPARED):
            value = COMPARED[sign](value, self.added())
        return value

    def added(self, shape: Any = None) -> Any:
        at = self.at
        value = self.term(shape)
        if shape is not None and self.peek()[1] in ("+", "−"):  # no line of its own
            self.at = at
            value = self.term()
        while sign := self.take("+", "−"):
            value = value + self.term() if sign == "+" else value - self.term()
        return value

    def term(self, shape: Any = None) -> Any:
        """Products, from left to right; Σ takes all that follow."""
        if self.take("−", "-"):
            return -self.term(shape)
        if self.text.startswith("log Σ", self.at + len(self.rest()) - len(self.rest().lstrip())):
            self.next()
            self.next()
            how, told = self.letters()
            return self.after(reduced("log Σ", self.exponent(), how, told, shape), shape)
        if sign := self.take("Σ", "Π"):
            how, told = self.letters()
            return reduced(sign, self.term(), how, told, shape)
        return self.after(self.product(shape if self.alone() else None), shape)

    def after(self, value: Any, shape: Any) -> Any:
        while sign := self.take("⊙", "/", "·", "⊗", "mod"):
            if sign == "·" and np.ndim(value) == 0:
                return value * self.term(shape)
            other = self.product()
            if sign == "/":
                value = value / other
            elif sign == "mod":
                value = np.mod(value, other)
            elif sign == "⊙" or np.ndim(other) == 0:
                value = value * other
            else:
                value = np.dot(value, other) if sign == "·" else np.outer(value, other)
        return value

    def alone(self) -> bool:
        """Whether all that stands here is one call or bracket, and numbers it is divided by."""
        rest = self.rest().lstrip()
        head = re.match(r"([A-Za-zσ_]\w*[ᵢⱼₖₗₚᵣₛₜᵤᵥ₍₎]*)?\(", rest, re.ASCII)
        if head is None:
            return False
        at, depth = head.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(rest[at], 0)
            at += 1
        while divided := re.match(r" / (?:(\d[\d.]*)|(\w+))(?!\w|\()", rest[at:]):
            if divided[2] and np.ndim(self.names.get(divided[2], 1)) != 0:
                return False
            at += divided.end()
        return rest[at:].lstrip()[:1] in ("", ")")

    def exponent(self) -> Any:
        """The x of log Σ exp(x)."""
        assert self.next()[1] == "exp"
        (x,), _ = self.arguments()
        return x

    def product(self, shape: Any = None) -> Any:
        """A matrix product: factors side by side."""
        value = self.factor(shape)
        while self.peek()[0] in ("name", "number") or self.peek()[1] in (*"([√∛|⌊",):
            if self.peek()[1] in ("and", "or", "mod"):
                break
            other = self.factor()
            outer = np.ndim(value) == 1 and np.ndim(other) == 2 and len(other) == 1
            value = np.matmul(value[:, None] if outer and len(value) != 1 else value, other)
        return value

    def factor(self, shape: Any = None) -> Any:
        if self.take("√"):
            return np.sqrt(self.factor())
        if self.take("∛"):
            return np.cbrt(self.factor())
        value = self.atom(shape)
        while True:
            kind, sign = self.peek()
            if sign == "ᵀ":
                self.next()
                value = value[None, :] if np.ndim(value) == 1 else np.swapaxes(value, -1, -2)
            elif sign == "⁺":
                self.next()
                value = np.linalg.pinv(value)
            elif kind == "high":
                value = value ** float("".join(SMALL[c] for c in self.next()[1]))
            elif sign == "^":
                self.next()
                value = value ** self.atom()
            elif self.rest().startswith("["):
                value = value[self.index()]
            else:
                return value

    def index(self) -> Any:
        inside = self.bracketed()
        assert "…" not in inside, inside
        arrays = {k: np.asarray(v) for k, v in self.names.items()}
        found = eval(f"s_[{inside}]".replace("−", "-"), {**arrays, "s_": np.s_, "range": range})
        parts = found if isinstance(found, tuple) else (found,)
        parts = tuple(np.array(p) if isinstance(p, list) else p for p in parts)
        return parts if isinstance(found, tuple) else parts[0]

    def bracketed(self) -> str:
        """What stands between square brackets, which may hold others."""
        self.need("[")
        start, depth = self.at, 1
        while depth:
            depth += {"[": 1, "]": -1}.get(self.next()[1], 0)
        return self.text[start : self.at - 1]

    def atom(self, shape: Any = None) -> Any:
        kind, word = self.next()
        if kind == "number":
            if word == "1" and self.rest().startswith("["):
                self.need("[")
                value = self.loosest() * 1.0
                self.need("]")
                return value
            return float(word.replace("−", "-"))
        if word == "None":
            return None
        if kind == "name":
            return self.called(word, shape)
        if word == "[":
            start = self.at = self.at - 1
            inside = self.bracketed()
            if NUMBERS.fullmatch(inside) and self.peek()[0] != "low":
                return np.array(eval(f"[{inside}]".replace("−", "-"), {"nan": np.nan}))
            self.at = start + 1
            return self.joined()
        if word == "⌊":
            value = np.floor(self.loosest())
            self.need("⌋")
            return value
        assert word in ("(", "|"), f"unknown {word!r} in {self.text!r}"
        value = self.loosest(shape if word == "(" else None)
        if word == "(" and self.take(","):  # a tuple, such as a shape
            found = [int(value)] if self.peek()[1] == ")" else [value, *self.several(")")]
            self.need(")")
            return tuple(found)
        self.need(")" if word == "(" else "|")
        return np.abs(value) if word == "|" else value

    def several(self, end: str) -> list[Any]:
        found = [self.loosest()] if self.peek()[1] != end else []
        while self.take(","):
            found.append(self.loosest())
        return found

    def joined(self) -> Any:
        found = self.several("]")
        self.need("]")
        told, _ = self.letters()
        one = any(np.ndim(x) < 2 for x in found) and not told
        return np.concatenate(found, axis=told[0] if told else 0 if one else None)

    def letters(self) -> tuple[list[int], bool]:
        """The axes below a sign, and whether they are dropped."""
        if self.peek()[0] != "low":
            return [], True
        word = self.next()[1]
        return [LOW[c] for c in word if c in LOW], "₍" in word

    def called(self, word: str, shape: Any) -> Any:
        how, dropped = self.letters()
        if word in FAMILIES and self.take("^"):
            order = int(self.atom())
            (x,), _ = self.arguments()
            return FAMILIES[word](x, order)
        if not self.rest().startswith("("):
            if re.fullmatch("I[₁-₉][₀-₉]*", word) and word not in self.names:
                return np.eye(int(word[1:].translate(DIGITS)))
            if word == "log" and self.peek()[1] == "σ":
                return np.log(self.factor())
            return self.names[word]
        if word == "einsum":
            start = self.at
            self.at = self.text.index(";", start) + 1
            subscripts = self.text[start + 1 : self.at - 1].replace("→", "->")
            operands = self.several(")")
            self.need(")")
            return np.einsum(subscripts, *operands)
        if word in ("windows", "overlap_add"):
            return self.windowed(word)
        if word == "set":
            return self.assigned()
        xs, more = self.arguments()
        if word in TO_SHAPE:
            to = more.pop("→", shape)
            assert to is not None, f"{word}: to which shape? {self.text!r}"
            return TO_SHAPE[word](xs[0], to)
        if word == "scatter":
            z = np.zeros(more.pop("→"))
            if how:  # for each element its own position along the axis
                at = np.indices(np.shape(xs[0]))  # 0 where x was repeated
                where = [p * (n > 1) for p, n in zip(at, z.shape, strict=True)]
                where[how[0]] = np.broadcast_to(xs[1], np.shape(xs[0]))
                np.add.at(z, tuple(where), xs[0])
                return z
            along = (slice(None),) * (more["axis"] % z.ndim) if "axis" in more else ()
            whole = z if "axis" in more or "at" in more else z.reshape(-1)
            np.add.at(whole, (*along, xs[1]) if len(xs) > 1 else more.pop("at"), xs[0])
            return z
        if word in ("ones", "zeros"):
            return getattr(np, word)(tuple(map(int, xs)))
        if word in REDUCED and len(xs) == 1:
            return reduced(word, xs[0], how, dropped, shape, **more)
        if word in ALONG:
            axis = {} if not how else {"axis": how[0] if len(how) == 1 else tuple(how)}
            each = word == "take" and how
            return (np.take_along_axis if each else ALONG[word])(*xs, **axis, **more)
        pairs = {"max": np.maximum, "min": np.minimum}
        function = pairs.get(word) or FUNCTIONS.get(word) or getattr(np, word, None)
        if function is np.float32 or function is np.float64:
            return np.asarray(xs[0]).astype(function)
        assert function, f"unknown {word!r} in {self.text!r}"
        return function(*xs, **more)

    def assigned(self) -> Any:
        """What (x[1] = y) gives; x may be indexed itself: x[0][1] is x[0], assigned at 1."""
        self.need("(")
        start, depth, opened = self.at, 0, self.at
        while depth or self.peek()[1] != "=":
            _, sign = self.next()
            opened = self.at - 1 if sign == "[" and not depth else opened
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        z = np.array(evaluated(self.text[start:opened], self.names))
        at = Reader(self.text[opened : self.at], self.names).index()
        self.need("=")
        z[at] = self.loosest()
        self.need(")")
        return z

    def windowed(self, word: str) -> Any:
        """windows(x; 2×3 along 0, 1) and their sums; along all axes where none are told."""
        self.need("(")
        x = self.loosest()
        told = re.match(r"\s*;\s*(\d*(?:×\d+)*)(?: along ([\d, ]*))?\)", self.rest())
        assert told is not None, f"{word}: which windows? {self.text!r}"
        self.at += told.end()
        sizes = tuple(map(int, told[1].split("×"))) if told[1] else ()
        axes = range(len(sizes)) if told[2] is None else map(int, told[2].replace(",", " ").split())
        axes = tuple(axes)
        if word == "windows":
            return np.lib.stride_tricks.sliding_window_view(x, sizes, axes)
        shape = [*x.shape[: x.ndim - len(sizes)]]
        for axis, size in zip(axes, sizes, strict=True):
            shape[axis] += size - 1
        numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
        z = np.zeros(numbers.size)
        np.add.at(z, np.lib.stride_tricks.sliding_window_view(numbers, sizes, axes), x)
        return z.reshape(shape)

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Positional and named arguments; what x leads to in f(x → (3, 4)[0])."""
        self.need("(")
        xs: list[Any] = []
        more: dict[str, Any] = {}
        while not self.take(")"):
            if named := re.match(r"\s*([a-z_]+\d?)=", self.rest()):
                self.at += named.end()
                more[named[1]] = self.whole()
            else:
                xs.append(self.whole())
            if self.take("→"):
                more["→"] = tuple(int(n) for n in self.atom())
                if self.rest().startswith("["):
                    more["at"] = self.index()
            self.take(",")
        return xs, more

    def whole(self) -> Any:
        """An argument: numbers that are settings are whole."""
        value = self.loosest()

        def plain(v: Any) -> Any:
            if isinstance(v, tuple):
                return tuple(map(plain, v))
            return int(v) if isinstance(v, float) and v.is_integer() else v

        return plain(value)


def reduced(word: str, x: Any, axes: list[int], dropped: bool, shape: Any, **more: Any) -> Any:
    """Over the axes that are told, or else over all but what the shape beside it leaves."""
    if axes:
        return REDUCED[word](x, axis=_few(axes, word), keepdims=not dropped, **more)
    if shape is None:
        return REDUCED[word](x, **more)
    n = np.ndim(x)
    if len(shape) == n:
        over = [i for i in range(n) if np.shape(x)[i] != shape[i]]
        return REDUCED[word](x, axis=_few(over, word), keepdims=True, **more) if n else x
    for over in map(list, combinations(range(n), n - len(shape))):
        if tuple(np.shape(x)[i] for i in range(n) if i not in over) == shape:
            return REDUCED[word](x, axis=_few(over, word), **more)
    raise AssertionError(f"{word} of {np.shape(x)} to {shape}")


def _few(axes: list[int], word: str) -> Any:
    return axes[0] if word.startswith("arg") else tuple(axes)
