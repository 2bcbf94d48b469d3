"""Draw the document's 12288-20-7-5-1 network: the picture the README opens with.

python examples/draw_network.py [FILE]     # .svg, .png, .pdf or .dot
"""

import sys
from pathlib import Path

import numpy as np

import viz
from tinygrad_dnn import Tensor
from tinygrad_dnn.network import cost_of, initialize_parameters

HERE = Path(__file__).parent / "pictures" / "document_network.svg"


def main(path: str | Path = HERE) -> Path:
    rng = np.random.default_rng(0)
    X = Tensor(rng.random((12288, 209)), name="X")
    Y = Tensor(rng.integers(0, 2, (1, 209)), name="Y")
    weights = initialize_parameters((12288, 20, 7, 5, 1))
    parameters = {name: Tensor(p, requires_grad=True, name=name) for name, p in weights.items()}
    picture = viz.draw(cost_of(X, Y, parameters), merge=True)
    return viz.save(picture, path)


if __name__ == "__main__":
    print(f"wrote {main(*sys.argv[1:])}")
