"""The page of grades: everything found is on it, nothing of it runs, nothing is fetched."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import tinycss2

from tinygrad_dnn.grading import FUNCTIONS, Grade, Grades
from tinygrad_dnn.grading.grades import Step
from viz.page import asset
from viz.palette import DARK, LIGHT, contrast
from viz.reports.grades import MARKS, page_of

EVIL = "<script>alert('x')</script>"
GRADES = (
    Grade("linear_forward", "right", line=3),
    Grade(
        "relu_backward", "wrong", ("dZ is <wrong> & so on",), ("a note",), (), "x = 1\n# " + EVIL
    ),
    Grade(
        "compute_cost",
        "crashed",
        ("ZeroDivisionError",),
        lines=(Step(7, "f", "1 / 0 " + EVIL),),
        line=6,
        code=("def f():", "    1 / 0 " + EVIL),
        lit=(1,),
    ),
    Grade("linear_backward", "timed out", ("still running",)),
    Grade("L_model_backward", "out of memory", ("MemoryError",)),
    Grade("update_parameters", "borrowed", ("it calls the document's own",)),
    Grade("predict", "not written"),
    Grade("relu", "another signature", ("it is relu(a, b)",)),
    Grade("L_model_forward", "cannot tell", ("it was tried with",)),
)


def grades(name: str = "ann.py") -> Grades:
    given = {g.name: g for g in GRADES}
    return Grades(
        Path(name), tuple(given.get(f.name, Grade(f.name, "missing")) for f in FUNCTIONS), (EVIL,)
    )


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert tag not in ("script", "img", "link")
        assert not [name for name in given if name.startswith("on")]
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(path: Path) -> tuple[str, _Tags]:
    text = path.read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert {link.removeprefix("#") for link in tags.links} <= set(tags.ids)
    return text, tags


def test_a_file(tmp_path: Path) -> None:
    text, tags = read(page_of([grades()], tmp_path / "ann.html"))
    assert "<h1>ann.py</h1>" in text
    assert (
        "1 right, 1 wrong, 1 crashed, 1 timed out, 1 out of memory, 1 borrowed, 1 not written, "
        "1 another signature, 1 cannot tell, 8 missing" in text
    )
    assert "dZ is &lt;wrong&gt; &amp; so on" in text
    assert "line 7, in f: 1 / 0 &lt;script&gt;" in text
    assert '<mark><span class="number">7</span>     1 / 0 &lt;script&gt;' in text
    assert "a note" in text
    for status, mark in MARKS.items():
        assert mark in text, status
    assert tags.links == []


def test_a_class(tmp_path: Path) -> None:
    broken = Grades(Path(EVIL), problem="line 1: " + EVIL)
    text, tags = read(page_of([grades("ann.py"), broken, grades("ben.py")], tmp_path / "all.html"))
    assert "In 0 of 3 everything that is there is right." in text
    assert text.count("<tr>") == 4
    assert text.count("<td>1 of 17</td>") == 2
    assert len(tags.links) == 3 + 2 * 8  # the files, and what is not right of two
    assert text.count("linear_forward") >= 3
    assert ">ann.<wbr>py<" in text  # a long path goes on below after a sign, not within a word
    assert 'class="function-name"><span>two_layer_model<' not in text  # nobody has it


def test_only_missing_ones(tmp_path: Path) -> None:
    nothing = Grades(Path("x.py"), tuple(Grade(f.name, "missing") for f in FUNCTIONS))
    text, _ = read(page_of([nothing], tmp_path / "x.html"))
    assert "defines none of the functions that are asked for" in text


def test_the_style_is_sound_and_its_colours_are_of_the_house() -> None:
    rules = tinycss2.parse_stylesheet(asset("reports/grades.css"), skip_comments=True)
    assert not [rule for rule in rules if rule.type == "error"]
    used = set(re.findall(r"var\(--([\w-]+)\)", asset("reports/grades.css")))
    assert used <= LIGHT.keys()


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("ground", ["input-fill", "problem-fill", "param-fill", "paper", "box"])
def test_text_can_be_read(theme: dict[str, str], ground: str) -> None:
    assert contrast(theme["ink"], theme[ground]) >= 4.5


def test_a_page_that_cant_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write"):
        page_of([grades()], tmp_path / "none" / "x.html")
