"""A client of a Dask cluster: workers of this machine, or a scheduler at an address.

Whoever reaches a scheduler runs code on its workers, and a client believes what a scheduler sends:
so the network is used only where that was asked for, encrypted or said to be safe.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import numpy as np

import tinygrad_dnn

# Pages and figures that schedulers and workers would serve to whoever asks.
NO_PAGES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
START = 60.0  # seconds in which processes of this machine must have started, on a busy one too


@contextmanager
def connect(
    address: str | None = None,
    *,
    workers: int | None = None,
    insecure: bool = False,
    timeout: float = 10.0,
) -> Iterator[Any]:
    """Within the block a `distributed.Client` whose workers all have this tinygrad_dnn.

        with connect() as client:  # two cores: two processes
            print(client.submit(sum, [1, 2, 3]).result())

    A script that does this needs `if __name__ == "__main__":` around it: the processes import it.
    Without an address they listen on 127.0.0.1, with no dashboard, and end with the block; other
    users of the same machine could reach them.

    An address is `tls://HOST:PORT`, with the certificates that Dask's configuration names
    (`DASK_DISTRIBUTED__COMM__TLS__CA_FILE`, `..__CLIENT__CERT`, `..__CLIENT__KEY`), or
    `tcp://HOST:PORT`: of this machine, or elsewhere with `insecure=True`.

    Args:
        address: of a scheduler; None for processes of this machine.
        workers: how many processes of this machine, as many as cores by default.
        insecure: allow an address elsewhere that is not encrypted; everybody in between could read
            the data and run code on this machine and the workers'.
        timeout: seconds in which the scheduler and a first worker must answer.

    Raises:
        ImportError: the extra is not installed.
        ValueError: an address that can't be used or is not safe; a worker or scheduler without
            tinygrad_dnn, or with another version of it, of NumPy or of Python; `workers` with an
            address.
        TimeoutError: the scheduler does not answer, or has no worker.
    """
    if address is not None:
        address = check_address(address, insecure)
        if workers is not None:
            raise ValueError(
                f"connect: workers are processes of this machine, those of {address} were started "
                "there; leave out one of them"
            )
    elif workers is not None and workers < 1:
        raise ValueError(f"connect: workers: expected 1 or more, got {workers}")
    if find_spec("distributed") is None:
        raise ImportError("the cluster: Dask is missing; pip install 'tinygrad-dnn[cluster]'")
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as opened:
        # What matters is raised here; a worker that was restarted is no news.
        opened.enter_context(silence_logging_cmgr(logging.CRITICAL))
        client = _local(opened, workers) if address is None else _at(address, timeout)
        opened.callback(_close, client)
        _require_workers(client, address or "this machine", timeout)
        yield client


def check_address(address: str, insecure: bool) -> str:
    """The address with its protocol.

    Raises:
        ValueError: it can't be used, or is not safe.
    """
    full = address if "://" in address else f"tcp://{address}"
    try:
        parts = urlsplit(full)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.path or parts.scheme not in ("tcp", "tls"):
        raise ValueError(f"scheduler: expected tls://HOST:PORT or tcp://HOST:PORT, got {address!r}")
    if parts.scheme == "tcp" and not insecure and not _is_loopback(host):
        raise ValueError(
            f"scheduler: {address} is another machine's and not encrypted: whoever is in between "
            "could read the data and run code here and on the workers; give a tls:// address, or, "
            "in a network that you trust, say insecure (--insecure)"
        )
    return full


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _local(opened: ExitStack, workers: int | None) -> Any:
    """A client of processes of this machine, which end when `opened` is closed."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    opened.enter_context(dask.config.set(NO_PAGES))
    cluster = LocalCluster(
        n_workers=CPU_COUNT if workers is None else workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        protocol="tcp://",  # whatever Dask's configuration says
        scheduler_port=0,
        dashboard_address="127.0.0.1:0",  # None would take port 8787
        scheduler_kwargs={"dashboard": False},
        preload=["tinygrad_dnn.cluster.quiet"],
        memory_limit=0,  # a process that grows is the system's business, as without Dask
        silence_logs=logging.CRITICAL,
    )
    opened.callback(cluster.close)
    return Client(cluster, timeout=START, set_as_default=False)


def _at(address: str, timeout: float) -> Any:
    """A client of the scheduler at an address."""
    import asyncio  # `train` without a cluster has no use for it

    from distributed import Client, Security

    try:
        security = Security().get_connection_args("client")
        if address.startswith("tls:") and security["ssl_context"] is None:
            raise ValueError(
                f"scheduler: {address}: there are no certificates; Dask's configuration names "
                "them: distributed.comm.tls.ca-file, client.cert and client.key"
            )
        with ThreadPoolExecutor(1) as thread:  # the caller's may run a loop, as a notebook's does
            thread.submit(asyncio.run, _greet(address, timeout, security)).result()
        return Client(address, timeout=timeout, set_as_default=False)
    except ValueError:
        raise
    except Exception as error:  # nobody there, or who answers has other words, keys or versions
        words = f" ({error})" if str(error) else ""
        raise TimeoutError(
            f"scheduler: {address} did not answer as one within {timeout:g} s{words}; is "
            "`dask scheduler` running there, and can this machine reach it?"
        ) from None


async def _greet(address: str, timeout: float, security: dict[str, Any]) -> None:
    """Ask who is there; a Client would wait for the answer without end."""
    from asyncio import wait_for

    from distributed.comm.core import connect as open_comm

    async def ask() -> Any:
        comm = await open_comm(address, timeout=timeout, **security)
        try:
            await comm.write({"op": "identity", "reply": True})
            return await comm.read()
        finally:
            comm.abort()

    who = await wait_for(ask(), timeout)
    if who["type"] != "Scheduler":
        its = f"; its scheduler is {who['scheduler']}" if "scheduler" in who else ""
        raise ValueError(
            f"scheduler: expected a scheduler at {address}, got a {who['type'].lower()}{its}"
        )


def _close(client: Any) -> None:
    """Close the client; a scheduler that is gone has nothing to be told."""
    with suppress(OSError, TimeoutError):
        client.close(timeout=2)


def _versions() -> tuple[tuple[str, str], ...]:
    """What must be the same on all workers, by name."""
    return (
        ("tinygrad_dnn", tinygrad_dnn.__version__),
        ("NumPy", np.__version__),
        ("Python", "{}.{}".format(*sys.version_info)),
    )


def worker_names(client: Any) -> dict[str, Any]:
    """The names of the workers that there are, by their addresses."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return {at: worker["name"] for at, worker in workers.items()}


def _require_workers(client: Any, where: str, timeout: float) -> None:
    """Raise unless there is a worker, and scheduler and workers have our versions."""
    try:
        client.wait_for_workers(1, timeout=timeout)
    except OSError:
        raise TimeoutError(
            f"scheduler: {where} has no worker after {timeout:g} s; start some: "
            f"`dask worker {where}`"
        ) from None
    try:  # the scheduler unpickles what it passes on
        found = client.run_on_scheduler(_versions)
    except Exception as error:
        found = error
    _check_versions(f"the scheduler at {where}", found)
    check_workers(client, worker_names(client))


def check_workers(
    client: Any, names: Mapping[str, Any], workers: Sequence[str] | None = None
) -> None:
    """Raise ValueError unless the workers, all by default, have our versions."""
    for at, found in client.run(_versions, workers=workers, on_error="return").items():
        _check_versions(f"worker {names.get(at, at)} ({at})", found)


def _check_versions(who: str, found: Any) -> None:
    """Raise ValueError unless it has our versions; it may have raised an error."""
    if isinstance(found, BaseException):
        raise ValueError(
            f"{who}: expected tinygrad_dnn {tinygrad_dnn.__version__}, got none that knows "
            f"clusters ({found}); install it there, or end that process"
        )
    for (name, own), (_, other) in zip(_versions(), found, strict=True):
        if own != other:
            raise ValueError(
                f"{who}: expected {name} {own}, as here, got {other}; install that version there, "
                "or end that process"
            )
