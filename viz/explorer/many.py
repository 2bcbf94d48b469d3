"""A page's program for any number of examples, where a graph can be recorded with others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, islice
from math import isqrt
from typing import Any

from tinygrad_dnn.autodiff.retrace import Backward, Forward, backward_again
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.compiler.javascript.sized import Fixed, constant, in_m, linear
from tinygrad_dnn.graph import Node
from viz.explorer.arrays import Arrays, encoded
from viz.explorer.examples import Examples
from viz.explorer.live import Fields, Live, place


def _primes(start: int) -> Iterator[int]:
    """The primes from a number on."""
    return (n for n in count(start) if all(n % k for k in range(2, isqrt(n) + 1)))


class Many(Live):
    """A program in which m is the number of examples, made of three that were printed.

    Args:
        forward, backward, names, rewriting, shown: see `Live`.
        examples: the graph of the forward pass for other m.
        again: records the backward pass of these.

    Raises:
        Fixed: the three differ in more than sizes.
        NotPrintable: see `Live`.
    """

    def __init__(
        self,
        forward: Forward,
        backward: Backward,
        names: Mapping[Node, str],
        examples: Examples,
        rewriting: bool = True,
        shown: Sequence[Tensor] | None = None,
        again: Callable[[Forward], Backward] = backward_again,
    ) -> None:
        self._hold(forward, backward, shown)
        self.examples, self.rewriting, self.again = examples, rewriting, again
        # Primes that divide no axis divide no size of other axes either: so kernels, which are
        # printed once where they are equal, are equal only where they are for every m.
        axes = {n for t in self.tensors for n in t.shape if n}
        self.sizes = tuple(islice((p for p in _primes(100) if all(n % p for n in axes)), 3))
        self.lives = [self._recorded(m, names) for m in self.sizes]
        self.rows = self.lives[0].rows
        self.at = {t.node: i for i, t in enumerate(self.tensors)}
        self.source = in_m([one.source for one in self.lives], self.sizes)

    def _recorded(self, m: int, names: Mapping[Node, str]) -> Live:
        """The program for another m, with the same names."""
        forward = self.examples.recorded(m)
        backward = self.again(forward)
        tensors = [
            *forward.tensors, *backward.gradients.values(), *backward.contributions.values()
        ]  # fmt: skip
        if len(tensors) != len(self.tensors):
            raise Fixed("the graph is another one for another number of examples")
        pairs = zip(tensors, self.tensors, strict=True)
        named = {t.node: names[u.node] for t, u in pairs if u.node in names}
        return Live(forward, backward, named, self.rewriting)

    def _each(self, node: Node) -> list[Tensor]:
        return [one.tensors[self.at[node]] for one in self.lives]

    def inputs(self) -> dict[Node, str]:
        """The leaves, with the names of their memory."""
        first = self.lives[0]
        known = first.inputs()
        pairs = zip(self.tensors, first.tensors, strict=True)
        found = {t.node: known[u.node] for t, u in pairs if u.node in known}
        there = {t.node for t in first.tensors}
        return found | {leaf: name for leaf, name in known.items() if leaf not in there}

    def lines(self) -> list[list[int]]:
        """For each step of the page its lines of the program."""
        return self.lives[0].lines()

    def place(self, node: Node) -> Any:
        """Where the value of a node lies, with pairs (a, b) for a·m + b."""
        if node not in self.at:
            return None
        pairs = zip(self.lives, self._each(node), strict=True)
        refs = [ref for one, t in pairs if (ref := one.ref(t.node)) is not None]
        if len(refs) < len(self.lives):
            return None
        places = [place(ref) for ref in refs]
        if all(isinstance(p, str) for p in places):
            return places[0]
        strides = zip(*(ref.strides for ref in refs), strict=True)
        words = [self._word(s) for s in strides]
        return [refs[0].name, self._word([ref.offset for ref in refs]), words]

    def _word(self, values: Sequence[int]) -> Any:
        """A number, or the pair (a, b) of a·m + b."""
        a, b = linear(values, self.sizes)
        return [a, b] if a else b

    def constants(self) -> Fields:
        """Arrays that never change: their numbers, or α and k where each is α·mᵏ."""
        found: Fields = {}
        for name in self.lives[0].printed.constants:
            arrays = [one.printed.constants[name] for one in self.lives]
            how = constant(arrays, self.sizes)
            found[name] = encoded(arrays[0]) if how is None else list(how)
        return found

    def counts(self, arrays: Arrays, ids: Mapping[Node, str]) -> Fields | None:
        """How many examples there are, the inputs with a number for each of them, and the shapes
        that hang on it; `still` are values that no input changes, α·mᵏ.
        """
        shapes: dict[int, Any] = {}
        nodes: dict[str, Any] = {}
        still: dict[int, Any] = {}
        for t, seen in zip(self.tensors, self.shown, strict=True):
            words = [
                self._word(n) for n in zip(*(u.shape for u in self._each(t.node)), strict=True)
            ]
            if words == list(t.shape):
                continue
            k = arrays.place(seen.numpy())
            if k is not None:
                shapes[k] = words
                if self.place(t.node) is None:
                    still[k] = constant([u.numpy() for u in self._each(t.node)], self.sizes)
            if t.node in ids:
                nodes[ids[t.node]] = words
        there = dict(zip(self.examples.graph, self.forward.graph, strict=True))
        names = self.inputs()
        given = dict.fromkeys(self.examples.leaves, False) | self.examples.beside
        return {
            "m": self.examples.m,
            "given": {names[there[x]]: shares for x, shares in given.items()},
            "shapes": shapes,
            "nodes": nodes,
            "still": still,
        }
