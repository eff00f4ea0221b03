"""Which monitors may post to us: their keys and their words, issued, changed and revoked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.operations import audit
from accounts.permissions import Permission, require
from accounts.secrets import digest_of, hint_of, new_secret
from incidents import reading
from incidents.models import Integration, Severity
from rollouts.models import Environment

PREFIX = "lgi"
LONGEST_GRACE = timedelta(days=7)
#: What a sender's own field names may be given for; the parsers' vocabularies hold no other.
MAPPED = (
    "reference", "bundle", "agent", "variant", "service", "environment", "metric", "comparator", "threshold", "value",
    "window", "severity", "title", "status", "key", "group", "started_at", "ended_at", "url",
)  # fmt: skip
MOST_WORDS, LONGEST_WORD = 50, 100


@transaction.atomic
def create(source: str, name: str, *, actor: Actor) -> tuple[Integration, str]:
    """A new integration and its key, the last part of its address, which is shown this once."""
    require(actor, Permission.ADMIN)
    if source not in reading.PARSERS:
        known = ", ".join(sorted(reading.PARSERS))
        raise OperationRefused(f"No such source: {source}. Choose one of {known}.", status=422)
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise OperationRefused("Give the integration a name of at most 100 characters.", status=422)
    secret = new_secret(PREFIX)
    integration = Integration.objects.create(
        source=source, name=name, digest=digest_of(secret), hint=hint_of(secret), created_at=clock.now()
    )
    audit.record(actor, "create integration", f"{source}: {name}")
    return integration, secret


@transaction.atomic
def rotate(
    integration: Integration, *, actor: Actor, grace: timedelta = timedelta(0), at: datetime | None = None
) -> str:
    """A new key; the old one is taken for ``grace`` (at most seven days) more, then refused. One before it ends now."""
    at = at or clock.now()
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        raise OperationRefused("The old key can stay for at most seven days.", status=422)
    integration = _usable(integration, actor)
    secret = new_secret(PREFIX)
    integration.previous_digest = integration.digest if grace else None
    integration.previous_hint = integration.hint if grace else ""
    integration.previous_until = at + grace if grace else None
    integration.digest, integration.hint = digest_of(secret), hint_of(secret)
    integration.save(update_fields=["digest", "hint", "previous_digest", "previous_hint", "previous_until"])
    data = {"old_key_until": integration.previous_until.isoformat() if integration.previous_until else None}
    audit.record(actor, "rotate integration key", _named(integration), data=data, at=at)
    return secret


@transaction.atomic
def end_previous(integration: Integration, *, actor: Actor, at: datetime | None = None) -> Integration:
    """Refuse the key before the present one from now on."""
    integration = _usable(integration, actor)
    if integration.previous_digest is None:
        raise OperationRefused(f"{integration.name} has one key only.")
    integration.previous_digest, integration.previous_hint, integration.previous_until = None, "", None
    integration.save(update_fields=["previous_digest", "previous_hint", "previous_until"])
    audit.record(actor, "end old integration key", _named(integration), at=at)
    return integration


@transaction.atomic
def change(
    integration: Integration, settings: Mapping[str, Any], *, actor: Actor, at: datetime | None = None
) -> Integration:
    """Read what this monitor sends by these words from now on; what was read already stays as it is."""
    settings = checked(settings)
    integration = _usable(integration, actor)
    before = integration.settings
    if before == settings:
        return integration
    integration.settings = settings
    integration.save(update_fields=["settings"])
    data = {"from": before, "to": settings}
    audit.record(actor, "change integration", _named(integration), data=data, at=at)
    return integration


@transaction.atomic
def revoke(integration: Integration, *, actor: Actor, at: datetime | None = None) -> Integration:
    """Refuse this integration's keys from now on; what it sent stays."""
    integration = _usable(integration, actor)
    integration.revoked_at = at or clock.now()
    integration.save(update_fields=["revoked_at"])
    audit.record(actor, "revoke integration", _named(integration))
    return integration


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` in their stored form, empty parts left out; refused (422) when they are of another shape."""
    if unknown := set(settings) - {"fields", "environments", "severities"}:
        raise OperationRefused(f"There is no setting {sorted(unknown)[0]!r}.", status=422)
    fields = {
        what: [_word(name) for name in ([names] if isinstance(names, str) else _listed(names))]
        for what, names in _table(settings, "fields").items()
    }
    if strange := [what for what in fields if what not in MAPPED]:
        raise OperationRefused(f"No field {strange[0]!r} is read. There are {', '.join(MAPPED)}.", status=422)
    known = list(Environment.objects.values_list("name", flat=True))
    environments = _choices(settings, "environments", known)
    severities = _choices(settings, "severities", Severity.values)
    made = {"fields": {what: names for what, names in fields.items() if names}}
    return {
        name: part for name, part in (made | {"environments": environments, "severities": severities}).items() if part
    }


def _choices(settings: Mapping[str, Any], name: str, known: list[str]) -> dict[str, str]:
    """The sender's word, lower-case → one of ``known``."""
    found = {_word(word).lower(): choice for word, choice in _table(settings, name).items()}
    for word, choice in found.items():
        if choice not in known:
            raise OperationRefused(f"“{word}” cannot become {choice!r}. Choose one of {', '.join(known)}.", status=422)
    return found


def _table(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = settings.get(name) or {}
    if not isinstance(table, dict) or len(table) > MOST_WORDS:
        raise OperationRefused(f"{name} is a table of at most {MOST_WORDS} words.", status=422)
    return table


def _listed(names: Any) -> list[Any]:
    if not isinstance(names, list) or len(names) > MOST_WORDS:
        raise OperationRefused(f"A field has a list of at most {MOST_WORDS} names.", status=422)
    return names


def _word(word: Any) -> str:
    if not isinstance(word, str) or not 1 <= len(word.strip()) <= LONGEST_WORD or "\0" in word:
        raise OperationRefused(f"A name or word has 1 to {LONGEST_WORD} characters.", status=422)
    return word.strip()


def _named(integration: Integration) -> str:
    return f"{integration.source}: {integration.name}"


def _usable(integration: Integration, actor: Actor) -> Integration:
    require(actor, Permission.ADMIN)
    found = Integration.objects.select_for_update(no_key=True).get(pk=integration.pk)
    if found.revoked_at is not None:
        raise OperationRefused(f"{found.name} is revoked. Create another integration.")
    return found
