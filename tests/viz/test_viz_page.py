"""What is put into a page stays what it is and can't break out."""

from __future__ import annotations

import json
import re

import pytest
from drawings import WEIRD

from viz.explorer.page import SCRIPTS, TRAINING
from viz.page import asset, json_in_html, script


@pytest.mark.parametrize(
    "text",
    [
        *(name for name in WEIRD if name != "\ud800"),
        "</script><script>alert(1)</script>", "</SCRIPT >", "<!-- <script>", "<!--<script>-->",
        "-->", "]]>", "<", "</", "<!", "\\</script>", "\u2028\u2029", "<\\/script>",
    ],
)  # fmt: skip
def test_json_arrives_as_it_was_and_ends_nothing(text: str) -> None:
    told = json_in_html({text: [text, {"a": text}]})
    assert json.loads(told) == {text: [text, {"a": text}]}
    assert not re.search(r"</s|<!|<script", told, re.IGNORECASE)
    told.encode()


def test_a_script_keeps_its_code_and_loses_its_comments() -> None:
    for name in (*SCRIPTS, *TRAINING):
        whole, lean = asset(name), script(name)
        assert lean.startswith('"use strict";\n')
        assert "\n//" not in lean
        assert "/**" not in lean
        code = [line.strip() for line in whole.splitlines()]
        kept = [line for line in code if line and not line.startswith(("/**", "*", "//"))]
        assert lean.split("\n") == [*kept, ""]
