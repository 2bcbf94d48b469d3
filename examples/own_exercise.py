"""An exercise as a teacher writes one: what is asked for, what is right, which mistakes to expect.

tinygrad-dnn exercise test examples/own_exercise.py      # does it find mistakes?
tinygrad-dnn check class/ --exercise examples/own_exercise.py
"""

import sys

import numpy as np

from tinygrad_dnn.grading import Exercise, array

exercise = Exercise("Leaky relu and the squared error")
Z, A, Y = array("n", "m"), array("n", "m"), array("n", "m")


# The reference is the truth; its docstring goes to the students.
@exercise.function("A = leaky_relu(Z)", inputs={"Z": Z}, hint="np.where takes a condition")
def leaky_relu(Z):
    """Z where it is above 0, else 0.01 Z."""
    return np.where(Z > 0, Z, 0.01 * Z)


# Of a gradient only the forward is needed: the engine derives it.
exercise.gradient(
    "dZ = leaky_relu_backward(dA, Z)",
    of=leaky_relu,
    doc="The gradient with respect to Z, from dA, that with respect to leaky_relu(Z).",
)


# What students get wrong, and what to tell them.
@exercise.mistake(
    "leaky_relu_backward",
    "has the slope 0.01 where 0.01 dA is right: what arrives is multiplied by the slope",
)
def slope_alone(dA, Z):
    return np.where(Z > 0, dA, 0.01)


@exercise.function("cost = mse(A, Y)", inputs={"A": A, "Y": Y}, points=2)
def mse(A, Y):
    """The mean of (A − Y)² over all elements."""
    return np.mean((A - Y) ** 2)


# A cost is a number, so nothing arrives from above.
exercise.gradient("dA = mse_gradient(A, Y)", of=mse, doc="The gradient of mse with respect to A.")


if __name__ == "__main__":
    from tinygrad_dnn.cli.main import main

    sys.exit(main(["exercise", "test", __file__]))
