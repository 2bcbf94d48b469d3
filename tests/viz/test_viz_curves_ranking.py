"""The picture of a sweep: a row for each setting, nothing outside the paper, nothing on top."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from viz.curves import ranking

module = __import__("viz.curves.ranking", fromlist=["_scale"])


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is written in a picture, with the boxes that the words take."""
    figures: list[Any] = []

    def keep(figure: Any, path: Path) -> Path:
        figures.append(figure)
        return path

    monkeypatch.setattr(module, "save_figure", keep)

    def drawn(*args: Any, **options: Any) -> dict[str, Any]:
        ranking(*args, tmp_path / "x.png", **options)
        figure = figures[-1]
        figure.draw_without_rendering()
        found = {t.get_text(): t.get_window_extent() for t in figure.axes[0].texts}
        paper = figure.bbox
        for words, box in found.items():
            assert paper.x0 <= box.x0 < box.x1 <= paper.x1, words
            assert paper.y0 <= box.y0 < box.y1 <= paper.y1, words
        boxes = [box for words, box in found.items() if words.strip()]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        return found

    return drawn


def test_values_means_and_deviations_stand_in_their_rows(texts: Any) -> None:
    rows = [(["64,64,10", "0.01"], [0.96, 0.98]), (["64,32,10", "0.003"], [0.9])]
    found = texts(rows, columns=["layers", "learning_rate"], note="1 setting is left out")
    assert {"layers", "learning rate", "64,64,10", "0.01", "0.97 ± 0.014", "0.9"} <= {*found}
    assert found["64,64,10"].y0 == pytest.approx(found["0.97 ± 0.014"].y0, abs=3)
    assert found["64,64,10"].y0 > found["64,32,10"].y0
    assert any(words.startswith("ring: a run") for words in found)
    assert "1 setting is left out" in found


def test_long_names_many_rows_and_no_axis_stay_on_the_paper(texts: Any) -> None:
    many = [([f"{k:0200}", "$x_1$"], [1 / (k + 1), 2 / (k + 1)]) for k in range(60)]
    found = texts(many, columns=["a" * 90, "_b"], title="A title")
    assert "the first 40 of 60 settings" in found
    assert "$x_1$" in found  # as it is
    assert "0" * 11 + "…" + "0" * 10 + "39" in found
    assert {"0.5", "accuracy"} <= {*texts([([], [0.5])], columns=[])}


def test_what_is_far_away_does_not_press_the_others_together() -> None:
    scale = module._scale([[0.97], [0.96], [0.95], [0.1]], 0.0)
    assert scale.at(0.97) - scale.at(0.95) > 0.1 * module.SCORES
    assert scale.at(0.1) == 0.0
    assert module._scale([[0.5]], 0.0).at(0.5) == pytest.approx(module.SCORES / 2)
    worse = module._scale([[1.0], [2.0], [3.0], [1e6]], 0.0)  # of errors less is better
    assert worse.at(1e6) == module.SCORES


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_it_is_written_in_every_format(kind: str, tmp_path: Path) -> None:
    path = ranking([(["1"], [0.5, np.float32(0.25)])], tmp_path / f"x.{kind}", columns=["l2"])
    assert path.stat().st_size > 2000


@pytest.mark.parametrize(
    ("rows", "columns", "told"),
    [
        ([], [], "nothing to draw"),
        ([([], [])], [], "one or more finite scores"),
        ([(["1"], [0.5])], [], "expected 0 values"),
        ([(["1"], [float("nan")])], ["l2"], "finite scores"),
    ],
)
def test_what_can_not_be_drawn_is_refused(rows: Any, columns: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        ranking(rows, "x.png", columns=columns)
    with pytest.raises(ValueError, match=r"x\.txt"):
        ranking(rows, "x.txt", columns=columns)
