"""Arrays of other libraries: the same memory both ways, or a refusal that says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, grad, no_grad


class Foreign:
    """An array of a library of its own, as PyTorch's and JAX's are: it speaks DLPack alone."""

    def __init__(self, values: Any, requires_grad: bool = False, device: int = 1) -> None:
        self.values, self.requires_grad, self.place = values, requires_grad, device
        self.device = f"device {device}"

    def __dlpack__(self, **options: Any) -> Any:
        if self.values.dtype.kind == "M":
            raise BufferError("no such type")
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.place, 0


class Old(Foreign):
    """As a library asks that knows DLPack before its version 1."""

    def __dlpack__(self, **options: Any) -> Any:
        return self.values.__dlpack__()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "?"])
def test_s190_a_tensor_of_another_library_shares_its_memory(dtype: str) -> None:
    values = np.arange(6).reshape(2, 3).T.astype(dtype)
    t = Tensor(Foreign(values))
    assert type(t.data) is np.ndarray
    assert (t.dtype, t.shape) == (values.dtype, (3, 2))
    assert np.shares_memory(t.data, values)
    np.testing.assert_array_equal(t.data, values)


def test_it_is_an_operand_too() -> None:
    x = np.arange(3.0)
    t = Tensor(np.ones(3), requires_grad=True)
    (t * Foreign(x)).sum().backward()
    np.testing.assert_array_equal(t.grad, x)
    np.testing.assert_array_equal(grad(lambda w: (w * Foreign(x)).sum())(np.ones(3)), x)


def test_s192_what_would_be_lost_is_refused_with_the_remedy() -> None:
    x = np.ones(2)
    for value, words in (
        (Foreign(x, requires_grad=True), r"Foreign that requires a gradient.*give its \.detach"),
        (Foreign(x, device=2), r"on device 2, expected .* give its \.cpu\(\) .* jax\.device_put"),
        (Foreign(x.astype("M8[s]")), r"that NumPy can't share \(no such type\); make it a dense"),
        (Foreign(x * 1j), "expected real numbers, got complex128"),
    ):
        with pytest.raises(TypeError, match=f"Tensor: .*{words}"):
            Tensor(value)
        with pytest.raises(TypeError, match=f"multiply: Tensor: .*{words}"):
            Tensor(x) * value


def test_s191_and_back() -> None:
    x = np.arange(4.0)
    t = Tensor(x)
    assert t.__dlpack_device__() == (1, 0)
    assert np.shares_memory(np.from_dlpack(t), x)
    result = t * 2
    back = np.from_dlpack(result)
    assert not back.flags.writeable  # a result stays as it was computed
    assert np.shares_memory(back, result.data)
    old = np.from_dlpack(Old(result))  # of a protocol without that mark: its own memory
    assert not np.shares_memory(old, result.data)
    np.testing.assert_array_equal(old, result.data)
    assert np.shares_memory(np.from_dlpack(Old(t)), x)
    wants = Tensor(x, requires_grad=True, name="w")
    for t in (wants, wants * 2):
        with pytest.raises(TypeError, match=r"requires a gradient, which .*\.detach\(\)"):
            np.from_dlpack(t)
    assert np.shares_memory(np.from_dlpack(wants.detach()), x)
    with no_grad():
        assert np.from_dlpack(wants * 2).tolist() == [0, 2, 4, 6]


def test_pytorch_both_ways() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch (the extra bench) is not installed")
    a = torch.arange(6.0).reshape(2, 3)
    t = Tensor(a)
    t.data[0, 0] = 9
    assert a[0, 0] == 9
    assert torch.from_dlpack(t).data_ptr() == a.data_ptr()
    for bad, words in (
        (a.clone().requires_grad_(), r"torch\.Tensor that requires a gradient"),
        (a.to(torch.bfloat16), "bfloat16 that NumPy can't share"),
        (a.to("meta"), "can't share"),
        (a.to_sparse(), "can't share"),
    ):
        with pytest.raises(TypeError, match=words):
            Tensor(bad)
