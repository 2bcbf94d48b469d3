"""The recorded computation: nodes, their order, names and scopes. No mathematics.

A node knows the op that made it, what went in, and nothing of what is made of it; so whatever
nobody holds any more is freed by itself. Every printer (picture, formula, program) reads `trace`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate, count
from math import inf, prod
from operator import attrgetter
from typing import Any, ClassVar

NO_META: Mapping[str, Any] = {}

# Creation numbers order the nodes and tell which edit of a leaf came before which op.
tick = count(1).__next__
by_index = attrgetter("index")


class Shapes(list[tuple[int, ...]]):
    """The shapes of the inputs of one op."""

    def __init__(self, shapes: Iterable[tuple[int, ...]]) -> None:
        super().__init__(shapes)
        self._starts: dict[int | None, list[int]] = {}

    def starts(self, axis: int | None) -> list[int]:
        """Where each input begins when they are laid end to end along an axis, or flattened."""
        if axis not in self._starts:
            lengths = (prod(s) if axis is None else s[axis] for s in self)
            self._starts[axis] = list(accumulate(lengths, initial=0))
        return self._starts[axis]


class Node:
    """One recorded op: what was applied, to what, and the values its derivative rules will read.

    `inputs` holds a `Node` per recorded input and the plain value of every constant; `wanted` are
    the positions of those that required a gradient when it was recorded. `saved` holds
    (z, x, y, ...) with None for what no rule reads, or is None once the values were freed. `swept`
    is when a sweep that records nothing last passed it and kept its values, 0 if none did.

    Example: `z = Tensor(x, name="x") ** 2`; `z.node.op.name` is `"power"`, and
    `z.node.inputs[0].name` is `"x"`.
    """

    __slots__ = (
        "dtype",
        "grad",
        "index",
        "inputs",
        "meta",
        "name",
        "op",
        "requires_grad",
        "saved",
        "scope",
        "shape",
        "swept",
        "wanted",
    )

    # `tensor.record` writes these assignments out, once per recorded op: keep the two alike.
    def __init__(
        self,
        op: Any,
        inputs: Sequence[Any],
        meta: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: Any,
        requires_grad: bool = False,
        wanted: tuple[int, ...] = (),
        saved: tuple[Any, ...] | None = None,
        scope: tuple[str, ...] = (),
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.meta = meta
        self.shape = shape
        self.dtype = dtype
        self.requires_grad = requires_grad
        self.wanted = wanted
        self.saved = saved
        self.scope = scope
        self.index = tick()
        self.name: str | None = None
        self.grad: Any = None
        self.swept = 0

    @property
    def input_shapes(self) -> Shapes:
        """The shapes of the inputs, constants included."""
        return Shapes(getattr(x, "shape", ()) for x in self.inputs)

    @property
    def parents(self) -> tuple[Node, ...]:
        """The recorded inputs, without the constants."""
        return tuple([x for x in self.inputs if isinstance(x, Node)])

    def __repr__(self) -> str:
        return f"<{describe(self)}>"


def nobody() -> None:
    """The weak reference of a leaf that no Tensor holds."""


_UNSEEN: tuple[Any, int | None] = (None, None)


class Memory:
    """What happened to the memory of a leaf, shared by all leaves that share that memory.

    Attributes:
        edited: the time of the last counted in-place write; 0, as below, for never.
        used: when an op last read it.
        freed: when a `backward` that frees what it passes last reached it.
        seen: when the array was handed out after it had been used.
        sight: that array and its fingerprint then.
    """

    __slots__ = ("edited", "freed", "seen", "sight", "used")

    def __init__(self) -> None:
        self.edited = self.used = self.freed = self.seen = 0
        self.sight = _UNSEEN

    def __reduce__(self) -> Any:
        # Leaves that share it go on to share one. Its times are no times of another process.
        return Memory, ()


class Leaf(Node):
    """A value that no op made: a parameter, or data.

    `replaced` is the time when it was last given another array; `variable` says that it is what a
    transform differentiates by: its array is the caller's, so a write makes a copy and is recorded.

    Example: `isinstance(Tensor(x, name="x").node, Leaf)`.
    """

    __slots__ = ("__weakref__", "memory", "replaced", "tensor", "value", "variable")

    def __init__(self, value: Any, requires_grad: bool, name: str | None) -> None:
        # Node's own __init__ written out, as in `tensor.record`.
        self.op = self.saved = self.grad = None
        self.inputs = self.wanted = ()
        self.meta = NO_META
        self.shape = value.shape
        self.dtype = value.dtype
        self.requires_grad = requires_grad
        self.scope = MODE.get().scope
        self.index = tick()
        self.name = name
        self.swept = 0
        self.value = value
        self.memory = Memory()
        self.replaced = 0
        self.variable = False
        self.tensor: Any = nobody  # a weak reference to the Tensor, once there is one

    @property
    def changed(self) -> int:
        """The time of the last counted change of its value."""
        return max(self.memory.edited, self.replaced)

    def __reduce__(self) -> Any:
        # A gradient with a recipe would pull in the graph that holds this leaf: its values alone.
        grad = self.grad.numpy() if hasattr(self.grad, "numpy") else self.grad
        return _leaf, (self.value, self.requires_grad, self.name, self.scope, grad, self.memory)


def _leaf(
    value: Any,
    requires_grad: bool,
    name: str | None,
    scope: tuple[str, ...],
    grad: Any,
    memory: Memory,
) -> Leaf:
    made = Leaf(value, requires_grad, name)
    made.scope, made.grad, made.memory = scope, grad, memory
    return made


def rebuilt(node: Node, inputs: Sequence[Any]) -> Node:
    """The same op on other inputs of the same shapes and dtypes, for a graph without gradients."""
    new = Node(node.op, tuple(inputs), node.meta, node.shape, node.dtype, scope=node.scope)
    new.name = node.name
    return new


def describe(node: Node) -> str:
    """A node in a few words for an error message: `W2 (7, 20)`, `matmul (7, 209)`."""
    what = node.name or (node.op.name if node.op else "tensor")
    return f"{what} {node.shape}"


class Graph(Sequence[Node]):
    """The nodes that `outputs` were computed from, inputs before what is made of them.

    `print(graph)` lists them, see `formula/listing.py`; `graph.verify()` says what is malformed.

        graph = trace([cost.node])
        print(graph.verify())

    Example: `tinygrad_dnn.graph.trace([w.node]).leaves[0].name` is `"w"`.
    """

    printer: ClassVar[Callable[[Graph], str]] = repr  # `formula`, which knows how, puts its own

    def __init__(self, nodes: list[Node], outputs: tuple[Node, ...]) -> None:
        self.nodes = nodes
        self.outputs = outputs

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, i: Any) -> Any:
        return self.nodes[i]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    @property
    def leaves(self) -> list[Leaf]:
        """Parameters and data, in order of creation."""
        return [n for n in self.nodes if isinstance(n, Leaf)]

    def verify(self) -> Graph:
        """Raise if the graph is malformed; else return it.

        Every input stands before what is made of it, every op gives the shape and dtype that the
        node has, every value that a derivative rule will read was saved (unless all were freed).

        Raises:
            ValueError: the first malformed node by name, what was expected and what is there.
        """
        there = set[Node]()
        for node in self.nodes:
            if (fault := _fault(node, there)) is not None:
                raise ValueError(f"graph: {describe(node)} {fault}")
            there.add(node)
        for node in self.outputs:
            if node not in there:
                raise ValueError(f"graph: the output {describe(node)} is not among the nodes")
        return self

    def __str__(self) -> str:
        return type(self).printer(self)

    def __repr__(self) -> str:
        return f"<Graph of {len(self.nodes)} nodes, {len(self.leaves)} of them leaves>"


def _fault(node: Node, there: Container[Node]) -> str | None:
    """Return what is malformed about a node, given the nodes before it."""
    if node in there:
        return "stands twice"
    for i, x in enumerate(node.inputs):
        if isinstance(x, Node) and x not in there:
            return f"comes before its input {i}, {describe(x)}, or that is missing"
    if isinstance(node, Leaf):
        found = tuple(node.value.shape), node.value.dtype
        origin = "holds"
    elif node.op is None:
        return "has no op and is no leaf"
    else:
        origin = f"= {node.op.name}({', '.join(map(str, node.input_shapes))}) gives"
        try:
            found = node.op.result(node.inputs, node.meta)
        except (TypeError, ValueError, IndexError) as error:
            return f"can't be computed from its inputs: {error}"
    if found != (tuple(node.shape), node.dtype):
        return f"{node.dtype} {origin} {found[0]} {found[1]}"
    for i in node.wanted:
        if not (i < len(node.inputs) and isinstance(node.inputs[i], Node)):
            return f"wants a gradient for its input {i}, which is no node"
    if node.saved is not None:
        return _unsaved(node, node.saved)
    return None


def _unsaved(node: Node, saved: Sequence[Any]) -> str | None:
    """Which value a derivative rule of a node will read in vain."""
    places = {"z": 0} | {a: k for k, a in enumerate(node.op.arrays, 1)}
    for i in node.wanted:
        for name in sorted(node.op.reads(i)):
            values = saved[1:] if node.op.many and name != "z" else saved[places[name] :][:1]
            if not values or any(v is None for v in values):
                return f"has not saved {name}, which the rule for its input {i} reads"
    return None


def trace(outputs: Iterable[Node]) -> Graph:
    """Collect everything that `outputs` were computed from: linear, iterative, each node once."""
    roots = tuple(outputs)
    seen = set(roots)
    stack = list(roots)
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Node) and x not in seen:
                seen.add(x)
                stack.append(x)
    return Graph(sorted(seen, key=by_index), roots)


# --- how recording behaves here and now (per thread and per task) ---------------------------------


class Observer:
    """Stands in the mode as `watch` and is called at every op and every derivative rule."""

    for_reading: ClassVar[bool] = False  # whether people read what is recorded, and run it no more

    def after_op(self, op: Any, inputs: Sequence[Any], arrays: Sequence[Any], z: Any) -> None:
        """The forward of an op gave z for arrays, the values of its inputs."""

    def after_record(self, node: Node) -> None:
        """A node was recorded."""

    def before_leaving(self, node: Node) -> None:
        """The value of a node is about to be read, written elsewhere, or held by another leaf."""

    def before_rule(self, node: Node) -> None:
        """The derivative rules of a node are about to run."""

    def after_rule(self, node: Node, i: int, g: Any, gx: Any) -> None:
        """The rule of a node, given the cotangent g, gave gx for its input i."""


class Mode:
    """Whether ops are recorded, who watches them (an `Observer`), the scope they belong to, the
    tracer that writes a whole function down (`compile`): then everything is recorded, and no value
    may leave the graph; and since when whatever requires a gradient is still to be differentiated,
    as it is inside the function of a transform.
    """

    __slots__ = ("plain", "recording", "scope", "since", "tracer", "watch")

    def __init__(
        self,
        recording: bool,
        watch: Observer | None,
        scope: tuple[str, ...],
        tracer: Any = None,
        since: float = inf,
    ) -> None:
        self.recording = recording
        self.watch = watch
        self.scope = scope
        self.tracer = tracer
        self.since = since
        # The usual case, asked once per op.
        self.plain = recording and watch is None and tracer is None


_ORDINARY = Mode(True, None, ())
MODE: ContextVar[Mode] = ContextVar("tinygrad_dnn mode", default=_ORDINARY)


class _Changed:
    """The block of `mode`: a class, since a generator takes longer than many an op."""

    __slots__ = ("_changes", "_token")

    def __init__(self, changes: Mapping[str, Any]) -> None:
        self._changes = changes

    def __enter__(self) -> Mode:
        now, changed = MODE.get(), self._changes.get
        new = Mode(
            changed("recording", now.recording),
            changed("watch", now.watch),
            changed("scope", now.scope),
            changed("tracer", now.tracer),
            changed("since", now.since),
        )
        self._token = MODE.set(new)
        return new

    def __exit__(self, *error: object) -> None:
        MODE.reset(self._token)


def mode(**changes: Any) -> _Changed:
    """Change what the names of a Mode say for the block, and restore it whatever happens."""
    return _Changed(changes)


def traced() -> bool:
    """Whether a whole function is being written down, its backward passes included."""
    return MODE.get().tracer is not None


def leaves_graph(node: Node, how: str) -> None:
    """A value is about to leave the graph, by .item() or the like; a tracer refuses."""
    now = MODE.get()
    if now.watch is not None:
        now.watch.before_leaving(node)
    if now.tracer is not None:
        now.tracer.refuse_read(node, how)


def in_transform(node: Node) -> bool:
    """Whether a node belongs to the function of a transform that is running, and is recorded."""
    now = MODE.get()
    return now.recording and node.index > now.since


def pending(node: Node) -> bool:
    """Whether a gradient may still flow to a node: it needs one, and no sweep has passed it since
    it was made (a leaf: since an op read it).
    """
    if not (node.requires_grad and MODE.get().recording):
        return False
    if in_transform(node):
        return True
    if isinstance(node, Leaf):
        return node.swept <= node.memory.used
    return node.saved is not None and not node.swept


def leaves_unasked(node: Node, how: str) -> None:
    """A value is about to leave the graph in passing, by float() or the like.

    Raises:
        TypeError: its gradient is pending, and what is computed from the number would have none.
    """
    leaves_graph(node, how)
    if pending(node):
        raise TypeError(
            f"{how} of {describe(node)} would lose its gradient, which is still pending (math, '%f'"
            " and an element of a plain array call it). To stay in the graph: NumPy's function "
            "(np.exp for math.exp), np.stack, np.where, or a Tensor as buffer (out = "
            "Tensor(np.zeros(3)); out[0] = t). For the bare number: .item(), or backward() first"
        )


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside the block: results are plain values without a recipe.

    Example: `with no_grad(): y = Tensor(x, requires_grad=True) * 2`; then `y.requires_grad` is
    `False`.
    """
    with mode(recording=False):
        yield


class Call(str):
    """The scope of one call of a function that records several ops.

    Two calls are two scopes, also where their functions are one: equality is identity.

    Attributes:
        settings: the arguments that are no arrays, `axis=1`.
        arity: how many Tensors it was given.
    """

    __slots__ = ("arity", "settings")

    settings: str
    arity: int

    def __new__(cls, name: str, settings: str = "", arity: int = 1) -> Call:
        """Of a function's name, and what it was called with."""
        made = super().__new__(cls, name)
        made.settings, made.arity = settings, arity
        return made

    def __reduce__(self) -> tuple[type[Call], tuple[str, str, int]]:
        return Call, (str(self), self.settings, self.arity)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes made inside the block belong to `name` (nested scopes make a path), e.g. "layer 1".

    Example: `with scope("layer 1"): Z1 = Tensor(W, name="W1") @ x`; then `Z1.node.scope` is
    `("layer 1",)`.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"scope: expected a name, got {name!r}; write scope('layer 1')")
    with mode(scope=(*MODE.get().scope, name)):
        yield
