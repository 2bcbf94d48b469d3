"""The page of all ops is what the registry says."""

from ops_page import PAGE, WRITE, page

from tinygrad_dnn import COMPOSED, REGISTRY


def test_the_page_is_written_from_the_registry() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"run `{WRITE}`"


def test_every_op_and_every_function_is_on_it() -> None:
    text = PAGE.read_text(encoding="utf-8")
    ours = [op.name for op in REGISTRY.values() if op.builtin]
    assert not [name for name in ours if f"| `{name}` |" not in text]
    assert not [f.name for f in COMPOSED.values() if f"- `{f.shown}`: " not in text]
    assert "| `multiply` | x ⊙ y | x: g ⊙ y; y: g ⊙ x |" in text
