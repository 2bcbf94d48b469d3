"""The dense network as estimators of scikit-learn: examples in rows, `fit`, `predict`, `score`.

`pip install "tinygrad-dnn[sklearn]"`. Within, all is the document's: columns, Wl, bl, and the step
that is compiled is the expression that `cost_graph` draws.
"""

try:
    import sklearn as _  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        "the estimators: scikit-learn is missing; pip install 'tinygrad-dnn[sklearn]'"
    ) from error

from tinygrad_dnn.sklearn.estimators import DenseClassifier, DenseRegressor

__all__ = ["DenseClassifier", "DenseRegressor"]
