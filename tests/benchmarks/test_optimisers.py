"""The page beside PyTorch, where PyTorch is installed."""

import pytest


def test_the_page() -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install '.[bench]'")
    from optimisers import RULES, page

    text = page()
    assert all(f"| `{name}` |" in text for name in RULES)
