"""Watches while a function runs once: every op, every name, and everything that must not happen."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.holders import held_beyond
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.bytecode import Site
from tinygrad_dnn.compiler.errors import RecordingError
from tinygrad_dnn.compiler.tracing.stabilise import Stabiliser
from tinygrad_dnn.compiler.tracing.user_lines import is_engines, line_of, where
from tinygrad_dnn.graph import Leaf, Node, describe, mode, trace
from tinygrad_dnn.graph.node import tick

# What NumPy and Python say of a locked array.
_LOCKED = re.compile("(array|destination|operation on|base) is read-only|read-only memory")


class Tracer:
    """Stands in the mode while a function is recorded.

    Attributes:
        nodes: every op, in order of time.
        aliases: leaves that share the value of an earlier node (`Tensor(x)`, `x.detach()`).
        outside: values of nodes that were recorded before, by an op that read them.
        raises: for ops inside `with np.errstate(...)`, what it sets.
        names: what variables of the user called a node.
        gradients: pairs of a node and its gradient's.
        sites: the operations and calls of the user's in which an op read an array, by its id, and
            by that of the array that it is a view of.
        graded: the stand-ins of arguments that have a gradient, which is no argument.
        refused: what was refused first.
        swept: what sweeps recorded.
        made: arrays that the engine made, copies of the function's own among them, by id: they stay
            as they are.
        stabiliser: rewrites what sweeps start from; None where all is to stay as it is written.

    Args:
        outer: ids of the arrays that the function is given or can reach; all others are its own.
    """

    def __init__(self, outer: Iterable[int] = (), stabiliser: Stabiliser | None = None) -> None:
        self.nodes: list[Node] = []
        self.aliases: dict[Node, Node] = {}
        self.outside: dict[Node, Any] = {}
        self.raises: dict[Node, dict[str, Any]] = {}
        self.names: dict[Node, str] = {}
        self.gradients: list[tuple[Node, Node]] = []
        self.sites: dict[int, set[Site]] = {}
        self.graded: set[Node] = set()
        self.refused: RecordingError | None = None
        self.swept: set[Node] = set()
        self.made: dict[int, Any] = {}
        self.stabiliser = stabiliser
        self._values: dict[Node, Any] = {}  # kept for recording again
        self._again = False  # whether that is being done
        self._sweeps: list[int] = []  # of those under way, how many nodes there were before
        self._outer = frozenset(outer)
        self._known: set[Node] = set()
        self._began = tick()
        self._ran = self._began
        self._copies: dict[int, tuple[Any, Any]] = {}  # of the function's own arrays, by id
        self._leaves: dict[Leaf, Any] = {}

    # --- what the engine reports -------------------------------------------------------------

    def after_record(self, t: Any, arrays: Sequence[Any]) -> None:
        """An op was recorded, and applied to these values."""
        node = t.node
        self.nodes.append(node)
        self._known.add(node)
        if self.stabiliser is not None:
            self._values[node] = t._array
        own = False
        for x, value in zip(node.inputs, arrays, strict=True):
            if isinstance(x, Node):
                if x.op is not None and x not in self._known:
                    self._from_outside(x, value)
                elif isinstance(x, Leaf) and x.index > self._began and x not in self._leaves:
                    self._leaves[x] = self._as_it_is(x.value, _is_whole(x.value))
            elif isinstance(x, np.ndarray):
                own = self._as_it_is(x) is not x or own
        if own:  # what the function does to its own arrays later does not matter
            node.inputs = [
                self._as_it_is(x) if isinstance(x, np.ndarray) else x for x in node.inputs
            ]
        changed = {k: v for k, v in np.geterr().items() if v != "call"}
        if changed:
            self.raises[node] = changed

    def _from_outside(self, x: Node, value: Any) -> None:
        """A node that is not among those recorded: from before, or from another thread."""
        if x.index > self._began:
            raise self._refusal(
                f"compile: {describe(x)} was computed in another thread, which nobody recorded; "
                f"{where()}. Compute it in the function's own thread"
            )
        self.outside[x] = value

    def _as_it_is(self, x: Any, constant: bool = True) -> Any:
        """An array that an op reads; a copy if it is the function's own and could be changed."""
        if not isinstance(x, np.ndarray):
            return x
        if self._is_own(x):
            return self._fixed(x, constant)
        if not self._again:
            self._note_site(x)
        return x

    def _is_own(self, x: Any) -> bool:
        return not (id(x) in self._outer or (x.base is not None and id(x.base) in self._outer))

    def _fixed(self, x: Any, constant: bool) -> Any:
        """An array of the function's own as it is now, as a constant of the program or an input."""
        there = self._copies.get(id(x))
        if there is None or there[0] is not x or there[1].tobytes() != x.tobytes():
            copy = x.copy(order="K")
            copy.flags.writeable = False
            there = self._copies[id(x)] = x, copy
            if constant:
                self.made[id(copy)] = copy
        return there[1]

    def value_of(self, leaf: Leaf) -> Any:
        """The array of a leaf that the function closed over, or made: as an op has read it first,
        and where none did as it is in the end.
        """
        there = self._leaves.get(leaf)
        if there is not None:
            return there
        made = leaf.index > self._began and isinstance(leaf.value, np.ndarray)
        if not (made and self._is_own(leaf.value)):
            return leaf.value
        return self._fixed(leaf.value, _is_whole(leaf.value))

    def _note_site(self, x: Any) -> None:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and is_engines(frame):
            frame = frame.f_back
        if frame is not None:
            for one in (x, x.base):
                self.sites.setdefault(id(one), set()).add((frame.f_code, frame.f_lasti))

    def check(self) -> None:
        """Nothing was refused that the function went on from, and its own arrays in Tensors are as
        they were when an op read them.

        Raises:
            RecordingError: otherwise.
        """
        if self.refused is not None:
            raise self.refused
        for leaf, then in self._leaves.items():
            if then is not leaf.value and then.tobytes() != leaf.value.tobytes():
                raise RecordingError(
                    f"compile: the array in {self._called(leaf)} is changed in place after an op "
                    "has read it; make a new array for every Tensor"
                )

    def _refusal(self, words: str) -> RecordingError:
        error = RecordingError(words)
        if self.refused is None:
            self.refused = error
        return error

    def before_sweep(
        self,
        roots: Sequence[Node],
        asked: Collection[Node],
        keep: Callable[[Node], bool] | None,
        free: bool,
    ) -> Sequence[Node]:
        """The nodes to sweep from, whose values are those of the roots.

        Args:
            asked, keep: whose gradients are wanted, so that they must be among what is swept.
            free: whether the sweep frees what it passes.
        """
        if self.stabiliser is None:
            self._sweeps.append(len(self.nodes))
            return roots
        replaced = self.stabiliser.replaced
        earlier = len(replaced)
        self._again = True
        try:
            with np.errstate(all="call", call=_ignore):
                roots = self.stabiliser.roots(
                    roots, lambda n: n in asked or bool(keep and keep(n)), self._values, self.names
                )
        finally:
            self._again = False
        for old in [*replaced][earlier:]:
            new = replaced[old]
            if old in self.raises:
                self.raises[new] = self.raises[old]
            if old in self.names:
                self.names.setdefault(new, self.names[old])
            if free:
                old.saved = None
        self._sweeps.append(len(self.nodes))
        return roots

    @contextmanager
    def unwatched(self, roots: Sequence[Node]) -> Iterator[None]:
        """A sweep from these nodes, whose calls are not looked at where all its rules are ours: no
        variable of the user's ends there, and no rule of ours draws a number.
        """
        before = sys.getprofile()
        if before != self._profile or not all(n.op is None or n.op.builtin for n in trace(roots)):
            yield
            return
        sys.setprofile(None)
        try:
            yield
        finally:
            sys.setprofile(before)

    def after_sweep(self, found: Mapping[Node, Any]) -> None:
        """The gradients that a backward pass found, by what they are the gradient of."""
        self.swept.update(self.nodes[self._sweeps.pop() :])
        self.gradients += [(node, g.node) for node, g in found.items()]

    def after_alias(self, one: Node, leaf: Leaf) -> None:
        """A new leaf has the value of another node."""
        self.aliases[leaf] = one
        self._leaves[leaf] = leaf.value

    def refuse_read(self, node: Node, how: str) -> None:
        """A value would leave the graph: whatever Python made of it would stay as it is now."""
        raise self._refusal(
            f"compile: {how} reads the value of {self._called(node)} while the function is being "
            f"recorded, and what it is now would be built in for good; {where()}. Compute with the "
            "Tensor itself (np.where instead of if), or return it and read it outside"
        )

    def refuse_grad(self, node: Node) -> None:
        """The gradient of an argument is none of its own numbers, and not given."""
        if node in self.graded:
            raise self._refusal(
                f"compile: the gradient of {self._called(node)} is read; {where()}. Pass it as an "
                "argument of its own"
            )

    def refuse_write(self, node: Node) -> None:
        """An argument, or what the function closes over, would be changed in place."""
        if node.op is None:
            raise self._refusal(
                f"compile: {self._called(node)} is changed in place while the function is being "
                f"recorded, which no program does; {where()}. Compute a new value instead: "
                "W = W - rate * dW"
            )

    def owns(self, node: Node) -> bool:
        """Whether a value is the function's own, no argument nor from outside, and its array is
        held by nobody else, who would wait for a write to show there.
        """
        if node.index <= self._ran or not isinstance(node, Leaf) or node.variable:
            return node.index > self._ran
        there = self._copies.get(id(node.value))
        # By the leaf, by its Tensor; and by the copies that were made.
        known = 2 + (there is not None and there[0] is node.value)
        return not held_beyond(node.value, known)

    def _called(self, node: Node) -> str:
        name = self.names.get(node)
        return f"{name} {node.shape}" if name else describe(node)

    # --- the time of recording ---------------------------------------------------------------

    @contextmanager
    def watching(self, generators: Sequence[Any], called: Mapping[int, str]) -> Iterator[None]:
        """Record everything in the block, and refuse what a program could not do again.

        Args:
            generators: of random numbers, besides NumPy's global one.
            called: their names, by id.

        Raises:
            RecordingError: random numbers were drawn, or an array written to that is locked.
        """
        before = sys.getprofile()
        global_state = np.random.mtrand._rand
        names = ["np.random", *(called.get(id(g)) or "a generator" for g in generators)]
        watched = [global_state, *generators]
        states = [_state(g) for g in watched]
        sys.setprofile(self._profile)
        try:
            with self.recording():
                yield
        except (ValueError, TypeError) as error:
            if _LOCKED.search(str(error)):
                raise RecordingError(
                    "compile: an array that the function closes over is changed in place while it "
                    f"is being recorded, which later calls would not do; {line_of(error)}. Return "
                    "the new value instead, and pass the old one as an argument"
                ) from error
            raise
        finally:
            _restore_profile(before)
        for name, g, state in zip(names, watched, states, strict=True):
            if _state(g) != state:
                raise RecordingError(
                    f"compile: the function draws random numbers from {name}, which would be the "
                    "same ones in every call; draw them outside and pass them as an argument"
                )

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record everything in the block."""
        # Whatever a block sets differs from "call".
        errors = np.errstate(all="call", call=_ignore)
        self._ran = tick()
        with errors, mode(recording=True, watch=None, scope=(), tracer=self):
            yield

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "return":
            if not is_engines(frame):
                self._take_names(frame.f_locals)
        elif event == "c_call" and (
            isinstance(getattr(arg, "__self__", None), Random) or arg.__name__ == "urandom"
        ):
            raise self._refusal(
                f"compile: {arg.__name__} draws random numbers, which would be the same ones in "
                f"every call; {where()}. Draw them outside and pass them as an argument"
            )

    def _take_names(self, variables: Mapping[str, Any]) -> None:
        """Call values by the variables that hold them when a function of the user returns."""
        for name, value in variables.items():
            if isinstance(value, Tensor) and value.node.name is None and name.isidentifier():
                self.names.setdefault(value.node, name)


def _is_whole(x: Any) -> bool:
    """Whether a Tensor's array is no view: on a view, often a large cotangent in its shape, it
    stays an input, since a constant among the results is copied in every call.
    """
    return getattr(x, "base", None) is None


def _ignore(*_: Any) -> None:
    """A floating-point warning: the program will give it."""


def _restore_profile(before: Any) -> None:
    """Go on profiling; cProfile's own kind is no function."""
    sys.setprofile(before if before is None or callable(before) else None)
    if before is not None and not callable(before):
        before.enable()


def _state(generator: Any) -> str:
    if isinstance(generator, np.random.SeedSequence):
        return str(generator.n_children_spawned)
    bits = generator
    if not isinstance(generator, np.random.BitGenerator):
        bits = getattr(generator, "bit_generator", None) or generator._bit_generator
    return repr(
        {
            k: v
            if not isinstance(v, dict)
            else {n: x.tobytes() if isinstance(x, np.ndarray) else x for n, x in v.items()}
            for k, v in bits.state.items()
        }
    )
