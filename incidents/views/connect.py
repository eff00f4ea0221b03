"""Connecting an agent: texts to copy with one's own keys, and what has been seen of it so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.http import Rights, show, whole_number
from accounts.middleware import ActorRequest
from accounts.models import ApiToken, ResolverKey, SiteRole, User
from incidents import connecting, reading
from incidents.models import Alert
from incidents.operations import connecting as operations
from incidents.operations.connecting import Made
from incidents.views.frame_of_settings import acting
from rollouts.models import Activation, Bundle, BundleVersion, Deployment, Environment, Instance, Invocation
from rollouts.names import parse_key

EXPIRES = {"": "until revoked", "90": "90 days", "365": "one year"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom the page is about, as the address says."""

    lang: str
    agent: str
    environment: str
    monitor: str
    problem: str = ""

    @property
    def key(self) -> str:
        """The bundle's key; ``my-agent`` while none is named."""
        return self.agent or "my-agent"

    def query(self, **changes: str) -> str:
        """The address of the page with ``changes``."""
        named = {"lang": self.lang, "agent": self.agent, "environment": self.environment, "monitor": self.monitor}
        return urlencode({name: value for name, value in (named | changes).items() if value})


@dataclass(frozen=True, slots=True)
class Tick:
    """One thing that happens once when an agent is connected; ``at`` is None while it has not."""

    word: str
    waiting: str
    at: datetime | None = None
    seen: str = ""
    url: str = ""


def asked_of(sent: Any) -> Asked:
    """What was chosen; unknown choices are the first ones."""
    environments = list(Environment.objects.values_list("name", flat=True))
    monitors = [name for name in connecting.MONITORS if name in reading.PARSERS]
    lang, environment, monitor = sent.get("lang", ""), sent.get("environment", ""), sent.get("monitor", "")
    agent, problem = sent.get("agent", "").strip()[:300], ""
    if agent:
        try:
            agent = str(parse_key(agent))
        except ValueError as error:
            agent, problem = "", str(error)
    return Asked(
        lang if lang in connecting.LANGUAGES else next(iter(connecting.LANGUAGES)),
        agent,
        environment if environment in environments else "prod",
        monitor if monitor in monitors else monitors[0],
        problem,
    )


def ticks_of(asked: Asked) -> list[Tick]:
    """From the first push to the first alert, in the order they come about."""
    bundle = Bundle.objects.filter(key=asked.key).first() if asked.agent else None
    deployment = Deployment.objects.filter(bundle=bundle, environment=asked.environment).first() if bundle else None
    return [
        pushed(bundle),
        activated(bundle, deployment, asked.environment),
        resolved(bundle, deployment),
        reported(asked),
        alerted(deployment),
    ]


def pushed(bundle: Bundle | None) -> Tick:
    """The first version."""
    word, waiting = "First bundle pushed", "Push a version, below."
    version = BundleVersion.objects.defer("body").filter(bundle=bundle).order_by("number").first() if bundle else None
    if bundle is None or version is None:
        return Tick(word, waiting)
    url = reverse("rollouts:version", args=[bundle.key, version.label])
    return Tick(word, waiting, version.created_at, f"{bundle.key}@{version.label} by {version.actor_label}", url)


def activated(bundle: Bundle | None, deployment: Deployment | None, environment: str) -> Tick:
    """The first promotion; before it there is nothing to resolve."""
    word, waiting = f"First version active in {environment}", f"Open the version and promote it to {environment}."
    found = (
        Activation.objects.filter(deployment=deployment)
        .select_related("version")
        .defer("version__body")
        .order_by("pk")
        .first()
        if deployment
        else None
    )
    if bundle is None or found is None:
        return Tick(word, waiting)
    url = reverse("rollouts:version", args=[bundle.key, found.version.label])
    return Tick(word, waiting, found.at, f"{found.version.label} by {found.actor_label}", url)


def resolved(bundle: Bundle | None, deployment: Deployment | None) -> Tick:
    """The instance that fetched longest ago."""
    word, waiting = "First resolve seen", "Run the resolve snippet; an instance is known by the targeting key it sends."
    found = Instance.objects.filter(deployment=deployment).order_by("fetched_at").first() if deployment else None
    if bundle is None or found is None:
        return Tick(word, waiting)
    url = reverse("rollouts:fleet_of", args=[bundle.key])
    where = f" in {found.region}" if found.region else ""
    return Tick(word, waiting, found.fetched_at, f"{found.name}{where} fetched version {found.version_number}", url)


def reported(asked: Asked) -> Tick:
    """The span that began first; spans that name no environment count as prod."""
    word, waiting = "First span seen", "Run the telemetry snippet; it names the bundle and the version."
    environments = Q(environment=asked.environment)
    if asked.environment == "prod":
        environments |= Q(environment="")
    mine = Invocation.objects.filter(environments, bundle_key=asked.key)
    found = mine.order_by("at").first() if asked.agent else None
    if found is None:
        return Tick(word, waiting)
    version = f" of {found.version_label}" if found.version_label else ", which names no version"
    url = reverse("incidents:run_alone", args=[found.day.isoformat(), found.trace_id])
    return Tick(word, waiting, found.received_at, f"{found.name}{version}", url)


def alerted(deployment: Deployment | None) -> Tick:
    """The first alert that named this deployment."""
    word, waiting = "First alert seen", "Send the alert below; it names the agent, so that the incident knows it."
    found = (
        Alert.objects.filter(deployment=deployment).select_related("incident", "integration").order_by("pk").first()
        if deployment
        else None
    )
    if found is None:
        return Tick(word, waiting)
    url = reverse("incidents:room", args=[found.incident.ref])
    seen = f"“{found.title[:120]}” from {found.integration} opened or joined {found.incident.ref}"
    return Tick(word, waiting, found.first_received_at, seen, url)


@require_safe
def connect(request: ActorRequest) -> HttpResponse:
    """The page, or its ticks alone."""
    return page(request, asked_of(request.GET))


def page(
    request: ActorRequest, asked: Asked, made: Made | None = None, refusal: str = "", status: int = 200
) -> HttpResponse:
    """The page, with secrets right after they were made."""
    secrets = (
        {"resolver_key": made.resolver_key, "telemetry_token": made.telemetry_token}
        | ({"intake_key": made.intake_key} if made.intake_key else {})
        if made
        else {}
    )
    filling = connecting.Filling(request.build_absolute_uri("/")[:-1], asked.key, asked.environment, **secrets)
    name, may = operations.name_of(asked.key, asked.environment), Rights(request.actor)
    context = {
        "asked": asked,
        "ticks": ticks_of(asked),
        "here": f"{reverse('incidents:connect')}?{asked.query()}",
        "langs": [(lang, word, asked.query(lang=lang)) for lang, word in connecting.LANGUAGES.items()],
        "monitors": [
            (source, word, asked.query(monitor=source))
            for source, word in connecting.MONITORS.items()
            if source in reading.PARSERS
        ],
        "snippet": {what: filling.of(f"{asked.lang}/{what}") for what in ("install", "resolve", "trace")}
        | {"push": filling.of("push"), "alert": filling.of(f"monitors/{asked.monitor}")},
        "monitor": connecting.MONITORS[asked.monitor],
        "known": Bundle.objects.order_by("agent__practice", "key").values_list("key", flat=True)[:100],
        "environments": ["dev", "staging", "prod"],
        "made": made,
        "refusal": refusal,
        "expires": EXPIRES.items(),
        "may": may,
        "admins": []
        if may["admin"]
        else User.objects.filter(is_active=True, roles__contains=[SiteRole.ADMIN]).order_by("pk")[:5],
        "keys": [
            *ResolverKey.objects.usable().filter(name=name, environment=asked.environment)[:10],
            *ApiToken.objects.usable().filter(name=name)[:10],
        ]
        if asked.agent
        else [],
        "tab": "connect",
    }
    return show(request, "connect/page.html", context, region="" if made else "ticks", status=status)


@require_POST
def make_keys(request: ActorRequest) -> HttpResponse:
    """Keys for one agent; their secrets stand in the snippets of this answer and nowhere else."""
    asked = asked_of(request.POST)
    if not asked.agent:
        refusal = asked.problem or "Name the agent these keys are for."
        return page(request, asked, refusal=refusal, status=422)
    days = whole_number(request.POST.get("days", "")) if request.POST.get("days") in EXPIRES else None
    try:
        made = operations.make_keys(
            asked.agent,
            asked.environment,
            actor=acting(request),
            monitor=asked.monitor if "alerts" in request.POST else "",
            expires_at=now() + timedelta(days=days) if days else None,
        )
    except OperationRefused as refused:
        return page(request, asked, refusal=str(refused), status=refused.status)
    return page(request, asked, made)
