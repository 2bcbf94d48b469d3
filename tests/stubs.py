"""The types of the public names, written from the registry of ops.

    python tests/stubs.py   # writes tinygrad_dnn/__init__.pyi

An op is a callable with overloads: with a Tensor among its arrays it gives a Tensor, of plain ones
an array. What is no op comes from where it is defined.
"""

from __future__ import annotations

import inspect
from pathlib import Path

import tinygrad_dnn
from tinygrad_dnn import Tensor, api
from tinygrad_dnn.check.op_check import sampled
from tinygrad_dnn.ops import Op
from tinygrad_dnn.ops.compose import Composed

STUB = Path(tinygrad_dnn.__file__).with_suffix(".pyi")
HEAD = '''"""The types of the public names, written by tests/stubs.py from the registry of ops."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

'''
ALIASES = """
_Axis = int | tuple[int, ...] | None
_Plain = np.ndarray[Any, Any] | np.generic | float | list[Any] | tuple[Any, ...]
_Operand = Tensor | _Plain
"""
SETTINGS = {"axis": "_Axis", "keepdims": "bool", "ddof": "int", "offset": "int", "axis1": "int",
            "axis2": "int", "slope": "float", "subscripts": "str"}  # fmt: skip
# Functions that are no ops: what they take beside an array, and what they give of one.
FUNCTIONS = {
    "clip": ("x: {}, a_min: Any = None, a_max: Any = None", "{}"),
    "ravel": ('x: {}, order: str = "C"', "{}"),
    "moveaxis": ("x: {}, source: _Axis, destination: _Axis", "{}"),
    "split": ("x: {}, indices_or_sections: Any, axis: int = 0", "list[{}]"),
    "einsum": ("subscripts: str, *operands: {}", "{}"),
}


def stub() -> str:
    """The text of the file."""
    ops, functions, composed, others = {}, [], [], []
    for name in sorted(dir(api)):
        thing = getattr(api, name)
        if isinstance(thing, Op):
            ops[name] = thing
        elif isinstance(thing, Composed):
            composed.append((name, thing))
        elif name in FUNCTIONS:
            functions.append(name)
        else:
            others.append(name)
    imports = [*map(_import, tinygrad_dnn._MODULES), *sorted(map(_defined, others))]
    lines = [HEAD, *imports, ALIASES]
    for name, op in ops.items():
        kind = f"_{name.title().replace('_', '')}"
        lines.append(f"class {kind}(Op):\n{_calls(op)}\n{name}: {kind}\n")
    for name in functions:
        lines += _overloads(name, *FUNCTIONS[name])
    for name, thing in composed:
        lines += _composed(name, thing)
    lines += ["", "__all__: list[str]", "__version__: str", ""]
    return "\n".join(lines)


def _import(module: str) -> str:
    return f"from tinygrad_dnn import {module} as {module}"


def _defined(name: str) -> str:
    """The import of a name from the module that defines it."""
    thing = getattr(api, name)
    module = getattr(thing, "__module__", None) or "tinygrad_dnn.ops"
    if name == "compile":
        module = "tinygrad_dnn.compiler"
    if name == "REGISTRY":
        module = "tinygrad_dnn.ops"
    return f"from {module} import {name} as {name}"


def _calls(op: Op) -> str:
    """The overloads of an op: a Tensor in any place, or in none."""
    settings = _settings(op)
    if op.many:
        kinds = [
            (["Sequence[Tensor]"], "Tensor"),
            (["Sequence[_Plain]"], "NDArray[Any]"),
            (["Any"], "Any"),
        ]
    else:
        n = len(op.arrays)
        kinds = [
            (["_Plain"] * k + ["Tensor"] + ["_Operand"] * (n - k - 1), "Tensor") for k in range(n)
        ]
        kinds.append((["_Plain"] * n, "NDArray[Any]"))
    lines = []
    for types, result in kinds:
        arrays = [f"{a}: {t}" for a, t in zip(op.arrays, types, strict=True)]
        lines += [
            "    @overload",
            f"    def __call__({', '.join(['self', *arrays, *settings])}) -> {result}: ...",
        ]
    return "\n".join(lines) + "\n"


def _composed(name: str, f: Composed) -> list[str]:
    """The overloads of a composed function: of a Tensor what its first case gives."""
    given = _given(f)
    anything = f"def {name}({given}) -> Any: ..."
    if not f.cases or given.startswith("*"):
        return [anything]
    first, comma, rest = given.partition(",")
    array = "Sequence[Tensor]" if f.many else "Tensor"
    of_tensors = f"{first.partition(':')[0]}: {array}{comma}{rest}"
    return [
        "@overload",
        f"def {name}({of_tensors}) -> {_result(f)}: ...",
        "@overload",
        anything,
    ]


def _given(f: Composed) -> str:
    """The parameters of a composed function, whatever they are."""
    found: list[str] = []
    parameters = [*f.__signature__.parameters.values()]
    for i, p in enumerate(parameters):
        if p.kind is p.KEYWORD_ONLY and not any(x.startswith("*") for x in found):
            found.append("*")
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if star or p.default is p.empty else " = ..."
        found.append(f"{star}{p.name}: {SETTINGS.get(p.name, 'Any')}{default}")
        after = parameters[i + 1].kind if i + 1 < len(parameters) else None
        if p.kind is p.POSITIONAL_ONLY and after is not p.POSITIONAL_ONLY:
            found.append("/")
    return ", ".join(found)


def _result(f: Composed) -> str:
    case = f.cases[0]
    tensors = [Tensor(x) if x.dtype.kind == "f" else x for x in sampled(f, case)]
    result = f(tensors, **case.meta) if f.many else f(*tensors, **case.meta)
    if isinstance(result, Tensor):
        return "Tensor"
    return {list: "list[Tensor]", tuple: "tuple[Tensor, ...]"}.get(type(result), "Any")


def _settings(op: Op) -> list[str]:
    parameters = op.__signature__.parameters
    found = [_setting(parameters[name]) for name in op.settings if name in op.positional]
    by_name = [_setting(parameters[name]) for name in op.settings if name not in op.positional]
    if op.whole is not None:  # NumPy's other settings
        others = [*inspect.signature(op.whole).parameters.values()][len(op.arrays) :]
        by_name += [_setting(p) for p in others if p.name not in {"out", *op.settings}]
    return [*found, *(["*", *by_name] if by_name else [])]


def _setting(p: inspect.Parameter) -> str:
    kind = SETTINGS.get(p.name, "Any")
    return f"{p.name}: {kind}" + ("" if p.default is p.empty else " = ...")


def _overloads(name: str, takes: str, gives: str) -> list[str]:
    lines = []
    for kind, result in (("Tensor", "Tensor"), ("_Plain", "NDArray[Any]")):
        lines += ["@overload", f"def {name}({takes.format(kind)}) -> {gives.format(result)}: ..."]
    if "*" in takes:
        lines += ["@overload", f"def {name}({takes.format('Any')}) -> Any: ..."]
    return lines


def main() -> None:
    STUB.write_text(stub(), encoding="utf-8")


if __name__ == "__main__":
    main()
    print(STUB)
