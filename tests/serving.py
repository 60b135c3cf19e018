"""A server of a small model on a free port of this machine, in a thread, for tests."""

import contextlib
import contextvars
import http.client
import json
import threading
import time

import minigrad as mg
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import Vocabulary

ALPHABET = "abcdefghijklmnopqrstuvwxyz .\n"


def tiny(cell="lstm", vocabulary=ALPHABET):
    """A model that nothing was taught: two layers of 16 units."""
    mg.seed(3)
    return CharModel(Vocabulary(vocabulary), cell, 8, 16, 2)


@contextlib.contextmanager
def served(model, **limits):
    """The port at which `model` is served, with `limits`; its application too."""
    import uvicorn

    from minigrad_rnn.serve.app import make_app
    from minigrad_rnn.serve.run import listen
    from minigrad_rnn.serve.wishes import Limits

    app = make_app(model, "tiny.safetensors", limits=Limits(**limits))
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_level="warning", log_config=None)
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(server.run, [listening]))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield listening.getsockname()[1], app
        finally:
            app.state.stopping.set()
            server.should_exit = True
            thread.join()


def ask(port, method, path, body=None, **headers):
    """(status, headers, body) of the answer; a `body` that is no bytes is sent as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        headers = {"content_type": "application/json"} | headers
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def wait_until(ready, seconds=5.0):
    """Ask `ready` until it says yes."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def refused(port, wish, path="/generate", **headers):
    """The status and the error of a request that must be refused, the field that is named too."""
    status, _, body = ask(port, "POST", path, wish, **headers)
    told = json.loads(body)
    assert set(told) <= {"error", "field"}
    return status, told["error"], told.get("field")


def streaming(port, length):
    """A connection and its answer, of whose stream the first line has been read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/stream", json.dumps({"length": length}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    answer.readline()
    return connection, answer
