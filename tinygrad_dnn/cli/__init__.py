"""The command line: `tinygrad-dnn train`, `predict`, `check`; see `main`."""
