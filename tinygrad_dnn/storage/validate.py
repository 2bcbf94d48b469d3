"""Values from outside, checked: each function returns the plain value or names what is wrong.

``name`` is the field that the message speaks of. TypeError: another kind of value; ValueError: a
value of the right kind that cannot stand. NumPy's scalars count as the Python scalars they are.
"""

import sys
from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import to_host


def plain(value: object) -> object:
    """NumPy's scalars as Python's, anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


_SHORT = Repr()
_SHORT.maxtuple = _SHORT.maxlist = 32
_SHORT.maxstring = _SHORT.maxother = 200


def short(value: object) -> str:
    """A value as a message shows it: of long ones the beginning, of huge integers the size."""
    if isinstance(value, int) and abs(value) >= 2**128:  # Python prints at most 4300 digits
        return f"about 2**{value.bit_length() - 1}"
    return _SHORT.repr(value)


def integer(value: object, name: str, least: int = 0, most: int = 2**63 - 1) -> int:
    """An integer from ``least`` to ``most``; a boolean is none."""
    value = plain(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: expected an integer, got {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name}: expected an integer from {least} to {most}, got {short(value)}")
    return int(value)


def generator(value: object, name: str) -> np.random.Generator:
    """A NumPy Generator; a seed is none, as each call would draw the same numbers from it."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"{name}: expected a NumPy Generator, np.random.default_rng(seed), got "
            f"{type(value).__name__}; made once, not for each call"
        )
    return value


def real(value: object, name: str) -> float:
    """A finite number, as a float."""
    value = plain(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name}: expected a number, got {type(value).__name__}")
    if not abs(value) <= sys.float_info.max:  # NaN compares false
        raise ValueError(f"{name}: expected a finite number, got {short(value)}")
    return float(value)


def text(value: object, name: str) -> str:
    """A string that UTF-8 can write."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a string, got {type(value).__name__}")
    try:
        return value.encode("utf-8").decode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: {short(value)} cannot be written as UTF-8") from error


def sequence(value: object, name: str) -> Sequence[Any]:
    """A list, a tuple or another sequence; a string is none."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise TypeError(f"{name}: expected a list or tuple, got {type(value).__name__}")
    return value


def mapping(value: object, name: str) -> dict[str, Any]:
    """A new dict with the same entries; its keys are strings."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected a dict, got {type(value).__name__}")
    return {text(key, f"{name}, key {short(key)}"): value[key] for key in value}


def array(value: object, name: str, dtypes: Sequence[str]) -> NDArray[Any]:
    """A copy, in the same memory order, of a contiguous array of finite numbers: NumPy's, or one
    of a GPU's, which is copied from there once.

    ``dtypes`` are those allowed, in native byte order. An array that is contiguous both ways is
    copied in C order.
    """
    value = to_host(value)
    if type(value) is not np.ndarray:
        raise TypeError(f"{name}: expected a numpy.ndarray, got {type(value).__name__}")
    if value.dtype not in dtypes:
        raise TypeError(f"{name}: expected dtype {' or '.join(dtypes)}, got {value.dtype}")
    if not (value.flags.c_contiguous or value.flags.f_contiguous):
        raise ValueError(
            f"{name}: expected an array contiguous in C or Fortran order, got strides "
            f"{value.strides} for shape {value.shape}: pass np.ascontiguousarray of it"
        )
    finite = np.isfinite(value)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"{name}: expected finite numbers, got {value[at]} at {list(at)}")
    return np.array(value, order="C" if value.flags.c_contiguous else "F")
