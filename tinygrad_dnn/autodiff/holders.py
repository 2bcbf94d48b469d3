"""How often an object is held by somebody who may still look at it."""

from __future__ import annotations

import gc
from collections import Counter
from sys import getrefcount
from types import FrameType
from typing import Any

MOST = 1000  # objects whose own holders are looked for
TRIES = 5  # a thread that looks at frames keeps some of the search's own, too


def held_beyond(x: object, known: int) -> bool:
    """Whether more than so many hold x, apart from frames of calls that have returned.

    A profiler's thread, a debugger or a traceback keeps such frames and with them all variables of
    the call, for a while: whether somebody looks on must change neither a result nor an error.

    The caller gives x as an expression, `t.data`; a variable that holds it counts as one.
    """
    for _ in range(TRIES):
        beyond = getrefcount(x) - _ITSELF - known
        if beyond <= 0 or beyond <= _held_by_frames(x):
            return False
    return True


def _counted(x: object) -> int:
    return getrefcount(x)


_ITSELF = _counted(object())  # of an object that nobody else holds


def _held_by_frames(x: object) -> int:
    """How often x is held by frames of calls that have returned, and by what they alone hold."""
    # A frame is found as a holder of its variables only when its call has returned: before that
    # they are the interpreter's. No comprehensions: theirs are calls too, whose frames may be kept.
    found: dict[int, Any] = {}
    new: list[Any] = [x]
    asked: Any
    while new and len(found) < MOST:
        asked, new = tuple(new), []  # a tuple, which is what the call is given: it is a holder, too
        holders = gc.get_referrers(*asked)
        for holder in holders:
            if holder is asked or holder is found or holder is new or id(holder) in found:
                continue
            found[id(holder)] = holder
            if not isinstance(holder, FrameType):
                new.append(holder)
                continue
            for inner in gc.get_referents(holder):  # the collector may skip some of them
                if type(inner) in (dict, list, tuple):
                    found.setdefault(id(inner), inner)
        asked = holders = holder = inner = None  # type: ignore[assignment]
    new.clear()
    # As the cycle collector does: whoever is held from elsewhere lives, and so does what he holds.
    dead = set(found)
    while True:
        held: Counter[int] = Counter()
        for i in dead:
            held.update(map(id, gc.get_referents(found[i])))
        living = set()
        for i in dead:
            if not isinstance(found[i], FrameType) and getrefcount(found[i]) - 2 > held[i]:
                living.add(i)
        if not living:
            return held[id(x)]
        dead -= living
