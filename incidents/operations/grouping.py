"""Which incident an alert belongs to, how bad it says it is, and the locks under which that is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from incidents.models import Severity

#: Spaces of advisory locks; the row's id is added.
INTEGRATION_LOCKS = 0x1A57_0100 << 32
DEPLOYMENT_LOCKS = 0x1A57_0200 << 32
#: The sender's word, lower-case → ours; an integration's ``settings["severities"]`` goes before.
SEVERITIES: dict[str, str] = {
    **dict.fromkeys(("critical", "emergency", "p1", "sev1", "sev0", "fatal", "disaster", "page"), Severity.SEV1),
    **dict.fromkeys(("error", "high", "p2", "sev2", "major", "alert"), Severity.SEV2),
    **dict.fromkeys(("warning", "warn", "p3", "sev3", "average", "medium", "moderate"), Severity.SEV3),
    **dict.fromkeys(("info", "low", "p4", "p5", "sev4", "information", "informational", "minor"), Severity.SEV4),
}
UNSAID = Severity.SEV3


def lock(*, integrations: Iterable[int], deployments: Iterable[int]) -> None:
    """Hold the right to decide about these until the transaction ends.

    Two processes never open two incidents for one alert, group or deployment. Always in this order, and before
    any incident's row is locked.
    """
    keys = sorted(
        {INTEGRATION_LOCKS + each for each in integrations} | {DEPLOYMENT_LOCKS + each for each in deployments}
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])


def lock_deployment(deployment_id: int) -> None:
    """For whoever opens an incident only if none is open: look after this, before locking any incident's row."""
    lock(integrations=(), deployments=[deployment_id])


def severity_of(word: str, settings: Mapping[str, Any]) -> str | None:
    """SEV1–SEV4 for a sender's word; None for none and for one we do not know."""
    own = settings.get("severities")
    if isinstance(own, Mapping):
        for name, severity in own.items():
            if str(name).lower() == word.lower() and severity in Severity.values:
                return str(severity)
    return SEVERITIES.get(word.lower())
