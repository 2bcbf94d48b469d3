"""Names that were others before: the old spelling still works, with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def warn_former(who: str, old: str, new: str, stacklevel: int = 3) -> None:
    """Say that `old` is called `new`: by default to whoever called the function that says so."""
    warnings.warn(f"{who}: {old} is now called {new}", DeprecationWarning, stacklevel=stacklevel)


def former_arguments(**names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let arguments be given by former names: `@former_arguments(rate="learning_rate")`.

    Raises:
        TypeError: when called with both spellings.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        who = function.__qualname__.removesuffix(".__init__")

        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> T:
            for old in names.keys() & kwargs.keys():
                if names[old] in kwargs:
                    raise TypeError(
                        f"{who}: {old} and {names[old]} are one argument; give the last"
                    )
                warn_former(who, old, names[old])
                kwargs[names[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return called

    return decorate
