"""Mistakes planted in gradients of whole layers and losses, written by another hand than those of
`planted_gradients.py`: convolution and pooling, recurrence, attention, normalisations, margins,
chains and mixtures.

    python tests/check/planted_layers.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from planted_gradients import sigma, softmax

from tinygrad_dnn import check_vjp

Gradient = Callable[..., Any]
RNG = np.random.default_rng(11)


class Fault(NamedTuple):
    """A wrong gradient and what must be said of it."""

    what: str
    gradient: Gradient
    says: str


class Layer(NamedTuple):
    """A function, its right gradient, inputs, and wrong gradients."""

    name: str
    forward: Callable[..., Any]
    right: Gradient
    inputs: Sequence[Any]
    faults: Sequence[Fault]


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


# --- convolution and pooling: examples, channels, rows, columns ------------------------------


def conv(x: Any, w: Any) -> Any:
    k, n = w.shape[2], x.shape[2] - w.shape[2] + 1
    return np.stack(
        [
            np.stack(
                [(x[:, None, :, i:i + k, j:j + k] * w[None]).sum((2, 3, 4)) for j in range(n)], -1
            )
            for i in range(n)
        ],
        -2,
    )  # fmt: skip


def back_conv(g: Any, x: Any, w: Any, *, flip: int = 1, add: bool = True) -> Any:
    k, dx, dw = w.shape[2], np.zeros_like(x), np.zeros_like(w)
    for i, j in np.ndindex(g.shape[2:]):
        part = np.einsum("nf,fcij->ncij", g[:, :, i, j], w[:, :, ::flip, ::flip])
        dx[:, :, i : i + k, j : j + k] = part + add * dx[:, :, i : i + k, j : j + k]
        dw += np.einsum("nf,ncij->fcij", g[:, :, i, j], x[:, :, i : i + k, j : j + k])
    return dx, dw


def quarters(x: Any) -> Any:
    """Windows of two by two, (n, rows, columns, 4)."""
    n, rows, columns = x.shape
    split = x.reshape(n, rows // 2, 2, columns // 2, 2)
    return split.transpose(0, 1, 3, 2, 4).reshape(n, rows // 2, columns // 2, 4)


def spread(g: Any) -> Any:
    return np.repeat(np.repeat(g, 2, 1), 2, 2)


# --- normalisations ----------------------------------------------------------------------------


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) * gamma + beta


def back_norm(g: Any, x: Any, gamma: Any, *, mean: bool = True, of: Any = None) -> Any:
    s = np.sqrt(x.var(0) + 1e-5)
    h, d = (x - x.mean(0)) / s, g * gamma
    dx = (d - mean * d.mean(0) - h * (d * h).mean(0)) / s
    return dx, (g * (h if of is None else of)).sum(0), g.sum(0)


# --- margins, contrast, mixtures ----------------------------------------------------------------

LABELS = np.array([0, 2, 1, 2])
AT = (np.arange(4), LABELS)


def margin(s: Any) -> Any:
    return (np.maximum(0, s - s[AT][:, None] + 1).sum() - 4) / 4


def back_margin(g: Any, s: Any, *, own: bool = True, by: int = 4) -> Any:
    mask = (s - s[AT][:, None] + 1 > 0) * 1.0
    mask[AT] = 0
    mask[AT] = -own * mask.sum(1)
    return g * mask / by


def triplet(a: Any, p: Any, n: Any) -> Any:
    return np.maximum(0, ((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + 1).sum()


def back_triplet(g: Any, a: Any, p: Any, n: Any) -> Any:
    m = 2 * g * (((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + 1 > 0)[:, None]
    return m * (n - p), -m * (a - p), m * (a - n)


def soft_means(x: Any, c: Any) -> Any:
    d = ((x[:, None] - c[None]) ** 2).sum(-1)
    return (softmax(-d) * d).sum()


def back_means(g: Any, x: Any, c: Any, *, through: bool = True) -> Any:
    d = ((x[:, None] - c[None]) ** 2).sum(-1)
    p = softmax(-d)
    dd = p - through * p * (d - (p * d).sum(1, keepdims=True))
    part = g * 2 * (x[:, None] - c[None]) * dd[..., None]
    return part.sum(1), -part.sum(0)


def back_pairs(g: Any, x: Any) -> Any:
    far = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1) + 1e-3)
    return ((g / far)[..., None] * (x[:, None] - x[None])).sum(1)


# --- chains: recurrence, a conditional random field ---------------------------------------------


def recurrent(W: Any, x: Any) -> Any:
    h = np.zeros(3)
    for t in range(len(x)):
        h = np.tanh(W @ h + x[t])
    return h


def back_recurrent(g: Any, W: Any, x: Any, *, steps: int = 9, turn: bool = True) -> Any:
    hs = [np.zeros(3)]
    for t in range(len(x)):
        hs.append(np.tanh(W @ hs[-1] + x[t]))
    dW, dx, d = np.zeros_like(W), np.zeros_like(x), g
    for t in range(len(x) - 1, max(-1, len(x) - 1 - steps), -1):
        dx[t] = d = d * (1 - hs[t + 1] ** 2)
        dW += np.outer(d, hs[t])
        d = (W.T if turn else W) @ d
    return dW, dx


def partition(e: Any, T: Any) -> Any:
    a = e[0]
    for t in range(1, len(e)):
        s = a[:, None] + T
        m = s.max(0)
        a = m + np.log(np.exp(s - m).sum(0)) + e[t]
    return np.log(np.exp(a).sum())


def back_partition(g: Any, e: Any, T: Any) -> Any:
    a, b = [e[0]], [np.zeros(len(T))]
    for t in range(1, len(e)):
        a.append(np.log(np.exp(a[-1][:, None] + T).sum(0)) + e[t])
        b.insert(0, np.log(np.exp(T + e[-t] + b[0]).sum(1)))
    z = np.log(np.exp(a[-1]).sum())
    pairs = [np.exp(a[t - 1][:, None] + T + e[t] + b[t] - z) for t in range(1, len(e))]
    return g * np.exp(np.array(a) + np.array(b) - z), g * np.sum(pairs, 0)


def gru(h: Any, x: Any, U: Any, W: Any) -> Any:
    z = sigma(x @ U)
    return (1 - z) * np.tanh(h @ W + x) + z * h


def back_gru(g: Any, h: Any, x: Any, U: Any, W: Any, *, own: int = 1, sign: int = 1) -> Any:
    z, n = sigma(x @ U), np.tanh(h @ W + x)
    dn, dz = g * (1 - z) * (1 - n * n), sign * g * (h - n) * z * (1 - z)
    return dn @ W.T + own * g * z, dn + dz @ U.T, x.T @ dz, h.T @ dn


# --- functions of one array ----------------------------------------------------------------------

C = np.sqrt(2 / np.pi)
MANY = np.array([1, 0, 1, 3])


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(C * (x + 0.044715 * x**3)))


def back_gelu(g: Any, x: Any, inner: Callable[[Any], Any]) -> Any:
    t = np.tanh(C * (x + 0.044715 * x**3))
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner(x))


def focal(x: Any) -> Any:
    return -((1 - sigma(x)) ** 2 * np.log(sigma(x))).sum()


def back_focal(g: Any, x: Any, sign: int = 1) -> Any:
    p = sigma(x)
    return g * (sign * 2 * (1 - p) ** 2 * p * np.log(p) - (1 - p) ** 3)


def contrast(S: Any) -> Any:
    return -np.log(np.diag(softmax(S))).mean()


def chain(x: Any) -> Any:
    return 0.5 * ((np.diff(x) - 1) ** 2).sum()


def back_chain(g: Any, x: Any, rest: float = 1) -> Any:
    d = np.diff(x) - rest
    return g * (np.append(0, d) - np.append(d, 0))


SMOOTH = 0.9 * np.eye(3)[LABELS] + 0.1 / 3
F = Fault
LAYERS: Sequence[Layer] = (
    Layer("convolution", conv, back_conv, (normal(2, 2, 4, 4), normal(2, 2, 2, 2)), (
        F("= for +=", lambda g, x, w: back_conv(g, x, w, add=False), "holds only the last .*x"),
        F("kernel reversed", lambda g, x, w: back_conv(g, x, w, flip=-1),
          "w reversed along axes 2 and 3"))),
    Layer("largest of windows", lambda x: quarters(x).max(-1),
          lambda g, x, z: spread(g) * (x == spread(z)), (normal(2, 4, 4),), (
        F("no mask", lambda g, x, z: spread(g), "what arrives at max.*without its derivative"),)),
    Layer("mean of windows", lambda x: quarters(x).mean(-1), lambda g, x: spread(g) / 4,
          (normal(2, 4, 4),), (F("no 1/4", lambda g, x: spread(g), "4 (= .*too large|times)"),)),
    Layer("batch normalisation", batch_norm, lambda g, x, gamma: back_norm(g, x, gamma),
          (normal(5, 3), normal(3), normal(3)), (
        F("x for its normalised", lambda g, x, gamma: back_norm(g, x, gamma, of=x),
          "x where \\(x − mean"),
        F("mean constant", lambda g, x, gamma: back_norm(g, x, gamma, mean=False),
          "through mean\\(x"),
        F("no gamma", lambda g, x, gamma: (back_norm(g, x, 1)[0], *back_norm(g, x, gamma)[1:]),
          "lacks the factor gamma"))),
    Layer("margins", margin, back_margin, (normal(4, 3),), (
        F("own class", lambda g, s: back_margin(g, s, own=False), "is 0 at 4 elements"),
        F("no 1/n", lambda g, s: back_margin(g, s, by=1), "4 (=|being) the length of axis 0"))),
    Layer("triplet", triplet, back_triplet, (normal(4, 3), normal(4, 3), normal(4, 3)), (
        F("no 2", lambda g, a, p, n: [v / 2 for v in back_triplet(g, a, p, n)], "half"),
        F("sign", lambda g, a, p, n: (*back_triplet(g, a, p, n)[:2],
                                      -back_triplet(g, a, p, n)[2]), "opposite sign"))),
    Layer("soft means", soft_means, back_means, (normal(5, 2), normal(3, 2)), (
        F("shares constant", lambda g, x, c: back_means(g, x, c, through=False),
          "taken for a constant"),)),
    Layer("distances", lambda x: np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1) + 1e-3),
          lambda g, x: back_pairs(g + g.T, x), (normal(4, 2),),
          (F("one side", back_pairs, "through x in x\\["),)),
    Layer("recurrence", recurrent, back_recurrent, (normal(3, 3), normal(4, 3)), (
        F("one step", lambda g, W, x: back_recurrent(g, W, x, steps=1), "lacks what comes through"),
        F("not turned", lambda g, W, x: back_recurrent(g, W, x, turn=False), "W where Wᵀ"))),
    Layer("partition", partition, back_partition, (normal(4, 3), normal(3, 3)), (
        F("T forgotten", lambda g, e, T: (back_partition(g, e, 0 * T)[0],
                                          back_partition(g, e, T)[1]), "0 .*T|T out"),
        F("transposed", lambda g, e, T: (back_partition(g, e, T)[0],
                                         back_partition(g, e, T)[1].T), "is transposed"))),
    Layer("gated recurrence", gru, back_gru, (normal(2, 3), normal(2, 3), normal(3, 3),
                                              normal(3, 3)), (
        F("no direct way", lambda g, h, x, U, W: back_gru(g, h, x, U, W, own=0),
          "lacks what comes through"),
        F("sign of the gate", lambda g, h, x, U, W: back_gru(g, h, x, U, W, sign=-1),
          "the wrong sign at"))),
    Layer("gelu", gelu, lambda g, x: back_gelu(g, x, lambda x: C * (1 + 3 * 0.044715 * x**2)),
          (normal(3, 4),), (
        F("chain forgotten", lambda g, x: back_gelu(g, x, np.ones_like),
          "is the derivative of 0.797885 · \\(x \\+ 0.044715 · x³\\) forgotten"),)),
    Layer("focal", focal, back_focal, (normal(6),), (
        F("a sign", lambda g, x: back_focal(g, x, -1), "has the wrong sign at"),)),
    Layer("contrast", contrast, lambda g, S: g * (softmax(S) - np.eye(4)) / 4, (normal(4, 4),), (
        F("other axis", lambda g, S: g * (softmax(S.T).T - np.eye(4)) / 4,
          "along axis 0 where axis 1"),)),
    Layer("smoothed labels", lambda s: -(SMOOTH * np.log(softmax(s))).sum() / 4,
          lambda g, s: g * (softmax(s) - SMOOTH) / 4, (normal(4, 3),), (
        F("of the probabilities", lambda g, s: -g * SMOOTH / softmax(s) / 4,
          "passes on to s what arrives at exp.*forgotten"),)),
    Layer("chain of springs", chain, back_chain, (normal(5),), (
        F("no rest length", lambda g, x: back_chain(g, x, 0), "diff\\(x\\) − 1 stands"),)),
    Layer("mean of rows", lambda E: E[MANY].mean(0),
          lambda g, E: (np.arange(4)[:, None] == MANY).sum(1)[:, None] * g / 4, (normal(4, 3),), (
        F("counted once", lambda g, E: np.isin(np.arange(4), MANY)[:, None] * g / 4,
          "holds only the first contribution to E"),)),
    Layer("larger half", lambda x: np.maximum(x[:, :2], x[:, 2:]),
          lambda g, x: np.hstack([g * (x[:, :2] > x[:, 2:]), g * (x[:, :2] <= x[:, 2:])]),
          (normal(3, 4),), (
        F("both", lambda g, x: np.hstack([g, g]), "without the derivatives of max"),
        F("halves", lambda g, x: np.hstack([g * (x[:, :2] < x[:, 2:]), g * (x[:, :2] >= x[:, 2:])]),
          "halves along axis 1 exchanged"))),
    Layer("gated half", lambda x: x[:, :2] * sigma(x[:, 2:]),
          lambda g, x: np.hstack([g * sigma(x[:, 2:]),
                                  g * x[:, :2] * sigma(x[:, 2:]) * sigma(-x[:, 2:])]),
          (normal(3, 4),), (
        F("no slope", lambda g, x: np.hstack([g * sigma(x[:, 2:]), g * x[:, :2]]),
          "is the derivative of 1 / .* forgotten"),)),
    Layer("smooth absolute value", lambda x: np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5),
          lambda g, x: g * np.where(np.abs(x) < 1, x, np.sign(x)), (2 * normal(8),), (
        F("the other branch", lambda g, x: g * np.where(np.abs(x) >= 1, x, np.sign(x)),
          "not\\(\\|x\\| < 1\\) where"),)),
    Layer("masked product", lambda x: x[::2] * x[1::2], lambda g, x: np.column_stack(
        [g * x[1::2], g * x[::2]]).ravel(), (normal(8),), (
        F("crossed", lambda g, x: np.column_stack([g * x[::2], g * x[1::2]]).ravel(),
          "and the other way round|itself|reversed|exchanged"),)),
)  # fmt: skip


def faults() -> Iterator[tuple[str, Layer, Gradient, str]]:
    """Every planted fault: a name, the function, the wrong gradient, what must be said."""
    for layer in LAYERS:
        for fault in layer.faults:
            yield f"{layer.name}: {fault.what}", layer, fault.gradient, fault.says


def main() -> int:
    np.seterr(all="ignore")
    total = named = 0
    for layer in LAYERS:
        report = check_vjp(layer.forward, layer.right, *layer.inputs)
        if report.verdict == "wrong":
            print(f"{layer.name}: right, and accused: {report}")
    for name, layer, gradient, says in faults():
        report = check_vjp(layer.forward, gradient, *layer.inputs)
        reasons = [b.reason for b in report.blame]
        fits = any(re.search(says, r.partition("Probably")[2]) for r in reasons)
        total, named = total + 1, named + fits
        if not fits:
            print(f"{name}: {report.verdict} {reasons}")
    print(f"{len(LAYERS)} functions, {total} faults, {named} named")
    return named < total


if __name__ == "__main__":
    sys.exit(main())
