"""A Tensor's views of itself: shape and dtype, Python numbers, plain arrays, text."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tinygrad_dnn.array_modules import number
from tinygrad_dnn.autodiff.reverse import note_sight
from tinygrad_dnn.glossary import LOST, PLAIN, SCIPY
from tinygrad_dnn.graph import Leaf, Node, describe
from tinygrad_dnn.graph.leaving import leaves_graph, leaves_unasked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    class Recorded(np.object_):  # type: ignore[misc]  # final to checkers of types alone
        """What checkers take for the elements of a Tensor where NumPy's functions are given one:
        no number, for then `array * tensor` would be an array to them.
        """

        def __getattr__(self, name: str) -> Any: ...


def _scipy_function() -> str:
    """The function of SciPy's that makes an array of a Tensor, `scipy.special.zeta`, or ""."""
    found = ""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        root = module.partition(".")[0]
        if root == "scipy":
            public = module.split("._")[0]
            found = f"{public}.{frame.f_code.co_name}"
        elif found or root not in ("tinygrad_dnn", "numpy"):
            break
        frame = frame.f_back
    return found


class Conversions:
    """From a Tensor to plain values; nothing here is recorded."""

    __slots__ = ()

    _array: Any
    node: Node

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return cast("np.dtype[Any]", self.node.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.node.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.node.shape))

    def numpy(self) -> Any:
        """The plain array; the same memory, read-only for a result."""
        return self._handed_out(".numpy()")

    def _read(self, how: str) -> Any:
        leaves_graph(self.node, how)
        return self._array

    def _handed_out(self, how: str) -> Any:
        """The array itself, whose edits must not go unnoticed."""
        leaves_graph(self.node, how)
        if isinstance(self.node, Leaf):
            note_sight(self.node)
        return self._array

    def item(self, *index: Any) -> Any:
        """The value of a one-element tensor, or of the element at an index, as a Python number."""
        if not index and self.size != 1:
            raise ValueError(f"item: expected one element, got {describe(self.node)}")
        return self._read(".item()").item(*index)

    def tolist(self) -> Any:
        """The values as nested lists."""
        leaves_unasked(self.node, ".tolist()")
        return self._array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Recorded]:
        self._refuse_gradient()
        how = "np.asarray()"
        if self.dtype.kind in "iu":
            how += ", also for an index of a plain array (make that a Tensor: Tensor(X)[:, i]),"
        plain: NDArray[Recorded] = np.array(self._handed_out(how), dtype=dtype, copy=copy)
        return plain

    def __dlpack__(self, **options: Any) -> Any:
        """The values for another library, `torch.from_dlpack(t)`, in the same memory; a copy where
        that is read-only and the library can't be told.

        Raises:
            TypeError: it requires a gradient.
        """
        self._refuse_gradient()
        array = self._handed_out("DLPack")
        # Not every kind of array has a flag for that.
        if options.get("max_version") is None and not getattr(array.flags, "writeable", True):
            array = array.copy()  # the older protocol, JAX's, can't say that it is read-only
        return array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where the values lie, in DLPack's numbers: (1, 0), the processor's memory."""
        return cast("tuple[int, int]", self._array.__dlpack_device__())

    def _refuse_gradient(self) -> None:
        if self.node.requires_grad:
            if by := _scipy_function():
                raise TypeError(
                    f"{by} computes on plain arrays, which would lose the gradient of "
                    f"{describe(self.node)}; instead: "
                    f"{SCIPY.get(by.rpartition('.')[2], PLAIN)}"
                )
            raise TypeError(
                f"{describe(self.node)} requires a gradient, which a plain array would lose; "
                "use .data for the values, .detach() for a Tensor without gradient, or a NumPy "
                f"function that tinygrad_dnn has a rule for. {LOST}"
            )

    def __contains__(self, value: Any) -> bool:
        value = value.numpy() if isinstance(value, Conversions) else value
        return bool(number((self._read("in") == value).any()))

    def __float__(self) -> float:
        leaves_unasked(self.node, "float()")
        return float(self.item())

    def __int__(self) -> int:
        leaves_unasked(self.node, "int()")
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.ndim:
            raise TypeError(f"only a 0-d integer can be an index, got {describe(self.node)}")
        leaves_graph(self.node, "its use as an index or a count")
        return int(self.item())

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"the truth of {describe(self.node)} is ambiguous; use .any() or .all() on .data"
            )
        leaves_graph(self.node, "its truth (if, while, and, or, not)")
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.size == 1 else format(str(self), spec)

    def __repr__(self) -> str:
        from tinygrad_dnn.formula.text import formula

        leaves_graph(self.node, "its text (print, str, an f-string)")
        body = (
            np.array2string(self._array, separator=", ", prefix="Tensor(", threshold=50)
            if isinstance(self._array, np.ndarray)
            else repr(self._array)
        )
        parts = [body]
        if self.dtype != np.float64:
            parts.append(f"dtype={self.dtype}")
        if self.node.name:
            parts.append(f"name={self.node.name!r}")
        if self.node.op is not None:
            parts.append(f"recipe='{formula(self.node)}'")
        elif self.node.requires_grad:
            parts.append("requires_grad=True")
        return f"Tensor({', '.join(parts)})"

    def _repr_html_(self) -> str:
        from tinygrad_dnn.formula.html import value_html

        leaves_graph(self.node, "its text")
        return value_html(self.node, self._array)
