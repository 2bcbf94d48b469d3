"""The constants of a differential equation, fitted to noisy points with exact derivatives.

    python examples/fit_ode.py

Needs the extra `scipy`. Its solver computes on plain arrays, so no gradient passes through it.
What it can solve beside u' = f(u, p) is how the solution moves with the constants: S = ∂u/∂p obeys
S' = ∂f/∂u S + ∂f/∂p (forward sensitivities), and both Jacobians come from f as it is written. Then
the least squares have their Jacobian, whatever steps the solver chooses.
"""

from importlib.util import find_spec

import numpy as np

from tinygrad_dnn import compile, jacobian

TRUE = np.array([1.0, 0.8, 0.7, 1.1])
START = np.array([1.0, 0.5])  # hares and lynxes at time 0
TIMES = np.linspace(0, 10, 40)


def f(u, p):
    """Hares multiply and are eaten, lynxes eat and starve (Lotka 1925, Volterra 1926)."""
    hares, lynxes = u
    return np.stack([p[0] * hares - p[1] * hares * lynxes, p[2] * hares * lynxes - p[3] * lynxes])


slopes = compile(jacobian(f, argnums=(0, 1)))  # ∂f/∂u (2, 2) and ∂f/∂p (2, 4), one program


def solve(p):
    """u (2, n) at TIMES and S = ∂u/∂p (2, 4, n)."""
    from scipy.integrate import solve_ivp

    def both(t, state):
        u, S = state[:2], state[2:].reshape(2, 4)
        by_u, by_p = slopes(u, p)
        return np.concatenate([f(u, p), (by_u @ S + by_p).ravel()])

    begin = np.concatenate([START, np.zeros(8)])
    y = solve_ivp(both, (0, 10), begin, t_eval=TIMES, rtol=1e-6, atol=1e-6).y
    return y[:2], y[2:].reshape(2, 4, -1)


def main() -> np.ndarray:
    """The fitted constants."""
    if find_spec("scipy") is None:
        print("left out: SciPy is missing; pip install 'tinygrad-dnn[scipy]'")
        return TRUE
    from scipy.optimize import least_squares

    points = solve(TRUE)[0] + 0.02 * np.random.default_rng(0).normal(size=(2, 40))
    fitted = least_squares(
        lambda p: (solve(p)[0] - points).ravel(),
        [0.7, 0.7, 0.7, 0.7],
        jac=lambda p: np.moveaxis(solve(p)[1], 1, 2).reshape(-1, 4),
    )
    spread = np.sqrt(np.diag(np.linalg.inv(fitted.jac.T @ fitted.jac))) * 0.02
    print(f"fitted after {fitted.nfev} solutions: {fitted.x.round(3)} ± {spread.round(3)}")
    print(f"true:                        {TRUE}")
    return fitted.x


if __name__ == "__main__":
    main()
