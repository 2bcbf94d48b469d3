"""How recording behaves here and now, per thread and per task: off, watched, within a scope."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any, ClassVar

from tinygrad_dnn.graph.node import Node


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
        given: for each array that it was given, whether that is a Tensor.
        order: for each Tensor, as one meets them in the result's formula, its place among those
            that were given; None where that is the same order.
    """

    __slots__ = ("given", "order", "settings")

    settings: str
    given: tuple[bool, ...]
    order: tuple[int, ...] | None

    def __new__(
        cls,
        name: str,
        settings: str = "",
        given: tuple[bool, ...] = (True,),
        order: tuple[int, ...] | None = None,
    ) -> Call:
        """Of a function's name, and what it was called with."""
        made = super().__new__(cls, name)
        made.settings, made.given, made.order = settings, given, order
        return made

    def __reduce__(self) -> tuple[type[Call], tuple[Any, ...]]:
        return Call, (str(self), self.settings, self.given, self.order)

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
