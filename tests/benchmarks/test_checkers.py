"""The table of checkers: ours finds all faults and accuses nobody; the page says what it saw."""

import checkers
import pytest
from checkers import FAULTS, RIGHT, Case, courses_formula, ours, page, told


@pytest.mark.parametrize("case", [*FAULTS, *RIGHT], ids=lambda case: case.what)
def test_ours_tells_right_from_wrong(case: Case) -> None:
    assert ours(case) == case.right


def test_the_courses_formula_is_what_it_is_said_to_be() -> None:
    by_name = {case.what: case for case in (*FAULTS, *RIGHT)}
    assert not courses_formula(by_name["opposite sign"])
    assert courses_formula(by_name["gradients of 1e8"])
    assert told(by_name["opposite sign"], True) == "**missed**"
    assert told(by_name["gradients of 1e8"], False) == "**accused**"


def test_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: checkers.CHECKERS[name] for name in ("tinygrad-dnn", "course")}
    monkeypatch.setattr(checkers, "CHECKERS", kept | {"nowhere": (ours, "a peer")})
    text = page()
    assert "12 of 12 found, 0 of 10 accused" in text
    assert "not installed" in text
    assert text.count("| relu") == 2
