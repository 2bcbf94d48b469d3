"""SciPy's minimisers and solvers, given exact derivatives (needs the extra `scipy`).

The document's network by L-BFGS, a test function by Newton-CG with Hessian-vector products, a curve
by least squares with the Jacobian, a stiff equation by an implicit solver with the Jacobian.
"""

from importlib.util import find_spec

import numpy as np

from tinygrad_dnn import compile, grad, hvp, jacobian, metrics, ravel_tree, value_and_grad
from tinygrad_dnn.data import default_dataset
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.train import predict, predicted_labels


def network(iterations: int = 100) -> tuple[float, float, int]:
    """64-20-7-5-1 on the digits by L-BFGS: the cost, the accuracy and how many iterations."""
    from scipy.optimize import minimize

    with default_dataset("train") as data:
        X, Y = data.columns(), data.labels()
    start, unravel = ravel_tree(initialize_parameters((64, 20, 7, 5, 1)))
    step = compile(value_and_grad(lambda p: cost_of(X, Y, p, "stable")))

    def f(w):
        cost, gradients = step(unravel(w))
        return float(cost), ravel_tree(gradients)[0]

    found = minimize(f, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
    predicted = predicted_labels(predict(X, unravel(found.x)))
    return found.fun, metrics.accuracy(Y, predicted), found.nit


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def newton(n: int = 20) -> np.ndarray:
    """The minimum of Rosenbrock's function, all ones, without a Hessian being formed."""
    from scipy.optimize import minimize

    def along(x, p):
        return hvp(rosenbrock, (x,), (p,))[0]

    f, options = value_and_grad(rosenbrock), {"xtol": 1e-10}
    start = np.zeros(n)
    return minimize(f, start, jac=True, hessp=along, method="Newton-CG", options=options).x


def decay(p, t):
    """A sum of two exponentials."""
    return p[0] * np.exp(-p[1] * t) + p[2] * np.exp(-p[3] * t)


def curve() -> np.ndarray:
    """The four numbers of a sum of exponentials, from 40 of its values."""
    from scipy.optimize import least_squares

    t = np.linspace(0, 4, 40)
    y = decay(np.array([2.0, 0.5, 1.0, 4.0]), t)

    def residuals(p):
        return decay(p, t) - y

    return least_squares(residuals, [1.0, 1.0, 1.0, 2.0], jac=jacobian(residuals), xtol=1e-14).x


def oscillator(mu: float = 1000.0) -> tuple[np.ndarray, int]:
    """Van der Pol's equation, stiff: the last state, and how often the solver asked for y'."""
    from scipy.integrate import solve_ivp

    def right(t, y):
        return np.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])

    slope = jacobian(right, argnums=1)
    solved = solve_ivp(right, (0, 1500), [2.0, 0.0], method="Radau", jac=lambda t, y: slope(t, y))
    return solved.y[:, -1], solved.nfev


def main() -> None:
    if find_spec("scipy") is None:
        print("left out: SciPy is missing; pip install 'tinygrad-dnn[scipy]'")
        return
    cost, share, iterations = network()
    print(f"the digits by L-BFGS: cost {cost:.2e}, accuracy {share:.4f} in {iterations} iterations")
    x = newton()
    print(f"Rosenbrock by Newton-CG: {x[:3]} ..., slope {np.abs(grad(rosenbrock)(x)).max():.1e}")
    print(f"two exponentials by least squares: {curve()}")
    state, calls = oscillator()
    print(f"Van der Pol by Radau: y(1500) = {state}, {calls} evaluations")


if __name__ == "__main__":
    main()
