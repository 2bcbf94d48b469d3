"""Pictures of a training, drawn with matplotlib (the extra `plot`).

Costs and accuracies against iterations, costs against rates, a confusion matrix, first-layer
weights and mistakes as images, activations and gradients layer by layer, settings by what their
runs reached.
"""

try:
    from viz.curves.histograms import histograms
    from viz.curves.images import mislabelled, weights
    from viz.curves.lines import accuracies, costs, rates
    from viz.curves.matrix import confusion
    from viz.curves.ranking import ranking
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "matplotlib":
        raise
    raise ImportError(
        "viz.curves: matplotlib is missing; pip install 'tinygrad-dnn[plot]'"
    ) from error

__all__ = [
    "accuracies",
    "confusion",
    "costs",
    "histograms",
    "mislabelled",
    "ranking",
    "rates",
    "weights",
]
