"""`tinygrad-dnn derive`: the backward pass of a model, or of an expression, as formulas."""

from __future__ import annotations

import argparse

import viz
from tinygrad_dnn.autodiff.reverse import StaleValueError
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.cli.subject import subject
from tinygrad_dnn.escapes import printable
from viz.derivation.derivation import DOCUMENT, ENDINGS, PLAIN


def run(args: argparse.Namespace) -> int:
    """Derive, and print or write it; the exit status."""
    out = None if args.out is None else check_output(args.out, ENDINGS)
    what = subject(args, examples=None)
    if len(what.graph.outputs) > 1:
        raise ValueError(f"{args.what} gave {len(what.graph.outputs)} Tensors; derive takes one")
    try:
        derived = viz.derive(
            what.graph,
            args.wrt,
            what.names,
            convention=PLAIN if args.plain else DOCUMENT,
            simplify=not args.raw,
            steps=args.steps,
            title=args.title,
        )
    except StaleValueError as error:
        raise ValueError(f"{args.what}: {error}") from None
    if out is None:
        print(derived)
    else:
        derived.save(out)
        print(f"{what.description}\nwrote {printable(str(out))}")
    return DONE
