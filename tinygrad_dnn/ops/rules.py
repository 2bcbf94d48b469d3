"""The derivative rules of an op: what they ask for, and how recording and the sweep use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import CO_VARARGS, CO_VARKEYWORDS
from typing import Any

import numpy as np

from tinygrad_dnn.ops.handwritten import Call, call_of
from tinygrad_dnn.ops.memory import locked
from tinygrad_dnn.ops.signature import Signature

_OTHER_KINDS = CO_VARARGS | CO_VARKEYWORDS

Rule = Callable[..., Any]
Plan = tuple[tuple[int, ...], Callable[..., Any]]


class Plans(dict[int, Plan]):
    """The plans of recording for each set of arguments that require a gradient (bit i: argument i):
    their positions, as far as they have a rule, and a function (z, xs) -> (z, x, y, ...) of the
    values to save, with None for what none of their rules reads.
    """

    def __init__(self, op: Rules) -> None:
        self.op = op

    def __missing__(self, wants: int) -> Plan:
        op = self.op
        positions = tuple(i for i in range(wants.bit_length()) if wants >> i & 1 and op.rule(i))
        read = set[str]().union(*(op.reads(i) for i in positions))
        z = "z" if "z" in read else "None"
        if op.many:  # any number of patterns: none is remembered
            whole = op.arrays[0] in read
            return positions, lambda z, xs: (
                z if "z" in read else None,
                *(xs if whole else [None] * len(xs)),
            )
        xs = ", ".join(f"xs[{i}]" if a in read else "None" for i, a in enumerate(op.arrays))
        self[wants] = plan = positions, _lambda(f"lambda z, xs: ({z}, {xs})")
        return plan


class Rules(Signature):
    """The rules of an op, one per array of its signature.

    Attributes:
        rules: as they were declared, None where the op is constant in that argument.
        builtin: whether the project declared it.
        pulls: the rules as the sweep calls them.
        plans: the plans of recording.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        name: str | None,
        vjp: Sequence[Rule | None] | Rule | None,
        shared: Rule | None,
    ) -> None:
        super().__init__(forward, name)
        self.shared = shared
        self.rules = self._rules(vjp)
        # Declared by the project. What others declare may be random, or count its calls, so it is
        # neither shared nor computed ahead; and what they say of it is not taken for granted.
        self.builtin = (forward.__module__ or "").startswith(__package__)
        self.differentiable = any(self.rules)
        # The arrays that say which elements of the others are meant: a condition, positions.
        self.places = tuple(i for i, r in enumerate(self.rules) if r is None and any(self.rules))
        self.share = None if shared is None else self._pull(0, shared)
        self.pulls = tuple(self._pull(i, rule) for i, rule in enumerate(self.rules))
        # Whether what its rules have in common is computed once for each node.
        self.per_node = self.many or shared is not None
        # Where one function gives the gradients of all inputs at once: (g, saved) -> tuple.
        self.joint: Callable[..., Sequence[Any]] | None = None
        self.plans = Plans(self)

    def _rules(self, vjp: Sequence[Rule | None] | Rule | None) -> tuple[Rule | None, ...]:
        if not self.arrays:
            raise TypeError(
                f"op {self.name}: no array argument; arrays stand before a '/', "
                f"as in def {self.name}(x, /)"
            )
        if vjp is None:
            return (None,) * len(self.arrays)
        rules = (vjp,) if callable(vjp) else tuple(vjp)
        if len(rules) != len(self.arrays):
            raise TypeError(
                f"op {self.name}: expected a derivative rule for each of its arrays "
                f"{self.arrays}, got {len(rules)}"
            )
        if taken := {"g", "z"} & {*self.arrays}:
            raise TypeError(
                f"op {self.name}: no array may be called {' or '.join(sorted(taken))}: in rules g "
                "is the cotangent and z the result; call it x"
            )
        return rules

    def _asked(self, i: int, rule: Rule) -> Call[str]:
        """Return what the rule for argument i asks for, by the names of the declaration."""
        known = {"g", "z", "z_shape", *self.arrays, *(f"{a}_shape" for a in self.arrays)}
        known |= {*self.settings, "i"} if self.many else {*self.settings}
        known |= {"shared"} if self.shared is not None and rule is not self.shared else set()
        code = getattr(rule, "__code__", None)  # inspect.signature takes ten times as long
        if code is not None and not rule.__defaults__ and not code.co_flags & _OTHER_KINDS:
            names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
            if not code.co_kwonlyargcount and known.issuperset(names):
                return Call(names, {})
        counted = () if self.many else ("g", "z", *self.arrays)
        who = f"op {self.name}: the rule for {self.arrays[0 if self.many else i]}"
        return call_of(rule, who, {n: n for n in known}, {n: n for n in counted}, self.settings)

    def rule(self, i: int) -> Rule | None:
        """The derivative rule for argument i."""
        return self.rules[0 if self.many else i]

    def reads(self, i: int) -> frozenset[str]:
        """The values (z, x, y, ...) that the rule for argument `i` reads."""
        rule = self.rule(i)
        if rule is None:
            return frozenset()
        asked = self._asked(i, rule)
        names = {*asked.positional, *asked.keyword.values()}
        if "shared" in names and self.shared is not None:
            names |= {*self._asked(i, self.shared).positional}
        return frozenset(names) & {"z", *self.arrays}

    def _pull(self, i: int, rule: Rule | None) -> Callable[..., Any] | None:
        """The rule as the sweep calls it for the input at position i: pull(g, saved, node, i)."""
        if rule is None:
            return None

        def source(name: str) -> str:
            if name in ("g", "i"):
                return name
            if name == "shared":
                return "share(g, saved, node, i)"
            if name in self.settings:
                return f"node.meta[{name!r}]"
            if self.many and name in self.arrays:
                return "saved[1:]"
            if self.many and name.removesuffix("_shape") in self.arrays:
                return "node.input_shapes"
            if name == "z_shape":
                return "node.shape"
            if name.endswith("_shape"):
                return f"shape(node.inputs[{self.arrays.index(name.removesuffix('_shape'))}])"
            return f"saved[{0 if name == 'z' else 1 + self.arrays.index(name)}]"

        asked = self._asked(i, rule)
        call = ", ".join(
            [
                *map(source, asked.positional),
                *(f"{k}={source(v)}" for k, v in asked.keyword.items()),
            ]
        )
        called = rule if self.builtin else _unwritten(rule)
        made: list[Callable[..., Any]] = []

        # Written out, because a sweep calls it once per recorded op, when it is first called:
        # whoever imports the project calls few of all rules.
        def first(g: Any, saved: tuple[Any, ...], node: Any, i: int, *share: Any) -> Any:
            if not made:
                given = ", share=share" if "share(" in call else ""
                source = f"lambda g, saved, node, i{given}: rule({call})"
                made.append(_lambda(source, rule=called, shape=_shape, share=self.share))
                self.pulls = tuple(made[0] if pull is first else pull for pull in self.pulls)
            return made[0](g, saved, node, i, *share)

        return first


def _lambda(source: str, **names: Any) -> Callable[..., Any]:
    """A function written out, whose lines are this file's: no user's."""
    made: Callable[..., Any] = eval(compile(source, __file__, "eval"), names)
    return made


def _unwritten(rule: Rule) -> Rule:
    """A user's rule, which may not write into what it is given: others read that too."""
    return lambda *args, **kwargs: rule(
        *map(locked, args), **{name: locked(x) for name, x in kwargs.items()}
    )


def _shape(x: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = x.shape if hasattr(x, "shape") else np.shape(x)
    return shape
