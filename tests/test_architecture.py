"""The picture of the architecture shows the imports of today."""

import re
from html import unescape
from importlib import import_module

import pytest


def test_the_picture_shows_the_imports_of_today() -> None:
    pytest.importorskip("grimp", reason="import-linter is not installed: pip install '.[dev]'")
    architecture = import_module("architecture")
    text = architecture.PICTURE.read_text(encoding="utf-8")
    drawn = {unescape(t).replace("–", "-") for t in re.findall(r"<title>([^<]*&gt;[^<]*)", text)}
    arrows = architecture.reduced(architecture.imports())
    assert drawn == {f"{a}->{b}" for a, b in arrows}
    assert ("autodiff", "ops") in arrows
    assert ("cli", "graph") not in arrows  # it follows from others
