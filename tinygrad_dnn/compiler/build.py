"""From a recording to source, and to a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.codegen.buffers import plan
from tinygrad_dnn.compiler.codegen.constants import Constants
from tinygrad_dnn.compiler.codegen.dialect import dialect_of
from tinygrad_dnn.compiler.codegen.lower import Lowered, apart, lower
from tinygrad_dnn.compiler.codegen.module import Source, module
from tinygrad_dnn.compiler.codegen.naming import Names
from tinygrad_dnn.compiler.codegen.printer import printed
from tinygrad_dnn.compiler.program import Program
from tinygrad_dnn.compiler.saturated import warn_saturated
from tinygrad_dnn.compiler.tracing.record import Recording
from tinygrad_dnn.graph import Node
from tinygrad_dnn.rewrite import PROGRAM, Step


def source_of(
    recording: Recording,
    rewriting: bool = True,
    constants: Constants | None = None,
    warns: bool = True,
    blocks: bool = True,
    in_place: bool = False,
) -> tuple[Source, list[Step]]:
    """Rewrite, plan and print what was recorded: the source, and the rewrites in order.

    Args:
        constants: those of a module that it shall share with other functions.
        warns: of what may not be finite.
        blocks: elementwise ops over large arrays run block by block.
        in_place: the first results may be written over the arrays of the first argument, one over
            each.
    """
    if rewriting:
        recording = recording.rewritten(PROGRAM)
        if warns:
            warn_saturated(recording)
    dialect = dialect_of(recording.module)
    lowered = lower(recording.graph, recording.raises, share=rewriting, dialect=dialect)
    results = _distinct([_placed(x, lowered) for x in recording.results], lowered)
    replaced = recording.arguments[0].leaves if in_place else []
    pairs = zip(results, replaced, strict=False)
    over = {x: q for x, q in pairs if q is not None and isinstance(x, Node)}
    returned = [x for x in results if isinstance(x, Node)]
    blocks = blocks and dialect.errstate
    planned = plan(lowered, returned, over, blocks=blocks, folds=rewriting)
    return printed(recording, lowered, planned, results, constants), recording.steps


def _placed(x: Any, lowered: Lowered) -> Any:
    """The node that stands for a result, or the array that it always is; what is none stays."""
    if not isinstance(x, Node):
        return x
    found = lowered.place[x]
    return found if isinstance(found, Node) else np.asarray(found, x.dtype)


def _distinct(results: Sequence[Any], lowered: Lowered) -> list[Any]:
    """A node of its own for every result, also where two are the same value."""
    found: list[Any] = []
    seen: set[Node] = set()
    for x in results:
        if isinstance(x, Node) and x in seen:
            x = apart(x, lowered)
        elif isinstance(x, Node):
            seen.add(x)
        found.append(x)
    return found


def program_of(
    recording: Recording,
    rewriting: bool = True,
    guard: Callable[..., bool] | None = None,
    warns: bool = True,
    blocks: bool = True,
    threads: int | None = None,
    in_place: bool = False,
) -> Program:
    """Return a recording as a program that runs."""
    source, steps = source_of(recording, rewriting, warns=warns, blocks=blocks, in_place=in_place)
    return Program(
        source.text,
        source.called.function,
        arguments=[(a.name, any(x is not None for x in a.leaves)) for a in recording.arguments],
        layout=recording.layout,
        captured={name: recording.captured[leaf] for leaf, name in source.captured.items()},
        objects=source.constants.objects,
        steps=steps,
        guard=guard,
        attached=recording.attached,
        threads=threads,
        blocks=source.blocks,
    )


def module_of(recordings: Sequence[Recording], head: str = "", rewriting: bool = True) -> str:
    """One module with a function for each recording.

    Raises:
        TypeError: a function calls what has no source text.
    """
    constants = Constants(Names(set()))
    sources = [source_of(r, rewriting, constants)[0] for r in recordings]
    if constants.objects:
        raise TypeError(
            f"compile: the source needs {', '.join(constants.objects)}, which has no text of its "
            "own"
        )
    return module(sources, head)
