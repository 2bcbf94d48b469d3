"""`compile_loop`: a repeated step as a program that does not repeat what stays the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.compiled import program_of
from tinygrad_dnn.compiler.record import Argument, Recording, paths, record
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.loops.once import Once
from tinygrad_dnn.loops.repeated import Repeated
from tinygrad_dnn.loops.strength import Reduced, reduced, told
from tinygrad_dnn.rewrite import rewrite as rewritten
from tinygrad_dnn.tensor import Tensor
from tinygrad_dnn.tree import Layout, flatten, rebuild

REFRESH = 1000  # iterations


class Loop:
    """A step being repeated: what `compile_loop` returns.

    Attributes:
        iteration: how many iterations are complete.
        told: in words, what was done to the step besides compiling it; empty if nothing.
        source: the text of the program that an iteration runs.
    """

    def __init__(
        self,
        recording: Recording,
        layout: Layout,
        step: Repeated,
        less: Reduced | None,
        refresh: int,
        iteration: int,
        rewrite: bool,
    ) -> None:
        self._layout, self._step, self._less = layout, step, less
        self._refresh, self.iteration = refresh, iteration
        self.told = told(step, less) if less else ""
        smaller = less.step if less else step
        self._once = (
            Once(smaller, [*less.starts], [*less.values.values()]) if less else Once(smaller)
        )
        self._carry: dict[Node, Any] = {q: q.value for q in smaller.carry}
        names = _keys([*smaller.carry, *(less.starts if less else ())])
        self._names = {name: x for name, x in names.items() if x in smaller.carry}
        self._starts = {name: x for name, x in names.items() if name not in self._names}
        self._constants = _keys(self._once.step.constants)
        self._program = program_of(self._as_recording(recording, self._once.step), rewrite)
        self.source = self._program.source

    def _as_recording(self, recording: Recording, step: Repeated) -> Recording:
        """The step as a function of what is carried, the constants, and an iteration's inputs."""
        arguments = [_argument("carry", self._names), _argument("constants", self._constants)]
        arguments += [a for a in recording.arguments if set(a.leaves) & set(step.inputs)]
        layout = (dict.fromkeys(self._names), recording.layout[1])
        results = [*step.carry.values(), *step.results]
        graph = Graph(trace(step.outputs).nodes, tuple(step.outputs))
        there = set(graph.leaves)
        captured = {x: v for x, v in recording.captured.items() if x in there}
        raises = {
            new: setting
            for old, setting in recording.raises.items()
            if (new := self._once.new.get(self._new(old), None)) is not None
        }
        return Recording(recording.name, graph, arguments, captured, layout, results, raises)

    def _new(self, node: Node) -> Any:
        return self._less.new.get(node) if self._less else node

    # --- running -----------------------------------------------------------------------------

    def step(self, *inputs: Any) -> Any:
        """One iteration; returns what the step gives beside what it carries, as new arrays.

        Raises:
            ValueError: inputs of other shapes or dtypes than those that the loop was made with.
        """
        carry = {name: self._carry[q] for name, q in self._names.items()}
        constants = {name: self._once.values[x] for name, x in self._constants.items()}
        given = self._fitting(inputs)
        after, result = self._program.run([carry, constants, *given], reuse=True)
        flat, layout = flatten(result)
        result = rebuild(layout, [x.copy() if isinstance(x, np.ndarray) else x for x in flat])
        for name, q in self._names.items():
            x = after[name]
            # One memory order throughout, so that an iteration's bits do not depend on the one
            # that the loop began with.
            self._carry[q] = x if x.flags.c_contiguous else x.copy()
        self.iteration += 1
        if self._less and self.iteration % self._refresh == 0:
            self._restart()
        return result

    def _fitting(self, inputs: Sequence[Any]) -> list[Any]:
        """An iteration's inputs, in the memory order that the program was written for."""
        flat, layout = flatten(list(inputs))
        arrays = [np.asarray(_plain(x), order="C") for x in flat]
        got = [(x.shape, x.dtype) for x in arrays]
        wanted = [(x.shape, x.dtype) for x in self._step.inputs]
        if got != wanted:
            raise ValueError(
                f"step: expected inputs {_told(wanted)}, got {_told(got)}; make another loop for "
                "other shapes"
            )
        found: list[Any] = rebuild(layout, arrays)
        return found

    @property
    def carry(self) -> Any:
        """What is carried, in the structure that was given; new arrays."""
        return self.snapshot().carry

    def snapshot(self) -> Snapshot:
        """Where the loop stands. It stays that, whatever the loop does next."""
        arrays = {name: self._carry[q].copy() for name, q in self._names.items()}
        return Snapshot(self, self.iteration, arrays, self._once.known)

    def resume(self, arrays: Mapping[str, Any], iteration: int) -> None:
        """Go on, bit for bit, from a snapshot's `arrays` of a loop of the same step.

        Raises:
            ValueError: an array is missing, or has another shape or dtype.
        """
        for name, x in {**self._names, **self._starts}.items():
            there = arrays.get(name)
            if there is None or (there.shape, there.dtype) != (x.shape, x.dtype):
                got = "none" if there is None else f"{there.shape} {there.dtype}"
                raise ValueError(f"resume: expected {name} {x.shape} {x.dtype}, got {got}")
        self._carry |= {q: np.array(arrays[name], order="C") for name, q in self._names.items()}
        self._once.restart(
            {x: np.array(arrays[name], order="C") for name, x in self._starts.items()}
        )
        self.iteration = iteration

    def _whole(self, carry: Mapping[Node, Any], known: Mapping[Node, Any]) -> dict[Leaf, Any]:
        """Every carried value, the matrices put together: W = a W0 + S Xᵀ."""
        whole = {q: carry[q] for q in self._step.carry if q in carry}
        if self._less:
            values = self._once.value(self._less.values, {**known, **carry})
            whole |= {q: np.ascontiguousarray(x) for q, x in values.items()}
        return whole

    def _restart(self) -> None:
        """From now on the matrices begin where they stand: S = 0."""
        assert self._less is not None
        whole = self._whole(self._carry, self._once.known)
        self._carry |= {q: x.copy() for q, x in self._less.begin.items()}
        self._once.restart({start: whole[q] for start, q in self._less.starts.items()})


class Snapshot:
    """What a loop carried after `iteration` iterations.

    Attributes:
        arrays: what `Loop.resume` takes: S and what it is added to, where a matrix W is carried
            as W0 + S Xᵀ.
    """

    def __init__(
        self, loop: Loop, iteration: int, carry: dict[str, Any], known: Mapping[Node, Any]
    ) -> None:
        self.iteration, self._loop, self._carry, self._known = iteration, loop, carry, known

    @property
    def arrays(self) -> dict[str, Any]:
        """The values themselves, by name."""
        return self._carry | {name: self._known[x] for name, x in self._loop._starts.items()}

    @property
    def carry(self) -> Any:
        """The carried values in the structure that the loop was given, every matrix whole."""
        loop = self._loop
        carry: dict[Node, Any] = {q: self._carry[name] for name, q in loop._names.items()}
        whole = loop._whole(carry, self._known)
        return rebuild(loop._layout, [whole[q].copy() for q in loop._step.carry])


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
) -> Loop:
    """A step compiled for being repeated.

        def step(parameters, X, Y):
            cost, slopes = value_and_grad(cost_of)(parameters, X, Y)
            return gradient_descent(parameters, slopes, 0.0075), cost

        loop = compile_loop(step, carry=parameters, constants={"X": X, "Y": Y})
        for _ in range(2500):
            cost = loop.step()
        parameters = loop.carry

    What depends on constants alone is computed once. And a carried matrix W that the step uses only
    in products with constants, W X, and changes only by linear rules, W ← b W − α D Xᵀ (gradient
    descent, momentum, weight decay; not Adam, no penalty's value), is not carried: S is, where
    W = a W0 + S Xᵀ, and the Gram matrix XᵀX serves in place of X. That is done where it takes fewer
    operations; `.told` says so, `.carry` has the true W. It is the same iteration but for
    rounding.

    Args:
        step: (carry, *inputs, **constants) -> (next carry, result).
        carry: the arrays to begin with, in dicts, lists and tuples; copied.
        constants: arrays by argument name; they must not be changed while the loop is in use.
        inputs: arrays like those that every `loop.step(*inputs)` will be given.
        rewrite: simplify the recorded graph first, as `compile` does.
        strength_reduction: False carries every matrix as it is.
        refresh: after every so many iterations W0 becomes W, and S 0 (by iteration numbers, so that
            the bits of a run do not depend on when it is looked at).
        iteration: how many iterations were complete before.

    Raises:
        TypeError: the step does not return a pair whose first part is like carry.
        ValueError: a carried array comes back with another shape or dtype.
        RecordingError: the step can't be compiled, see `compile`.
    """
    flat, layout = flatten(carry)
    began = rebuild(layout, [_copy(x) for x in flat])
    fixed = dict(constants or {})
    recording = record(step, [began, *(_tree_copy(x) for x in inputs)], fixed)
    if rewrite:
        recording = _rewritten(recording)
    if not isinstance(recording.layout, tuple) or len(recording.layout) != 2:
        raise TypeError(f"compile_loop: {recording.name} must return a pair (next carry, result)")
    if recording.layout[0] != layout:
        raise TypeError(
            f"compile_loop: {recording.name} must return a carry like the one it is given, "
            f"{_shown(layout)}, got {_shown(recording.layout[0])}"
        )
    first, *others = recording.arguments
    leaves = [x for x in first.leaves if x is not None]
    after = recording.results[: len(leaves)]
    for q, x, path in zip(leaves, after, first.paths, strict=True):
        if (getattr(x, "shape", None), getattr(x, "dtype", None)) != (q.shape, q.dtype):
            raise ValueError(
                f"compile_loop: {path} is {q.shape} {q.dtype}, but {recording.name} gives "
                f"{getattr(x, 'shape', '()')} {getattr(x, 'dtype', type(x).__name__)} for the next "
                "iteration"
            )
    anew = others[: len(inputs)]
    repeated = Repeated(
        dict(zip(leaves, after, strict=True)),
        [x for a in others if a not in anew for x in a.leaves if x is not None],
        [x for a in anew for x in a.leaves if x is not None],
        recording.results[len(leaves) :],
    )
    less = reduced(repeated) if strength_reduction else None
    return Loop(recording, layout, repeated, less, refresh, iteration, rewrite)


def _rewritten(recording: Recording) -> Recording:
    """The same function with its graph simplified."""
    graph, new, _ = rewritten(recording.graph)
    results = [new[x] if isinstance(x, Node) else x for x in recording.results]
    raises = {x: how for n, how in recording.raises.items() if isinstance(x := new.get(n), Node)}
    return replace(recording, graph=graph, results=results, raises=raises)


def _plain(x: Any) -> Any:
    return x._array if isinstance(x, Tensor) else x


def _copy(x: Any) -> Any:
    return np.array(_plain(x), order="C")


def _told(arrays: Sequence[tuple[Any, Any]]) -> str:
    return ", ".join(f"{shape} {dtype}" for shape, dtype in arrays) or "none"


def _tree_copy(tree: Any) -> Any:
    flat, layout = flatten(tree)
    return rebuild(layout, [_copy(x) for x in flat])


def _shown(layout: Layout) -> str:
    if isinstance(layout, dict):
        return f"a dict of {', '.join(map(repr, layout))}"
    return "an array" if layout is None else f"a {type(layout).__name__} of {len(layout)}"


def _keys(leaves: Any) -> dict[str, Leaf]:
    """Leaves by their names, each name once."""
    found: dict[str, Leaf] = {}
    for x in leaves:
        name, n = x.name or "x", 1
        while name in found:
            n += 1
            name = f"{x.name or 'x'}_{n}"
        found[name] = x
    return found


def _argument(name: str, leaves: Mapping[str, Leaf]) -> Argument:
    layout = dict.fromkeys(leaves)
    return Argument(name, layout, [*leaves.values()], [*paths(layout, name)])
