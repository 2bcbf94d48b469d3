"""A training run, or a trained model, in one HDF5 file: everything a bit-exact resume needs.

`save` leaves the old or the new file whatever happens, `load` returns a `Checkpoint` whose every
field has been checked, or raises. How the bytes are sealed and replaced is described in
``storage.sealed_file``; what is inside, any HDF5 tool shows::

    /description        JSON text (UTF-8, one fixed-length string): all that is not an array
    /parameters/W1 ...  float32 or float64
    /costs/iteration    int64 (k,)
    /costs/cost         float64 (k,)
    /accuracies         float64 (k, 2) by name: iteration, accuracy; none in older files
    /history            float64 by name: other costs on the way; none in older files
    /optimiser_state    zero or more arrays: float32, float64 or int64
    /loop_state         the same; in files of format 1 it stands in optimiser_state

Nothing in it is a pickle, an object, a link or compressed. The seal finds accidents, not intent:
load only model files that you trust.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage import hdf5_archive, random_state, sealed_file, validate

__all__ = ["Checkpoint", "Scalar", "load", "save"]

Scalar = str | int | float | bool | None
Array = NDArray[Any]

_FLOATS = ("float32", "float64")
_NUMBERS = (*_FLOATS, "int64")
_ARRAY_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SHOWN = 32  # sizes in a message
_LARGEST_SETTING = 2**256 - 1
_DESCRIBED = (
    "layer_dims",
    "iteration",
    "random_state",
    "settings",
    "data_fingerprint",
    "class_names",
    "x_shape",
    "x_scale",
)
_GROUPS = ("parameters", "costs", "optimiser_state")
_LATER = ("accuracies", "history", "loop_state")  # groups that the first files did not have


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A snapshot of a training run; checked when it is made, saved and loaded.

    Arrays are copied, in their memory order, so training on does not change the snapshot. The
    arrays of a loaded one are fresh and writable: train on with them as they are, or with
    ``np.copy`` (``array.copy()`` turns Fortran order into C order, and matrix products of another
    memory order round differently). The memory order along axes of length 1 is not kept.

    Attributes:
        parameters: W1, b1, ..., WL, bL, all float32 or all float64; Wl is (n_l, n_(l-1)), bl is
            (n_l, 1), each contiguous in C or Fortran order. NaN and inf are refused: such
            parameters cannot be trained on, and saving them would replace the last good ones.
        layer_dims: n_x, n_1, ..., n_L.
        iteration: how many iterations are completed.
        costs: (iteration, cost) in increasing order of iteration; finite.
        random_state: ``Generator.bit_generator.state`` of one of NumPy's own bit generators; None
            where nothing is drawn.
        settings: a flat dict of strings, integers of up to 256 bits, finite floats, booleans, None.
        data_fingerprint: SHA-256 of the training data, 64 lower-case hexadecimal digits.
        class_names: name of class 0, 1, ...; two where n_L is 1, else n_L; empty where unknown.
        x_shape: the shape of one example, such as (64, 64, 3); its product is n_x.
        x_scale: what raw examples are divided by before they enter the network; 255 for pictures.
        optimiser_state: what the update rule carries from step to step (moments): arrays by name
            (letters, digits, ``_.-``), float32, float64 or int64, of any shape, finite, contiguous
            in C or Fortran order.
        loop_state: what a loop of fewer operations carries in place of parameters, likewise; see
            `State.accumulators` of `train`.
        accuracies: rows of iteration and accuracy, (k, 2) float64, by what they were taken on,
            such as "training" and "test"; accuracies from 0 to 1.
        history: other numbers of the way, arrays by name, float64, such as "validation" (k, 2) of
            iteration and cost, and "steps" (k,), the cost of each iteration.
        source: the file it was loaded from, for messages; not saved.

    Raises:
        TypeError, ValueError: a field is not as described; the message names it.
    """

    parameters: dict[str, Array]
    layer_dims: tuple[int, ...]
    iteration: int
    costs: tuple[tuple[int, float], ...]
    settings: dict[str, Scalar]
    data_fingerprint: str
    class_names: tuple[str, ...]
    x_shape: tuple[int, ...]
    x_scale: float
    random_state: dict[str, Any] | None = None
    optimiser_state: dict[str, Array] = field(default_factory=dict)
    loop_state: dict[str, Array] = field(default_factory=dict)
    accuracies: dict[str, Array] = field(default_factory=dict)
    history: dict[str, Array] = field(default_factory=dict)
    source: str = "this checkpoint"

    def __post_init__(self) -> None:
        layer_dims = _layer_dims(self.layer_dims)
        iteration = validate.integer(self.iteration, "iteration")
        checked = {
            "parameters": _parameters(self.parameters, layer_dims),
            "layer_dims": layer_dims,
            "iteration": iteration,
            "costs": _costs(self.costs, iteration),
            "random_state": None
            if self.random_state is None
            else random_state.checked(self.random_state, "random_state"),
            "settings": _settings(self.settings),
            "data_fingerprint": _fingerprint(self.data_fingerprint),
            "class_names": _class_names(self.class_names, layer_dims[-1]),
            "x_shape": _x_shape(self.x_shape, layer_dims[0]),
            "x_scale": _x_scale(self.x_scale),
            "optimiser_state": _state(self.optimiser_state, "optimiser_state"),
            "loop_state": _state(self.loop_state, "loop_state"),
            "accuracies": _accuracies(self.accuracies, iteration),
            "history": _named_arrays(self.history, "history", ("float64",)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # the dataclass is frozen

    def generator(self) -> np.random.Generator:
        """A Generator that draws the numbers the saved one would have drawn next.

        Its ``spawn`` is not restored: the seed sequence is no part of a bit generator's state.

        Raises:
            ValueError: none was saved.
        """
        if self.random_state is None:
            raise ValueError(f"{self.source} holds no random state: its training drew no numbers")
        return random_state.generator(self.random_state)

    def require_layers(self, layer_dims: Sequence[int]) -> None:
        """Raise ValueError unless the parameters are those of a network of these layer sizes."""
        wanted = _layer_dims(layer_dims)
        if wanted != self.layer_dims:
            raise ValueError(
                f"{self.source} was trained with layers {_dashed(self.layer_dims)}, not "
                f"{_dashed(wanted)}: ask for its layers, or train another model"
            )

    def require_data(self, data_fingerprint: str) -> None:
        """Raise ValueError unless the training data have this fingerprint (SHA-256)."""
        wanted = _fingerprint(data_fingerprint)
        if wanted != self.data_fingerprint:
            raise ValueError(
                f"{self.source} was trained on data with SHA-256 {self.data_fingerprint[:12]}..., "
                f"not {wanted[:12]}...: give it the same files, or train another model"
            )


def save(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint to ``path``; a crash at any instant leaves the old or the new file.

    The same checkpoint gives the same bytes (with the same version of the HDF5 library).

    Raises:
        TypeError, ValueError: a field was changed to something that cannot be saved, or the file
            would be larger than 2 GiB, or what is not an array than 1 MiB of text.
        OSError: the folder is missing or not writable, the path is not a regular file, the disk
            is full. What stood at ``path`` is untouched.
    """
    if not isinstance(checkpoint, Checkpoint):
        raise TypeError(f"save: expected a Checkpoint, got {type(checkpoint).__name__}")
    checked = replace(checkpoint)  # the caller may have written to its dicts and arrays
    described = {name: getattr(checked, name) for name in _DESCRIBED}
    if checked.random_state is not None:
        described["random_state"] = random_state.as_json(checked.random_state)
    groups = {
        "parameters": checked.parameters,
        "costs": {
            "iteration": np.array([i for i, _ in checked.costs], dtype=np.int64),
            "cost": np.array([cost for _, cost in checked.costs], dtype=np.float64),
        },
        "optimiser_state": checked.optimiser_state,
        "loop_state": checked.loop_state,
        "accuracies": checked.accuracies,
        "history": checked.history,
    }
    image = hdf5_archive.pack(described, groups, sealed_file.USER_BLOCK)
    sealed_file.write(path, memoryview(image)[sealed_file.USER_BLOCK :])


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint; the HDF5 library sees the bytes only after their SHA-256 is verified.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it cannot be read, is no model file, is damaged, truncated, larger than 2 GiB, in a
            newer format, or holds a field that no `save` writes; the message says which.
    """
    image = sealed_file.read(path)
    source = os.fsdecode(path)
    try:
        described, groups = hdf5_archive.unpack(image)
        _require_names(described, _DESCRIBED, "description")
        if "loop_state" not in groups and "optimiser_state" in groups:  # format 1
            groups |= {"loop_state": groups["optimiser_state"], "optimiser_state": {}}
        groups = {name: {} for name in _LATER} | groups
        _require_names(groups, (*_GROUPS, *_LATER), "file")
        fields = {**described, **groups, "costs": _stored_costs(groups["costs"])}
        return Checkpoint(**fields, source=source)
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise OSError(
            f"{source}: not a valid model, although its bytes are as they were written: {error}. "
            f"Another program made or changed it: restore a copy, or train anew"
        ) from error


def _stored_costs(columns: Mapping[str, Array]) -> list[tuple[int, float]]:
    _require_names(columns, ("iteration", "cost"), "costs")
    iteration, cost = columns["iteration"], columns["cost"]
    if iteration.dtype != np.int64 or cost.dtype != np.float64:
        raise TypeError(
            f"costs: expected iteration int64 and cost float64, "
            f"got {iteration.dtype} and {cost.dtype}"
        )
    if iteration.ndim != 1 or iteration.shape != cost.shape:
        raise ValueError(
            f"costs: expected iteration (k,) and cost (k,), got {iteration.shape} and {cost.shape}"
        )
    return list(zip(iteration.tolist(), cost.tolist(), strict=True))


def _require_names(got: Iterable[str], expected: Iterable[str], where: str) -> None:
    missing, unknown = set(expected) - set(got), set(got) - set(expected)
    if missing or unknown:
        lists = [("missing", missing), ("unknown", unknown)]
        raise ValueError(
            f"{where}: " + "; ".join(f"{word}: {_some(names)}" for word, names in lists if names)
        )


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(map(printable, ordered[:8])) + (", ..." if len(ordered) > 8 else "")


def _dashed(layer_dims: Sequence[int]) -> str:
    some = layer_dims if len(layer_dims) <= _SHOWN else (*layer_dims[:_SHOWN], "...")
    return "-".join(map(str, some))


# One function per field: the value as it is kept, or an error that names the field.


def _layer_dims(value: object) -> tuple[int, ...]:
    sizes = validate.sequence(value, "layer_dims")
    if len(sizes) < 2:
        raise ValueError(f"layer_dims: expected n_x, n_1, ..., n_L, got {len(sizes)} sizes")
    return tuple(validate.integer(n, f"layer_dims[{i}]", 1) for i, n in enumerate(sizes))


def _parameters(value: object, layer_dims: tuple[int, ...]) -> dict[str, Array]:
    parameters = validate.mapping(value, "parameters")
    shapes: dict[str, tuple[int, int]] = {}
    for layer, (n_in, n_out) in enumerate(pairwise(layer_dims), start=1):
        shapes[f"W{layer}"] = (n_out, n_in)
        shapes[f"b{layer}"] = (n_out, 1)
    _require_names(parameters, shapes, f"parameters of layers {_dashed(layer_dims)}")
    checked = {
        name: validate.array(parameters[name], f"parameters[{name!r}]", _FLOATS) for name in shapes
    }
    for name, array in checked.items():
        where = f"parameters[{name!r}]"
        if array.shape != shapes[name]:
            raise ValueError(
                f"{where}: expected shape {shapes[name]}, as layers {_dashed(layer_dims)} have it, "
                f"got {array.shape}"
            )
        if array.dtype != checked["W1"].dtype:
            raise TypeError(f"{where}: expected {checked['W1'].dtype}, as W1, got {array.dtype}")
    return checked


def _costs(value: object, iteration: int) -> tuple[tuple[int, float], ...]:
    costs: list[tuple[int, float]] = []
    least = 0
    for k, pair in enumerate(validate.sequence(value, "costs")):
        if len(validate.sequence(pair, f"costs[{k}]")) != 2:
            raise ValueError(f"costs[{k}]: expected (iteration, cost), got {len(pair)} values")
        i = validate.integer(pair[0], f"costs[{k}][0]")
        if not least <= i <= iteration:
            raise ValueError(
                f"costs[{k}][0]: expected increasing iterations, up to the checkpoint's "
                f"{iteration}, got {i}"
            )
        costs.append((i, validate.real(pair[1], f"costs[{k}][1]")))
        least = i + 1
    return tuple(costs)


def _settings(value: object) -> dict[str, Scalar]:
    settings = validate.mapping(value, "settings")
    return {
        key: _setting(given, f"settings[{validate.short(key)}]") for key, given in settings.items()
    }


def _setting(given: object, name: str) -> Scalar:
    setting = validate.plain(given)
    if setting is None or isinstance(setting, bool):
        return setting
    if isinstance(setting, str):
        return validate.text(setting, name)
    if isinstance(setting, float):
        return validate.real(setting, name)
    if isinstance(setting, int):
        return validate.integer(setting, name, -_LARGEST_SETTING, _LARGEST_SETTING)
    raise TypeError(
        f"{name}: expected a string, number, boolean or None, got {type(setting).__name__}"
    )


def _fingerprint(value: object) -> str:
    fingerprint = validate.text(value, "data_fingerprint")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(
            f"data_fingerprint: expected 64 lower-case hexadecimal digits, got {fingerprint[:80]!r}"
        )
    return fingerprint


def _class_names(value: object, n_L: int) -> tuple[str, ...]:
    names = tuple(
        validate.text(name, f"class_names[{i}]")
        for i, name in enumerate(validate.sequence(value, "class_names"))
    )
    classes = max(n_L, 2)  # one output tells two classes apart
    if names and len(names) != classes:
        raise ValueError(
            f"class_names: expected {classes} names (or none) for {n_L} outputs, got {len(names)}"
        )
    return names


def _x_shape(value: object, n_x: int) -> tuple[int, ...]:
    lengths = enumerate(validate.sequence(value, "x_shape"))
    shape = tuple(validate.integer(length, f"x_shape[{i}]", 1) for i, length in lengths)
    if math.prod(shape) != n_x:
        raise ValueError(
            f"x_shape: expected a shape of n_x = {n_x} numbers, got {validate.short(shape)}"
        )
    return shape


def _x_scale(value: object) -> float:
    scale = validate.real(value, "x_scale")
    if scale <= 0:
        raise ValueError(f"x_scale: expected more than 0, got {scale}")
    return scale


def _state(value: object, name: str) -> dict[str, Array]:
    return _named_arrays(value, name, _NUMBERS)


def _accuracies(value: object, iteration: int) -> dict[str, Array]:
    accuracies = _named_arrays(value, "accuracies", ("float64",))
    for name, rows in accuracies.items():
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise ValueError(f"accuracies[{name!r}]: expected rows (k, 2), got {rows.shape}")
        when, share = rows.T
        if (
            (np.diff(when) <= 0).any()
            or (when % 1 != 0).any()
            or ((when < 0) | (when > iteration)).any()
        ):
            raise ValueError(
                f"accuracies[{name!r}]: expected increasing iterations, up to the checkpoint's "
                f"{iteration}"
            )
        if ((share < 0) | (share > 1)).any():
            raise ValueError(f"accuracies[{name!r}]: expected accuracies from 0 to 1")
    return accuracies


def _named_arrays(value: object, field: str, dtypes: tuple[str, ...]) -> dict[str, Array]:
    arrays = validate.mapping(value, field)
    for name in arrays:
        if not _ARRAY_NAME.fullmatch(name):
            raise ValueError(f"{field}: expected names of letters, digits and _.-, got {name!r}")
    return {
        name: validate.array(arrays[name], f"{field}[{name!r}]", dtypes) for name in sorted(arrays)
    }
