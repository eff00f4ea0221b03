"""One server, asked over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlsplit

from rollouts.cli.credentials import Credentials
from rollouts.cli.failures import Exit, Failure, Refused

TIMEOUT_SECONDS = 20


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the bearer to wherever it points."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class Client:
    """Sends JSON to ``/api/v1`` and gives JSON back; refusals and silence are :class:`Failure`."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if urlsplit(credentials.url).hostname in {"localhost", "127.0.0.1", "::1"}:
            handlers.append(urllib.request.ProxyHandler({}))  # no proxy reaches this machine's own ports
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, *path: str, query: str = "", timeout: float = TIMEOUT_SECONDS) -> Any:
        return self._send("GET", path, None, self.credentials.bearer, query, timeout)[1]

    def every(self, *path: str, query: str = "") -> list[Any]:
        """All rows of a list, page after page."""
        rows, cursor = list[Any](), ""
        while True:
            told = self.get(*path, query=query + (f"{'&' if query else '?'}cursor={cursor}" if cursor else ""))
            rows += told["items"]
            if not told.get("next"):
                return rows
            cursor = quote(str(told["next"]), safe="")

    def post(
        self, *path: str, body: Any = None, file: bytes | None = None, query: str = "", bearer: str | None = None
    ) -> tuple[int, Any]:
        """Status and body; ``file`` is XML sent as it is. ``bearer`` is whoever acts, unless said: empty for nobody."""
        acting = self.credentials.bearer if bearer is None else bearer
        return self._send("POST", path, body if file is None else file, acting, query, TIMEOUT_SECONDS)

    def _send(
        self, method: str, path: tuple[str, ...], body: Any, bearer: str, query: str, timeout: float
    ) -> tuple[int, Any]:
        url = f"{self.credentials.url}/api/v1/{'/'.join(quote(part, safe='') for part in path)}{query}"
        headers = {"Accept": "application/json", "X-Lastgood-Surface": "cli", "User-Agent": "lastgood-cli"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        data = None
        if isinstance(body, bytes):
            data, headers["Content-Type"] = body, "application/xml"
        elif method == "POST":
            data = b"" if body is None else json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - http(s) only, checked on load
        try:
            with self._opener.open(request, timeout=timeout) as response:
                return response.status, _parsed(response.read())
        except urllib.error.HTTPError as error:
            answer = _parsed(error.read())
            if error.code >= 500:
                raise Failure(
                    f"The server failed with {error.code}. {answer.get('error', '')}".strip(), Exit.NO_SERVER
                ) from None
            raise Refused(error.code, answer) from None
        except (OSError, urllib.error.URLError) as error:
            why = getattr(error, "reason", error)
            raise Failure(
                f"No answer from {self.credentials.url} ({why}). Is it running? LASTGOOD_URL names another.",
                Exit.NO_SERVER,
            ) from None


def _parsed(raw: bytes) -> Any:
    """The JSON of an answer; an answer that is none (a proxy's page) is an empty object."""
    try:
        return json.loads(raw)
    except ValueError:
        return {}
