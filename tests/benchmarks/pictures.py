"""Pictures and derivations measured.

PYTHONPATH=tests python tests/benchmarks/pictures.py     # writes pictures.md
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import zoo
from derivations import value

import viz
from tinygrad_dnn import Tensor, exp, log, logsumexp, relu, scope, sigmoid, softmax, tanh
from viz.drawing import render
from viz.drawing.placed import LAYOUT, Placed
from viz.drawing.titles import clear, crossed

HERE = Path(__file__).parent
TANGLES = 60
PLUMBING = re.compile(r"reshape|expand_dims|squeeze|broadcast|transpose\(|swapaxes")
EXPLORE = (
    "import sys, zoo, viz; cost = zoo.thousands(); print('begun', flush=True); "
    "viz.explore(cost, sys.argv[1])"
)

rng = np.random.default_rng(0)


def given(*shape: int, name: str) -> Tensor:
    return Tensor(rng.normal(size=shape) / 2, name=name)


def trained(*shape: int, name: str) -> Tensor:
    return Tensor(rng.normal(size=shape) / 2, requires_grad=True, name=name)


X, T = given(7, 4, name="X"), given(7, 3, name="T")
y, w, b = given(7, name="y"), trained(4, name="w"), trained(1, name="b")
W, c, v, u = (
    trained(4, 3, name="W"), trained(3, name="c"), trained(5, name="v"), trained(5, name="u"),
)  # fmt: skip
A, B = trained(3, 3, name="A"), trained(3, 3, name="B")

EXPRESSIONS: dict[str, Callable[[], Tensor]] = {
    "X w": lambda: (X @ w).sum(),
    "least squares": lambda: ((X @ w - y) ** 2).mean(),
    "with a bias": lambda: ((X @ w + b - y) ** 2).mean(),
    "ridge": lambda: ((X @ w - y) ** 2).mean() + 0.1 * (w**2).sum(),
    "absolute error": lambda: np.abs(X @ w - y).mean(),
    "logistic": lambda: np.log1p(exp(-y * (X @ w))).mean(),
    "several outputs": lambda: ((X @ W + c - T) ** 2).sum() / 7,
    "a mean over rows": lambda: ((X @ W).mean(axis=0) ** 2).sum(),
    "a mean over columns": lambda: ((X @ W).mean(axis=1) ** 2).sum(),
    "a mean that keeps its axis": lambda: (
        (X @ W - (X @ W).mean(axis=0, keepdims=True)) ** 2
    ).sum(),
    "softmax": lambda: -(T * log(softmax(X @ W, axis=1))).sum() / 7,
    "logsumexp": lambda: logsumexp(X @ W, axis=1).mean(),
    "a hidden layer": lambda: (tanh(X @ W) @ c).mean(),
    "relu": lambda: (relu(X @ W + c) ** 2).mean(),
    "np.dot": lambda: (np.dot(X, W) ** 2).sum(),
    "np.inner": lambda: np.inner(v, u),
    "np.outer": lambda: (np.outer(v, u) ** 2).sum(),
    "columns in np.stack": lambda: (np.stack([v, u], axis=1) ** 2).sum(),
    "distances": lambda: ((v[:, None] - u[None, :]) ** 2).mean(),
    "a kernel": lambda: exp(-((v[:, None] - v[None, :]) ** 2)).sum(),
    "standardised": lambda: (((v - v.mean()) / v.std()) ** 3).sum(),
    "a trace": lambda: np.trace(A @ B),
    "a determinant": lambda: log(np.linalg.det(A @ A.T + np.eye(3))),
    "a solve": lambda: np.linalg.solve(A @ A.T + np.eye(3), c).sum(),
    "a quadratic form": lambda: c @ A @ c,
    "cosine": lambda: (v @ u) / np.sqrt((v @ v) * (u @ u)),
    "slices": lambda: ((v[1:] - v[:-1]) ** 2).sum(),
    "a transpose": lambda: ((A.T @ B - A) ** 2).mean(),
    "entropy": lambda: -(sigmoid(v) * log(sigmoid(v))).sum(),
    "weights by columns": lambda: ((X * w).sum(axis=1) ** 2).mean(),
}


def tangle(seed: int) -> Tensor:
    """30 ops in nested scopes, some entered again and again, some with long names."""
    names = ("part {}", "a scope of some length {}", "a scope whose name is a sentence {}")
    rng = np.random.default_rng(seed)
    pool = [Tensor(np.ones((2, 2)), requires_grad=True), Tensor(np.ones((2, 2)))]
    for _ in range(30):
        outer, inner = (names[rng.integers(3)].format(k) for k in rng.integers(3, size=2))
        x, z = (pool[int(k)] for k in rng.integers(max(0, len(pool) - 8), len(pool), size=2))
        with scope(outer), scope(inner):
            fresh = Tensor(np.ones((2, 2)), requires_grad=True)
            pool.append((x @ z, relu(x), x + fresh, x * np.ones((2, 2)))[rng.integers(4)])
    return pool[-1]


def titles() -> tuple[int, int, int, float]:
    """Of random tangles: all titles, those that are crossed, and were; how much wider they get."""
    program = render._wheel()
    assert program is not None
    counts, widths = [0, 0, 0], []
    for seed in range(TANGLES):
        source = viz.draw(tangle(seed), merge=bool(seed % 2)).source
        placed = Placed(render._run([program, "-Kdot", f"-T{LAYOUT}"], source, LAYOUT, 60))
        before = max(box.right for box in placed.scopes.values())
        counts[0] += len(placed.scopes)
        counts[1] += len(crossed(placed))
        clear(placed)
        counts[2] += len(crossed(placed))
        widths.append(max(box.right for box in placed.scopes.values()) / before)
    return counts[0], counts[2], counts[1], float(np.median(widths))


def seconds(do: Callable[[], Any]) -> float:
    """Of processors, this process's and graphviz's: others on the machine count less."""

    def spent() -> float:
        return sum(os.times()[:4])

    begin = spent()
    do()
    return spent() - begin


def interrupted(folder: Path) -> float:
    """How long the page of 3,000 nodes goes on after an interrupt."""
    with subprocess.Popen(
        [sys.executable, "-c", EXPLORE, str(folder / "stopped.html")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        running.stdout.readline()
        time.sleep(1.5)
        running.send_signal(signal.SIGINT)
        begin = time.monotonic()
        running.wait(60)
        assert running.returncode not in (0, None)
        took = time.monotonic() - begin
    assert not (folder / "stopped.html").exists()
    return took


def derived() -> Iterator[tuple[str, int, float, bool]]:
    """Each expression: its lines, how far a line is from the gradient, whether one has plumbing."""
    for name, make in EXPRESSIONS.items():
        cost = make()
        lines = viz.derive(cost).lines
        cost.backward()
        grads = {leaf.name: leaf.grad for leaf in (w, b, W, c, v, u, A, B) if leaf.grad is not None}
        error = max(
            float(np.abs(value(line) - grads[line.node.name]).max()
                  / (np.abs(grads[line.node.name]).max() or 1.0))
            for line in lines if line.node.name in grads and line.node.op is None
        )  # fmt: skip
        for leaf in (w, b, W, c, v, u, A, B):
            leaf.zero_grad()
        texts = [line.text.plain for line in lines]
        yield name, len(lines), error, any(map(PLUMBING.search, texts))


def measured(folder: Path) -> list[tuple[str, str, str, bool | None]]:
    """What, the figure, the goal and whether it is met."""
    net, repeats, large = zoo.residual(), zoo.bottlenecks(), zoo.thousands()
    found = re.search(r'width="(\d+)pt"', render.svg_of(viz.draw(net, backward=True)))
    assert found
    width = int(found[1])
    folds = "12 × " in viz.draw(repeats, fold=True).source
    draws = seconds(lambda: viz.save(viz.draw(large), folder / "large.svg"))
    explores = seconds(lambda: viz.explore(large, folder / "large.html"))
    stops = interrupted(folder)
    every, are, were, growth = titles()
    rows = list(derived())
    plain = [name for name, _, _, plumbing in rows if plumbing]
    error = max(error for _, _, error, _ in rows)
    (line,) = viz.derive((X @ w).sum() / 7).lines
    mean = viz.derive(((X @ W).mean(axis=0) ** 2).sum(), names={"n": 7}).lines
    return [
        ("12-layer residual net, both passes: width", f"{width} pt", "≤ 4000", width <= 4000),
        ("twelve h = h + V relu(W h) without scopes", "12 ×" if folds else "apart", "12 ×", folds),
        ("3,000 nodes: draw and save, seconds of a processor", f"{draws:.1f}", "≤ 10", draws <= 10),
        ("3,000 nodes: explore, the same", f"{explores:.1f}", "≤ 10", explores <= 10),
        ("3,000 nodes: from Ctrl-C to the end, no file left", f"{stops:.1f} s", "≤ 1", stops <= 1),
        (f"titles crossed by arrows, of {every:,} in {TANGLES} random tangles",
         f"{are} (were {were})", "0", are == 0),
        ("the median of how much wider such a picture gets", f"{growth:.2f} ×", "", None),
        (f"{len(rows)} expressions: lines with reshape, broadcast and their kind",
         f"{len(plain)}{': ' + ', '.join(plain) if plain else ''}", "0", not plain),
        ("the same: the greatest error of a line, relative", f"{error:.0e}", "1e-9", error < 1e-9),
        ("the gradient of Σ X w / 7", f"`dw = {line.text.plain}`", "", None),
        ("that of a mean over 7 rows, squared", f"`dW = {mean[-1].text.plain}`", "", None),
    ]  # fmt: skip


def main(path: Path = HERE / "pictures.md") -> None:
    with TemporaryDirectory() as scratch:
        rows = measured(Path(scratch))
    lines = [
        "# Pictures and derivations",
        "",
        "Written by `PYTHONPATH=tests python tests/benchmarks/pictures.py` on "
        f"{datetime.now(UTC):%d %B %Y}, drawn by graphviz-pure. What a page "
        "does (a link to a step, the speed of playing, jumps, the "
        "wheel, the map, search, paper) is tested in a browser, `tests/browser`.",
        "",
        "| what | measured | goal | |",
        "|---|---|---|---|",
    ]
    for what, figure, goal, met in rows:
        verdict = {None: "", True: "met", False: "**not met**"}[met]
        lines.append(f"| {what} | {figure} | {goal} | {verdict} |")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
