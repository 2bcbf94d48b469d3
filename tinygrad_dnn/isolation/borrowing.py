"""Whose code runs in a function that is judged: its own, the document's, the engine's, a text's."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

from tinygrad_dnn import textbook

NAMES = [n for n in textbook.__all__ if n not in ("np", "load_data")]
ISOLATION = os.path.dirname(os.path.abspath(__file__))
HERE = os.path.dirname(ISOLATION)
TEXTBOOK = os.path.abspath(textbook.__file__)


class Borrowing:
    """Notices a judged function that does not compute by itself.

    Attributes:
        judged: the name of the function that runs now, or None.
        own: the code that stands in the file.
        found: the ways in which it had others compute: "textbook", "engine", "exec",
            "process", "answers".

    Args:
        path, own: of the student's file.
        answers: the teacher's file, or "".
    """

    def __init__(self, path: str, own: set[CodeType], answers: str) -> None:
        self.path, self.own, self.answers = path, own, answers
        self.judged: str | None = None
        self.seen: dict[CodeType, str | None] = {}
        self.found: set[str] = set()
        self.textbook: dict[str, Callable[..., Any]] = {}
        vars(textbook)["_noticed"] = self._noticed
        for name in NAMES:
            self._replace_code(name, getattr(textbook, name))
        sys.addaudithook(self._audit)

    def _replace_code(self, name: str, f: Any) -> None:
        """Let the function itself, which tables and other modules hold as well, be noticed."""
        self.textbook[name] = FunctionType(f.__code__, f.__globals__, name, f.__defaults__)
        self.textbook[name].__kwdefaults__ = f.__kwdefaults__
        space: dict[str, Any] = {}
        text = f"def {name}(*args, **kwargs): return _noticed({name!r}, args, kwargs)"
        exec(compile(text, TEXTBOOK, "exec"), space)
        f.__code__, f.__defaults__, f.__kwdefaults__ = space[name].__code__, None, None

    def _noticed(self, name: str, args: Any, kwargs: Any) -> Any:
        if self.judged == name:
            self.found.add("textbook")
        return self.textbook[name](*args, **kwargs)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and self.judged is not None:
            self.found.add("process")
        if event == "exec" and self.judged is not None and isinstance(args[0], CodeType):
            code, file = args[0], args[0].co_filename
            own = file != self.path and not file.startswith(HERE) and os.path.isfile(file)
            if not own and any(c.co_name == self.judged for c in codes_in(code)):
                self.found.add("exec")

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        """Notice whose code runs, however it was come by."""
        if event != "call" or self.judged is None:
            return
        code = frame.f_code
        if code not in self.seen:
            self.seen[code] = self._whose(code)
        way = self.seen[code]
        if way == "textbook" and code.co_name != self.judged:
            return
        if way is not None and not (way == "engine" and _importing(frame)):
            self.found.add(way)

    def _whose(self, code: CodeType) -> str | None:
        """What it means that this code runs in the place of the student's."""
        file = code.co_filename
        if file == self.path and code in self.own:  # the textbook's own file may be graded
            return None
        if file == TEXTBOOK:
            return "textbook"
        if self.answers and os.path.abspath(file) == self.answers:
            return "answers"
        if file.startswith(HERE):
            return None if file.startswith(ISOLATION) else "engine"
        if file == self.path:
            return "exec"
        # What `dataclass` and `namedtuple` make of a text begins with an underscore.
        made = file.startswith("<") and not file.startswith(("<frozen", "<__array"))
        return "exec" if made and code.co_name[0] not in "_<" else None

    @contextlib.contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Notice what the function of that name does in the block."""
        self.found.clear()
        ticks = engine_ticks()
        self.judged = name
        threading.setprofile(self._called)
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self.judged = None
            later = engine_ticks()
            if ticks is not None and later is not None and later > ticks + 1:
                self.found.add("engine")


def spelling(name: str) -> str:
    """A name without its underscores and capitals, in which people's differ."""
    return name.replace("_", "").lower()


def _importing(frame: FrameType | None) -> bool:
    """Whether it runs because its module is loaded."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def engine_ticks() -> int | None:
    """How many nodes the engine has made, and one more; None where nobody has imported it."""
    tick = getattr(sys.modules.get("tinygrad_dnn.graph.node"), "tick", None)
    return tick() if tick else None


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """The code of every function that is written within some code, at any depth."""
    ahead = [code]
    while ahead:
        inner = [c for c in ahead.pop().co_consts if isinstance(c, CodeType)]
        yield from inner
        ahead += inner
