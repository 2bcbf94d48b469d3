"""The command line as such: help, statuses, pipes, and what it loads before it must."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import ALONE, DONE, INTERRUPTED, UNUSABLE, call, command, run

import tinygrad_dnn
from tinygrad_dnn.cli import main as program

COMMANDS = ("train", "predict", "check", "draw", "explore")


@pytest.mark.parametrize("words", [[], *([c] for c in COMMANDS)], ids=lambda w: " ".join(w) or "-")
def test_help_answers_before_anything_heavy_is_loaded(words: list[str]) -> None:
    script = (
        "import sys\n"
        "from tinygrad_dnn.cli.main import main\n"
        "try:\n"
        "    main([*sys.argv[1:], '--help'])\n"
        "finally:\n"
        "    loaded = {'numpy', 'h5py', 'graphviz', 'tqdm', 'matplotlib', 'PIL'} & {*sys.modules}\n"
        "    assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (DONE, "")
    assert done.stdout.startswith(" ".join(["usage: tinygrad-dnn", *words]))


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call("--help")
    assert left.value.code == DONE
    out = capsys.readouterr().out
    assert all(f"\n    {c} " in out for c in COMMANDS)
    with pytest.raises(SystemExit):
        call("train", "--help")
    out = capsys.readouterr().out
    for option in (
        "--train", "--test", "--x", "--y", "--classes", "--layers", "--learning-rate",
        "--iterations", "--seed", "--init", "--dtype", "--cost", "--out", "--checkpoint-every",
        "--resume", "--no-pictures",
    ):  # fmt: skip
        assert f"  {option}" in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        call("--version")
    assert left.value.code == DONE
    assert capsys.readouterr().out == f"tinygrad-dnn {tinygrad_dnn.__version__}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        ([], "    train     train a network"),  # who types the name alone is shown what there is
        (["learn"], "command: expected one of train, sweep"),
        (["train", "--layers", "4,x,1"], "--layers: expected sizes such as 12288,20,7,5,1, got"),
        (["train", "--layers", ""], "--layers: expected sizes such as 12288,20,7,5,1, got ''"),
        (["train", "--iterations", "0"], "--iterations: expected an integer from 1, got '0'"),
        (["train", "--iterations", "-5"], "--iterations: expected an integer from 1, got '-5'"),
        (["train", "--iterations", "1e3"], "--iterations: expected an integer from 1, got '1e3'"),
        (["train", "--checkpoint-every", "0"], "--checkpoint-every: expected an integer from 1"),
        (["train", "--seed", "-1"], "--seed: expected an integer from 0 to 2**32 - 1, got '-1'"),
        (["check", "--seed", str(2**32)], "--seed: expected an integer from 0 to 2**32 - 1"),
        (["train", "--learning-rate", "fast"], "--learning-rate: invalid float value: 'fast'"),
        (
            ["train", "--learning_rate=1"],
            "unrecognized arguments: --learning_rate=1; did you mean --learning-rate?",
        ),
        (["train", "--frobnicate"], "unrecognized arguments: --frobnicate"),
        (["predict"], "the following arguments are required: MODEL"),
        (["check", "--examples", "0"], "--examples: expected an integer from 1, got '0'"),
    ],
)
def test_unusable_arguments(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        call(*words)
    assert left.value.code == UNUSABLE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert complaint in captured.err
    assert captured.err.startswith("usage: tinygrad-dnn")


def test_sizes_may_be_written_with_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", "--layers", "3-2-1", "--examples", "4") == DONE
    assert capsys.readouterr().out.startswith(
        "layers 3-2-1, weights of seed 1, 4 random examples\n"
    )


def test_python_m_is_the_same_program() -> None:
    done = run("check", "--layers", "3,2,1", "--examples", "4")
    assert (done.returncode, done.stderr) == (DONE, "")
    assert "All agree" in done.stdout


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError(2, "No such file or directory", "x.png"), "x.png: No such file or dir"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("costs.csv: no luck"), "costs.csv: no luck"),
        (ValueError("labels: no luck"), "labels: no luck"),
        (TypeError("columns: no luck"), "columns: no luck"),
        (MemoryError("Unable to allocate 8 TiB"), "not enough memory: Unable to allocate 8 TiB"),
    ],
)
def test_errors_become_a_line_and_a_status(
    error: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Command:
        @staticmethod
        def run(args: Any) -> int:
            raise error

    monkeypatch.setattr(program, "import_module", lambda name: Command)
    assert call("check") == UNUSABLE
    assert capsys.readouterr().err.startswith(f"tinygrad-dnn check: {words}")


def test_an_interrupt_is_a_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(name: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "import_module", stop)
    assert call("check") == INTERRUPTED
    assert capsys.readouterr().err == "\ntinygrad-dnn: interrupted\n"


def test_layers_beyond_memory_are_an_error_in_words() -> None:
    done = run("check", "--layers", "1000000000,1000000000,1", "--examples", "1")
    assert done.returncode == UNUSABLE
    assert done.stderr.startswith("tinygrad-dnn check: not enough memory: ")


# --- where nobody reads ---------------------------------------------------------------------------


def piped(words: list[Any], reader: list[str], cwd: Path) -> tuple[int, str, str]:
    """Status and errors of `words | reader`, and what the reader printed."""
    writer = subprocess.Popen(
        command(*words),
        cwd=cwd,
        env=os.environ | ALONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout
    assert writer.stderr
    with writer.stdout, writer.stderr:
        read = subprocess.run(
            reader, stdin=writer.stdout, capture_output=True, text=True, check=False
        )
        writer.stdout.close()
        complaints = writer.stderr.read()
    return writer.wait(timeout=60), complaints, read.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a shell's head")
@pytest.mark.parametrize("words", [["check"], ["--help"], ["check", "--layers", "3,2,1"]])
def test_a_reader_that_stops_reading_is_nothing_to_complain_about(
    words: list[str], tmp_path: Path
) -> None:
    status, complaints, read = piped(words, ["head", "-n", "1"], tmp_path)
    assert (status, complaints) == (DONE, "")
    assert len(read.splitlines()) == 1
    status, complaints, _ = piped(words, ["true"], tmp_path)
    assert (status, complaints) == (DONE, "")


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_closed_output_is_no_reason_to_fail(tmp_path: Path) -> None:
    words = ["check", "--layers", "3,2,1"]
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *command(*words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (DONE, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_output_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("check", "--layers", "3,2,1"),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == UNUSABLE
    assert done.stderr == "tinygrad-dnn check: No space left on device\n"
