"""Weights and mistakes as images, magnitudes as histograms: what is shown, said and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib (the extra plot) is not installed")

from matplotlib.figure import Figure

from viz import curves

Draw = Callable[..., Figure]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Draw:
    """The figure that a function of `viz.curves` draws, caught on its way into the file."""
    caught: list[Figure] = []
    savefig = Figure.savefig

    def catch(self: Figure, *args: Any, **kwargs: Any) -> None:
        caught.append(self)
        savefig(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", catch)

    def draw(function: Callable[..., Path], *args: Any, **kwargs: Any) -> Figure:
        path = function(*args, tmp_path / "picture.png", **kwargs)
        assert path.read_bytes().startswith(b"\x89PNG")
        return caught[-1]

    return draw


def titles(figure: Figure, loc: str = "center") -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title(loc))]


def said(figure: Figure) -> str:
    return figure.get_suptitle()


# --- weights --------------------------------------------------------------------------------------


def test_grey_weights_share_a_scale_about_zero_and_colour_says_the_sign(drawn: Draw) -> None:
    W1 = np.array([[1.0, -2.0, 0.0, 0.5], [0.1, 0.1, 0.1, 0.1]])
    figure = drawn(curves.weights, W1, shape=(2, 2))
    assert titles(figure) == ["unit 1", "unit 2"]
    first, second = (axes.images[0] for axes in figure.axes[:2])
    np.testing.assert_array_equal(first.get_array(), W1[0].reshape(2, 2))
    assert first.get_clim() == second.get_clim() == (-2.0, 2.0)
    low, zero, high = (first.cmap(v)[:3] for v in (0.0, 0.5, 1.0))
    assert low[2] > low[0]  # blue speaks against
    assert high[0] > high[2]  # orange speaks for
    assert min(zero) > 0.95


def test_colour_weights_have_a_scale_each_with_grey_at_zero(drawn: Draw) -> None:
    W1 = np.stack([np.linspace(-1, 1, 12), np.zeros(12)])
    figure = drawn(curves.weights, W1, shape=(2, 2, 3))
    first, second = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_allclose(first.ravel(), 0.5 + 0.5 * W1[0])
    np.testing.assert_array_equal(second, np.full((2, 2, 3), 0.5))


def test_of_many_units_the_first_are_shown_and_what_is_not_finite_is_said(drawn: Draw) -> None:
    W1 = np.ones((40, 4))
    W1[1, 2] = np.nan
    figure = drawn(curves.weights, W1, shape=(2, 2, 1), title="W1")
    assert said(figure) == "W1\nthe first 36 of 40 units"
    assert titles(figure)[:3] == ["unit 1", "unit 2 (not finite)", "unit 3"]
    assert len(titles(figure)) == 36


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2), (0, 4)])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="weights: expected"):
        curves.weights(np.ones((3, 4)), tmp_path / "w.png", shape=shape)
    assert list(tmp_path.iterdir()) == []


# --- mistakes -------------------------------------------------------------------------------------

X = np.arange(16.0).reshape(4, 4)
Y = np.array([[0, 1, 0, 1]])


def test_mistakes_come_surest_first_with_guess_certainty_and_truth(drawn: Draw) -> None:
    AL = np.array([[0.7, 0.1, 0.2, 0.9]])
    figure = drawn(curves.mislabelled, X, Y, AL, shape=(2, 2), classes=("non-cat", "cat"))
    assert titles(figure) == ["non-cat 0.90\nis cat", "cat 0.70\nis non-cat"]
    assert said(figure) == "2 of 4 examples are predicted wrongly"
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image, (X[:, 1].reshape(2, 2) - X.min()) / np.ptp(X))


def test_one_half_is_a_prediction_of_0_and_nothing_wrong_is_said(drawn: Draw) -> None:
    AL = np.array([[0.5, 0.6, 0.5, 0.6]])
    figure = drawn(curves.mislabelled, X, Y, AL, shape=(2, 2))
    assert titles(figure) == []
    assert said(figure) == "0 of 4 examples are predicted wrongly"


def test_of_many_mistakes_the_surest_are_shown(drawn: Draw) -> None:
    AL = np.array([[0.9, 0.3, 0.6, 0.2]])
    figure = drawn(curves.mislabelled, X, Y, AL, shape=(2, 2), most=2)
    assert titles(figure) == ["1 0.90\nis 0", "0 0.80\nis 1"]
    assert said(figure) == "4 of 4 examples are predicted wrongly; the 2 it is surest of"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Y": np.array([[0, 1, 2, 1]])}, r"labels 0 or 1 .* got 0 … 2"),
        ({"AL": np.full((1, 4), 2.99)}, r"probabilities from 0 to 1, got .* 2.99"),
        ({"AL": np.ones(4)}, r"Y and probabilities \(1, 4\), got \(1, 4\) and \(4,\)"),
        ({"X": np.ones((5, 4))}, r"expected X \(4, m\)"),
    ],
)
def test_bad_examples_are_refused(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    given = {"X": X, "Y": Y, "AL": np.full((1, 4), 0.5)} | changed
    with pytest.raises(ValueError, match=words):
        curves.mislabelled(*given.values(), tmp_path / "m.png", shape=(2, 2))
    assert list(tmp_path.iterdir()) == []


# --- histograms -----------------------------------------------------------------------------------


def test_histograms_share_an_axis_of_magnitudes_and_mark_the_median(drawn: Draw) -> None:
    rows = {
        "activations": {"A1": [1.0, 10.0, -100.0], "A2": [1e-3, 1e-3]},
        "gradients": {"dZ1": [1e-6, 0.0]},
    }
    figure = drawn(curves.histograms, rows, title="The first iteration")
    A1, A2, dZ1, empty = figure.axes
    assert titles(figure, "left") == ["A1", "A2", "dZ1"]
    assert {axes.get_xlim() for axes in (A1, A2, dZ1)} == {(-6.0, 2.0)}
    assert [axes.lines[0].get_xdata()[0] for axes in (A1, A2, dZ1)] == pytest.approx([1, -3, -6])
    assert sum(patch.get_height() for patch in A1.patches) == 3
    assert A1.get_ylabel() == "activations"
    assert dZ1.get_title("right") == "50% zeros"
    assert not empty.axison
    assert said(figure) == "The first iteration"


def test_what_has_no_magnitude_is_said(drawn: Draw) -> None:
    row = {"dead": [0.0, 0.0], "broken": [np.nan, np.inf, 1.0]}
    figure = drawn(curves.histograms, {"A": row})
    assert titles(figure, "right") == ["100% zeros", "2 NaN or ∞"]


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([1], TypeError, "expected a mapping of labels to rows"),
        ({"A": [1.0]}, TypeError, "expected a mapping of labels to rows"),
        ({"A": {"A1": "x"}}, TypeError, "A1: expected numbers"),
        ({"A": {"A1": []}}, ValueError, "A1: there are no numbers"),
        ({"A": {}}, ValueError, "nothing to draw"),
    ],
)
def test_bad_rows_are_refused(rows: Any, error: type, words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words):
        curves.histograms(rows, tmp_path / "h.png")
    assert list(tmp_path.iterdir()) == []
