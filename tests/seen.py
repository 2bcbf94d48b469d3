"""Reading a picture back from its DOT text."""

from __future__ import annotations

import re
from typing import Any

import viz


class Seen:
    """What a picture's DOT text says, without its colours and sizes."""

    def __init__(self, source: str) -> None:
        self.nodes: dict[str, dict[str, str]] = {}
        self.lines: dict[str, list[str]] = {}
        self.arrows: list[tuple[str, str, str]] = []
        self.boxes: dict[str, list[str]] = {}  # id of a scope: the labels from the outermost on
        self.home: dict[str, tuple[str, ...]] = {}
        self.levels: list[set[str]] = []
        path: list[str] = []
        for line in map(str.strip, source.splitlines()):
            if line.startswith("subgraph"):
                path.append("")
            elif line == "}" and path:
                path.pop()
            elif line.startswith("graph [") and path:
                path[-1] = attributes(line)["label"]
                self.boxes[attributes(line)["id"]] = list(path)
            elif line.startswith("{rank=same"):
                self.levels.append(set(line.strip("{}").split()[1:]))
            elif " -> " in line and "style=invis" not in line:
                tail, _, head = line.split()[:3]
                found = attributes(line)
                if found.get("dir") == "back":
                    tail, head = head, tail
                self.arrows.append((tail, head, found["id"]))
            elif found := re.match(r"([ndbfs]\d+(?:[cx]\d+)?) \[", line):
                name = found[1]
                assert name not in self.nodes, f"{name} is there twice"
                self.nodes[name] = attributes(line)
                label = re.sub(r"</?FONT[^>]*>", "", self.nodes[name]["label"][1:-1])
                self.lines[name] = re.findall("<TD>(.*?)</TD>", label)
                self.home[name] = tuple(path)

    def structure(self) -> tuple[Any, ...]:
        kinds = {k: (v["id"], v["class"]) for k, v in self.nodes.items()}
        return kinds, self.lines, self.arrows, self.boxes, self.home, self.levels

    def kinds(self) -> dict[str, str]:
        """The class of each node by the first line of its label."""
        return {self.lines[k][0]: v["class"] for k, v in self.nodes.items()}

    def titles(self) -> list[str]:
        return [lines[0] for lines in self.lines.values()]


def attributes(line: str) -> dict[str, str]:
    pattern = r'(\w+)=(<<.*?>>|<.*?>(?= \w+=|\])|"(?:[^"\\]|\\.)*"|[^ \]]+)'
    return {k: v.strip('"') if v[0] == '"' else v for k, v in re.findall(pattern, line)}


def seen(what: Any, *args: Any, **kwargs: Any) -> Seen:
    return Seen(viz.draw(what, *args, **kwargs).source)
