"""Our classifier beside scikit-learn's MLPClassifier on the digits: accuracy and time.

    python tests/benchmarks/estimators.py            # a minute; writes estimators.md beside it
    python tests/benchmarks/estimators.py --print    # prints, writes nothing

The same layers, optimiser, rate, penalty, batches and epochs; neither stops early. One thread for
both, in turns, in seconds of the processor. The first fit of ours writes its programs.
"""

import datetime
import statistics
import time
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
from measure import machine, write_page
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from tinygrad_dnn.sklearn import DenseClassifier

SEEDS = 4
BOUND = 0.8
SETTINGS: dict[str, dict[str, Any]] = {
    "64 hidden units, batches of 64, 30 epochs": {
        "hidden_layer_sizes": (64,), "batch_size": 64, "max_iter": 30,
    },
    "100 hidden units, batches of 200, 100 epochs": {
        "hidden_layer_sizes": (100,), "batch_size": 200, "max_iter": 100,
    },
    "128 and 64 hidden units, batches of 32, 30 epochs": {
        "hidden_layer_sizes": (128, 64), "batch_size": 32, "max_iter": 30,
    },
}  # fmt: skip
WHOLE = {"tol": 0.0, "n_iter_no_change": 10_000}  # no early end


def fitted(kind: Any, seed: int, settings: dict[str, Any], data: Any) -> tuple[float, float]:
    """Seconds of the processor, and the accuracy on the test examples."""
    X, X_test, y, y_test = data
    net = kind(random_state=seed, **settings, **WHOLE)
    began = time.process_time()
    net.fit(X, y)
    took = time.process_time() - began
    return took, net.score(X_test, y_test)


def row(name: str, settings: dict[str, Any]) -> tuple[str, float, float]:
    """A line of the table, the ratio of times, and by how much ours is more accurate."""
    X, y = load_digits(return_X_y=True)
    parts = [
        train_test_split(X / 16, y, test_size=0.3, random_state=seed, stratify=y)
        for seed in range(SEEDS)
    ]
    first, _ = fitted(DenseClassifier, 0, settings, parts[0])
    pairs = []
    for seed, data in enumerate(parts):
        kinds = (DenseClassifier, MLPClassifier)[:: 1 - 2 * (seed % 2)]
        by_kind = {kind: fitted(kind, seed, settings, data) for kind in kinds}
        pairs.append((*by_kind[DenseClassifier], *by_kind[MLPClassifier]))
    ours, right, theirs, their_right = (np.array(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(ours / theirs)
    line = (
        f"| {name} | {right.mean():.2%} | {their_right.mean():.2%} | {np.median(ours):.2f} | "
        f"{np.median(theirs):.2f} | {ratio:.2f} | {first:.2f} |"
    )
    return line, ratio, right.mean() - their_right.mean()


def page() -> str:
    """The table as Markdown."""
    lines = [
        "# The estimator beside scikit-learn's",
        "",
        f"Written by `python tests/benchmarks/estimators.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}.",
        f"- numpy {version('numpy')}, scikit-learn {version('scikit-learn')}; one thread.",
        "",
        "Digits of scikit-learn (8 × 8), 70% for training; Adam, rate 0.001, α = 0.0001. The mean",
        f"accuracy of {SEEDS} seeds and divisions, and the median of the seconds of a fit; at most",
        f"{BOUND} of MLPClassifier's time is demanded. A first fit writes its programs as well.",
        "",
        "| | accuracy | MLPClassifier | seconds | MLPClassifier | ratio | first fit |",
        "|---|---|---|---|---|---|---|",
    ]
    with warnings.catch_warnings(), threadpool_limits(1, "blas"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        rows = [row(name, settings) for name, settings in SETTINGS.items()]
    lines += [line for line, *_ in rows]
    assert max(ratio for _, ratio, _ in rows) < BOUND, rows
    assert sum(gain for *_, gain in rows) / len(rows) > -0.002, rows
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_page("estimators.md", page, __doc__)
