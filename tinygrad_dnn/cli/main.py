"""Arguments in, exit status out. Nothing heavy is imported before they are parsed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from tinygrad_dnn.cli import signals
from tinygrad_dnn.cli.arguments import parsed
from tinygrad_dnn.cli.output import any_encoding, complain, finish_output, words_of
from tinygrad_dnn.cli.status import DONE, INTERRUPTED, UNUSABLE


def program() -> int:
    """The command as a process: as `main`, and Ctrl-C while Python loads or ends just ends it."""
    signals.end_at_once()
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    with any_encoding():
        try:
            words = sys.argv[1:] if arguments is None else arguments
            return _run(parsed(words))
        finally:
            finish_output()


def _run(args: argparse.Namespace) -> int:
    status: int = DONE
    try:
        command = import_module(f"tinygrad_dnn.cli.{args.command}")
        from tinygrad_dnn.threads import blas_threads  # NumPy is loaded by now

        with signals.raised(), blas_threads(0):  # a command with larger products says so
            status = command.run(args)
        if sys.stdout:  # None where the caller closed it
            sys.stdout.flush()
    except BrokenPipeError:  # `tinygrad-dnn ... | head` stops reading: nothing to complain about
        return status
    except KeyboardInterrupt:
        complain(signals.WORDS)
        return INTERRUPTED
    except MemoryError as error:
        complain(f"tinygrad-dnn {args.command}: not enough memory: {error}")
        return UNUSABLE
    except (OSError, ValueError, TypeError) as error:
        complain(f"tinygrad-dnn {args.command}: {words_of(error)}")
        return UNUSABLE
    return status
