"""What a student's process says, checked: each part is what it must be, or the whole is refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.isolation.messages import Malformed
from tinygrad_dnn.isolation.outcomes import (
    LONG,
    MOST_FIRED,
    MOST_NOTES,
    MOST_PARAMETERS,
    SHOWN,
)

KINDS = {"error", "memory", "exit"}
BORROWED = {"textbook", "engine", "exec", "process", "answers"}
MOST_CHANGED = 1000
Place = tuple[int, str, str]


def visible(text: str, most: int | None = LONG) -> str:
    """A stranger's text as it may be shown: control characters escaped, cut where it is long."""
    cut = text if most is None or len(text) <= most else f"{text[:most]} ..."
    return "".join(c if c in "\n\t" else printable(c) for c in cut)


class Told:
    """A message: the request that it answers, its kind, its content."""

    def __init__(self, message: Any) -> None:
        fields = _fields(message, {"id": str, "kind": str, "what": object})
        self.id, self.kind, self.what = fields["id"], fields["kind"], fields["what"]

    def places(self, source: Sequence[str]) -> list[Place]:
        """The content as places in the file."""
        return _places(self.what, source)


def loaded(
    what: Any, source: Sequence[str], names: Collection[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The functions of a file by the names that are asked for, and what went wrong in its
    statements.

    Raises:
        Malformed: it is something else.
    """
    fields = _fields(what, {"functions": dict, "notes": list})
    functions = {}
    for name, about in fields["functions"].items():
        kinds = {"line": int, "own": str, "calls": list, "foreign": bool, "parameters": list}
        _fields(about, kinds | {"required": int})
        _demand(name in names and all(type(n) is str and n in names for n in about["calls"]))
        parameters = about["parameters"]
        _demand(len(parameters) <= MOST_PARAMETERS and all(type(p) is str for p in parameters))
        shown = {"own": visible(about["own"]), "parameters": [visible(p) for p in parameters]}
        functions[name] = about | shown
    _demand(len(fields["notes"]) <= MOST_NOTES)
    notes = [_error(note, source, {"statement": int}) for note in fields["notes"]]
    return functions, notes


def reply(what: Any, expected: int, source: Sequence[str]) -> dict[str, Any]:
    """The outcome of the call of that number, as `worker.Student.run` gives it.

    Raises:
        Malformed: it is something else.
    """
    _demand(isinstance(what, list) and len(what) == 2 and what[0] == expected)
    what = what[1]
    if isinstance(what, dict) and "error" in what:
        fields = _fields(what, {"error": dict, "early": bool})
        return {"error": _error(fields["error"], source, {}), "early": fields["early"]}
    fields = _fields(what, {"value": object, "changed": list, "borrowed": list, "fired": list})
    changed, borrowed, fired = fields["changed"], fields["borrowed"], fields["fired"]
    _demand(len(changed) <= MOST_CHANGED and all(isinstance(at, str) for at in changed))
    _demand(all(isinstance(way, str) and way in BORROWED for way in borrowed))
    _demand(len(fired) <= MOST_FIRED and all(type(line) is int for line in fired))
    return fields | {"changed": [visible(at) for at in changed]}


def _error(what: Any, source: Sequence[str], more: dict[str, type]) -> dict[str, Any]:
    about = _fields(what, {"kind": str, "type": str, "message": str, "lines": list} | more)
    _demand(about["kind"] in KINDS)
    shown = {"type": visible(about["type"]), "message": visible(about["message"])}
    return about | shown | {"lines": _places(about["lines"], source)}


def _places(what: Any, source: Sequence[str]) -> list[Place]:
    """Lines of the file, with the text that stands there."""
    _demand(isinstance(what, list) and len(what) <= SHOWN)
    found = []
    for place in what:
        _demand(isinstance(place, (list, tuple)) and len(place) == 2)
        line, function = place
        _demand(type(line) is int and isinstance(function, str))
        text = source[line - 1].strip() if 0 < line <= len(source) else ""
        found.append((line, visible(function), visible(text)))
    return found


def _fields(what: Any, wanted: dict[str, type]) -> dict[str, Any]:
    """A dictionary with exactly these keys, whose values have these types."""
    _demand(isinstance(what, dict) and what.keys() == wanted.keys())
    for name, kind in wanted.items():
        _demand(isinstance(what[name], kind))
        _demand(kind is not int or type(what[name]) is int)
    return dict(what)


def _demand(fulfilled: bool) -> None:
    if not fulfilled:
        raise Malformed("an answer whose parts are not what they must be")
