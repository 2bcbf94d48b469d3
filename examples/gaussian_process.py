"""A Gaussian process fitted: its marginal likelihood in NumPy, the gradient and Hessian from it.

    python examples/gaussian_process.py [PICTURE.svg]

`scipy.optimize.minimize` is given all three where SciPy is installed; else a few damped Newton
steps do. The likelihood is −log p(y) = ½ yᵀK⁻¹y + ½ log det K + n/2 log 2π with K = L Lᵀ
(Rasmussen and Williams 2006, algorithm 2.1); its parameters are logarithms, so that every number
is a right one.
"""

import sys

import numpy as np

import tinygrad_dnn as td
import viz

try:
    from scipy.optimize import minimize
except ImportError:
    minimize = None

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 6, 40))
y = np.sin(2 * x) + 0.1 * rng.normal(size=x.size)
APART = (x[:, None] - x) ** 2
START = np.log([1.0, 1.0, 0.5])  # the length over which it changes, its height, the noise


def kernel(squares, p):
    length, height = np.exp(p[0]), np.exp(p[1])
    return height**2 * np.exp(-(squares / (2 * length**2)))


def cost(p):
    """−log p(y) for the logarithms p of length, height and noise."""
    K = kernel(APART, p) + np.exp(2 * p[2]) * np.eye(x.size)
    L = np.linalg.cholesky(K)
    a = td.solve_triangular(L, y, lower=True)
    return 0.5 * (a @ a) + np.log(np.diag(L)).sum() + x.size / 2 * np.log(2 * np.pi)


def value(p):
    return td.Tensor(cost(td.Tensor(p))).item()


slope, curvature = td.grad(cost), td.hessian(cost)


def fit(p):
    """The parameters at which the slope is 0, and how many steps that took."""
    if minimize is not None:
        found = minimize(value, p, jac=slope, hess=curvature, method="trust-exact")
        return found.x, found.nit
    steps = 0
    while np.abs(g := slope(p)).max() > 1e-6:
        H, steps = curvature(p), steps + 1
        w, V = np.linalg.eigh(H)
        down = -V @ ((V.T @ g) / np.maximum(np.abs(w), 1e-3))  # downhill where H is not definite
        size = min(1.0, 1.0 / np.abs(down).max())
        while value(p + size * down) > value(p) and size > 1e-6:
            size /= 2
        p = p + size * down
    return p, steps


def predict(p, at):
    """Mean and standard deviation of the process at other places."""
    K = kernel(APART, p) + np.exp(2 * p[2]) * np.eye(x.size)
    L = np.linalg.cholesky(K)
    across = kernel((x[:, None] - at) ** 2, p)
    a, b = (td.solve_triangular(L, v, lower=True) for v in (y, across))
    return b.T @ a, np.sqrt(np.exp(2 * p[1]) - (b * b).sum(axis=0))


def main(path="gaussian_process.svg"):
    p, steps = fit(START)
    print(f"−log p(y): {value(START):.2f} at the start, {value(p):.2f} after {steps} steps")
    print("length, height, noise:", np.exp(p).round(3))
    curvatures = np.linalg.eigvalsh(curvature(p))
    print(f"slope {np.abs(slope(p)).max():.0e}, curvatures {curvatures.round(1)}")
    at = np.array([1.0, 2.5, 4.0])
    for place, mean, deviation in zip(at, *predict(p, at), strict=True):
        print(f"at {place}: {mean:.3f} ± {deviation:.3f}, the curve {np.sin(2 * place):.3f}")
    drawn = td.Tensor(START, requires_grad=True, name="p")
    print(f"wrote {viz.save(viz.draw(cost(drawn), names=globals()), path)}")
    return p


if __name__ == "__main__":
    main(*sys.argv[1:])
