"""Which server, and who is asking: environment first, then a login, then the file of the first start."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rollouts.cli.failures import Exit, Failure

DEFAULT_URL = "http://127.0.0.1:8000"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Session:
    """A person's login: ``secret`` is sent as the bearer until ``expires_at``."""

    secret: str
    expires_at: datetime
    email: str

    @property
    def is_valid(self) -> bool:
        return self.expires_at > datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Credentials:
    """``bearer`` is whoever acts; ``session`` is the person, when one is logged in."""

    url: str
    token: str | None
    session: Session | None

    @property
    def bearer(self) -> str:
        """``LASTGOOD_TOKEN`` if set, else the person who is logged in, else the first start's token."""
        if explicit := os.environ.get("LASTGOOD_TOKEN"):
            return explicit
        if self.session is not None:
            return self.session.secret
        if self.token:
            return self.token
        raise Failure(
            "No token: set LASTGOOD_TOKEN, run lastgood login, or run this beside var/credentials.json.", Exit.REFUSED
        )

    def person(self, verb: str) -> str:
        """The session's secret; a token never is a person."""
        if self.session is None:
            raise Failure(
                f"To {verb} takes a person, and a token is none. Run lastgood login, then this again.",
                Exit.TAKES_A_PERSON,
            )
        return self.session.secret


def load() -> Credentials:
    """What the environment, the login and ``credentials.json`` say."""
    found = _first_start()
    url = (os.environ.get("LASTGOOD_URL") or str(found.get("base_url") or DEFAULT_URL)).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise Failure(f"LASTGOOD_URL must begin with http:// or https://, not {url!r}.", Exit.USAGE)
    # The file's token is that server's; no other one gets to see it.
    token = found.get("token") if same_server(url, str(found.get("base_url") or "")) else None
    return Credentials(url, str(token) if token else None, read_session(url))


def same_server(one: str, other: str) -> bool:
    """Whether two base URLs mean one server: localhost and 127.0.0.1 are the same machine."""

    def place(url: str) -> tuple[str, str | None, int | None]:
        parts = urlsplit(url)
        host = "localhost" if parts.hostname in _LOOPBACK else parts.hostname
        return parts.scheme, host, parts.port

    return place(one) == place(other)


def home() -> Path:
    """Where logins are kept: ``LASTGOOD_HOME``, else ``~/.config/lastgood``."""
    if given := os.environ.get("LASTGOOD_HOME"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "lastgood"


def read_session(url: str) -> Session | None:
    """The login at ``url``, unless it has run out."""
    kept = _read_json(home() / "sessions.json").get(url)
    if not isinstance(kept, dict):
        return None
    try:
        session = Session(str(kept["session"]), datetime.fromisoformat(str(kept["expires_at"])), str(kept["email"]))
    except (KeyError, ValueError):
        return None
    return session if session.is_valid else None


def keep_session(url: str, session: Session) -> Path:
    """Write the login where only its owner reads it."""
    path = home() / "sessions.json"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = _read_json(path) | {
        url: {"session": session.secret, "expires_at": session.expires_at.isoformat(), "email": session.email}
    }
    temporary = path.with_name(f".sessions.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)
    return path


def _first_start() -> dict[str, Any]:
    """``credentials.json`` below ``LASTGOOD_VAR``, else below ``var`` here or in the clone this file lies in."""
    if given := os.environ.get("LASTGOOD_VAR"):
        return _read_json(Path(given).expanduser() / "credentials.json")
    for root in (Path.cwd(), Path(__file__).resolve().parents[2]):
        if found := _read_json(root / "var" / "credentials.json"):
            return found
    return {}


def _read_json(path: Path) -> dict[str, Any]:
    """The object in ``path``; empty when there is no such file or it cannot be read by this user."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
