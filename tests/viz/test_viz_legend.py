"""Signs that a reader may not know are explained once, where they occur, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from derivations import balanced, net

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import Tensor
from viz.derivation.derivation import Derivation
from viz.derivation.legend import legend


def classes() -> Derivation:
    Z = Tensor(np.eye(3), requires_grad=True, name="Z")
    Y = Tensor(np.ones((3, 3)), name="Y")
    return viz.derive(-(Y * tg.log_softmax(Z, axis=1)).sum(axis=0).sum())


@pytest.mark.parametrize(
    ("text", "letters", "gone", "put"),
    [
        ("1/m · Σ dZ3", False, False, False),
        ("(Σⱼ Y) ⊙ P − Y", True, False, False),
        ("x − Σ₍ᵢ₎ x", True, True, False),
        ("scatter(dy → (4, 3)[1:4])", False, False, True),
        ("log₂(x)", False, False, False),
        ("set(x[0] = y)", False, False, False),
    ],
)
def test_it_says_what_occurs(text: str, letters: bool, gone: bool, put: bool) -> None:
    told = legend(["x", text])
    assert ("run along the first" in told) == ("Σ without a letter" in told) == letters
    assert ("in brackets" in told) == gone
    assert ("scatter(x → s[p])" in told) == put
    assert ("set(x[p] = y)" in told) == ("set(" in text)
    assert bool(told) == (letters or put or "set(" in text)


def test_the_documents_page_needs_none(tmp_path: Path) -> None:
    derived = viz.derive(net(3)[0])
    assert derived.legend == ""
    assert str(derived).splitlines()[-1].startswith("db1 = 1/m · Σ dZ1 ")
    page = derived.save(tmp_path / "d.html").read_text(encoding="utf-8")
    assert "run along" not in page
    assert 'class="result long"' not in page


def test_a_derivation_says_it_once_in_every_form(tmp_path: Path) -> None:
    derived = classes()
    assert derived.legend.startswith("i, j, k, ... run along the first, second, third axis: Σⱼ x")
    assert str(derived).endswith(f"\n\n{derived.legend}")
    for ending in ("html", "txt", "tex"):
        text = derived.save(tmp_path / f"d.{ending}").read_text(encoding="utf-8")
        assert text.count("run along the first") == 1
    assert r"axis: $\sum_{j}$ x adds up" in text
    assert r"in brackets, $\sum_{(j)}$ x" in text
    assert balanced(text)
    assert text.isascii()
    assert derived._repr_html_().count("run along the first") == 1


def test_the_stepping_page_has_it_beside_its_keys(tmp_path: Path) -> None:
    Z = Tensor(np.eye(3), requires_grad=True, name="Z")
    page = viz.explore((Z * tg.softmax(Z)).sum(), tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<h2>Signs</h2><p>i, j, k, ... run along" in page
    page = viz.explore(net(2)[0], tmp_path / "b.html").read_text(encoding="utf-8")
    assert "<h2>Signs</h2>" not in page


def test_where_others_give_as_well_each_says_its_axis(tmp_path: Path) -> None:
    b = Tensor(np.ones((3, 1)), requires_grad=True, name="b")
    Z, U = Tensor(np.eye(3), name="Z") * b, Tensor(np.ones((3, 3)), name="U") + b
    Z.name, U.name = "Zb", "Ub"
    page = viz.explore((Z * U).sum(), tmp_path / "a.html").read_text(encoding="utf-8")
    assert '"text":"Σⱼ dUb"' in page.replace('": "', '":"')


def test_a_long_formula_has_a_pages_whole_width() -> None:
    x = Tensor(np.array([0.5, 1.5]), requires_grad=True, name="the_only_parameter_there_is")
    long = np.sin(x) * x
    long.name = "long"
    page = viz.derive(long.sum()).html()
    assert 'class="given long"' in page
    assert 'class="parameter long"' in page
