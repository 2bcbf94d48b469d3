"""What the options of the command line accept: from text to a value, or an error that says why."""

from __future__ import annotations

import argparse

ALL = "all"  # examples in a batch, cores
DEVICES = ("cpu", "cuda")


def layer_list(text: str) -> tuple[int, ...]:
    """`12288,20,7,5,1` as integers."""
    try:
        return tuple(int(part) for part in text.replace("-", ",").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected sizes such as 12288,20,7,5,1, got {text!r}"
        ) from None


def count(text: str) -> int:
    """A positive integer."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer from 1, got {text!r}")
    return int(text)


def picture_size(text: str) -> tuple[int, int]:
    """`64x48` as (height, width); `64` as a square."""
    parts = text.split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"expected height x width such as 64x64, got {text!r}")
    return int(parts[0]), int(parts[-1])


def share(text: str) -> float:
    """A number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a share such as 0.2, got {text!r}")
    return value


def depth(text: str) -> int:
    """A number of levels, from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an integer from 0, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """An integer that can start a random stream."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"expected an integer from 0 to 2**32 - 1, got {text!r}")
    return int(text)


def names(text: str) -> list[str]:
    """`relu,relu_backward` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def seconds(text: str) -> float:
    """A positive number."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds, got {text!r}")
    return value


def size(text: str) -> int | str:
    """A number of examples, or `all`."""
    return ALL if text.lower() == ALL else count(text)


def processes(text: str) -> int:
    """A number of processes; 0 for `all` cores."""
    return 0 if text.lower() == ALL else count(text)


def device(text: str) -> str:
    """`cpu`, `cuda`, or the name of a module, of which it is known later whether there is one."""
    return text.lower() if text.lower() in DEVICES else text


def class_weight(text: str) -> str:
    """`balanced`, or numbers, which are counted when the classes are known."""
    return text.lower()
