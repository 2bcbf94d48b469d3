"""`tinygrad-dnn explore`: a page to step through the graph of a model, or of an expression; with
`--live` one that trains it as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import viz
from tinygrad_dnn.autodiff.reverse import StaleValueError
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.cli.subject import Subject, subject
from tinygrad_dnn.escapes import printable
from viz.explorer.live import LARGEST

FEW = 5  # examples whose numbers can be followed by eye
MANY = 200  # that a page trains on


def run(args: argparse.Namespace) -> int:
    """Write the page; the exit status."""
    out = check_output(args.out, ("html",))
    what = _trained(args) if args.live else subject(args, examples=FEW)
    merge = what.is_model if args.merge is None else args.merge
    title = args.title or Path(args.what).name
    try:
        if args.live:
            viz.playground(
                what.graph,
                path=out,
                names=what.names,
                merge=merge,
                title=title,
                **what.training,
            )
        else:
            viz.explore(what.graph, out, what.names, merge=merge, title=title)
    except StaleValueError as error:
        raise ValueError(f"{args.what}: {error}") from None
    print(f"{what.description}\nwrote {printable(str(out))}")
    return DONE


def _trained(args: argparse.Namespace) -> Subject:
    """What a page trains: of a model as many examples as such a page takes."""
    what = subject(args, examples=MANY)
    if not what.is_model or args.examples:
        return what
    leaves = {leaf.name: leaf.value for leaf in what.graph.leaves}
    data = 8 * (leaves["X"].size + leaves["Y"].size)
    room = LARGEST - sum(8 * x.size for x in leaves.values()) + data
    if data <= room:
        return what
    fewer = subject(args, examples=max(1, room * leaves["X"].shape[1] // data))
    return fewer._replace(description=f"{fewer.description}; a page takes no more")
