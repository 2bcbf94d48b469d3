"""The README's Python snippets run, in order, as one session; its commands name what exists."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import tinygrad_dnn
from tinygrad_dnn.cli.main import main
from tinygrad_dnn.ops import REGISTRY

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    yield names
    REGISTRY.pop("swish", None)


def test_the_snippets_run(session, tmp_path, capsys) -> None:
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), session)
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert session["Z1"].grad.shape == (8, 200)
    assert "-0.56520" in capsys.readouterr().out  # tanh'''(0.5) = 4 t² s − 2 s², s = 1 − t²


def test_the_errors_are_what_it_says(session) -> None:
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), session)
    session |= {n: getattr(tinygrad_dnn, n) for n in ("debug", "log", "sigmoid", "Tensor")}
    (transcript,) = blocks("pycon")
    statements = re.split(r"^>>> ", transcript, flags=re.MULTILINE)[1:]
    assert len(statements) == 3
    for statement in statements:
        code, said = statement.split("\n", 1)
        refusal = pytest.raises((TypeError, ValueError, FloatingPointError))
        with np.errstate(all="ignore"), refusal as caught:
            exec(code, session)
        expected = " ".join(said.split()).removesuffix("...").strip()
        got = f"{type(caught.value).__name__}: {caught.value}"
        assert got.startswith(expected)


def test_the_commands_parse() -> None:
    commands = [line[2:] for block in blocks("console") for line in block.splitlines()]
    assert commands
    for command in commands:
        name = command.split()[1]
        with pytest.raises(SystemExit) as stopped:
            main([name, "--help"])
        assert stopped.value.code == 0


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README))
def test_the_links_lead_somewhere(link) -> None:
    assert (ROOT / next(part for part in link if part)).exists()


def test_the_emitted_step_is_what_is_printed(session) -> None:
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), session)
    source = session["step"].source
    body = source[source.index("    def step(") : source.index("    return step\n")]
    (printed,) = blocks("text")
    assert printed.strip() == textwrap.dedent(body).strip()
