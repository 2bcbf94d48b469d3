"""The terminal: what is printed on any encoding, into a full disk, and as a command to paste.

Letters that an encoding lacks degrade (σ to sigma, → to ->), and what has no letters at all, a byte
of a file name that does not decode, is an escape such as `\\xff`: nothing that is printed can fail
for its letters.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import shlex
import sys
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from tinygrad_dnn.cli.folders import require_writable
from tinygrad_dnn.escapes import undecoded

ERRORS = "tinygrad_dnn.degrade"  # the name of this way among Python's handlers of encoding errors

SIGNS = {
    "−": "-", "–": "-", "—": "--", "·": "*", "⋅": "*", "⋆": "*", "×": "*", "⊙": "*", "ʘ": "*",
    "⊗": "(x)", "÷": "/", "⁄": "/", "→": "->", "←": "<-", "↦": "|->", "↑": "^", "↓": "v",
    "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "∞": "inf", "√": "sqrt", "∂": "d",
    "∇": "grad", "∑": "sum", "∏": "prod", "∈": "in", "⟨": "<", "⟩": ">", "‖": "||", "′": "'",
    "‘": "'", "’": "'", "“": '"', "”": '"', "✓": "ok", "✗": "x", "⋯": "...",
    "∛": "cbrt", "⌊": "floor(", "⌋": ")", "▲": "^", "○": "o", "°": " deg", "µ": "u",
    "≡": "=", "ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "€": "EUR",
}  # fmt: skip
MARKS = {"<super>": "^", "<sub>": "_"}


def degraded(text: str) -> str:
    """The text in ASCII."""
    return "".join(
        _degraded(c, text[i - 1] if i else "") if ord(c) > 127 else c for i, c in enumerate(text)
    )


def _degraded(c: str, before: str) -> str:
    """A character in ASCII, given the one before it: x⁻¹ is x^-1, with one mark."""
    if c in SIGNS:
        return SIGNS[c]
    if byte := undecoded(c):
        return byte
    kind, _, _ = unicodedata.decomposition(c).partition(" ")
    mark = MARKS.get(kind, "")
    parts = "".join(_letter(part) for part in unicodedata.normalize("NFKD", c))
    if not parts and not unicodedata.combining(c):
        return c.encode("ascii", "backslashreplace").decode()
    same = before and unicodedata.decomposition(before).partition(" ")[0] == kind
    return ("" if same else mark) + parts


def _letter(c: str) -> str:
    """A character that is no longer composed, in ASCII; nothing where it has no name in that."""
    if c.isascii():
        return c
    if c in SIGNS:
        return SIGNS[c]
    words = unicodedata.name(c, "").split()
    if words[:1] == ["GREEK"] and words[2:3] == ["LETTER"]:
        word = {"LAMDA": "LAMBDA"}.get(words[3], words[3])
        return word.lower() if words[1] == "SMALL" else word.capitalize()
    return ""


def _handle(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object
    lacking = range(error.start, error.end)
    return "".join(_degraded(text[i], text[i - 1] if i else "") for i in lacking), error.end


codecs.register_error(ERRORS, _handle)


@contextlib.contextmanager
def any_encoding() -> Iterator[None]:
    """Within the block nothing that is printed fails for letters that the encoding lacks."""
    before = []
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            before.append((stream, stream.errors))
            stream.reconfigure(errors=ERRORS)
    try:
        yield
    finally:
        for stream, errors in before:
            with contextlib.suppress(OSError, ValueError):  # full, or closed meanwhile
                stream.reconfigure(errors=errors)


def complain(text: str) -> None:
    """Print to standard error; where that is away or full, nobody can be told."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def words_of(error: Exception) -> str:
    """What an error says: of the system's the file and why."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def finish_output() -> None:
    """Write out what is left, or drop it where nobody takes it: Python would complain on exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def check_output(name: str, endings: Collection[str], option: str = "--out") -> Path:
    """The path to write to, refused before anything is computed for it."""
    out = Path(name)
    if out.suffix.lower().removeprefix(".") not in endings:
        known = ", ".join(f".{ending}" for ending in endings)
        raise ValueError(f"{option} {name}: expected a name ending in {known}")
    return check_place(name, option)


def check_place(name: str, option: str) -> Path:
    """The path to write to, of any ending.

    Raises:
        ValueError: its folder is not there, or it is one itself.
        OSError: the folder can't be written to.
    """
    out = Path(name)
    if not out.parent.is_dir():
        raise ValueError(f"{option} {name}: there is no folder {out.parent}; make it first")
    if out.is_dir():
        raise ValueError(f"{option} {name}: it is a folder; choose another name")
    try:
        require_writable(out.parent)
    except OSError as error:
        raise OSError(
            f"{option} {name}: {out.parent} can't be written to: {error.strerror}; choose another "
            "folder"
        ) from None
    return out


class Log:
    """Standard output as the log of work that goes on where the log can't: its disk is full.

    Attributes:
        lost: why something could not be written; empty where all was.
    """

    def __init__(self) -> None:
        self.lost = ""

    def say(self, text: str) -> None:
        """Print a line, at once.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        try:
            print(text, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self.lost:
                self.lost = error.strerror or str(error)
                complain(f"standard output: {self.lost}; the work goes on, lines of it are lost")

    def close(self) -> None:
        """Drop what could not be written: that was told, and the work is done all the same."""
        if self.lost:
            finish_output()


def command_line(words: Sequence[str], stream: Any = None) -> str:
    """The words as one command that a shell takes, printable on the stream (standard output)."""
    encoding = getattr(stream or sys.stdout, "encoding", None) or "utf-8"
    return " ".join(_quoted(word, encoding) for word in words)


def program_words() -> list[str]:
    """How the user called us."""
    called = Path(sys.argv[0])
    if (called.parent.name, called.name) == ("tinygrad_dnn", "__main__.py"):
        return [Path(sys.executable).name, "-m", "tinygrad_dnn"]
    return ["tinygrad-dnn"]


def _quoted(word: str, encoding: str) -> str:
    try:
        word.encode(encoding)
    except UnicodeEncodeError:  # degraded it would name another file
        return "$'" + "".join(_escaped(c) for c in word) + "'"
    return shlex.quote(word)


def _escaped(c: str) -> str:
    if byte := undecoded(c):
        return byte
    if c in "\\'":
        return "\\" + c
    if c.isascii():
        return c
    return rf"\u{ord(c):04x}" if ord(c) < 0x10000 else rf"\U{ord(c):08x}"
