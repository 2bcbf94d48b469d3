"""`tinygrad-dnn draw`: the graph of a model, or of what a function returns, as a picture."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress

import numpy as np

import viz
from tinygrad_dnn.autodiff.reverse import FreedGraphError, StaleValueError
from tinygrad_dnn.autodiff.tensor import handle
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.cli.subject import subject
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.graph import Graph
from viz.drawing.draw import FULL
from viz.drawing.render import FORMATS


def run(args: argparse.Namespace) -> int:
    """Draw; the exit status."""
    out = check_output(args.out, (*FORMATS, "dot"))
    what = subject(args, examples=None)
    if not args.backward:
        _differentiate(what.graph)
    try:
        picture = viz.draw(
            what.graph,
            what.names,
            values=args.values,
            backward=FULL if args.backward == FULL else bool(args.backward),
            merge=what.is_model if args.merge is None else args.merge,
            scopes=args.scopes,
            fold=False if args.all else args.fold,
            depth=args.depth,
        )
    except StaleValueError as error:
        raise ValueError(f"{args.what}: {error}") from None
    viz.save(picture, out)
    print(f"{what.description}\nwrote {printable(str(out))}")
    return DONE


def _differentiate(graph: Graph) -> None:
    """Leave gradients of a cost in its graph, so that what gets none is found."""
    cost = graph.outputs[0]
    one = len(graph.outputs) == 1 and cost.requires_grad and math.prod(cost.shape) == 1
    if one and all(node.grad is None for node in graph):
        # Freed or edited since: then it is drawn without.
        with suppress(FreedGraphError, StaleValueError), np.errstate(all="ignore"):
            handle(cost).backward(keep=True)
