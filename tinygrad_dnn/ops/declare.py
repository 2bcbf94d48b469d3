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
from functools import partial
from pickle import PicklingError
from types import EllipsisType
from typing import Any

import numpy as np

from tinygrad_dnn.formula.template import Formula, formula_of
from tinygrad_dnn.ops import leading
from tinygrad_dnn.ops.cases import At, Case, Pole
from tinygrad_dnn.ops.memory import locked
from tinygrad_dnn.ops.nested import joined
from tinygrad_dnn.ops.rules import Rule, Rules

__all__ = ["REGISTRY", "Op", "op"]

REGISTRY: dict[str, Op] = {}


class Op(Rules):
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
        faster: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(forward, name, vjp, shared)
        self.forward = self.compute = forward
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
        self.faster = faster
        self.whole: Callable[..., Any] | None = None  # see `knows`
        self._dtypes: dict[Any, Any] = {}
        self.domain = tuple(domain)
        self.cases = tuple(cases)
        if isinstance(formula, str) and not self.builtin:
            formula_of(formula)  # what is no template is refused here
        self.carries = self._carried() if carries is ... else carries
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
        elif faster is not None:
            self.compute = partial(faster, forward)

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
        faster: the same result, sooner for some arrays; called with the forward and its arguments.
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
