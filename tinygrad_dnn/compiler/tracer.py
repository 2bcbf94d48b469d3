"""Watches while a function runs once: every op, every name, and everything that must not happen."""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from tinygrad_dnn.graph import Node, describe, mode

NUMPY = str(Path(np.__file__).parent) + os.sep
VIEWS = frozenset(
    {"reshape", "transpose", "swapaxes", "moveaxis", "squeeze", "expand_dims", "view"}
)
ABOUT = frozenset({"shape", "ndim", "size", "zeros_like", "ones_like", "empty_like", "full_like"})
_LOCKED = re.compile("(array|destination) is read-only|read-only memory")  # NumPy's and Python's
PYTHON = str(Path(os.__file__).parent) + os.sep
ENGINE = (NUMPY, str(Path(__file__).parents[1]) + os.sep)


class RecordingError(TypeError):
    """A function can't be compiled: what it did, and in which line."""


class Tracer:
    """Stands in the mode while a function is recorded.

    Attributes:
        nodes: every op, in order of time.
        aliases: leaves that share the value of an earlier node (`Tensor(x)`, `x.detach()`).
        outside: values of nodes that were recorded before, by an op that read them.
        raises: for ops inside `with np.errstate(...)`, what it sets.
        names: what variables of the user called a node.
        gradients: pairs of a node and its gradient's.
        read: ids of arrays whose methods were called or which NumPy's functions were given, and of
            those that they are views of.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.aliases: dict[Node, Node] = {}
        self.outside: dict[Node, Any] = {}
        self.raises: dict[Node, dict[str, Any]] = {}
        self.names: dict[Node, str] = {}
        self.gradients: list[tuple[Node, Node]] = []
        self.read: set[int] = set()
        self._known: set[Node] = set()

    # --- what the engine reports -------------------------------------------------------------

    def after_record(self, t: Any, arrays: Sequence[Any]) -> None:
        """An op was recorded, and applied to these values."""
        node = t.node
        self.nodes.append(node)
        self._known.add(node)
        for x, value in zip(node.inputs, arrays, strict=True):
            if isinstance(x, Node) and x.op is not None and x not in self._known:
                self.outside[x] = value
        changed = {k: v for k, v in np.geterr().items() if v != "call"}
        if changed:
            self.raises[node] = changed

    def after_sweep(self, found: Mapping[Node, Any]) -> None:
        """The gradients that a backward pass found, by what they are the gradient of."""
        self.gradients += [(node, g.node) for node, g in found.items()]

    def after_alias(self, one: Node, leaf: Node) -> None:
        """A new leaf has the value of another node."""
        self.aliases[leaf] = one

    def refuse_read(self, node: Node, how: str) -> None:
        """A value would leave the graph: whatever Python made of it would stay as it is now."""
        raise RecordingError(
            f"compile: {how} reads the value of {self._called(node)} while the function is being "
            f"recorded, and what it is now would be built in for good; {where()}. Compute with the "
            "Tensor itself (np.where instead of if), or return it and read it outside"
        )

    def refuse_write(self, node: Node) -> None:
        """An argument, or what the function closes over, would be changed in place."""
        if node.op is None:
            raise RecordingError(
                f"compile: {self._called(node)} is changed in place while the function is being "
                f"recorded, which later calls would not do; {where()}. Return the new value "
                "instead: W = W - rate * dW"
            )

    def _called(self, node: Node) -> str:
        name = self.names.get(node)
        return f"{name} {node.shape}" if name else describe(node)

    # --- the time of recording ---------------------------------------------------------------

    @contextmanager
    def watching(self, generators: Sequence[Any] = ()) -> Iterator[None]:
        """Record everything in the block, and refuse what a program could not do again.

        Raises:
            RecordingError: random numbers were drawn, or an array written to that is locked.
        """
        before = sys.getprofile()
        global_state = np.random.mtrand._rand
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
        if any(_state(g) != state for g, state in zip(watched, states, strict=True)):
            raise RecordingError(
                "compile: the function draws random numbers, which would be the same ones in "
                "every call; draw them outside and pass them as an argument"
            )

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record everything in the block."""
        # Whatever a block sets differs from "call".
        errors = np.errstate(all="call", call=_ignore)
        with errors, mode(recording=True, watch=None, scope=(), tracer=self):
            yield

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "return":
            if not _engine(frame):
                self._take_names(frame.f_locals)
        elif event == "c_call":
            one = getattr(arg, "__self__", None)
            if isinstance(one, np.ndarray):
                if arg.__name__ not in VIEWS and not _engine(frame):
                    self._note_read(one)
            elif isinstance(one, Random) or arg.__name__ == "urandom":
                raise RecordingError(
                    f"compile: {arg.__name__} draws random numbers, which would be the same ones "
                    f"in every call; {where()}. Draw them outside and pass them as an argument"
                )
        elif event == "call" and frame.f_code.co_filename.startswith(NUMPY):
            caller = frame.f_back
            if (
                caller is not None
                and not _engine(caller)
                and frame.f_code.co_name not in VIEWS | ABOUT
            ):
                for x in frame.f_locals.values():
                    if isinstance(x, np.ndarray):
                        self._note_read(x)

    def _note_read(self, x: Any) -> None:
        self.read |= {id(x)} if x.base is None else {id(x), id(x.base)}

    def _take_names(self, variables: Mapping[str, Any]) -> None:
        """Call values by the variables that hold them when a function of the user returns."""
        for name, value in variables.items():
            node = getattr(value, "node", None)
            if isinstance(node, Node) and node.name is None and name.isidentifier():
                self.names.setdefault(node, name)


def _ignore(*_: Any) -> None:
    """A floating-point warning: the program will give it."""


def _restore_profile(before: Any) -> None:
    """Go on profiling; cProfile's own kind is no function."""
    sys.setprofile(before if before is None or callable(before) else None)
    if before is not None and not callable(before):
        before.enable()


def _state(generator: Any) -> str:
    bits = getattr(generator, "bit_generator", None) or generator._bit_generator
    return repr(
        {
            k: v
            if not isinstance(v, dict)
            else {n: x.tobytes() if isinstance(x, np.ndarray) else x for n, x in v.items()}
            for k, v in bits.state.items()
        }
    )


def _engine(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith((*ENGINE, "<frozen"))


def _users(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return not (_engine(frame) or (name.startswith(PYTHON) and "site-packages" not in name))


def where() -> str:
    """The innermost line that is not ours, NumPy's or Python's: `net.py, line 7: if cost > 1:`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _users(frame):
        frame = frame.f_back
    return _line(frame.f_code.co_filename, frame.f_lineno) if frame else "in no file"


def line_of(error: BaseException) -> str:
    """The innermost such line on an exception's way."""
    frames = [(tb.tb_frame, tb.tb_lineno) for tb in _tracebacks(error)]
    outer = [(f.f_code.co_filename, line) for f, line in frames if _users(f)]
    return _line(*outer[-1]) if outer else "in no file"


def _tracebacks(error: BaseException) -> Iterator[TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _line(name: str, line: int) -> str:
    text = linecache.getline(name, line).strip()
    return f"{name}, line {line}: {text}" if text else f"{name}, line {line}"
