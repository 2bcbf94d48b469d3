"""Weights and mistakes as images, magnitudes as histograms: what is shown, said and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib (the extra plot) is not installed")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from viz import curves
from viz.curves.images import Pixels

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


def words(figure: Figure) -> list[str]:
    """What is written beside and above the images or histograms, in order."""
    return [text for t in figure.axes[0].texts if (text := t.get_text())]


def tiles(figure: Figure, shape: tuple[int, int]) -> list[Any]:
    """The images of a wall, taken out of the one image that is drawn, at the size they have."""
    pixels = one_image(figure)
    wall = np.asarray(pixels.image)[..., :3]
    zoom = 192 // max(shape)
    found = []
    for text in figure.axes[0].texts:  # each image hangs six pixels below its caption
        x, y = (160 * inches for inches in text.get_position())
        bottom = round(160 * (figure.get_figheight() - pixels.corner[1]))
        column = round(x - 160 * pixels.corner[0] - zoom * shape[1] / 2)
        row = round(y + 6) - (bottom - wall.shape[0])
        tile = wall[row : row + zoom * shape[0], column : column + zoom * shape[1]]
        found.append(tile[zoom // 2 :: zoom, zoom // 2 :: zoom])
    return found


def one_image(figure: Figure) -> Any:
    """The one image of a wall, as it is drawn."""
    (pixels,) = (artist for artist in figure.axes[0].get_children() if isinstance(artist, Pixels))
    return pixels


def said(figure: Figure) -> str:
    return figure.get_suptitle()


# --- weights --------------------------------------------------------------------------------------


def test_grey_weights_share_a_scale_about_zero_and_colour_says_the_sign(drawn: Draw) -> None:
    W1 = np.array([[1.0, -2.0, 0.0, 0.5], [2.0, 0.0, 0.0, 0.0]])
    figure = drawn(curves.weights, W1, shape=(2, 2))
    assert words(figure) == ["unit 1", "unit 2"]
    first, second = (tile.reshape(4, 3).astype(int) for tile in tiles(figure, (2, 2)))
    assert first[2].min() > 250  # 0 is white
    assert first[1].tolist() == [0, 114, 178]  # -2 is the blue of the palette: it speaks against
    assert second[0].tolist() == [213, 94, 0]  # 2, the orange: it speaks for
    assert (
        first[0, 0] - first[0, 2] > first[3, 0] - first[3, 2] > 0
    )  # 1 is half as orange, 0.5 less
    _, bar = figure.axes
    assert bar.get_ylabel() == "weight"
    assert bar.get_ylim() == (-2.0, 2.0)


def test_colour_weights_have_a_scale_each_with_grey_at_zero(drawn: Draw) -> None:
    W1 = np.stack([np.linspace(-1, 1, 12), np.zeros(12)])
    figure = drawn(curves.weights, W1, shape=(2, 2, 3))
    first, second = tiles(figure, (2, 2))
    np.testing.assert_allclose(first.ravel(), 255 * (0.5 + 0.5 * W1[0]), atol=0.5)
    np.testing.assert_array_equal(second, np.full((2, 2, 3), 128))
    assert len(figure.axes) == 1


def test_of_many_units_the_first_are_shown_and_what_is_not_finite_is_said(drawn: Draw) -> None:
    W1 = np.ones((40, 4))
    W1[1, 2] = np.nan
    figure = drawn(curves.weights, W1, shape=(2, 2, 1), title="W1")
    assert said(figure) == "W1\nthe first 36 of 40 units"
    assert words(figure)[:3] == ["unit 1", "unit 2 (not finite)", "unit 3"]
    assert len(words(figure)) == len(tiles(figure, (2, 2))) == 36


@pytest.mark.parametrize("colours", [1, 3])
def test_weights_that_are_infinite_are_drawn(colours: int, drawn: Draw) -> None:
    W1 = np.array([[np.inf, -np.inf, 1.0, 0.0] * colours])
    figure = drawn(curves.weights, W1, shape=(2, 2, colours))
    assert words(figure) == ["unit 1 (not finite)"]


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (64, 64), (500, 3), (3, 500), (300, 300)])
def test_images_of_any_shape_fit_on_the_paper_and_touch_nothing(
    shape: tuple[int, int], drawn: Draw
) -> None:
    rng = np.random.default_rng(0)
    figure = drawn(
        curves.weights, rng.normal(size=(8, shape[0] * shape[1])), shape=shape, title="T"
    )
    pixels = one_image(figure)
    width, height = figure.get_size_inches()
    assert 0 < pixels.corner[0] < pixels.corner[0] + pixels.image.width / 160 < width
    assert 0 < pixels.corner[1] < pixels.corner[1] + pixels.image.height / 160 < height
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.axes[0].texts]
    boxes += [figure.axes[1].get_tightbbox(renderer), figure.texts[0].get_window_extent(renderer)]
    assert all(t.get_fontsize() > 6 for t in figure.axes[0].texts)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(figure.bbox.x0 <= b.x0 and b.x1 <= figure.bbox.x1 for b in boxes)
    assert all(figure.bbox.y0 <= b.y0 and b.y1 <= figure.bbox.y1 for b in boxes)


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
    assert words(figure) == ["non-cat 0.90\nis cat", "cat 0.70\nis non-cat"]
    assert said(figure) == "2 of 4 examples are predicted wrongly"
    first, _ = tiles(figure, (2, 2))
    grey = 255 * (X[:, 1].reshape(2, 2) - X.min()) / np.ptp(X)
    np.testing.assert_allclose(first, np.stack([grey] * 3, axis=-1), atol=0.5)


def test_one_half_is_a_prediction_of_0_and_nothing_wrong_is_said(drawn: Draw) -> None:
    AL = np.array([[0.5, 0.6, 0.5, 0.6]])
    figure = drawn(curves.mislabelled, X, Y, AL, shape=(2, 2))
    assert words(figure) == []
    assert said(figure) == "0 of 4 examples are predicted wrongly"


def test_of_many_mistakes_the_surest_are_shown(drawn: Draw) -> None:
    AL = np.array([[0.9, 0.3, 0.6, 0.2]])
    figure = drawn(curves.mislabelled, X, Y, AL, shape=(2, 2), most=2)
    assert words(figure) == ["1 0.90\nis 0", "0 0.80\nis 1"]
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
    (axes,) = figure.axes  # and none for what there is not
    assert said(figure) == "The first iteration"
    labels = ["activations", "A1", "A2", "gradients", "dZ1", "50% zeros"]
    assert words(figure)[:6] == labels
    assert words(figure)[-1] == "magnitude, ▲ its median"
    lefts = [axes.texts[i].get_position()[0] for i in (1, 3)]  # A1 and A2
    width = axes.texts[2].get_position()[0] - lefts[0]  # to where zeros would be told, at the right
    ticks = {t.get_text(): t.get_position()[0] for t in axes.texts if t.get_text().startswith("10")}
    assert {"10⁻⁶", "10²"} <= ticks.keys()
    medians = [line.get_xdata()[0] for line in axes.lines]
    at = [(x - left) / width * 8 - 6 for x, left in zip(medians, (*lefts, lefts[0]), strict=True)]
    assert at == pytest.approx([1, -3, -6])
    first = axes.patches[0].get_data()
    heights = first.baseline - first.values
    assert sorted(heights / heights.max())[-4:] == [0, 1, 1, 1]  # one each


def test_what_has_no_magnitude_is_said(drawn: Draw) -> None:
    row = {"dead": [0.0, 0.0], "broken": [np.nan, np.inf, 1.0]}
    figure = drawn(curves.histograms, {"A": row})
    assert words(figure)[:5] == ["A", "dead", "100% zeros", "broken", "2 NaN or ∞"]


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
