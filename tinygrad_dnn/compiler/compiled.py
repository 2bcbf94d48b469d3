"""`compile`: a function that becomes NumPy source at its first call."""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import threading
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any, overload
from weakref import WeakSet

import numpy as np

from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.pytree import flatten, rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.compiler.build import program_of
from tinygrad_dnn.compiler.guards.guards import Guards
from tinygrad_dnn.compiler.program import Key, Program, changed_number, guard_for, key_of, travels
from tinygrad_dnn.compiler.tracing.record import record, refuse_attached
from tinygrad_dnn.compiler.tracing.signature import Bound
from tinygrad_dnn.graph import no_grad, traced
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.storage.whole_file import write_text

LIMIT = 32  # keys of which a compiled function keeps programs
LONG = 5_000  # ops from which on writing them takes seconds
SETTINGS = 4  # programs for one key: `training` switched on and off
MANY = 8  # programs written again for one reason, after which it is said

_ALL: WeakSet[Compiled] = WeakSet()


def _unlock() -> None:
    """After a fork: the thread that held a lock is not there."""
    for compiled in _ALL:
        compiled._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class Compiled:
    """A function of arrays as straight-line NumPy: what `compile` returns.

    Example: `step = compile(lambda x: np.exp(-x * x))`; `step(0.0)` is `1.0`, and `step.source` is
    its program.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        rewrite: bool,
        reuse_outputs: bool,
        blocks: bool = True,
        threads: int | None = None,
    ) -> None:
        self.f: Callable[..., Any] | None = f
        self.rewrite, self.reuse_outputs = rewrite, reuse_outputs
        self.blocks, self.threads = blocks, threads
        # For each key those written for other guards, the latest first.
        self._programs: OrderedDict[Key, list[tuple[Program, Guards | None]]] = OrderedDict()
        self._lock = threading.Lock()
        _ALL.add(self)
        self._latest: tuple[Program, Guards | None] | None = None
        self._reasons: Counter[str] = Counter()  # why programs were written again
        functools.update_wrapper(self, f, updated=())  # what f has as attributes is none of ours

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """f(*args, **kwargs), by the program for these shapes, dtypes and settings."""
        latest = self._latest
        if latest is not None and not kwargs:
            program, guards = latest
            try:
                fits = program.guard is not None and program.guard(*args)
            except (TypeError, KeyError, IndexError, AttributeError, ValueError):
                fits = False
            now = MODE.get()
            fits = fits and now.tracer is None and now.watch is None
            fits = fits and not (program.attached and now.recording)
            if fits and (guards is None or guards.changed() is None):
                return program.run(args, self.reuse_outputs)
        return self._slowly(args, kwargs)

    def _slowly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if traced():  # part of a larger function that is being recorded
            if self.f is None:
                raise TypeError("compile: the function itself was not pickled; only its programs")
            return self.f(*args, **kwargs)
        self._refuse_gradients(args, kwargs)
        program, given = self._found(args, kwargs)
        refuse_attached(program.attached)
        if MODE.get().watch is not None and self.f is not None:
            _as_written(self.f, args, kwargs)
        return program.run([_arrays(x) for x in given.values()], self.reuse_outputs)

    def _refuse_gradients(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A gradient would end here in silence."""
        if not MODE.get().recording:
            return
        for x in flatten((args, kwargs))[0]:
            if isinstance(x, Tensor) and x.requires_grad:
                raise TypeError(
                    f"compile: {x.name or 'an argument'} {x.shape} requires a gradient, but a "
                    "compiled function gives plain arrays; differentiate inside, "
                    "compile(value_and_grad(f)), or call it inside no_grad()"
                )

    def _found(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Program, dict[str, Any]]:
        """The program for these arguments, written if there is none yet."""
        given = self._bound(args, kwargs)
        key = key_of(given)
        with self._lock:
            before = next(reversed(self._programs), key)
            some = self._programs.setdefault(key, [])
            there = next((x for x in some if x[1] is None or x[1].changed() is None), None)
            reason = None
            if there is None:
                guards = some[0][1] if some else None
                reason = changed_number(before, key) if guards is None else guards.changed()
                there = self._written(args, kwargs)
                some.insert(0, there)
                del some[SETTINGS:]
            self._programs.move_to_end(key)
            while len(self._programs) > LIMIT:
                self._programs.popitem(last=False)
            self._latest = there
        if reason is not None:
            self._advise(reason)
        return there[0], given

    def _advise(self, reason: str) -> None:
        """Count why a program was written again; say once that it happens again and again."""
        self._reasons[reason] += 1
        if self._reasons[reason] == MANY:
            warnings.warn(
                f"compile: {getattr(self, '__name__', 'the function')} was written again {MANY} "
                f"times because {reason} had another value each time; where that is a number, give "
                f"it as an argument that is an array, np.asarray({reason}), which is an input",
                stacklevel=5,  # who called the compiled function
            )

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if self.f is not None:
            return Bound(self.f, args, kwargs).given
        program, _ = next(iter(self._programs.values()))[0]
        names = [name for name, _ in program.arguments]
        if len(args) > len(names):
            raise TypeError(f"compile: expected {len(names)} arguments, got {len(args)}")
        return dict(zip(names, args, strict=False)) | kwargs

    def _written(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Program, Guards | None]:
        if self.f is None:
            raise TypeError(
                "compile: this was unpickled without its function, which had no importable name, "
                "and no program fits these shapes, dtypes and settings; compile it here"
            )
        recording = record(self.f, args, kwargs, self.rewrite)
        if len(recording.graph) > LONG:
            warnings.warn(
                f"compile: {recording.name} records {len(recording.graph)} ops; its loops are "
                "written out, which takes long. Compile one step, and repeat it in Python or by "
                "compile_loop",
                stacklevel=5,
            )
        call = Bound(self.f, args, kwargs)
        defaults = _defaults(self.f) if call.exact else {}  # a wrapper has others
        guard = guard_for(recording, call.given, call.kinds, defaults)
        program = program_of(
            recording, self.rewrite, guard, blocks=self.blocks, threads=self.threads
        )
        recording.forget()
        return program, None if recording.guards.nothing else recording.guards

    # --- what was written --------------------------------------------------------------------

    def prepare(self, *args: Any, **kwargs: Any) -> Compiled:
        """Write the program for such arguments without running it; returns this."""
        self._found(args, kwargs)
        return self

    @property
    def program(self) -> Program:
        """The program used last.

        Raises:
            ValueError: there is none yet.
        """
        if self._latest is None:
            raise ValueError(
                "compile: nothing is written yet; call the function once, or prepare(...) it"
            )
        return self._latest[0]

    @property
    def source(self) -> str:
        """The text of the program used last: the very text that runs."""
        return self.program.source

    @property
    def steps(self) -> list[Any]:
        """The rewrites in the program used last, in order; names alone where it was unpickled."""
        return self.program.steps

    def explain(self) -> str:
        """The rewrites in the program used last, a line each, and what runs block by block."""
        return self.program.explain()

    def save(self, path: str | Path) -> Path:
        """Write the program used last as a module that needs NumPy alone.

        What the function closed over is a keyword argument there.

        Raises:
            TypeError: it calls what has no source text.
            OSError: the file can't be written.
        """
        self.program.__getstate__()
        return write_text(Path(path), self.source)

    def __repr__(self) -> str:
        name = getattr(self, "__name__", "function")
        n = sum(map(len, self._programs.values()))
        return f"<compiled {name}, {n} program{'s' if n != 1 else ''} written>"

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """As a method it is given its object first."""
        return self if owner is None else MethodType(self, owner)

    def __copy__(self) -> Compiled:
        """The same: it is a function."""
        return self

    def __deepcopy__(self, memo: Any) -> Compiled:
        return self

    def __reduce__(self) -> Any:
        try:
            pickle.dumps(self.f)
            f = self.f
        except (pickle.PicklingError, AttributeError, TypeError):
            f = None
        # A function that can be imported is recorded again where its variables may be others; one
        # that can't travels as its programs, with what it closed over as it is now.
        programs = [
            (key, program)
            for key, some in self._programs.items()
            for program, guards in some[:1]
            if travels(key) and (f is None or guards is None)
        ]
        settings = self.rewrite, self.reuse_outputs, self.blocks, self.threads
        return _restored, (f, settings, programs)


def _restored(
    f: Callable[..., Any] | None, settings: tuple[Any, ...], programs: list[tuple[Key, Program]]
) -> Compiled:
    made = Compiled(f or _lost, *settings)
    made.f = f
    for key, program in programs:
        made._programs[key] = [(program, None)]
    return made


def check_threads(who: str, threads: Any) -> None:
    """Refuse what is no number of threads.

    Raises:
        ValueError: it is below 1, or no integer.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise ValueError(f"{who}: threads: expected a number from 1 on, or None, got {threads!r}")


def _defaults(f: Callable[..., Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _lost() -> None:
    """In place of a function that could not be pickled."""


def _as_written(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run f on Tensors, for debug() looks at ops, of which a program has none."""
    flat, layout = flatten((args, kwargs))
    tensors = [Tensor(x) if isinstance(x, np.ndarray) else x for x in flat]
    args, kwargs = rebuild(layout, tensors)
    with no_grad():
        f(*args, **kwargs)


def _arrays(tree: Any) -> Any:
    """A structure with arrays in place of Tensors and scalars."""
    flat, layout = flatten(tree)
    return rebuild(
        layout,
        [np.asarray(x) if isinstance(x, np.generic) else value_of(x) for x in flat],
    )


@overload
def compile(
    f: Callable[..., Any],
    *,
    rewrite: bool = True,
    reuse_outputs: bool = False,
    blocks: bool = True,
    threads: int | None = None,
    **others: None,
) -> Compiled: ...
@overload
def compile(
    f: None = None,
    *,
    rewrite: bool = True,
    reuse_outputs: bool = False,
    blocks: bool = True,
    threads: int | None = None,
    **others: None,
) -> Callable[[Callable[..., Any]], Compiled]: ...
def compile(
    f: Any = None,
    *,
    rewrite: bool = True,
    reuse_outputs: bool = False,
    blocks: bool = True,
    threads: int | None = None,
    **others: None,
) -> Any:
    """f as straight-line NumPy source: one line per op, into buffers that are allocated once.

    The first call with given shapes, dtypes and memory orders records f, which may call `grad`,
    `value_and_grad` or an optimiser's update, writes a module (`.source`) and runs it from then
    on. `.save("net.py")` keeps it; it needs NumPy alone.

    Arrays and Tensors among the arguments, in dicts, lists and tuples, are inputs; results are
    plain arrays, new ones in every call. Numbers and texts among the arguments are settings: each
    new value is a program of its own (pass `np.asarray(rate)` for a number that keeps changing; the
    eighth program for such a number warns). The 32 programs used last are kept.

    What f closes over, and the insides of settings that are objects: Tensors and arrays that ops
    alone read are read anew at every call. Everything else within reach under a name that code has
    (variables, globals, attributes of objects, classes and modules, items of containers, defaults,
    however deep) is compared at every call, by identity or as a number or text, arrays by their
    checksum (give large ones as arguments), and f is recorded again where it differs. What f asks
    of files, clocks, installed packages, and of Python's own state (queues, decimal contexts), is
    asked once. Inside `debug()` f itself is run first, op by op.

    Of CuPy's arrays it is a program for CuPy, `import cupy as np`, in memory on the GPU; the first
    call for new shapes copies each argument here once, to write it.

    Args:
        f: a function of arrays.
        rewrite: simplify the recorded graph first; `.steps` lists what was done. Without, the
            program computes what f computes, bit for bit.
        reuse_outputs: results lie where earlier ones lay that nobody holds any more (a view
            holds its array), so that a loop that goes on with them allocates nothing.
        blocks: elementwise ops over more than 131,071 numbers, and sums of what they give, run on
            some 16,384 numbers at a time, which the processor's cache holds; `.explain()` says
            which. The numbers are the same; sums are added up in another order, so only if
            `rewrite`.
        threads: how many run the blocks; as many as there are cores for this process if None. The
            bits do not depend on it.

    Raises:
        RecordingError: (at the first call) f reads values (`if t > 0`, `.item()`, `.data`), draws
            random numbers, or changes an argument or what it closes over. The message has the line
            or the name.
        TypeError: a Tensor that requires a gradient is given, or closed over on the way to a
            result, outside `no_grad()`.

    Example: `step = compile(value_and_grad(lambda w: (w * w).sum()))`; `step(x)[1]` is `2 * x`.
    """
    refuse_others("compile", others)
    check_threads("compile", threads)
    if f is not None and not callable(f):
        raise TypeError(f"compile: expected a function, got {type(f).__name__}")
    if f is None:
        return lambda g: Compiled(g, rewrite, reuse_outputs, blocks, threads)
    return Compiled(f, rewrite, reuse_outputs, blocks, threads)
