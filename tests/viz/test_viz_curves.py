"""Cost curves: what the axes say, what is drawn, and that nothing global changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib (the extra plot) is not installed")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import viz
from viz import curves
from viz.palette import DASHES, SERIES, contrast

FALLING = [0.77, 0.67, 0.65, 0.61, 0.57]


def figure_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *args: Any, **kw: Any) -> Figure:
    """The figure that a call draws, caught on its way into the file."""
    caught: list[Figure] = []
    savefig = Figure.savefig

    def catch(self: Figure, *args: Any, **kwargs: Any) -> None:
        caught.append(self)
        savefig(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Figure, "savefig", catch)
        curves.costs(*args, tmp_path / "costs.png", **kw)
    (figure,) = caught
    return figure


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return lambda *args, **kw: figure_of(monkeypatch, tmp_path, *args, **kw).axes[0]


@pytest.mark.parametrize(
    ("name", "begin"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml"), ("c.PDF", b"%PDF")]
)
def test_the_ending_says_the_format(name: str, begin: bytes, tmp_path: Path) -> None:
    path = curves.costs(FALLING, str(tmp_path / name))
    assert path == tmp_path / name
    assert path.read_bytes().startswith(begin)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_axes_are_iterations_and_cost(drawn: Any) -> None:
    axes = drawn(FALLING, every=100, title="Cats")
    assert axes.get_xlabel() == "iteration"
    assert axes.get_ylabel() == "cost"
    assert axes.get_title(loc="left") == "Cats"
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [0, 100, 200, 300, 400]
    assert line.get_ydata().tolist() == FALLING
    assert axes.get_ylim()[0] == 0
    assert axes.get_legend() is None
    assert axes.xaxis.get_major_formatter()(2400) == "2,400"


def test_iterations_may_be_given_with_the_costs(drawn: Any) -> None:
    pairs = ((0, 0.7), (100, 0.6), (150, 0.5))
    (line,) = drawn(pairs, every=7).lines
    assert line.get_xdata().tolist() == [0, 100, 150]
    assert line.get_ydata().tolist() == [0.7, 0.6, 0.5]


def test_several_runs_differ_in_colour_and_dash_and_are_named(drawn: Any) -> None:
    axes = drawn({0.0075: FALLING, "_fast $x^2$ <b>": FALLING[:3], "": FALLING})
    assert axes.get_legend() is None
    (legend,) = axes.figure.legends  # beside the curves, not over them
    assert [t.get_text() for t in legend.get_texts()] == [
        "0.0075",
        "_fast $x^2$ <b>",
        "",
    ]
    assert len({line.get_color() for line in axes.lines}) == 3
    assert len({line.get_linestyle() for line in axes.lines}) == 3


def test_colours_are_those_of_the_other_pictures_and_can_be_told_apart() -> None:
    assert len(set(SERIES)) == len(SERIES) == 7
    assert np.gcd(len(SERIES), len(DASHES)) == 1  # 28 runs before a pair of them repeats
    assert all(contrast(colour, "#FFFFFF") > 1.9 for colour in SERIES)


def test_a_logarithmic_axis_on_request(drawn: Any) -> None:
    axes = drawn({"a": [1.0, 0.1, 0.01]}, log=True)
    assert axes.get_yscale() == "log"
    assert axes.yaxis.get_major_formatter()(0.05) == "0.05"
    assert drawn([1.0, 0.1]).get_yscale() == "linear"


def test_a_cost_that_is_not_finite_ends_the_curve_with_a_cross_and_a_word(drawn: Any) -> None:
    axes = drawn({"wild": [0.7, 1.4, np.nan, np.inf], "tame": FALLING}, every=100)
    wild, cross = axes.lines[:2]
    assert np.isnan(wild.get_ydata()[2:]).all()
    assert (cross.get_marker(), *cross.get_xdata(), *cross.get_ydata()) == ("X", 100, 1.4)
    words = [t.get_text() for t in axes.get_legend().get_texts()]
    assert words == ["wild (not finite from iteration 200)", "tame"]
    alone = drawn([np.nan, np.nan])
    assert alone.get_legend().get_texts()[0].get_text() == "(not finite from iteration 0)"


def test_a_single_cost_is_a_point(drawn: Any) -> None:
    axes = drawn([0.7])
    assert axes.lines[0].get_marker() == "o"
    low, high = axes.get_xlim()
    assert low < 0 < high


def test_negative_costs_are_not_cut_off(drawn: Any) -> None:
    assert drawn([0.5, -0.5]).get_ylim()[0] < -0.5


@pytest.mark.parametrize(
    ("runs", "options", "error", "words"),
    [
        ([], {}, ValueError, "there are no costs"),
        ({}, {}, ValueError, "nothing to draw"),
        ({"a": FALLING, "b": []}, {}, ValueError, "run 'b': there are no costs"),
        (np.ones((2, 3)), {}, ValueError, r"\(n, 2\), got \(2, 3\)"),
        (["x"], {}, TypeError, "expected numbers"),
        ({"a": [1, [2]]}, {}, TypeError, "run 'a': expected numbers"),
        (None, {}, ValueError, r"got \(\)"),
        ([[np.nan, 0.7]], {}, ValueError, "an iteration is not finite"),
        (FALLING, {"every": 0}, ValueError, "at least 1 iteration, got 0"),
        ({"r": [1.0, 0.0]}, {"log": True}, ValueError, "run 'r': .* got 0 at iteration 1; use log"),
    ],
)
def test_bad_costs_are_refused(
    runs: Any, options: Any, error: type[Exception], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        curves.costs(runs, tmp_path / "c.png", **options)
    assert list(tmp_path.iterdir()) == []


def test_other_endings_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.png, \.svg, \.pdf"):
        curves.costs(FALLING, tmp_path / "c.gif")
    with pytest.raises(FileNotFoundError, match="cannot write"):
        curves.costs(FALLING, tmp_path / "missing" / "c.png")


def run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_nothing_global_changes_and_pyplot_stays_out(tmp_path: Path) -> None:
    run(f"""
import sys
import matplotlib
before = list(dict.items(matplotlib.rcParams))  # asking for one may import pyplot
import viz
viz.curves.costs([0.7, 0.6], {str(tmp_path / "c.png")!r}, log=True)
assert "matplotlib.pyplot" not in sys.modules
assert list(dict.items(matplotlib.rcParams)) == before
""")


def test_without_matplotlib_the_error_names_the_extra() -> None:
    run("""
import sys
sys.modules["matplotlib"] = None
import viz
try:
    viz.curves
except ImportError as error:
    assert "pip install 'tinygrad-dnn[plot]'" in str(error), error
else:
    raise SystemExit("no error")
""")


def test_viz_has_nothing_else_that_is_lazy() -> None:
    assert viz.curves is curves
    with pytest.raises(AttributeError, match="nothing"):
        viz.nothing


def test_one_iteration_is_one_tick(drawn: Any) -> None:
    assert drawn([(7, 1.0)]).get_xticks().tolist() == [7]


def test_a_curve_breaks_off_in_a_cross_of_its_own_colour(drawn: Any) -> None:
    axes = drawn({"right": FALLING, "wrong": [0.7, 0.6, np.nan, 0.5, 0.4]})
    _, line, cross = axes.lines
    assert cross.get_xdata().tolist() == [1]
    assert cross.get_color() == line.get_color() != axes.lines[0].get_color()


def test_twenty_names_of_any_length_leave_room_for_the_curves(drawn: Any) -> None:
    axes = drawn({f"{i} " + "x" * 300: FALLING for i in range(20)})
    (legend,) = axes.figure.legends
    assert all(len(text.get_text()) <= 40 for text in legend.get_texts())
    picture = axes.get_window_extent()
    assert legend.get_window_extent().x0 >= picture.x1
    assert picture.width > 0.4 * axes.figure.get_window_extent().width


def test_every_picture_is_drawn_once_and_laid_out_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    draw = Figure.draw

    def counted(self: Figure, renderer: Any) -> None:
        drawn.append(self)
        draw(self, renderer)

    monkeypatch.setattr(Figure, "draw", counted)
    X, Y, AL = np.ones((4, 1)), np.ones((1, 1)), np.zeros((1, 1))
    curves.costs({"a": FALLING, "b": FALLING}, tmp_path / "c.png")
    curves.accuracies([0.5, 0.9], tmp_path / "a.png")
    curves.weights(np.ones((3, 4)), tmp_path / "w.png", shape=(2, 2))
    curves.mislabelled(X, Y, AL, tmp_path / "m.png", shape=(2, 2))
    curves.histograms({"A": {"A1": [1.0], "A2": [2.0]}}, tmp_path / "h.png")
    assert len(drawn) == len({*drawn}) == 5
    assert [len(figure.axes) for figure in drawn] == [1, 1, 2, 1, 1]  # the scale has its own


def test_no_text_of_a_curve_is_cut_off(drawn: Any) -> None:
    for runs, options in (
        ([123456.0, 99999.0], {}),
        ([0.00012, 0.00001], {}),
        ([-12345.6, 1e7], {}),
        ([1e-5, 1e5], {"log": True}),
        ([0.7, 0.6], {"every": 10**6}),
    ):
        axes = drawn(runs, title="A long title of a picture", **options)
        renderer = FigureCanvasAgg(axes.figure).get_renderer()
        box, paper = axes.get_tightbbox(renderer), axes.figure.bbox
        assert paper.x0 <= box.x0 < box.x1 <= paper.x1, runs
        assert paper.y0 <= box.y0 < box.y1 <= paper.y1, runs
