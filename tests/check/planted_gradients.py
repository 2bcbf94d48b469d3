"""Mistakes planted in hand-written gradients: how many are found and named, and whether what has no
name is given none.

    python tests/check/planted_gradients.py           # every fault
    python tests/check/planted_gradients.py --random 2000
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn import check_vjp

CONSTANT = "constant|that use forgotten|lacks a number|lacks the term"
MATRIX = "transpose|turned|Wᵀ"


class Slip(NamedTuple):
    """What is written in the gradient, what instead, and what must be said."""

    old: str
    new: str
    says: str


class Entry(NamedTuple):
    """A function, its gradient as text, its inputs' shapes and least value, and slips in it."""

    name: str
    forward: Callable[..., Any]
    gradient: str
    shapes: tuple[tuple[int, ...], ...]
    slips: tuple[Slip, ...]
    low: float = -2.0


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def attention(q: Any, k: Any, v: Any) -> Any:
    return softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


INDEX = np.array([0, 2, 0, 1])
S = Slip
ONE, TWO = ((3, 4),), ((3, 4), (3, 4))
ENTRIES: tuple[Entry, ...] = (
    Entry("square", lambda x: x**2, "lambda g, x: g * 2 * x", ONE,
          (S("2 * x", "x", "half|1/2"), S("2 * x", "2", "itself|derivative|mask|lacks|x"))),
    Entry("cube", lambda x: x**3, "lambda g, x: g * 3 * x**2", ONE,
          (S("x**2", "x", "has x where x² is right"), S("3 *", "", "times|small"))),
    Entry("tanh", lambda x: np.tanh(x), "lambda g, z: g * (1 - z**2)", ONE,
          (S("1 - z**2", "1 - np.tanh(z)**2", "at tanh"), S("1 - z**2", "1 + z**2", "1 \\+ x²"),
           S("1 - z**2", "z * (1 - z)", "sigmoid"), S("1 - z**2", "1", "lacks the derivative"))),
    Entry("sigmoid", lambda x: 1 / (1 + np.exp(-x)), "lambda g, z: g * z * (1 - z)", ONE,
          (S("z * (1 - z)", "z", "lacks|itself|factor|comes|derivative"),
           S("z * (1 - z)", "(1 - z)", "lacks|derivative|factor|itself"))),
    Entry("exp", lambda x: np.exp(x), "lambda g, z: g * z", ONE,
          (S("* z", "* np.exp(z)", "taken at"), S("* z", "", "lacks the derivative"))),
    Entry("log", lambda x: np.log(x), "lambda g, x: g / x", ONE,
          (S("/ x", "/ (x + 1e-4)", "1e-04 added"), S("/ x", "* x", "too often: x²"),
           S("/ x", "/ x**2", "twice|1/x²")), 0.5),
    Entry("sqrt", lambda x: np.sqrt(x), "lambda g, z: g / (2 * z)", ONE,
          (S("2 * z", "z", "2 times"), S("2 * z", "2 * np.sqrt(z)", "taken at|at √")), 0.5),
    Entry("relu", lambda x: np.maximum(x, 0), "lambda g, x: g * (x > 0)", ONE,
          (S("(x > 0)", "np.where(x > 0, 1, 0.01)", "leaky"), S("x > 0", "x < 0", "mask x"),
           S("x > 0", "g > 0", "mask g"), S("(x > 0)", "x * (x > 0)", "too often|multiplied"))),
    Entry("softplus", lambda x: np.log(1 + np.exp(x)), "lambda g, x: g / (1 + np.exp(-x))", ONE,
          (S("-x", "x", "derivative|1 −|wrong|sign|comes|itself|factor|divided"),)),
    Entry("x sin x", lambda x: x * np.sin(x), "lambda g, x: g * (np.sin(x) + x * np.cos(x))", ONE,
          (S(" + x * np.cos(x)", "", "that use"), S("np.sin(x) + ", "", "that use"),
           S("+ x", "- x", "wrong sign"), S("x * np.cos", "np.cos", "factor|lacks|passes"))),
    Entry("product", lambda x, y: x * y, "lambda g, x, y: (g * y, g * x)", TWO,
          (S("g * y, g * x", "g * x, g * y", "itself|gradient for"),
           S("g * y,", "g,", "lacks the factor y"))),
    Entry("quotient", lambda x, y: x / y, "lambda g, x, y: (g / y, -g * x / y**2)", TWO,
          (S("-g", "g", "opposite sign"), S("y**2", "y", "too|division|factor|lacks"),
           S("g / y,", "g,", "without its factor|division")), 0.5),
    Entry("matrix product", lambda a, b: a @ b, "lambda g, a, b: (g @ b.T, a.T @ g)",
          ((3, 3), (3, 3)),
          (S("g @ b.T", "g @ b", "transpose"), S("a.T @ g", "a @ g", "transpose"),
           S("a.T @ g", "(a.T @ g).T", "transposed|exchanged"))),
    Entry("linear layer", lambda W, A, b: W @ A + b,
          "lambda g, W, A, b: (g @ A.T, W.T @ g, g.sum(1, keepdims=True))",
          ((2, 3), (3, 4), (2, 1)),
          (S("g.sum(1, keepdims=True)", "g", "not summed over axis 1"),
           S("g.sum(1, keepdims=True)", "g.mean(1, keepdims=True)", "averages|average"),
           S("g.sum(1, keepdims=True)", "g.sum(1)", "shape"),
           S("g @ A.T", "g @ A.T / 4", "0.25 times|1/4 of"))),
    Entry("mean", lambda x: x.mean(), "lambda g, x: g * np.ones(x.shape) / x.size", ONE,
          (S(" / x.size", "", "12"), S("x.size", "x.shape[0]", "times"))),
    Entry("mean of squares", lambda x, y: ((x - y) ** 2).mean(),
          "lambda g, x, y: (g * 2 * (x - y) / x.size, -g * 2 * (x - y) / x.size)", TWO,
          (S(", -g", ", g", "opposite sign"), S("g * 2 * (x - y) / x.size, ",
           "g * (x - y) / x.size, ", "half"), S("x.size, ", "1, ", "12"))),
    Entry("centred", lambda x: x - x.mean(0), "lambda g: g - g.mean(0)", ONE,
          (S(" - g.mean(0)", "", CONSTANT), S("g.mean(0)", "g.sum(0)", "1/n|times|n times"),
           S("g - ", "g + ", "wrong sign"))),
    Entry("softmax", softmax, "lambda g, z: z * (g - (g * z).sum(1, keepdims=True))", ONE,
          (S("g - (g * z).sum(1, keepdims=True)", "g", CONSTANT),
           S("g - (g * z).sum(1, keepdims=True)", "g * (1 - z)", "diagonal"),
           S("g - ", "g + ", "sign|lacks a number|twice"))),
    Entry("log-softmax", lambda x: x - np.log(np.exp(x).sum(1, keepdims=True)),
          "lambda g, x: g - softmax(x) * g.sum(1, keepdims=True)", ONE,
          (S(" - softmax(x) * g.sum(1, keepdims=True)", "", CONSTANT),
           S("g.sum(1, keepdims=True)", "g", "diagonal"))),
    Entry("logsumexp", lambda x: np.log(np.exp(x).sum(1)), "lambda g, x: g[:, None] * softmax(x)",
          ONE, (S("softmax(x)", "np.exp(x)", "derivative|division|divided|lacks"),)),
    Entry("batch normalisation", lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5),
          "lambda g, x, z: (g - g.mean(0) - z * (g * z).mean(0)) / np.sqrt(x.var(0) + 1e-5)", ONE,
          (S(" - z * (g * z).mean(0)", "", CONSTANT), S(" - g.mean(0)", "", CONSTANT),
           S("- g.mean(0) - z * (g * z).mean(0)", "", "constants"))),
    Entry("layer normalisation",
          lambda x: (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True)),
          "lambda g, x, z: (g - g.mean(1, keepdims=True) - z * (g * z).mean(1, keepdims=True)) / "
          "np.sqrt(x.var(1, keepdims=True))", ONE,
          (S(" - z * (g * z).mean(1, keepdims=True)", "", CONSTANT),
           S(" - g.mean(1, keepdims=True)", "", CONSTANT))),
    Entry("length", lambda x: np.sqrt((x**2).sum()), "lambda g, x, z: g * x / z", ONE,
          (S(" / z", "", "too often|multiplied"), S("/ z", "/ (2 * z)", "half|2"))),
    Entry("unit length", lambda x: x / np.sqrt((x * x).sum()),
          "lambda g, x, z: (g - z * (g * z).sum()) / np.sqrt((x * x).sum())", ONE,
          (S(" - z * (g * z).sum()", "", CONSTANT),)),
    Entry("cosine", lambda a, b: (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()),
          "lambda g, a, b, z: (g * (b / np.sqrt((a*a).sum() * (b*b).sum()) - z * a / (a*a).sum()), "
          "g * (a / np.sqrt((a*a).sum() * (b*b).sum()) - z * b / (b*b).sum()))", ((4,), (4,)),
          (S(" - z * a / (a*a).sum()", "", CONSTANT), S(" - z * b / (b*b).sum()", "", CONSTANT))),
    Entry("gather", lambda x: x[INDEX],
          "lambda g, x: np.stack([g[INDEX == k].sum(0) for k in range(3)])", ONE,
          (S("g[INDEX == k].sum(0)", "g[INDEX == k][-1]", "overwritten"),
           S("g[INDEX == k].sum(0)", "g[INDEX == k][0]", "first contribution"),
           S("range(3)", "(1, 2, 0)", "place too|reversed|numbers"))),
    Entry("ravel", lambda x: x.ravel(), "lambda g, x: g.reshape(x.shape)", ONE,
          (S("x.shape", "x.shape, order='F'", "Fortran"), S("g.re", "g[::-1].re", "reversed"))),
    Entry("transpose", lambda x: x.T, "lambda g: g.T", ((3, 3),),
          (S("g.T", "g", "transposed|exchanged|transpose"),)),
    Entry("concatenation", lambda x, y: np.concatenate([x, y], 1),
          "lambda g: (g[:, :4], g[:, 4:])", TWO,
          (S("g[:, :4], g[:, 4:]", "g[:, 4:], g[:, :4]", "place|numbers|gradient for|halves"),)),
    Entry("cumulative sum", lambda x: np.cumsum(x, 1),
          "lambda g: np.cumsum(g[:, ::-1], 1)[:, ::-1]", ONE,
          (S("np.cumsum(g[:, ::-1], 1)[:, ::-1]", "np.cumsum(g, 1)", "transpose"),
           S("np.cumsum(g[:, ::-1], 1)[:, ::-1]", "g", "diagonal"))),
    Entry("largest", lambda x: x.max(1), "lambda g, x, z: g[:, None] * (x == z[:, None])", ONE,
          (S(" * (x == z[:, None])", " * np.ones(x.shape)", "gives all of x"),)),
    Entry("convolution", lambda x, w: np.stack([(x[i:i + 2] * w).sum() for i in range(4)]),
          "lambda g, x, w: (np.convolve(g, w[::1]), np.correlate(x, g, 'valid'))", ((5,), (2,)),
          (S("w[::1]", "w[::-1]", "takes w reversed"),
           S("'valid'))", "'valid')[::-1])", "reversed|place too"))),
    Entry("attention", attention,
          "lambda g, q, k, v, z: back_attention(g, q, k, v)", ((3, 2), (4, 2), (4, 2)),
          (S("back_attention(g, q, k, v)", "back_attention(g, q, k, v, scale=1)", "times|division"),
           S("back_attention(g, q, k, v)", "back_attention(g, q, k, v, norm=False)", CONSTANT))),
    Entry("recurrent cell", lambda h, x, W, U: np.tanh(W @ h + U @ x),
          "lambda g, h, x, W, U, z: (lambda d: (W.T @ d, U.T @ d, np.outer(d, h), np.outer(d, x)))("
          "g * (1 - z * z))", ((3,), (3,), (3, 3), (3, 3)),
          (S("g * (1 - z * z)", "g", "derivative of tanh"), S("W.T @ d", "W @ d", MATRIX),
           S("np.outer(d, h)", "np.outer(h, d)", "transposed|exchanged|numbers"))),
    Entry("gate", lambda x, y: sigma(x) * np.tanh(y),
          "lambda g, x, y: (g * sigma(x) * (1 - sigma(x)) * np.tanh(y), g * sigma(x) * "
          "(1 - np.tanh(y)**2))", TWO,
          (S(" * (1 - np.tanh(y)**2)", "", "derivative of tanh"),
           S(" * np.tanh(y),", ",", "factor"))),
    Entry("cross-entropy", lambda A: -(0.3 * np.log(A) + 0.7 * np.log(1 - A)).mean(),
          "lambda g, A: -g * (0.3 / A - 0.7 / (1 - A)) / A.size", ((1, 5),),
          (S(" / A.size", "", "5"), S("- 0.7", "+ 0.7", "sign|twice"),
           S(" - 0.7 / (1 - A)", "", "use|constant"),
           S("0.3 / A - ", "-", "use|constant"), S("-g", "g", "opposite"))),
    Entry("hinge", lambda s: np.maximum(0, 1 - s).mean(), "lambda g, s: -g * (s < 1) / s.size", ONE,
          (S("-g", "g", "opposite"), S(" / s.size", "", "12"))),
    Entry("Huber", lambda x: (np.sqrt(1 + x * x) - 1).sum(),
          "lambda g, x: g * x / np.sqrt(1 + x * x)",
          ONE, (S(" / np.sqrt(1 + x * x)", "", "itself|derivative|division"),)),
    Entry("pendulum", lambda q, p: p * p / 2 - np.cos(q),
          "lambda g, q, p: (g * np.sin(q), g * p)", TWO,
          (S("np.sin", "np.cos", "itself|derivative"), S("g * p)", "g * p / 2)", "half"),
           S("np.sin", "-np.sin", "opposite"))),
    Entry("gravity", lambda r: 1 / np.sqrt((r * r).sum(0)),
          "lambda g, r, z: -g * r * z**3", ((3, 4),),
          (S("z**3", "z**2", "is right"), S("-g", "g", "opposite"))),
    Entry("momentum", lambda v, w: 0.9 * v + 0.1 * w, "lambda g: (0.9 * g, 0.1 * g)", TWO,
          (S("0.9 * g,", "g,", "factor|times"),)),
    Entry("L2", lambda W: 0.5 * (W**2).sum(), "lambda g, W: g * W", ONE,
          (S("g * W", "2 * g * W", "2 times"),)),
    Entry("polynomial", lambda x: 1 + x + x**2, "lambda g, x: g * (1 + 2 * x)", ONE,
          (S("1 + ", "", "use"), S(" + 2 * x", "", "use|constant"))),
    Entry("outer", lambda x, y: x[:, None] * y, "lambda g, x, y: (g @ y, x @ g)", ((3,), (4,)),
          (S("g @ y,", "g.sum(1),", "factor"), S("g @ y,", "g.mean(1) * y[0],", "Probably|wrong"))),
)  # fmt: skip


LENGTH = "np.sqrt((x * x).mean(1, keepdims=True) + 1e-6)"
NLL = "lambda g, x, s: (g * x / s**2, g * (1 / s - x**2 / s**3))"
# Slips in the formula of a gradient as it is written; each must be called by its own name.
FORMULAS: tuple[Entry, ...] = (
    Entry("elu", lambda x: np.where(x > 0, x, np.exp(x) - 1),
          "lambda g, x: g * np.where(x > 0, 1, np.exp(x))", ONE,
          (S("np.exp(x)", "np.exp(x) - 1", "exp\\(x\\) − 1 where exp\\(x\\) is right"),
           S("x > 0", "x < 0", "not\\(x > 0\\) where x > 0"))),
    Entry("swish", lambda x: x * sigma(x), "lambda g, x: g * (sigma(x) + x * sigma(x) * "
          "(1 - sigma(x)))", ONE,
          (S("x * sigma(x) *", "sigma(x) *", "lacks the factor x"),
           S("1 - sigma(x)", "1 + sigma(x)", "1 \\+ σ\\(x\\) where 1 − σ\\(x\\)"),
           S(" * (1 - sigma(x))", "", "lacks the factor 1 − σ\\(x\\)"))),
    Entry("softsign", lambda x: x / (1 + np.abs(x)), "lambda g, x: g / (1 + np.abs(x)) ** 2", ONE,
          (S("np.abs(x)", "x", "a function with x where \\|x\\| stands"),)),
    Entry("softplus", lambda x: np.log1p(np.exp(x)), "lambda g, x: g * sigma(x)", ONE,
          (S("sigma(x)", "1 / (1 + x)", "a function with x where exp"),)),
    Entry("root mean square", lambda x, w: x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-6) * w,
          "lambda g, x, w: (lambda r: (g * w / r - x * (g * w * x).mean(1, keepdims=True) / r**3, "
          f"(g * x / r).sum(0)))({LENGTH})", ((3, 4), (4,)),
          (S("(g * w / r", "(g / r", "lacks the factor w"),
           S("(g * x / r)", "(g * x)", "lacks the division by √"),
           S("r**3", "r**2", "lacks the factor √"),
           S(".mean(1, keepdims=True) / r**3", ".sum(1, keepdims=True) / r**3", "lacks the 1/n"))),
    Entry("divergence", lambda p, q: (p * np.log(p / q)).sum(),
          "lambda g, p, q: (g * (np.log(p / q) + 1), -g * p / q)", ((4,), (4,)),
          (S("-g * p / q", "-g * q / p", "1 / \\(p / q\\) where p / q"),
           S("np.log(p / q)", "np.log(p)", "lacks the division by q"),
           S("np.log(p / q)", "np.log(q / p)", "wrong sign")), 0.3),
    Entry("normal density", lambda x, s: ((x / s) ** 2 / 2 + np.log(s)).sum(), NLL, ((4,), (4,)),
          (S("x / s**2", "x / s", "s where s² is right"),
           S("s**3", "s**2", "s² where s³ is right"),
           S("1 / s - x", "1 / s + x", "wrong sign")), 0.4),
    Entry("angle", lambda y, x: np.arctan2(y, x),
          "lambda g, y, x: (g * x / (x * x + y * y), -g * y / (x * x + y * y))", TWO,
          (S("g * x /", "g * y /", "has y where x is right"),
           S("(x * x + y * y),", "np.sqrt(x * x + y * y),", "√.* where y² \\+ x² is right"),
           S(" / (x * x + y * y),", ",", "lacks the division by y² \\+ x²"))),
    Entry("memory cell", lambda a, i, f, c: np.tanh(sigma(f) * c + sigma(i) * np.tanh(a)),
          "lambda g, a, i, f, c, z: (lambda d: (d * sigma(i) * (1 - np.tanh(a) ** 2), d * "
          "np.tanh(a) * sigma(i) * (1 - sigma(i)), d * c * sigma(f) * (1 - sigma(f)), "
          "d * sigma(f)))(g * (1 - z * z))", TWO * 2,
          (S("d * c *", "d *", "lacks the factor c"),
           S("np.tanh(a) * sigma(i) * (1 - sigma(i))", "np.tanh(a) * i * (1 - i)",
             "i where σ\\(i\\) is right"),
           S("d * sigma(f))", "d * sigma(i))", "has i where f is right"))),
    Entry("Lennard-Jones", lambda r: (r**-12 - r**-6).sum(),
          "lambda g, r: g * (-12 * r**-13 + 6 * r**-7)", ((4,),),
          (S("r**-13", "r**-12", "r⁻¹² where r⁻¹³"), S("6 * r", "r", "lacks the factor 6")), 0.8),
    Entry("power", lambda x, p: x**p, "lambda g, x, p, z: (g * p * x ** (p - 1), "
          "g * z * np.log(x))", ((4,), (4,)),
          (S("g * p *", "g *", "lacks the factor p"),
           S("np.log(x)", "np.log(p)", "p where x is right")), 0.4),
    Entry("deviation", lambda x: x.std(0), "lambda g, x, z: g * (x - x.mean(0)) / len(x) / z", ONE,
          (S("(x - x.mean(0))", "x", "lacks the term − mean\\(x\\)"),
           S(" / z", "", "result"))),
    Entry("clipped", lambda x: np.clip(x, -0.5, 0.5), "lambda g, x: g * (np.abs(x) <= 0.5)", ONE,
          (S("np.abs(x)", "x", "x ≤ 0.5 where x ≥ −0.5 and x ≤ 0.5"),
           S(" * (np.abs(x) <= 0.5)", "", "lacks the derivative of clip"))),
    Entry("product with its transpose", lambda x: x @ x.T, "lambda g, x: (g + g.T) @ x", ONE,
          (S("(g + g.T)", "2 * g", "g where gᵀ is right"),)),
    Entry("inverse", lambda A: np.linalg.inv(A + 3 * np.eye(3)), "lambda g, A, z: -z.T @ g @ z.T",
          ((3, 3),), (S("@ g @ z.T", "@ g", "has zᵀ g where zᵀ g zᵀ is right"),)),
    Entry("spring", lambda x: 1.5 * (np.sqrt((x * x).sum()) - 1) ** 2,
          "lambda g, x: (lambda n: g * 3 * (n - 1) * x / n)(np.sqrt((x * x).sum()))", ((3,),),
          (S(" * (n - 1)", "", "lacks"), S(" / n", "", "√"))),
    Entry("filter", lambda x, w: np.array([[(x[i:i + 2, j:j + 2] * w).sum() for j in range(3)]
                                           for i in range(3)]),
          "lambda g, x, w: (spread(g, w), np.array([[(x[i:i + 3, j:j + 3] * g).sum() "
          "for j in range(2)] for i in range(2)]))", ((4, 4), (2, 2)),
          (S("spread(g, w)", "spread(g, w[::-1, ::-1])", "takes w"),
           S("spread(g, w)", "spread(g, w.T)", "takes w"))),
)  # fmt: skip


def spread(g: Any, w: Any) -> Any:
    x = np.zeros((4, 4))
    for i, j in np.ndindex(g.shape):
        x[i : i + 2, j : j + 2] += g[i, j] * w
    return x


def back_attention(
    g: Any, q: Any, k: Any, v: Any, scale: float = 0.0, norm: bool = True
) -> tuple[Any, Any, Any]:
    s = scale or 1 / np.sqrt(q.shape[1])
    p = softmax(q @ k.T / np.sqrt(q.shape[1]))
    dp = g @ v.T
    ds = p * (dp - norm * (dp * p).sum(1, keepdims=True)) * s
    return ds @ k, ds.T @ q, p.T @ g


def first(change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A change of the first gradient of several, which is told the cotangent as well."""

    def changed(given: Any, g: Any) -> Any:
        if isinstance(given, tuple):
            return (np.asarray(change(given[0], g)), *given[1:])
        return np.asarray(change(given, g))

    return changed


def _one_element(x: Any, g: Any) -> Any:
    y = np.array(x, float)
    y.flat[-1] = 1.1 * y.flat[-1] + np.sum(g)
    return y


def _last_row(x: Any, g: Any) -> Any:
    y = np.zeros(np.shape(x))
    y[-1:] = x[-1:]
    return y


GENERAL: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "sign": (first(lambda x, g: -x), "opposite sign|sign"),
    "twice": (first(lambda x, g: 2 * x), "2 times|twice"),
    "zero": (first(lambda x, g: 0 * x), "zero|no contribution|never|lacks"),
    "one element": (first(_one_element), "but for element"),
    "last row": (first(_last_row), "last element|all but|elsewhere"),
    "sign and a third": (first(lambda x, g: -x / 3), "sign"),
}  # fmt: skip


def inputs(entry: Entry, seed: int = 3) -> list[Any]:
    rng = np.random.default_rng(seed)
    low, high = (entry.low, 2.0) if entry.name != "cross-entropy" else (0.2, 0.8)
    return [rng.uniform(low, high, s) for s in entry.shapes]


# Whose last row is all, or next to nothing.
FEW_ROWS = ("relu", "cosine", "largest", "convolution", "cross-entropy")


def compiled(text: str) -> Callable[..., Any]:
    made: Callable[..., Any] = eval(text, globals())
    return made


def slips_of(*entries: Entry) -> Iterator[tuple[str, Entry, Callable[..., Any], str]]:
    """The slips that stand in the table."""
    for e in entries:
        for s in e.slips:
            assert s.old in e.gradient, (e.name, s)
            wrong = compiled(e.gradient.replace(s.old, s.new, 1))
            yield f"{e.name}: {s.old} -> {s.new}", e, wrong, s.says


def faults() -> Iterator[tuple[str, Entry, Callable[..., Any], str]]:
    """Every planted fault: a name, the function, the wrong gradient, what must be said."""
    for e in ENTRIES:
        yield from slips_of(e)
        right = compiled(e.gradient)
        names = [n.strip() for n in e.gradient.removeprefix("lambda ").split(":")[0].split(",")]
        for what, (change, says) in GENERAL.items():
            if what == "last row" and e.name in FEW_ROWS:
                continue
            space = {"right": right, "change": change}
            asked = ", ".join(names)
            yield (
                f"{e.name}: {what}",
                e,
                eval(f"lambda {asked}: change(right({asked}), g)", space),
                says,
            )


def said(entry: Entry, gradient: Callable[..., Any], seed: int = 3) -> tuple[str, list[str]]:
    report = check_vjp(entry.forward, gradient, *inputs(entry, seed))
    return report.verdict, [b.reason for b in report.blame]


def random_gradients(n: int) -> Iterator[tuple[Entry, Callable[..., Any]]]:
    """Gradients that are wrong in no way that has a name: linear in g, with random numbers."""
    rng = np.random.default_rng(0)
    for k in range(n):
        e = ENTRIES[k % len(ENTRIES)]
        noise = rng.normal(size=e.shapes[0])
        right = compiled(e.gradient)
        names = [m.strip() for m in e.gradient.removeprefix("lambda ").split(":")[0].split(",")]
        space = {
            "right": right,
            "noise": noise,
            "np": np,
            "change": first(
                (lambda x, g, w=noise: x + w * np.sum(g))
                if k % 2
                else (lambda x, g, w=noise: x * w)
            ),
        }
        asked = ", ".join(names)
        yield e, eval(f"lambda {asked}: change(right({asked}), g)", space)


def main() -> int:
    np.seterr(all="ignore")
    if "--random" in sys.argv:
        n = int(sys.argv[sys.argv.index("--random") + 1])
        named = 0
        for e, gradient in random_gradients(n):
            verdict, reasons = said(e, gradient)
            if verdict != "wrong" or any("Probably" in r for r in reasons):
                named += 1
                print(e.name, verdict, reasons)
        print(f"{named} of {n} random wrong gradients were given a name, or passed")
        return named > 0
    found = named = total = 0
    for name, e, gradient, says in [*faults(), *slips_of(*FORMULAS)]:
        total += 1
        verdict, reasons = said(e, gradient)
        found += verdict == "wrong"
        fits = any(re.search(says, r.partition("Probably")[2] or r) for r in reasons)
        named += fits
        if verdict != "wrong" or not fits:
            print(f"{name}: {verdict} {[r.split('wrong: ')[-1] for r in reasons]}", flush=True)
    for e in ENTRIES + FORMULAS:
        verdict, reasons = said(e, compiled(e.gradient))
        if verdict == "wrong":
            print(f"{e.name}: right, and accused: {reasons}")
    print(f"{len(ENTRIES + FORMULAS)} functions, {total} faults: {found} found, {named} named")
    return 0


if __name__ == "__main__":
    sys.exit(main())
