"""Functions composed of ops: NumPy's functions that need no derivative rule of their own.

One declaration holds a function's forward, written with functions that record, and the cases that
the tests try. Its gradient is that of its ops. What one call records lies in one scope, `Call`,
which pictures draw as one box that opens.

    @composed(np.vstack, cases=(Case((2, 3), (3,)),), many=True)
    def vstack(tup):
        return np.concatenate([np.atleast_2d(x) for x in tup])
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import inf
from typing import Any

import numpy as np

from tinygrad_dnn.glossary import ARGUMENTS, advice
from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import REGISTRY
from tinygrad_dnn.ops.nested import joined, recorded, tensors

__all__ = ["COMPOSED", "Composed", "composed"]

COMPOSED: dict[str, Composed] = {}

_MANY, _MORE = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD

_REFUSALS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


class Composed:
    """A function composed of ops; called with plain arrays alone it is NumPy's own.

    Attributes:
        forward: the function on Tensors.
        plain: NumPy's function.
        cases: example arguments: arrays of the given shapes, and keyword arguments.
        many: whether the arrays are given as one sequence, as to `np.vstack`.
        domain: for each array the interval or values that the tests draw it from.
        arrange: makes of drawn arrays such as the function asks for: sorted, definite.

    Example: `median.name` is `"median"`, and `median.plain is np.median`.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        plain: Callable[..., Any] | None,
        cases: Sequence[Case],
        many: bool,
        domain: Sequence[Any],
        arrange: Callable[..., Sequence[Any]] | None,
    ) -> None:
        self.forward, self.plain = forward, plain or forward
        self.cases, self.many, self.domain = tuple(cases), many, tuple(domain)
        self.arrange = arrange
        self.name = self.__name__ = forward.__name__
        self.__doc__, self.__module__ = forward.__doc__, forward.__module__
        self.__signature__ = inspect.signature(forward)
        self._names: dict[tuple[Any, ...], tuple[str, ...]] = {}
        where = getattr(plain, "__module__", "numpy").replace("numpy", "np", 1)
        self.shown = f"{where}.{self.name}" if plain else self.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """NumPy's function; with a Tensor among the arguments its ops are recorded."""
        if not tensors([*args, *kwargs.values()]):
            return self.plain(*args, **kwargs)
        own = self.__signature__.parameters
        kwargs = {k: v for k, v in kwargs.items() if v is not None or k in own}  # out=None
        if len(args) > _order(self)[1]:  # NumPy has arguments in between, `out`, that are not here
            args, kwargs = self._by_name(args, kwargs)
        given = self._bound(args, kwargs)
        try:
            return recorded(
                self.name,
                _settings(given),
                [*given.values()],
                lambda: self._forward(args, kwargs),
            )
        except _REFUSALS as error:
            theirs = self._numpys_refusal(args, kwargs)
            if theirs is None or isinstance(error, type(theirs)):
                raise
            raise theirs from error

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments by name; which names those by position have is found out once."""
        call = (len(args), *kwargs)
        if call in self._names:
            return {**dict(zip(self._names[call], args, strict=True)), **kwargs}
        try:
            given = self.__signature__.bind(*args, **kwargs).arguments
        except TypeError as error:
            own = self.__signature__.parameters
            hints = "".join(advice(ARGUMENTS, name, own) for name in kwargs if name not in own)
            raise TypeError(
                f"{self.shown}: {error}{hints}; expected {self.name}{self.__signature__}"
            ) from None
        parameters = self.__signature__.parameters
        if all(parameters[name].kind not in (_MANY, _MORE) for name in given):
            self._names[call] = tuple(given)[: len(args)]
        return given

    def _forward(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        args, kwargs = self._whole(args, kwargs)
        return self.forward(*args, **kwargs)

    def _whole(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with each list of Tensors that stands for an array as one Tensor."""
        if self.many or not self.cases:
            return args, kwargs
        own = self.__signature__.parameters.values()
        spread = any(p.kind is p.VAR_POSITIONAL for p in [*own][:1])
        n = len(args) if spread else max(len(case.shapes) for case in self.cases)
        arrays, stack = [p.name for p in own][:n], REGISTRY["stack"]
        first = [joined(x, stack) for x in args[:n]]
        named = {k: joined(v, stack) if k in arrays else v for k, v in kwargs.items()}
        return (*first, *args[n:]), named

    def _by_name(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments that stand where NumPy has them, without those that say nothing."""
        theirs, alike = _order(self)
        assert theirs is not None
        named = dict(theirs.bind(*args, **kwargs).arguments)
        first = [named.pop(name) for name in list(named)[: int(alike)]]
        own = self.__signature__.parameters
        return tuple(first), {k: v for k, v in named.items() if k in own or v is not None}

    def _numpys_refusal(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exception | None:
        """What NumPy says to the same arguments, None if it takes them. A function among the
        arguments is not called again.
        """
        if not self.cases:
            return None
        try:
            self.plain(*_arrays(args), **{k: _arrays(v) for k, v in kwargs.items()})
        except Exception as error:  # of NumPy's own kinds there are many
            return error
        return None

    def __repr__(self) -> str:
        return f"<function {self.shown}, composed of ops>"

    def __deepcopy__(self, memo: Any) -> Composed:
        return self

    def __reduce__(self) -> Any:
        return _named, (self.name,)


@cache
def _order(function: Composed) -> tuple[inspect.Signature | None, float]:
    """NumPy's signature, and how many arguments stand in the same place in both."""
    ours = function.__signature__.parameters
    try:
        theirs = inspect.signature(function.plain)
    except ValueError:  # one in C does not say
        return None, inf
    if function.plain is function.forward or any(p.kind is _MANY for p in ours.values()):
        return None, inf
    pairs = zip(ours, theirs.parameters, strict=False)
    return theirs, next((i for i, (mine, its) in enumerate(pairs) if mine != its), inf)


def _named(name: str) -> Composed:
    return COMPOSED[name]


def _arrays(x: Any) -> Any:
    """The arrays of Tensors, in lists of lists of them too."""
    if isinstance(x, (list, tuple)):
        return [_arrays(y) for y in x] if type(x) is list else tuple(map(_arrays, x))
    return x._array if hasattr(type(x), "__record__") else x


def _settings(given: Mapping[str, Any]) -> str:
    """The arguments that are no arrays, as they are written in a call: `axis=1`."""
    return ", ".join(
        f"{name}={value!r}"
        for name, value in given.items()
        if isinstance(value, (int, float, str, bool, tuple)) and not tensors([value])
    )


def as_array(x: Any) -> Any:
    """Numbers and lists, of Tensors too, as arrays; what has a dtype as it is."""
    x = joined(x, REGISTRY["stack"])
    return x if hasattr(x, "dtype") else np.asarray(x)


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """The index of a part along an axis, of all along those before it."""
    return (slice(None),) * axis + (part,)


def as_dtype(x: Any, dtype: Any) -> Any:
    """x in a dtype, None for its own."""
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


def in_floats(x: Any) -> Any:
    """x, whole numbers and truth values in float64, as NumPy takes their means and norms."""
    return x if x.dtype.kind == "f" else x.astype(np.result_type(x.dtype, np.float64))


def common_dtype(xs: Sequence[Any]) -> Any:
    """The dtype of arrays, lists and numbers together; a number of Python's has none of its own."""
    return np.result_type(*(x if type(x) in (int, float) else as_array(x).dtype for x in xs))


def plain(name: str, argument: str, x: Any) -> Any:
    """The values of an argument that has no gradient by nature, as positions and shapes have none.

    Raises:
        TypeError: it requires a gradient, which would be lost.
    """
    if not hasattr(type(x), "__record__"):
        return x
    if x.requires_grad:
        raise TypeError(
            f"{name}: expected {argument} as plain numbers, got a Tensor that requires a gradient, "
            f"for which there is no rule; give {argument}.data"
        )
    return x.numpy()


def composed(
    plain: Callable[..., Any] | None = None,
    *,
    cases: Sequence[Case] | None,
    many: bool = False,
    domain: Sequence[Any] = (),
    arrange: Callable[..., Sequence[Any]] | None = None,
) -> Callable[[Callable[..., Any]], Composed]:
    """Declare a function composed of ops, see the head of this file.

    Args:
        plain: NumPy's function of which it is the counterpart; None where NumPy has none.
        cases: example arguments, which the tests try; at least one. None where the arguments are
            no arrays, as the functions that `np.piecewise` takes.
        many: whether the arrays of a case are given as one sequence.
        domain: for each array the interval that the tests draw its elements from.
        arrange: makes of drawn arrays such as the function asks for: sorted, positive definite.

    Example: `composed(None, cases=(Case((3,)),))(lambda x: np.sum(x * x) / 2)(x)` is `np.sum(x * x)
    / 2`.
    """

    def declare(forward: Callable[..., Any]) -> Composed:
        if cases is not None and not cases:
            raise ValueError(f"composed: expected at least one case for {forward.__name__}")
        made = Composed(forward, plain, cases or (), many, domain, arrange)
        COMPOSED[made.name] = made
        return made

    return declare
