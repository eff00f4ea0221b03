"""Which agents depend on one prompt: versions that carry the same one, known by its digest (R030)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Max
from django.db.models.fields.json import KeyTextTransform

from rollouts.models import BundleVersion, Deployment

MOST = 100  # bundles that are told of


@dataclass(frozen=True, slots=True)
class Dependent:
    """A bundle with the prompt: its newest version that carries it, and the environments that serve it now."""

    key: str
    agent: str
    number: int
    label: str
    environments: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "bundle": self.key,
            "agent": self.agent,
            "version": {"number": self.number, "label": self.label},
            "environments": list(self.environments),
        }


@dataclass(frozen=True, slots=True)
class Dependents:
    """All bundles that carry one prompt, the one asked about among them."""

    digest: str
    bundles: tuple[Dependent, ...]

    @property
    def agents(self) -> list[str]:
        return list(dict.fromkeys(each.agent for each in self.bundles))

    @property
    def verdict(self) -> str:
        """One variant's own prompt, one agent's, or one that several agents share."""
        if len(self.agents) > 1:
            return f"{len(self.agents)} agents depend on this prompt."
        if len(self.bundles) > 1:
            return f"{len(self.bundles)} variants of one agent depend on this prompt."
        return "No other bundle has this prompt."

    def as_json(self) -> dict[str, Any]:
        return {"digest": self.digest, "verdict": self.verdict, "items": [each.as_json() for each in self.bundles]}


def dependents(version: BundleVersion) -> Dependents:
    """Who has the prompt of ``version``, in any of their versions; two queries."""
    digest = version.part_digests["prompt"]
    same = BundleVersion.objects.annotate(prompt=KeyTextTransform("prompt", "part_digests")).filter(prompt=digest)
    newest = {row["bundle_id"]: row["newest"] for row in same.values("bundle_id").annotate(newest=Max("number"))[:MOST]}
    serving: dict[int, list[str]] = {}
    for bundle, environment in (
        Deployment.objects.filter(bundle_id__in=newest, active__in=same.values("pk"))
        .order_by("environment__position")
        .values_list("bundle_id", "environment_id")
    ):
        serving.setdefault(bundle, []).append(environment)
    rows = (
        same.filter(bundle_id__in=newest)
        .annotate(key=F("bundle__key"), agent=F("bundle__agent__slug"))
        .values_list("bundle_id", "key", "agent", "number", "label")
        .order_by("key")
    )
    return Dependents(
        digest,
        tuple(
            Dependent(key, agent, number, label, tuple(serving.get(bundle, ())))
            for bundle, key, agent, number, label in rows
            if number == newest[bundle]
        ),
    )
