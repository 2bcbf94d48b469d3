"""The state of a NumPy bit generator as plain data, checked before NumPy sees it.

A bit generator's setter trusts what it is given: a position outside its buffer makes MT19937 or
Philox read memory that is not theirs. So every entry is held against the shape of a genuine state
and against its range.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.random import MT19937, PCG64, PCG64DXSM, SFC64, BitGenerator, Philox

from tinygrad_dnn.storage.validate import integer, mapping

State = dict[str, Any]

_BIT_GENERATORS: Final[dict[str, type[BitGenerator]]] = {
    kind.__name__: kind for kind in (PCG64, PCG64DXSM, MT19937, Philox, SFC64)
}
# Largest legal integer by key; arrays are bounded by their dtype.
_LARGEST: Final = {
    "state": 2**128 - 1,  # PCG64: the state and the increment have 128 bits
    "inc": 2**128 - 1,
    "pos": 624,  # MT19937: words of its key already used
    "buffer_pos": 4,  # Philox: words of its buffer already used
    "has_uint32": 1,
    "uinteger": 2**32 - 1,
}


def checked(state: object, name: str) -> State:
    """A copy of ``state`` (as in ``Generator.bit_generator.state``) that NumPy can take as it is.

    Arrays may stand as lists of integers. Raises TypeError or ValueError, naming the entry, where
    the state is not that of one of NumPy's own bit generators.
    """
    kind = mapping(state, name).get("bit_generator")
    if not isinstance(kind, str) or kind not in _BIT_GENERATORS:
        raise ValueError(
            f"{name}['bit_generator']: expected one of {', '.join(_BIT_GENERATORS)}, got {kind!r}"
        )
    return _entries(state, _BIT_GENERATORS[kind](0).state, name)


def generator(state: State) -> np.random.Generator:
    """A Generator that continues from a state; raises as `checked` does."""
    entries = checked(state, "random_state")
    bit_generator = _BIT_GENERATORS[entries["bit_generator"]](0)
    bit_generator.state = entries
    return np.random.Generator(bit_generator)


def as_json(state: State) -> State:
    """The state with its arrays as lists of integers."""
    plain: State = {}
    for key, value in state.items():
        if isinstance(value, dict):
            plain[key] = as_json(value)
        else:
            plain[key] = value.tolist() if isinstance(value, np.ndarray) else value
    return plain


def _entries(state: object, genuine: Mapping[str, Any], name: str) -> State:
    given = mapping(state, name)
    if set(given) != set(genuine):
        raise ValueError(
            f"{name}: expected the entries {', '.join(genuine)}, got {', '.join(given) or 'none'}"
        )
    entries: State = {}
    for key, example in genuine.items():
        value, where = given[key], f"{name}[{key!r}]"
        if isinstance(example, Mapping):
            entries[key] = _entries(value, example, where)
        elif isinstance(example, np.ndarray):
            entries[key] = _words(value, example, where)
        elif isinstance(example, str):
            entries[key] = example
        else:
            entries[key] = integer(value, where, 0, _LARGEST[key])
    return entries


def _words(value: object, example: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    words = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(words, list):
        raise TypeError(f"{name}: expected an array, got {type(value).__name__}")
    if len(words) != example.size:
        raise ValueError(f"{name}: expected {example.size} integers, got {len(words)}")
    largest = int(np.iinfo(example.dtype).max)
    numbers = [integer(word, f"{name}[{i}]", 0, largest) for i, word in enumerate(words)]
    return np.array(numbers, dtype=example.dtype)
