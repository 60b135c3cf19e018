"""The server itself: a socket, a model, and an end when it is told to."""

from __future__ import annotations

import signal
import socket
import threading
import webbrowser
from pathlib import Path
from types import FrameType

from threadpoolctl import threadpool_limits

from minigrad.errors import MinigradError

from ..charmodel import CharModel
from .wishes import Limits

CONNECTIONS = 64  # at a time; above it the answer is 503


class ServeError(MinigradError, RuntimeError):
    """What keeps a model from being served: a port that is taken, an address that is none."""


def serve(
    path: str | Path,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    cell: str | None = None,
    max_length: int = 2000,
    max_concurrent: int = 2,
    open_browser: bool = False,
) -> int:
    """Serve the character model in the file `path` until SIGTERM, then return 0; Ctrl-C is KeyboardInterrupt as usual.

    Port 0 takes a free one; a line with the address is printed. Whoever reaches `host` may use the model: by default
    this machine alone. A text has up to `max_length` symbols, `max_concurrent` are written at a time; `open_browser`
    shows the page at once. `cell` as for `CharModel.load`, whose errors are raised too. ServeError if the port is
    taken, or the host is no address of this machine, and outside the main thread, which alone hears of signals.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ServeError("a server ends at a signal, which only the main thread hears: serve there, or in a process")
    import uvicorn

    from .app import LOOPBACK, make_app

    model = CharModel.load(path, cell)
    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    hosts = [*LOOPBACK, shown.lower()] if host not in ("0.0.0.0", "::") else ["*"]
    limits = Limits(length=max_length, concurrent=max_concurrent)
    app = make_app(model, Path(path).name, limits=limits, hosts=hosts)

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.stopping.set()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)
    address = f"http://{shown}:{listening.getsockname()[1]}/"
    before = signal.signal(signal.SIGTERM, server.handle_exit)  # until uvicorn has begun, and when it raises it again
    try:
        with listening, threadpool_limits(1, user_api="blas"):  # one character at a time leaves threads nothing to do
            print(f"{Path(path).name} is served at {address} (Ctrl-C ends it)", flush=True)
            if open_browser:
                webbrowser.open(address)
            server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a browser may come before the server has started. Raises ServeError."""
    if not 0 <= port < 2**16:
        raise ServeError(f"a port is a number from 0 to 65535, not {port}: give another (--port)")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ServeError(f"{host} is no address to serve at ({error}): give one of this machine (--host)") from None
    try:
        if hasattr(signal, "SIGKILL"):  # POSIX, where it frees no port that another listens at
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        told = f"cannot serve at port {port} of {host} ({error.strerror})"
        raise ServeError(f"{told}: give another (--port), or 0 for a free one") from None
    return listening
