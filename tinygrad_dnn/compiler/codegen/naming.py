"""Python names for everything in a printed module: the user's own where there are any."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tinygrad_dnn.compiler.codegen.buffers import Plan
from tinygrad_dnn.compiler.tracing.record import Recording
from tinygrad_dnn.compiler.tracing.signature import paths
from tinygrad_dnn.graph import Leaf, Node

OWN = {
    "np", "out", "results", "workspace", "threading", "collections", "contextlib",
    "contextvars", "os", "base64", "io", "zlib",
    "_array", "_Apart", "_unfit", "_layout", "_check_out", "_here", "_takes", "_fits", "_makes",
    "_THREADS", "_cores", "_Blocks",
}  # fmt: skip
UPDATE = "update"
RESERVED = frozenset({*keyword.kwlist, *dir(builtins), *OWN})


class Names:
    """Names of a program, each given once.

    Args:
        reserved: the words of its language, by default Python's.

    Attributes:
        outer: those of the whole module, which functions printed later must not take.
    """

    def __init__(self, outer: set[str], reserved: frozenset[str] = RESERVED) -> None:
        self.outer = outer
        self.taken = {*reserved, *outer}
        self.counts: Counter[str] = Counter()

    def shared(self, name: str) -> str:
        """A name of the whole module."""
        self.outer.add(name)
        return name

    def fresh(self, wanted: str) -> str:
        """The wanted name if it is free, or with a number behind it."""
        word = "".join(c if f"x{c}".isidentifier() else "_" for c in wanted) or "x"
        word = word if word[0].isidentifier() else f"x{word}"
        name, n = word, 1
        while name in self.taken:
            n += 1
            name = f"{word}_{n}"
        self.taken.add(name)
        return name

    def counted(self, letter: str) -> str:
        """t1, t2, ...: for what has no name."""
        name = letter
        while name in self.taken or name == letter:
            self.counts[letter] += 1
            name = f"{letter}{self.counts[letter]}"
        self.taken.add(name)
        return name


class Called:
    """The names of everything in a printed program.

    Attributes:
        function: the function that does the work.
        make, workspace: the functions that make its results, and its workspace.
        here, takes, fits, makes: its workspaces by thread, and what it takes and makes.
        parameters: for each argument its parameter; None for a setting, which is built in.
        values: every input and value, by node.
        unnamed: the values that are called by what is written over them, or by a letter.
        copies: the arrays that results are copied to.
    """

    def __init__(
        self,
        recording: Recording,
        plan: Plan,
        results: Sequence[Any],
        beside: set[str] | None = None,
    ) -> None:
        self.names = names = Names(set() if beside is None else beside)
        name = recording.name
        self.function = names.shared(names.fresh(name if name.isidentifier() else "step"))
        self.make, self.workspace = "results", "workspace"
        self.here, self.takes, self.fits, self.makes = "_here", "_takes", "_fits", "_makes"
        if beside is not None:
            self.here, self.takes, self.fits, self.makes = (
                names.shared(names.fresh(f"_{self.function}{word}"))
                for word in (self.here, self.takes, self.fits, self.makes)
            )
            self.make = names.shared(names.fresh(f"{self.function}_results"))
            self.workspace = names.shared(names.fresh(f"{self.function}_workspace"))
        self.parameters = [
            names.fresh(a.name) if any(x is not None for x in a.leaves) else None
            for a in recording.arguments
        ]
        self.values: dict[Node, str] = {}
        self.copies: dict[Node, str] = {}
        self.unnamed: set[Node] = set()
        self._letters: dict[Node, Node] = {}
        self._inputs(recording)
        outer = self._results(recording, results)
        for memory in dict.fromkeys(plan.memory[node] for node in plan.lines):
            if memory.input is None:
                self._chain(memory.values, outer)
            else:
                self.values |= dict.fromkeys(memory.values, self.values[memory.input])
                self.unnamed.update(memory.values[:-1])
        letters: dict[Node, str] = {}
        for node in plan.lines:
            if node in self._letters:
                last = self._letters[node]
                if last not in letters:
                    letters[last] = names.counted("mask" if node.dtype.kind == "b" else "t")
                self.values[node] = letters[last]
        for node in plan.copies:
            self.copies[node] = names.fresh(outer.get(node, "result"))

    def _inputs(self, recording: Recording) -> None:
        for argument, parameter in zip(recording.arguments, self.parameters, strict=True):
            for leaf, path in zip(argument.leaves, argument.paths, strict=True):
                if leaf is None or leaf in self.values:
                    continue
                if path == argument.name and parameter is not None:
                    self.values[leaf] = parameter
                else:
                    self.values[leaf] = self.names.fresh(leaf.name or "x")
        for leaf in recording.captured:
            self.values[leaf] = self.names.fresh(leaf.name or "captured")

    def _results(self, recording: Recording, results: Sequence[Any]) -> dict[Node, str]:
        """For results without a name their key: W1_new where an input is called W1."""
        inputs = set(self.values.values())
        found: dict[Node, str] = {}
        for x, path in zip(results, paths(recording.layout, "result"), strict=True):
            if isinstance(x, Node):
                key = path.replace("]", "").replace('"', "").split("[")[-1]
                name = key if key.isidentifier() else "result"
                found.setdefault(x, f"{name}_new" if name in inputs else name)
        for x in found:
            if not isinstance(x, Leaf) and x.name:
                found[x] = x.name
        return found

    def _chain(self, values: Sequence[Node], outer: dict[Node, str]) -> None:
        """Values that are written one over another: those without a name have the next one's."""
        following, last = None, values[-1]
        for value in reversed(values):
            own = outer.get(value) or value.name
            if own is not None and own.strip("_"):
                following = self.names.fresh(own)
            else:
                self.unnamed.add(value)
            if following is None:
                self._letters[value] = last
            else:
                self.values[value] = following


def parts_of(plan: Plan, names: set[str]) -> dict[Node, str]:
    """The part of the program that each line belongs to, as far as names and scopes tell.

    A scope of the user's; "backward", from the first gradient to the last; "update", what becomes
    a result without a name; or the name of a result. What has none belongs to its first reader.
    """
    parts: dict[Node, str] = {}
    for node in plan.lines:
        name, last = node.name or "", plan.memory[node].last
        if node.scope:
            parts[node] = ", ".join(node.scope)
        elif name[:1] == "d" and name[1:] in names:
            parts[node] = "backward"
        elif plan.memory[node].kind in ("result", "input"):
            parts[node] = last.name or UPDATE
    for node in reversed(plan.lines):
        for x in node.parents:
            while x not in plan.memory and x.inputs:
                x = x.inputs[0]  # a view
            if x in plan.memory and not x.scope and parts.get(x) != "backward" and not x.name:
                parts[x] = parts.get(node, "")
    backward = [i for i, node in enumerate(plan.lines) if parts.get(node) == "backward"]
    for i, node in enumerate(plan.lines):
        if backward and parts.get(node) == UPDATE and i < backward[-1]:
            parts[node] = "backward"
    if len({*parts.values()} - {""}) < 2:
        return dict.fromkeys(plan.lines, "")
    return {node: parts.get(node, "") for node in plan.lines}
