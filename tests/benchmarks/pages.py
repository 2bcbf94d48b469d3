"""How fast pages compute, in Chromium, and how soon and how large they are written: pages.md.

python tests/benchmarks/pages.py
"""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

import viz
from tinygrad_dnn import Tensor, relu, tanh
from tinygrad_dnn.network import cost_of, initialize_parameters
from viz.page import asset

HERE = Path(__file__).parent
GALLERY = HERE.parents[1] / "examples" / "playgrounds.py"
RUNTIME = ("live-memory", "live-run", "live", "training")  # of the page's scripts
ROUNDS = 200
# A step and the pass that shows where it led, over 2. The least of many rounds: what else runs on
# the machine only makes them longer.
STEPS = f"""
() => {{
  const times = [];
  for (let k = 0; k < {ROUNDS}; k += 1) {{
    const begin = performance.now();
    training.steps(1);
    times.push((performance.now() - begin) / 2);
  }}
  return Math.min(...times);
}}
"""
FRAME = """
(name) => {
  const times = [];
  for (let k = 0; k < 100; k += 1) {
    live.memory[name][0] += 1e-3;
    const begin = performance.now();
    live.run();
    live.show(false);
    times.push(performance.now() - begin);
  }
  return Math.min(...times);
}
"""
# A number changed in each frame, as a hand does; how long a frame is, in the middle of 60.
FRAMES = """
(name) => new Promise((done) => {
  const times = [];
  let last = null;
  const frame = (now) => {
    times.push(now - (last ?? now));
    last = now;
    if (times.length > 60) {
      times.sort((a, b) => a - b);
      done(times[30]);
      return;
    }
    live.change(name, 0, live.memory[name][0] + 1e-3);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
})
"""


def network(*sizes: int, examples: int) -> Tensor:
    rng = np.random.default_rng(1)
    X = Tensor(rng.normal(size=(sizes[0], examples)), name="X")
    Y = Tensor((rng.random((1, examples)) > 0.5) * 1.0, name="Y")
    start = initialize_parameters(sizes)
    return cost_of(X, Y, {k: Tensor(p, requires_grad=True, name=k) for k, p in start.items()})


def chain(nodes: int) -> Tensor:
    y = Tensor(np.linspace(0, 1, 50), requires_grad=True, name="x")
    for _ in range(nodes // 2):
        y = tanh(y * 1.01)
    return y.sum()


def wide() -> Tensor:
    """200 ops on 10,000 numbers each."""
    h = Tensor(np.linspace(-1, 1, 10_000).reshape(100, 100), requires_grad=True, name="h")
    b = Tensor(np.array([0.1]), requires_grad=True, name="b")
    for _ in range(50):
        h = relu(h * 1.01 + b) - 0.5
    return h.sum()


NETS = (
    ("2-16-16-1, 200 examples: a training step", lambda: network(2, 16, 16, 1, examples=200), 1),
    (
        "64-20-7-5-1, 300 examples: a training step",
        lambda: network(64, 20, 7, 5, 1, examples=300),
        10,
    ),
    ("1,000 ops on 50 numbers: a training step", lambda: chain(1000), None),
)  # fmt: skip


def measured(page: Page, folder: Path) -> list[tuple[str, float, Any]]:
    rows: list[tuple[str, float, Any]] = []
    for what, make, goal in NETS:
        page.goto(viz.playground(make(), path=folder / "page.html").as_uri())
        rows.append((what, page.evaluate(STEPS), goal))
    page.goto(viz.explore(network(64, 20, 7, 5, 1, examples=100), folder / "page.html").as_uri())
    page.keyboard.press("End")
    rows.append(
        ("64-20-7-5-1, 100 examples: a number dragged, all of the page new",
         page.evaluate(FRAME, "W1"), 16)
    )  # fmt: skip
    page.goto(viz.explore(wide(), folder / "page.html").as_uri())
    rows.append(
        ("200 ops on 10,000 numbers: a number dragged, all new", page.evaluate(FRAME, "b"), 16)
    )
    page.goto(viz.explore(chain(200), folder / "page.html").as_uri())
    page.keyboard.press("End")
    rows.append(
        (
            "200 ops on 50 numbers: from frame to frame while one drags",
            page.evaluate(FRAMES, "x"),
            17,
        )
    )
    return rows


def processor() -> float:
    """Seconds of this process and of those that it waited for."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def residual(layers: int) -> Tensor:
    """Layers h = h + tanh(W h + b), of 6 nodes each, for points of a plane."""
    rng = np.random.default_rng(0)
    h = Tensor(rng.normal(size=(2, 50)), name="X")
    for k in range(layers):
        W = Tensor(rng.normal(size=(2, 2)) / 50, requires_grad=True, name=f"W{k}")
        b = Tensor(np.zeros((2, 1)), requires_grad=True, name=f"b{k}")
        h = h + tanh(W @ h + b)
    return ((h[:1] - Tensor(rng.random((1, 50)), name="Y")) ** 2).mean()


def written(folder: Path) -> list[tuple[str, float, int | None]]:
    """Processor time of pages of 3,000 nodes."""
    rows: list[tuple[str, float, int | None]] = []
    cost = residual(500)
    makers: dict[str, tuple[Callable[[], Any], int | None]] = {
        "viz.draw": (lambda: viz.save(viz.draw(cost), folder / "drawn.svg"), 10),
        "viz.explore": (lambda: viz.explore(cost, folder / "page.html"), 10),
        "viz.playground": (lambda: viz.playground(cost, path=folder / "page.html"), None),
    }
    for name, (make, goal) in makers.items():
        begin = processor()
        make()
        rows.append((name, processor() - begin, goal))
    return rows


def gallery(folder: Path) -> list[tuple[str, int, int]]:
    """The pages of examples/playgrounds.py, their kB and the goal."""
    spec = importlib.util.spec_from_file_location("playgrounds", GALLERY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = [(page.__name__, page(folder / "page.html").stat().st_size) for page in module.PAGES]
    return [(n, size // 1000, 1500 if n in ("digits", "convolution") else 300) for n, size in made]


def main(path: Path = HERE / "pages.md") -> None:
    with TemporaryDirectory() as scratch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        version = browser.version
        rows = measured(browser.new_page(), Path(scratch))
        browser.close()
        pages, sizes = written(Path(scratch)), gallery(Path(scratch))
    busy = os.getloadavg()[0]
    size = sum(len(asset(f"explorer/{name}.js")) for name in RUNTIME)
    lines = [
        "# Pages that compute, in the browser",
        "",
        f"Written by `python tests/benchmarks/pages.py` on {datetime.now(UTC):%d %B %Y}; Chromium "
        f"{version}, {platform.machine()}, {platform.system()}, {os.cpu_count()} cores, of which "
        f"{busy:.1f} were asked for at the end of it. The least of many rounds; a "
        "step is a forward and a backward pass and the update.",
        "",
        "| what | ms | goal | |",
        "|---|---|---|---|",
    ]
    for what, ms, goal in rows:
        verdict = "" if goal is None else "met" if ms < goal else "**not met**"
        bound = "" if goal is None else f"< {goal}"
        lines.append(f"| {what} | {ms:.2f} | {bound} | {verdict} |")
    lines += [
        "",
        f"The runtime, what computes and trains ({', '.join(RUNTIME)}), is {size / 1000:.1f} kB "
        "without a program; the goal was 30.",
        "",
        "| 3,000 nodes, once | processor seconds | goal | |",
        "|---|---|---|---|",
    ]
    for what, seconds, bound in pages:
        verdict = "" if bound is None else "met" if seconds < bound else "**not met**"
        lines.append(
            f"| {what} | {seconds:.1f} | {'' if bound is None else f'< {bound}'} | {verdict} |"
        )
    lines += ["", "| page of the gallery | kB | goal | |", "|---|---|---|---|"]
    for what, size, bound in sizes:
        lines.append(
            f"| {what} | {size} | < {bound} | {'met' if size < bound else '**not met**'} |"
        )
    lines.append("")
    path.write_text("\n".join(lines), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
