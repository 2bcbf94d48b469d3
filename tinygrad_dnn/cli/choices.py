"""One of some names, in options and in the keys of files alike: `Adam` and `leaky-relu` too."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module

CLOSE = 0.6  # of 1: how much alike a word and the one that was probably meant are


@dataclass(frozen=True)
class Choice:
    """What an option accepts that takes one of some names: from text to the name as it stands.

    Attributes:
        names: the names, or "module:VARIABLE" that has them; it is loaded when the option is given.
    """

    names: str | tuple[str, ...]

    def __call__(self, text: str) -> str:
        """The name that is meant; as `chosen`."""
        known: Iterable[str] = self.names
        if isinstance(self.names, str):
            module, _, variable = self.names.partition(":")
            known = getattr(import_module(module), variable)
        try:
            return chosen(text, known)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None


def chosen(text: str, known: Iterable[str]) -> str:
    """The name that is meant: upper case, dashes and spaces make no other one.

    Raises:
        ValueError: there is none; the message says the nearest.
    """
    names = [*known]
    word = _plain(text)
    found = {_plain(name): name for name in names}.get(word)
    if found is None:
        near = nearest(word, names)
        hint = f"; did you mean {near}?" if near else ""
        raise ValueError(f"expected one of {', '.join(names)}, got {text!r}{hint}")
    return found


def _plain(text: str) -> str:
    return text.strip().lower().replace("-", "_").replace(" ", "_")


def nearest(word: str, known: Iterable[str], close: float = CLOSE) -> str:
    """The one that was probably meant; empty where none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, sorted(known), 1, close)), "")


ACTIVATION = Choice("tinygrad_dnn.network:ACTIVATIONS")
COST = Choice("tinygrad_dnn.network:COSTS")
DTYPE = Choice("tinygrad_dnn.train.settings:DTYPES")
HEAD = Choice("tinygrad_dnn.cli.run_settings:NAMED_HEADS")
INIT = Choice("tinygrad_dnn.network:INITIALISERS")
OPTIMIZER = Choice("tinygrad_dnn.optim:OPTIMISERS")
SCHEDULE = Choice("tinygrad_dnn.train:SCHEDULES")
