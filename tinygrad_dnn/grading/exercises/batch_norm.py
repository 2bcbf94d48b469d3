"""Batch normalisation of pre-activations Z (n, m), each unit over its examples."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array

exercise = Exercise("Batch normalisation", convention="plain")
Z, gamma, beta = array("n", "m"), array("n", 1), array("n", 1)
EPS = 1e-5


@exercise.function(
    "Z_norm, cache = batch_norm_forward(Z, gamma, beta)",
    inputs={"Z": Z, "gamma": gamma, "beta": beta},
    hint="mean and variance are over the examples, axis 1; 1e-5 is added to the variance",
)
def batch_norm_forward(Z, gamma, beta):
    """gamma (Z − μ) / √(σ² + 1e-5) + beta: μ and σ², the variance, of each row."""
    mean = np.mean(Z, axis=1, keepdims=True)
    variance = np.mean((Z - mean) ** 2, axis=1, keepdims=True)
    return gamma * (Z - mean) / np.sqrt(variance + EPS) + beta, (Z, gamma, beta)


exercise.gradient(
    "dZ, dgamma, dbeta = batch_norm_backward(dZ_norm, cache)",
    of=batch_norm_forward,
    cotangent="dZ_norm",
    before=["Z_norm, cache = batch_norm_forward(Z, gamma, beta)", "cache = (Z, gamma, beta)"],
    doc="The gradients with respect to Z, gamma and beta, true derivatives: no 1/m is added.",
    points=3,
    parts={"dZ": 1, "dgamma": 1, "dbeta": 1},
)
