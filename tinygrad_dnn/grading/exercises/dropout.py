"""Inverted dropout, with the mask given: forward and backward."""

from tinygrad_dnn.grading import Exercise, array, choice, mask

exercise = Exercise("Inverted dropout")
A, D, keep_prob = array("n", "m"), mask("n", "m"), choice(0.8, 0.5, 0.9)


@exercise.function(
    "A_drop = dropout_forward(A, D, keep_prob)",
    inputs={"A": A, "D": D, "keep_prob": keep_prob},
    hint="what is kept is divided by keep_prob, so that its mean stays",
)
def dropout_forward(A, D, keep_prob):
    """Units where the mask D (n, m) is 0 are dropped; the others are scaled to keep the mean."""
    return A * D / keep_prob


@exercise.gradient(
    "dA = dropout_backward(dA_drop, D, keep_prob)",
    inputs={"A": A, "D": D, "keep_prob": keep_prob},
    cotangent="dA_drop",
    doc="The gradient with respect to A, from that with respect to what dropout_forward gave.",
)
def forward(A, D, keep_prob):
    return A * D / keep_prob
