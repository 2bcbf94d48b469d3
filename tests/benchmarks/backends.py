"""The emitted chains of 200 ops on 10 x 10 through numexpr and numba: is a backend worth it?

    pip install numexpr numba && python tests/benchmarks/backends.py    # a minute; prints

numexpr runs each line as a kernel of its own, compiled before. numba makes scalars of the arrays:
one loop over the elements computes everything, which is all there is to gain. compiled.md tells
what was found.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import files, version
from typing import Any

import numba
import numexpr
import numpy as np
import programs
import workloads
from eager import one_thread
from measure import Comparison, agree, interleaved

import tinygrad_dnn as tg

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "negative": "-"}
LINE = re.compile(r"np\.([\w.]+)\((.*?)(?:, axis=None)?, out=(\w+)\)")


class Emitted:
    """A compiled chain: its lines (ufunc, operands, out), the slopes it returns, its constants."""

    def __init__(self, link: Any) -> None:
        both = tg.value_and_grad(lambda x, y: workloads.chain(link, tg, x, y, 200), argnums=(0, 1))
        step = tg.compile(both, rewrite=False)
        step(*workloads.start())
        self.names: dict[str, Any] = {}
        exec(step.source, self.names)
        for name, value in self.names.items():
            if isinstance(value, np.ndarray) and not value.ndim:
                self.names[name] = float(value)
        self.lines = [(f, xs.split(", "), z) for f, xs, z in LINE.findall(step.source)]
        self.total = next(xs[0] for f, xs, _ in self.lines if f == "add.reduce")
        self.lines = [line for line in self.lines if line[0] != "add.reduce"]
        returned = next(line for line in step.source.splitlines() if "return result, (" in line)
        self.slopes = returned.partition("(")[2][:-1].split(", ")

    def in_numexpr(self) -> Callable[[], Any]:
        """Kernels, called one after the other."""
        values = dict(zip("xy", workloads.start(), strict=True))
        values |= {z: np.empty(workloads.SHAPE) for _, _, z in self.lines}
        ready = []
        for f, xs, z in self.lines:
            arrays = [*dict.fromkeys(x for x in xs if x in values)]
            text = written(f, [x if x in values else repr(self.names[x]) for x in xs])
            kernel = numexpr.NumExpr(text, [(x, np.float64) for x in arrays])
            ready.append((kernel, [values[x] for x in arrays], values[z]))
        slopes = [eval(text, self.names | values) for text in self.slopes]

        def step() -> Any:
            for kernel, arrays, out in ready:
                kernel(*arrays, out=out, ex_uses_vml=False)
            np.add.reduce(values[self.total], axis=None)
            return np.add(*slopes)

        return step

    def in_numba(self) -> Callable[[], Any]:
        """Scalars in one loop over the elements, compiled when it is called first."""
        kept = [s for s in dict.fromkeys(self.slopes) if s.isidentifier()]
        text = ["def run(x, y):", *(f"{s} = np.empty(x.shape)" for s in kept), "result = 0.0"]
        text += ["for i in range(x.size):", "    x_, y_ = x.flat[i], y.flat[i]"]
        for f, xs, z in self.lines:
            xs = [x if x in self.names else f"{x}_" for x in xs]
            text.append(f"    {z}_ = {written(f if f in SIGNS else f'np.{f}', xs)}")
        text += [f"    result += {self.total}_", *(f"    {s}.flat[i] = {s}_" for s in kept)]
        exec("\n    ".join([*text, f"return result, {' + '.join(self.slopes)}"]), self.names)
        run, (x, y) = numba.njit(self.names["run"]), workloads.start()
        return lambda: run(x, y)[1]


def written(f: str, xs: list[str]) -> str:
    """A line's right side."""
    if f not in SIGNS:
        return f"{f}({xs[0]})"
    return f" {SIGNS[f]} ".join(xs) if len(xs) == 2 else f"-{xs[0]}"


def size(*names: str) -> float:
    """What distributions take when installed, in MB."""
    places = (f.locate() for name in names for f in files(name) or ())
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


def seconds(work: Callable[[], Any], times: int = 1) -> float:
    """The least time that it took."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def importing(code: str) -> float:
    """Seconds of a fresh interpreter."""
    return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True), 5)


def main() -> None:
    """Measure and print."""
    numexpr.set_num_threads(1)
    for name, parts in (("numexpr", ["numexpr"]), ("numba", ["numba", "llvmlite"])):
        took = importing(f"import numpy, {name}") - importing("import numpy")
        print(f"{name} {version(name)}: {size(*parts):.0f} MB, imported in {took * 1e3:.0f} ms")
    for name, link in workloads.LINKS.items():
        emitted = Emitted(link)
        steps = {"ours": programs.compiled_chain(link, 200), "numexpr": emitted.in_numexpr()}
        steps["numba"] = emitted.in_numba()
        took = seconds(steps["numba"])
        print(f"{name}: {len(emitted.lines)} lines, numba's loop compiled in {took:.1f} s")
        if (torch := workloads.peer("torch")) is not None:
            steps["torch"] = workloads.torch_chain(torch, link, 200)
        agree(steps)
        with one_thread():
            times = interleaved(steps, rounds=100, burst=3)
        for other in [x for x in ("ours", "torch") if x in times]:
            ratios = {x: Comparison(times[x], times[other]) for x in steps if x != other}
            told = ", ".join(f"{x} {c.median:.3g} (best {c.best:.3g})" for x, c in ratios.items())
            print(f"    of {other}: {told}", flush=True)


if __name__ == "__main__":
    main()
