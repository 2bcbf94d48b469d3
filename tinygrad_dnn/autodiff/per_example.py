"""The gradient of a cost for each example of a batch, in one sweep for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.batching import FEW, Recording, in_parts, refuse_size
from tinygrad_dnn.autodiff.tensor import Tensor, record, value_of
from tinygrad_dnn.autodiff.variables import Run, refuse_no_function
from tinygrad_dnn.graph import NO_META, Node, mode
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.ops import identity


def per_example_gradients(
    f: Callable[..., Any],
    params: Any,
    *batch: Any,
    axis: int = -1,
    chunk_size: int | None = None,
) -> Any:
    """The gradient of f(params, one example) for each example of a batch, by one sweep for all.

    f is called with two examples, to see what it computes, and that is computed for all at once.
    Where it reads a value (`if x.sum() > 0`), draws random numbers, or calls what takes no Tensor,
    it is called with each example instead, as with chunk_size=1.

    Args:
        params: an array, or a dict, list, tuple or dataclass of arrays.
        batch: arrays whose examples lie along `axis` (the columns of X and Y); f gets each example
            with that axis kept, of length 1.
        chunk_size: how many examples are taken at once; as many as fit into 32 MB of the largest
            value on the way, if not given.

    Returns:
        The structure of params, each array with a leading axis of length m: of many parameters m
        times as much memory, and writing it takes longer than computing what is in it.

    Raises:
        ValueError: the arrays have no common number of examples, or f returns more than one number.

    Example: `per_example_gradients(lambda w, x: (w @ x).sum(), w, X)` is `X.T`.
    """
    refuse_no_function(f, "per_example_gradients")
    refuse_size(chunk_size)
    sizes = {np.shape(x)[axis] for x in batch}
    if len(sizes) != 1:
        raise ValueError(
            f"per_example_gradients: expected arrays of one length along axis {axis}, "
            f"got shapes {[np.shape(x) for x in batch]}"
        )
    if sizes == {0}:
        raise ValueError("per_example_gradients: expected at least one example, got none")
    m = sizes.pop()
    batch = tuple(x if hasattr(x, "dtype") else np.asarray(x) for x in batch)
    seen: list[_Example] = []
    if m >= FEW and chunk_size != 1 and MODE.get().watch is None:
        for i in range(2):
            one = _recorded(f, params, [_one(value_of(x), i, axis) for x in batch], seen)
            seen += [] if one is None else [one]
            if one is None or one.seen.lost:
                break
            if one.repeats:
                return _all_at_once(seen[0], batch, m, axis, chunk_size)
    if any(isinstance(x, Tensor) for x in batch):
        seen = []  # these were given the values alone
    each = [[one.done.plain(x) for x in one.flat] for one in seen]
    runs = [one.done for one in seen]
    for i in range(len(runs), m):
        done = Run(f, (params, *(_one(x, i, axis) for x in batch)), {}, [0], single=True)
        each.append(done.slopes())
        runs.append(done)
    for done in runs:
        done.close()
    return runs[0].grouped([np.stack(column) for column in zip(*each, strict=True)], single=True)


class _Example(NamedTuple):
    """f of one example as Tensors, what was computed, and the gradient.

    Attributes:
        repeats: whether all that is no example's was as for the first one.
    """

    done: Run
    seen: Recording
    flat: list[Any]
    repeats: bool = False


def _recorded(
    f: Callable[..., Any], params: Any, example: Sequence[Any], before: Sequence[_Example]
) -> _Example | None:
    """The gradient for one example; None where f does not go with Tensors as examples.

    Args:
        before: the first example, if this is the second.
    """
    leaves = [Tensor(x) for x in example]
    seen = Recording(leaves)
    with mode(recording=True, watch=seen):  # as results: what f writes into them is recorded
        given = [record(identity, (t,), NO_META) for t in leaves]
    for t in given:
        t._memory = None  # nobody else looks at it
    with mode(watch=seen):
        try:
            done = Run(f, (params, *given), {}, [0], single=True)
            for first in before:
                # Rules of others may read what is no example's, too.
                known = all(node.op.builtin for node, _ in first.seen.steps)
                if known and seen.repeats(first.seen, done.results, first.done.results):
                    return _Example(done, seen, [], True)
            # Now, since what a forward saves elsewhere is that of its last call.
            flat = done.slopes(create_graph=True)
        except Exception:  # it is called with arrays, and says so itself where that is wrong, too
            return None
    return _Example(
        done, seen, flat, any(seen.repeats(first.seen, flat, first.flat) for first in before)
    )


def _all_at_once(
    one: _Example, batch: Sequence[Any], m: int, axis: int, chunk_size: int | None
) -> Any:
    done, seen, flat, _ = one
    attached = any(isinstance(x, Tensor) and x.requires_grad for x in batch)
    outside = attached or done.outside(done.results)
    examples = [_examples_first(x if outside else value_of(x), axis) for x in batch]

    def given(i: int, j: int) -> dict[Node, Any]:
        return dict(zip(seen.leaves, [x[i:j] for x in examples], strict=True))

    done.close()
    return done.grouped(in_parts(seen, flat, given, m, chunk_size, outside), single=True)


def _examples_first(x: Any, axis: int) -> Any:
    """The batch with a leading axis, and the one of the examples with length 1."""
    axis %= len(x.shape)
    x = np.moveaxis(x, axis, 0)
    # In columns each example lies scattered over memory, and would be read so many times.
    x = np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x
    return np.expand_dims(x, axis + 1)


def _one(x: Any, i: int, axis: int) -> Any:
    """The example at i, with its axis kept."""
    index = [slice(None)] * len(x.shape)
    index[axis] = slice(i, i + 1)
    return x[tuple(index)]
