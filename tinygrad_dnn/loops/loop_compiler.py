"""`compile_loop`: a step becomes a loop, which does not repeat what stays the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_dnn.autodiff.pytree import flatten, rebuild
from tinygrad_dnn.autodiff.pytree import paths as tree_paths
from tinygrad_dnn.compiler.compiled import check_threads
from tinygrad_dnn.compiler.saturated import warn_saturated
from tinygrad_dnn.compiler.tracing.record import record, refuse_attached
from tinygrad_dnn.compiler.tracing.signature import Bound, paths
from tinygrad_dnn.loops.loop import Loop, array_of, copied, copied_input, shown
from tinygrad_dnn.loops.step_graph import StepGraph
from tinygrad_dnn.loops.strength_reduction import reduced
from tinygrad_dnn.rewrite import PROGRAM

REFRESH = 1000  # iterations


def compile_loop(
    step: Callable[..., Any],
    *,
    carry: Any,
    constants: Mapping[str, Any] | None = None,
    inputs: Sequence[Any] = (),
    rewrite: bool = True,
    strength_reduction: bool = True,
    refresh: int = REFRESH,
    iteration: int = 0,
    blocks: bool = True,
    threads: int | None = None,
    in_place: bool = False,
) -> Loop:
    """A step compiled for being repeated.

        def step(parameters, X, Y):
            cost, slopes = value_and_grad(cost_of)(parameters, X, Y)
            return gradient_descent(parameters, slopes, 0.0075), cost

        loop = compile_loop(step, carry=parameters, constants={"X": X, "Y": Y})
        for _ in range(2500):
            cost = loop.step()
        parameters = loop.carry

    Batches are positions among the inputs of each step: X[:, batch] in the step, `inputs=[batch]`
    here for their shape, and `loop.step(batch)`.

    What depends on constants alone is computed once. And a carried matrix W that the step uses only
    in products with constants, W X, or in sums of squares, and changes only by linear rules,
    W ← b W − α D Xᵀ (gradient descent, momentum, weight decay; not Adam), is not carried: S is,
    where W = a W0 + S Xᵀ, and the Gram matrix XᵀX, or its columns at a batch's positions, serves in
    place of X. That is done where it takes
    fewer operations; `.summary` says so, `.carry` has the true W. It is the same iteration but for
    rounding.

    Args:
        step: (carry, *inputs, **constants) -> (next carry, result).
        carry: the arrays to begin with, in dicts, lists and tuples; copied.
        constants: arrays by argument name; they must not be changed while the loop is in use.
        inputs: arrays like those that every `loop.step(*inputs)` will be given, in their memory
            order, row by row or column by column.
        rewrite: simplify the recorded graph first, as `compile` does.
        strength_reduction: False carries every matrix as it is.
        refresh: after every so many iterations W0 becomes W, and S 0 (by iteration numbers, so that
            the bits of a run do not depend on when it is looked at).
        iteration: how many iterations were complete before.
        blocks, threads: as `compile` has them.
        in_place: write what is carried next over what was carried before, which takes half the
            memory and stays nearer to the processor. A step that is left half way, by Ctrl-C or an
            error, then loses the carry, and the loop asks for a `resume`; without, nothing is lost.

    Raises:
        TypeError: the step does not return a pair whose first part is like carry, or closes over a
            Tensor that requires a gradient (outside no_grad()).
        ValueError: a carried array comes back with another shape or dtype.
        RecordingError: the step can't be compiled, see `compile`.

    Example: `loop = compile_loop(lambda w: (w / 2, w.sum()), carry=x)`; `loop.step()` is `x.sum()`.
    """
    check_threads("compile_loop", threads)
    flat, layout = flatten(carry)
    for at, x in zip(tree_paths(carry), flat, strict=True):
        if array_of(x).dtype.kind not in "fiub":
            raise TypeError(
                f"compile_loop: carry{at}: expected arrays in dicts, lists and tuples, got {x!r}; "
                "it is what the first iteration begins with"
            )
    began = rebuild(layout, [copied(x) for x in flat])
    fixed = dict(constants or {})
    given = [began, *(_tree(x) for x in inputs)]
    try:
        Bound(step, given, fixed)
    except TypeError as error:
        raise TypeError(
            f"compile_loop: {getattr(step, '__name__', 'the step')}: {error}; it is called as "
            "step(carry, *inputs, **constants): name what is another in every step in inputs=[...]"
        ) from None
    recording = record(step, given, fixed, rewrite)
    refuse_attached(recording.attached)
    if rewrite:
        recording = recording.rewritten(PROGRAM)
        warn_saturated(recording)
    if not isinstance(recording.layout, tuple) or len(recording.layout) != 2:
        raise TypeError(f"compile_loop: {recording.name} must return a pair (next carry, result)")
    if recording.layout[0] != layout:
        raise TypeError(
            f"compile_loop: {recording.name} must return a carry like the one it is given, "
            f"{shown(layout)}, got {shown(recording.layout[0])}"
        )
    first, *others = recording.arguments
    leaves = [x for x in first.leaves if x is not None]
    # A dict may come back in another order.
    named = dict(zip(paths(recording.layout[0], ""), recording.results, strict=False))
    after = [named[path] for path in paths(layout, "")]
    for q, x, path in zip(leaves, after, first.paths, strict=True):
        if (getattr(x, "shape", None), getattr(x, "dtype", None)) != (q.shape, q.dtype):
            raise ValueError(
                f"compile_loop: {path} is {q.shape} {q.dtype}, but {recording.name} gives "
                f"{getattr(x, 'shape', '()')} {getattr(x, 'dtype', type(x).__name__)} for the next "
                "iteration"
            )
    anew = others[: len(inputs)]
    repeated = StepGraph(
        dict(zip(leaves, after, strict=True)),
        [x for a in others if a not in anew for x in a.leaves if x is not None],
        [x for a in anew for x in a.leaves if x is not None],
        recording.results[len(leaves) :],
    )
    less = reduced(repeated) if strength_reduction else None
    printing = {"rewriting": rewrite, "blocks": blocks, "threads": threads}
    steps = recording.steps
    return Loop(recording, steps, layout, repeated, less, refresh, iteration, printing, in_place)


def _tree(tree: Any) -> Any:
    flat, layout = flatten(tree)
    return rebuild(layout, [copied_input(x) for x in flat])
