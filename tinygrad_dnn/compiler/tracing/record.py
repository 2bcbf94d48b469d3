"""A function run once becomes a plain graph with named inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import one_module, to_host
from tinygrad_dnn.autodiff.pytree import Layout, flatten, rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.compiler.guards.guards import Guards
from tinygrad_dnn.compiler.guards.reachable import plain
from tinygrad_dnn.compiler.tracing.detach import Copy
from tinygrad_dnn.compiler.tracing.signature import (
    Argument,
    Bound,
    is_array,
    paths,
    refuse_structure,
    short,
    stand_in,
)
from tinygrad_dnn.compiler.tracing.stabilise import Stabiliser
from tinygrad_dnn.compiler.tracing.tracer import Tracer
from tinygrad_dnn.graph import Graph, Leaf, Node, behind, trace
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.rewrite import STABLE, Row, Step, rewrite
from tinygrad_dnn.rewrite.nodes import constant_value

_ONE = RLock()  # recordings one at a time: each locks the arrays that are within reach
if hasattr(os, "register_at_fork"):  # a child must not find it, or them, locked by another thread
    os.register_at_fork(
        before=_ONE.acquire, after_in_parent=_ONE.release, after_in_child=_ONE.release
    )


@dataclass
class Recording:
    """A recorded function, as plain data.

    Attributes:
        name: the function's.
        graph: from its inputs to `graph.outputs`, the distinct nodes among its results.
        arguments: what it was called with.
        captured: inputs that are no arguments but arrays or Tensors that it closed over, and what
            holds their value.
        layout, results: its result, as `tree.rebuild` takes it; nodes, and constants as they are.
        raises: the `np.errstate` settings that an op ran under.
        guards: what it read besides its arguments.
        attached: names of Tensors that it closed over and whose gradients its results would carry.
        steps: the rewrites that were done, in order.
        swept: nodes that a backward pass recorded.
        named: nodes that have a name, which nothing leads to; what comes out equal has it, too.
        module: the array module of its inputs.
    """

    name: str
    graph: Graph
    arguments: list[Argument]
    captured: dict[Leaf, Any]
    layout: Layout
    results: list[Any]
    raises: dict[Node, dict[str, Any]]
    guards: Guards
    attached: tuple[str, ...]
    steps: list[Step]
    swept: set[Node]
    named: list[Node]
    module: str = "numpy"

    @property
    def inputs(self) -> list[Leaf]:
        """The arrays among the arguments."""
        return [x for a in self.arguments for x in a.leaves if x is not None]

    def rewritten(self, rows: Iterable[Row]) -> Recording:
        """The same function with the rows of a table applied to its graph."""
        outputs = self.graph.outputs
        whole = Graph(trace([*outputs, *self.named]).nodes, outputs)
        graph, new, steps = rewrite(whole, rows)

        def images(nodes: Iterable[Node]) -> list[Node]:
            return [x for n in nodes if isinstance(x := new.get(n), Node)]

        forward = {*images(n for n in whole if n not in self.swept)}
        plain = [n for n in whole if n not in self.raises and isinstance(new[n], Node)]
        usual = {new[n] for n in plain if new[n].op is n.op}
        raises = {n: how for n, how in self.raises.items() if n in new}
        return replace(
            self,
            graph=graph,
            results=[new[x] if isinstance(x, Node) else x for x in self.results],
            raises={x: how for n, how in raises.items() for x in images([n]) if x not in usual},
            steps=self.steps + steps,
            swept=_beside(graph, forward, {*images(self.swept)} - forward),
            named=images(self.named),
        )

    def forget(self) -> None:
        """Let go of the arrays that it was recorded with; a number in their shape remains."""
        for leaf in {*self.inputs, *self.captured}:
            leaf.value = np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)


def _within(graph: Graph, nodes: Sequence[Node]) -> list[Node]:
    """Those of the nodes that are computed from leaves of the graph alone."""
    known: set[Node] = set(graph.leaves)
    for node in trace(nodes):
        if node.op is not None and all(x in known for x in node.parents):
            known.add(node)
    return [node for node in nodes if node in known]


def _beside(graph: Graph, forward: set[Node], swept: set[Node]) -> set[Node]:
    """What a backward pass computes: all that no forward node is made of without it."""
    reached = set(behind(forward, swept.__contains__)) - swept
    return {node for node in graph if node not in reached}


def record(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    rewriting: bool = True,
) -> Recording:
    """Run f once on Tensors in place of its arrays, and write down what it does.

    Args:
        rewriting: write what saturates in a stable form, before it is differentiated; else every
            op is what f computes.

    Raises:
        RecordingError: it reads values, changes what is not its own, draws random numbers, or is
            given something that can't be an input.
    """
    recording = _recorded(f, args, kwargs, rewriting)
    if recording.guards.changed() is not None:
        recording = _recorded(f, args, kwargs, rewriting)  # the first call of all may fill a cache
    if (name := recording.guards.changed()) is None:
        recording.guards.only_read()
        return recording.rewritten(STABLE) if rewriting else recording
    raise RecordingError(
        f"compile: {recording.name} changes {name} while it is being recorded, which later calls "
        "would not do; return the new value, and pass the old one as an argument"
    )


def refuse_attached(names: Sequence[str]) -> None:
    """A gradient of Tensors that a function closes over would end here in silence.

    Raises:
        TypeError: there are such, outside no_grad().
    """
    if names and MODE.get().recording:
        raise TypeError(
            f"compile: {', '.join(names)}, which the function closes over, requires a gradient, "
            "but a compiled function gives plain arrays; differentiate inside, "
            "compile(value_and_grad(f)), or call it inside no_grad()"
        )


def _recorded(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], rewriting: bool
) -> Recording:
    call = Bound(f, args, kwargs)
    flat = flatten([*call.given.values()])[0]
    with _ONE:
        guards = Guards(f, [x for x in flat if not is_array(x)])
        traced = _Traced(f, call, guards, rewriting)
    sites, made = traced.tracer.sites, traced.tracer.made
    recording = traced.recording()
    del traced, flat
    held = [*recording.inputs, *recording.captured]
    there = one_module([x.value for x in held], f"compile: {recording.name}")
    recording.module = there.__name__
    _fix_constants(recording, made)
    guards.watch(recording.captured.values(), sites)
    return recording


class _Traced:
    """A run of the function under the tracer."""

    def __init__(self, f: Callable[..., Any], call: Bound, guards: Guards, rewriting: bool) -> None:
        self.guards = guards
        self.name = getattr(f, "__name__", type(f).__name__)
        given = [value_of(x) for x in flatten([*call.given.values()])[0]]
        outer = map(id, [*guards.arrays, *guards.values, *given])
        self.tracer = Tracer(outer, Stabiliser() if rewriting else None)
        # An array that stands in two places is two inputs: next time they may differ.
        self.arguments = [(n, *self._stood_in(n, value)) for n, value in call.given.items()]
        values = [rebuild(layout, leaves) for _, layout, leaves in self.arguments]
        with guards.untouched(), self.tracer.watching(guards.generators, guards.names):
            result = call.call(f, values)
        self.tracer.check()
        self.results, self.layout = flatten(result)
        for x in self.results:
            _refuse_result(self.name, x)
        for (name, layout, leaves), value in zip(self.arguments, values, strict=True):
            _refuse_changed(name, layout, leaves, value)

    def _stood_in(self, name: str, value: Any) -> tuple[Layout, list[Any]]:
        """Return an argument as f sees it: a Tensor for every array, settings as they are."""
        refuse_structure(name, value)
        flat, layout = flatten(value)
        seen = [stand_in(name, x) for x in flat]
        for t, path in zip(seen, paths(layout, name), strict=True):
            if isinstance(t, Tensor):
                self.tracer.names[t.node] = short(path)
        for t, x in zip(seen, flat, strict=True):
            if isinstance(x, Tensor) and x.node.grad is not None:
                self.tracer.graded.add(t.node)
        return layout, seen

    def recording(self) -> Recording:
        """The run as plain data, of which nothing leads back to this run."""
        copy = Copy(self.tracer, self.guards.names)
        arguments = [
            Argument(
                name,
                layout,
                [copy.input(t.node) if isinstance(t, Tensor) else None for t in leaves],
                [*paths(layout, name)],
            )
            for name, layout, leaves in self.arguments
        ]
        results = copy.results(self.results)
        distinct = tuple(dict.fromkeys(x for x in results if isinstance(x, Node)))
        graph = Graph(copy.needed(distinct), distinct)
        stabiliser, swept = self.tracer.stabiliser, self.tracer.swept
        named = [x for n in self.tracer.nodes if n not in swept
                 and isinstance(x := copy.new.get(n), Node) and x.name]  # fmt: skip
        return Recording(
            self.name, graph, arguments, copy.captured, self.layout, results, copy.raises,
            self.guards, self._attached(copy.captured), stabiliser.steps if stabiliser else [],
            {x for n in swept if isinstance(x := copy.new.get(n), Node)},
            _within(graph, named),
        )  # fmt: skip

    def _attached(self, captured: Mapping[Leaf, Any]) -> tuple[str, ...]:
        """Names of captured Tensors that require a gradient which leads on from a result."""
        kept = {x.node: x.name or leaf.name or "a Tensor" for leaf, x in captured.items()
                if isinstance(x, Tensor) and x.requires_grad}  # fmt: skip
        results = [x.node for x in self.results if isinstance(x, Tensor) and x.requires_grad]
        if not (kept and results):
            return ()
        before: set[Node] = set(results)
        while results:
            new = {x for x in results.pop().parents if x.requires_grad} - before
            before |= new
            results += new
        return tuple(name for node, name in kept.items() if node in before)


def _refuse_result(name: str, x: Any) -> None:
    """Refuse a result that could hold Tensors, or numbers that were computed from them."""
    if not (is_array(x) or plain(x) or isinstance(x, (np.dtype, type, slice))):
        raise RecordingError(
            f"compile: {name} returns a {type(x).__name__}, which would be the same one in every "
            "call; return arrays, numbers and texts, in dicts, lists and tuples"
        )


def _refuse_changed(name: str, layout: Layout, leaves: Sequence[Any], value: Any) -> None:
    """The structure of an argument is the caller's."""
    flat, after = flatten(value)
    same = after == layout and len(flat) == len(leaves)
    if not (same and all(x is y for x, y in zip(flat, leaves, strict=True))):
        new = f"{{**{name}, key: value}}" if isinstance(layout, dict) else f"[*{name}, value]"
        raise RecordingError(
            f"compile: the function puts something else into {name}, which the caller would not "
            f"see; return a new structure: {new}"
        )


def _fix_constants(recording: Recording, made: Mapping[int, Any]) -> None:
    """Captured arrays that can't change become constants of the graph: what the engine made."""
    outputs = recording.graph.outputs
    constants: dict[Node, Any] = {}
    for leaf in list(recording.captured):
        if id(leaf.value) in made and leaf not in outputs:
            constants[leaf] = constant_value(to_host(leaf.value))
            del recording.captured[leaf]
    for node in recording.graph:
        if any(x in constants for x in node.parents):
            node.inputs = [constants.get(x, x) if isinstance(x, Node) else x for x in node.inputs]
    recording.graph = Graph([n for n in recording.graph if n not in constants], outputs)
