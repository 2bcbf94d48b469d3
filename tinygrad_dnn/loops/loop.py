"""A step being repeated: run, looked at, resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import copied as copied_array
from tinygrad_dnn.array_modules import is_elsewhere, number
from tinygrad_dnn.autodiff.pytree import Layout, flatten, rebuild
from tinygrad_dnn.autodiff.tensor import value_of
from tinygrad_dnn.compiler.build import program_of
from tinygrad_dnn.compiler.program import Program
from tinygrad_dnn.compiler.tracing.record import Recording, refuse_attached
from tinygrad_dnn.compiler.tracing.signature import Argument, paths
from tinygrad_dnn.former_names import warn_former
from tinygrad_dnn.graph import Graph, Leaf, Node, trace
from tinygrad_dnn.loops.hoist import Hoisted
from tinygrad_dnn.loops.step_graph import StepGraph
from tinygrad_dnn.loops.strength_reduction import Reduced, summary


class Loop:
    """A step being repeated: what `compile_loop` returns.

    Attributes:
        iteration: how many iterations are complete.
        summary: in words, what was done to the step besides compiling it; empty if nothing.
        steps: the rewrites of the step, in order.

    Example: `loop = compile_loop(lambda w: (w / 2, w.sum()), carry=x)`; `loop.step()` is `x.sum()`,
    then `loop.carry` is `x / 2`.
    """

    def __init__(
        self,
        recording: Recording,
        steps: Sequence[Any],
        layout: Layout,
        step: StepGraph,
        less: Reduced | None,
        refresh: int,
        iteration: int,
        printing: Mapping[str, Any],
        in_place: bool = False,
    ) -> None:
        self._recording, self.steps, self._printing = recording, list(steps), printing
        self._layout, self._step, self._less = layout, step, less
        self._refresh, self.iteration = refresh, iteration
        self._begun: int | None = iteration  # the iteration at which every matrix was whole
        self.summary = summary(step, less) if less else ""
        self._smaller = less.step if less else step
        starts = less.starts if less else {}
        names = _keys([*self._smaller.carry, *starts])
        self._names = {name: x for name, x in names.items() if x in self._smaller.carry}
        self._starts = {name: x for name, x in names.items() if x in starts}
        self._values = {name: q.value.copy() for name, q in self._names.items()}
        self._turned: list[str] | None = None  # what a step gives in another memory order
        self._in_place, self._torn = in_place, False
        self._wanted = [(x.shape, x.dtype) for x in step.inputs]
        self._kinds = [type(x.value) for x in step.inputs]
        self._orders: list[Any] = [_order(x.value) for x in step.inputs]

    def __reduce__(self) -> Any:
        raise TypeError(
            "a Loop can't be copied or pickled: its program writes into the arrays that it carries;"
            " keep s = loop.snapshot() and go on from it in another loop by "
            "resume(s.carry, s.iteration, s.accumulators)"
        )

    @cached_property
    def _hoisted(self) -> Hoisted:
        less = self._less
        if less is None:
            return Hoisted(self._smaller)
        return Hoisted(self._smaller, [*less.starts], [*less.values.values()])

    @cached_property
    def _program(self) -> Program:
        """The step as a function of what is carried, the constants, and an iteration's inputs."""
        recording, step = self._recording, self._hoisted.step
        arguments = [_argument("carry", self._names), _argument("constants", self._constants)]
        arguments += [a for a in recording.arguments if set(a.leaves) & set(step.inputs)]
        graph = Graph(trace(step.outputs).nodes, tuple(step.outputs))
        there = set(graph.leaves)
        moved = self._less.new if self._less else {n: n for n in recording.graph}
        raises = {
            new: setting
            for old, setting in recording.raises.items()
            if (new := self._hoisted.new.get(moved.get(old, old))) is not None
        }
        whole = replace(
            recording,
            graph=graph,
            arguments=arguments,
            captured={x: v for x, v in recording.captured.items() if x in there},
            layout=(dict.fromkeys(self._names), recording.layout[1]),
            results=[*step.carry.values(), *step.results],
            raises=raises,
        )
        return program_of(whole, warns=False, in_place=self._in_place, **self._printing)

    @property
    def _carry(self) -> dict[Node, Any]:
        """The carried values by their leaves."""
        return {q: self._values[name] for name, q in self._names.items()}

    @cached_property
    def _constants(self) -> dict[str, Leaf]:
        return _keys(self._hoisted.step.constants)

    @property
    def source(self) -> str:
        """The text of the program that an iteration runs."""
        return self._program.source

    # --- running -----------------------------------------------------------------------------

    def step(self, *inputs: Any) -> Any:
        """One iteration; returns what the step gives beside what it carries, as new arrays.

        Raises:
            ValueError: inputs of other shapes or dtypes than those that the loop was made with.
            RuntimeError: what the step closes over is not what it was when the loop was made; or
                the step before, of a loop `in_place`, was left half way.
        """
        self._refuse_torn()
        if (name := self._recording.guards.changed()) is not None:
            raise RuntimeError(
                f"step: {name} is not what it was when the loop was made; make another loop, with "
                "carry= and iteration= of this one, or give it to every step as an input"
            )
        refuse_attached(self._recording.attached)
        constants = {name: self._hoisted.values[x] for name, x in self._constants.items()}
        given = self._fitting(inputs)
        program = self._program
        self._torn = self._in_place
        after, result = program.run([self._values, constants, *given], reuse=True)
        self._torn = False
        if type(result) is np.ndarray:  # the usual, quickly
            result = result.copy()
        else:
            flat, layout = flatten(result)
            result = rebuild(layout, [x.copy() if hasattr(x, "flags") else x for x in flat])
        if self._turned is None:
            self._turned = [name for name, x in after.items() if not x.flags.c_contiguous]
        # One memory order throughout, so that an iteration's bits do not depend on the one that the
        # loop began with.
        for name in self._turned:
            after[name] = after[name].copy()
        self._values = after
        self.iteration += 1
        if self._less and self.iteration % self._refresh == 0:
            self._begin(self._whole(self._carry, self._hoisted.known))
            self._begun = self.iteration
        return result

    def _fitting(self, inputs: Sequence[Any]) -> list[Any]:
        """An iteration's inputs, in the memory order that the program was written for."""
        if not inputs and not self._step.inputs:
            return []
        if self._as_made(inputs):
            return [*inputs]
        flat, layout = flatten(list(inputs))
        arrays = [array_of(x) for x in flat]
        got = [(x.shape, x.dtype) for x in arrays]
        if got != self._wanted:
            raise ValueError(
                f"step: expected inputs {_shapes_text(self._wanted)}, got {_shapes_text(got)}; "
                "make another loop for other shapes, which can resume from this one's snapshot()"
            )
        arrays = [_ordered(x, o) for x, o in zip(arrays, self._orders, strict=True)]
        found: list[Any] = rebuild(layout, arrays)
        return found

    def _as_made(self, inputs: Sequence[Any]) -> bool:
        """Whether each is one array, and like the one that the loop was made with."""
        wanted = self._wanted
        if len(inputs) != len(wanted):
            return False
        each = zip(inputs, wanted, self._kinds, self._orders, strict=True)
        return all(
            type(x) is kind and (x.shape, x.dtype) == about and _lies(x, order)
            for x, about, kind, order in each
        )

    # --- looking and resuming ----------------------------------------------------------------

    @property
    def carry(self) -> Any:
        """The carried values, in the structure that was given; new arrays."""
        return self.snapshot().carry

    @property
    def told(self) -> str:
        """The former name of `summary`."""
        warn_former("Loop", "told", "summary")
        return self.summary

    def snapshot(self) -> Snapshot:
        """Where the loop stands. It stays that, whatever the loop does next.

        Raises:
            RuntimeError: a step of a loop `in_place` was left half way.
        """
        self._refuse_torn()
        carry = {q: x.copy() for q, x in self._carry.items()}
        at_start = self.iteration == self._begun
        return Snapshot(self, self.iteration, carry, self._hoisted.known, at_start)

    def resume(
        self, carry: Any, iteration: int, accumulators: Mapping[str, Any] | None = None
    ) -> None:
        """Go on from a snapshot's `carry`, `iteration` and `accumulators`, of a loop of the same
        step.

        It is bit for bit as if the loop had not been left. Without `accumulators` the matrices
        begin where they stand, as after a refresh.

        Raises:
            ValueError: an array is missing, or has another shape or dtype.
        """
        flat, layout = flatten(carry)
        if layout != self._layout:
            raise ValueError(
                f"resume: expected {shown(self._layout)} as carry, got {shown(layout)}"
            )
        whole = {}
        named = dict(zip(paths(layout, ""), flat, strict=True))  # a dict's order may be another
        for q, path in zip(self._step.carry, paths(self._layout, ""), strict=True):
            whole[q] = _checked(q.name or "carry", q, named[path])
        self._begin(whole)
        self.iteration, self._torn = iteration, False
        self._begun = None if accumulators else iteration
        if not accumulators:
            return
        places = {n: q for n, q in self._names.items() if q not in self._step.carry}
        given = {n: _checked(n, q, accumulators.get(n)) for n, q in (places | self._starts).items()}
        if unknown := accumulators.keys() - given.keys():
            raise ValueError(f"resume: this loop carries no {', '.join(sorted(unknown))}")
        self._values |= {n: given[n] for n in places}
        self._hoisted.restart({q: given[n] for n, q in self._starts.items()})

    def _refuse_torn(self) -> None:
        if self._torn:
            raise RuntimeError(
                f"compile_loop: iteration {self.iteration} of this loop, which works in place, was "
                "left half way, some of its carry written and some not; resume() from a snapshot"
            )

    def _whole(self, carry: Mapping[Node, Any], known: Mapping[Node, Any]) -> dict[Leaf, Any]:
        """Every carried value, the matrices put together: W = a W0 + S Xᵀ."""
        whole = {q: carry[q] for q in self._step.carry if q in carry}
        if self._less:
            # Whether ∞ · 0 in a product warns is up to the BLAS kernel of the processor.
            with np.errstate(invalid="ignore"):
                values = self._hoisted.value(self._less.values, {**known, **carry})
            whole |= {q: _ordered(x, "C") for q, x in values.items()}
        return whole

    def _begin(self, whole: Mapping[Leaf, Any]) -> None:
        """From here on: the matrices begin where they stand, S = 0."""
        begin = self._less.begin if self._less else {}
        self._values = {
            name: begin[q].copy() if q in begin else whole[q] for name, q in self._names.items()
        }
        if self._less:
            self._hoisted.restart({start: whole[q] for start, q in self._less.starts.items()})


class Snapshot:
    """The values that a loop carried after `iteration` iterations."""

    def __init__(
        self,
        loop: Loop,
        iteration: int,
        carry: dict[Node, Any],
        known: Mapping[Node, Any],
        at_start: bool,
    ) -> None:
        self.iteration, self.loop, self._carry, self._known = iteration, loop, carry, known
        self._at_start = at_start  # a = 1, S = 0: every matrix is what it began as

    def __reduce__(self) -> Any:
        raise TypeError(
            "a snapshot belongs to its loop; save its carry, iteration and accumulators"
        )

    @property
    def carry(self) -> Any:
        """The carried values in the structure that the loop was given, every matrix whole."""
        loop, less = self.loop, self.loop._less
        whole: dict[Any, Any]
        if less is not None and self._at_start:
            whole = self._carry | {q: self._known[start] for start, q in less.starts.items()}
        else:
            whole = loop._whole(self._carry, self._known)
        return rebuild(loop._layout, [whole[q].copy() for q in loop._step.carry])

    @property
    def accumulators(self) -> dict[str, Any]:
        """Values carried in place of matrices, and where these began; bit for bit resuming needs
        them. Empty if there are none, or if every matrix begins here, as after a refresh.
        """
        loop, less = self.loop, self.loop._less
        if less is None or self._at_start:
            return {}
        parts = {n: self._carry[q] for n, q in loop._names.items() if q in less.begin}
        return parts | {n: self._known[q] for n, q in loop._starts.items()}

    @property
    def beside(self) -> dict[str, Any]:
        """The former name of `accumulators`."""
        warn_former("Snapshot", "beside", "accumulators")
        return self.accumulators

    @property
    def finite(self) -> bool:
        """Whether all carried values are finite numbers."""
        # Where every |x| is below √√max, which Σ x · x < √max says at one glance, no product of two
        # can overflow, and matrices need not be put together.
        arrays = self._carry.values()
        if number(sum(np.vdot(x, x) for x in arrays)) < min(_bound(x.dtype) for x in arrays):
            return True
        parts = all(number(np.isfinite(x).all()) for x in arrays)
        return parts and all(number(np.isfinite(x).all()) for x in flatten(self.carry)[0])


@cache
def _bound(dtype: Any) -> float:
    return float(np.finfo(dtype).max) ** 0.5 if dtype.kind == "f" else np.inf


def _checked(name: str, q: Leaf, x: Any) -> Any:
    """An array for a carried leaf, in the loop's memory order."""
    if (getattr(x, "shape", None), getattr(x, "dtype", None)) != (q.shape, q.dtype):
        got = "none" if x is None else f"{np.shape(x)} {getattr(x, 'dtype', type(x).__name__)}"
        raise ValueError(f"resume: expected {name} {q.shape} {q.dtype}, got {got}")
    return copied(x)


def copied(x: Any) -> Any:
    """An array as a loop carries it, nobody else's."""
    return copied_array(value_of(x))


def copied_input(x: Any) -> Any:
    """An array like an input: column by column where that is, else row by row."""
    x = array_of(x)
    return copied_array(x, _order(x))


def array_of(x: Any) -> Any:
    """A Tensor's array, an array as it is, of what is none NumPy's."""
    x = value_of(x)
    return x if is_elsewhere(x) else np.asarray(x)


def _ordered(x: Any, order: str) -> Any:
    """An array in a memory order, itself where it lies so."""
    return x if _lies(x, order) else copied_array(x, order)


def _lies(x: Any, order: str) -> bool:
    return bool(x.flags.c_contiguous if order == "C" else x.flags.f_contiguous)


def _order(x: Any) -> Any:
    return "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"


def _shapes_text(arrays: Sequence[tuple[Any, Any]]) -> str:
    return ", ".join(f"{shape} {dtype}" for shape, dtype in arrays) or "none"


def shown(layout: Layout) -> str:
    """A structure in words."""
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
