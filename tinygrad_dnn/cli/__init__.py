"""The command line: `tinygrad-dnn train`, `predict`, `check`."""

from tinygrad_dnn.cli.main import main

__all__ = ["main"]
