"""The network as an estimator of scikit-learn, and its graph (needs the extra `sklearn`).

python examples/scikit_learn.py
"""

import warnings

from tinygrad_dnn.data import default_dataset


def digits(part):
    """Examples in rows, as scikit-learn has them, and their labels as texts."""
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    with default_dataset(part, labels="digit") as data:
        return data.columns().T, [names[y] for y in data.labels(binary=False)[0]]


def main():
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from tinygrad_dnn.sklearn import DenseClassifier
    except ImportError as error:
        print(f"left out: {error}; pip install 'tinygrad-dnn[sklearn]'")
        return None
    import viz

    (X, y), (X_test, y_test) = digits("train"), digits("test")

    # An estimator like any other: in a pipeline, its settings searched by cross-validation.
    net = DenseClassifier((64,), batch_size=64, learning_rate_init=0.01, random_state=0, max_iter=8)
    pipe = make_pipeline(StandardScaler(), net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 8 epochs are enough to compare
        search = GridSearchCV(pipe, {"denseclassifier__alpha": [1e-4, 1.0]}, cv=2).fit(X, y)
    score = search.score(X_test, y_test)
    print(f"{search.best_params_}: {score:.1%} of the test digits are read correctly")
    print(f"the first is a {search.predict(X_test[:1])[0]}")

    # Its cost is an expression: drawn, derived, compiled like any other.
    scaled, best = search.best_estimator_[0].transform(X[:20]), search.best_estimator_[1]
    cost = best.cost_graph(scaled, y[:20])
    picture = viz.draw(cost, merge=True)
    print(f"viz.draw(cost): {picture.source.count('->')} arrows")
    print("\n".join(line for line in str(viz.derive(cost)).splitlines() if "dW2" in line))
    source = best.step_source(scaled, y[:20])
    print(next(line.strip() for line in source.splitlines() if "matmul(W1" in line))
    return score


if __name__ == "__main__":
    main()
