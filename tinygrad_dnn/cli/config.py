"""The config file of `train`: its options as TOML, read into arguments, written for a run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from tinygrad_dnn.cli.choices import Choice, nearest
from tinygrad_dnn.cli.kinds import (
    ALL,
    class_weight,
    count,
    depth,
    device,
    layer_list,
    picture_size,
    seed,
    share,
    size,
)
from tinygrad_dnn.cli.train_arguments import train_arguments

VERSION = 1
FILES = ("train", "test")
# Of one call, not of a run.
NO_KEYS = (
    "help", "config", "resume", "find_learning_rate", "cluster", "scheduler", "insecure",
)  # fmt: skip
TEXT = (str,), 'text, in quotes as "adam"'
# What a key's value is in TOML, by what its option accepts.
KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    count: ((int,), "an integer from 1"),
    depth: ((int,), "an integer from 0"),
    seed: ((int,), "an integer from 0"),
    size: ((int, str), f'an integer from 1, or "{ALL}"'),
    float: ((int, float), "a number"),
    share: ((float,), "a share such as 0.2"),
    picture_size: ((str,), 'height x width, as "64x64"'),
    layer_list: ((list,), "sizes such as [12288, 20, 7, 5, 1]"),
    **dict.fromkeys((None, device, class_weight), TEXT),
}
NAME = (str, float), TEXT[1]  # of a Choice; init = 0.01 is one
HEAD = f"""\
# The settings of a run of tinygrad-dnn; `tinygrad-dnn train --config FILE` repeats it bit for bit.
# The keys are the options of `tinygrad-dnn train --help`; what is said there wins. A file is looked
# for beside this one.

version = {VERSION}
"""


def _groups() -> Iterator[tuple[str, dict[str, argparse.Action]]]:
    """The options that are keys, by the headings of the help."""
    parser = argparse.ArgumentParser(add_help=False)
    train_arguments(parser)
    for group in parser._action_groups:
        keys = {_key(a): a for a in group._group_actions if a.option_strings}
        yield group.title or "", {k: a for k, a in keys.items() if k not in NO_KEYS}


def _key(action: argparse.Action) -> str:
    long = next(word for word in action.option_strings if word.startswith("--"))
    return long.lstrip("-").replace("-", "_")


# --- reading --------------------------------------------------------------------------------------


def read_config(args: argparse.Namespace) -> None:
    """Put what `args.config` says into `args`, where the command line says nothing.

    Raises:
        ValueError: no TOML, a version that is newer, an unknown key, a value of another kind.
        OSError: it can't be read.
    """
    path = Path(args.config)
    fill(args, path, parsed(path))


def fill(args: argparse.Namespace, path: Path, given: Mapping[str, Any]) -> None:
    """Put what the file at `path` gave into `args`, where they say nothing.

    Raises:
        ValueError: as `read_config`.
    """
    known = keys()
    on_the_line = {dest for dest, value in vars(args).items() if value not in (None, [])}
    for name, value in given.items():
        key = known_key(path, name, known)
        action = known[key]
        found = checked(path, key, action, value)
        said = {action.dest}
        if key in FILES:
            said.add("files")
            found = str(path.parent / found)
        elif key in ("iterations", "epochs"):
            said = {"iterations", "epochs"}
        elif key in ("head", "cost"):
            said = {"head", "cost"}
        if not said & on_the_line:
            setattr(args, action.dest, found)


def keys() -> dict[str, argparse.Action]:
    """The keys of a config file, with the options that they are."""
    return {k: a for _, group in _groups() for k, a in group.items()}


def known_key(path: Path, name: str, known: Collection[str]) -> str:
    """The key of that name, which may be written with dashes.

    Raises:
        ValueError: there is none; the message says the nearest.
    """
    key = name.replace("-", "_")
    if key not in known:
        near = nearest(key, known, 0.5)
        hint = f"did you mean {near}?" if near else f"expected some of {', '.join(known)}"
        raise ValueError(f"{path}: unknown key {name!r}; {hint}")
    return key


def parsed(path: Path) -> dict[str, Any]:
    """The keys and values of a file, without its version.

    Raises:
        ValueError: no TOML, or a version that is newer.
        OSError: it can't be read.
    """
    import tomllib  # only where there is a file to read

    try:
        given = tomllib.loads(path.read_bytes().decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected TOML, which is UTF-8: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: expected TOML, keys and values: {error}") from None
    version = given.pop("version", VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ValueError(f"{path}: version: expected {VERSION}, got {version!r}")
    if version > VERSION:
        raise ValueError(
            f"{path}: its version is {version}, this tinygrad-dnn reads up to {VERSION}; update "
            "it, or write the settings anew"
        )
    return given


def checked(path: Path, key: str, action: argparse.Action, value: Any) -> Any:
    """What the option would be on the command line.

    Raises:
        ValueError: a value of another kind.
    """
    where = f"{path}: {key}"
    if action.nargs == 0:  # a switch
        if not isinstance(value, bool):
            raise ValueError(f"{where}: expected true or false, got {_toml(value)}")
        return action.const if value else None
    if key == "class_weight" and isinstance(value, list):
        value = ",".join(map(str, value))
    convert: Callable[[str], Any] | None = action.type  # type: ignore[assignment]
    types, words = NAME if isinstance(convert, Choice) else KINDS[convert]
    if not isinstance(value, types) or isinstance(value, bool):
        raise ValueError(f"{where}: expected {words}, got {_toml(value)}")
    if convert is None:
        return value
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        return convert(text)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{where}: {error}") from None


# --- writing --------------------------------------------------------------------------------------


def config_text(values: Mapping[str, Any], digits: bool) -> str:
    """A config file of these values by key; those that are None are left out.

    A file's name that is no Unicode can't stand in TOML; a comment says so.
    """
    parts = [HEAD]
    for title, actions in _groups():
        lines = [
            line for key in actions if values.get(key) is not None for line in _line(key, values)
        ]
        if title == "options" and digits:
            lines.insert(0, "# trained on the digits that come along")
        if lines:
            heading = "the data" if title == "options" else title
            parts.append("\n".join([f"# {heading}", *lines, ""]))
    return "\n".join(parts)


def _line(key: str, values: Mapping[str, Any]) -> list[str]:
    text = f"{key} = {_toml(values[key])}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return [f"# {key}: its name is no Unicode; say it on the command line"]
    return [text]


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the one control character that JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    return "a table" if isinstance(value, dict) else str(value)
