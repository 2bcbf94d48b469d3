"""On a machine with an NVIDIA GPU: do all ops agree with NumPy there, and how quick is it?

    pip install 'tinygrad-dnn[cuda,test]' torch
    python tests/benchmarks/gpu.py            # five minutes at most; writes gpu.md beside this
    python tests/benchmarks/gpu.py --quick --device device_array   # a dry run without a GPU

Times come first: a step of the document's network (12288-20-7-5-1, 209 examples), of
4096-4096-4096-10 on a batch of 4096, and value and gradient of fifteen elementwise ops on 1,000,000
numbers; ours eager and compiled, by CuPy, beside PyTorch on the same GPU, each waiting for the GPU
at the end of a step. Then every op with every case it declares, forward, each slope, and compiled,
against NumPy. CuPy compiles a kernel for each of them at first, so that the time may end before the
ops do: the table says how many were reached, and a second run, with its kernels on disk, does all.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import interleaved

sys.path.insert(0, str(Path(__file__).parents[1]))
import array_kinds
from blocks import fifteen

import tinygrad_dnn as td
from tinygrad_dnn.array_modules import device_module, to_host
from tinygrad_dnn.train import Settings, begin
from tinygrad_dnn.train.step import step_of

TABLE = Path(__file__).with_name("gpu.md")
LIMIT = 280.0  # seconds for everything
DOCUMENT, LARGE = (12288, 20, 7, 5, 1), (4096, 4096, 4096, 10)
Step = Callable[[], Any]


def waits(xp: Any, step: Step) -> Step:
    """The step with a wait for the GPU at its end."""
    cuda = getattr(xp, "cuda", None)
    if cuda is None:
        return step

    def waited() -> Any:
        result = step()
        cuda.get_current_stream().synchronize()
        return result

    return waited


# --- the work -------------------------------------------------------------------------------------


def network_steps(xp: Any, layers: tuple[int, ...], m: int, dtype: str) -> dict[str, Step]:
    """A step of gradient descent of each contender, from the same parameters; it gives the cost."""
    rng = np.random.default_rng(0)
    n = layers[-1]
    settings = Settings(layers, dtype=dtype, cost="stable" if n == 1 else "softmax", init="he")
    X = rng.normal(size=(layers[0], m)).astype(dtype)
    labels = rng.integers(0, max(2, n), (1, m))
    Y = labels.astype(dtype) if n == 1 else td.network.one_hot(labels, n, dtype)
    start = begin(settings).parameters
    moved = xp.asarray(X), xp.asarray(Y)

    def ours(step: Callable[..., Any]) -> Step:
        state = {"p": {name: xp.asarray(p) for name, p in start.items()}}

        def one() -> Any:
            cost, state["p"], _ = step(state["p"], {}, *moved, {})
            return cost

        return waits(xp, one)

    program = td.compile(step_of(settings), reuse_outputs=True)
    steps = {"compiled": ours(program), "eager": ours(step_of(settings))}
    if torch := peer():
        steps["PyTorch"] = torch_network(torch, start, X, labels, settings.learning_rate)
    return steps


def peer() -> Any:
    """PyTorch, if it is installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch


def place(torch: Any) -> str:
    """The GPU, or in a dry run the processor."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_waits(torch: Any, step: Step) -> Step:
    """The step with a wait for the GPU at its end."""

    def waited() -> Any:
        result = step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return result

    return waited


def torch_network(torch: Any, start: Any, X: Any, labels: Any, rate: float) -> Step:
    """The same step as PyTorch users write it, examples in rows."""
    L = len(start) // 2
    at = place(torch)
    x = torch.tensor(X.T, device=at).contiguous()
    parameters = []
    for l in range(1, L + 1):
        for name in (f"W{l}", f"b{l}"):
            p = start[name] if name[0] == "W" else start[name][:, 0]
            parameters.append(torch.tensor(p, device=at, requires_grad=True))
    two = len(start[f"b{L}"]) == 1
    y = torch.tensor(labels[0], device=at)
    y = y.to(x.dtype)[:, None] if two else y
    loss = (
        torch.nn.functional.binary_cross_entropy_with_logits
        if two
        else (torch.nn.functional.cross_entropy)
    )

    def one() -> Any:
        a = x
        for l in range(L):
            a = torch.nn.functional.linear(a, parameters[2 * l], parameters[2 * l + 1])
            a = torch.relu(a) if l < L - 1 else a
        cost = loss(a, y)
        slopes = torch.autograd.grad(cost, parameters)
        with torch.no_grad():
            for p, g in zip(parameters, slopes, strict=True):
                p -= rate * g
        return cost

    return torch_waits(torch, one)


def expression_steps(xp: Any, n: int, dtype: str) -> dict[str, Step]:
    """Value and gradient of fifteen elementwise ops on n numbers."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=n).astype(dtype) for _ in range(2))
    f = td.value_and_grad(lambda x, y: fifteen(td, x, y), argnums=(0, 1))
    moved = xp.asarray(x), xp.asarray(y)
    program = td.compile(f, reuse_outputs=True)
    steps = {
        "compiled": waits(xp, lambda: program(*moved)[0]),
        "eager": waits(xp, lambda: f(*moved)[0]),
    }
    if torch := peer():
        tx, ty = (torch.tensor(v, device=place(torch), requires_grad=True) for v in (x, y))

        def one() -> Any:
            z = fifteen(torch, tx, ty)
            torch.autograd.grad(z, (tx, ty))
            return z.detach()

        steps["PyTorch"] = torch_waits(torch, one)
    return steps


def same_costs(name: str, steps: dict[str, Step], dtype: str) -> None:
    """Demand that all contenders begin with the same cost.

    Raises:
        SystemExit: they do not.
    """
    costs = {who: float(to_host(step()).item()) for who, step in steps.items()}
    allowed = 2e-3 if dtype == "float32" else 1e-8  # PyTorch may multiply in TF32
    first = next(iter(costs.values()))
    if any(abs(c - first) > allowed * max(1, abs(first)) for c in costs.values()):
        raise SystemExit(f"{name}: the contenders compute different things: {costs}")


def timed(xp: Any, quick: bool, deadline: float) -> list[str]:
    """The rows of times; what the time does not suffice for is left out and said."""
    document = (192, 20, 7, 5, 1) if quick else DOCUMENT
    large, batch = ((64, 64, 64, 10), 64) if quick else (LARGE, 4096)
    n = 10_000 if quick else 1_000_000

    def called(layers: tuple[int, ...], m: int, dtype: str) -> str:
        return f"{'-'.join(map(str, layers))}, {m} examples, {dtype}"

    work: list[tuple[str, str, Callable[[], dict[str, Step]]]] = []
    for dtype in ("float64", "float32"):
        work.append((called(document, 209, dtype), dtype,
                     lambda d=dtype: network_steps(xp, document, 209, d)))  # fmt: skip
        work.append((f"fifteen ops on {n:,} numbers, {dtype}", dtype,
                     lambda d=dtype: expression_steps(xp, n, d)))  # fmt: skip
    work.insert(2, (called(large, batch, "float32"), "float32",
                    lambda: network_steps(xp, large, batch, "float32")))  # fmt: skip
    rows = []
    for name, dtype, make in work:
        if time.monotonic() > deadline:
            rows.append(f"| {name} | no time was left | | | |")
            continue
        steps = make()
        same_costs(name, steps, dtype)
        times = {
            who: min(t) for who, t in interleaved(steps, *((1, 1) if quick else (7, 5))).items()
        }
        ours, theirs = times["compiled"], times.get("PyTorch")
        ratio = "" if theirs is None else f"{ours / theirs:.2f}"
        shown = [f"{times[who] * 1e3:.3f}" if who in times else "not installed"
                 for who in ("compiled", "eager", "PyTorch")]  # fmt: skip
        rows.append(f"| {name} | {' | '.join(shown)} | {ratio} |")
        print(rows[-1], flush=True)
    return rows


# --- agreement ------------------------------------------------------------------------------------


def agreement(xp: Any, deadline: float, most: int | None) -> tuple[int, int, list[str]]:
    """How many ops were reached, how many attempts agreed with NumPy, and what did not."""
    kind = array_kinds.Kind(xp.__name__, xp.asarray, xp.asnumpy, xp.ndarray)
    reached, agreed, failed = 0, 0, []
    for name, op in sorted(array_kinds.package_ops().items())[:most]:
        if time.monotonic() > deadline:
            break
        reached += 1
        ran, told = array_kinds.outcome(op, kind)
        agreed += sum(good for good, _ in ran.values())
        failed += told
        why = compiled_apart(xp, op)
        agreed += why is None
        failed += [] if why is None else [f"compiled `{name}`: {why}"]
    return reached, agreed, failed


def compiled_apart(xp: Any, op: Any) -> str | None:
    """Why an op's program does not compute what NumPy does; None where it does."""
    case = array_kinds.cases_of(op)[0]
    arrays = array_kinds.sampled(op, case)
    meta = op.defaults | case.meta

    def value(*xs: Any) -> Any:
        return array_kinds.record(op, [x if isinstance(x, td.Tensor) else td.Tensor(x) for x in xs],
                                  meta)  # fmt: skip

    try:
        found = to_host(td.compile(value)(*map(xp.asarray, arrays)))
    except Exception as error:  # whatever it is, it belongs into the table
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    return None if np.allclose(found, value(*arrays).data, 1e-12, 1e-12) else "other values"


# --- the page -------------------------------------------------------------------------------------


def versions(xp: Any) -> str:
    """What ran, and on what."""
    names = [f"NumPy {np.__version__}", f"{xp.__name__} {getattr(xp, '__version__', '')}".strip()]
    if torch := peer():
        names.append(f"PyTorch {torch.__version__}")
    names.append(f"tinygrad-dnn {importlib.metadata.version('tinygrad-dnn')}")
    cuda = getattr(xp, "cuda", None)
    if cuda is None:
        return f"{', '.join(names)}; a stand-in, no GPU: its times say nothing"
    about = cuda.runtime.getDeviceProperties(cuda.Device().id)
    return f"{', '.join(names)}; {about['name'].decode()}, CUDA {cuda.runtime.runtimeGetVersion()}"


def page(xp: Any, rows: list[str], found: tuple[int, int, list[str]], took: float) -> str:
    """gpu.md."""
    reached, agreed, failed = found
    n = len(array_kinds.package_ops())
    lines = [
        "# On a GPU", "", f"Written by `python tests/benchmarks/gpu.py` in {took:.0f} s on "
        f"{datetime.date.today():%-d %B %Y}: {versions(xp)}.", "",
        "Milliseconds a step, the best of the rounds' medians; ratio: compiled to PyTorch.", "",
        "| work | compiled | eager | PyTorch | ratio |", "|---|---|---|---|---|", *rows, "",
        f"{reached} of {n} ops were tried on it, forward, slopes and compiled: {agreed} attempts "
        f"agree with NumPy, {len(failed)} do not.", "", *(f"- {line}" for line in failed),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Measure and compare; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, or another array module's name")
    parser.add_argument("--quick", action="store_true", help="small sizes; prints, writes nothing")
    parser.add_argument("--ops", type=int, metavar="N", help="compare the first N ops alone")
    args = parser.parse_args()
    begun = time.monotonic()
    try:
        xp = device_module(args.device)
    except ValueError as error:
        print(f"{error}\nNothing was measured, nothing was written.", file=sys.stderr)
        return 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy speaks of its kernels' performance
        rows = timed(xp, args.quick, begun + LIMIT / 2)
        found = agreement(xp, begun + LIMIT, args.ops)
    text = page(xp, rows, found, time.monotonic() - begun)
    print(text)
    if not args.quick:
        TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
