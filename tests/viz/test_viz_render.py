"""Pictures as files: with the wheel alone, with a system's `dot` that misbehaves, with neither."""

from __future__ import annotations

import re
import shutil
import stat
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import graphviz
import numpy as np
import pytest
from drawings import WEIRD, named, neuron, shared, two_layers

import viz
from tinygrad_dnn import Tensor, relu, scope
from viz.drawing import render
from viz.subject import visible

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"

needs_wheel = pytest.mark.skipif(
    render._wheel() is None, reason="the wheel graphviz-pure is not installed here"
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="fakes `dot` with a script")

Which = Callable[..., str | None]


@pytest.fixture
def no_system_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    which: Which = shutil.which
    monkeypatch.setattr(render.shutil, "which", lambda name: None if name == "dot" else which(name))


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(name: str) -> Any:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(render, "distribution", distribution)
    which: Which = shutil.which
    monkeypatch.setattr(
        render.shutil, "which", lambda name: None if name == "graphviz-pure" else which(name)
    )


@pytest.fixture
def fake_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A system's `dot` that does what it is told in Python; only it is found on the path."""

    def fake(body: str) -> None:
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(
            render.shutil, "which", lambda name: str(program) if name == "dot" else None
        )

    return fake


def elements(path: Path, kind: str) -> dict[str, ET.Element]:
    """The <g> of a class by id."""
    found = ET.parse(path).getroot().iter(f"{SVG}g")
    return {g.attrib["id"]: g for g in found if kind in g.attrib.get("class", "").split()}


def texts(element: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def files(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_file())


# --- svg ------------------------------------------------------------------------------------------


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_one_line_writes_an_svg_with_ids_classes_and_texts(tmp_path: Path) -> None:
    path = viz.save(viz.draw(two_layers()), tmp_path / "graph.svg")
    assert path == tmp_path / "graph.svg"
    assert files(tmp_path) == ["graph.svg"]
    nodes, edges, boxes = (elements(path, kind) for kind in ("node", "edge", "cluster"))
    assert set(nodes) == {f"n{i}" for i in range(len(nodes))}
    title = {k: texts(g)[0] for k, g in nodes.items()}
    assert {"X", "W1", "A1 = relu(Z1)", "A2 = σ(Z2)"} <= set(title.values())
    assert texts(next(g for k, g in nodes.items() if title[k].startswith("Z1"))) == [
        "Z1 = W1 X + b1", "(4, 5) float64",
    ]  # fmt: skip
    assert {title[k] for k in elements(path, "param")} == {"W1", "b1", "W2", "b2"}
    assert {title[k] for k in elements(path, "input")} == {"X", "Y"}
    assert len(edges) == viz.draw(two_layers()).source.count(" -> ")
    assert {"n2-n4-0", "n0-n4-1"} <= set(edges)
    assert {k: texts(g) for k, g in boxes.items()} == {
        "s0": ["layer 1"], "s1": ["layer 2"], "s2": ["cost"],
    }  # fmt: skip
    assert set(elements(path, "scope")) == set(boxes)


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
@pytest.mark.parametrize("name", WEIRD)
def test_whatever_a_name_is_the_svg_shows_it_as_it_is(name: str, tmp_path: Path) -> None:
    x = Tensor(1.0, name=name)
    with scope(name):
        y = named(x + 1.0, name)
    path = viz.save(viz.draw(y), tmp_path / "weird.svg")
    root = ET.parse(path).getroot()
    shown = visible(name)
    assert texts(elements(path, "node")["n0"])[0].strip() == shown.strip()
    assert texts(elements(path, "cluster")["s0"])[0].strip() == shown.strip()
    links = [a.attrib[f"{XLINK}title"] for a in root.iter(f"{SVG}a")]
    assert links[0].strip() == f"{shown}, scalar float64".strip()
    assert {e.tag for e in root.iter()} <= {
        SVG + tag for tag in ("svg", "g", "title", "text", "polygon", "path", "ellipse", "a",
                              "polyline")
    }  # fmt: skip


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_a_viewer_without_helvetica_is_told_fonts_as_narrow(tmp_path: Path) -> None:
    text = viz.save(viz.draw(neuron()), tmp_path / "g.svg").read_text(encoding="utf-8")
    assert text.count("<text") == text.count("Liberation Sans, Arimo, Nimbus Sans, DejaVu Sans Con")


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_three_hundred_nodes_do_not_take_for_ever(tmp_path: Path) -> None:
    y = Tensor(np.ones(3), name="x")
    for i in range(100):
        y = relu(y * Tensor(np.ones(3), requires_grad=True, name=f"w{i}"))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        viz.save(viz.draw(y, fold=False), tmp_path / "g.svg")
        seconds.append(time.perf_counter() - start)
    assert len(elements(tmp_path / "g.svg", "node")) == 301
    assert min(seconds) < 5  # a tenth of a second on a quiet machine


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_random_graphs_with_tangled_scopes_are_drawn_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        pool = [Tensor(np.ones((2, 2)), requires_grad=True), Tensor(np.ones((2, 2)))]
        for _ in range(30):
            outer, inner = (f"scope {k}" for k in rng.integers(3, size=2))
            x, y = (pool[int(k)] for k in rng.integers(max(0, len(pool) - 8), len(pool), size=2))
            with scope(outer), scope(inner):
                fresh = Tensor(np.ones((2, 2)), requires_grad=True)
                pool.append((x @ y, relu(x), x + fresh, x * np.ones((2, 2)))[rng.integers(4)])
        for merge in (False, True):
            picture = viz.draw(pool[-1], merge=merge)
            path = viz.save(picture, tmp_path / "g.svg")
            assert len(elements(path, "edge")) == picture.source.count(" -> ")


# --- png, pdf, dot --------------------------------------------------------------------------------


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_png_has_twice_the_points_of_the_svg(tmp_path: Path) -> None:
    data = viz.save(viz.draw(shared()), tmp_path / "g.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width = int.from_bytes(data[16:20], "big")
    svg = ET.parse(viz.save(viz.draw(shared()), tmp_path / "g.svg")).getroot()
    assert width == pytest.approx(2 * float(svg.attrib["width"].removesuffix("pt")), rel=0.02)


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_png_of_a_product_has_a_sign_for_it_and_not_a_box(tmp_path: Path) -> None:
    x, y = Tensor(np.ones(2), name="x"), Tensor(np.ones(2), name="y")
    picture = viz.draw(x * y)
    assert "x ⊙ y" in picture.source
    product = viz.save(picture, tmp_path / "a.png").read_bytes()
    unknown = graphviz.Source(picture.source.replace("⊙", "⊗"))  # another sign the font lacks
    assert product != viz.save(unknown, tmp_path / "b.png").read_bytes()
    lookalike = graphviz.Source(picture.source.replace("⊙", "ʘ"))
    assert product == viz.save(lookalike, tmp_path / "c.png").read_bytes()
    assert "⊙" in viz.save(picture, tmp_path / "a.svg").read_text(encoding="utf-8")


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_letters_that_the_png_font_lacks_are_announced(tmp_path: Path) -> None:
    picture = viz.draw(Tensor(1.0, name="層"))
    with pytest.warns(UserWarning, match=r"no glyph for 層.*save an \.svg"):
        viz.save(picture, tmp_path / "g.png")
    viz.save(picture, tmp_path / "g.svg")  # a browser has more fonts; warnings are errors here


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_pdf_without_a_system_dot_is_refused_with_the_remedies(tmp_path: Path) -> None:
    picture = viz.draw(neuron())
    with pytest.raises(OSError, match=r"draws no pdf; save an \.svg.*install Graphviz") as raised:
        viz.save(picture, tmp_path / "g.pdf")
    assert str(tmp_path / "g.dot") in str(raised.value)
    assert files(tmp_path) == ["g.dot"]
    assert (tmp_path / "g.dot").read_text(encoding="utf-8") == picture.source


@pytest.mark.usefixtures("no_system_dot", "no_wheel")
def test_dot_needs_no_program(tmp_path: Path) -> None:
    picture = viz.draw(two_layers())
    path = viz.save(picture, str(tmp_path / "graph.dot"))
    assert path.read_text(encoding="utf-8") == picture.source


@pytest.mark.usefixtures("no_system_dot")
def test_without_any_program_the_dot_text_is_left_and_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "_wheel", lambda: None)
    with pytest.raises(OSError, match="pip install graphviz-pure, or install Graphviz") as raised:
        viz.save(viz.draw(neuron()), tmp_path / "graph.svg")
    assert str(tmp_path / "graph.dot") in str(raised.value)
    assert files(tmp_path) == ["graph.dot"]


@needs_wheel
def test_the_wheel_is_found_where_pip_put_it_even_if_that_is_not_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    found = render._wheel()
    assert found is not None
    assert Path(found).stem == "graphviz-pure"


@pytest.mark.usefixtures("no_wheel")
def test_a_wheel_that_is_not_there_is_not_found() -> None:
    assert render._wheel() is None


# --- a system's dot -------------------------------------------------------------------------------

GOOD = "sys.stdin.read(); sys.stdout.write('<svg>' + ' '.join(sys.argv[1:]) + '</svg>\\n')"


@posix
def test_the_systems_dot_is_preferred(fake_dot: Any, tmp_path: Path) -> None:
    fake_dot(GOOD)
    path = viz.save(viz.draw(neuron()), tmp_path / "g.SVG")
    assert path.read_text(encoding="utf-8") == "<svg>-Kdot -Tsvg</svg>\n"
    other = graphviz.Graph(engine="neato")
    assert "-Kneato" in viz.save(other, tmp_path / "n.svg").read_text(encoding="utf-8")


@posix
def test_the_systems_dot_draws_pdf(fake_dot: Any, tmp_path: Path) -> None:
    fake_dot("sys.stdout.write('%PDF-1.7 ... %%EOF\\n')")
    assert viz.save(viz.draw(neuron()), tmp_path / "g.pdf").read_bytes().startswith(b"%PDF")


BROKEN = {
    "fails though it prints a picture": GOOD + "; sys.exit('Error: <stdin>: syntax error')",
    "prints half a picture": "sys.stdout.write('<svg><g>')",
    "prints nothing": "",
    "prints something else": "print('dot - graphviz version 2.43.0')",
    "never ends": "time.sleep(60)",
    "dies": "import os; os.kill(os.getpid(), 9)",
}


@posix
@needs_wheel
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_where_the_systems_dot_fails_the_wheel_draws(
    body: str, fake_dot: Any, tmp_path: Path
) -> None:
    fake_dot(body)
    path = viz.save(viz.draw(neuron()), tmp_path / "g.svg", timeout=2)
    assert len(elements(path, "node")) == 6


@posix
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_failure_is_told_and_what_stood_there_stays(
    body: str, fake_dot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_dot(body)
    monkeypatch.setattr(render, "_wheel", lambda: None)
    (tmp_path / "g.svg").write_text("the old one", encoding="utf-8")
    reason = {
        "fails though it prints a picture": "exit code 1, Error: <stdin>: syntax error",
        "never ends": "stopped after 0.5 seconds",
        "dies": "exit code -9",
    }.get(next(k for k, v in BROKEN.items() if v == body), "exit code 0, no whole svg")
    with pytest.raises(OSError, match=reason):
        viz.save(viz.draw(neuron()), tmp_path / "g.svg", timeout=0.5)
    assert (tmp_path / "g.svg").read_text(encoding="utf-8") == "the old one"
    assert files(tmp_path) == ["g.dot", "g.svg"]


@needs_wheel
@pytest.mark.usefixtures("no_system_dot")
def test_bad_dot_is_an_error_though_the_wheel_may_print_a_picture(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"graphviz-pure: exit code 1, .*syntax error"):
        viz.save(graphviz.Source("digraph { a -> }"), tmp_path / "g.svg")
    assert files(tmp_path) == ["g.dot"]


@posix
def test_a_program_that_cannot_be_started_is_told(
    fake_dot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_dot("")
    (tmp_path / "bin" / "dot").write_text("#!/nowhere/python\n", encoding="utf-8")
    monkeypatch.setattr(render, "_wheel", lambda: None)
    with pytest.raises(OSError, match="dot: No such file or directory"):
        viz.save(viz.draw(neuron()), tmp_path / "g.svg")


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["graph.gif", "graph", "graph.svg.", ".svg"])
def test_other_endings_are_refused_with_those_there_are(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot"):
        viz.save(viz.draw(neuron()), tmp_path / name)
    assert files(tmp_path) == []


@pytest.mark.parametrize("what", [neuron(), "digraph {}", None])
def test_what_is_no_picture_is_refused(what: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"save: expected a picture.*viz\.save\(viz\.draw\(cost\)"):
        viz.save(what, tmp_path / "g.svg")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    picture = viz.draw(neuron())
    with pytest.raises(FileNotFoundError, match=r"cannot write .*missing.*g\.dot"):
        viz.save(picture, tmp_path / "missing" / "g.dot")
    (tmp_path / "folder.dot").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*folder\.dot"):
        viz.save(picture, tmp_path / "folder.dot")
    assert files(tmp_path) == []  # no temporary file stays behind


@posix
def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.dot").write_text("old", encoding="utf-8")
    (tmp_path / "link.dot").symlink_to(tmp_path / "real.dot")
    viz.save(viz.draw(neuron()), tmp_path / "link.dot")
    assert (tmp_path / "link.dot").is_symlink()
    assert (tmp_path / "real.dot").read_text(encoding="utf-8").startswith("digraph")


def test_the_lines_of_a_box_stand_in_its_middle_whatever_the_readers_font(tmp_path: Path) -> None:
    drawing = viz.save(viz.draw(two_layers(), fold="layer 2"), tmp_path / "graph.svg")
    root = ET.fromstring(drawing.read_bytes())
    shapes = {"ellipse": "cx", "polygon": "points", "path": "d"}
    boxes = [g for g in root.iter(SVG + "g") if g.get("class", "").startswith("node")]
    assert {g.get("class") for g in boxes} >= {"node param", "node input", "node op", "node folded"}
    for box in boxes:
        (shape, *_) = [e for e in box.iter() if e.tag.removeprefix(SVG) in shapes]
        corners = re.findall(r"-?[\d.]+", shape.get(shapes[shape.tag.removeprefix(SVG)]))
        across = [float(x) for x in (corners if shape.get("cx") else corners[::2])]
        for text in box.iter(SVG + "text"):
            assert text.get("text-anchor") == "middle"
            middle = (min(across) + max(across)) / 2
            assert float(text.get("x")) == pytest.approx(middle, abs=0.01)


def test_a_picture_of_ones_own_keeps_its_text_where_graphviz_put_it(tmp_path: Path) -> None:
    own = graphviz.Digraph()
    own.node("a", "to the left\\lof the box\\l")
    drawing = viz.save(own, tmp_path / "own.svg").read_text(encoding="utf-8")
    assert 'text-anchor="middle"' not in drawing


def test_the_pictures_own_save_draws_too(tmp_path: Path) -> None:
    picture = viz.draw(Tensor([1.0, 2.0], requires_grad=True, name="w").sum())
    assert picture.save(tmp_path / "a.svg") == str(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == viz.save(picture, tmp_path / "b.svg").read_bytes()
    picture.save("c.png", directory=tmp_path / "new")
    assert (tmp_path / "new" / "c.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "kept.svg").write_text("as it was")
    picture.save(tmp_path / "kept.svg", skip_existing=True)
    assert (tmp_path / "kept.svg").read_text() == "as it was"
    picture.save(tmp_path / "d.gv")
    assert (tmp_path / "d.gv").read_text().startswith("digraph")
    if shutil.which("dot"):
        assert picture.render(tmp_path / "e.svg", format="png").endswith("e.svg.png")
