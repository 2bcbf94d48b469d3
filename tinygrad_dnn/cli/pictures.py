"""What a training run leaves for the eyes: the graph of the network, and the cost curve."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import viz
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.tensor import Tensor
from tinygrad_dnn.train import Settings, State


def draw_pictures(out: Path, settings: Settings, data: Any, state: State) -> list[Path]:
    """Draw graph.svg and costs.png; what can't be drawn here is said, and fails nothing."""
    written = []
    leaves = {
        name: Tensor(p, requires_grad=True, name=name) for name, p in state.parameters.items()
    }
    X, Y = Tensor(data.X, name="X"), Tensor(data.Y, name="Y")
    with np.errstate(all="ignore"):  # a run that diverged is drawn as well
        graph = viz.draw(cost_of(X, Y, leaves, settings.cost))
    try:
        written.append(viz.save(graph, out / "graph.svg"))
    except OSError as error:
        print(f"graph.svg is left out: {error}", file=sys.stderr)
    if not state.costs:
        return written
    try:
        from viz import curves
    except ImportError as error:
        print(f"costs.png is left out: {error}", file=sys.stderr)
        return written
    label = f"learning rate {settings.learning_rate:g}"
    written.append(curves.costs({label: state.costs}, out / "costs.png"))
    return written
