"""The confusion matrix as a picture: what stands in it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from viz import curves


def test_rows_are_labels_and_every_mistake_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []

    def keep(figure: Any, path: Path, dark: Any) -> Path:
        kept.append(figure)
        return path

    monkeypatch.setattr("viz.curves.matrix.save_figure", keep)
    counts = np.array([[5, 0, 2], [0, 7, 0], [1, 0, 9]])
    curves.confusion(counts, tmp_path / "c.png", classes=("cat", "$dog", "cow"))
    (axes,) = kept[0].axes
    written = {t.get_position()[::-1]: t.get_text() for t in axes.texts}
    assert written == {(0, 0): "5", (0, 2): "2", (1, 1): "7", (2, 0): "1", (2, 2): "9"}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["cat", "$dog", "cow"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "label")


@pytest.mark.parametrize(
    ("counts", "classes", "words"),
    [
        ([[1]], None, r"two classes or more, got \(1, 1\)"),
        ([[1, 2, 3], [1, 2, 3]], None, r"got \(2, 3\)"),
        ([[1, -1], [0, 1]], None, "of 0 or above"),
        ([[1, 0], [0, 1]], ("a",), "expected 2 class names, got 1"),
    ],
)
def test_what_is_no_confusion_matrix(counts: Any, classes: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        curves.confusion(counts, tmp_path / "c.png", classes=classes)
    many = np.eye(60, dtype=int)
    assert curves.confusion(many, tmp_path / "many.svg").stat().st_size > 1000
