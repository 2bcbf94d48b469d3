"""A trained model that answers by HTTP, with the standard library alone.

    python examples/serve.py                 # trains on digits, serves, and asks for three of them

    tinygrad-dnn train --head softmax
    python examples/serve.py run/model.h5    # until Ctrl-C
    curl -d '{"examples": [[0, 255, ...]]}' http://127.0.0.1:8000/

Examples are given one by one, as data files have them. It listens on this machine alone; what
listens to others wants a server in front of it that knows who may ask, and how often.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

import numpy as np

from tinygrad_dnn.data import default_dataset
from tinygrad_dnn.train import Model, load_model

LARGEST = 10_000_000  # bytes of a question


def answer(model: Model, text: bytes) -> tuple[int, dict]:
    """The status and the answer to a question in JSON."""
    try:
        AL = model.predict(model.columns(np.array(json.loads(text)["examples"])))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}
    if not model.classes:
        return 200, {"numbers": AL.T.tolist()}
    return 200, {"classes": model.names(AL), "probabilities": AL.T.tolist()}


def server(model: Model, port: int = 8000) -> ThreadingHTTPServer:
    """A server that is not started yet; port 0 takes one that is free."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds that a question may take

        def do_POST(self):
            said = self.headers.get("Content-Length", "")
            length = int(said) if said.isdecimal() else 0
            if not 0 < length <= LARGEST:
                self.send_error(413, f"expected 1 to {LARGEST} bytes")
                return
            status, told = answer(model, self.rfile.read(length))
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def ask(running: ThreadingHTTPServer, examples: np.ndarray) -> dict:
    """What the server says of these examples."""
    question = json.dumps({"examples": examples.tolist()}).encode()
    address = f"http://127.0.0.1:{running.server_port}/"
    with urlopen(address, question, timeout=20) as reply:
        return json.load(reply)


@contextmanager
def answering(model: Model) -> Iterator[ThreadingHTTPServer]:
    """A server in a thread of its own, on a port that is free."""
    with server(model, port=0) as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


def main(*paths: str) -> None:
    if not paths:
        train = ["train", "--head", "softmax", "--iterations", "300", "--no-pictures"]
        subprocess.run([sys.executable, "-m", "tinygrad_dnn", *train], check=True)
        with default_dataset("test", labels="digit") as data:
            three = data.part(0, 3)
            examples, labels = three.images(), three.labels(binary=False)[0]
        with answering(load_model("run/model.h5")) as running:
            print("asked for", *labels, "it answers", *ask(running, examples)["classes"])
        return
    with server(load_model(paths[0])) as running:
        print(f"http://127.0.0.1:{running.server_port}/ answers until Ctrl-C")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main(*sys.argv[1:2])
