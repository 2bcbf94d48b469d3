"""A step of Adam on a softmax network in mini-batches, beside a loop optimised by hand in NumPy.

    python tests/benchmarks/adam_step.py            # a minute; writes adam_step.md beside it
    python tests/benchmarks/adam_step.py --print    # prints, writes nothing

784-128-64-10, batches of 64 made examples, all on one thread, which is the fastest here: the
products are too small for a second one. The loop by hand has `out=` everywhere, updates in place,
and keeps four arrays of W1's size. A row of PyTorch where torch is installed.
"""

import datetime
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from measure import interleaved, machine, write_page
from threadpoolctl import threadpool_limits

from tinygrad_dnn import compile, compile_loop, optim, value_and_grad
from tinygrad_dnn.network import cost_of, initialize_parameters, one_hot

LAYERS, SIZE, RATE, BATCHES = (784, 128, 64, 10), 64, 0.001, 20
ROUNDS, BURST = 20, 20
BOUND = 1.1
OURS, IN_PLACE = "tinygrad_dnn `compile`", "tinygrad_dnn `compile_loop(in_place=True)`"
HAND, PRODUCTS = "NumPy by hand", "its eight matrix products alone"
Step = Callable[[], Any]


def made(dtype: str) -> list[tuple[Any, Any]]:
    """Batches X (784, 64), by columns, and Y (10, 64)."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(SIZE, LAYERS[0])).astype(dtype).T,
            one_hot(rng.integers(10, size=(1, SIZE)), 10, dtype),
        )
        for _ in range(BATCHES)
    ]


def by_hand(start: dict[str, Any], dtype: str) -> Callable[[Any, Any], Any]:
    """The whole step as one would write it for speed alone."""
    p = {name: x.copy() for name, x in start.items()}
    g, v, s = ({name: np.zeros_like(x) for name, x in p.items()} for _ in range(3))
    W1, b1, W2, b2, W3, b3 = p.values()
    Z1, Z2, Z3, Y3 = (np.empty((n, SIZE), dtype) for n in (128, 64, 10, 10))
    d1, d2, row = (np.empty((n, SIZE), dtype) for n in (128, 64, 1))
    M1, M2 = np.empty(Z1.shape, bool), np.empty(Z2.shape, bool)
    zero, c, B1, C1, B2, C2 = (
        np.array(x, dtype) for x in (0.0, 1 / SIZE, 0.9, 1 - 0.9, 0.999, 0.001 / (1 - 0.9) ** 2)
    )
    groups = [(p[n], g[n], v[n], s[n]) for n in p]
    t = 0

    def step(X: Any, Y: Any) -> Any:
        nonlocal t
        np.add(np.matmul(W1, X, out=Z1), b1, out=Z1)
        np.maximum(Z1, zero, out=Z1)
        np.add(np.matmul(W2, Z1, out=Z2), b2, out=Z2)
        np.maximum(Z2, zero, out=Z2)
        np.add(np.matmul(W3, Z2, out=Z3), b3, out=Z3)
        np.subtract(Z3, np.maximum.reduce(Z3, axis=0, keepdims=True, out=row), out=Z3)
        picked = np.multiply(Z3, Y, out=Y3).sum()
        np.add.reduce(np.exp(Z3, out=Z3), axis=0, keepdims=True, out=row)
        np.divide(Z3, row, out=Z3)
        cost = (np.log(row, out=row).sum() - picked) * c
        np.multiply(np.subtract(Z3, Y, out=Z3), c, out=Z3)
        np.matmul(Z3, Z2.T, out=g["W3"])
        np.add.reduce(Z3, axis=1, keepdims=True, out=g["b3"])
        np.multiply(np.matmul(W3.T, Z3, out=d2), np.greater(Z2, zero, out=M2), out=d2)
        np.matmul(d2, Z1.T, out=g["W2"])
        np.add.reduce(d2, axis=1, keepdims=True, out=g["b2"])
        np.multiply(np.matmul(W2.T, d2, out=d1), np.greater(Z1, zero, out=M1), out=d1)
        np.matmul(d1, X.T, out=g["W1"])
        np.add.reduce(d1, axis=1, keepdims=True, out=g["b1"])
        t += 1
        root = (1 - 0.999**t) ** 0.5
        rate, below = np.array(RATE * root / (1 - 0.9**t), dtype), np.array(1e-8 * root, dtype)
        for x, dx, vx, sx in groups:
            np.multiply(dx, C1, out=dx)
            np.add(np.multiply(vx, B1, out=vx), dx, out=vx)
            np.multiply(np.square(dx, out=dx), C2, out=dx)
            np.add(np.multiply(sx, B2, out=sx), dx, out=sx)
            np.add(np.sqrt(sx, out=dx), below, out=dx)
            np.multiply(np.divide(vx, dx, out=dx), rate, out=dx)
            np.subtract(x, dx, out=x)
        return cost

    return step


def products(start: dict[str, Any], dtype: str) -> Callable[[Any, Any], Any]:
    """The products of the step, of arrays that are there."""
    W1, W2, W3 = (start[n] for n in ("W1", "W2", "W3"))
    A1, A2, A3 = (np.ones((n, SIZE), dtype) for n in (128, 64, 10))
    out1, out2, out3 = np.empty_like(W1), np.empty_like(W2), np.empty_like(W3)

    def step(X: Any, Y: Any) -> Any:
        np.matmul(W1, X, out=A1)
        np.matmul(W2, A1, out=A2)
        np.matmul(W3, A2, out=A3)
        np.matmul(A3, A2.T, out=out3)
        np.matmul(W3.T, A3, out=A2)
        np.matmul(A2, A1.T, out=out2)
        np.matmul(W2.T, A2, out=A1)
        np.matmul(A1, X.T, out=out1)
        A1.fill(1)  # nothing grows
        return 0.0

    return step


def ours(start: dict[str, Any], dtype: str) -> dict[str, Callable[[Any, Any], Any]]:
    """The network and Adam as they are written in the guide, compiled in both ways."""
    rule, rate = optim.adam(), np.asarray(RATE, dtype)

    @compile(reuse_outputs=True)
    def step(parameters: Any, state: Any, X: Any, Y: Any, rate: Any) -> Any:
        cost, grads = value_and_grad(lambda p: cost_of(X, Y, p, "softmax"))(parameters)
        return cost, *rule.update(parameters, grads, state, rate)

    def carried(carry: Any, X: Any, Y: Any, rate: Any) -> Any:
        cost, grads = value_and_grad(lambda p: cost_of(X, Y, p, "softmax"))(carry[0])
        return rule.update(carry[0], grads, carry[1], rate), cost

    now = [start, rule.init(start)]

    def compiled(X: Any, Y: Any) -> Any:
        cost, *now[:] = step(*now, X, Y, rate)
        return cost

    X, Y = made(dtype)[0]
    carry = (start, rule.init(start))
    loop = compile_loop(carried, carry=carry, inputs=(X, Y, rate), in_place=True)
    return {OURS: compiled, IN_PLACE: lambda X, Y: loop.step(X, Y, rate)}


def peers(start: dict[str, Any], dtype: str) -> dict[str, Callable[[Any, Any], Any]]:
    """PyTorch, where it is installed."""
    found: dict[str, Callable[[Any, Any], Any]] = {}
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
        leaves = [torch.tensor(x, requires_grad=True) for x in start.values()]
        optimizer = torch.optim.Adam(leaves, RATE)

        def step(X: Any, Y: Any) -> Any:
            A = torch.from_numpy(X)
            for l in range(0, 6, 2):
                Z = leaves[l] @ A + leaves[l + 1]
                A = torch.relu(Z)
            cost = -(torch.from_numpy(Y) * torch.log_softmax(Z, 0)).sum() / SIZE
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            return cost.item()

        found["PyTorch, eager"] = step
    return found


def measured(dtype: str) -> dict[str, list[float]]:
    """Seconds of a step in each round, by contender; all learn the same first."""
    start = initialize_parameters(LAYERS, "he", head="softmax", dtype=dtype)
    batches = made(dtype)
    contenders = {HAND: by_hand(start, dtype), **ours(start, dtype), **peers(start, dtype)}
    costs = {name: [float(f(*b)) for b in batches] for name, f in contenders.items()}
    for name, found in costs.items():
        np.testing.assert_allclose(found, costs[HAND], rtol=1e-3 if dtype == "float32" else 1e-9,
                                   err_msg=name)  # fmt: skip
    contenders[PRODUCTS] = products(start, dtype)

    def turn(f: Callable[[Any, Any], Any]) -> Step:
        state = [0]

        def step() -> None:
            state[0] = (state[0] + 1) % BATCHES
            f(*batches[state[0]])

        return step

    steps = {name: turn(f) for name, f in contenders.items()}
    with threadpool_limits(1, "blas"):
        return interleaved(steps, ROUNDS, BURST, clock=time.process_time)


def page() -> str:
    """The table as Markdown."""
    lines = [
        "# A step of Adam, beside NumPy by hand",
        "",
        f"Written by `python tests/benchmarks/adam_step.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}.",
        f"- numpy {version('numpy')}; one thread; 784-128-64-10, softmax, batches of {SIZE}.",
        "",
        "Milliseconds of a step in the best round, and its ratio to that of the loop by hand;",
        f"at most {BOUND} is demanded of the loop in place. Beside it the median ratio of",
        f"{ROUNDS} rounds, on a machine that others use too.",
        "",
        "| | float32, ms | best | median | float64, ms | best | median |",
        "|---|---|---|---|---|---|---|",
    ]
    times = {dtype: measured(dtype) for dtype in ("float32", "float64")}
    ratios = {}
    for name in times["float32"]:
        cells = []
        for dtype, found in times.items():
            pairs = zip(found[name], found[HAND], strict=True)
            median = statistics.median(a / b for a, b in pairs)
            ratios[name, dtype] = min(found[name]) / min(found[HAND])
            cells += [f"{min(found[name]) * 1e3:.2f}", f"{ratios[name, dtype]:.2f}"]
            cells.append(f"{median:.2f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for dtype in times:
        assert ratios[IN_PLACE, dtype] < BOUND, ratios
    lines += [
        "",
        "What is left to a framework that fuses loops is the difference of the first row and the",
        "last: the passes over W1, v and s. The products are the matrix library's.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_page("adam_step.md", page, __doc__)
