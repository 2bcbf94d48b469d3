"""Modules that students' files import and that need not be there: the course's helpers, plotting.

What lies beside the file, or is installed, is preferred, except for plotting: nothing is drawn
while a file is graded.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_dnn import textbook

# Never drawn, even where installed.
DRAWING = {"matplotlib", "pylab", "seaborn", "plotly", "tkinter", "IPython"}
# The course's files: `dnn_utils_v2` has the activations, `dnn_app_utils_v2` all functions.
HELPERS = re.compile(r"(dnn_(app_)?utils|lr_utils|opt_utils|reg_utils)(_?v?\d+\w*)?")
TESTS = re.compile(r"test_?[cC]ases?\w*|public_tests?\w*|test_utils\w*|autograder\w*")
OPTIONAL = {"h5py", "scipy", "PIL", "skimage", "imageio", "sklearn", "pandas", "tqdm"}

# What NumPy once called so, and has no name for any more.
OLD_NAMES: dict[str, Any] = {
    "int": int, "float": float, "bool": bool, "complex": complex, "object": object, "str": str,
    "float_": np.float64, "complex_": np.complex128, "Inf": np.inf, "Infinity": np.inf,
    "NaN": np.nan, "product": np.prod, "cumproduct": np.cumprod, "alltrue": np.all,
    "sometrue": np.any, "mat": np.asmatrix, "row_stack": np.vstack, "asscalar": np.ndarray.item,
}  # fmt: skip


def old_names() -> dict[str, Any]:
    """Those of them that this NumPy lacks."""
    return {name: x for name, x in OLD_NAMES.items() if name not in vars(np)}


def provide_old_names() -> None:
    """Let NumPy have in this process what it once had."""
    vars(np).update(old_names())


class Inert:
    """Takes everything that is done with it and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Itself, whatever it is asked."""
        return self

    def __getitem__(self, _: Any) -> Any:
        return self

    def __setitem__(self, *_: Any) -> None:
        return

    def __iter__(self) -> Iterator[Any]:
        return iter([self] * 2)  # fig, ax = plt.subplots()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        return


class _StandIn(ModuleType):
    """A package from which anything can be imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Inert()


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _StandIn(spec.name)
        module.__all__ = []  # type: ignore[attr-defined]
        if HELPERS.fullmatch(spec.name):
            names = [n for n in textbook.__all__ if n != "load_data"]
            vars(module).update({n: getattr(textbook, n) for n in names}, __all__=names)
        return module

    def exec_module(self, module: ModuleType) -> None:
        return


class _Finder(MetaPathFinder):
    def __init__(self, first: bool) -> None:
        self.first = first

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top = name.partition(".")[0]
        mine = (
            top in DRAWING
            if self.first
            else top in OPTIONAL or HELPERS.fullmatch(top) or TESTS.fullmatch(top)
        )
        return ModuleSpec(name, _Loader(), is_package=True) if mine else None


def install() -> None:
    """Let this process find the stand-ins."""
    sys.meta_path.insert(0, _Finder(first=True))
    sys.meta_path.append(_Finder(first=False))
