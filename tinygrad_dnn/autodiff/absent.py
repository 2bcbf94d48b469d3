"""Attributes that a Tensor lacks and others have: each is an error that says what is there instead.

They stand in a class of their own, whose names `dir(t)` leaves out and `help(Tensor)` shows at its
end. (One `__getattr__` would do, and make every attribute of a Tensor take five times as long.)
"""

from __future__ import annotations

from typing import Any

from tinygrad_dnn.glossary import ATTRIBUTES, advice


class _Missing:
    """An attribute of others."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, t: Any, kind: Any = None) -> Any:
        raise AttributeError(
            f"a Tensor has no attribute {self.name!r}{advice(ATTRIBUTES, self.name)}",
            name=self.name,
            obj=t,
        )

    def __repr__(self) -> str:
        return f"<not here{advice(ATTRIBUTES, self.name)}>"


class Absent:
    """The names of attributes that others have."""

    __slots__ = ()

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in ATTRIBUTES]


for _name in ATTRIBUTES:
    setattr(Absent, _name, _Missing(_name))
