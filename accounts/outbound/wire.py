"""One request to an address that a person entered: to a checked machine, within seconds, without following anybody.

The name is resolved once, every address checked, and the connection made to the checked address itself; a name that
says something else a moment later changes nothing. TLS still asks for the name's certificate.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpcore
import httpx

from accounts.outbound import guard
from accounts.outbound.errors import Forbidden, TransportError

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered; ``body`` is its beginning, ``headers`` have small letters."""

    status: int
    headers: Mapping[str, str]
    body: str


def target(address: str) -> httpx.URL:
    """The address of a webhook, in shape; Refused with a sentence otherwise. Asks nothing of the network."""
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        raise guard.Refused("That is no web address.") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise guard.Refused("Enter an address that begins with https:// or http://.")
    if url.userinfo:
        raise guard.Refused("Leave name and password out of the address. Messages are signed instead.")
    if url.fragment:
        raise guard.Refused("Leave out what stands after #. It is never sent.")
    guard.check_port(url.port or {"http": 80, "https": 443}[url.scheme])
    return url


def post(
    address: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    resolve: guard.Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """POST ``content``; TransportError when there is no answer, or it may not be sent there at all."""
    return ask("POST", address, content, headers, resolve=resolve, tls=tls)


def get(address: str, *, resolve: guard.Resolve | None = None, tls: ssl.SSLContext | None = None) -> Reply:
    """Ask for a page; TransportError when there is no answer, or this may not be asked at all."""
    return ask("GET", address, b"", {"User-Agent": "Lastgood/1", "Accept": "*/*"}, resolve=resolve, tls=tls)


def ask(
    method: str,
    address: str,
    content: bytes,
    headers: Mapping[str, str],
    *,
    resolve: guard.Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Send ``content`` by ``method``; TransportError when there is no answer, Forbidden when nothing may go there."""
    deadline = time.monotonic() + TOTAL_SECONDS
    try:
        url = target(address)
        network = Checked(deadline, resolve)
        with httpcore.ConnectionPool(ssl_context=tls or default_tls(), network_backend=network) as pool:
            return _exchange(pool, method, url, content, headers, deadline)
    except guard.Refused as refusal:
        raise Forbidden(str(refusal)) from None
    except httpcore.ConnectTimeout:
        raise TransportError(f"No connection within {CONNECT_SECONDS:.0f} seconds.") from None
    except httpcore.TimeoutException:
        raise TransportError(f"No whole answer within {TOTAL_SECONDS:.0f} seconds.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        raise TransportError(f"The connection failed: {error or type(error).__name__}.") from None


def _exchange(
    pool: httpcore.ConnectionPool,
    method: str,
    url: httpx.URL,
    content: bytes,
    headers: Mapping[str, str],
    deadline: float,
) -> Reply:
    sent = [(b"Host", url.netloc), *((name.encode(), value.encode()) for name, value in headers.items())]
    limits = {"connect": CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS, "pool": TOTAL_SECONDS}
    asked = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    body = content or None
    with pool.stream(method, asked, headers=sent, content=body, extensions={"timeout": limits}) as response:
        got = bytearray()
        for chunk in response.iter_stream():
            got += chunk[: ANSWER_BYTES - len(got)]
            if len(got) >= ANSWER_BYTES or time.monotonic() >= deadline:
                break
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Reply(response.status, told, got.decode("utf-8", "replace"))


@cache
def default_tls() -> ssl.SSLContext:
    """The certificate authorities that are trusted: those of SSL_CERT_FILE where it is set."""
    return httpx.create_ssl_context()


class Checked(httpcore.NetworkBackend):
    """Connects to checked addresses only, and ends everything at the deadline (on the monotonic clock)."""

    def __init__(self, deadline: float, resolve: guard.Resolve | None) -> None:
        self._deadline, self._resolve = deadline, resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stop_at = min(time.monotonic() + (timeout or CONNECT_SECONDS), self._deadline)
        problem: Exception = httpcore.ConnectError("no address")
        for ip in guard.addresses(host, port, self._resolve):
            if (left := stop_at - time.monotonic()) <= 0:
                raise httpcore.ConnectTimeout
            try:
                stream = self._sockets.connect_tcp(str(ip), port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
            else:
                return Bounded(stream, self._deadline)
        raise problem


class Bounded(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline: one byte every few seconds keeps nobody waiting."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = min(timeout or CONNECT_SECONDS, self._left(httpcore.ConnectTimeout))
        return Bounded(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _left(self, late: type[Exception]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise late
        return left
