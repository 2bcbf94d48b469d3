"""A few cases of every attack, and attacks that must find the fault that is planted."""

from __future__ import annotations

import ast
import importlib
import os
from pathlib import Path
from typing import Any

import figures
import numpy as np
import pytest
import random_programs

import tinygrad_dnn as td

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
FEW = {
    "kill": 2, "stop_signals": 2, "locks": 4, "output_encodings": 18, "mutated_files": 200,
    "random_programs": 4, "numpy_programs": 4, "processes": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
def test_a_few_cases_of_every_attack(name: str) -> None:
    found = importlib.import_module(name).attack(FEW[name])
    assert found.failures == []
    assert found.cases >= FEW[name]


def test_every_attack_is_in_the_table_and_has_a_script() -> None:
    here = Path(figures.__file__).parent
    helpers = {"attack", "figures", "written_in_numpy"} | {p.stem for p in here.glob("test_*.py")}
    others = {
        "attack_files",
        "estimators",
        "exercises",
        "memory_orders",
        "spellings",
    }  # with figures of their own
    assert {p.stem for p in here.glob("*.py")} - helpers - others == {*figures.ATTACKS}
    table = figures.README.read_text(encoding="utf-8")
    assert all(table.count(f"\n| `{name}.py` |") == 1 for name in figures.ATTACKS)


def test_a_program_that_differs_is_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(case: Any) -> str:
        wrong = any(name == "tanh" for name, _, _ in case.steps)
        return "planted: tanh is wrong" if wrong else ""

    monkeypatch.setattr(random_programs, "fault", planted)
    # Enough seeds for one that draws it, whatever the registry holds.
    failures = random_programs.attack(200).failures
    assert failures
    for failure in failures:
        case = ast.literal_eval(ast.literal_eval(failure.partition("--case ")[2]))
        assert [name for name, _, _ in random_programs.Case(*case).steps] == ["tanh"]


def test_other_bits_and_other_dtypes_are_differences() -> None:
    x = np.array([0.1, 0.2])
    same, close = random_programs.BITS, random_programs.CLOSE
    assert random_programs.difference(x, x.copy(), same) == ""
    assert "other bits" in random_programs.difference(np.nextafter(x, 1), x, same)
    assert random_programs.difference(np.nextafter(x, 1), x, close) == ""
    assert "off by" in random_programs.difference(x + 1e-6, x, close)
    assert "float32" in random_programs.difference(x.astype("f4"), x, close)
    assert "signs of zero" in random_programs.difference(np.array(-0.0), np.array(0.0), same)


def test_a_run_that_grows_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = importlib.import_module("memory_growth")
    held: list[Any] = []

    def leak() -> Any:
        t = td.Tensor(np.ones(300), requires_grad=True)
        return lambda k: held.append(t * 2.0)

    monkeypatch.setattr(growth, "WORKLOADS", (leak,))
    (failure,) = growth.attack(100).failures
    assert "leak grew in 100 steps: Python's memory by " in failure
