"""What a server of a language model refuses: fields that cannot be, foreign pages, too much, too slow, too many."""

import asyncio
import json
import socket
import time

import pytest
from serving import ask, refused, served, streaming, tiny, wait_until

pytestmark = pytest.mark.on_numpy
MODEL = tiny()


@pytest.fixture(scope="module")
def port():
    with served(MODEL) as (port, _):
        yield port


@pytest.mark.parametrize(
    ("wish", "told", "field"),
    [
        ({"prime": "naïve"}, "'ï'", "prime"),
        ({"prime": 3}, "prime must be a text, not 3", "prime"),
        ({"prime": "a" * 2001}, "prime may have 2,000 characters, not 2,001", "prime"),
        ({"prime": None}, "prime must be a text, not null", "prime"),
        ({"length": 2001}, "length must be a whole number from 0 to 2,000, not 2001", "length"),
        ({"length": -1}, "length must be a whole number from 0 to 2,000, not -1", "length"),
        ({"length": 2.5}, "not 2.5", "length"),
        ({"length": True}, "not true", "length"),
        ({"length": "9"}, 'not "9"', "length"),
        ({"length": int("9" * 400)}, "not 9999", "length"),
        ({"temperature": -0.1}, "temperature must be 0 (always the likeliest) or a number from 0.01 to", "temperature"),
        ({"temperature": 1e-9}, "not 1e-09", "temperature"),
        ({"temperature": False}, "not false", "temperature"),
        ({"temperature": [1]}, "not [1]", "temperature"),
        ({"top_k": 0}, "top_k must be null or a whole number from 1 up, not 0", "top_k"),
        ({"top_k": 1.0}, "not 1.0", "top_k"),
        ({"top_p": 0}, "top_p must be null or a number above 0 and at most 1, not 0", "top_p"),
        ({"top_p": 1.01}, "not 1.01", "top_p"),
        ({"seed": -3}, "seed must be a whole number from 0", "seed"),
        ({"seed": None}, "not null", "seed"),
        ({"Length": 3}, 'there is no field "Length": give prime, length, temperature, top_k, top_p, seed', None),
        ({"\ud800": 3}, 'there is no field "\\ud800"', None),
        ([1], "must be a JSON object", None),
        (b'{"temperature": NaN}', "NaN is not a number of JSON", None),
        (b'{"temperature": -Infinity}', "-Infinity is not a number of JSON", None),
        (b'{"temperature": 1e999}', "not Infinity", "temperature"),
        (b'{"length": ' + b"9" * 5000 + b"}", "no JSON", None),
        (b"{", "no JSON", None),
        (b"\xff\xfe\x00", "no JSON", None),
        (b"", "no JSON", None),
        (b"[" * 60_000, "no JSON", None),
    ],
)
def test_what_cannot_be_is_refused_with_the_field_named(port, wish, told, field):
    for path in ("/generate", "/stream"):
        status, error, named = refused(port, wish, path)
        assert (status, named) == (400, field)
        assert told in error


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_a_foreign_page_is_refused(port, kind):
    assert refused(port, {"length": 1}, content_type=kind)[0] == 415
    assert ask(port, "POST", "/generate", {"length": 1}, content_type="Application/JSON; charset=utf-8")[0] == 200


def test_a_foreign_name_for_this_machine_is_refused(port):
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", ""):
        status, headers, _ = ask(port, "GET", "/model", host=host)
        assert status == 400
        assert "content-security-policy" in headers
    for host in ("localhost", f"LOCALHOST:{port}", f"[::1]:{port}", f"127.0.0.1:{port}"):
        assert ask(port, "GET", "/model", host=host)[0] == 200


def test_other_addresses_and_methods(port):
    assert ask(port, "GET", "/../pyproject.toml")[0] == 404
    assert json.loads(ask(port, "GET", "/favicon.ico")[2]) == {"error": "Not Found"}
    assert ask(port, "GET", "/generate")[0] == 405
    assert ask(port, "POST", "/model", {})[0] == 405
    assert ask(port, "OPTIONS", "/generate", origin="http://evil.example")[0] == 405  # so no CORS


def raw(port, *parts):
    """The status that a request sent byte by byte gets."""
    head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in (head, *parts):
            connection.sendall(part)
        return int(connection.makefile("rb").readline().split()[1])


def test_a_body_is_counted_as_it_comes(port):
    most = 64 * 1024
    assert refused(port, b" " * (most + 1))[:2] == (413, "the body may have 65,536 bytes")
    assert ask(port, "POST", "/generate", b'{"length": 1}'.ljust(most))[0] == 200
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    assert raw(port, b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk) == 413
    assert raw(port, b"Content-Length: 99999999999\r\n\r\n", b" " * (most + 1)) == 413
    assert raw(port, b"Content-Length: 2\r\n\r\n", b"{}" + b" " * most) == 200  # the rest is another request, a bad one
    assert raw(port, b"Content-Length: -5\r\n\r\n") == 400


def test_a_body_that_does_not_come_and_an_answer_that_is_not_read():
    with served(MODEL, patience=0.2, concurrent=1) as (port, app):
        assert raw(port, b"Content-Length: 9\r\n\r\n", b"{") == 408
        began = time.monotonic()
        sent = asyncio.run(not_read(app, {"length": 50}))
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert 0.2 <= time.monotonic() - began < 2
        assert ask(port, "POST", "/generate", {"length": 1})[0] == 200  # its place is free again


async def not_read(app, wish):
    """What a client gets who reads the first line of a stream and no more, with the connection open."""
    asked, sent = [{"type": "http.request", "body": json.dumps(wish).encode(), "more_body": False}], []

    async def receive():
        return asked.pop() if asked else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)
        if len(sent) == 2:
            await asyncio.Event().wait()

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/stream", "headers": headers, "query_string": b""}
    await app(scope, receive, send)
    return sent


def test_so_many_at_a_time_and_a_client_that_goes_away_makes_room(caplog):
    with served(MODEL, concurrent=2, length=10**6) as (port, _):
        clients = [streaming(port, 10**6) for _ in range(2)]
        for path in ("/generate", "/stream"):
            status, headers, body = ask(port, "POST", path, {"length": 1})
            assert (status, headers["retry-after"]) == (503, "1")
            assert "2 texts are being generated" in json.loads(body)["error"]
        assert ask(port, "GET", "/model")[0] == 200  # the loop is free
        connection, answer = clients.pop()
        answer.close()
        connection.close()
        wait_until(lambda: ask(port, "POST", "/generate", {"length": 1})[0] == 200)
        with socket.create_connection(("127.0.0.1", port)) as gone:  # one that wants it whole, and goes away
            body = b'{"length": 1000000}'
            gone.sendall(
                b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            wait_until(lambda: ask(port, "POST", "/generate", {"length": 1})[0] == 503)
        wait_until(lambda: ask(port, "POST", "/generate", {"length": 1})[0] == 200)
        for connection, answer in clients:
            answer.close()
            connection.close()
    with served(MODEL) as (port, _), socket.create_connection(("127.0.0.1", port)) as gone:  # before its body has come
        gone.sendall(b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        gone.sendall(b"Content-Length: 9\r\n\r\n{")
    assert caplog.text == ""
