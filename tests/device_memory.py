"""The arrays of device_array.py: their protocols, methods and operators, and counted copies."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cupy_interface
import numpy as np

COPIES: Counter[str] = Counter()
_, _, ATTRIBUTES = cupy_interface.read()
_device = 0


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
    function_of: Any  # the module's functions by name, which device_functions.py sets

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
        found = ndarray.function_of(ufunc.__name__)
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
        where = f"{func.__module__}.{func.__name__}"
        found = ndarray.function_of(where.removeprefix("numpy."))
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
        return wrapped, (self.get(),)

    # --- what it is ------------------------------------------------------------------------------

    shape = property(lambda self: self._x.shape)
    dtype = property(lambda self: self._x.dtype)
    ndim = property(lambda self: self._x.ndim)
    size = property(lambda self: self._x.size)
    itemsize = property(lambda self: self._x.itemsize)
    nbytes = property(lambda self: self._x.nbytes)
    strides = property(lambda self: self._x.strides)
    flags = property(lambda self: _Flags(self._x.flags))
    T = property(lambda self: wrapped(self._x.T, self))
    base = property(lambda self: None if self._x.base is None else wrapped(self._x.base, self))

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
        return wrapped(self._x[positions_of(index, self)], self)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, ndarray):
            refuse_two_devices([self, value])
            value = value._x
        at = positions_of(index, self)
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
        return wrapped(self._x.reshape(*shape, order=order), self)

    def transpose(self, *axes: Any) -> Any:
        return wrapped(self._x.transpose(*axes), self)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        return wrapped(self._x.swapaxes(axis1, axis2), self)

    def squeeze(self, axis: Any = None) -> Any:
        return wrapped(self._x.squeeze(axis), self)

    def view(self, dtype: Any = None) -> Any:
        return wrapped(self._x.view() if dtype is None else self._x.view(dtype), self)

    def ravel(self, order: str = "C") -> Any:
        return wrapped(self._x.ravel(order), self)

    def flatten(self, order: str = "C") -> Any:
        return wrapped(self._x.flatten(order), self)

    def astype(self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None,
               copy: bool = True) -> Any:  # fmt: skip
        return wrapped(self._x.astype(dtype, order, copy=copy), self)

    def copy(self, order: str = "C") -> Any:
        return wrapped(self._x.copy(order), self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def fill(self, value: Any) -> None:
        self[...] = value


def _reduction(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ndarray.function_of(name)(self, *args, **kwargs)

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
        return ndarray.function_of(name)(self, other, out=self)

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
    setattr(ndarray, f"__{_word}__", lambda self, name=_name: ndarray.function_of(name)(self))


# --- inside: NumPy's arrays behind the stand-in's -------------------------------------------------


def wrapped(x: Any, like: Any = None) -> Any:
    """NumPy's result as it is on the device."""
    if isinstance(x, (np.ndarray, np.generic)):
        made = object.__new__(ndarray)
        made._x, made.device = np.asarray(x), _device if like is None else like.device
        return made
    if isinstance(x, (tuple, list)):
        return type([*x])(map(wrapped, x)) if isinstance(x, list) else tuple(map(wrapped, x))
    return x


def computed(x: Any) -> Any:
    """A result that is no view lies in C order."""
    if isinstance(x, (tuple, list)):
        return tuple(map(computed, x)) if isinstance(x, tuple) else [*map(computed, x)]
    if isinstance(x, np.ndarray) and x.base is None:
        x = np.asarray(x, order="C")
    return wrapped(x)


def unwrapped(x: Any) -> Any:
    """An argument as NumPy takes it; an array of the host's is refused."""
    if isinstance(x, ndarray):
        return x._x
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type([*x])(map(unwrapped, x)) if isinstance(x, list) else tuple(map(unwrapped, x))
    return x


def refuse_two_devices(values: Any) -> None:
    """Refuse arrays of two devices, as CuPy does where one can't read the other's memory."""
    found = {x.device for v in values for x in (v if isinstance(v, (list, tuple)) else [v])
             if isinstance(x, ndarray)}  # fmt: skip
    if len(found) > 1:
        raise ValueError(
            "The device where the array resides is different from the current device. Peer access "
            "is unavailable between these devices."
        )


def positions_of(index: Any, x: Any) -> Any:
    """Positions as NumPy takes them; those of the host are sent along, which is counted."""
    parts, masks = [], 0
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, ndarray):
            refuse_two_devices([x, part])
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
