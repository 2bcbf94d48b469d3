"""A function run once becomes a plain graph with named inputs and outputs."""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.plain import Copy
from tinygrad_dnn.compiler.reach import plain
from tinygrad_dnn.compiler.surroundings import Surroundings
from tinygrad_dnn.compiler.tracer import RecordingError, Tracer
from tinygrad_dnn.compiler.typeset import quoted
from tinygrad_dnn.graph import MODE, Graph, Leaf, Node
from tinygrad_dnn.tensor import Tensor
from tinygrad_dnn.tree import Layout, flatten, rebuild


@dataclass
class Argument:
    """One argument of the recorded function.

    Attributes:
        leaves: in the order of `tree.flatten`, an input of the graph for every array, and None for
            what is a setting (a number, a text).
        paths: how each is reached: `parameters["W1"]`.
    """

    name: str
    layout: Layout
    leaves: list[Leaf | None]
    paths: list[str]


@dataclass
class Recording:
    """What a function does, as plain data.

    Attributes:
        name: the function's.
        graph: from its inputs to `graph.outputs`, the distinct nodes among its results.
        arguments: what it was called with.
        captured: inputs that are no arguments but arrays or Tensors that it closed over, and what
            holds their value.
        layout, results: its result, as `tree.rebuild` takes it; nodes, and constants as they are.
        raises: the `np.errstate` settings that an op ran under.
        around: what it read besides its arguments.
        attached: names of Tensors that it closed over and whose gradients its results would carry.
    """

    name: str
    graph: Graph
    arguments: list[Argument]
    captured: dict[Leaf, Any]
    layout: Layout
    results: list[Any]
    raises: dict[Node, dict[str, Any]]
    around: Surroundings
    attached: tuple[str, ...]

    @property
    def inputs(self) -> list[Leaf]:
        """The arrays among the arguments."""
        return [x for a in self.arguments for x in a.leaves if x is not None]

    def forget(self) -> None:
        """Let go of the arrays that it was recorded with; a number in their shape remains."""
        for leaf in {*self.inputs, *self.captured}:
            leaf.value = np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)


def is_array(x: Any) -> bool:
    """Whether an argument is an input; everything else is a setting, built into the program."""
    return isinstance(x, (np.ndarray, np.generic, Tensor))


class Bound:
    """Arguments sorted out as the function's signature says.

    Attributes:
        given: by name, defaults included, in the order of the signature.
        kinds: how each may be given; None where that is not as the signature says.

    Raises:
        TypeError: they do not fit the signature.
    """

    def __init__(
        self, f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.given: dict[str, Any] = {}
        self.kinds: dict[str, Any] | None = {}
        self._call: inspect.BoundArguments | None = None
        try:
            self._call, exact = _call_of(f, args, kwargs)
        except ValueError:  # some of those written in C do not tell
            if kwargs:
                raise TypeError("compile: this function takes positional arguments only") from None
            self.given = {f"x{i}": x for i, x in enumerate(args)}
            return
        signature = self._call.signature
        for name, parameter in signature.parameters.items():
            if name not in self._call.arguments:
                continue
            value = self._call.arguments[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                for i, x in enumerate(value):
                    while f"{name}{i}" in signature.parameters or f"{name}{i}" in self.given:
                        name += "_"
                    self.given[f"{name}{i}"] = x
            elif parameter.kind is parameter.VAR_KEYWORD:
                self.given |= value
                exact = exact and not value
            else:
                self.given[name] = value
                self.kinds[name] = parameter.kind
        if not exact:
            self.kinds = None

    def call(self, f: Callable[..., Any], values: Iterable[Any]) -> Any:
        """f with these values in place of those that were given."""
        if self._call is None:
            return f(*values)
        at = iter(values)
        for name, parameter in self._call.signature.parameters.items():
            if name not in self._call.arguments:
                continue
            there = self._call.arguments[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                self._call.arguments[name] = tuple(next(at) for _ in there)
            elif parameter.kind is parameter.VAR_KEYWORD:
                self._call.arguments[name] = {k: next(at) for k in there}
            else:
                self._call.arguments[name] = next(at)
        return f(*self._call.args, **self._call.kwargs)


def _call_of(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[inspect.BoundArguments, bool]:
    """A call as the signature sorts it out, and whether it is the function's own.

    A wrapper says whose signature it has; what that leaves out is left to the wrapper, and so is
    everything where the wrapper takes something else.
    """
    try:
        signature = inspect.signature(f)
    except TypeError:
        raise ValueError from None
    own = inspect.signature(f, follow_wrapped=False)
    if signature == own:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        return call, True
    try:
        return signature.bind(*args, **kwargs), False
    except TypeError:
        return own.bind(*args, **kwargs), False


def paths(layout: Layout, at: str) -> Iterator[str]:
    """How each array of a structure is reached from the whole."""
    if layout is None:
        yield at
    elif isinstance(layout, dict):
        for key, part in layout.items():
            yield from paths(part, f"{at}[{quoted(key)}]")
    else:
        for i, part in enumerate(layout):
            yield from paths(part, f"{at}[{i}]")


def record(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording:
    """Run f once on Tensors in place of its arrays, and write down what it does.

    Raises:
        RecordingError: it reads values, changes what is not its own, draws random numbers, or is
            given something that can't be an input.
    """
    recording = _recorded(f, args, kwargs)
    if recording.around.changed() is None:
        return recording
    recording = _recorded(f, args, kwargs)  # the first call of all may fill a cache
    if (name := recording.around.changed()) is None:
        return recording
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


def _recorded(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Recording:
    call = Bound(f, args, kwargs)
    flat = flatten([*call.given.values()])[0]
    around = Surroundings(f, [x for x in flat if not is_array(x)])
    traced = _Traced(f, call, around)
    sites = traced.tracer.sites
    recording = traced.recording()
    del traced, flat
    _fix_constants(recording)
    around.watch(recording.captured.values(), sites)
    return recording


class _Traced:
    """A run of the function under the tracer."""

    def __init__(self, f: Callable[..., Any], call: Bound, around: Surroundings) -> None:
        self.around = around
        self.name = getattr(f, "__name__", type(f).__name__)
        given = [
            x._array if isinstance(x, Tensor) else x for x in flatten([*call.given.values()])[0]
        ]
        self.tracer = Tracer(map(id, [*around.arrays, *around.values, *given]))
        # An array that stands in two places is two inputs: next time they may differ.
        self.arguments = [(n, *self._stood_in(n, value)) for n, value in call.given.items()]
        values = [rebuild(layout, leaves) for _, layout, leaves in self.arguments]
        with around.untouched(), self.tracer.watching(around.generators):
            result = call.call(f, values)
        self.tracer.check()
        self.results, self.layout = flatten(result)
        for x in self.results:
            _refuse_result(self.name, x)
        for (name, layout, leaves), value in zip(self.arguments, values, strict=True):
            _refuse_changed(name, layout, leaves, value)

    def _stood_in(self, name: str, value: Any) -> tuple[Layout, list[Any]]:
        """What f sees of an argument: a Tensor for every array, settings as they are."""
        _refuse_structure(name, value)
        flat, layout = flatten(value)
        seen = [_stand_in(name, x) for x in flat]
        for t, path in zip(seen, paths(layout, name), strict=True):
            if isinstance(t, Tensor):
                self.tracer.names[t.node] = _short(path)
        for t, x in zip(seen, flat, strict=True):
            if isinstance(x, Tensor) and x.node.grad is not None:
                self.tracer.graded.add(t.node)
        return layout, seen

    def recording(self) -> Recording:
        """The run as plain data, of which nothing leads back to this run."""
        copy = Copy(self.tracer, self.around.names)
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
        return Recording(
            self.name, graph, arguments, copy.captured, self.layout, results, copy.raises,
            self.around, self._attached(copy.captured),
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


def _refuse_structure(name: str, part: Any) -> None:
    """Dicts that answer otherwise than a dict, and keys that no source can have."""
    stack = [part]
    while stack:
        x = stack.pop()
        if isinstance(x, dict):
            kind = type(x)
            if kind.__getitem__ is not dict.__getitem__ or hasattr(kind, "__missing__"):
                raise RecordingError(
                    f"compile: {name} is a {kind.__name__}, which has a way of its own to look up "
                    "its items; give a dict of them"
                )
            for key in x:
                if not plain(key):
                    raise RecordingError(
                        f"compile: {name} has {key!r} as a key; expected texts or numbers"
                    )
            stack += x.values()
        elif isinstance(x, (list, tuple)):
            stack += x


def _refuse_result(name: str, x: Any) -> None:
    """What could hold Tensors, or numbers that were computed from them."""
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


def _stand_in(name: str, x: Any) -> Any:
    """The Tensor that f sees for an array; a setting as it is."""
    if isinstance(x, (np.random.Generator, np.random.RandomState)):
        raise RecordingError(
            f"compile: {name} is a random generator, whose numbers would be the same ones in "
            "every call; draw them outside and pass them as an argument"
        )
    if not is_array(x):
        return x
    if isinstance(x, np.generic) or type(x) is np.ndarray:
        return Tensor(np.asarray(x))
    if isinstance(x, Tensor) and type(x._array) is np.ndarray:
        return Tensor(x._array, x.requires_grad, x.name)
    kind = type(x._array if isinstance(x, Tensor) else x)
    raise RecordingError(
        f"compile: {name} is a {kind.__module__}.{kind.__name__}; programs are written for "
        "numpy.ndarray"
    )


def _fix_constants(recording: Recording) -> None:
    """Captured arrays that nobody else holds can't change: they become constants of the graph.

    Whoever holds an array, or a view of it, is counted by Python; where another implementation
    counts otherwise they stay inputs, which is right as well.
    """
    gc.collect(1)  # the run's own circles
    constants: dict[Node, Any] = {}
    for leaf in list(recording.captured):
        alone = recording.captured[leaf] is leaf.value and leaf.value.base is None
        # Held by the leaf, by `captured`, and by the call that counts.
        if alone and sys.getrefcount(leaf.value) <= 3:
            leaf.value.setflags(write=False)
            constants[leaf] = leaf.value if leaf.shape else leaf.value[()]
            del recording.captured[leaf]
    for node in recording.graph:
        if any(x in constants for x in node.parents):
            node.inputs = [constants.get(x, x) if isinstance(x, Node) else x for x in node.inputs]
    recording.results = [
        constants.get(x, x) if isinstance(x, Node) else x for x in recording.results
    ]
    outputs = tuple(x for x in recording.graph.outputs if x not in constants)
    recording.graph = Graph([n for n in recording.graph if n not in constants], outputs)


def _short(path: str) -> str:
    """`parameters["W1"]` is called W1, `layers[0]` layers_0."""
    words = path.replace("]", "").replace('"', "").split("[")
    if words[-1].isidentifier():
        return words[-1]
    return "_".join("".join(c if c.isalnum() else "_" for c in w) for w in words)
