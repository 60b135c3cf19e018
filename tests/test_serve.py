"""Serving a language model: what it answers, and how it starts and ends."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from serving import ALPHABET, ask, refused, served, streaming, tiny

import minigrad as mg
from minigrad.errors import AnomalyError
from minigrad_rnn import Cell
from minigrad_rnn.charmodel import CharModel
from minigrad_rnn.data import TextError, Words
from minigrad_rnn.serve import ServeError, serve, walk

pytestmark = pytest.mark.on_numpy  # one test goes elsewhere by itself
MODEL = tiny()


@pytest.fixture(scope="module")
def port():
    with served(MODEL) as (port, _):
        yield port


def lines(port, **wish):
    status, headers, body = ask(port, "POST", "/stream", wish)
    assert (status, headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in body.splitlines()]


# walk


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_walk_writes_what_continue_text_writes(cell):
    model = tiny(cell)
    for prime, temperature in [("", 1.0), ("hello ", 0.7), ("hello ", 0.0)]:
        steps = list(walk(model, prime, 60, temperature, seed=5))
        assert "".join(step.text for step in steps) == prime + "".join(model.continue_text(prime, 60, temperature, 5))
        assert [step.probability is None for step in steps] == [True] * len(prime) + [False] * 60
        assert {layer.shape for step in steps for layer in step.activations} == {(16,)}


def test_activations_are_the_states_after_each_character():
    steps = list(walk(MODEL, "abc", 2, 0.0))
    with mg.no_grad():
        _, (h, _) = MODEL(MODEL.vocabulary.encode("abc")[:, None])
    np.testing.assert_allclose(np.stack(steps[2].activations), h.numpy()[:, 0], rtol=1e-5, atol=1e-7)


class Half(Cell):
    """A cell whose state is half as wide as its output."""

    def __init__(self, input_size, hidden_size):
        self.W = mg.nn.init.glorot(input_size, hidden_size // 2)

    def state_shapes(self):
        return ((self.hidden_size // 2,),)

    def step(self, x, state):
        state = mg.tanh(x @ self.W + state)
        return mg.concatenate([state, state], axis=1), state


def test_layers_may_differ_in_what_their_state_is():
    model = tiny()
    model.recurrent.cells[1] = Half(16, 16)
    assert {tuple(len(layer) for layer in step.activations) for step in walk(model, "ab", 3)} == {(16, 8)}


def test_several_threads_write_what_one_writes_alone_and_leave_all_as_it_was():
    def text(seed):
        return "".join(step.text for step in walk(MODEL, "a ", 150, 1.0, seed))

    before = {name: value.numpy().copy() for name, value in MODEL.state_dict().items()}
    alone = [text(seed) for seed in range(4)]
    mg.seed(7)
    drawn = mg.nn.init.normal((3,)).numpy()
    mg.seed(7)
    found = {}
    threads = [threading.Thread(target=lambda seed=seed: found.update({seed: text(seed)})) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(4)] == alone
    assert len(set(alone)) == 4
    assert np.array_equal(mg.nn.init.normal((3,)).numpy(), drawn)  # the generator of the backend is where it was
    assert all(np.array_equal(value.numpy(), before[name]) for name, value in MODEL.state_dict().items())
    assert all(parameter.grad is None for parameter in MODEL.parameters())


def test_a_walk_refuses_at_once_what_cannot_be_read_and_stops_where_numbers_end():
    with pytest.raises(TextError, match="'É'"):
        walk(MODEL, "caffÉ", 3)
    broken = tiny()
    broken.recurrent.cells[0].weight_hh.data[:] = np.nan
    with pytest.raises(AnomalyError, match="not finite"):
        list(walk(broken, "ab", 3))


def test_words():
    model = CharModel(Words(["<unk>", "the", "cat", "sat", "."]), "gru", 4, 5)
    steps = list(walk(model, "the cat", 6, seed=1))
    assert [step.text for step in steps[:2]] == [" the", " cat"]
    assert "".join(s.text for s in steps[2:]) == "".join(model.continue_text("the cat", 6, seed=1))
    assert len(list(walk(model, " ", 6))) == 6


# What is answered


def test_model(port):
    status, headers, body = ask(port, "GET", "/model")
    told = json.loads(body)
    assert status == 200
    assert told.pop("limits") == {"length": 2000, "prime": 2000, "concurrent": 2, "body": 65536, "patience": 20.0}
    assert told == {
        "name": "tiny.safetensors",
        "cell": "lstm",
        "embedding": 8,
        "hidden": 16,
        "layers": 2,
        "units": [16, 16],
        "parameters": sum(parameter.size for parameter in MODEL.parameters()),
        "vocabulary": 29,
        "unit": "character",
    }
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert not [name for name in headers if name.startswith("access-control")]


def test_generate(port):
    wish = {"prime": "hello ", "length": 80, "temperature": 0.7, "seed": 4}
    status, _, body = ask(port, "POST", "/generate", wish)
    assert status == 200
    assert json.loads(body) == {"prime": "hello ", "text": "".join(MODEL.continue_text("hello ", 80, 0.7, 4))}
    told = json.loads(ask(port, "POST", "/generate", {})[2])  # everything has a default
    assert told == {"prime": "", "text": "".join(MODEL.continue_text("", 200, 0.8, 0))}
    one = {"prime": "ab", "length": 30, "top_k": 1, "top_p": 0.5, "temperature": 1}
    greedy = "".join(MODEL.continue_text("ab", 30, 0.0))
    assert json.loads(ask(port, "POST", "/generate", one)[2])["text"] == greedy
    assert json.loads(ask(port, "POST", "/generate", {"length": 0})[2])["text"] == ""


def test_stream(port):
    wish = {"prime": "ab", "length": 20, "temperature": 0.9, "seed": 2}
    *found, last = lines(port, **wish)
    expected = list(walk(MODEL, **wish))
    assert last == {"end": True}
    assert [line["text"] for line in found] == [step.text for step in expected]
    assert [line["p"] for line in found[:2]] == [None, None]
    for line, step in zip(found, expected, strict=True):
        assert line["p"] == (step.probability if step.probability is None else round(step.probability, 4))
        assert line["scales"] == [1.0, 1.0]
        for text, layer in zip(line["activations"], step.activations, strict=True):
            units = np.frombuffer(base64.b64decode(text), "int8") / 127
            np.testing.assert_allclose(units, layer, atol=0.5 / 127 + 1e-6)


def test_a_model_on_another_backend(strict):
    with mg.use_backend("strict"):
        model = tiny()
        with served(model) as (port, _):  # whose threads are on that backend too
            *found, last = lines(port, prime="ab", length=9)
        assert last == {"end": True}
        assert "".join(line["text"] for line in found) == "ab" + "".join(model.continue_text("ab", 9, 0.8))


def test_units_beyond_one_have_a_scale():
    model = tiny("gru")
    with served(model) as (port, app):
        assert app.state.stopping.is_set() is False
        model.recurrent.cells[0].initial_state = lambda batch: mg.full((batch, 16), 4.0)
        first, _ = lines(port, prime="a", length=0)
    (step,) = walk(model, "a", 0)
    assert first["scales"] == [pytest.approx(float(np.abs(step.activations[0]).max())), 1.0]
    units = np.frombuffer(base64.b64decode(first["activations"][0]), "int8") / 127 * first["scales"][0]
    np.testing.assert_allclose(units, step.activations[0], atol=first["scales"][0] / 127)


def test_a_line_is_light():
    mg.seed(0)
    model = CharModel(MODEL.vocabulary, "rnn", 8, 256, 2)
    with served(model) as (port, _):
        body = ask(port, "POST", "/stream", {"length": 20})[2]
    assert len(body) / 20 < 800  # so 2,000 characters of two layers of 256 units are 1.6 MB


def test_the_text_comes_as_it_is_written(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    wish = json.dumps({"prime": "ab", "length": 500})
    connection.request("POST", "/stream", wish, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    first = time.perf_counter()
    assert json.loads(answer.readline())["text"] == "a"
    early = time.perf_counter() - first
    answer.read()
    assert early < (time.perf_counter() - first) / 4
    connection.close()


def test_characters_of_all_kinds_pass():
    model = tiny(vocabulary=ALPHABET + "é😀<>&\u2028\ud800")
    with served(model) as (port, _):
        told = ask(port, "POST", "/generate", {"prime": "é😀<", "length": 200})[2]
        assert json.loads(told)["text"] == "".join(model.continue_text("é😀<", 200, 0.8))
        assert [line["text"] for line in lines(port, prime="é😀<", length=0)[:3]] == ["é", "😀", "<"]


def test_an_error_on_the_way_ends_the_lines():
    model = tiny()
    with served(model) as (port, _):
        model.recurrent.cells[0].weight_hh.data[:] = np.nan
        assert "not finite" in lines(port, length=3)[-1]["error"]
        assert "not finite" in refused(port, {"length": 3})[1]


@pytest.mark.parametrize("path", ["/", "/page.js", "/heat.js", "/find.js", "/colours.js", "/page.css"])
def test_the_page_needs_nothing_from_elsewhere(port, path):
    status, headers, body = ask(port, "GET", path)
    assert status == 200
    assert headers["content-type"].startswith("text/")
    assert b"://" not in body
    assert b'"//' not in body
    assert not any(word in body for word in (b"innerHTML", b"outerHTML", b"insertAdjacentHTML", b"eval("))


# The server


PROGRAM = "import sys; from minigrad_rnn.serve import serve; sys.exit(serve(sys.argv[1], port=int(sys.argv[2])))"


@pytest.fixture
def started(tmp_path):
    """A function that starts the server as a program; gives the process and its port."""
    path, running = tmp_path / "tiny.safetensors", []
    MODEL.save(path)

    def start(port=0):
        root = str(Path(__file__).parents[1])
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, path, str(port)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"PYTHONPATH": root},
            )
        )
        line = running[-1].stdout.readline()
        assert line.startswith("tiny.safetensors is served at http://127.0.0.1:"), running[-1].stderr.read()
        return running[-1], int(line.partition("1:")[2].partition("/")[0])

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_it_ends_when_told_also_in_the_middle_of_a_text(started, number, status):
    process, port = started()
    connection, answer = streaming(port, 2000)
    began = time.monotonic()
    process.send_signal(number)
    rest = answer.read().splitlines()
    connection.close()
    out, errors = process.communicate(timeout=10)
    assert process.returncode == status  # an interrupt not caught: the command line makes 130 of it
    assert json.loads(rest[-1]) == {"error": "the server is stopping"}
    assert time.monotonic() - began < 4
    assert out == ""
    assert errors == "" if number == signal.SIGTERM else errors.rstrip().endswith("KeyboardInterrupt")


def test_it_ends_also_when_told_as_soon_as_its_address_is_known(started):
    process, _ = started()
    process.terminate()
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0


def test_outside_the_main_thread_it_is_refused_at_once():
    with ThreadPoolExecutor() as threads, pytest.raises(ServeError, match="only the main thread hears"):
        threads.submit(serve, "none.safetensors").result()


def test_a_port_in_use_and_hosts_that_are_none(tmp_path):
    path = tmp_path / "tiny.safetensors"
    MODEL.save(path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServeError, match=r"in use.*--port") as caught:
            serve(path, port=taken.getsockname()[1])
    assert "\n" not in caught.value.message
    with pytest.raises(ServeError, match=r"65535, not 99999.*--port"):
        serve(path, port=99999)
    with pytest.raises(ServeError, match=r"--host"):
        serve(path, host="256.1.1.1")
