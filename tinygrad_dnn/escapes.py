"""Escapes for characters that do not show, or would act on a terminal."""

from __future__ import annotations


def undecoded(c: str) -> str:
    """`\\xff` for the character by which Python has a byte of a file name that does not decode
    (PEP 383); empty for any other.
    """
    return f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else ""


def printable(text: str) -> str:
    """Text every character of which shows: a line break as `\\n`, see `undecoded`."""
    return "".join(c if c.isprintable() else undecoded(c) or ascii(c)[1:-1] for c in text)
