"""Bundles, versions and deployments for tests, made by the operations that make real ones."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from accounts import clock
from accounts.models import SiteRole
from rollouts.models import Activation, Agent, BundleVersion, Deployment
from rollouts.operations import gates
from rollouts.operations.promote import promote
from rollouts.operations.push import push
from tests.factories.accounts import person

KEY = "customer-service"
BODY: dict[str, Any] = {
    "prompt": {
        "text": "You answer questions about orders.\nBe brief.",
        "few_shots": [{"user": "Hi", "agent": "Hello"}],
    },
    "model": {
        "provider": "anthropic",
        "snapshot": "claude-sonnet-4-5-20250929",
        "parameters": {"temperature": 0.2},
        "route": "eu",
    },
    "tools": [
        {
            "name": "get_order",
            "description": "Looks an order up.",
            "input_schema": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
            },
        }
    ],
    "retrieval": {"index": "orders-7"},
    "harness": {"commit": "abc1234"},
    "metadata": {"author": "Ada", "reviewer": "Grace", "commit": "abc1234", "in_flight_policy": "complete_old"},
}


def body(**changes: Any) -> dict[str, Any]:
    """A body that can be pushed. ``changes`` replace members; None leaves one out; dicts are merged one level deep.

    ``text`` is a shorthand for the prompt's text.
    """
    made = deepcopy(BODY)
    if (text := changes.pop("text", None)) is not None:
        made["prompt"]["text"] = text
    for name, value in changes.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict) and isinstance(made.get(name), dict):
            made[name] |= value
        else:
            made[name] = value
    return made


def version(key: str = KEY, label: str | None = None, **changes: Any) -> BundleVersion:
    """A pushed version; without ``text`` its prompt is its own, so that every call makes a new one."""
    count = BundleVersion.objects.count()
    changes.setdefault("text", f"You answer questions about orders, take {count + 1}.")
    if label is not None:
        changes["label"] = label
    return push(key, body(**changes), actor=person(SiteRole.APPROVER))[0]


def practised(key: str) -> None:
    """The agent of ``key``, which is not there yet, as practice makes its own: the built-in runner plays it."""
    Agent.objects.create(slug=key.partition(".")[0], practice=True, created_at=clock.now())


def deployment(key: str = KEY, environment: str = "prod") -> Deployment:
    """Where ``key`` runs; pushes a first version when the key is new."""
    if not Deployment.objects.filter(bundle__key=key).exists():
        version(key)
    return Deployment.objects.select_related("bundle__agent", "environment").get(
        bundle__key=key, environment_id=environment
    )


def activate(made: BundleVersion, environment: str = "prod") -> Activation:
    """Promote ``made`` with green evals through staging, as far as ``environment``."""
    actor = person(SiteRole.APPROVER)
    if environment != "dev":
        gates.record(made, "evals", "green", actor=actor)
    for name in ("staging", "prod") if environment == "prod" else (environment,):
        activation = promote(deployment(made.bundle.key, name), made, actor=actor)
    return activation


def running(*labels: str, key: str = KEY, environment: str = "prod") -> Deployment:
    """A deployment that ran a version per label, the last one active: ``running("1.0.0", "2.0.0")``."""
    for label in labels:
        activate(version(key, label), environment)
    return deployment(key, environment)
