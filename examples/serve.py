"""A trained model that answers by HTTP, with the standard library alone.

    tinygrad-dnn train --head softmax
    python examples/serve.py run/model.h5
    curl -d '{"examples": [[0, 255, ...]]}' http://127.0.0.1:8000/

Examples are given one by one, as data files have them. It listens on this machine alone; what
listens to others wants a server in front of it that knows who may ask, and how often.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

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


def main(path: str) -> None:
    with server(load_model(path)) as running:
        print(f"http://127.0.0.1:{running.server_port}/ answers until Ctrl-C")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print("ended")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["run/model.h5"])
