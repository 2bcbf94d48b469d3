"""Arguments in, exit status out. Nothing heavy is imported before they are parsed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from tinygrad_dnn.cli.arguments import parser
from tinygrad_dnn.cli.status import DONE, INTERRUPTED, UNUSABLE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    try:
        return _run(parser().parse_args(arguments))
    finally:
        _finish_output()


def _run(args: argparse.Namespace) -> int:
    status: int = DONE
    try:
        status = import_module(f"tinygrad_dnn.cli.{args.command}").run(args)
        if sys.stdout:  # None where the caller closed it
            sys.stdout.flush()
    except BrokenPipeError:  # `tinygrad-dnn ... | head` stops reading: nothing to complain about
        return status
    except KeyboardInterrupt:
        print("\ntinygrad-dnn: interrupted", file=sys.stderr)
        return INTERRUPTED
    except MemoryError as error:
        print(f"tinygrad-dnn {args.command}: not enough memory: {error}", file=sys.stderr)
        return UNUSABLE
    except (OSError, ValueError, TypeError) as error:
        print(f"tinygrad-dnn {args.command}: {_words(error)}", file=sys.stderr)
        return UNUSABLE
    return status


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _finish_output() -> None:
    """Write out what is left, or drop it where nobody takes it: Python would complain on exit."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
