"""Every op of the registry at the points where `check_op` does not look, and in other contract."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from contract import (
    MORE_CASES,
    check_cast,
    check_more,
    check_narrow,
    check_numbers,
    check_selection,
    check_shares,
    check_untaken,
)
from kinks import (
    ENDS,
    FAR,
    KINKS,
    SECOND_ENDS,
    check_bytes,
    check_ends,
    check_one_share,
    check_points,
)
from large import THROUGH, WAYS, check_large

from tinygrad_dnn.ops import REGISTRY, Op


@cache
def kinks_met(name: str) -> int:
    return check_points(REGISTRY[name])


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_slopes_at_special_values(name: str) -> None:
    kinks_met(name)


def test_every_stated_kink_is_one() -> None:
    assert {name for name in REGISTRY if kinks_met(name)} == set(KINKS)


@pytest.mark.parametrize("name", sorted(REGISTRY))
@pytest.mark.parametrize(
    "check",
    [
        check_ends,
        check_more,
        check_cast,
        check_numbers,
        check_untaken,
        check_selection,
        check_shares,
        check_narrow,
        check_bytes,
        check_one_share,
    ],
    ids=lambda check: check.__name__,
)
def test_manners(check: Callable[[Op], None], name: str) -> None:
    check(REGISTRY[name])


@pytest.mark.parametrize("name", sorted({*WAYS, *THROUGH}))
def test_another_way_arrives_at_the_same(name: str) -> None:
    check_large(REGISTRY[name])


def test_no_case_stands_twice() -> None:
    for name, cases in MORE_CASES.items():
        assert not {repr(c) for c in cases} & {repr(c) for c in REGISTRY[name].cases}


@pytest.mark.parametrize(
    "stated",
    [
        KINKS,
        [end[0] for end in ENDS],
        [end[0] for end in FAR],
        [end[0] for end in SECOND_ENDS],
        MORE_CASES,
        WAYS,
        THROUGH,
    ],
    ids=["kinks", "ends", "far", "second ends", "cases", "ways", "through"],
)
def test_the_tables_speak_of_declared_ops(stated: Any) -> None:
    assert set(stated) <= set(REGISTRY)
