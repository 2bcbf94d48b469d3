"""Every command where the output is not UTF-8: letters degrade, nothing fails."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import ALONE, DONE, NO, UNUSABLE, call, command, write_split

from tinygrad_dnn.cli.output import command_line, degraded

ENCODINGS = ("cp1252", "cp850", "ascii", "koi8-r", "shift_jis")
QUICK = ("--iterations", 2, "--layers", "48,3,1", "--no-pictures")

OWN = """
import numpy as np
import tinygrad_dnn as td

def cost():
    W = td.Tensor(np.ones((1, 3)), requires_grad=True, name="W")
    X, Y = td.Tensor(np.ones((3, 4)), name="X"), td.Tensor(np.ones((1, 4)), name="Y")
    A = td.sigmoid(W @ X)
    cost = -(Y * np.log(A) + (1 - Y) * np.log(1 - A)).mean()
    return cost

def poids():
    σ = td.Tensor(np.ones(3), requires_grad=True, name="σ")
    return (σ * σ).sum()
"""
HOMEWORK = "import numpy as np\n\ndef sigmoid(Z):\n    return 1 / (1 + np.exp(Z)), Z\n"

COMMANDS = {
    "train": ("train", "train.h5", *QUICK),
    "predict": ("predict", "model.h5", "test.h5"),
    "check": ("check", "--layers", "3,2,1", "--examples", 4),
    "check, code": ("check", "homework.py"),
    "draw": ("draw", "own.py:poids", "-o", "g.dot"),
    "explore": ("explore", "own.py:poids", "-o", "g.html"),
    "derive": ("derive", "own.py:cost", "--steps"),
    "compile": ("compile", "model.h5", "-o", "net.py"),
}


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    """Every test runs in a copy of it, with code to draw and to grade."""
    (folder / "own.py").write_text(OWN, encoding="utf-8")
    (folder / "homework.py").write_text(HOMEWORK, encoding="utf-8")
    return folder


def printed(monkeypatch: pytest.MonkeyPatch, encoding: str, *words: Any) -> tuple[int, str, str]:
    """Status, output and errors of a command on streams of an encoding that refuse the rest."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        try:
            status = call(*words)
        except SystemExit as left:
            status = int(left.code or 0)
    for stream in streams:
        stream.flush()
        assert stream.errors == "strict"  # as it was
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)  # type: ignore[attr-defined]
    return status, out, err


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_s100_every_command_prints_in_every_encoding(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, words in COMMANDS.items():
        status, out, err = printed(monkeypatch, encoding, *words)
        expected = NO if name == "check, code" else DONE
        assert (status, err) == (expected, ""), name
        assert "\\u" not in out
        if name == "train":
            assert "log sigma(Z) is rewritten" in out or "log σ(Z) is rewritten" in out
        if name == "derive":
            assert ("sigma(" in out) == (encoding != "shift_jis")
    for words in ([], ["train"], ["compile"]):
        assert printed(monkeypatch, encoding, *words, "--help")[0] == DONE
    status, _, err = printed(monkeypatch, encoding, "predict", "σ.h5")
    assert status == UNUSABLE
    assert "sigma.h5" in err or "σ.h5" in err


def test_json_is_whole_in_every_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("homework.py").rename("σ.py")
    _, out, _ = printed(monkeypatch, "cp1252", "check", "σ.py", "--json")
    assert json.loads(out)["file"] == "σ.py"


def test_a_program_whose_output_is_redirected_on_windows(folder: Path) -> None:
    done = subprocess.run(
        command("train", "train.h5", *QUICK),
        env=os.environ | ALONE | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (DONE, b"")
    assert b"log sigma(Z) is rewritten" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="names are bytes on POSIX alone")
def test_a_file_name_that_does_not_decode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoding = "ascii"
    data, out = os.fsdecode(b"d\xff\xe9.h5"), os.fsdecode(b"r\xff")
    try:
        write_split(Path(data), "train", 30, seed=1)
    except OSError:
        pytest.skip("this file system has no such names")
    status, told, err = printed(monkeypatch, encoding, "train", data, *QUICK[:-1], "--out", out)
    assert (status, err) == (DONE, "")
    assert r"on 30 examples of d\xff\xe9.h5: " in told
    use = told.splitlines()[-1].removeprefix("use it: ").replace("tinygrad-dnn", "printf '%s\\n'")
    names = subprocess.run(["bash", "-c", use], capture_output=True, check=True).stdout.split()
    assert names[1:] == [b"r\xff/model.h5", b"d\xff\xe9.h5"]  # a shell finds the files
    model = f"{out}/model.h5"
    for words in (
        ("predict", model, data),
        ("check", model, "--examples", 4),
        ("draw", model, "-o", f"{out}/g.svg"),
        ("explore", model, "-o", f"{out}/g.html"),
        ("derive", model, "-o", f"{out}/d.html"),
        ("compile", model, "-o", f"{out}/net.py"),
    ):
        status, _, err = printed(monkeypatch, encoding, *words)
        assert (status, err) == (DONE, ""), words
    Path("homework.py").rename(f"{out}/h.py")
    pages = ("--html", f"{out}/g.html", "--csv", f"{out}/g.csv")
    status, told, _ = printed(monkeypatch, encoding, "check", f"{out}/h.py", *pages)
    assert (status, told.startswith(r"r\xff/h.py: ")) == (NO, True)
    status, _, err = printed(monkeypatch, encoding, "predict", model, data + "none")
    assert (status, "\\xe9.h5none: " in err) == (UNUSABLE, True)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("log σ(Z) → −∞", "log sigma(Z) -> -inf"),
        ("x⁻¹ + W²ⱼ₍ᵢ₎ Xᵀ", "x^-1 + W^2_j(i) X^T"),
        ("é Ä ½ ß λ Λ", "e A 1/2 ss lambda Lambda"),
        ("d\udcff 日", r"d\xff \u65e5"),
        ("x̄ ≠ 0", "x != 0"),
    ],
)
def test_letters_degrade(text: str, plain: str) -> None:
    assert degraded(text) == plain
    for encoding in ("ascii", "shift_jis"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="tinygrad_dnn.degrade")
        stream.write(text)
        stream.flush()
    assert degraded(text).isascii()


def test_every_sign_of_the_package_has_letters() -> None:
    import tinygrad_dnn
    import viz

    for package in (tinygrad_dnn, viz):
        for path in Path(package.__file__ or "").parent.rglob("*.py"):
            signs = {c for c in path.read_text(encoding="utf-8") if ord(c) > 127}
            assert not {c for c in signs if "\\" in degraded(c)}, path


def test_a_command_line_names_its_files_in_every_encoding() -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert command_line(["a b", "σ'\\", "c"], ascii_only) == r"'a b' $'\u03c3\'\\' c"
