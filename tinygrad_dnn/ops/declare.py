"""How an op is declared, and the registry of all that are.

    @op("{x} ⊙ {y}", vjp=(lambda g, y: g * y, lambda g, x: g * x))
    def multiply(x, y, /):
        return np.multiply(x, y)

What stands before the `/` are arrays, what follows is metadata (`axis`, `keepdims`). There is one
derivative rule per array. A rule gets what it names, and only that is kept alive for it:
`g` the cotangent, `z` the result, `x` an input, `x_shape` (`z_shape`) a shape, `axis` metadata,
`shared` what several rules have in common, where that is declared.
A rule whose names are others is given exactly (g, z, *arrays), see `handwritten`.
A rule is None where the op is constant in that argument, and `vjp=None` says so for all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import CO_VARARGS, CO_VARKEYWORDS
from pickle import PicklingError
from types import EllipsisType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.formula.template import Formula, formula_of
from tinygrad_dnn.glossary import ARGUMENTS, advice
from tinygrad_dnn.ops import leading
from tinygrad_dnn.ops.handwritten import Call, call_of
from tinygrad_dnn.ops.nested import joined

__all__ = [
    "REGISTRY",
    "At",
    "Case",
    "Op",
    "Pole",
    "op",
]

REGISTRY: dict[str, Op] = {}
_FIXED = frozenset((bool, int, float, str, type(None)))  # settings that nobody can change
_OTHER_KINDS = CO_VARARGS | CO_VARKEYWORDS

Rule = Callable[..., Any]


class Case:
    """Arguments that tests may call an op with: shapes to be sampled, and metadata.

    Example: `Case((2, 3), axis=1)`: an array (2, 3), and the setting `axis=1`.
    """

    def __init__(self, *shapes: tuple[int, ...], **meta: Any) -> None:
        self.shapes = shapes
        self.meta = meta

    def __repr__(self) -> str:
        settings = "".join(f", {k}={v!r}" for k, v in self.meta.items())
        return ", ".join(map(str, self.shapes)) + settings


class At:
    """A point where the derivative is a convention: arguments, and the slopes that rules answer.

    `At(0.0, slopes=(0.0,))` for |x|; each slope is the gradient of the sum of the result,
    None for an argument without a rule.

    Example: `At(0.0, slopes=(0.0,))` of |x|.
    """

    def __init__(self, *arrays: Any, slopes: Sequence[Any], **meta: Any) -> None:
        self.arrays = arrays
        self.slopes = tuple(slopes)
        self.meta = meta


class Pole(NamedTuple):
    """A number at which an op's result is not finite.

    Attributes:
        argument: which of the arrays holds it.
        value: the number.
        cause: what a message says of it.
        saturated: what it says instead where a sigmoid, saturated, gave that number.

    Example: `Pole(0, 0.0, "the logarithm of 0")`.
    """

    argument: int
    value: float
    cause: str
    saturated: str = ""


Plan = tuple[tuple[int, ...], Callable[..., Any]]


class Plans(dict[int, Plan]):
    """The plans of recording for each set of arguments that require a gradient (bit i: argument i):
    their positions, as far as they have a rule, and a function (z, xs) -> (z, x, y, ...) of the
    values to save, with None for what none of their rules reads.
    """

    def __init__(self, op: Op) -> None:
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


class Op:
    """One operation: NumPy forward, a derivative rule per array argument, formula, test domain.

    Calling it with a Tensor among the arrays records a node; with plain arrays it just computes.

    Example: `exp(Tensor(x)).op.name` is `"exp"`, and `exp(x)` is `np.exp(x)`.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        formula: str | Callable[..., str | Formula],
        vjp: Sequence[Rule | None] | Rule | None,
        *,
        elementwise: bool = False,
        selects: bool = False,
        view: bool | Callable[..., bool] = False,
        composite: bool = False,
        domain: Sequence[Any] = (),
        cases: Sequence[Case] = (),
        kinks: Sequence[At] = (),
        stops: bool = False,
        analytic: bool = True,
        shape: Callable[..., tuple[int, ...] | None] | None = None,
        contracts: bool = False,
        carries: leading.Carry | EllipsisType | None = ...,
        transparent: bool = False,
        spreads: bool = False,
        keeps_order: bool = False,
        multiple: Sequence[int] = (),
        infix: str | None = None,
        pole: Pole | None = None,
        undefined: str | None = None,
        remedy: str = "",
        flat: str = "",
        arrange: Callable[..., Sequence[Any]] | None = None,
        name: str | None = None,
        of_others: tuple[Callable[[Any], bool], Callable[..., Any]] | None = None,
        shared: Rule | None = None,
    ) -> None:
        self.forward = self.compute = forward
        self.name = self.__name__ = name or forward.__name__
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.__signature__ = inspect.signature(forward)
        params = self.__signature__.parameters.values()
        self.many = any(p.kind is p.VAR_POSITIONAL for p in params)
        self.arrays = tuple(
            p.name for p in params if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)
        )
        meta = [p for p in params if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.settings = tuple(p.name for p in meta)
        # After `*arrays` Python takes settings by name alone; a call gives the arrays as one.
        self.positional = tuple(
            p.name for p in meta if p.kind is p.POSITIONAL_OR_KEYWORD or self.many
        )
        given = {p.name: p.default for p in meta if p.default is not p.empty}
        self.defaults = {k: self._frozen(k, v) for k, v in given.items()}
        self.required = frozenset(self.settings) - self.defaults.keys()
        # The number of arguments of a call that needs no sorting out: arrays and nothing else.
        self.simple = -1 if self.many or self.required else len(self.arrays)
        self.most = len(self.arrays) + len(self.positional)
        self.formula = formula
        self.elementwise = elementwise
        self.selects = selects
        self.view = view
        self.composite = composite
        self.kinks = tuple(kinks)
        self.stops = stops
        self.analytic = analytic
        self.shape = shape
        self.contracts = contracts
        self.transparent = transparent
        self.spreads = spreads
        self.keeps_order = keeps_order
        self.multiple = tuple(multiple)
        self.infix = infix
        self.pole = pole
        self.undefined = undefined
        self.remedy = remedy
        self.flat = flat
        self.arrange = arrange
        self.of_others = of_others
        self.whole: Callable[..., Any] | None = None  # see `knows`
        self._dtypes: dict[Any, Any] = {}
        self.domain = tuple(domain)
        self.cases = tuple(cases)
        self.shared = shared
        self.rules = self._rules(vjp)
        # Declared by the project. What others declare may be random, or count its calls, so it is
        # neither shared nor computed ahead; and what they say of it is not taken for granted.
        self.builtin = (forward.__module__ or "").startswith(__package__)
        if isinstance(formula, str) and not self.builtin:
            formula_of(formula)  # what is no template is refused here
        self.carries = self._carried() if carries is ... else carries
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
        ufunc = getattr(np, self.name, None)
        # Where what is left out later must give 0 whatever the slope (∞, NaN), see `Usage`.
        mixes = self.builtin and (contracts or "axis" in self.settings)
        self.masks = tuple(
            (elementwise or mixes) and not selects and bool(self.reads(i))
            for i in range(len(self.arrays))
        )
        if self.builtin and isinstance(ufunc, np.ufunc):
            self.compute = ufunc  # what forward calls anyway, without the call in between
        elif not self.builtin:
            self.compute = self._apart

    def _carried(self) -> leading.Carry | None:
        """How an op of its kind carries a leading axis."""
        if not self.builtin:
            return None
        if self.elementwise:
            return leading.elementwise
        if "axis" not in self.settings or self.many:
            return None
        if "keepdims" in self.settings and any(self.rules):  # argmax has one axis, or all flattened
            return leading.reduced
        return leading.flattened if len(self.arrays) == 1 else None

    def is_view(self, meta: Mapping[str, Any]) -> bool:
        """Whether, with this metadata, the result may share memory with the input."""
        return self.view(meta) if callable(self.view) else self.view

    def _apart(self, *arrays: Any, **meta: Any) -> Any:
        """A user's forward, which may not write into its arguments; a result that shares an input's
        memory is copied, unless declared.
        """
        arrays = tuple(map(locked, arrays))
        try:
            z = self.forward(*arrays, **meta)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise ValueError(
                f"{self.name} writes into its argument, which belongs to the graph; let it write "
                "into a copy: x = x.copy()"
            ) from error
        shares = (
            isinstance(z, np.ndarray)
            and not self.view
            and any(isinstance(x, np.ndarray) and np.may_share_memory(z, x) for x in arrays)
        )
        return z.copy() if shares else z[...] if any(z is x for x in arrays) else z

    def result(self, inputs: Sequence[Any], meta: Mapping[str, Any]) -> tuple[Any, Any]:
        """Shape and dtype of what it gives, without computing it wherever that is possible.

        Args:
            inputs: what has a shape and a dtype (nodes, arrays), and plain numbers.

        Raises:
            TypeError, ValueError, IndexError: NumPy refuses such inputs.
        """
        shapes = [getattr(x, "shape", ()) for x in inputs]
        if self.elementwise and self.builtin:
            kinds = tuple(getattr(x, "dtype", type(x)) for x in inputs)
            key = kinds, tuple((k, str(v)) for k, v in meta.items())
            if key not in self._dtypes:
                self._dtypes[key] = self._on_ones(inputs, [(1,)] * len(inputs), meta).dtype
            return np.broadcast_shapes(*shapes), self._dtypes[key]
        if self.shape is not None and (shape := self.shape(*shapes)) is not None:
            return shape, np.result_type(*(x.dtype for x in inputs))
        z = self._on_ones(inputs, shapes, meta)
        return z.shape, z.dtype

    def _on_ones(
        self, inputs: Sequence[Any], shapes: Sequence[Any], meta: Mapping[str, Any]
    ) -> Any:
        # In memory such an input is one number, whatever its shape: 1, or position 0.
        ones = [
            np.broadcast_to(np.array(x.dtype.kind not in "iu", x.dtype), s)
            if hasattr(x, "dtype")
            else x
            for x, s in zip(inputs, shapes, strict=True)
        ]
        if self.arrange:  # a matrix of ones is singular
            arranged = self.arrange(*ones)
            if [x.shape for x in arranged] == [*shapes]:  # else NumPy says what is wrong with them
                ones = [*arranged]
        with np.errstate(all="ignore"):
            return np.asarray(self.compute(*ones, **meta))

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

    def bind(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """Split a NumPy-style call into arrays and complete metadata.

        Raises:
            TypeError: unknown or missing arguments, or a NumPy option that is not differentiated.
        """
        if self.many:
            if not args and self.arrays[0] in kwargs:
                kwargs = dict(kwargs)
                args = (kwargs.pop(self.arrays[0]),)
            arrays, extra = tuple(args[0]) if args else (), tuple(args[1:])
        else:
            arrays, extra = tuple(args[: len(self.arrays)]), tuple(args[len(self.arrays) :])
            for name in self.arrays[len(arrays) :]:  # the rest by name
                if name in kwargs:
                    kwargs = dict(kwargs)
                    arrays += (kwargs.pop(name),)
        if len(arrays) < len(self.arrays):
            raise TypeError(
                f"{self.name}: expected {len(self.arrays)} array(s) "
                f"({', '.join(self.arrays)}), got {len(arrays)}"
            )
        if len(extra) > len(self.positional):
            raise TypeError(f"{self.name}: too many arguments; expected {self.__signature__}")
        meta = self.defaults | dict(zip(self.positional, extra, strict=False))
        for name, value in kwargs.items():
            if name in self.settings:
                meta[name] = value
            elif value is not None:  # NumPy's wrappers pass out=None and the like
                raise TypeError(
                    f"{self.name}: no argument {name!r} here"
                    f"{advice(ARGUMENTS, name, self.settings)}; expected {self.__signature__}"
                )
        if missing := self.required - meta.keys():
            raise TypeError(f"{self.name}: missing {', '.join(sorted(missing))}")
        return arrays, {k: v if type(v) in _FIXED else self._frozen(k, v) for k, v in meta.items()}

    def _frozen(self, name: str, value: Any) -> Any:
        """Metadata as it stays recorded: nobody's list, nobody's array, and no Tensor."""
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, np.ndarray):
            return value.copy()
        if hasattr(type(value), "__record__"):
            if value.shape == () and value.dtype.kind in "iu":
                return int(value.item())
            raise TypeError(
                f"{self.name}: {name} is not differentiable and can't be a Tensor; "
                "pass its .data or a Python number"
            )
        return value

    def knows(self, kwargs: Mapping[str, Any]) -> bool:
        """Whether these arguments are the op's own, and not of `whole`, NumPy's function of this
        name with settings that the op lacks: `td.sum(t, where=mask)`.
        """
        if self.whole is None or not kwargs:
            return True
        more = kwargs.keys() - {*self.settings, *self.arrays}
        return not more or not more <= inspect.signature(self.whole).parameters.keys()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply it, NumPy's signature: to Tensors it records a node, to arrays it just computes."""
        arrays: Sequence[Any] = args
        meta: Mapping[str, Any] = self.defaults
        if kwargs or len(args) != self.simple:
            if self.whole is not None and not (len(args) <= self.most and self.knows(kwargs)):
                return self.whole(*args, **kwargs)
            arrays, meta = self.bind(args, kwargs)
        if self.of_others and any(map(self.of_others[0], arrays)):
            return self.of_others[1](*arrays)
        return self.apply(arrays, meta)

    def apply(self, arrays: Sequence[Any], meta: Mapping[str, Any]) -> Any:
        """Apply it to arrays and complete metadata."""
        for x in arrays:
            # The type that records says so itself, as NumPy's __array_ufunc__ does.
            record = getattr(type(x), "__record__", None)
            if record is not None:
                return record(self, arrays, meta)
        if any(type(x) in (list, tuple) for x in arrays):
            whole = [joined(x, REGISTRY["stack"]) for x in arrays]
            for x in whole:
                if hasattr(type(x), "__record__"):
                    return type(x).__record__(self, whole, meta)
        return self.compute(*arrays, **meta)

    def __repr__(self) -> str:
        return f"<op {self.name}{self.__signature__}>"

    def __deepcopy__(self, memo: Any) -> Op:
        return self

    def __reduce__(self) -> Any:
        """Ops are pickled by name: the code that unpickles must have declared the same op."""
        if REGISTRY.get(self.name) is not self:
            raise PicklingError(
                f"op {self.name} is not in the registry, so it can't be pickled by name; "
                "declare it with @op at the top of a module"
            )
        return named, (self.name,)


def _lambda(source: str, **names: Any) -> Callable[..., Any]:
    """A function written out, whose lines are this file's: no user's."""
    made: Callable[..., Any] = eval(compile(source, __file__, "eval"), names)
    return made


def locked(x: Any) -> Any:
    """An array as others may look at it but not write to it; what is none, as it is."""
    if type(x) is not np.ndarray or not x.flags.writeable:
        return x
    x = x.view()
    x.setflags(write=False)
    return x


def _unwritten(rule: Rule) -> Rule:
    """A user's rule, which may not write into what it is given: others read that too."""
    return lambda *args, **kwargs: rule(
        *map(locked, args), **{name: locked(x) for name, x in kwargs.items()}
    )


def _shape(x: Any) -> tuple[int, ...]:
    shape: tuple[int, ...] = x.shape if hasattr(x, "shape") else np.shape(x)
    return shape


def named(name: str) -> Op:
    """The registered op of that name."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise ValueError(
            f"no op named {name!r} is declared; import the module that declares it first"
        ) from None


def op(
    formula: str | Callable[..., str | Formula],
    *,
    vjp: Sequence[Rule | None] | Rule | None,
    **traits: Any,
) -> Callable[[Callable[..., Any]], Op]:
    """Declare a function of NumPy arrays as an op, with its derivative.

    Args:
        formula: how it is written, places in braces: `"{x} ⊙ {y}"`, `"exp({x})"`; `"Σ_{axis} {x}"`
            has the letters of the axis below, `"{x}^{y}"` a power above. A setting that it does not
            mention is added where it is not its default. Or a function of what it names (settings,
            `x_shape`, `z_shape`, `beside`: whether that stands next to it, and `numbers`: how many
            of the arrays are plain numbers) that gives this or a `Formula`, and is taken to mention
            all.
        vjp: for each array argument the rule `g -> g · ∂z/∂x`, written in NumPy calls (see above);
            summing over broadcast axes and casting to the input's dtype is done for it.
        elementwise: every element of the result depends on one element of each input.
        selects: it leaves out what was computed, as `where` and indexing do: a zero cotangent
            from it stays zero through every elementwise rule, whatever stands there (NaN, ∞).
        view: the result may share memory with the input (or a function of the metadata that tells).
        composite: more than one NumPy call; applying the function to Tensors expands it.
        domain: an interval per array from which tests may sample it, bool, or a range of integers;
            (-2, 2) if not given.
        cases: `Case`s that tests call it with; elementwise ops need none.
        kinks: points (`At`) where the slopes from the two sides differ, and what the rules answer.
        stops: the gradient is withheld on purpose, although the result follows the argument.
        shape: of the shapes of its arrays that of the result, or None where it must be computed;
            the dtype is then `np.result_type` of theirs.
        carries: how it carries a leading axis, see `leading`; None where it is applied n times.
            An elementwise op, a reduction (with `axis` and `keepdims`) and an op of one array with
            an `axis` need not say so, if they are the project's.
        contracts: a product: the last axis of the first array against the last but one of the
            second.
        transparent: the result is the input itself, which may stand in its place where nothing is
            differentiated.
        spreads: it repeats its input along axes, as every elementwise op does by itself.
        keeps_order: the same elements in the same order, in another shape.
        multiple: the positions of arrays that the result is a multiple of where all others are
            numbers: (0, 1) of x ⊙ y, (0,) of x / y.
        infix: the sign that stands between its arrays in messages, which else are listed.
        pole: a `Pole`, where the result is not finite.
        undefined: what gives a NaN: `0 · ∞`; else its name is said.
        remedy: where its slope is not finite, and what to do, as it follows in a message.
        flat: why its slope may be 0 everywhere, {} being its formula.
        analytic: NumPy's forward is the analytic function on complex numbers too.
        name: where it is not the function's own.
        shared: what several rules have in common, of what it names; they name it `shared`.
        of_others: which arguments another function takes, as `matmul` of sparse matrices, and that
            function.

    Raises:
        TypeError: when the number of rules is not the number of arrays, or a rule asks for what
            there is not.
        ValueError: when the name is taken.

    Example: `cube = op("{x}³", vjp=lambda g, x: 3 * g * x**2, name="cube")(lambda x, /: x**3)`.
    """

    def declare(forward: Callable[..., Any]) -> Op:
        declared = Op(forward, formula, vjp, **traits)
        taken = REGISTRY.get(declared.name)
        if (
            taken is not None and taken.__module__ != declared.__module__
        ):  # a notebook may redo its own
            raise ValueError(f"op {declared.name}: that name is taken; choose another")
        REGISTRY[declared.name] = declared
        return declared

    return declare
