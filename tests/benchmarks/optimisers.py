"""Our update rules, schedules and clipping beside PyTorch's: 1,000 steps, how far apart they end.

    python tests/benchmarks/optimisers.py            # seconds; writes optimisers.md beside it
    python tests/benchmarks/optimisers.py --print    # prints, writes nothing

Each rule gets the same parameters and the same 1,000 gradients in float64, which change with the
parameters as a cost's do; ours runs eagerly and compiled. Needs torch: pip install
"tinygrad-dnn[bench]".
"""

import datetime
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import machine, write_page

from tinygrad_dnn import compile, optim

HERE = Path(__file__).parent
STEPS, RATE = 1000, 0.01
BOUND = 1e-13  # relative: rounding over a thousand steps
SHAPES = {"W": (20, 30), "b": (20, 1)}
Peer = Callable[[list[torch.Tensor]], torch.optim.Optimizer]

RULES: dict[str, tuple[optim.Optimiser, Peer]] = {
    "sgd()": (optim.sgd(), lambda p: torch.optim.SGD(p, RATE)),
    "momentum(0.9)": (optim.momentum(0.9), lambda p: torch.optim.SGD(p, RATE, momentum=0.9)),
    "momentum(0.9, dampening=0.9)": (
        optim.momentum(0.9, dampening=0.9),
        lambda p: from_zero(torch.optim.SGD(p, RATE, momentum=0.9, dampening=0.9), p),
    ),
    "nesterov(0.9)": (
        optim.nesterov(0.9),
        lambda p: torch.optim.SGD(p, RATE, momentum=0.9, nesterov=True),
    ),
    "rmsprop()": (optim.rmsprop(), lambda p: torch.optim.RMSprop(p, RATE)),
    "adagrad()": (optim.adagrad(), lambda p: torch.optim.Adagrad(p, RATE)),
    "adam()": (optim.adam(), lambda p: torch.optim.Adam(p, RATE)),
    "adam(0.5, 0.7, 0.01)": (
        optim.adam(0.5, 0.7, 0.01),
        lambda p: torch.optim.Adam(p, RATE, betas=(0.5, 0.7), eps=0.01),
    ),
    "adamw()": (optim.adamw(), lambda p: torch.optim.AdamW(p, RATE)),
    "adamw(decay=0.5)": (
        optim.adamw(decay=0.5),
        lambda p: torch.optim.AdamW(p, RATE, weight_decay=0.5),
    ),
}


def from_zero(optimizer: torch.optim.Optimizer, parameters: list[torch.Tensor]) -> Any:
    """PyTorch does not damp its first gradient unless there is a velocity, of 0, to begin with."""
    for p in parameters:
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)
    return optimizer


def gradients(p: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """That of ½ p² − cos(3 p)/9, disturbed."""
    return p + np.sin(3 * p) / 3 + noise


def distance(rule: optim.Optimiser, peer: Peer, compiled: bool) -> float:
    """The largest difference of a parameter over all steps, relative to the largest parameter."""
    rng = np.random.default_rng(0)
    ours = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    theirs = [torch.tensor(p, requires_grad=True) for p in ours.values()]
    optimizer = peer(theirs)
    state = rule.init(ours)
    update = compile(rule.update, reuse_outputs=True) if compiled else rule.update
    rate = np.asarray(RATE)
    worst = 0.0
    for _ in range(STEPS):
        noise = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
        slopes = {name: gradients(p, noise[name]) for name, p in ours.items()}
        for t, n in zip(theirs, noise.values(), strict=True):
            t.grad = torch.tensor(gradients(t.detach().numpy(), n))
        optimizer.step()
        ours, state = update(ours, slopes, state, rate)
        for p, t in zip(ours.values(), theirs, strict=True):
            other = t.detach().numpy()
            worst = max(worst, float(np.abs(p - other).max() / np.abs(other).max()))
    return worst


def scheduled(make: Callable[[torch.optim.Optimizer], Any], costs: Any = None) -> list[float]:
    """The rates of one of PyTorch's schedulers."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    scheduler = make(optimizer)
    rates = []
    for t in range(STEPS):
        if costs is None:
            rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if costs is None else [costs[t]]))
        if costs is not None:
            rates.append(optimizer.param_groups[0]["lr"])
    return rates


def schedules() -> dict[str, float]:
    """How far our rates are from theirs, relatively, over 1,000 steps."""
    lr = torch.optim.lr_scheduler
    costs = [1 / (1 + t / 50) if t < 300 else 1 / 7 + (t % 7) / 100 for t in range(STEPS)]
    plateau = optim.reduce_on_plateau(0.1, factor=0.5, least=1e-6)
    state = plateau.init()
    plateaus = []
    for cost in costs:
        rate, state = plateau.update(cost, state)
        plateaus.append(rate)
    warm = optim.warm_up(optim.constant(0.1), 100)
    pairs = {
        "step_decay(0.1, every=300)": (
            [optim.step_decay(0.1, 300)(t) for t in range(STEPS)],
            scheduled(lambda o: lr.StepLR(o, 300)),
        ),
        "cosine(0.1, 1000, least=0.001)": (
            [optim.cosine(0.1, STEPS, 0.001)(t) for t in range(STEPS)],
            scheduled(lambda o: lr.CosineAnnealingLR(o, STEPS, 0.001)),
        ),
        "warm_up(constant(0.1), 100)": (
            [warm(t) for t in range(STEPS)],
            scheduled(lambda o: lr.LinearLR(o, 1 / 100, total_iters=99)),
        ),
        "reduce_on_plateau(0.1, factor=0.5)": (
            plateaus,
            scheduled(lambda o: lr.ReduceLROnPlateau(o, factor=0.5, min_lr=1e-6), costs),
        ),
    }
    return {
        name: float(np.max(np.abs(np.array(a) - b) / np.array(b))) for name, (a, b) in pairs.items()
    }


def clipping() -> dict[str, float]:
    """Relative differences of clipped gradients."""
    rng = np.random.default_rng(1)
    worst = {"clip_by_norm (theirs divides by the norm + 1e-6)": 0.0, "clip_by_value": 0.0}
    for size in (1e-3, 1.0, 1e3):
        g = {name: size * rng.normal(size=shape) for name, shape in SHAPES.items()}
        for name, ours, theirs in (
            (
                "clip_by_norm (theirs divides by the norm + 1e-6)",
                optim.clip_by_norm,
                torch.nn.utils.clip_grad_norm_,
            ),
            ("clip_by_value", optim.clip_by_value, torch.nn.utils.clip_grad_value_),
        ):
            tensors = [
                torch.zeros(x.shape, dtype=torch.float64, requires_grad=True) for x in g.values()
            ]
            for t, x in zip(tensors, g.values(), strict=True):
                t.grad = torch.tensor(x)
            theirs(tensors, 1.0)
            for x, t in zip(ours(g, 1.0).values(), tensors, strict=True):
                other = t.grad.numpy()
                worst[name] = max(worst[name], float(np.abs(x - other).max() / np.abs(other).max()))
    return worst


def page() -> str:
    """The tables as Markdown."""
    rules = {
        name: [distance(rule, peer, compiled) for compiled in (False, True)]
        for name, (rule, peer) in RULES.items()
    }
    lines = [
        "# Update rules beside PyTorch's",
        "",
        f"Written by `python tests/benchmarks/optimisers.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}.",
        f"- Versions: numpy {version('numpy')}, torch {version('torch')}.",
        "",
        "The largest difference of a parameter over 1,000 steps in float64, relative to the",
        f"largest parameter; at most {BOUND:g} is demanded. The gradients are those of a cost, and",
        "disturbed.",
        "",
        "| rule | eager | compiled |",
        "|---|---|---|",
        *(f"| `{name}` | {a:.1e} | {b:.1e} |" for name, (a, b) in rules.items()),
        "",
        "| schedule, clipping | relative difference |",
        "|---|---|",
        *(f"| {name} | {x:.1e} |" for name, x in {**schedules(), **clipping()}.items()),
    ]
    assert max(x for pair in rules.values() for x in pair) < BOUND, rules
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_page("optimisers.md", page, __doc__)
