"""Ways to write the binary and the softmax cross-entropy, which are all the same mathematics.

A spelling is put together of parts: how the sigmoid or the softmax is written, in which layout, how
the complement, the logarithm, the labels, and how the terms meet. Each is a function of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from random import Random
from typing import Any, NamedTuple

import numpy as np

import tinygrad_dnn as td

Part = Callable[..., Any]

LOGITS = np.array([[1e3, -1e3, 1e3, -1e3, 0.5, -37.5, 700.0, -2.0]])
LABELS = np.array([[1, 0, 0, 1, 1, 1, 0, 0]])
CLASSES = np.array([[1e3, -1e3, 3.0], [-1e3, 1e3, 999.0], [0.5, -0.25, 40.0], [1e3, 1e3, -800.0]])
PICKED = np.array([1, 1, 2, 0])
ROWS = np.arange(len(PICKED))
HOT = np.eye(3)[PICKED]


class Spelling(NamedTuple):
    """A cost of logits, the names of its parts, and what gives its value and gradient exactly."""

    name: str
    cost: Callable[[Any], Any]
    logits: Any
    exact: Callable[[Any], tuple[Any, Any]]


# --- binary ---------------------------------------------------------------------------------------

SIGMOIDS: Mapping[str, Part] = {
    "sigmoid": td.sigmoid,
    "1/(1+exp(-z))": lambda z: 1 / (1 + np.exp(-z)),
    "1/(exp(-z)+1)": lambda z: 1.0 / (np.exp(-z) + 1.0),
    "exp(z)/(1+exp(z))": lambda z: np.exp(z) / (1 + np.exp(z)),
    "e/(e+1)": lambda z: (lambda e: e / (e + 1))(np.exp(z)),
    "reciprocal": lambda z: np.reciprocal(1 + np.exp(-z)),
    "**-1": lambda z: (1 + np.exp(-z)) ** -1,
    "tanh": lambda z: 0.5 * (1 + np.tanh(z / 2)),
    "(tanh+1)/2": lambda z: (np.tanh(0.5 * z) + 1) / 2,
    "1-sigmoid(-z)": lambda z: 1 - td.sigmoid(-z),
    "1-1/(1+exp(z))": lambda z: 1 - 1 / (1 + np.exp(z)),
    "exp(log_sigmoid)": lambda z: np.exp(td.log_sigmoid(z)),
}  # fmt: skip
# What is done to A, and to the labels alike.
LAYOUTS: Mapping[str, Part] = {
    "": lambda x: x,
    ".T": lambda x: x.T,
    "reshape": lambda x: x.reshape(4, 2),
    "ravel": np.ravel,
    "squeeze": np.squeeze,
    "[0]": lambda x: x[0],
    "[:, ::-1]": lambda x: x[:, ::-1],
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "flip": lambda x: np.flip(x, 1),
    "positions": lambda x: x[:, np.array([3, 1, 0, 2, 7, 6, 5, 4])],
    "take": lambda x: np.take(x, np.array([7, 6, 5, 4, 3, 2, 1, 0]), axis=1),
    "roll": lambda x: np.roll(x, 3, axis=1),
    "astype": lambda x: x.astype("float64"),
}
COMPLEMENTS: Mapping[str, Part] = {
    "1-A": lambda A: 1 - A,
    "1.0-A": lambda A: 1.0 - A,
    "-A+1": lambda A: -A + 1,
    "1+(-A)": lambda A: 1 + (-A),
    "-(A-1)": lambda A: -(A - 1),
    "subtract": lambda A: np.subtract(1.0, A),
    "ones-A": lambda A: np.ones(A.shape) - A,
}
LOGS: Mapping[str, tuple[Part, Part]] = {
    "log": (np.log, lambda A, C: np.log(C)),
    "log1p": (np.log, lambda A, C: np.log1p(-A)),
    "log2": (lambda x: np.log2(x) * np.log(2.0), lambda A, C: np.log2(C) * np.log(2.0)),
    "log10": (lambda x: np.log10(x) * np.log(10.0), lambda A, C: np.log10(C) * np.log(10.0)),
}
DTYPES: Mapping[str, Part] = {
    "float": lambda y: y.astype(float),
    "int": lambda y: y,
    "int32": lambda y: y.astype(np.int32),
    "bool": lambda y: y.astype(bool),
}


def _not(Y: Any) -> Any:
    return 1 - Y * 1.0 if Y.dtype == bool else 1 - Y


# (Y, A, 1 − A, log, log of the complement) -> the cost, a mean over the examples
BINARY: Mapping[str, Part] = {
    "-(Y a + (1-Y) c)": lambda Y, A, C, log, lc: -(Y * log(A) + _not(Y) * lc(A, C)).mean(),
    "-(c (1-Y) + a Y)": lambda Y, A, C, log, lc: -(lc(A, C) * _not(Y) + log(A) * Y).mean(),
    "-Y a - (1-Y) c": lambda Y, A, C, log, lc: np.sum(
        -(Y * log(A)) - _not(Y) * lc(A, C)
    ) / Y.size,
    "two means": lambda Y, A, C, log, lc: -np.mean(Y * log(A)) - np.mean(_not(Y) * lc(A, C)),
    "1/m sum": lambda Y, A, C, log, lc: (-1 / Y.size) * np.sum(
        Y * log(A) + _not(Y) * lc(A, C)
    ),
    "where of logs": lambda Y, A, C, log, lc: -np.where(Y == 1, log(A), lc(A, C)).mean(),
    "log of where": lambda Y, A, C, log, lc: -log(np.where(Y == 1, A, C)).mean(),
    "masks": lambda Y, A, C, log, lc: -((Y == 1) * log(A) + (Y == 0) * lc(A, C)).mean(),
    "powers": lambda Y, A, C, log, lc: -log(A ** (Y * 1.0) * C ** _not(Y)).mean(),
    "log of powers": lambda Y, A, C, log, lc: -(log(A ** (Y * 1)) + log(C ** _not(Y))).mean(),
    "likelihood": lambda Y, A, C, log, lc: -log(np.prod(A ** (Y * 1.0) * C ** _not(Y))) / Y.size,
    "log of a sum": lambda Y, A, C, log, lc: -log(Y * A + _not(Y) * C).mean(),
    "positions": lambda Y, A, C, log, lc: -(
        np.sum(log(A.ravel()[np.flatnonzero(Y.ravel() == 1)]))
        + np.sum(lc(A, C).ravel()[np.flatnonzero(Y.ravel() == 0)])
    ) / Y.size,
    "einsum": lambda Y, A, C, log, lc: -(
        np.einsum("i,i->", Y.ravel() * 1.0, log(A).ravel())
        + np.einsum("i,i->", _not(Y).ravel(), lc(A, C).ravel())
    ) / Y.size,
    "dot": lambda Y, A, C, log, lc: -(
        np.dot(Y.ravel() * 1.0, log(A).ravel()) + np.dot(_not(Y).ravel(), lc(A, C).ravel())
    ) / Y.size,
    "dot of rows": lambda Y, A, C, log, lc: -np.sum(
        np.dot(Y.reshape(1, -1) * 1.0, log(A).reshape(1, -1).T)
        + np.dot(_not(Y).reshape(1, -1), lc(A, C).reshape(1, -1).T)
    ) / Y.size,
    "matmul": lambda Y, A, C, log, lc: -(
        (Y.reshape(1, -1) * 1.0) @ log(A).reshape(-1, 1)
        + _not(Y).reshape(1, -1) @ lc(A, C).reshape(-1, 1)
    ).sum() / Y.size,
    "stacked, then picked": lambda Y, A, C, log, lc: -np.mean(
        np.log(np.stack([C.ravel(), A.ravel()])[Y.ravel().astype(int), np.arange(Y.size)])
    ),
    "A twice": lambda Y, A, C, log, lc: -(Y * log(A) + lc(A, C) - Y * lc(A, C)).mean(),
}  # fmt: skip
# (Y, z) -> the cost, from the logits themselves
FROM_LOGITS: Mapping[str, Part] = {
    "log(1+exp(z))": lambda Y, z: (np.log(1 + np.exp(z)) - Y * z).mean(),
    "log(exp(z)+1)": lambda Y, z: np.mean(-(Y * 1.0) * z + np.log(np.exp(z) + 1)),
    "log1p(exp(z))": lambda Y, z: (np.log1p(np.exp(z)) - Y * z).mean(),
    "log(1+exp(-z))": lambda Y, z: (Y * np.log(1 + np.exp(-z)) + _not(Y) * np.log(1 + np.exp(z))
                                    ).mean(),
    "margin": lambda Y, z: np.log(1 + np.exp(-(2 * (Y * 1) - 1) * z)).mean(),
    "log sigmoid of the margin": lambda Y, z: -np.log(td.sigmoid((2 * (Y * 1) - 1) * z)).mean(),
    "logaddexp": lambda Y, z: (np.logaddexp(0, z) - Y * z).mean(),
    "softplus": lambda Y, z: (td.softplus(z) - Y * z).mean(),
    "two exponentials": lambda Y, z: -np.log(
        np.exp(Y * z) / (np.exp(z) + np.exp(0 * z))
    ).mean(),
}  # fmt: skip


def binary(
    sigmoid: str, layout: str, complement: str, log: str, dtype: str, terms: str
) -> Spelling:
    """Of a sigmoid, its complement, and logarithms of both."""
    laid = LAYOUTS[layout]
    Y = laid(DTYPES[dtype](LABELS) if layout != "astype" else LABELS * 1.0)

    def cost(z: Any) -> Any:
        A = laid(SIGMOIDS[sigmoid](z))
        return BINARY[terms](Y, A, COMPLEMENTS[complement](A), *LOGS[log])

    name = f"{sigmoid} | {layout} | {complement} | {log} | {dtype} | {terms}"
    return Spelling(name, cost, LOGITS, exact_binary)


def from_logits(dtype: str, layout: str, terms: str) -> Spelling:
    """Of the logits, without a sigmoid."""
    laid = LAYOUTS[layout]
    Y = laid(DTYPES[dtype](LABELS) if layout != "astype" else LABELS * 1.0)
    name = f"{terms} | {layout} | {dtype}"
    return Spelling(name, lambda z: FROM_LOGITS[terms](Y, laid(z)), LOGITS, exact_binary)


# --- softmax --------------------------------------------------------------------------------------


def _normalised(e: Any, axis: int) -> Any:
    return e / e.sum(axis=axis, keepdims=True)


SOFTMAXES: Mapping[str, Part] = {
    "softmax": lambda z, axis: td.softmax(z, axis=axis),
    "exp/sum": lambda z, axis: _normalised(np.exp(z), axis),
    "exp twice": lambda z, axis: np.exp(z) / np.sum(np.exp(z), axis=axis, keepdims=True),
    "exp/sum, axis put back": lambda z, axis: np.exp(z) / np.expand_dims(
        np.exp(z).sum(axis=axis), axis
    ),
    "shifted": lambda z, axis: _normalised(
        np.exp(z - np.max(z, axis=axis, keepdims=True)), axis
    ),
    "shifted, not differentiated": lambda z, axis: _normalised(
        np.exp(z - td.stop_gradient(z.max(axis=axis, keepdims=True))), axis
    ),
    "exp(z-logsumexp)": lambda z, axis: np.exp(z - td.logsumexp(z, axis=axis, keepdims=True)),
    "exp(log_softmax)": lambda z, axis: np.exp(td.log_softmax(z, axis=axis)),
    "exp(z-log(sum))": lambda z, axis: np.exp(
        z - np.log(np.exp(z).sum(axis=axis, keepdims=True))
    ),
}  # fmt: skip
# (P in rows, labels) -> the cost
PICKS: Mapping[str, Part] = {
    "hot * log": lambda P, hot: -(hot * np.log(P)).sum() / 4,
    "log * hot, two sums": lambda P, hot: -np.mean(np.sum(np.log(P) * hot, axis=1)),
    "log, then picked": lambda P, hot: -np.log(P)[ROWS, PICKED].mean(),
    "picked, then log": lambda P, hot: -np.log(P[ROWS, PICKED]).mean(),
    "picked by a list": lambda P, hot: -np.log(P[[0, 1, 2, 3], [1, 1, 2, 0]]).sum() / 4,
    "masked, then log": lambda P, hot: -np.log((P * hot).sum(axis=1)).mean(),
    "masked, kept, then log": lambda P, hot: -np.mean(
        np.log(np.sum(hot * P, axis=-1, keepdims=True))
    ),
    "where of logs": lambda P, hot: -np.where(hot == 1, np.log(P), 0).sum() / 4,
    "where, then log": lambda P, hot: -np.log(np.where(hot == 1, P, 0).sum(axis=1)).mean(),
    "log of where": lambda P, hot: -np.log(np.where(hot == 1, P, 1)).sum() / 4,
    "einsum of logs": lambda P, hot: -np.einsum("ij,ij->", hot * 1.0, np.log(P)) / 4,
    "einsum, then log": lambda P, hot: -np.log(np.einsum("ij,ij->i", P, hot * 1.0)).mean(),
    "matmul": lambda P, hot: -np.trace((hot * 1.0) @ np.log(P).T) / 4,
    "dot": lambda P, hot: -np.dot(np.ravel(hot) * 1.0, np.ravel(np.log(P))) / 4,
    "power": lambda P, hot: -np.log(np.prod(P ** (hot * 1.0), axis=1)).mean(),
    "log of the power": lambda P, hot: -np.log(P ** (hot * 1.0)).sum() / 4,
    "in a row": lambda P, hot: -np.log(np.take(np.ravel(P), ROWS * 3 + PICKED)).mean(),
    "one by one": lambda P, hot: -sum(np.log(P[i, k]) for i, k in enumerate(PICKED)) / 4,
    "row by row": lambda P, hot: -sum(np.log(P[i][k]) for i, k in enumerate(PICKED)) / 4,
    "log2": lambda P, hot: -(hot * np.log2(P)).sum() * np.log(2.0) / 4,
}  # fmt: skip
AXES: Mapping[str, tuple[Part, Part, int]] = {
    "in rows": (lambda z: z, lambda P: P, 1),
    "in columns": (lambda z: z.T, lambda P: P.T, 0),
    "last axis": (lambda z: z, lambda P: P, -1),
    "three axes": (lambda z: np.reshape(z, (2, 2, 3)), lambda P: np.reshape(P, (4, 3)), 2),
}


def softmax(soft: str, axis: str, dtype: str, pick: str) -> Spelling:
    """Of a softmax, of which the probabilities of the labels are picked."""
    before, after, along = AXES[axis]
    hot = DTYPES[dtype](HOT.astype(int))

    def cost(z: Any) -> Any:
        return PICKS[pick](after(SOFTMAXES[soft](before(z), along)), hot)

    return Spelling(f"{soft} | {axis} | {dtype} | {pick}", cost, CLASSES, exact_softmax)


# --- the truth ------------------------------------------------------------------------------------


def exact_binary(logits: Any) -> tuple[Any, Any]:
    """Value and gradient in the widest floats there are, from forms that do not overflow."""
    z, y = logits.astype(np.longdouble), LABELS.astype(np.longdouble)
    small = np.exp(-np.abs(z))
    cost = np.maximum(z, 0) - y * z + np.log1p(small)
    slope = np.where(z >= 0, 1 / (1 + small), small / (1 + small)) - y
    return cost.mean(), slope / z.size


def exact_softmax(logits: Any) -> tuple[Any, Any]:
    """The same for the softmax."""
    z = logits.astype(np.longdouble)
    shifted = z - z.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[ROWS, PICKED].mean(), (np.exp(log_p) - HOT) / len(HOT)


KINDS: tuple[tuple[Callable[..., Spelling], tuple[Mapping[str, Any], ...]], ...] = (
    (binary, (SIGMOIDS, LAYOUTS, COMPLEMENTS, LOGS, DTYPES, BINARY)),
    (from_logits, (DTYPES, LAYOUTS, FROM_LOGITS)),
    (softmax, (SOFTMAXES, AXES, DTYPES, PICKS)),
)
SHARES = (5, 1, 4)  # of ten


def number() -> int:
    """How many there are."""
    return sum(prod(map(len, parts)) for _, parts in KINDS)


def sample(n: int, seed: int = 0) -> list[Spelling]:
    """So many spellings of all kinds, no two alike."""
    random = Random(seed)
    found: dict[str, Spelling] = {}
    while len(found) < n:
        make, parts = random.choices(KINDS, SHARES)[0]
        spelling = make(*(random.choice([*part]) for part in parts))
        found[spelling.name] = spelling
    return [*found.values()]


def fault(spelling: Spelling) -> str | None:
    """What a compiled spelling, or a loop of it, gives otherwise than it should, if anything."""
    cost, slope = spelling.exact(spelling.logits)

    def step(carry: Any) -> Any:
        value, g = td.value_and_grad(spelling.cost)(carry["z"])
        return {"z": carry["z"] - g}, (value, g)

    runs = {
        "compiled": td.compile(td.value_and_grad(spelling.cost))(spelling.logits),
        "in a loop": td.compile_loop(step, carry={"z": spelling.logits}).step(),
    }
    for how, (value, g) in runs.items():
        if not np.allclose(np.float64(value), np.float64(cost), rtol=1e-13, atol=1e-15):
            return f"{how}: value {value}, not {np.float64(cost)}"
        if not np.allclose(g, slope.astype(float), rtol=1e-12, atol=1e-15):
            return f"{how}: slope\n{g}, not\n{slope.astype(float)}"
    return None
