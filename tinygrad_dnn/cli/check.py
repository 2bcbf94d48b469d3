"""`tinygrad-dnn check`: hand-written, engine's and measured gradients side by side.

Python files are graded instead; see `cli.grade`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinygrad_dnn.cli import grade
from tinygrad_dnn.cli.grade import is_homework
from tinygrad_dnn.cli.status import DONE, NO
from tinygrad_dnn.grading.three_ways import BOUND, EPS, Row, compare_network
from tinygrad_dnn.network import check_layers, initialize_parameters
from tinygrad_dnn.train import load_model

DOCUMENT_LAYERS = (12288, 20, 7, 5, 1)
HOMEWORK = (
    "json", "html", "csv", "pages", "gradescope", "gradescope_setup", "points", "partial",
    "student_id", "jobs", "exercise",
)  # fmt: skip
HEADS = (
    ("", ""),
    ("", "shape"),
    ("", "largest at"),
    ("", "hand-written"),
    ("", "engine"),
    ("", "measured"),
    ("apart:", "written–engine"),
    ("apart:", "engine–measured"),
)


def run(args: argparse.Namespace) -> int:
    """Print the table, or grade hand-written code; the exit status."""
    if any(map(is_homework, args.what)):
        return grade.run(args)
    if args.gradescope_setup and not args.what:
        return grade.setup(args)
    for what in args.what:
        if not Path(what).suffix and not Path(what).exists():
            raise FileNotFoundError(f"{what}: no such folder or file")
    for option in HOMEWORK:
        if getattr(args, option):
            raise ValueError(
                f"--{option.replace('_', '-')}: for hand-written code (.py, .ipynb or a folder)"
            )
    if len(args.what) > 1:
        raise ValueError(f"expected one model file, got {' '.join(args.what)}")
    args.model = args.what[0] if args.what else None
    rng = np.random.default_rng(args.seed)
    if args.model is not None:
        trained = load_model(args.model)
        model, settings = trained.checkpoint, trained.settings
        if (settings.head, settings.activation) != ("sigmoid", "relu"):
            raise ValueError(
                f"{args.model}: its {settings.activation} layers with a {settings.head} head are "
                "none of the document's network, whose formulas are compared here; "
                "assert_gradients checks any expression"
            )
        if args.layers is not None:
            model.require_layers(args.layers)
        layers = check_layers(model.layer_dims)
        parameters = {name: p.astype(np.float64) for name, p in model.parameters.items()}
        what = f"{args.model}, layers {'-'.join(map(str, layers))}"
    else:
        layers = check_layers(args.layers or DOCUMENT_LAYERS)
        parameters = initialize_parameters(layers, seed=args.seed)
        what = f"layers {'-'.join(map(str, layers))}, weights of seed {args.seed}"
    X = rng.random((layers[0], args.examples))
    Y = rng.integers(0, 2, (1, args.examples))
    rows = compare_network(X, Y, parameters, args.seed)
    print(f"{what}, {args.examples} random examples\n")
    print("\n".join(_table(rows)))
    print(
        f"\nThe last two columns are in units of the machine precision, {EPS:.1e}, times the size "
        "of the gradient's\nterms. dA and dZ are true derivatives; the document's carry no 1/m and "
        "are m times as large."
    )
    if wrong := [row.name for row in rows if not row.agrees]:
        print(f"{', '.join(wrong)}: they disagree by more than {BOUND}")
        return NO
    print(f"All agree within {BOUND}.")
    return DONE


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [[h[0] for h in HEADS], [h[1] for h in HEADS]]
    for row in rows:
        values = (f"{v:.8e}" for v in (row.written, row.engine, row.measured))
        distances = (f"{d:.2g}" for d in (row.apart, row.apart_measured))
        lines.append([row.name, str(row.shape), str(list(row.element)), *values, *distances])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    ]
    return [
        line + ("" if row is None or row.agrees else "  <-- they disagree")
        for line, row in zip(table, [None, None, *rows], strict=True)
    ]
