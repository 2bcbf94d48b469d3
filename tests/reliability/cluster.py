"""Runs on a cluster of real processes, of which some die, come late, are slow, or are wrong.

Whatever happens to it, a run ends with the model, byte for byte, of one that nobody disturbed and
that had no cluster at all.

    python tests/reliability/cluster.py 6   # one of each kind
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from attack import Figures, main
from commands import call, heed_interrupts

# Schedulers and workers are forked from a process that has loaded Dask, and nothing of ours.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["distributed.cli.dask_worker", "distributed.cli.dask_scheduler"])
SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"
# What a worker is that is not as it should be.
WITHOUT = "import sys; sys.modules['tinygrad_dnn'] = None; "
OLD = "import tinygrad_dnn; tinygrad_dnn.__version__ = '0.0.1'; "
BLIND = (
    "import tinygrad_dnn.cluster.work as work\n"
    "def away(self): raise FileNotFoundError(f'{self.path}: no such file')\n"
    "work.Source.open = away\n"
)
SLOW = (
    "import time, tinygrad_dnn.train.shards as shards\n"
    "compute = shards.ShardProgram.gradients\n"
    "def slow(*given): time.sleep(0.1); return compute(*given)\n"
    "shards.ShardProgram.gradients = slow\n"
)
# Six epochs of four steps.
RUN = (
    "data.h5", "--layers", "20,6,1", "--shards", "3", "--batch-size", "125", "--iterations", "24",
    "--no-pictures",
)  # fmt: skip


def serve(code: str, folder: Path, words: tuple[str, ...]) -> None:
    """Be a scheduler or a worker, in the folder, given these words."""
    os.chdir(folder)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.argv = ["dask", *words]
    exec(code, {})


class Cluster:
    """A scheduler on loopback, and workers that are started and killed by name."""

    def __init__(
        self, opened: ExitStack, folder: Path, *tls: str, scheduler: str = SCHEDULER
    ) -> None:
        self.opened, self.folder, self.tls = opened, folder, tls
        at = folder / f"{time.monotonic_ns()}.json"
        self.scheduler = self._begun(
            scheduler, "--host", f"{'tls' if tls else 'tcp'}://127.0.0.1", "--port", "0",
            "--no-dashboard", "--scheduler-file", str(at),
        )  # fmt: skip
        self.address = self._told(at)
        self.workers: dict[str, Any] = {}

    def _told(self, at: Path) -> str:
        """The address of the scheduler; any port that we named could be taken before it starts."""
        while self.scheduler.is_alive():
            with suppress(FileNotFoundError, json.JSONDecodeError):  # half written
                return str(json.loads(at.read_bytes())["address"])
            time.sleep(0.02)
        raise RuntimeError(f"the scheduler ended with {self.scheduler.exitcode}")

    def _begun(self, code: str, *words: str) -> Any:
        process = PROCESSES.Process(target=serve, args=(code, self.folder, (*words, *self.tls)))
        process.start()
        self.opened.callback(process.join)
        self.opened.callback(process.kill)
        return process

    def worker(self, name: str, before: str = "") -> None:
        self.workers[name] = self._begun(
            before + WORKER, self.address, "--name", name, "--no-nanny", "--nthreads", "1",
            "--no-dashboard",
        )  # fmt: skip

    def ready(self) -> None:
        """Wait until all have started, however slow the machine is."""
        from distributed import Client, Security

        names = [word.strip("-").replace("-", "_") for word in self.tls[::2]]
        given = dict(zip(names, self.tls[1::2], strict=True))
        for side in ("cert", "key") if given else ():
            given[f"tls_client_{side}"] = given.pop(f"tls_{side}")
        with Client(self.address, timeout=60, security=Security(**given)) as client:
            client.wait_for_workers(len(self.workers), timeout=60)

    def kill(self, name: str) -> None:
        worker = self.workers.pop(name)
        worker.kill()
        worker.join()


@contextmanager
def cluster(
    folder: Path, *names: str, tls: tuple[str, ...] = (), scheduler: str = SCHEDULER
) -> Iterator[Cluster]:
    with ExitStack() as opened:
        found = Cluster(opened, folder, *tls, scheduler=scheduler)
        for name in names:
            found.worker(name)
        found.ready()
        yield found


class Told(io.StringIO):
    """What a run says; something is done when it tells the cost of an epoch."""

    def __init__(self, at: dict[int, Callable[[], object]]) -> None:
        super().__init__()
        self._at = at

    def write(self, text: str) -> int:
        n = super().write(text)
        for found in re.finditer(r"Epoch (\d+):", text):
            self._at.get(int(found[1]), lambda: None)()
        return n


def trained(
    folder: Path, *words: str, at: dict[int, Callable[[], object]] | None = None
) -> tuple[int, str]:
    """Status and output of a run in this process."""
    told = Told(at or {})
    with chdir(folder), redirect_stdout(told), redirect_stderr(told):
        status = call("train", *RUN, *words)
    return status, told.getvalue()


def trained_apart(
    folder: Path, *words: str, interrupt_at: int | None = None, **env: str
) -> tuple[int, str]:
    """Status and output of a run as one has it in a terminal, with its Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_dnn", "train", *RUN, *words],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, env={**os.environ, **env}, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout is not None
    told = ""
    for line in process.stdout:
        told += line
        if line.startswith(f"Epoch {interrupt_at}:"):
            os.killpg(process.pid, signal.SIGINT)
    return process.wait(), told


def require(what: object, told: str) -> None:
    if not what:
        raise AssertionError(told)


@cache
def undisturbed() -> bytes:
    """The model of a run in one process."""
    with tempfile.TemporaryDirectory() as name:
        write_data(Path(name))
        status, told = trained(Path(name))
        require(status == 0, told)
        return (Path(name) / "run" / "model.h5").read_bytes()


def write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 20))
    with h5py.File(folder / "data.h5", "w") as file:
        file.create_dataset("train_set_x", data=x, chunks=(64, 20), compression="gzip")
        file["train_set_y"] = (x[:, 0] * x[:, 1] > 0).astype(int)


def same(folder: Path) -> bool:
    return (folder / "run" / "model.h5").read_bytes() == undisturbed()


def scheduler(found: Cluster) -> tuple[str, str]:
    return "--scheduler", found.address


# --- what happens ---------------------------------------------------------------------------------


def a_worker_dies_another_comes_one_is_slow(folder: Path) -> None:
    with cluster(folder, "first") as found:
        found.worker("slow", SLOW)
        disturb = {1: lambda: (found.kill("first"), found.worker("late"))}
        status, told = trained(folder, *scheduler(found), at=disturb)
        require(status == 0 and same(folder), told)


def a_worker_is_stopped_and_wakes_up(folder: Path) -> None:
    def sleep() -> None:
        os.kill(found.workers["first"].pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(found.workers["first"].pid, signal.SIGCONT)

    with cluster(folder, "first", "second") as found:
        status, told = trained(folder, *scheduler(found), at={3: sleep})
        require(status == 0 and same(folder), told)


def the_scheduler_dies(folder: Path) -> None:
    with cluster(folder, "first", "second") as found:
        end = {3: found.scheduler.kill}
        status, told = trained(folder, *scheduler(found), at=end)
        saved = re.search(r"interrupted after iteration (\d+)", told)
        require(status == 2 and "the scheduler is gone" in told and "--resume" in told, told)
        require("Traceback" not in told and saved and int(saved[1]) >= 12, told)
    with cluster(folder, "third") as found:
        status, told = trained(folder, *scheduler(found), "--resume")
        require(saved and f"going on from run/model.h5 after iteration {saved[1]}" in told, told)
        require(status == 0 and same(folder), told)


def it_is_interrupted(folder: Path) -> None:
    status, told = trained_apart(folder, "--cluster", "2", interrupt_at=3)
    require(status == 130 and "--cluster 2 --resume" in told and "Traceback" not in told, told)
    status, told = trained(folder, "--resume")  # its shards, here
    require(status == 0 and same(folder), told)


def someone_is_wrong(folder: Path) -> None:
    with cluster(folder, "right", scheduler=WITHOUT + SCHEDULER) as found:
        status, told = trained(folder, *scheduler(found))
        words = r"the scheduler at .*expected tinygrad_dnn 0.* got none.* install it there"
        require(status == 2 and re.search(words, told), told)
    with cluster(folder, "right") as found:
        for before, words in (
            (WITHOUT, r"worker odd .*expected tinygrad_dnn 0.* got none.* install it there"),
            (OLD, r"worker odd .*expected tinygrad_dnn 0.*, as here, got 0\.0\.1; install that"),
            (BLIND, r"worker odd .*does not see .*data\.h5: .*put it where every worker finds it"),
        ):
            found.worker("odd", before)
            found.ready()
            status, told = trained(folder, *scheduler(found))
            require(status == 2 and re.search(words, told), told)
            require(not (folder / "run" / "model.h5").exists(), "a model was written")
            found.kill("odd")


def it_is_encrypted(folder: Path) -> None:
    """With TLS; whoever has no certificate is turned away."""
    openssl = shutil.which("openssl")
    if openssl is None:
        return
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
         "cert.pem", "-days", "1", "-subj", "/CN=127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    keys = ("--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key)
    env = {
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": cert,
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT": cert,
        "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY": key,
    }
    with cluster(folder, "first", tls=keys) as found:
        status, told = trained_apart(folder, *scheduler(found), **env)
        require(status == 0 and same(folder), told)
        status, told = trained(folder, *scheduler(found))
        require(status == 2 and "there are no certificates" in told, told)


CASES = (
    a_worker_dies_another_comes_one_is_slow,
    the_scheduler_dies,
    it_is_interrupted,
    someone_is_wrong,
    it_is_encrypted,
    a_worker_is_stopped_and_wakes_up,
)


def attack(n: int) -> Figures:
    """The first n of the cases, again and again if there are more."""
    failures = []
    for k in range(n):
        case = CASES[k % len(CASES)]
        with tempfile.TemporaryDirectory() as folder:
            write_data(Path(folder))
            try:
                case(Path(folder))
            except AssertionError as error:
                failures.append(f"{case.__name__}: {error}")
    return Figures(n, {"kinds": min(n, len(CASES))}, failures)


if __name__ == "__main__":
    main(attack, len(CASES))
