"""A cell of a recurrent network: one step forward and backward."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array

exercise = Exercise("A recurrent cell")
INPUTS = {
    "xt": array("k", "m"), "a_prev": array("n", "m"), "Wax": array("n", "k"),
    "Waa": array("n", "n"), "ba": array("n", 1),
}  # fmt: skip
# With larger numbers tanh is 1 to rounding, and 1 − a² has no digits left.
KINDS = ("one", "square", "zeros", "small", "float32")


@exercise.function("a_next = rnn_cell_forward(xt, a_prev, Wax, Waa, ba)", inputs=INPUTS)
def rnn_cell_forward(xt, a_prev, Wax, Waa, ba):
    """tanh(Wax xt + Waa a_prev + ba), of an input xt (k, m) and a state a_prev (n, m)."""
    return np.tanh(Wax @ xt + Waa @ a_prev + ba)


exercise.gradient(
    "dxt, da_prev, dWax, dWaa, dba = rnn_cell_backward(da_next, xt, a_prev, Wax, Waa, ba)",
    of=rnn_cell_forward,
    kinds=KINDS,
    doc="The gradients with respect to all five arguments of rnn_cell_forward, true derivatives.",
    points=5,
    parts={"dxt": 1, "da_prev": 1, "dWax": 1, "dWaa": 1, "dba": 1},
)
