"""A computational-graph engine on NumPy: write an expression, get its gradients and its picture.

The names live in `tinygrad_dnn.api` and are loaded on first use, so that the command line answers
`--help` before NumPy is imported. What types they have stands in `__init__.pyi`.
"""

from importlib import import_module
from os.path import dirname, isfile, join
from typing import Any

__version__ = "0.1.0"


# What is imported by name: `tinygrad_dnn.optim` and so on.
_MODULES = (
    "check", "cluster", "data", "export", "formula", "grading", "graph", "metrics", "network",
    "ops", "optim", "rewrite", "textbook", "textbook_part2", "train",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    here = join(dirname(__file__), name)
    if isfile(f"{here}.py") or isfile(join(here, "__init__.py")):
        return import_module(f"{__name__}.{name}")
    api = import_module("tinygrad_dnn.api")
    if not hasattr(api, name):
        from tinygrad_dnn.glossary import MODULE, advice

        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}{advice(MODULE, name, __dir__())}"
        )
    globals().update({n: v for n, v in vars(api).items() if not n.startswith("__")})
    globals()["__all__"] = api.__all__
    return getattr(api, name)


def __dir__() -> list[str]:
    dunders = [n for n in globals() if n.startswith("__")]
    return sorted({*dir(import_module("tinygrad_dnn.api")), *_MODULES, *dunders})
