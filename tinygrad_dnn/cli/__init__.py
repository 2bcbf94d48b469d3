"""The command line: `tinygrad-dnn train`, `predict`, `check`, `draw`, `explore`; see `main`."""
