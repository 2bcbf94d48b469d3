"""What the grader says of findings, of errors, and of statements that were left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinygrad_dnn.grading.attempt import Finding
from tinygrad_dnn.grading.crashes import hint_for


def sentences(findings: Sequence[Finding]) -> list[str]:
    """The findings in words; the same of several results, or of both activations, only once."""
    said: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for f in findings:
        name, lines = f.diagnosis.name, f.diagnosis.lines()
        without = tuple(line.removeprefix(name) for line in lines)
        said.setdefault(without, {}).setdefault(name, []).append(f.activation)
    found = []
    for without, names in said.items():
        first, *others = names
        whens = {when for activations in names.values() for when in activations}
        when = f"With {whens.pop()}: " if len(whens) == 1 and "" not in whens else ""
        likewise = f" (likewise {and_of(others)})" if others else ""
        found.append(f"{when}{first}{without[0]}{likewise}")
        found += without[1:]
    return found


def error_words(error: Mapping[str, Any]) -> str:
    """An error in words, with what to ask where that is known."""
    text = raised(error)
    hint = hint_for(error["message"], error["lines"][-1][2]) if error["lines"] else ""
    return f"{text}. {hint}" if hint else text


def raised(error: Mapping[str, Any]) -> str:
    """An error by its type and message."""
    if error["kind"] == "exit":
        return f"it calls exit ({error['message']})"
    return f"{error['type']}: {error['message']}" if error["message"] else str(error["type"])


def why(note: Mapping[str, Any]) -> str:
    """Why a statement was left out."""
    if note["type"] == "EOFError":
        return "asks for input, which nobody gives here"
    return error_words(note) if note["type"] else str(note["message"])


def and_of(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else str(last)
