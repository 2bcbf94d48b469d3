"""The work of `workloads` as compiled programs: ours, JAX's, and a loop optimised by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import workloads
from workloads import RATE

import tinygrad_dnn as tg
from tinygrad_dnn import relu, sigmoid, textbook, value_and_grad
from tinygrad_dnn.optim import gradient_descent


def training_step(layers: Sequence[int], m: int) -> Callable[..., Any]:
    """The documents' network as a user writes it: (parameters, X, Y) -> cost, next parameters."""
    L = len(layers) - 1

    def cost(p: Any, X: Any, Y: Any) -> Any:
        A = X
        for l in range(1, L):
            A = relu(p[f"W{l}"] @ A + p[f"b{l}"])
        AL = sigmoid(p[f"W{L}"] @ A + p[f"b{L}"])
        return -(Y * tg.log(AL) + (1 - Y) * tg.log(1 - AL)).sum() / m

    def step(parameters: Any, X: Any, Y: Any) -> Any:
        value, slopes = value_and_grad(cost)(parameters, X, Y)
        return value, gradient_descent(parameters, slopes, RATE)

    return step


def compiled_network(X: Any, Y: Any, layers: Sequence[int]) -> Callable[[], Any]:
    """That step compiled."""
    step = tg.compile(training_step(layers, X.shape[1]), reuse_outputs=True)
    p = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)

    def run() -> Any:
        nonlocal p
        cost, p = step(p, X, Y)
        return float(cost)

    return run


def optimised_network(X: Any, Y: Any, layers: Sequence[int]) -> Callable[[], Any]:
    """The same by hand, as fast and in as little memory as we know how: every array allocated
    once, dZL = AL − Y, the rate and 1/m on the small dZ, parameters updated where they lie.
    """
    m, L = X.shape[1], len(layers) - 1
    p = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    W = [p[f"W{l}"] for l in range(1, L + 1)]
    b = [p[f"b{l}"] for l in range(1, L + 1)]
    A = [X, *(np.empty((n, m)) for n in layers[1:])]
    if X.flags.f_contiguous and len(X) >= 1024:
        A[1] = np.empty(A[1].shape, order="F")  # the wide product is faster in X's own order
    dA = [np.empty((n, m)) for n in layers[1:-1]]
    on = [np.empty((n, m), bool) for n in layers[1:-1]]
    dW, db = [np.empty_like(w) for w in W], [np.empty_like(v) for v in b]
    dZL, Z, t, u = (np.empty((1, m)) for _ in range(4))
    zero, one, scale, rate = (np.array(x) for x in (0.0, 1.0, RATE / m, 1 / m))
    one_minus_Y = 1 - Y

    def step() -> Any:
        for l in range(L):
            out = A[l + 1] if l < L - 1 else Z
            np.matmul(W[l], A[l], out=out)
            np.add(out, b[l], out=out)
            if l < L - 1:
                np.maximum(out, zero, out=out)
        AL = A[L]
        np.negative(Z, out=AL)
        np.exp(AL, out=AL)
        np.add(one, AL, out=AL)
        np.divide(one, AL, out=AL)
        np.log(AL, out=t)
        np.multiply(Y, t, out=t)
        np.subtract(one, AL, out=u)
        np.log(u, out=u)
        np.multiply(one_minus_Y, u, out=u)
        np.add(t, u, out=t)
        cost = -np.add.reduce(t, axis=None) * rate
        dZ = np.subtract(AL, Y, out=dZL)
        np.multiply(dZ, scale, out=dZ)  # α/m dZ: what follows is a step, not a gradient
        for l in range(L - 1, -1, -1):
            np.matmul(dZ, A[l].T, out=dW[l])
            np.add.reduce(dZ, axis=1, keepdims=True, out=db[l])
            if l:
                np.matmul(W[l].T, dZ, out=dA[l - 1])
                np.greater(A[l], zero, out=on[l - 1])
                dZ = np.multiply(dA[l - 1], on[l - 1], out=dA[l - 1])
        for l in range(L):
            np.subtract(W[l], dW[l], out=W[l])
            np.subtract(b[l], db[l], out=b[l])
        return cost

    return step


def jax_network(jax: Any, X: Any, Y: Any, layers: Sequence[int]) -> Callable[[], Any]:
    """The same expression under jax.jit, in float64."""
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    m, L = X.shape[1], len(layers) - 1

    def cost(p: Any, X: Any, Y: Any) -> Any:
        A = X
        for l in range(1, L):
            A = jnp.maximum(p[f"W{l}"] @ A + p[f"b{l}"], 0)
        AL = jax.nn.sigmoid(p[f"W{L}"] @ A + p[f"b{L}"])
        return -(Y * jnp.log(AL) + (1 - Y) * jnp.log(1 - AL)).sum() / m

    @jax.jit
    def step(p: Any, X: Any, Y: Any) -> Any:
        value, slopes = jax.value_and_grad(cost)(p, X, Y)
        return value, {k: p[k] - RATE * slopes[k] for k in p}

    p = textbook.initialize_parameters_deep(layers, scale="sqrt", seed=1)
    p = {k: jnp.asarray(v) for k, v in p.items()}
    X, Y = jnp.asarray(X), jnp.asarray(Y)

    def run() -> Any:
        nonlocal p
        value, p = step(p, X, Y)
        jax.block_until_ready(p)
        return float(value)

    return run


def networks(X: Any, Y: Any, layers: Sequence[int]) -> dict[str, Callable[[], Any]]:
    """Every contender that is installed, ours first."""
    steps = {"ours": compiled_network(X, Y, layers), "optimised": optimised_network(X, Y, layers)}
    eager = workloads.networks(X, Y, layers)
    steps |= {"eager": eager.pop("ours")} | eager
    if (jax := workloads.peer("jax")) is not None:
        steps["jax"] = jax_network(jax, X, Y, layers)
    return steps


def problem(layers: Sequence[int], m: int) -> tuple[Any, Any]:
    """Random X (n_x, m), examples side by side in memory, and Y (1, m)."""
    rng = np.random.default_rng(0)
    return rng.random((m, layers[0])).T, (rng.random((1, m)) < 0.4) * 1.0


# --- chains ---------------------------------------------------------------------------------------


def compiled_chain(link: Any, ops: int) -> Callable[[], Any]:
    """The chain of `workloads`, forward and backward, compiled."""
    a, b = workloads.start()
    both = tg.compile(
        value_and_grad(lambda x, y: workloads.chain(link, tg, x, y, ops), argnums=(0, 1)),
        rewrite=False,  # which would cancel what the chain takes back
        reuse_outputs=True,
    )

    def step() -> Any:
        _, (x, y) = both(a, b)
        return x + y

    return step


def jax_chain(jax: Any, link: Any, ops: int) -> Callable[[], Any]:
    """The chain under jax.jit."""
    jax.config.update("jax_enable_x64", True)
    a, b = map(jax.numpy.asarray, workloads.start())
    both = jax.jit(
        jax.value_and_grad(lambda x, y: workloads.chain(link, jax.numpy, x, y, ops), argnums=(0, 1))
    )

    def step() -> Any:
        _, (x, y) = both(a, b)
        return np.asarray(x) + np.asarray(y)

    return step


def chains(link: str, ops: int = 200) -> dict[str, Callable[[], Any]]:
    """The chain for every contender that is installed, ours first."""
    eager = workloads.chains(link, ops)
    steps = {"ours": compiled_chain(workloads.LINKS[link], ops), "eager": eager.pop("ours")}
    steps |= eager
    if (jax := workloads.peer("jax")) is not None:
        steps["jax"] = jax_chain(jax, workloads.LINKS[link], ops)
    return steps
