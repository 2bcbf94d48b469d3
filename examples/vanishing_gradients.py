"""Vanishing gradients at a glance: the document's initialisation 0.01 beside 1/√n.

python examples/vanishing_gradients.py           # 8x8 digits
python examples/vanishing_gradients.py cats/     # a folder with the cat/non-cat training file

Both show the first iteration of the same 4-layer network. The mark below a histogram is its median.
"""

import sys
from pathlib import Path

import numpy as np

from tinygrad_dnn import Tensor
from tinygrad_dnn.autodiff.retrace import values_and_gradients
from tinygrad_dnn.data import default_dataset, open_dataset
from tinygrad_dnn.network import cost_of, initialize_parameters
from viz import curves

INITS = {"sqrt": "1/√n", "0.01": "0.01"}


def read():
    if len(sys.argv) > 1:
        return open_dataset(Path(sys.argv[1]) / "train_catvnoncat.h5")
    return default_dataset("train")


def layers(X, Y, init):
    """Activations A1 ... A4 and gradients dZ1 ... dZ4 of the first iteration."""
    start = initialize_parameters((X.shape[0], 20, 7, 5, 1), init)
    parameters = {name: Tensor(p, requires_grad=True, name=name) for name, p in start.items()}
    values, grads = values_and_gradients(cost_of(X, Y, parameters))
    activations = {f"A{l}": values[f"A{l}"] for l in range(1, 5)}
    return activations, {f"dZ{l}": grads[f"Z{l}"] for l in range(1, 5)}


def main(path="vanishing_gradients.png", dark=None):
    with read() as data:
        X, Y = data.columns(), data.labels()
    rows = {}
    for init, words in INITS.items():
        activations, gradients = layers(X, Y, init)
        rows[f"{words}: activations"] = activations
        rows[f"{words}: gradients"] = gradients
        norms = "  ".join(f"{name} {np.linalg.norm(g):.1e}" for name, g in gradients.items())
        print(f"init {words:5} norms: {norms}")
    print(f"wrote {curves.histograms(rows, path, title='The first iteration', dark=dark)}")
    return rows


if __name__ == "__main__":
    main(*sys.argv[2:])
