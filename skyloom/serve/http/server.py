"""Runs the app on a socket until a signal comes, then lets requests and streams end."""

import ipaddress
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from skyloom.errors import UserError
from skyloom.serve.http.service import Service

CONNECTIONS = 512
"""More at once are told to come back."""
SHUTDOWN_SECONDS = 10


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise UserError(
            f"Nothing can be served at {host}:{port}, {error.strerror or error}: "
            "name another with --host and --port."
        ) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def run(app: FastAPI, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=20,
        ws="none",
    )
    _Server(config, app.state.service).run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's server; streams are told to end as soon as a signal comes."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.leaving.set()
        super().handle_exit(sig, frame)
