"""The documents' network whole: 2,500 iterations, from start to accuracies, against its peers.

    python tests/benchmarks/loops.py            # some minutes; writes loops.md beside this file
    python tests/benchmarks/loops.py --quick    # seconds; prints, writes nothing

Peers are whatever is installed: pip install "tinygrad-dnn[bench]", pip install jax;
torch.compile needs a C++ compiler besides. The cat files are used where TINYGRAD_DNN_CATS names
their folder, else random numbers of their shape.
"""

import argparse
import datetime
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import batches
import inductor
import numpy as np
import workloads
from eager import Row, threads, told
from gram import by_hand
from measure import machine

from tinygrad_dnn import compile_loop, textbook, value_and_grad
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.optim import gradient_descent
from tinygrad_dnn.train import predict

LAYERS = (12288, 20, 7, 5, 1)
RATE = workloads.RATE
HERE = Path(__file__).parent
# The costs of every iteration and the accuracies on training and test examples.
Answer = tuple[list[float], list[float]]
Whole = Callable[[int], Answer]
GOALS = {
    "hand": ("written by hand", 1 / 20),
    "torch": ("PyTorch eager", 1 / 8),
    "inductor": (inductor.LABEL, None),
    "jax": ("jax.jit", 1 / 8),
    "gram": ("its Gram matrix by hand", None),
    "plain": ("compiled, without it", None),
}


class Problem:
    """Training and test examples, and the parameters that all begin with."""

    def __init__(self) -> None:
        self.X, self.Y, self.source = workloads.cats()
        folder = os.environ.get("TINYGRAD_DNN_CATS")
        if folder:
            with open_dataset(Path(folder) / "test_catvnoncat.h5", split="test") as file:
                self.X_test, self.Y_test = file.columns(), file.labels(np.float64)
        else:
            self.X_test, self.Y_test = self.X[:, :50], self.Y[:, :50]
        self.start = textbook.initialize_parameters_deep(LAYERS, scale="sqrt", seed=1)

    def accuracies(self, of: Callable[[Any], Any]) -> list[float]:
        """From a function that gives probabilities."""
        pairs = ((self.X, self.Y), (self.X_test, self.Y_test))
        return [float(np.mean((np.asarray(of(X)) > 0.5) == (Y == 1))) for X, Y in pairs]


def step(parameters: Mapping[str, Any], X: Any, Y: Any) -> tuple[Any, Any]:
    """One iteration as a user writes it."""
    cost, slopes = value_and_grad(lambda p: cost_of(X, Y, p))(parameters)
    return gradient_descent(parameters, slopes, RATE), cost


def ours(problem: Problem, reduce: bool) -> Whole:
    """Recording and compiling included."""

    def whole(iterations: int) -> Answer:
        constants = {"X": problem.X, "Y": problem.Y}
        loop = compile_loop(
            step, carry=problem.start, constants=constants, strength_reduction=reduce
        )
        costs = [float(loop.step()) for _ in range(iterations)]
        parameters = loop.carry
        return costs, problem.accuracies(lambda X: predict(X, parameters))

    return whole


def hand(problem: Problem) -> Whole:
    """The document's functions, as its training loop calls them."""

    def whole(iterations: int) -> Answer:
        parameters = {name: p.copy() for name, p in problem.start.items()}
        costs = []
        for _ in range(iterations):
            AL, caches = textbook.L_model_forward(problem.X, parameters)
            costs.append(float(textbook.compute_cost(AL, problem.Y)))
            grads = textbook.L_model_backward(AL, problem.Y, caches)
            parameters = textbook.update_parameters(parameters, grads, RATE)
        return costs, problem.accuracies(lambda X: textbook.L_model_forward(X, parameters)[0])

    return whole


def gram(problem: Problem) -> Whole:
    """The Gram matrix by hand."""

    def whole(iterations: int) -> Answer:
        costs, parameters = by_hand(problem.X, problem.Y, problem.start, RATE, iterations)
        return costs, problem.accuracies(lambda X: textbook.L_model_forward(X, parameters)[0])

    return whole


def expression(relu: Any, sigmoid: Any, X: Any, p: Any) -> Any:
    """AL for the peers."""
    A, L = X, len(LAYERS) - 1
    for l in range(1, L):
        A = relu(p[f"W{l}"] @ A + p[f"b{l}"])
    return sigmoid(p[f"W{L}"] @ A + p[f"b{L}"])


def torch_loop(problem: Problem, torch: Any) -> Whole:
    """PyTorch eager, on the same memory."""

    def whole(iterations: int) -> Answer:
        p = {k: torch.tensor(v, requires_grad=True) for k, v in problem.start.items()}
        X, Y = torch.from_numpy(problem.X), torch.from_numpy(problem.Y)
        costs = []
        for _ in range(iterations):
            AL = expression(torch.relu, torch.sigmoid, X, p)
            cost = -(Y * torch.log(AL) + (1 - Y) * torch.log(1 - AL)).sum() / X.shape[1]
            cost.backward()
            with torch.no_grad():
                for t in p.values():
                    t -= RATE * t.grad
                    t.grad = None
            costs.append(cost.item())
        with torch.no_grad():
            return costs, problem.accuracies(
                lambda X: expression(torch.relu, torch.sigmoid, torch.from_numpy(X), p)
            )

    return whole


def torch_compiled_loop(problem: Problem, torch: Any) -> Whole:
    """torch.compile of the iteration; compiled anew in each round, which is included."""

    def whole(iterations: int) -> Answer:
        X, Y = torch.from_numpy(problem.X), torch.from_numpy(problem.Y)
        p = {k: torch.tensor(v) for k, v in problem.start.items()}
        costs = []
        with inductor.anew(torch):
            iteration = inductor.iteration(torch, LAYERS, X.shape[1])
            for _ in range(iterations):
                p, cost = iteration(p, X, Y)
                costs.append(cost.item())
        return costs, problem.accuracies(
            lambda X: expression(torch.relu, torch.sigmoid, torch.from_numpy(X), p)
        )

    return whole


def jax_loop(problem: Problem, jax: Any) -> Whole:
    """jax.jit of the iteration, in float64; its compilation included."""
    jax.config.update("jax_enable_x64", True)
    jnp = import_module("jax.numpy")

    def whole(iterations: int) -> Answer:
        def cost(p: Any, X: Any, Y: Any) -> Any:
            AL = expression(jax.nn.relu, jax.nn.sigmoid, X, p)
            return -(Y * jnp.log(AL) + (1 - Y) * jnp.log(1 - AL)).sum() / X.shape[1]

        @jax.jit
        def iteration(p: Any, X: Any, Y: Any) -> Any:
            value, g = jax.value_and_grad(cost)(p, X, Y)
            return {k: p[k] - RATE * g[k] for k in p}, value

        p = {k: jnp.asarray(v) for k, v in problem.start.items()}
        X, Y = jnp.asarray(problem.X), jnp.asarray(problem.Y)
        costs = []
        for _ in range(iterations):
            p, value = iteration(p, X, Y)
            costs.append(value)
        found = [float(c) for c in costs]
        return found, problem.accuracies(lambda X: expression(jax.nn.relu, jax.nn.sigmoid, X, p))

    return whole


def contenders(problem: Problem) -> dict[str, Whole]:
    """Everyone who is installed."""
    found = {
        "ours": ours(problem, True),
        "plain": ours(problem, False),
        "gram": gram(problem),
        "hand": hand(problem),
    }
    for name, build in (("torch", torch_loop), ("jax", jax_loop)):
        if (module := workloads.peer(name)) is not None:
            found[name] = build(problem, module)
    return found


def measured(
    wholes: Mapping[str, Whole], iterations: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, Answer]]:
    """Seconds of each contender in each round, in turns, and what it answers."""
    order = list(wholes)
    shuffle = random.Random(0).shuffle
    times: dict[str, list[float]] = {name: [] for name in order}
    answers = {}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            time.sleep(0.5)  # idle threads of the one before spin for a while
            start = time.perf_counter()
            answers[name] = wholes[name](iterations)
            times[name].append(time.perf_counter() - start)
            print(f"{name}: {told(times[name][-1])}", flush=True)
    return times, answers


def rows(
    times: Mapping[str, list[float]],
    iterations: int,
    source: str,
    goals: Mapping[str, tuple[str, float | None]],
    reason: str = "",
) -> list[Row]:
    """Ours against each; the reason why torch.compile is not among them."""
    what = f"12288-20-7-5-1, m = 209, {source}: {iterations:,} iterations, start to accuracies"
    found = []
    for name, (label, goal) in goals.items():
        if name not in times:
            why = reason if name == "inductor" else ""
            found.append(Row(what, label, told(statistics.median(times["ours"])), why))
            continue
        ratios = [a / b for a, b in zip(times["ours"], times[name], strict=True)]
        both = (told(statistics.median(times[n])) for n in ("ours", name))
        best = min(times["ours"]) / min(times[name])
        found.append(Row(what, label, *both, statistics.median(ratios), best, goal))
    return found


def differences(
    answers: Mapping[str, Answer], goals: Mapping[str, tuple[str, float | None]] = GOALS
) -> list[str]:
    """How far the costs are from the hand-written ones, and the accuracies."""
    expected = np.array(answers["hand"][0])
    lines = []
    for name, (costs, shares) in answers.items():
        apart = np.abs(np.array(costs) / expected - 1)
        label = {"ours": "ours"} | {k: label for k, (label, _) in goals.items()}
        shown = ", ".join(f"{s:.12g}" for s in shares)
        first = apart[:100].max()
        lines.append(f"| {label[name]} | {first:.1e} | {apart.max():.1e} | {shown} |")
    return lines


def versions() -> str:
    """What was installed."""
    said = []
    for name in ("tinygrad-dnn", "numpy", "torch", "jax"):
        try:
            said.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            said.append(f"{name} not installed")
    return ", ".join(said)


def page(lines: list[Row], apart: list[str], rounds: int, seconds: float) -> str:
    """loops.md."""
    return "\n".join(
        [
            "# Strength reduction across steps",
            "",
            f"Written by `python tests/benchmarks/loops.py` on {datetime.date.today():%d %B %Y} in "
            f"{seconds:.0f} s.",
            "",
            f"- Machine: {machine()}.",
            f"- Versions: {versions()}.",
            f"- Threads of matrix products: {threads()}.",
            f"- Rounds: {rounds}.",
            "",
            "float64. Contenders take turns in one process; recording, compiling and accuracies",
            "are in the times. The ratio is ours over theirs, the median of the rounds, to which",
            "the goals are held; best is our best time over their best.",
            "",
            "| what | against | ours | theirs | ratio | best | goal | |",
            "|---|---|---|---|---|---|---|---|",
            *map(str, lines),
            "",
            "Costs against the hand-written ones, largest relative difference; near iteration 300",
            "the training is at the edge of stability, where rounding is amplified.",
            "",
            "| | first 100 iterations | all | accuracies |",
            "|---|---|---|---|",
            *apart,
            "",
        ]
    )


def main() -> None:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test: few iterations")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="the file to write (loops.md beside this script)")
    options = parser.parse_args()
    began = time.perf_counter()
    problem = Problem()
    iterations, rounds = (20, 1) if options.quick else (2500, options.rounds)
    wholes = contenders(problem)
    if options.quick:
        also = inductor.Tried(None, reason="not tried in a smoke test")
    else:
        also = inductor.tried(inductor.network, problem.X, problem.Y, LAYERS)
    if also.step is not None:
        wholes["inductor"] = torch_compiled_loop(problem, workloads.peer("torch"))
    times, answers = measured(wholes, iterations, rounds)
    goals = GOALS | {"inductor": (also.label, None)}
    lines, apart = (
        rows(times, iterations, problem.source, goals, also.reason),
        differences(answers, goals),
    )
    times, answers = measured(batches.contenders(problem, RATE), iterations, rounds)
    source = f"{problem.source}, batches of {batches.SIZE}"
    lines += rows(times, iterations, source, batches.GOALS)
    apart += [f"| batches: {line[2:]}" for line in differences(answers)]
    print(*lines, *apart, sep="\n")
    out = options.out or (None if options.quick else HERE / "loops.md")
    if out is not None:
        out.write_text(page(lines, apart, rounds, time.perf_counter() - began), "utf-8")
        print(f"written: {out}")


if __name__ == "__main__":
    main()
