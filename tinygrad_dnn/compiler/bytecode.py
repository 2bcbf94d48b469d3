"""Facts read from code: the names that it looks up, and what becomes of a variable's value."""

from __future__ import annotations

import dis
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

Site = tuple[CodeType, int]  # an instruction
ABOUT = frozenset({"shape", "dtype", "ndim", "size"})  # what does not depend on the numbers
SAME = frozenset({"T", "mT"})  # the same numbers
LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"})
_NAMED = frozenset(dis.hasname)
_NOTHING = frozenset({"CACHE", "EXTENDED_ARG", "KW_NAMES", "NOP", "PRECALL", "RESUME"})


@dataclass(frozen=True, slots=True)
class Words:
    """The words in code, and in code nested in it.

    Attributes:
        names: of globals and attributes that are looked up.
        variables: of globals alone.
        stored: of globals, outer variables and attributes that are written or deleted.
        modules: that are imported: (level, name), as `importlib` takes them.
        texts: constants that may be names.
    """

    names: frozenset[str]
    variables: frozenset[str]
    stored: frozenset[str]
    modules: frozenset[tuple[int, str]]
    texts: frozenset[str]


@functools.lru_cache(maxsize=4096)
def words(code: CodeType) -> Words:
    """The words in code."""
    names: set[str] = set()
    variables: set[str] = set()
    stored: set[str] = set()
    modules: set[tuple[int, str]] = set()
    texts: set[str] = set()
    stack: list[Any] = [code]
    while stack:
        x = stack.pop()
        if isinstance(x, CodeType):
            before: list[Any] = [None, None]
            for i in dis.get_instructions(x):
                if i.opname == "IMPORT_NAME":
                    modules.add((before[0].argval, i.argval))
                elif i.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                    variables.add(i.argval)
                elif i.opname.startswith(("STORE_ATTR", "STORE_GLOBAL", "STORE_DEREF", "DELETE_")):
                    stored.add(i.argval)
                elif i.opcode in _NAMED:
                    names.add(i.argval)
                before = [before[1], i]
            stack += x.co_consts
        elif isinstance(x, (tuple, frozenset)):
            stack += x
        elif isinstance(x, str) and x.isidentifier():
            texts.add(x)
    return Words(
        frozenset(names | variables),
        frozenset(variables),
        frozenset(x for x in stored if isinstance(x, str)),
        frozenset(modules),
        frozenset(texts),
    )


@functools.lru_cache(maxsize=4096)
def uses(code: CodeType, name: str) -> tuple[Site | None, ...]:
    """For each place where code looks up a variable, or an attribute, of this name: the operation
    or call that its value is an operand of, None where it goes elsewhere. Places that ask for
    X.shape and the like are left out.
    """
    found: list[Site | None] = []
    stack = [code]
    while stack:
        x = stack.pop()
        stack += [c for c in x.co_consts if isinstance(c, CodeType)]
        instructions = [i for i in dis.get_instructions(x) if i.opname not in _NOTHING]
        for at, i in enumerate(instructions):
            if i.argval == name and (i.opname in LOADS or i.opname == "LOAD_ATTR"):
                offset = _consumer(instructions, at)
                if offset != -1:
                    found.append(None if offset is None else (x, offset))
    return tuple(found)


def _consumer(instructions: Sequence[dis.Instruction], at: int) -> int | None:
    """Where the value that an instruction puts on the stack is taken off it as an operand; None if
    that is unknown, −1 if it is only asked about.
    """
    above = 0  # how many values lie above it
    for i in instructions[at + 1 :]:
        name, n = i.opname, i.arg or 0
        if name in ("LOAD_ATTR", "LOAD_METHOD") and above == 0:
            if i.argval in ABOUT:
                return -1
            if i.argval not in SAME:
                return None
        elif name.startswith("LOAD_") or name == "PUSH_NULL":
            above += dis.stack_effect(i.opcode, i.arg)
        elif name in ("BINARY_OP", "COMPARE_OP"):
            if above <= 1:
                return None if i.argrepr == "[]" else i.offset
            above -= 1
        elif name == "BINARY_SUBSCR" and above > 1:
            above -= 1
        elif name == "CALL":
            if above < n:
                return i.offset
            above -= n + 1
        elif not (name.startswith("UNARY_") and above > 0):
            return None
    return None
