"""Options that take one of some names: however it is written, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from commands import DONE, call, complaint

from tinygrad_dnn.cli.arguments import parser
from tinygrad_dnn.cli.choices import Choice, chosen
from tinygrad_dnn.cli.config import checked, keys

Out = pytest.CaptureFixture[str]


def options() -> Iterator[tuple[str, Choice]]:
    """Those of all commands."""
    commands: Any = next(a.choices for a in parser()._actions if a.dest == "command")
    for command, of_it in commands.items():
        for action in of_it._actions:
            if isinstance(action.type, Choice):
                yield f"{command} {action.option_strings[-1]}", action.type
            else:  # there is no other kind
                assert not action.choices or command == "exercise", action


def names(choice: Choice) -> list[str]:
    if not isinstance(choice.names, str):
        return [*choice.names]
    module, _, variable = choice.names.partition(":")
    return [*getattr(import_module(module), variable)]


def test_s341_a_name_is_known_however_it_is_written() -> None:
    found = dict(options())
    assert {"train --optimizer", "train --head", "draw --backward", "check --visibility"} < {*found}
    for choice in found.values():
        for name in names(choice):
            for spelling in (name, name.upper(), name.replace("_", "-").title(), f" {name} "):
                assert choice(spelling) == name
        assert len({name.lower() for name in names(choice)}) == len(names(choice))
    for key, action in keys().items():  # in files too
        if isinstance(action.type, Choice):
            (name, *_) = names(action.type)
            assert checked(Path("a.toml"), key, action, name.upper()) == name
    init = keys()["init"]
    assert checked(Path("a.toml"), "init", init, 0.01) == "0.01"


def test_a_command_is_told_the_nearest_too(capsys: Out) -> None:
    for words, told in (
        (["trian"], "error: command: expected one of train, sweep, predict, check, draw, "),
        (["trian"], "got 'trian'; did you mean train?"),
        (["Train", "--help"], "usage: tinygrad-dnn train"),
    ):
        with pytest.raises(SystemExit):
            call(*words)
        assert told in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--optimizer", "adma"], "adam, adamw, got 'adma'; did you mean adam?"),
        (["--head", "Soft max"], "huber, got 'Soft max'; did you mean softmax?"),
        (["--cost", "hinge"], "--cost: expected one of document, stable, softmax, squared, absol"),
        (["--init", "zeros"], "one of sqrt, he, glorot, orthogonal, 0.01, got 'zeros'\n"),
        (["--dtype", "int8"], "--dtype: expected one of float64, float32, got 'int8'\n"),
    ],
)
def test_another_name_is_told_the_nearest(words: list[str], told: str, capsys: Out) -> None:
    with pytest.raises(SystemExit) as left:
        call("train", *words)
    assert left.value.code == 2
    assert told in capsys.readouterr().err


def test_what_is_written_otherwise_is_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--iterations", 1, "--no-pictures", "--batch-size", "ALL", "--device", "CPU")
    more = ("--optimizer", "ADAM", "--activation", "leaky-ReLU", "--class-weight", "Balanced")
    assert call("train", *words, *more) == DONE
    assert "leaky_relu, class weight balanced" in capsys.readouterr().out
    text = 'optimizer = ["adam", "Adam", "SGD"]\ninit = [0.01, "0.01"]\nscore = "Cost"\n'
    Path("s.toml").write_text(text)
    assert call("sweep", "s.toml", "--dry-run") == DONE
    assert capsys.readouterr().out.startswith("2 runs: 2 settings; cost on")
    Path("s.toml").write_text('score = "acuracy"')
    assert "got 'acuracy'; did you mean accuracy?" in complaint(capsys, "sweep", "s.toml")


def test_what_is_near_nothing_is_answered_with_all() -> None:
    with pytest.raises(ValueError, match=r"^expected one of a, b, got 'xyz'$"):
        chosen("xyz", ("a", "b"))
