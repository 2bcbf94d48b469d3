"""A stand-in for CuPy without a GPU: arrays in a memory of their own, reached by NumPy's protocols.

It is an array module, as `cupy` is: `asarray` brings an array to the device, `asnumpy` back, and
what CuPy has of NumPy's functions it has (cupy_interface.txt, read off the real CuPy), with CuPy's
parameters, loops and results (0-d arrays stay arrays, results lie in C order). Inside it computes
with NumPy; outside nobody sees that. It is never kinder than CuPy, and stricter in one thing: CuPy
copies a number to the host in silence where one asks for float(x), int(x) or bool(x); here that
raises TypeError as NumPy's `__array__` does there, so that no copy is hidden. `COPIES` counts
those that are asked for.

    arrays between host and device    `to device`, `to host` (get, item, tolist, text)
    host positions in x[i], take      `positions`: CuPy sends them along by itself
    sizes that depend on values       `sizes`: nonzero, x[mask] wait for the device
"""

import operator
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import cupy_interface
import numpy as np

COPIES: Counter[str] = Counter()
FUNCTIONS, UFUNCS, ATTRIBUTES = cupy_interface.read()
_device = 0
SIZED = {"argwhere", "compress", "extract", "flatnonzero", "nonzero", "unique"}
# NumPy's own bool of these is an array of CuPy's.
TRUTHS = {"allclose", "array_equal", "array_equiv"}
# Whose memory order is the caller's choice; everything else that is computed lies in C order.
ORDERED = {"array", "asarray", "asfortranarray", "copy", "empty", "empty_like", "full", "full_like",
           "ones", "ones_like", "zeros", "zeros_like"}  # fmt: skip
POSITIONS = {
    "take": 1,
    "compress": 0,
}  # the argument that may be a NumPy array, which is sent along
NO_OUT = {"einsum"}  # "out, order, and casting options are not supported"


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """The copies within the block."""
    before, found = Counter(COPIES), Counter[str]()
    try:
        yield found
    finally:
        found.update(COPIES - before)


@contextmanager
def on_device(number: int) -> Iterator[None]:
    """Within the block arrays are made on another device, as within cupy.cuda.Device(number)."""
    global _device
    before, _device = _device, number
    try:
        yield
    finally:
        _device = before


class _Flags:
    """What CuPy has of an array's flags: nothing of writing."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = flags.owndata


def _refused(what: str) -> Any:
    def convert(self: Any, *_args: Any, **_kwargs: Any) -> Any:
        raise TypeError(f"{what} of an array on the device is refused; use .get() or .item()")

    return convert


class ndarray:
    """An array on the device."""

    __array_priority__ = 100
    __module__ = "device_array"

    def __init__(self, shape: Any, dtype: Any = float, *, order: str = "C") -> None:
        self._x, self.device = np.empty(shape, dtype, order), _device

    # --- protocols -------------------------------------------------------------------------------

    __array__ = _refused("Implicit conversion to a NumPy array")
    __float__ = _refused("float()")
    __int__ = _refused("int()")
    __bool__ = _refused("bool()")
    __complex__ = _refused("complex()")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        found = _module(ufunc.__name__)
        if found is None:
            return NotImplemented
        for x in (*inputs, *([kwargs["out"]] if "out" in kwargs else [])):
            if not isinstance(x, (ndarray, np.ndarray, np.generic, bool, int, float, complex)):
                return NotImplemented
        if ufunc.__name__ in {"greater", "greater_equal", "less", "less_equal", "equal",
                              "not_equal"}:  # fmt: skip
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x
                           for x in inputs)  # fmt: skip
        call = found if method == "__call__" else getattr(found, method)
        return call(*inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        head = "linalg." if func.__module__ == "numpy.linalg" else ""
        if func.__module__ not in ("numpy", "numpy.linalg"):
            return NotImplemented
        found = _module(head + func.__name__)
        if found is None or not all(issubclass(t, (ndarray, np.ndarray)) for t in types):
            return NotImplemented
        return found(*args, **kwargs)

    # --- copies that are asked for ---------------------------------------------------------------

    def get(self, stream: Any = None, order: str = "C", out: Any = None) -> Any:
        """A NumPy array of the values."""
        COPIES["to host"] += 1
        return np.array(self._x, order=order)

    def item(self) -> Any:
        COPIES["to host"] += 1
        return self._x.item()

    def tolist(self) -> Any:
        COPIES["to host"] += 1
        return self._x.tolist()

    def tobytes(self, order: str = "C") -> bytes:
        COPIES["to host"] += 1
        return self._x.tobytes(order)

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __reduce__(self) -> Any:
        return asarray, (self.get(),)

    # --- what it is ------------------------------------------------------------------------------

    shape = property(lambda self: self._x.shape)
    dtype = property(lambda self: self._x.dtype)
    ndim = property(lambda self: self._x.ndim)
    size = property(lambda self: self._x.size)
    itemsize = property(lambda self: self._x.itemsize)
    nbytes = property(lambda self: self._x.nbytes)
    strides = property(lambda self: self._x.strides)
    flags = property(lambda self: _Flags(self._x.flags))
    T = property(lambda self: _wrapped(self._x.T, self))
    base = property(lambda self: None if self._x.base is None else _wrapped(self._x.base, self))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return len(self._x)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # --- elements --------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        return _wrapped(self._x[_index(index, self)], self)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, ndarray):
            _same_device([self, value])
            value = value._x
        at = _index(index, self)
        parts = at if isinstance(at, tuple) else (at,)
        if np.ndim(value) and any(isinstance(p, np.ndarray) for p in parts):
            # Of repeated positions CuPy keeps any one, NumPy the last: here it is the first.
            places = np.arange(self.size).reshape(self.shape)[at].ravel()
            first = np.unique(places, return_index=True)[1]
            at, value = (
                np.unravel_index(places[first], self.shape),
                np.broadcast_to(value, self._x[at].shape).ravel()[first],
            )
        self._x[at] = value

    def __hash__(self) -> Any:
        raise TypeError("unhashable type: 'ndarray'")

    # --- methods ---------------------------------------------------------------------------------

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return _wrapped(self._x.reshape(*shape, order=order), self)

    def transpose(self, *axes: Any) -> Any:
        return _wrapped(self._x.transpose(*axes), self)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        return _wrapped(self._x.swapaxes(axis1, axis2), self)

    def squeeze(self, axis: Any = None) -> Any:
        return _wrapped(self._x.squeeze(axis), self)

    def view(self, dtype: Any = None) -> Any:
        return _wrapped(self._x.view() if dtype is None else self._x.view(dtype), self)

    def ravel(self, order: str = "C") -> Any:
        return _wrapped(self._x.ravel(order), self)

    def flatten(self, order: str = "C") -> Any:
        return _wrapped(self._x.flatten(order), self)

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None,
               copy: bool = True) -> Any:  # fmt: skip
        return _wrapped(self._x.astype(dtype, order, copy=copy), self)

    def copy(self, order: str = "C") -> Any:
        return _wrapped(self._x.copy(order), self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def fill(self, value: Any) -> None:
        self[...] = value


def _reduction(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _module(name)(self, *args, **kwargs)

    return method


for _name in ("all", "any", "argmax", "argmin", "argsort", "clip", "cumprod", "cumsum", "dot",
              "max", "mean", "min", "prod", "repeat", "round", "std", "sum", "take", "trace", "var",
              "diagonal", "nonzero", "ptp"):  # fmt: skip
    if _name in ATTRIBUTES:
        setattr(ndarray, _name, _reduction(_name))


def _operator(name: str, swapped: bool = False) -> Any:
    ufunc = getattr(np, name)

    def apply(self: Any, other: Any) -> Any:
        if getattr(type(other), "__array_ufunc__", self) is None:
            return NotImplemented
        return ufunc(other, self) if swapped else ufunc(self, other)

    return apply


def _in_place(name: str) -> Any:
    def apply(self: Any, other: Any) -> Any:
        return _module(name)(self, other, out=self)

    return apply


for _word, _name in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
                     "floordiv": "floor_divide", "mod": "remainder", "pow": "power",
                     "and": "bitwise_and", "or": "bitwise_or",
                     "xor": "bitwise_xor"}.items():  # fmt: skip
    setattr(ndarray, f"__{_word}__", _operator(_name))
    setattr(ndarray, f"__r{_word}__", _operator(_name, swapped=True))
    setattr(ndarray, f"__i{_word}__", _in_place(_name))
ndarray.__matmul__, ndarray.__rmatmul__ = _operator("matmul"), _operator("matmul", swapped=True)
for _word, _name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
                     "eq": "equal", "ne": "not_equal"}.items():  # fmt: skip
    setattr(ndarray, f"__{_word}__", _operator(_name))
for _word, _name in {"neg": "negative", "pos": "positive", "abs": "absolute",
                     "invert": "invert"}.items():  # fmt: skip
    setattr(ndarray, f"__{_word}__", lambda self, name=_name: _module(name)(self))


# --- inside: NumPy's arrays behind the stand-in's -------------------------------------------------


def _wrapped(x: Any, like: Any = None) -> Any:
    """NumPy's result as it is on the device."""
    if isinstance(x, (np.ndarray, np.generic)):
        made = object.__new__(ndarray)
        made._x, made.device = np.asarray(x), _device if like is None else like.device
        return made
    if isinstance(x, (tuple, list)):
        return type([*x])(map(_wrapped, x)) if isinstance(x, list) else tuple(map(_wrapped, x))
    return x


def _computed(x: Any) -> Any:
    """A result that is no view lies in C order."""
    if isinstance(x, (tuple, list)):
        return tuple(map(_computed, x)) if isinstance(x, tuple) else [*map(_computed, x)]
    if isinstance(x, np.ndarray) and x.base is None:
        x = np.asarray(x, order="C")
    return _wrapped(x)


def _bare(x: Any) -> Any:
    """An argument as NumPy takes it; an array of the host's is refused."""
    if isinstance(x, ndarray):
        return x._x
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type([*x])(map(_bare, x)) if isinstance(x, list) else tuple(map(_bare, x))
    return x


def _same_device(values: Any) -> None:
    """Refuse arrays of two devices, as CuPy does where one can't read the other's memory."""
    found = {x.device for v in values for x in (v if isinstance(v, (list, tuple)) else [v])
             if isinstance(x, ndarray)}  # fmt: skip
    if len(found) > 1:
        raise ValueError(
            "The device where the array resides is different from the current device. Peer access "
            "is unavailable between these devices."
        )


def _index(index: Any, x: Any) -> Any:
    """Positions as NumPy takes them; those of the host are sent along, which is counted."""
    parts, masks = [], 0
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, ndarray):
            _same_device([x, part])
            part = part._x
        elif isinstance(part, (np.ndarray, list)):
            part = np.asarray(part, dtype=None if len(part) else int)
            COPIES["positions"] += 1
        if isinstance(part, np.ndarray) and part.dtype == bool:
            masks += 1
            COPIES["sizes"] += 1
        parts.append(part)
    if masks > 1:
        raise IndexError("CuPy supports no more than one boolean array")
    return tuple(parts) if isinstance(index, tuple) else parts[0]


# --- the module's functions -----------------------------------------------------------------------


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
        _same_device([*args, *kwargs.values()])
        if self.name in SIZED:
            COPIES["sizes"] += 1
        bare = [*args]
        at = POSITIONS.get(self.name)
        if at is not None and len(bare) > at and isinstance(bare[at], (np.ndarray, list)):
            COPIES["positions"] += 1
            bare[at] = _wrapped(np.asarray(bare[at]))
        if self.name == "copyto" and isinstance(bare[1], np.ndarray):
            if bare[1].size != 1:
                raise ValueError("non-scalar numpy.ndarray cannot be used for copyto")
            bare[1] = bare[1].reshape(())[()]
        out = kwargs.get("out")
        if isinstance(out, ndarray):  # NumPy's own take no array of every memory order
            found = self.call(
                *map(_bare, bare), **{k: _bare(v) for k, v in kwargs.items() if k != "out"}
            )
            if out.shape != np.shape(found):
                raise ValueError("Output shape mismatch")
            np.copyto(out._x, found, casting="same_kind")
            return out
        given = {k: _bare(v) for k, v in kwargs.items()}
        found = self.call(*map(_bare, bare), **given)
        if self.name in TRUTHS:
            found = np.asarray(found)
        return _wrapped(found) if self.name in ORDERED else _computed(found)


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
        _same_device([*args, out])
        bare = [_bare(x) for x in args]
        kinds = self._loop(bare)
        found = self.ufunc(*bare, **({} if dtype is None else {"dtype": dtype, "casting": casting}))
        if dtype is None:
            many = found if isinstance(found, tuple) else (found,)
            cast = tuple(x.astype(k, copy=False) for x, k in zip(many, kinds, strict=True))
            found = cast if isinstance(found, tuple) else cast[0]
        if out is None:
            return _computed(found)
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
        return _module(sums[self.name])(array, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        self._folds("accumulate")
        sums = {"add": "cumsum", "multiply": "cumprod"}
        return _module(sums[self.name])(array, axis=axis, dtype=dtype, out=out)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        return self(
            a.reshape(a.shape + (1,) * b.ndim), b.reshape((1,) * a.ndim + b.shape), **kwargs
        )

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if not self.adds:
            raise NotImplementedError(f"`cupy_{self.name}.at` is not supported yet")
        self.ufunc.at(a._x, _index(indices, a), *([] if b is None else [_bare(b)]))


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


def _module(name: str) -> Any:
    """The function or ufunc of that name, which may be linalg's; None where CuPy has none."""
    if name not in _made:
        make = _Ufunc if name in UFUNCS else _Function if name in FUNCTIONS else None
        _made[name] = None if make is None else make(name)
    return _made[name]


class _Linalg:
    """The module's linalg."""

    def __getattr__(self, name: str) -> Any:
        if (found := _module(f"linalg.{name}")) is None:
            raise AttributeError(f"module 'device_array.linalg' has no attribute {name!r}")
        return found


linalg = _Linalg()
dtype, finfo, iinfo = np.dtype, np.finfo, np.iinfo  # CuPy hands on NumPy's own


def asarray(x: Any, dtype: Any = None, order: Any = None) -> Any:
    """An array on the device."""
    if isinstance(x, ndarray):
        return _wrapped(np.asarray(x._x, dtype, order), x)
    COPIES["to device"] += 1
    return _wrapped(np.array(x, dtype, order=order or "K"))


def array(x: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> Any:
    """A new array on the device."""
    return (
        asarray(x, dtype, order).copy(order) if isinstance(x, ndarray) else asarray(x, dtype, order)
    )


def asnumpy(x: Any, stream: Any = None, order: str = "C") -> Any:
    """A NumPy array."""
    return x.get(stream, order) if isinstance(x, ndarray) else np.asarray(x, order=order)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Memory on the device."""
    return _wrapped(np.empty(shape, dtype, order))


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Zeros on the device."""
    return _wrapped(np.zeros(shape, dtype, order))


def ones(shape: Any, dtype: Any = float, order: str = "C") -> Any:
    """Ones on the device."""
    return _wrapped(np.ones(shape, dtype, order))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> Any:
    """A number everywhere, on the device."""
    return _wrapped(np.full(shape, _bare(fill_value), dtype, order))


def arange(*args: Any, dtype: Any = None) -> Any:
    """Whole numbers on the device."""
    return _wrapped(np.arange(*args, dtype=dtype))


def is_available() -> bool:
    """There is no GPU, but a device."""
    return True


def __getattr__(name: str) -> Any:
    if (found := _module(name)) is not None:
        return found
    here = getattr(np, name, None)
    if isinstance(here, (float, type(None))) or (
        isinstance(here, type) and issubclass(here, np.generic)
    ):
        return here  # nan, inf, pi, newaxis; float64 and the like
    raise AttributeError(f"module 'device_array' has no attribute {name!r}")
