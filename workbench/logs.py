"""What processes write to their standard error: failures with their tracebacks, and never a secret."""

from __future__ import annotations

import logging
import re
from typing import Any

#: Every secret we make begins alike (accounts.secrets.new_secret; whsec_: what signs webhooks), whether it stands in a
#: path, a body or a value.
SECRET = re.compile(r"\b(?:(?P<ours>lg[a-z]_)[A-Za-z0-9_-]{20,}|(?P<hook>whsec_)[A-Za-z0-9+/=]{20,})")


class Discreet(logging.Formatter):
    """Leaves of a secret only what kind it is, also in tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return SECRET.sub(lambda found: f"{found['ours'] or found['hook']}…", super().format(record))


#: Django's own configuration is silent about failed pages unless DEBUG is on or mail is set up. What callers got
#: wrong (4xx) is theirs to see, and a path may be a key: only failures of our own are written.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"discreet": {"()": Discreet, "format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "discreet"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "slack_sdk": {"level": "CRITICAL"},  # its failures are exceptions, told where they are caught
    },
}
