"""The checker checked, in short: a few faults of each kind; `tests/mutants.py` plants them all."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import pytest
from kinks import check_ends
from mutation.explained import explained
from mutation.planted import Mutant, redeclared, rewritten
from mutation.rules import reached
from mutation.run import every_mutant, judged
from mutation.syntax import code_of, tree_of
from mutation.wrappers import spoiled_rule

from tinygrad_dnn.check import check_op
from tinygrad_dnn.ops import REGISTRY

BY_KEY = {m.key: m for m in every_mutant()}
OF_EACH = 2


def some_of_each_kind() -> list[Mutant]:
    """A few of every kind, from all over the registry."""
    some = []
    kinds = sorted(every_mutant(), key=lambda m: m.kind)
    for _, group in groupby(kinds, key=lambda m: m.kind):
        faults = [m for m in group if m.key not in explained() and len(m.ops) < 4]
        step = max(1, len(faults) // OF_EACH)
        some += faults[step // 2 :: step][:OF_EACH]
    return some


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("mutant", some_of_each_kind(), ids=lambda m: m.key)
def test_a_fault_is_found(mutant: Mutant) -> None:
    verdict = judged(mutant)
    assert verdict.killer or not verdict.effect


def test_mutants_have_names_of_their_own() -> None:
    assert len(BY_KEY) == len(every_mutant())


def test_every_derivative_rule_has_mutants() -> None:
    wrapped = {m.where for m in every_mutant() if m.kind == "rule wrapped"}
    for op in REGISTRY.values():
        for array, rule in zip(op.arrays, op.rules, strict=True):
            assert (f"{op.name}.{array}" in wrapped) == (rule is not None)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("key", list(explained())[::3])  # all of them in the whole run
def test_an_explained_mutant_is_there_and_survives(key: str) -> None:
    mutant = replace(BY_KEY[key], ops=BY_KEY[key].ops[:1])
    assert judged(mutant, (check_op, check_ends)).killer is None


def test_a_planted_fault_is_taken_out_again() -> None:
    mutant = BY_KEY["exp.x: rule wrapped: sign flipped"]
    with pytest.raises(AssertionError, match="op exp"), mutant.plant():
        check_op(REGISTRY["exp"])
    check_op(REGISTRY["exp"])


@pytest.mark.parametrize("name", [*sorted(REGISTRY)[::5], "concatenate", "transpose"])
def test_what_is_planted_without_a_fault_kills_nothing(name: str) -> None:
    """The wrapping and the compiling alone must pass, or every mutant would be killed by them."""
    op = REGISTRY[name]
    rules = [
        rule and spoiled_rule(op, i, rule, lambda gx, shape: gx, [])
        for i, rule in enumerate(op.rules)
    ]
    with redeclared(op, rules):
        check_op(op)
    for function in reached(op):
        code = code_of(tree_of(function), function.__code__.co_filename)
        with rewritten(function, code, [op] if function in op.rules else []):
            check_op(op)
