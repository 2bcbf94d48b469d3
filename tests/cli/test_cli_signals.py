"""Signals, a full disk under the log, two runs in one folder: nothing that was learned is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import ALONE, DONE, INTERRUPTED, call, command, complaint

from tinygrad_dnn.cli.train import _set_aside
from tinygrad_dnn.storage import platform, run_file, sealed_file

Out = pytest.CaptureFixture[str]
posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
LONG = ("train", "train.h5", "--no-pictures", "--layers", "48,3,1", "--iterations", 10**7)
QUICK = (*LONG[:-1], 3)

# The program with a save that takes as long as is asked and says when it begins, and with Ctrl-C
# heard where a shell that starts it in the background has children ignore it.
SLOW_SAVE = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.cli.main import program
genuine, seconds = run_file.save, float(sys.argv.pop(1))

def save(path, saved):
    if saved.iteration:
        print("saving", flush=True)
        time.sleep(seconds)
    genuine(path, saved)

run_file.save = save
sys.exit(program())
"""

# The program that is sent Ctrl-C at a moment of its start or end.
INTERRUPTED_AT = """
import atexit, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
moment = sys.argv.pop(1)

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Press())
if moment == "exit":
    atexit.register(os.kill, os.getpid(), signal.SIGINT)
from tinygrad_dnn.cli.main import program
sys.exit(program())
"""


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


@pytest.fixture
def start() -> Iterator[Any]:
    """Start a program; whatever becomes of the test, it ends with it."""
    with contextlib.ExitStack() as running:

        def begin(*words: Any) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                list(map(str, words)),
                env=os.environ | ALONE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)  # waits, and closes its pipes
            running.callback(process.kill)
            return process

        yield begin


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout
    for read in process.stdout:
        if read.startswith(line):
            return
    raise AssertionError(f"it never said {line!r}: {process.communicate()}")


# --- signals --------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_s101_a_signal_saves_and_stops_and_a_second_one_waits(name: str, start: Any) -> None:
    number = signal.Signals[name]
    heard = f"import signal; signal.signal({int(number)}, signal.SIG_DFL)\n"  # also under nohup
    process = start(sys.executable, "-c", heard + SLOW_SAVE, 0.3, *LONG)
    wait_for(process, "Cost after iteration 100")
    process.send_signal(number)
    wait_for(process, "saving")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    saved = run_file.load("run/model.h5")
    assert saved.iteration > 100
    assert process.returncode == 128 + number
    assert f"interrupted after iteration {saved.iteration}; run/model.h5 is saved. Go on" in err
    assert "once more ends at once" in err
    assert "Traceback" not in err
    assert len(Path("run/costs.csv").read_text().splitlines()) == 1 + len(saved.costs)


@posix
def test_a_third_signal_ends_at_once_and_leaves_the_earlier_model(start: Any) -> None:
    process = start(sys.executable, "-c", SLOW_SAVE, 100, *LONG)
    wait_for(process, "Cost after iteration 100")
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        if not _:
            wait_for(process, "saving")
    assert process.stderr
    process.stderr.readline()
    assert "once more" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM
    assert run_file.load("run/model.h5").iteration == 0


@posix
@pytest.mark.parametrize("moment", ["numpy.linalg", "tinygrad_dnn.cli.descent", "exit"])
def test_ctrl_c_while_python_starts_or_ends_shows_no_traceback(moment: str, start: Any) -> None:
    words = (sys.executable, "-c", INTERRUPTED_AT, moment, *QUICK)
    process = start(*words)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (INTERRUPTED, "\ntinygrad-dnn: interrupted\n")
    assert Path("run/model.h5").exists() == (moment == "exit")


@posix
def test_a_signal_that_is_ignored_stays_ignored(start: Any) -> None:
    """`nohup` has SIGHUP ignored, a shell SIGINT for what it starts with `&`."""
    ignoring = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    process = start(sys.executable, "-c", ignoring + SLOW_SAVE, 0, *LONG)
    wait_for(process, "Cost after iteration 0")
    process.send_signal(signal.SIGHUP)
    wait_for(process, "Cost after iteration 500")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


# --- a log that can't be written ------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("unbuffered", "both"), [("1", False), ("", True)])
def test_a_full_disk_under_the_log_does_not_stop_the_run(unbuffered: str, both: bool) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(*LONG[:-1], 201),
            env=os.environ | ALONE | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=full if both else subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == DONE
    if not both:
        assert done.stderr == (
            "standard output: No space left on device; the work goes on, lines of it are lost\n"
        )
    assert run_file.load("run/model.h5").iteration == 201
    assert len(Path("run/costs.csv").read_text().splitlines()) == 4


# --- two runs in one folder -----------------------------------------------------------------------


@pytest.mark.skipif(not platform.LOCKS, reason="needs file locks")
def test_s102_one_run_at_a_time_trains_in_a_folder(start: Any, capsys: Out) -> None:
    process = start(*command(*LONG, "--checkpoint-every", 10**9))
    wait_for(process, "Cost after iteration 0")
    before = Path("run/model.h5").read_bytes()
    for words in (QUICK, (*QUICK, "--resume")):
        told = complaint(capsys, *words)
        assert "--out run: another `tinygrad-dnn train` is at work in this folder" in told
    assert call(*QUICK, "--out", "another") == DONE
    assert Path("run/model.h5").read_bytes() == before
    process.kill()  # the lock dies with its process
    process.communicate()
    capsys.readouterr()
    assert call(*QUICK) == DONE
    assert "the model that was there is kept as run/model.1.h5" in capsys.readouterr().out
    assert Path("run/model.1.h5").read_bytes() == before
    assert sorted(p.name for p in Path("run").iterdir() if ".tmp" not in p.name) == [
        "accuracies.csv", "config.toml", "costs.csv", "model.1.h5", "model.h5",
        "result.json",
    ]  # fmt: skip


def test_a_file_system_without_locks_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(9, "Bad file descriptor")  # as NFS answers for a folder

    monkeypatch.setattr(platform, "lock", refuse)
    assert call(*QUICK) == DONE


def test_a_lock_of_windows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a byte of a file in the folder is locked."""
    held: set[tuple[int, int]] = set()

    class Msvcrt:
        LK_NBLCK = 2

        @staticmethod
        def locking(descriptor: int, mode: int, size: int) -> None:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) in held:
                raise PermissionError(13, "Permission denied")
            held.add((status.st_dev, status.st_ino))

    monkeypatch.setattr(platform, "_fcntl", None)
    monkeypatch.setattr(platform, "_msvcrt", Msvcrt)
    descriptor = platform.lock_folder(folder)
    assert descriptor is not None
    with pytest.raises(BlockingIOError):
        platform.lock_folder(folder)
    os.close(descriptor)


@pytest.mark.parametrize("move", ["rename", "replace"])
def test_setting_a_model_aside_takes_no_name_that_another_run_has_just_taken(
    move: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = getattr(Path, move)
    theirs: list[Path] = []

    def late(self: Path, target: Path) -> Any:
        with contextlib.suppress(FileExistsError), target.open("xb") as file:
            file.write(b"theirs")
            theirs.append(target)
        return genuine(self, target)

    monkeypatch.setattr(Path, move, late)
    model = folder / "model.h5"
    (folder / "model.1.h5").write_bytes(b"first")
    model.write_bytes(b"ours")
    kept = _set_aside(model)
    assert (kept.name, kept.read_bytes(), model.exists()) == ("model.2.h5", b"ours", False)
    assert all(path.read_bytes() == b"theirs" for path in theirs)
    assert (folder / "model.1.h5").read_bytes() == b"first"


def test_a_model_that_can_not_be_set_aside_stays_where_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    assert call(*QUICK) == DONE

    def refuse(self: Path, target: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "replace", refuse)
    assert "run/model.h5: Permission denied" in complaint(capsys, *QUICK)
    assert [p.name for p in Path("run").glob("model*")] == ["model.h5"]


def test_a_folder_in_the_models_place_is_named(folder: Path, capsys: Out) -> None:
    Path("run/model.h5").mkdir(parents=True)
    assert "run/model.h5: is a folder; move it away" in complaint(capsys, *QUICK)
    assert [p.name for p in Path("run").glob("model*")] == ["model.h5"]


# --- going on -------------------------------------------------------------------------------------


def test_a_write_protected_model_is_not_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """It is said before the first iteration, not at the first save."""
    assert call(*QUICK) == DONE
    monkeypatch.setattr(sealed_file.os, "access", lambda *_, **__: False)  # root may write anything
    told = complaint(capsys, *LONG, "--resume")
    assert "run/model.h5: can't be saved to: the file there is write-protected." in told
    assert "Choose a folder that you may write to, or change its permissions." in told
