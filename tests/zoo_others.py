"""Models that other libraries show and textbooks have, as their authors write them.

Micrograd's perceptron, autograd's neural ODE, fluid, recurrent cell and mixture, DeZero's test
functions, a transformer block, a net with skips, a Kalman filter, a Gaussian process, an option's
price, bodies in gravity. `OTHERS` has them by name, as `zoo.ZOO` its twenty.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import pairwise

import numpy as np
from zoo import weights

from tinygrad_dnn import Tensor, exp, log, logsumexp, relu, sigmoid, softmax, tanh

OTHERS: dict[str, Callable[[], Tensor]] = {}


def _shown(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
    OTHERS[make.__name__] = make
    return make


@_shown
def moons() -> Tensor:
    """A perceptron 2-8-8-1 of single numbers with a hinge and a penalty, some 500 ops."""
    rng = np.random.default_rng(21)

    def number(x: float) -> Tensor:
        return Tensor(float(x), requires_grad=True)

    values, parameters = [number(1.5), number(-0.3)], []
    for size in (8, 8, 1):
        layer = [
            ([number(w) for w in rng.uniform(-1, 1, len(values))], number(0)) for _ in range(size)
        ]
        parameters += [p for ws, b in layer for p in (*ws, b)]
        values = [sum((w * x for w, x in zip(ws, values, strict=True)), b) for ws, b in layer]
        values = [relu(x) for x in values] if size > 1 else values
    hinge = relu(1 + -1.0 * values[0])
    return hinge * (1.0 / 1) + 1e-4 * sum(p * p for p in parameters)


@_shown
def neural_ode() -> Tensor:
    """A curve that a network's vector field draws, by five steps of Runge and Kutta."""
    rng = np.random.default_rng(22)
    W1, b1, W2, b2 = (weights(rng, *s) for s in ((2, 8), (8,), (8, 2), (2,)))

    def field(y: Tensor) -> Tensor:
        return np.dot(np.tanh(np.dot(y**3, W1) + b1), W2) + b2

    y, h = Tensor(np.array([[2.0, 0.0]])), 0.1
    path = [y]
    for _ in range(5):
        k1 = field(y)
        k2 = field(y + h / 2 * k1)
        k3 = field(y + h / 2 * k2)
        k4 = field(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(y)
    true = Tensor(rng.normal(size=(6, 1, 2)))
    return np.mean(np.abs(np.stack(path) - true))


@_shown
def fluid() -> Tensor:
    """Smoke carried by a stream that is made free of divergence by three sweeps."""
    rng = np.random.default_rng(23)
    vx, vy = (weights(rng, 6, 6) for _ in range(2))
    smoke, target = Tensor(rng.random((6, 6))), Tensor(rng.random((6, 6)))
    for _ in range(2):
        p = np.zeros((6, 6))
        div = -0.5 * (
            np.roll(vx, -1, 1) - np.roll(vx, 1, 1) + np.roll(vy, -1, 0) - np.roll(vy, 1, 0)
        )
        for _ in range(3):
            p = (
                div + np.roll(p, 1, 0) + np.roll(p, -1, 0) + np.roll(p, 1, 1) + np.roll(p, -1, 1)
            ) / 4.0
        vx = vx - 0.5 * (np.roll(p, -1, 1) - np.roll(p, 1, 1))
        vy = vy - 0.5 * (np.roll(p, -1, 0) - np.roll(p, 1, 0))
        smoke = smoke - vx * (smoke - np.roll(smoke, 1, 1)) - vy * (smoke - np.roll(smoke, 1, 0))
    return ((smoke - target) ** 2).mean()


@_shown
def lstm() -> Tensor:
    """A long short-term memory over four letters, each predicting the next one."""
    rng = np.random.default_rng(24)
    change, forget, ingate, outgate = (weights(rng, 4 + 5 + 1, 5) for _ in range(4))
    predict = weights(rng, 6, 4, name="predict")
    text = np.eye(4)[rng.integers(0, 4, size=(5, 2))]

    def concat_and_multiply(W: Tensor, *args: Tensor) -> Tensor:
        return np.hstack((*args, np.ones((args[0].shape[0], 1)))) @ W

    hiddens, cells = (np.repeat(weights(rng, 1, 5, name=k), 2, axis=0) for k in ("h0", "c0"))
    loglik = 0.0
    for now, following in pairwise(text):
        letters = Tensor(now)
        made = tanh(concat_and_multiply(change, letters, hiddens))
        f, i, o = (
            sigmoid(concat_and_multiply(W, letters, hiddens)) for W in (forget, ingate, outgate)
        )
        cells = cells * f + i * made
        hiddens = o * tanh(cells)
        output = concat_and_multiply(predict, hiddens)
        logprob = output - logsumexp(output, axis=1, keepdims=True)
        loglik = loglik + np.sum(logprob * following)
    return -loglik / 8


@_shown
def gaussians() -> Tensor:
    """Three Gaussians in the plane with full covariances, by their factors."""
    rng = np.random.default_rng(25)
    data = Tensor(rng.normal(size=(20, 2)), name="data")
    parts, log_weights = [], weights(rng, 3, name="log_proportions")
    log_weights = log_weights - logsumexp(log_weights)
    for k in range(3):
        mean, root = weights(rng, 2, name=f"mean{k}"), weights(rng, 2, 2, name=f"cov_sqrt{k}")
        covariance = root.T @ root + 0.1 * np.eye(2)
        L = np.linalg.cholesky(covariance)
        z = np.linalg.solve(L, (data - mean).T)
        logdet = 2.0 * np.sum(log(np.diagonal(L)))
        parts.append(
            log_weights[k] - 0.5 * (np.sum(z * z, axis=0) + logdet + 2 * np.log(2 * np.pi))
        )
    return -np.sum(logsumexp(np.vstack(parts), axis=0))


@_shown
def goldstein_price() -> Tensor:
    """Goldstein and Price's test function, as DeZero draws it."""
    x, y = Tensor(1.0, requires_grad=True, name="x"), Tensor(1.0, requires_grad=True, name="y")
    z = (1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2)) * (
        30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2)
    )
    z.name = "z"
    return z


@_shown
def sine_series() -> Tensor:
    """The sine by the first terms of its series."""
    x, total, factorial = Tensor(np.pi / 4, requires_grad=True, name="x"), 0.0, 1.0
    for k in range(7):
        factorial *= max(1, 2 * k * (2 * k + 1))
        total = total + (-1) ** k / factorial * x ** (2 * k + 1)
    return total


@_shown
def transformer() -> Tensor:
    """A block of a transformer: two heads, normalisations, a perceptron, residual connections."""
    rng = np.random.default_rng(26)
    d, heads, n = 8, 2, 5

    def normalise(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        mean = x.mean(axis=-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
        return gain * (x - mean) / np.sqrt(variance + 1e-5) + bias

    def gelu(x: Tensor) -> Tensor:
        return 0.5 * x * (1 + tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))

    x = Tensor(rng.normal(size=(n, d)), name="x")
    h = normalise(x, weights(rng, d, name="g1"), weights(rng, d, name="b1"))
    qkv = h @ weights(rng, d, 3 * d, name="W_qkv")
    q, k, v = (
        part.reshape(n, heads, d // heads).transpose(1, 0, 2) for part in np.split(qkv, 3, axis=1)
    )
    mask = np.triu(np.full((n, n), -1e9), 1)
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(d // heads) + mask
    mixed = (softmax(scores, axis=-1) @ v).transpose(1, 0, 2).reshape(n, d)
    x = x + mixed @ weights(rng, d, d, name="W_o")
    h = normalise(x, weights(rng, d, name="g2"), weights(rng, d, name="b2"))
    x = x + gelu(h @ weights(rng, d, 4 * d, name="W_fc")) @ weights(rng, 4 * d, d, name="W_proj")
    x.name = "y"
    return (x * x).mean()


@_shown
def skips() -> Tensor:
    """A net of an hourglass's shape in one dimension, each level joined to its like."""
    rng = np.random.default_rng(27)

    def convolution(x: Tensor, out: int) -> Tensor:
        W, n = weights(rng, 3, out, x.shape[0]), x.shape[1]
        padded = np.pad(x, ((0, 0), (1, 1)))
        return relu(sum(W[k] @ padded[:, k : k + n] for k in range(3)))

    x = Tensor(rng.normal(size=(1, 16)), name="signal")
    one = convolution(x, 4)
    two = convolution(one.reshape(4, 8, 2).max(axis=2), 8)
    bottom = convolution(two.reshape(8, 4, 2).max(axis=2), 8)
    up = convolution(np.concatenate([np.repeat(bottom, 2, axis=1), two]), 4)
    out = convolution(np.concatenate([np.repeat(up, 2, axis=1), one]), 1)
    return ((out - x) ** 2).mean()


@_shown
def kalman() -> Tensor:
    """The likelihood of four measurements of a moving thing, by Kalman's filter."""
    rng = np.random.default_rng(28)
    F, H = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    log_q, log_r = (
        Tensor(v, requires_grad=True, name=k) for v, k in ((-1.0, "log_q"), (0.0, "log_r"))
    )
    Q, R = exp(log_q) * np.eye(2), exp(log_r) * np.eye(1)
    m, P, nll = np.zeros((2, 1)), np.eye(2), 0.0
    for z in rng.normal(size=4):
        m, P = F @ m, F @ P @ F.T + Q
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        e = z - H @ m
        nll = nll + 0.5 * (log(np.linalg.det(2 * np.pi * S)) + (e.T @ np.linalg.inv(S) @ e)[0, 0])
        m, P = m + K @ e, (np.eye(2) - K @ H) @ P
    return nll


@_shown
def gaussian_process() -> Tensor:
    """The marginal likelihood of a Gaussian process with a squared exponential kernel."""
    rng = np.random.default_rng(29)
    x, y = rng.normal(size=(7, 1)), Tensor(rng.normal(size=7), name="y")
    scale, length, noise = (
        Tensor(v, requires_grad=True, name=k)
        for v, k in ((0.0, "log_scale"), (0.1, "log_length"), (-2.0, "log_noise"))
    )
    gaps = (x - x.T) / exp(length)
    K = exp(scale) * exp(-0.5 * gaps**2) + exp(noise) * np.eye(7)
    _, logdet = np.linalg.slogdet(K)
    return 0.5 * (y @ np.linalg.solve(K, y) + logdet + 7 * np.log(2 * np.pi))


@_shown
def black_scholes() -> Tensor:
    """The price of a call and of a put; its gradient are the Greeks."""
    S, K, T, sigma, r = (
        Tensor(v, requires_grad=True, name=k)
        for v, k in ((100.0, "S"), (105.0, "K"), (0.5, "T"), (0.2, "sigma"), (0.03, "r"))
    )

    def cdf(x: Tensor) -> Tensor:
        return sigmoid(1.5976 * x + 0.07056 * x**3)  # Page's approximation, within 2e-4

    d1 = (log(S / K) + (r + sigma**2 / 2) * T) / (sigma * np.sqrt(T))
    d2 = d1 - sigma * np.sqrt(T)
    call = S * cdf(d1) - K * exp(-r * T) * cdf(d2)
    put = K * exp(-r * T) * cdf(-d2) - S * cdf(-d1)
    call.name, put.name = "call", "put"
    return call + put


@_shown
def bodies() -> Tensor:
    """The energy of four bodies after three leaps of a frog."""
    rng = np.random.default_rng(30)
    mass = Tensor(rng.random(4) + 0.5, requires_grad=True, name="mass")
    x, v = Tensor(rng.normal(size=(4, 2)), name="x0"), weights(rng, 4, 2, name="v0")

    def pull(x: Tensor) -> Tensor:
        gap = x[None, :, :] - x[:, None, :]
        r2 = np.sum(gap**2, axis=-1) + 0.01
        return np.sum(mass[None, :, None] * gap / (r2 * np.sqrt(r2))[:, :, None], axis=1)

    for _ in range(3):
        v = v + 0.005 * pull(x)
        x = x + 0.01 * v
        v = v + 0.005 * pull(x)
    return 0.5 * np.sum(mass * np.sum(v**2, axis=1))


@_shown
def descent() -> Tensor:
    """Rosenbrock's valley after four steps of descent with momentum, differentiated through."""
    rate = Tensor(0.001, requires_grad=True, name="rate")
    x, y, speed = -1.0, 2.0, [0.0, 0.0]
    for _ in range(4):
        slopes = -400 * x * (y - x**2) - 2 * (1 - x), 200 * (y - x**2)
        speed = [0.9 * s - rate * g for s, g in zip(speed, slopes, strict=True)]
        x, y = x + speed[0], y + speed[1]
    return 100 * (y - x**2) ** 2 + (1 - x) ** 2


@_shown
def hamming() -> Tensor:
    """A reduction written by hand: pairs, then pairs of pairs, as a tree of maxima."""
    rng = np.random.default_rng(31)
    leaves = [weights(rng, 3, name=f"leaf{k}") for k in range(8)]
    while len(leaves) > 1:
        leaves = [
            np.maximum(a, b) + 0.1 * a * b for a, b in zip(leaves[::2], leaves[1::2], strict=True)
        ]
    return reduce(np.add, (leaves[0][k] for k in range(3)))
