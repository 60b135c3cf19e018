"""The ASGI application: one page, and a model as JSON.

    GET  /model     what the model is, and the limits
    POST /generate  {prime, length, temperature, top_k, top_p, seed} -> {prime, text}
    POST /stream    the same -> a JSON object a line: for each symbol of the prime, then for each one written,
                    {text, p, activations, scales}; at last {end: true}, or {error} where it broke off

All fields have defaults. A symbol is a character, or a word of a model of words; p is how likely it was when it was
drawn (null for the prime). Of `activations` each entry is a layer's units, int8 in base64; times its scale / 127 they
are what they were. An error is {error}, and {field} where one is meant.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import anyio
import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from minigrad.errors import MinigradError

from ..charmodel import CharModel
from ..data import TextError
from ..models import parameter_count
from .walk import Step, walk
from .wishes import Limits, RefusedError, Wish, parse

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(
    model: CharModel, name: str = "model", *, limits: Limits | None = None, hosts: Sequence[str] = LOOPBACK
) -> Starlette:
    """The application that serves `model`, called `name` on its page, in `eval()` if it has dropout.

    A request whose Host is not among `hosts` is refused, so that no foreign page gets at it through a name of its own
    that points here (DNS rebinding). `app.state.stopping` is an Event that ends what is being generated.
    """
    limits = limits or Limits()
    service = Service(model, name, limits)
    routes = [
        Route("/model", service.describe),
        Route("/generate", service.generate, methods=["POST"]),
        Route("/stream", service.stream, methods=["POST"]),
    ]
    for file in files(__package__).joinpath("page").iterdir():
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind:
            address = "/" if file.name == "page.html" else f"/{file.name}"
            routes.append(Route(address, _static(file.read_bytes(), kind)))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Confined, hosts)],
        exception_handlers={RefusedError: _refused, HTTPException: _failed, ClientDisconnect: _gone},
    )
    app.state.stopping = service.stopping
    return app


class Service:
    """A model and who may use it, how much at a time."""

    def __init__(self, model: CharModel, name: str, limits: Limits):
        self.model, self.limits, self.stopping = model, limits, threading.Event()
        self.free = limits.concurrent
        first = next(walk(model, "", 1))
        self.description = {
            "name": name,
            **{key: model.config[key] for key in ("cell", "embedding", "hidden", "layers")},
            "units": [len(layer) for layer in first.activations],
            "parameters": parameter_count(model),
            "vocabulary": len(model.vocabulary),
            "unit": model.vocabulary.unit,
            "limits": vars(limits),
        }

    async def describe(self, request: Request) -> Response:
        return _Json(self.description)

    async def generate(self, request: Request) -> Response:
        wish, steps = await self._wish(request)
        texts: list[str] = []
        with self.taken():
            try:
                async for step in iterate_in_threadpool(steps):
                    texts += [step.text] if step.probability is not None else []
                    if await request.is_disconnected():
                        raise ClientDisconnect
            except MinigradError as error:
                raise RefusedError(503 if self.stopping.is_set() else 500, error.message) from None
        return _Json({"prime": wish.prime, "text": "".join(texts)})

    async def stream(self, request: Request) -> Response:
        _, steps = await self._wish(request)
        return _Lines(_lines(steps), self)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """One of the generations that may run at a time. Raises RefusedError (503) if all are taken."""
        if not self.free:
            told = f"{self.limits.concurrent} texts are being generated, and no more may be at a time: try again"
            raise RefusedError(503, told)
        self.free -= 1
        try:
            yield
        finally:
            self.free += 1

    async def _wish(self, request: Request) -> tuple[Wish, Iterator[Step]]:
        wish = parse(await _body(request, self.limits), self.limits)
        try:
            steps = walk(self.model, **vars(wish))
        except TextError as error:
            raise RefusedError(400, error.message, "prime") from None
        return wish, self._until_stopped(steps)

    def _until_stopped(self, steps: Iterator[Step]) -> Iterator[Step]:
        for step in steps:
            if self.stopping.is_set():
                raise MinigradError("the server is stopping")
            yield step


class _Lines(StreamingResponse):
    """The lines of a generation, which ends when its client goes away, or does not read for too long."""

    media_type = "application/x-ndjson"

    def __init__(self, lines: Iterator[bytes], service: Service):
        super().__init__(lines)
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_soon(message: Message) -> None:
            with anyio.fail_after(self.service.limits.patience):
                await send(message)

        with self.service.taken(), contextlib.suppress(TimeoutError):
            await super().__call__(scope, receive, send_soon)


def _lines(steps: Iterator[Step]) -> Iterator[bytes]:
    try:
        for step in steps:
            quantised = [_quantised(layer) for layer in step.activations]
            contents = {
                "text": step.text,
                "p": None if step.probability is None else round(step.probability, 4),
                "activations": [text for text, _ in quantised],
                "scales": [scale for _, scale in quantised],
            }
            yield _json(contents) + b"\n"
        yield _json({"end": True}) + b"\n"
    except MinigradError as error:
        yield _json({"error": error.message}) + b"\n"


def _json(contents: Any) -> bytes:
    return json.dumps(contents, separators=(",", ":"), allow_nan=False).encode()  # ASCII: a text may hold surrogates


class _Json(JSONResponse):
    def render(self, content: Any) -> bytes:
        return _json(content)


def _quantised(layer: np.ndarray) -> tuple[str, float]:
    """The units as int8 in base64, and what 127 of it stands for: 1, or the largest size if that is above 1."""
    scale = max(1.0, float(np.abs(layer).max()))
    return base64.b64encode(np.rint(layer * (127 / scale)).astype("int8").tobytes()).decode(), scale


async def _body(request: Request, limits: Limits) -> bytes:
    """The body, counted as it comes in. Raises RefusedError: no JSON (415), too long (413), too slow (408)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "send the header Content-Type: application/json")
    body = b""
    try:
        with anyio.fail_after(limits.patience):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body:
                    raise RefusedError(413, f"the body may have {limits.body:,} bytes")
    except TimeoutError:
        raise RefusedError(408, f"the body did not come within {limits.patience:g} seconds") from None
    return body


def _static(contents: bytes, kind: str) -> Any:
    async def get(request: Request) -> Response:
        return Response(contents, media_type=kind)

    return get


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    told = {"error": error.message} | ({"field": error.field} if error.field else {})
    return _Json(told, error.status, {"Retry-After": "1"} if error.status == 503 else None)


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _Json({"error": error.detail}, error.status_code, error.headers)


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # which nobody will see


class _Confined:
    """Refuses requests whose Host is not among `hosts` ("*": any), and adds the headers that confine the page."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        host = re.sub(r":\d*$", "", Headers(scope=scope).get("host", "")).lower()
        app = self.app
        if host not in self.hosts and "*" not in self.hosts:
            app = _Json({"error": f"nothing is served here under the name {host!r}"}, 400)
        await app(scope, receive, send_with_headers)
