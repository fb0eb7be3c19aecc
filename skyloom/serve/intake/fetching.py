"""Files behind URLs, fetched from where the operator's list says and from nowhere else.

A URL of a client is a way into the operator's own network, so everything that is not plainly right
is refused: another scheme, host, port or folder than the list has, a name and password, a path that
climbs, a redirect that leads out of the list. A name is resolved once, and the connection goes to
the address that was looked at; one that is not public is used only where the list has it as digits.
"""

import http.client
import ipaddress
import queue
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from skyloom import __version__
from skyloom.errors import UserError
from skyloom.serve.problem import Problem, invalid, shown

PORTS = {"http": 80, "https": 443}
SECONDS = 20.0
"""For a file as a whole, from resolving its name to its last byte."""
REDIRECTS = 3
_REDIRECTED = (301, 302, 303, 307, 308)
_PLAIN = re.compile(r"[!#-\[\]-~]{1,2000}")  # ASCII without spaces, quotes and backslashes
_IN_MEMORY, _BLOCK = 2**20, 2**16
_TRANSLATING = ipaddress.ip_network("64:ff9b::/96")  # NAT64: an IPv4 address at the end


@dataclass(frozen=True)
class Source:
    """What the list allows: a host, or what lies below a URL.

    Attributes:
        scheme: "https" or "http".
        host: a name in lower case, or an address as its digits are written.
        path: what paths begin with, a whole folder of it.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> "Source":
        """ "media.example.org" (https alone) or "https://media.example.org/pictures/".

        Raises:
            UserError: it is neither.
        """
        try:
            url = _split(text if "://" in text else f"https://{text}")
        except ValueError as error:
            raise UserError(
                f"'{text}' cannot be allowed, {error}: write a host, as in media.example.org, or "
                "the beginning of a URL, as in https://media.example.org/pictures/."
            ) from None
        return cls(url.scheme, _host(url), url.port or PORTS[url.scheme], url.path or "/")

    def has(self, url: SplitResult) -> bool:
        """Whether a URL is allowed by this."""
        if (url.scheme, _host(url), url.port or PORTS[url.scheme]) != (
            self.scheme,
            self.host,
            self.port,
        ):
            return False
        path = url.path or "/"
        return path == self.path or path.startswith(self.path.rstrip("/") + "/")


class Fetcher:
    """Fetches files; safe to use from many threads.

    Args:
        sources: the list; with none, nothing is fetched.
        seconds: for a file as a whole.
    """

    def __init__(self, sources: Sequence[Source] = (), seconds: float = SECONDS) -> None:
        self._sources, self._seconds = sources, seconds

    @contextmanager
    def fetched(self, url: str, param: str, largest: int) -> Iterator[IO[bytes]]:
        """The bytes behind a URL, while the context lasts.

        Args:
            param: the field, for errors.
            largest: bytes that are taken.

        Raises:
            Problem: 400, it is not allowed ("url_not_allowed") or nothing usable came
                ("url_not_fetched").
        """
        end = time.monotonic() + self._seconds
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            for _ in range(REDIRECTS + 1):
                there, host = self._allowed(url, param)
                try:
                    onward = _load(there, host, file, largest, end)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    late = time.monotonic() >= end
                    why = f"it took longer than {self._seconds:g} s" if late else _why(error)
                    raise _failed(param, why) from error
                if onward is None:
                    file.seek(0)
                    yield file
                    return
                url = urljoin(url, onward)
            raise _failed(param, "it leads on and on to other URLs")

    def _allowed(self, url: str, param: str) -> "tuple[SplitResult, Source]":
        """A URL in its parts, and what of the list allows it."""
        if not self._sources:
            raise invalid(
                f"'{param}' names a URL, '{shown(url, 40)}': this server fetches none. Send the "
                "file itself, or a data: URL.",
                param,
                "url_not_allowed",
            )
        why = "it is not on this server's list of sources"
        try:
            there = _split(url)
            for source in self._sources:
                if source.has(there):
                    return there, source
        except ValueError as error:
            why = str(error)
        raise invalid(
            f"'{param}' names a URL that is not fetched, '{shown(url, 40)}': {why}. Send the file "
            "itself, or a data: URL.",
            param,
            "url_not_allowed",
        )


def _split(text: str) -> SplitResult:
    """A URL in its parts, if it is one of the plain kind; ValueError says what it is not."""
    if not _PLAIN.fullmatch(text):
        raise ValueError("it has characters that no URL has")
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        raise ValueError("it is no URL") from None
    if url.scheme not in PORTS:
        raise ValueError("it begins neither with https:// nor with http://")
    if not host or url.port == 0:
        raise ValueError("it names no host")
    if "@" in url.netloc:
        raise ValueError("it holds a name or password")
    path = url.path
    for _ in range(3):  # what a careless server may decode more than once
        path = unquote(path)
    if "\\" in path or any(part in (".", "..") for part in path.split("/")):
        raise ValueError("its path climbs")
    return url


def _host(url: SplitResult) -> str:
    """The host in one way of writing it."""
    host = url.hostname or ""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


# ------------------------------------------------------------------------------------- one request


def _load(
    url: SplitResult, source: Source, file: IO[bytes], largest: int, end: float
) -> str | None:
    """Write what a URL holds into a file; where it leads on, the URL that it leads to.

    Raises:
        OSError, HTTPException, ValueError: it cannot be had.
    """
    address = _address(source, end)
    with _Connection(source, address, end) as connection:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        agent = {"user-agent": f"skyloom/{__version__}", "accept-encoding": "identity"}
        connection.request("GET", target, headers=agent | {"connection": "close"})
        with connection.getresponse() as answer:
            if answer.status in _REDIRECTED:
                if onward := answer.headers.get("location"):
                    return str(onward)
                raise ValueError("it leads nowhere")
            if answer.status != 200:
                raise ValueError(f"its server answers {answer.status}")
            _receive(answer, file, largest)
    if time.monotonic() >= end:
        raise TimeoutError
    return None


def _receive(answer: http.client.HTTPResponse, file: IO[bytes], largest: int) -> None:
    expected, count = answer.length, 0
    if expected is not None and expected > largest:
        raise _too_large(largest)
    while piece := answer.read1(_BLOCK):
        count += len(piece)
        if count > largest:
            raise _too_large(largest)
        file.write(piece)
    if expected is not None and count < expected:
        raise ValueError("it ends too early")


def _address(source: Source, end: float) -> str:
    """The one address to which the connection goes.

    Raises:
        OSError: the name is unknown.
        ValueError: it leads into a network that is not public.
    """
    try:
        return str(ipaddress.ip_address(source.host))  # the list has it as digits
    except ValueError:
        pass
    found: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            infos = socket.getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
            found.put([str(info[4][0]) for info in infos])
        except OSError as error:
            found.put(error)

    threading.Thread(target=resolve, daemon=True).start()  # it can be told no limit of time
    try:
        addresses = found.get(timeout=max(0.0, end - time.monotonic()))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(addresses, OSError):
        raise addresses
    if not addresses or not all(map(is_public, addresses)):
        raise ValueError("its host is in no public network")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address, and the one that it wraps, belongs to the open internet."""
    there = ipaddress.ip_address(address)
    if isinstance(there, ipaddress.IPv6Address):
        inner = [there.ipv4_mapped, there.sixtofour, *(there.teredo or ())]
        if there in _TRANSLATING:
            inner.append(ipaddress.IPv4Address(int(there) & 0xFFFFFFFF))
        if there.is_site_local or not all(is_public(str(each)) for each in inner if each):
            return False
        if there.ipv4_mapped is not None:
            return True
    return there.is_global and not there.is_multicast


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was looked at, which is cut when its time is over, however
    slowly the other side may speak."""

    def __init__(self, source: Source, address: str, end: float) -> None:
        host = f"[{source.host}]" if ":" in source.host else source.host
        super().__init__(host, source.port, timeout=max(0.01, end - time.monotonic()))
        self._source, self._address = source, address
        self._over = threading.Timer(max(0.0, end - time.monotonic()), self._cut)
        self._over.daemon = True
        self.default_port = PORTS[source.scheme]

    def connect(self) -> None:
        """Open it, with TLS where the list says https; certificates are checked for the host."""
        self.sock = socket.create_connection((self._address, self._source.port), self.timeout)
        self._open = self.sock
        if self._source.scheme == "https":
            context = ssl.create_default_context()
            self.sock = self._open = context.wrap_socket(
                self.sock, server_hostname=self._source.host, do_handshake_on_connect=False
            )
            self._over.start()
            self._open.do_handshake()
        else:
            self._over.start()

    def _cut(self) -> None:
        try:
            socket.socket.shutdown(self._open, socket.SHUT_RDWR)  # under TLS, whatever it does
        except OSError:
            return

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.cancel()
        self.close()


def _too_large(largest: int) -> ValueError:
    return ValueError(f"it is larger than the {largest / 2**20:g} MiB that are taken at once")


def _why(error: Exception) -> str:
    """Why nothing came; of a network no more is told than that."""
    if isinstance(error, ssl.SSLError):
        return "its certificate or encryption is not in order"
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return str(error)
    return "its server does not answer as one should"


def _failed(param: str, why: str) -> Problem:
    message = f"The URL of '{param}' cannot be fetched: {why}."
    return invalid(message, param, "url_not_fetched")
