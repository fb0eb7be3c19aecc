"""A web server on this machine for tests, good and bad ones among its paths."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BYTES = b"a picture, let us say" * 1000


class Site(BaseHTTPRequestHandler):
    """Answers by path, and notes who asked for what."""

    asked: "list[tuple[str, str | None]]"
    body: bytes

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("host")))
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        self.send_response(404 if path == "/none" else 200)
        if path == "/lying":
            self.send_header("content-length", str(2**20 + 1))
        if path == "/short":
            self.send_header("content-length", str(len(self.body) + 1))
        self.end_headers()
        try:
            if path == "/endless":
                for _ in range(200):
                    self.wfile.write(bytes(2**15))
            if path == "/slow":
                for _ in range(200):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            self.wfile.write(self.body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


class _V6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def site(
    address: str = "127.0.0.1", context: ssl.SSLContext | None = None, body: bytes = BYTES
) -> Iterator[tuple[int, list]]:
    """A web server with one file behind most paths; its port, and what it was asked."""
    handler = type("Here", (Site,), {"asked": [], "body": body})
    server = (_V6 if ":" in address else ThreadingHTTPServer)((address, 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1], handler.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
