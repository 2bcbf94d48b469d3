"""`module:function` on the command line: found, called without arguments, its errors reported."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOENT
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor

SHOWN_LINES = 4  # of a traceback, the last ones
SHOWN_NAMES = 10
ROOT = Path(__file__).parents[2]
OURS = (  # files that are not the user's
    *(str(ROOT / package) + os.sep for package in ("tinygrad_dnn", "viz")),
    os.path.dirname(importlib.__file__),
    "<frozen importlib",
)


def result_of(place: str, name: str) -> tuple[Any, dict[str, Tensor]]:
    """Return the value of `place:name` or, of a function, its result; and names for its Tensors.

    Args:
        place: a module, to be found from the current folder as well, or a path to a .py file.
        name: of a function or a value in it; a dotted one goes on into what it finds.

    Returns:
        The value, and Tensors by name: the function's variables, then the module's.

    Raises:
        OSError: there is no such file.
        ValueError: there is no such module or name, the function needs arguments, or something was
            raised on the way (reported with the user's own lines).
    """
    local: dict[str, Any] = {}
    with _importable(place):
        module = _module(place)
        found = _found(module, place, name)
        if callable(found):
            _refuse_arguments(found, place, name)
            found = _guarded(f"{place}:{name}", lambda: _called(found, local))
    names = {k: v for k, v in local.items() if isinstance(v, Tensor)}
    for k, v in vars(module).items():
        if isinstance(v, Tensor):
            names.setdefault(k, v)
    return found, names


@contextmanager
def _importable(place: str) -> Iterator[None]:
    """Import from the current folder and, as Python does, from the one that a file lies in."""
    before = sys.path[:]
    beside = [os.path.dirname(os.path.abspath(place))] if place.endswith(".py") else []
    sys.path[:0] = [*beside, os.getcwd()]
    try:
        yield
    finally:
        sys.path[:] = before


def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return _imported(place)
    path = Path(place)
    if not path.is_file():
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), place)
    # Under a name of its own: a file numpy.py is not NumPy.
    module = ModuleType(f"_drawn_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look
    source = path.read_bytes()
    _guarded(place, lambda: exec(compile(source, str(path), "exec"), vars(module)))
    return module


def _imported(place: str) -> ModuleType:
    if not all(part.isidentifier() for part in place.split(".")):
        raise ValueError(f"{place}: expected a module, package.module, or a path to a .py file")

    def load() -> ModuleType | None:
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if f"{place}.".startswith(f"{error.name}."):
                return None
            raise  # it is there, and imports one that is not

    module: ModuleType | None = _guarded(place, load)
    if module is None:
        raise ValueError(
            f"there is no module {place}, neither in this folder nor installed; "
            "a file is given by its path: folder/file.py:function"
        )
    return module


def _found(module: ModuleType, place: str, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            own = [
                *(k for k, v in vars(module).items() if _made_in(v, module)),
                *(k for k, v in vars(module).items() if isinstance(v, Tensor)),
            ]
            more = ", ..." if len(own) > SHOWN_NAMES else ""
            there = f"; there is {', '.join(own[:SHOWN_NAMES])}{more}" if own else ""
            raise ValueError(f"{place} has no {name!r}{there}")
        found = getattr(found, part)
    return found


def _made_in(x: Any, module: ModuleType) -> bool:
    return callable(x) and getattr(x, "__module__", None) == module.__name__


def _refuse_arguments(function: Callable[..., Any], place: str, name: str) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some of those written in C do not tell
        return
    if inspect.iscoroutinefunction(function):
        raise ValueError(f"{place}:{name} is a coroutine; give a function without async")
    needed = [
        p.name
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if needed:
        raise ValueError(
            f"{place}:{name} needs arguments ({', '.join(needed)}); give a function without any, "
            f"that returns what {name}(...) returns"
        )


def _called(function: Callable[[], Any], local: dict[str, Any]) -> Any:
    """Call it; what its variables were when it returned goes into `local`."""
    code = getattr(inspect.unwrap(function), "__code__", None)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            local.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        with np.errstate(all="ignore"):  # what is not finite will be marked in the picture
            return function()
    finally:
        sys.setprofile(before)


def _guarded(what: str, work: Callable[[], Any]) -> Any:
    """Run the user's code; what it raises becomes a ValueError with the lines it came from."""
    try:
        return work()
    except (KeyboardInterrupt, BrokenPipeError, MemoryError):
        raise
    except SystemExit as error:
        raise ValueError(f"{what} called sys.exit({error.code!r})") from None
    except BaseException as error:
        raise ValueError(f"{what} raised {_lines_of(error)}") from error


def _lines_of(error: BaseException) -> str:
    """The error, and below it the user's lines that led there, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        f"{_short(f.filename)}, line {f.lineno}, in {f.name}: {f.line}"
        for f in frames
        if not f.filename.startswith(OURS)
    ]
    message = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError):
        message = f"{type(error).__name__}: {error.msg}"
        if error.filename is not None:  # as where null bytes are found
            text = (error.text or "").strip()
            lines.append(f"{_short(error.filename)}, line {error.lineno}: {text}")
    return "\n  ".join([message, *lines[-SHOWN_LINES:]])


def _short(path: str) -> str:
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
