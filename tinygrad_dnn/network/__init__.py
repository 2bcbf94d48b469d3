"""The dense network, written as an expression: [LINEAR -> g] x (L-1) -> LINEAR -> head -> cost.

Shapes: X (n_x, m) holds examples in columns, Wl (n_l, n_{l-1}), bl (n_l, 1), Zl and Al (n_l, m),
Y (1, m) of labels, or (n_L, m). By default it is the document's network: relu, then a sigmoid.

Everything is a function of arrays and dicts of arrays; what is random (dropout) or belongs to the
examples (weights) is an argument, so that the whole compiles.
"""

from tinygrad_dnn.network.activations import ACTIVATIONS, gelu, swish
from tinygrad_dnn.network.costs import (
    absolute_cost,
    cross_entropy,
    huber_cost,
    l2_penalty,
    logistic_cost,
    softmax_cost,
    squared_cost,
)
from tinygrad_dnn.network.dropout import dropout_masks
from tinygrad_dnn.network.heads import HEADS
from tinygrad_dnn.network.initialisers import INITIALISERS, check_layers, initialize_parameters
from tinygrad_dnn.network.labels import (
    class_weights,
    example_weights,
    one_hot,
    predicted_labels,
)
from tinygrad_dnn.network.model import BINARY_COSTS, COSTS, cost_of, forward

__all__ = [
    "ACTIVATIONS",
    "BINARY_COSTS",
    "COSTS",
    "HEADS",
    "INITIALISERS",
    "absolute_cost",
    "check_layers",
    "class_weights",
    "cost_of",
    "cross_entropy",
    "dropout_masks",
    "example_weights",
    "forward",
    "gelu",
    "huber_cost",
    "initialize_parameters",
    "l2_penalty",
    "logistic_cost",
    "one_hot",
    "predicted_labels",
    "softmax_cost",
    "squared_cost",
    "swish",
]
