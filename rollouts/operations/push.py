"""Storing a new version of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts.body import Digests, Finding, digests, findings
from rollouts.models import Agent, Bundle, BundleVersion, Deployment, Environment, PushWarning
from rollouts.names import Key, parse_key
from rollouts.operations import prompt_rules
from rollouts.push_checks import Concern, concerns, refusals


class PushRefused(OperationRefused):
    """The body or the key is wrong; ``details["errors"]`` has every finding as ``{"path", "message"}``.

    Findings of the checks also say ``severity``, ``check`` and, in the prompt, ``line`` and ``column``.
    """

    def __init__(self, found: Sequence[Finding | Concern]) -> None:
        count = "one thing" if len(found) == 1 else f"{len(found)} things"
        super().__init__(
            f"Nothing was stored: {count} in this push must be put right.",
            status=422,
            details={"errors": [finding.as_json() for finding in found]},
        )


@transaction.atomic
def push(key: str, body: dict[str, Any], *, actor: Actor, at: datetime | None = None) -> tuple[BundleVersion, bool]:
    """Store ``body`` as the next version of ``key``; True when it is new.

    The same body again is the version it already was; a label of its own makes a version of its own. A key seen
    for the first time creates the agent, the bundle and a deployment in every environment. What the checks have to
    say of a body that can be stored is kept as the version's warnings.
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    found = findings(body)
    try:
        parsed = parse_key(key)
    except ValueError as error:
        found.insert(0, Finding("key", str(error)))
    if found:
        raise PushRefused(found)
    made = digests(body)
    bundle = _locked_bundle(parsed, at)
    label = body.get("label")
    if standing := _same(bundle, made, label):
        return standing, False
    if wrong := refusals(body, prompt_rules.of(bundle)):
        raise PushRefused(wrong)
    version = BundleVersion.objects.create(
        bundle=bundle,
        number=bundle.last_number + 1,
        label=label or _next_label(bundle, at),
        digest=made.whole,
        behaviour_digest=made.behaviour,
        part_digests=made.parts,
        body={name: value for name, value in body.items() if name != "label"},
        created_at=at,
        **acted_by(actor),
    )
    bundle.last_number = version.number
    bundle.save(update_fields=["last_number"])
    PushWarning.objects.bulk_create(_warning(version, concern) for concern in concerns(body, first=version.number == 1))
    audit.record(actor, "push", str(version), data={"number": version.number, "digest": version.digest}, at=at)
    return version, True


def _warning(version: BundleVersion, concern: Concern) -> PushWarning:
    return PushWarning(
        version=version,
        check_name=concern.check,
        path=concern.path,
        message=concern.message,
        severity=concern.severity,
        line=concern.place.line if concern.place else None,
        column=concern.place.column if concern.place else None,
    )


def _locked_bundle(key: Key, at: datetime) -> Bundle:
    """The bundle's row, made if need be and locked, so that numbers and labels are given out one at a time."""
    agent, _ = Agent.objects.get_or_create(slug=key.agent, defaults={"created_at": at})
    bundle, _ = Bundle.objects.get_or_create(agent=agent, variant=key.variant, defaults={"key": str(key)})
    bundle = Bundle.objects.select_for_update(no_key=True).get(pk=bundle.pk)
    Deployment.objects.bulk_create(
        [Deployment(bundle=bundle, environment=environment) for environment in Environment.objects.all()],
        ignore_conflicts=True,
    )
    return bundle


def _same(bundle: Bundle, made: Digests, label: str | None) -> BundleVersion | None:
    """The version this push already is, if any."""
    if not label:
        return bundle.versions.filter(digest=made.whole).first()
    holder = bundle.versions.filter(label=label).first()
    if holder is not None and holder.digest != made.whole:
        raise OperationRefused(
            f"The label {label} belongs to version {holder.number}, whose content differs. Choose another label.",
            details={"version": holder.as_json()},
        )
    return holder


def _next_label(bundle: Bundle, at: datetime) -> str:
    """``YYYY.MM.DD-n`` with the first n that is free that day."""
    day = f"{at:%Y.%m.%d}-"
    taken = set(bundle.versions.filter(label__startswith=day).values_list("label", flat=True))
    n = 1
    while f"{day}{n}" in taken:
        n += 1
    return f"{day}{n}"
