"""Which clusters are connected to: what is refused before anything is sent."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

pytest.importorskip("distributed")

from tinygrad_dnn.cluster import connect
from tinygrad_dnn.cluster.connect import _require_workers


@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.1:8786", "10.0.0.1:8786", "tcp://cluster:8786", "tcp://0.0.0.0:1"]
)
def test_s283_another_machine_without_encryption_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"not encrypted.*tls://.*--insecure"), connect(address):
        pass


@pytest.mark.parametrize(
    "address", ["", "tcp://", "tcp://:1", "localhost", "http://a:1", "tcp://a:1/b", "tcp://a:99999"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected tls://HOST:PORT or tcp://HOST:PORT, got"):
        connect(address, insecure=True).__enter__()


def test_workers_are_counted_here_only() -> None:
    with pytest.raises(ValueError, match="expected 1 or more, got 0"):
        connect(workers=0).__enter__()
    with pytest.raises(ValueError, match="leave out one"):
        connect("tcp://127.0.0.1:8786", workers=2).__enter__()


def test_tls_without_certificates_says_where_they_go() -> None:
    with pytest.raises(ValueError, match=r"comm\.tls\.ca-file"):
        connect("tls://127.0.0.1:8786").__enter__()


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_scheduler_that_does_not_answer_has_a_time_limit(answer: bytes | None) -> None:
    with listening(answer) as address, pytest.raises(TimeoutError, match=r"within 0\.3 s.*dask"):
        connect(address, timeout=0.3).__enter__()


def test_the_address_of_a_worker_is_none_of_a_scheduler() -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(
            n_workers=1, processes=False, protocol="tcp://", host="127.0.0.1",
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
        ) as cluster,
        pytest.raises(ValueError, match=f"a worker; its scheduler is {cluster.scheduler_address}"),
    ):  # fmt: skip
        connect(cluster.workers[0].address).__enter__()


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """The address of somebody who gives this answer, or none; of b"", where nobody is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if answer == b"":
            server.close()
            yield "tcp://127.0.0.1:1"
            return
        called = threading.Thread(target=_answer, args=(server, answer), daemon=True)
        called.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        called.join(5)


def _answer(server: socket.socket, answer: bytes | None) -> None:
    with server.accept()[0] as caller:
        if answer:
            caller.sendall(answer)
        while caller.recv(2**16):  # until the caller has gone
            pass


class Workers:
    """A client of workers that answer what they are given."""

    def __init__(self, scheduler: Exception | None = None, **answers: Any) -> None:
        self.scheduler, self.answers = scheduler, answers

    def wait_for_workers(self, n: int, timeout: float) -> None:
        if not self.answers:
            raise TimeoutError

    def scheduler_info(self, n_workers: int) -> dict[str, Any]:
        return {"workers": {at: {"name": f"name-{at}"} for at in self.answers}}

    def run_on_scheduler(self, function: Any) -> Any:
        if self.scheduler is not None:
            raise self.scheduler
        return function()

    def run(self, function: Any, workers: Any, on_error: str) -> dict[str, Any]:
        own = function()
        return {at: own if x is None else x for at, x in self.answers.items()}


def test_a_worker_of_another_version_is_named() -> None:
    own = (("tinygrad_dnn", "0.1.0"), ("NumPy", np.__version__))
    python = ("Python", "{}.{}".format(*sys.version_info))
    other = (("tinygrad_dnn", "0.0.9"), *own[1:], python)
    _require_workers(Workers(a=None, b=None), "here", 1)
    with pytest.raises(ValueError, match=r"name-b \(b\): expected tinygrad_dnn 0.* got 0\.0\.9"):
        _require_workers(Workers(a=None, b=other), "here", 1)
    with pytest.raises(ValueError, match=r"name-b \(b\): expected NumPy"):
        _require_workers(Workers(b=(own[0], ("NumPy", "1.0"), python)), "here", 1)
    with pytest.raises(ValueError, match=r"name-a .*none.*No module.*install it there"):
        _require_workers(Workers(a=ModuleNotFoundError("No module"), b=None), "here", 1)
    with pytest.raises(ValueError, match=r"the scheduler at here: .*none .*No module"):
        _require_workers(Workers(ModuleNotFoundError("No module"), a=None), "here", 1)
    with pytest.raises(TimeoutError, match="no worker after 1 s; start some"):
        _require_workers(Workers(), "tcp://here:1", 1)
