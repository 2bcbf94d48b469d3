"""The process of a student's file: what it holds, who can speak for it, how it starts and ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from process_end import ends

from tinygrad_dnn.isolation import start, stream
from tinygrad_dnn.isolation.process import Ended, Process
from tinygrad_dnn.storage import platform

RELU = "import numpy as np\ndef relu(Z):\n    {}\n    return np.maximum(0, Z), Z\n"
JOB = {
    "function": "relu", "lines": [], "program": [], "call": "relu(Z)", "replace": [],
    "stop_early": False,
    "cases": [{"Z": np.array([[float(n)]])} for n in range(5)],
}  # fmt: skip


def process(folder: Path, body: str = "pass", limit: float = 5.0) -> Process:
    path = folder / "homework.py"
    path.write_text(RELU.format(body), encoding="utf-8")
    return Process(path, path.read_text(encoding="utf-8"), limit, 1 << 29)


def values(running: Process) -> list[float]:
    return [float(r["value"][0][0, 0]) for r in running.run(JOB)]


@pytest.fixture(params=["forked", "fresh", "fresh, without poll"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a process is started, and read from: as on Linux, and as elsewhere."""
    monkeypatch.setattr(start, "FORKS", platform.FORKS and request.param == "forked")
    monkeypatch.setattr(stream, "PIPES_WAIT", platform.PIPES_WAIT and "poll" not in request.param)
    return request.param


def test_a_program_is_run_on_every_case_also_after_the_end(way: str, tmp_path: Path) -> None:
    body = "import os\n    if Z[0, 0] == 3: os._exit(7)"
    with process(tmp_path, body) as running:
        assert set(running.load().functions) == {"relu"}
        seen: list[float] = []
        with pytest.raises(Ended, match=r"ended the Python process \(exit status 7\)"):
            seen.extend(r["value"][0].item() for r in running.run(JOB))
        assert seen == [0.0, 1.0, 2.0]
        few = JOB | {"cases": JOB["cases"][:3]}
        assert [r["value"][0].item() for r in running.run(few)] == [0.0, 1.0, 2.0]


def test_what_a_process_writes_beside_its_answers_is_its_end(way: str, tmp_path: Path) -> None:
    body = (
        "import os\n    for n in range(3, 256):\n        try: os.write(n, b'x' * 99)\n"
        "        except OSError: pass"
    )
    with process(tmp_path, body) as running:
        running.load()
        with pytest.raises(Ended, match="no answer") as caught:
            values(running)
        assert caught.value.kind == "sabotage"


def test_a_process_that_hangs_is_ended(way: str, tmp_path: Path) -> None:
    with process(tmp_path, "while True: pass", limit=0.2) as running:
        running.load()
        with pytest.raises(Ended, match="still running") as caught:
            values(running)
        assert caught.value.lines[-1][1:] == ("relu", "while True: pass")


@pytest.mark.parametrize(
    "fork", ["import os; os.fork()", "import os\n    for _ in range(3): os.fork()",
             "import ctypes; ctypes.CDLL(None).fork()"],
)  # fmt: skip
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_copy_left_by_fork_neither_answers_nor_takes_work(fork: str, tmp_path: Path) -> None:
    with process(tmp_path, fork) as running:
        running.load()
        for _ in range(3):
            assert values(running) == [0.0, 1.0, 2.0, 3.0, 4.0]


FORGED = """import gc
    pipe = next(x for x in gc.get_objects() if type(x).__name__ == "Pipe")
    if Z[0, 0] == 0: {}"""


@pytest.mark.parametrize(
    "lie",
    [
        "pipe.send('ran', [1, {'value': 1, 'changed': [], 'borrowed': []}])",
        "pipe.send('done', None)", "pipe.send('loaded', {})", "pipe.send('at', 'x')",
        "pipe.send('stuck', 5)", "pipe.id = 'other'", "pipe.writer.write(bytes(8))",
    ],
)  # fmt: skip
def test_an_answer_to_another_request_is_refused(lie: str, tmp_path: Path) -> None:
    with process(tmp_path, FORGED.format(lie)) as running:
        running.load()
        with pytest.raises(Ended, match="no answer") as caught:
            values(running)
        assert caught.value.kind == "sabotage"


def test_late_answers_to_earlier_requests_are_left_aside(tmp_path: Path) -> None:
    late = "earlier, pipe.id = pipe.id, globals().get('earlier', pipe.id)"
    late += "; pipe.send('ran', 1); pipe.id = earlier; globals()['earlier'] = earlier"
    with process(tmp_path, FORGED.format(late)) as running:
        running.load()
        with pytest.raises(Ended):  # to the present one
            values(running)
        body = "import gc; p = next(x for x in gc.get_objects() if type(x).__name__ == 'Pipe')\n"
        body += "    ids = globals().setdefault('ids', []); ids.append(p.id)\n"
        body += "    p.id = ids[0]\n    if ids[0] != ids[-1]: p.send('ran', 'nonsense')\n"
        body += "    p.id = ids[-1]"
    with process(tmp_path, body) as running:
        running.load()
        assert values(running) == values(running) == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_it_holds_no_engine_and_no_right_answers(way: str, tmp_path: Path) -> None:
    told = tmp_path / "modules"
    body = f"import sys\n    open({str(told)!r}, 'w').write(' '.join(sys.modules))"
    with process(tmp_path, body) as running:
        running.load()
        values(running)
    modules = set(told.read_text(encoding="utf-8").split())
    assert "tinygrad_dnn.textbook" in modules
    for package in ("grading", "autodiff", "ops", "check", "network", "graph"):
        assert f"tinygrad_dnn.{package}" not in modules


def test_programs_that_it_starts_inherit_nothing(way: str, tmp_path: Path) -> None:
    told = tmp_path / "open"
    code = f"import os; open({str(told)!r}, 'w').write(str(os.listdir('/proc/self/fd')))"
    body = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], close_fds=False)"
    )
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc on this system")
    with process(tmp_path, body) as running:
        running.load()
        values(running)
    assert len(eval(told.read_text(encoding="utf-8"))) <= 5  # 0, 1, 2, the file and the folder


@pytest.mark.skipif(not platform.FORKS, reason="no server on this system")
def test_a_process_that_has_left_its_group_is_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = f"import os; open({str(pid)!r}, 'w').write(str(os.getpid()))"
    body += "; os.setpgid(0, os.getpgid(os.getppid()))\n    while True: pass"
    started = time.monotonic()
    with process(tmp_path, body, limit=0.2) as running:
        running.load()
        with pytest.raises(Ended, match="still running"):
            values(running)
    assert ends(pid.read_text(encoding="utf-8"))
    assert time.monotonic() - started < start.STARTING / 2


@pytest.mark.skipif(not platform.FORKS, reason="no server on this system")
def test_a_server_that_is_killed_is_replaced_and_its_process_ended(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = f"import os; open({str(pid)!r}, 'w').write(str(os.getpid())); os.kill(os.getppid(), 9)"
    with process(tmp_path, body + "\n    while True: pass", limit=0.2) as running:
        running.load()
        with pytest.raises(Ended, match="still running"):
            values(running)
    assert ends(pid.read_text(encoding="utf-8"))
    with process(tmp_path) as running:
        assert set(running.load().functions) == {"relu"}


@pytest.mark.skipif(not platform.FORKS, reason="no server on this system")
def test_nothing_is_left_when_the_grader_is_killed(tmp_path: Path) -> None:
    path, pids = tmp_path / "homework.py", tmp_path / "pids"
    path.write_text(
        f"import os\nopen({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\n"
        "while True: pass\n",
        encoding="utf-8",
    )
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom threading import Thread\n"
        "from tinygrad_dnn.isolation.process import Process\n"
        "path, pids = map(Path, sys.argv[1:])\n"
        "process = Process(path, path.read_text(), 60.0, 1 << 29)\n"
        "Thread(target=process.load, daemon=True).start()\n"
        "while not (pids.exists() and pids.read_text()): time.sleep(0.01)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(pids)], check=False, timeout=60)
    assert all(map(ends, pids.read_text(encoding="utf-8").split()))
