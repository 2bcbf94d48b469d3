"""The functions and ufuncs of device_array.py: CuPy's parameters and loops, NumPy's numbers."""

import operator
from functools import cache
from typing import Any

import cupy_interface
import numpy as np
from device_memory import (
    COPIES,
    computed,
    ndarray,
    positions_of,
    refuse_two_devices,
    unwrapped,
    wrapped,
)

FUNCTIONS, UFUNCS, _ = cupy_interface.read()
SIZED = {"argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique"}
# NumPy's own bool of these is an array of CuPy's.
TRUTHS = {"allclose", "array_equal", "array_equiv"}
# Whose memory order is the caller's choice; everything else that is computed lies in C order.
ORDERED = {"array", "asarray", "asfortranarray", "copy", "empty", "empty_like", "full", "full_like",
           "ones", "ones_like", "zeros", "zeros_like"}  # fmt: skip
# The argument that may be a NumPy array, which is sent along.
POSITIONS = {"take": 1, "compress": 0}
NO_OUT = {"einsum"}  # "out, order, and casting options are not supported"


class _Function:
    """A function of CuPy's, with its parameters."""

    def __init__(self, name: str) -> None:
        self.name, self.__name__ = name, name.rpartition(".")[2]
        self.parameters = FUNCTIONS[name]
        self.call = operator.attrgetter(name)(np)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        named = [p for p in self.parameters if not p.startswith("*")]
        many = any(p.startswith("*") and not p.startswith("**") for p in self.parameters)
        others = any(p.startswith("**") for p in self.parameters)
        unknown = [] if others else kwargs.keys() - set(named)
        unknown = unknown or (NO_OUT & {self.name} and kwargs.keys() & {"out", "order", "casting"})
        if unknown or (len(args) > len(named) and not many):
            raise TypeError(f"{self.name}() got an unexpected argument {[*unknown][:1]}")
        refuse_two_devices([*args, *kwargs.values()])
        if self.name in SIZED:
            COPIES["sizes"] += 1
        bare = [*args]
        at = POSITIONS.get(self.name)
        if at is not None and len(bare) > at and isinstance(bare[at], (np.ndarray, list)):
            COPIES["positions"] += 1
            bare[at] = wrapped(np.asarray(bare[at]))
        if self.name == "copyto" and isinstance(bare[1], np.ndarray):
            if bare[1].size != 1:
                raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
            bare[1] = bare[1].reshape(())[()]
        out = kwargs.get("out")
        if isinstance(out, ndarray):  # NumPy's own take no array of every memory order
            found = self.call(
                *map(unwrapped, bare), **{k: unwrapped(v) for k, v in kwargs.items() if k != "out"}
            )
            if out.shape != np.shape(found):
                raise ValueError("Output shape mismatch")
            np.copyto(out._x, found, casting="same_kind")
            return out
        given = {k: unwrapped(v) for k, v in kwargs.items()}
        found = self.call(*map(unwrapped, bare), **given)
        if self.name in TRUTHS:
            found = np.asarray(found)
        return wrapped(found) if self.name in ORDERED else computed(found)


class _Ufunc:
    """A ufunc of CuPy's, with its loops."""

    def __init__(self, name: str) -> None:
        self.name, self.__name__ = name, name
        self.ufunc = getattr(np, name)
        self.loops = [x.split("->") for x in UFUNCS[name] if x != "at"]
        self.adds = "at" in UFUNCS[name]

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: str = "same_kind",
                 **others: Any) -> Any:  # fmt: skip
        if others:
            raise TypeError(f"Wrong arguments {[*others]}")
        if out is not None and not isinstance(out, (ndarray, tuple)):
            raise TypeError("Output arguments type must be cupy.ndarray")
        refuse_two_devices([*args, out])
        bare = [unwrapped(x) for x in args]
        kinds = self._loop(bare)
        found = self.ufunc(*bare, **({} if dtype is None else {"dtype": dtype, "casting": casting}))
        if dtype is None:
            many = found if isinstance(found, tuple) else (found,)
            cast = tuple(x.astype(k, copy=False) for x, k in zip(many, kinds, strict=True))
            found = cast if isinstance(found, tuple) else cast[0]
        if out is None:
            return computed(found)
        if out._x.shape != np.broadcast_shapes(out._x.shape, np.shape(found)):
            raise ValueError("Out shape is mismatched")
        np.copyto(out._x, found, casting=casting)
        return out

    def _loop(self, bare: list[Any]) -> str:
        """The kinds of the results."""
        for before, after in self.loops:
            if all(_fits(x, k) for x, k in zip(bare, before, strict=True)):
                return after
        raise TypeError(f"Wrong type of arguments for cupy_{self.name}")

    def _folds(self, name: str) -> Any:
        if self.name not in cupy_interface.FOLDS:
            raise NotImplementedError(f"`cupy_{self.name}.{name}` is not supported yet")

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None,
               keepdims: bool = False) -> Any:  # fmt: skip
        self._folds("reduce")
        sums = {"add": "sum", "multiply": "prod"}
        return function_of(sums[self.name])(
            array, axis=axis, dtype=dtype, out=out, keepdims=keepdims
        )

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        self._folds("accumulate")
        sums = {"add": "cumsum", "multiply": "cumprod"}
        return function_of(sums[self.name])(array, axis=axis, dtype=dtype, out=out)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        return self(
            a.reshape(a.shape + (1,) * b.ndim), b.reshape((1,) * a.ndim + b.shape), **kwargs
        )

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if not self.adds:
            raise NotImplementedError(f"`cupy_{self.name}.at` is not supported yet")
        self.ufunc.at(a._x, positions_of(indices, a), *([] if b is None else [unwrapped(b)]))


_castable = cache(np.can_cast)


def _fits(x: Any, kind: str) -> bool:
    """Whether a loop for numbers of this kind takes x."""
    dtype = np.dtype(kind)
    if isinstance(x, bool):
        return True
    if isinstance(x, (int, float)) and not isinstance(x, np.generic):  # Python's are weak
        return dtype.kind in ("iuf" if isinstance(x, int) else "f")
    return _castable(x.dtype, dtype)


_made: dict[str, Any] = {}


def function_of(name: str) -> Any:
    """The function or ufunc of that name, linalg's as `linalg.name`; None where CuPy has none."""
    if name not in _made:
        make = _Ufunc if name in UFUNCS else _Function if name in FUNCTIONS else None
        _made[name] = None if make is None else make(name)
    return _made[name]


ndarray.function_of = staticmethod(function_of)
