"""Fit a damped oscillation to noisy points: NumPy code, its gradient, and a few Newton steps.

The model is ordinary NumPy; `np.exp` and `np.cos` record themselves when the parameters are
Tensors. Gradient descent walks close, the Hessian does the rest.
"""

import numpy as np

from tinygrad_dnn import grad, hessian

t = np.linspace(0, 6, 80)
TRUE = np.array([2.0, 0.35, 3.0])  # amplitude, damping, frequency


def model(p):
    amplitude, damping, frequency = p
    return amplitude * np.exp(-damping * t) * np.cos(frequency * t)


observed = model(TRUE) + 0.05 * np.random.default_rng(0).normal(size=t.size)


def loss(p):
    return np.mean((model(p) - observed) ** 2)


def main():
    p = np.array([1.0, 0.1, 2.7])
    slope, curvature = grad(loss), hessian(loss)
    for _ in range(300):
        p = p - 0.1 * slope(p)
    print(f"gradient descent: {p.round(4)}, slope {np.abs(slope(p)).max():.1e}")
    for _ in range(4):
        p = p - np.linalg.solve(curvature(p), slope(p))
    print(f"Newton:           {p.round(4)}, slope {np.abs(slope(p)).max():.1e}")
    print(f"true:             {TRUE}")
    return p


if __name__ == "__main__":
    main()
