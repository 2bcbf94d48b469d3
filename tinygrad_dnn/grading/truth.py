"""The truth of an exercise's function: a reference, or the gradient that the engine derives.

Both say what a call should return for some arguments, how large its rounding may be, and what it
would be after each mistake that is known. Nothing here runs in the process of a student's file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import gradients
from tinygrad_dnn.check.diagnosis import Diagnosis, Explanation
from tinygrad_dnn.check.diagnosis.numbers import as_array, largest
from tinygrad_dnn.check.diagnosis.slips.backward import Backward, rule
from tinygrad_dnn.check.diagnosis.slips.search import Wrong, probable_slip
from tinygrad_dnn.check.diagnosis.source import Source
from tinygrad_dnn.check.numeric.jacobian import summed_to
from tinygrad_dnn.grading.function import Case
from tinygrad_dnn.grading.mutants import Mutant, mutants
from tinygrad_dnn.grading.outcome import Output
from tinygrad_dnn.graph import Node

PLAIN, DOCUMENT = "plain", "document"
SIMPLE = 2  # rank up to which an explanation from the numbers alone stands
MOST_ASKED = {False: 3, True: 1}  # wrong cases that a slip explains, right ones that it leaves
MANY = 300  # numbers of a case that a slip is looked for in


class Reference:
    """A function of the teacher's that returns what is right."""

    def __init__(self, function: Callable[..., Any], names: Sequence[str]) -> None:
        self.function, self.names = function, names
        self.listed: list[Mutant] = []  # the teacher's own mistakes

    def value(self, given: Mapping[str, Any]) -> Any:
        """What a call returns; the arguments stay as they are."""
        return called(self.function, given)

    def magnitudes(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of the terms that results are summed from, where they are known."""
        return {}

    @cached_property
    def mistakes(self) -> list[Mutant]:
        """The teacher's mistakes, then those that can be made in the reference."""
        return [*self.listed, *mutants(self.function)]

    def explained(self, members: Sequence[tuple[Case, Output]], found: Diagnosis) -> Diagnosis:
        """The diagnosis, which the mistakes among its alternatives have explained already; what the
        numbers say alone, or the teacher, comes before a mistake made in the reference.
        """
        made = {m.says for m in self.mistakes[len(self.listed) :]}
        others = tuple(e for e in found.explanations if e.says not in made)
        return replace(found, explanations=others) if others else found


class Derived:
    """The gradient of a forward, derived by the engine.

    Args:
        forward: (*inputs) -> one array, NumPy's functions of its parameters.
        names: of the results.
        wrt: the inputs of which some of them are the gradient; the others are the result itself.
        cotangent: the argument that holds the gradient with respect to the forward's result; None
            where that is a number.
        convention: "document": dA, dZ and all that has an axis of examples carry no 1/m, which
            enters at the others; "plain": true derivatives.
        examples: whether the input of that name has an axis of examples.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        names: Sequence[str],
        wrt: Mapping[str, str],
        cotangent: str | None = None,
        convention: str = PLAIN,
        examples: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.forward, self.names, self.cotangent = forward, names, cotangent
        self.inputs = list(inspect.signature(forward).parameters)
        self.wrt = wrt
        self.convention, self.examples = convention, examples
        self.reference: Callable[..., Any] | None = None  # hand-written, for its mistakes
        self.listed: list[Mutant] = []

    def value(self, given: Mapping[str, Any]) -> Any:
        """The gradients in the order of their names."""
        leaves = {n: Tensor(np.array(given[n]), requires_grad=True) for n in self.wrt.values()}
        z = _one(self.forward(*(leaves.get(n, given[n]) for n in self.inputs)))
        if not self.wrt:
            return z if len(self.names) == 1 else (z,) * len(self.names)
        if not isinstance(z, Tensor):
            raise TypeError(
                f"the forward returns {type(z).__name__}, which no gradient leads through: are "
                "its inputs turned into plain arrays?"
            )
        g = np.ones(z.shape) if self.cotangent is None else np.asarray(given[self.cotangent])
        if self.cotangent is None and z.shape != () and z.size != 1:
            raise TypeError(
                f"the forward returns an array {z.shape}: expected a number, or an argument that "
                'holds the gradient with respect to it (cotangent="dA")'
            )
        found = gradients(z, [leaves[x] for x in self.wrt.values()], gradient=g)
        named = dict(zip(self.wrt, found, strict=True))
        values = [self.factor(n, given) * named[n] if n in named else z.data for n in self.names]
        return values[0] if len(values) == 1 else tuple(values)

    def factor(self, name: str, given: Mapping[str, Any]) -> float:
        """What the true derivative is multiplied by in the convention."""
        if self.convention == PLAIN:
            return 1.0
        with_m = self.examples(self.wrt[name])
        if self.cotangent is None:
            return float(self._m(given)) if with_m else 1.0
        return 1.0 if with_m else 1.0 / self._m(given)

    def _m(self, given: Mapping[str, Any]) -> int:
        names = [self.cotangent] if self.cotangent else [n for n in self.inputs if self.examples(n)]
        return int(np.shape(given[names[0]])[-1])

    def magnitudes(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of the terms that each gradient is summed from, all the way from the result: what cancels
        on the way leaves its rounding behind.
        """
        try:
            back, g = self.recorded(given)
        except Exception:  # longer than is looked into, or of no such kind
            return {}
        found: dict[Node, Any] = {back.root: g}
        size: dict[Node, Any] = {back.root: np.abs(g)}
        with np.errstate(all="ignore"):
            for node in list(back.graph)[::-1]:
                if node.op is None or node not in found:
                    continue
                arrays = (back.values[x] if isinstance(x, Node) else x for x in node.inputs)
                saved = (back.values[node], *arrays)
                for i, x in enumerate(node.inputs):
                    if not isinstance(x, Node) or not x.requires_grad:
                        continue
                    part, large = (
                        summed_to(x.shape, np.asarray(rule(node, i, h[node], saved), float))
                        for h in (found, size)
                    )
                    large = np.maximum(np.abs(part), np.abs(large))
                    found[x] = found.get(x, 0) + part
                    size[x] = size.get(x, 0) + large
        return {
            name: abs(self.factor(name, given))
            * size.get(back.leaves[self.inputs.index(x)].node, 0.0)
            for name, x in self.wrt.items()
        }

    def recorded(self, given: Mapping[str, Any]) -> tuple[Backward, Any]:
        """The backward pass at these arguments, ready to be run with a slip, and its cotangent."""
        back = Backward(lambda *xs: _one(self.forward(*xs)), [_wide(given[n]) for n in self.inputs])
        shape = back.root.shape
        g = np.ones(shape) if self.cotangent is None else np.asarray(given[self.cotangent], float)
        return back, g

    @cached_property
    def mistakes(self) -> list[Mutant]:
        """The teacher's mistakes, and those that can be made in a hand-written gradient."""
        return [*self.listed, *(mutants(self.reference) if self.reference else ())]

    def explained(self, members: Sequence[tuple[Case, Output]], found: Diagnosis) -> Diagnosis:
        """The diagnosis with the slip in the backward pass that explains it, if one does better."""
        if found.explanations and found.explanations[0].rank <= SIMPLE:
            return found
        name = members[0][1].name
        if name not in self.wrt or found.shape != found.truth_shape:
            return found
        asked: dict[bool, list[Wrong]] = {False: [], True: []}
        for case, o in sorted(members, key=lambda x: -np.size(x[1].truth)):
            yours, truth = as_array(o.yours), np.asarray(o.truth, float)
            if yours is None or yours.shape != truth.shape or truth.size > MANY:
                continue
            if not np.all(np.isfinite(yours)):
                continue
            right = bool(np.allclose(yours, truth, rtol=1e-9, atol=0))
            if len(asked[right]) < MOST_ASKED[right] and case.kind in ("random", "zeros", "whole"):
                asked[right].append(Wrong(self._source(case.given, name), yours))
        if not asked[False]:
            return found
        slip = probable_slip([*asked[False], *asked[True]])
        if slip is None:
            return found if found.explanations else self._of_another(members, found, name)
        return replace(found, explanations=(Explanation(slip.says, slip.says, rank=slip.rank),))

    def _of_another(
        self, members: Sequence[tuple[Case, Output]], found: Diagnosis, name: str
    ) -> Diagnosis:
        """The diagnosis, with the mistake in the forward whose right gradient it is, if any."""
        for m in self.other_forwards:
            other = Derived(m.function, [name], {name: self.wrt[name]}, self.cotangent,
                            self.convention, self.examples)  # fmt: skip
            if all(_agrees(o, other, case.given) for case, o in members):
                says = f"is the gradient of another forward, which {m.says}"
                return replace(found, explanations=(Explanation(says, says),))
        return found

    @cached_property
    def other_forwards(self) -> list[Mutant]:
        """The forward with a mistake in it."""
        return mutants(self.forward)

    def _source(self, given: Mapping[str, Any], name: str) -> Source:
        """Where a gradient that is asked for comes from."""
        xs = [_wide(given[n]) for n in self.inputs]
        k, scale = self.inputs.index(self.wrt[name]), self.factor(name, given)
        if self.cotangent is None:
            g = np.ones(np.shape(_one(self.forward(*xs))))
        else:
            g = np.asarray(given[self.cotangent], float)
        return Source(lambda *xs: _one(self.forward(*xs)), xs, k, g, self.inputs, scale)


def _agrees(o: Output, other: Derived, given: Mapping[str, Any]) -> bool:
    """Whether a result is the gradient of another forward there, to rounding."""
    try:
        with np.errstate(all="ignore"):
            right = np.asarray(other.value(cast(given, np.float64)))
    except Exception:  # it may not be defined there, or not depend on this input
        return False
    # Its terms may be larger than those of the truth.
    size = np.maximum(0.0 if o.size is None else o.size, largest(right))
    return o.near(right, size, mistaken=True)


Truth = Reference | Derived


def called(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """The function of copies of those arguments that it asks for."""
    names = inspect.signature(function).parameters
    with np.errstate(all="ignore"):
        return function(**{n: copied(given[n]) for n in names if n in given})


def copied(x: Any) -> Any:
    """Arrays and their containers, copied."""
    return _mapped(lambda a: a.copy(), x)


def cast(x: Any, dtype: Any) -> Any:
    """Every array of floats in a value, in another precision."""
    return _mapped(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a, x)


def moved(x: Any, by: float, rng: np.random.Generator) -> Any:
    """Every float multiplied by 1 ± `by`."""

    def one(a: Any) -> Any:
        return a * (1 + by * rng.choice([-1.0, 1.0], a.shape)) if a.dtype.kind == "f" else a

    return _mapped(one, x)


def _mapped(f: Callable[[Any], Any], x: Any) -> Any:
    """A value with what f makes of every array in it."""
    if isinstance(x, np.ndarray):
        return f(x)
    if isinstance(x, Mapping):
        return {k: _mapped(f, v) for k, v in x.items()}
    return type(x)(_mapped(f, v) for v in x) if type(x) in (list, tuple) else x


def arrays_of(x: Any) -> Iterator[Any]:
    """Every array in a value."""
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, Mapping):
        for v in x.values():
            yield from arrays_of(v)
    elif isinstance(x, (list, tuple)):
        for v in x:
            yield from arrays_of(v)


def _wide(x: Any) -> Any:
    return x.astype(np.float64) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def _one(z: Any) -> Any:
    """The result of a forward, without its cache."""
    return z[0] if isinstance(z, tuple) else z
