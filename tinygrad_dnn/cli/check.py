"""`tinygrad-dnn check`: hand-written, engine's and measured gradients side by side."""

from __future__ import annotations

import argparse

import numpy as np

from tinygrad_dnn import checkpoint
from tinygrad_dnn.check.network import compare_network
from tinygrad_dnn.cli.status import DONE, NO
from tinygrad_dnn.network import check_layers, initialize_parameters

DOCUMENT_LAYERS = (12288, 20, 7, 5, 1)
# Above what rounding does to networks of up to 8 layers (see the tests), far below a wrong formula.
APART, APART_MEASURED = 1000, 1e-11


def run(args: argparse.Namespace) -> int:
    """Print the table; the exit status."""
    rng = np.random.default_rng(args.seed)
    if args.model is not None:
        model = checkpoint.load(args.model)
        if args.layers is not None:
            model.require_layers(args.layers)
        layers = model.layer_dims
        parameters = {name: p.astype(np.float64) for name, p in model.parameters.items()}
        print(f"{args.model}, layers {'-'.join(map(str, layers))}", end=", ")
    else:
        layers = check_layers(args.layers or DOCUMENT_LAYERS)
        parameters = initialize_parameters(layers, seed=args.seed)
        print(f"layers {'-'.join(map(str, layers))}, weights of seed {args.seed}", end=", ")
    X = rng.random((layers[0], args.examples))
    Y = rng.integers(0, 2, (1, args.examples))
    print(f"{args.examples} random examples\n")
    head = ("", "shape", "largest at", "hand-written", "engine", "measured", "apart", "measured")
    print("{:6}{:>14}{:>14}{:>16}{:>16}{:>16}{:>9}{:>10}".format(*head))
    print(f"{'':82}{'in eps':>9}{'relative':>10}")
    wrong = []
    for row in compare_network(X, Y, parameters, args.seed):
        bad = not (row.apart <= APART and row.apart_measured <= APART_MEASURED)
        wrong += [row.name] if bad else []
        print(
            f"{row.name:6}{row.shape!s:>14}{list(row.element)!s:>14}{row.written:16.8e}"
            f"{row.engine:16.8e}{row.measured:16.8e}{row.apart:9.1f}{row.apart_measured:10.1e}"
            + ("   <-- they disagree" if bad else "")
        )
    print()
    if wrong:
        print(f"{', '.join(wrong)}: the columns disagree")
        return NO
    print(
        f"All agree: hand-written and engine within {APART} eps of the largest element, engine and "
        f"measurement within {APART_MEASURED:g}.\ndA and dZ are true derivatives here; the "
        "document's carry no 1/m and are m times as large."
    )
    return DONE
