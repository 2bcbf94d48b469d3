"""All of scikit-learn's checks on the estimators: minutes of one core.

    python tests/reliability/estimators.py

It ends with 1 where a check fails. Skipped is what needs SCIPY_ARRAY_API to be set.
"""

import sys
import time
import warnings

from sklearn.utils.estimator_checks import check_estimator

from tinygrad_dnn.sklearn import DenseClassifier, DenseRegressor

SETTINGS = {
    "hidden_layer_sizes": (20,),
    "max_iter": 60,
    "learning_rate_init": 0.01,
}  # less to compute


def main() -> int:
    failed = 0
    for kind in (DenseClassifier, DenseRegressor):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = check_estimator(kind(**SETTINGS), on_fail=None, on_skip=None)
        by_status = {s: [x for x in found if x["status"] == s] for s in ("passed", "skipped")}
        wrong = [x for x in found if x["status"] not in by_status]
        took = time.perf_counter() - began
        print(
            f"{kind.__name__}: {len(by_status['passed'])} checks passed, {len(wrong)} failed, "
            f"{len(by_status['skipped'])} skipped, {took:.0f} s"
        )
        for x in wrong:
            print(f"  {x['check_name']}: {x['exception']!r}")
        failed += len(wrong)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
