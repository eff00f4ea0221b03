"""What a team pastes to connect an agent: texts to copy, filled with this server's address and the team's keys. Pure.

The texts lie in ``templates/connect/snippets``; tests run the Python and shell ones against a real server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from django.conf import settings

LANGUAGES = {"python": "Python", "javascript": "JavaScript, TypeScript", "java": "Java", "go": "Go", "curl": "curl"}
#: Source of an integration → how it is called. Shown are those this server has a parser for.
MONITORS = {
    "alertmanager": "Alertmanager",
    "generic": "Any monitor, by curl",
    "pagerduty-events-v2": "PagerDuty Events API v2",
}
RESOLVER_KEY, TELEMETRY_TOKEN, INTAKE_KEY = "<resolver key>", "<telemetry token>", "<intake key>"


class Text(Template):
    """A text with places such as ``§agent``: none of the languages writes a § itself."""

    delimiter = "§"


@dataclass(frozen=True, slots=True)
class Filling:
    """What stands in the places; a secret that is not known shows what belongs there."""

    base_url: str
    agent: str
    environment: str
    resolver_key: str = RESOLVER_KEY
    telemetry_token: str = TELEMETRY_TOKEN
    intake_key: str = INTAKE_KEY

    def of(self, name: str) -> str:
        """The text ``name``, such as ``python/resolve``, ready to paste."""
        return Text(read(name)).substitute(
            base_url=self.base_url,
            agent=self.agent,
            environment=self.environment,
            resolver_key=self.resolver_key,
            telemetry_token=self.telemetry_token,
            intake_key=self.intake_key,
        )


@cache
def read(name: str) -> str:
    """The text as it is stored."""
    return (Path(settings.BASE_DIR) / "templates" / "connect" / "snippets" / f"{name}.txt").read_text().rstrip("\n")
