"""Error messages about settings of any length stay readable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor

MANY = (1,) * 100_000


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.reshape(t, MANY),
        lambda t: np.transpose(t, MANY),
        lambda t: np.broadcast_to(t, MANY),
        lambda t: np.tile(t, MANY),
        lambda t: t.sum(axis=MANY),
        lambda t: t[MANY],
    ],
)
def test_a_shape_of_many_entries_is_cut_short(call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, IndexError)) as refused:
        call(Tensor(np.ones(3), requires_grad=True))
    assert len(str(refused.value)) < 1000
    assert "1, 1" in str(refused.value)
