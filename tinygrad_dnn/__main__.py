"""`python -m tinygrad_dnn` is `tinygrad-dnn`."""

import sys

from tinygrad_dnn.cli.main import program

if __name__ == "__main__":
    sys.exit(program())
