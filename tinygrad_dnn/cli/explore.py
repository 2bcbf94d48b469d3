"""`tinygrad-dnn explore`: a page to step through the graph of a model, or of an expression."""

from __future__ import annotations

import argparse
from pathlib import Path

import viz
from tinygrad_dnn.autodiff.reverse import StaleValueError
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.cli.subject import subject
from tinygrad_dnn.escapes import printable

FEW = 5  # examples whose numbers can be followed by eye


def run(args: argparse.Namespace) -> int:
    """Write the page; the exit status."""
    out = check_output(args.out, ("html",))
    what = subject(args, examples=FEW)
    merge = what.is_model if args.merge is None else args.merge
    title = args.title or Path(args.what).name
    try:
        viz.explore(what.graph, out, what.names, merge=merge, title=title)
    except StaleValueError as error:
        raise ValueError(f"{args.what}: {error}") from None
    print(f"{what.description}\nwrote {printable(str(out))}")
    return DONE
