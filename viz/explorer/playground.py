"""The page that trains: the stepping page with a sheet to train on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.javascript import NotPrintable
from tinygrad_dnn.former_names import former_arguments
from tinygrad_dnn.graph import Graph, Leaf
from viz.explorer.data_found import data_found
from viz.explorer.lesson import Caption, checked
from viz.explorer.live import LARGEST
from viz.explorer.page import write_page
from viz.explorer.page_file import PageFile
from viz.explorer.training import Picture, html_path, opened, within
from viz.explorer.training_given import training_of
from viz.subject import graph_of, names_of

NUMBERS = 500  # that a page holds beside its inputs; it computes the others


@former_arguments(rate="learning_rate", optimiser="optimizer")
def playground(
    cost: Tensor | Graph,
    parameters: Any = None,
    path: str | os.PathLike[str] = "playground.html",
    *,
    data: tuple[Any, Any] | None = None,
    prediction: Tensor | None = None,
    learning_rate: float = 0.1,
    optimizer: str = "gradient descent",
    picture: Picture | None = None,
    classes: Sequence[str] | None = None,
    starts: Mapping[str, Any] | None = None,
    steps: Sequence[Caption] | None = None,
    names: Mapping[str, Any] | None = None,
    merge: bool = True,
    title: str | None = None,
) -> PageFile:
    """Write a page that trains a recorded cost: `viz.playground(cost, path="xor.html")`.

    It is the page of `explore`, and computes the graph by itself, forward and backward. Beside the
    graph one takes a step or plays, chooses rate and optimiser, sees the cost fall, and compares a
    gradient with finite differences. Where the data are points of a plane, X (2, m) and Y (k, m),
    or in rows X (m, 2) and Y (m, k), or Y (m,), it shows what is predicted everywhere; points are
    moved, flipped, added and taken away there.
    The graph is rewritten as `compile` does, and the page's "Program" says by which rows; on its
    copy as it was recorded one plants classic mistakes in the rules. Of more data than a page
    takes, 5 MB with the parameters, it has the first examples, and says how many.

    Args:
        cost: a Tensor of one number, or the graph of one.
        parameters: a Tensor or a structure of them; by default all that require a gradient.
        path: where to; one .html file that needs nothing beside it and no network.
        data: X and Y, Tensors or arrays that the cost was computed from; by default what is called
            so, or as usual (x and y, inputs and labels), else what alone can be the points of a
            plane and their answers. Labels may stand in an index, as in A[y, arange(m)].
        prediction: what is compared with Y; by default the last value of Y's shape, or with a
            number for each class, that is computed from X and not from Y. Those with a name come
            first, then those that all of the cost hangs on.
        learning_rate: what the page begins with.
        optimizer: "gradient descent", "momentum" (0.9) or "adam", as `tinygrad_dnn.optim` has them.
        picture: height and width of the pictures that the examples of X are, with numbers from 0 to
            1; the page then has a pad to draw one on, and shows the answer as bars. With a third
            number, 3, they have colours, and the page shows examples instead of a pad.
        classes: what the classes are called, in their order; by default 0, 1, ...
        starts: other values to start from, each under a name of yours: a mapping from the
            parameters' names to arrays, or these in order. On the page a second run starts from
            one of them, or as the first one with another rate, on the same data.
        names, steps, merge, title: see `explore`; an array that one of `names` holds is an input.

    Returns:
        The path. As the last value of a notebook's cell it is the page itself.

    Raises:
        TypeError: what is given is no Tensor.
        ValueError: the cost is not one number, depends on no parameter or not on what is given, or
            is made of ops that a page can't compute, which are named; there are not as many names
            as classes; or a step is about what is not there.

    Example: `viz.playground((w * w).sum(), w, "bowl.html", learning_rate=0.5)`.
    """
    path = html_path(path, "playground")
    graph = graph_of(cost, "playground")
    named = names_of(graph, names, "playground")
    if "cost" not in named.values() and not isinstance(graph.outputs[0], Leaf):
        named.setdefault(graph.outputs[0], "cost")
    captions = checked(steps, "playground")
    found = data_found(graph, named, data, prod(picture or (2,)), names)
    found = found.opened(names or {}, LARGEST)
    training = training_of(
        found, parameters, prediction, learning_rate, optimizer, picture, classes, starts
    )
    graph, named = opened(found.graph, found.named, training)
    graph, named = within(graph, named, training, LARGEST)
    try:
        return write_page(
            path, graph, named, merge, title, NUMBERS, True, training, captions, training.again
        )
    except NotPrintable as reason:
        told = str(reason).removeprefix("javascript: ")
        raise ValueError(
            f"playground: {told}; viz.explore shows the graph with the numbers that were recorded"
        ) from None
