"""`tinygrad-dnn train --resume`, after Ctrl-C and otherwise: as if nothing had happened."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest
from commands import (
    ALONE,
    DONE,
    INTERRUPTED,
    UNUSABLE,
    call,
    command,
    run,
    write_split,
)

from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.storage import run_file

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


def quick(*words: Any, n: int) -> int:
    """Train on the files for n iterations in all, without pictures."""
    return call("train", "train.h5", "test.h5", *words, "--iterations", n, "--no-pictures")


def content(out: str) -> dict[str, bytes]:
    """The files of a run, byte for byte."""
    return {p.name: p.read_bytes() for p in Path(out).iterdir()}


# --- the same bits --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("cost", ["document", "stable"])
def test_a_resumed_run_leaves_the_same_files(dtype: str, cost: str, capsys: Out) -> None:
    """Settings are read from the model: they need not be said again."""
    words = ("--dtype", dtype, "--cost", cost, "--learning-rate", "0.3", "--init", "he")
    assert quick(*words, "--out", "whole", n=130) == DONE
    whole = capsys.readouterr().out.splitlines()
    assert quick(*words, "--out", "parts", n=1) == DONE
    for n in (2, 57, 100, 101, 130):
        capsys.readouterr()
        assert quick("--out", "parts", "--resume", n=n) == DONE
    assert content("parts") == content("whole")
    resumed = capsys.readouterr().out.splitlines()
    assert resumed[0] == whole[0]
    assert resumed[1] == "going on from parts/model.h5 after iteration 101"
    # The accuracies: no cost was due any more, and what is rewritten was said in the beginning.
    assert resumed[2:4] == whole[-4:-2]
    assert sum("is rewritten" in line for line in whole) == (cost == "document")


def test_a_loop_of_fewer_operations_is_announced_once_and_resumed(capsys: Out) -> None:
    """Saved between refreshes, W1 lies in the model beside what it is carried as."""
    assert quick("--out", "whole", n=700) == DONE
    lines = capsys.readouterr().out.splitlines()
    (told,) = (line for line in lines if line.startswith("strength reduction: "))
    assert "W1 (20, 48) meets only constants" in told
    assert "2.04 times fewer" in told
    assert quick("--out", "parts", "--checkpoint-every", "7", n=333) == DONE
    capsys.readouterr()
    saved = run_file.load("parts/model.h5")
    assert saved.loop_state.keys() == {"S_W1", "W1_start"}
    with open_dataset("train.h5") as file:
        X = file.columns()
    W1 = saved.loop_state["W1_start"] + saved.loop_state["S_W1"] @ X.T
    np.testing.assert_allclose(saved.parameters["W1"], W1, rtol=1e-12)
    assert quick("--out", "parts", "--resume", n=500) == DONE
    assert "strength reduction" not in capsys.readouterr().out
    assert run_file.load("parts/model.h5").loop_state == {}  # just refreshed
    assert quick("--out", "parts", "--resume", n=700) == DONE
    assert content("parts") == content("whole")
    assert quick("--out", "literal", "--eager", n=3) == DONE
    assert "strength reduction" not in capsys.readouterr().out


def test_a_finished_run_says_how_to_go_further(capsys: Out) -> None:
    assert quick(n=5) == DONE
    before = content("run")
    first = capsys.readouterr().out.splitlines()
    for n in (5, 3):
        assert quick("--resume", n=n) == DONE
        lines = capsys.readouterr().out.splitlines()
        assert lines[2] == "its 5 iterations are complete; ask for more with --iterations"
        assert lines[3:] == first[4:]  # what is rewritten and reduced was said in the beginning
        assert content("run") == before


def test_settings_may_be_said_again() -> None:
    words = ("--layers", "48,3,1", "--seed", "4", "--learning-rate", "0.5", "--dtype", "float32")
    assert quick(*words, n=2) == DONE
    assert quick(*words, "--resume", n=3) == DONE
    assert run_file.load("run/model.h5").iteration == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--learning-rate", "0.5"], "begun with learning-rate 0.0075, not 0.5; leave it out, or"),
        (["--seed", "2"], "begun with seed 1, not 2"),
        (["--init", "he"], "begun with init sqrt, not he"),
        (["--dtype", "float32"], "begun with dtype float64, not float32"),
        (["--cost", "stable"], "begun with cost document, not stable"),
        (["--eager"], "begun compiled, not eager"),
        (["--layers", "48,2,1"], "was trained with layers 48-20-7-5-1, not 48-2-1"),
    ],
)
def test_other_settings_are_another_run(words: list[str], told: str, capsys: Out) -> None:
    assert quick(n=2) == DONE
    before = content("run")
    assert quick(*words, "--resume", n=4) == UNUSABLE
    assert told in capsys.readouterr().err
    assert content("run") == before


def test_other_data_are_another_run(folder: Path, capsys: Out) -> None:
    assert quick(n=2) == DONE
    before = content("run")
    write_split(folder / "train.h5", "train", 30, seed=3)
    assert quick("--resume", n=4) == UNUSABLE
    assert "run/model.h5 was trained on data with SHA-256 " in capsys.readouterr().err
    assert call("train", "--resume") == UNUSABLE
    assert "must be the 64 numbers per example" not in capsys.readouterr().out
    assert content("run") == before


def test_there_must_be_something_to_resume(capsys: Out) -> None:
    assert quick("--resume", n=2) == UNUSABLE
    assert "run/model.h5: no such file: check the path, or train a" in capsys.readouterr().err


def test_a_damaged_model_is_not_gone_on_with(capsys: Out) -> None:
    assert quick(n=2) == DONE
    path = Path("run/model.h5")
    image = bytearray(path.read_bytes())
    image[-100] ^= 1
    path.write_bytes(image)
    assert quick("--resume", n=4) == UNUSABLE
    assert "run/model.h5: damaged" in capsys.readouterr().err
    assert path.read_bytes() == image


def test_a_model_that_train_did_not_save_is_refused(capsys: Out) -> None:
    assert quick(n=2) == DONE
    model = run_file.load("run/model.h5")
    model.settings.clear()
    run_file.save("run/model.h5", model)
    assert quick("--resume", n=4) == UNUSABLE
    told = capsys.readouterr().err
    assert "run/model.h5 has no setting cost, dtype, init, learning_rate, seed; only what" in told


# --- Ctrl-C ---------------------------------------------------------------------------------------


def interrupted(folder: Path, *words: Any) -> tuple[int, str]:
    """Start a long run, press Ctrl-C after some hundred iterations; its status and last words."""
    program = command("train", *words)
    # A shell that starts us in the background has children ignore Ctrl-C; this one listens.
    listening = (
        "import runpy, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "runpy.run_module('tinygrad_dnn', run_name='__main__', alter_sys=True)\n"
    )
    at = program.index("-m")
    process = subprocess.Popen(
        [*program[:at], "-c", listening, *program[at + 2 :]],
        cwd=folder,
        env=os.environ | ALONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Cost after iteration 200"):
            process.send_signal(signal.SIGINT)
            break
    _, told = process.communicate(timeout=60)
    return process.returncode, told


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize(
    "words", [["--layers", "64,4,1", "--dtype", "float32"], ["train.h5", "test.h5"]]
)
def test_the_printed_command_goes_on_as_if_nothing_had_happened(
    words: list[str], folder: Path
) -> None:
    words = [*words, "--no-pictures", "--iterations", "1500", "--checkpoint-every", "100000"]
    status, told = interrupted(folder, *words, "--out", "an interrupted run")
    assert status == INTERRUPTED
    lines = told.splitlines()
    stopped = run_file.load(folder / "an interrupted run" / "model.h5").iteration
    assert 200 < stopped < 1500
    assert lines[0] == (
        f"interrupted after iteration {stopped}; an interrupted run/model.h5 is saved. Go on with:"
    )
    assert len(lines) == 2
    costs = (folder / "an interrupted run" / "costs.csv").read_text().splitlines()
    assert len(costs) == 1 + (stopped + 99) // 100
    again = shlex.split(lines[1])
    assert again[:3] == [Path(sys.executable).name, "-m", "tinygrad_dnn"]
    assert again[-1] == "--resume"
    assert run(*again[3:], cwd=folder).returncode == DONE
    assert run("train", *words, "--out", "whole", cwd=folder).returncode == DONE
    assert content("an interrupted run") == content("whole")


@pytest.mark.parametrize(
    ("way", "update"),
    [
        ([], "tinygrad_dnn.compiler.program.Program.run"),
        (["--eager"], "tinygrad_dnn.train.step.value_and_grad"),
    ],
)
def test_an_interrupt_at_any_moment_is_resumed(
    way: list[str], update: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an update, of a save, of the first iteration, and a second time."""
    assert quick(*way, "--out", "whole", n=9) == DONE
    save = "tinygrad_dnn.storage.run_file.save"
    for target, calls in ((update, 0), (update, 4), (save, 0), (update, 1)):
        with monkeypatch.context() as patched:
            stop_after(patched, target, calls)
            resume = ["--resume"] if Path("run").exists() else way
            assert quick(*resume, "--checkpoint-every", "2", n=9) == INTERRUPTED
    assert 4 <= run_file.load("run/model.h5").iteration < 9
    assert quick("--resume", n=9) == DONE
    assert content("run") == content("whole")


def stop_after(patched: pytest.MonkeyPatch, target: str, calls: int) -> None:
    """Let a function be called so many times; the next time Ctrl-C is pressed in it, once."""
    module, _, name = target.rpartition(".")
    genuine = getattr(resolve_name(module), name)
    left = iter([None] * calls)
    pressed = iter([None])

    def stopping(*args: Any, **options: Any) -> Any:
        if next(left, 1) is not None and next(pressed, 1) is None:
            raise KeyboardInterrupt
        return genuine(*args, **options)

    patched.setattr(target, stopping)


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    stop_after(monkeypatch, "tinygrad_dnn.compiler.program.Program.run", 3)
    assert quick("--out", "a run", "--classes", "list_classes", n=9) == INTERRUPTED
    out, err = capsys.readouterr()
    assert "Accuracy" not in out
    assert err.splitlines() == [
        "interrupted after iteration 3; a run/model.h5 is saved. Go on with:",
        "  tinygrad-dnn train train.h5 test.h5 --classes list_classes --iterations 9 "
        "--out 'a run' --checkpoint-every 500 --no-pictures --resume",
    ]


@pytest.mark.skipif(os.name == "nt", reason="needs a pipe that breaks")
def test_a_reader_that_stops_reading_stops_the_run_and_keeps_it(folder: Path) -> None:
    words = ("train", "train.h5", "--no-pictures", "--iterations", "1000000")
    process = subprocess.Popen(
        command(*words),
        cwd=folder,
        env=os.environ | ALONE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    for line in process.stdout:
        if line.startswith("Cost after iteration 0"):
            process.stdout.close()
            break
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == INTERRUPTED
    stopped = run_file.load("run/model.h5").iteration
    assert told.startswith(f"interrupted after iteration {stopped}; run/model.h5 is saved.")
    assert len(told.splitlines()) == 2


# --- the progress bar -----------------------------------------------------------------------------


def test_the_progress_bar_is_for_terminals_only(folder: Path) -> None:
    words = ("train", "train.h5", "--no-pictures", "--iterations", "700")
    termios = pytest.importorskip("termios")  # a pseudo-terminal, which Windows has not
    assert "it/s" not in run(*words, cwd=folder).stderr
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = subprocess.Popen(
        command(*words),
        cwd=folder,
        env=os.environ | ALONE,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(timeout=60) == DONE
    text = shown.decode()
    assert "/700 [" in text
    assert "it/s" in text
    # A cost stands on a line of its own, the bar is gone in the end.
    lines = [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]
    costs = [line for line in lines if line.startswith("Cost after iteration ")]
    assert len(costs) == 7
    assert all(np.isfinite(float(line.rpartition(": ")[2])) for line in costs)
    assert lines[-2].startswith("use it: ")
    assert "it/s" not in "".join(lines)
