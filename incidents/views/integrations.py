"""What is connected and healthy: monitors that may post, mail, Slack. Each card says when it last worked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as site
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.http import show
from accounts.middleware import ActorRequest
from incidents import connecting, reading
from incidents.models import Integration, Receipt, Severity, SlackHealth
from incidents.notifications import registry, slack
from incidents.notifications.base import Message, TransportError
from incidents.operations import integrations as monitors
from incidents.operations import trial
from incidents.views.frame_of_settings import acting, common
from rollouts.models import Bundle, EvalRun

GRACES = {"0": "refuse it now", "1": "one hour more", "24": "one day more", "168": "seven days more"}
SAMPLE_KEY = "my-agent"


@dataclass(frozen=True, slots=True)
class Card:
    """One thing that is or could be connected; ``setup``: how, in three steps, while it is not."""

    name: str
    state: str
    word: str
    text: str
    at: datetime | None = None
    test: str = ""
    setup: tuple[str, ...] = ()


def found(pk: int | None = None) -> Any:
    """Integrations with the last real receipt and how many requests wait in quarantine."""
    real = Receipt.objects.filter(integration=OuterRef("pk")).exclude(status=Receipt.Status.TESTED).order_by("-pk")
    quarantined = Receipt.objects.filter(integration=OuterRef("pk"), status=Receipt.Status.QUARANTINED).order_by()
    waiting = quarantined.values("integration").annotate(count=Count("pk"))
    rows = Integration.objects.annotate(
        heard_at=Subquery(real.values("received_at")[:1]),
        heard_status=Subquery(real.values("status")[:1]),
        quarantined=Coalesce(Subquery(waiting.values("count")), 0),  # not a join: there are millions of receipts
    )
    return rows.filter(pk=pk) if pk is not None else rows.order_by(F("revoked_at").desc(nulls_first=True), "name", "pk")


@require_safe
def integrations(request: ActorRequest) -> HttpResponse:
    """A card for each."""
    return listing(request)


def listing(request: ActorRequest, status: int = 200, **more: Any) -> HttpResponse:
    """The tab, with what the last press answered."""
    context = {
        "integrations": list(found()[:200]),
        "cards": [mail_card(), slack_card(), eval_card()],
        "sources": [(source, connecting.MONITORS.get(source, source)) for source in sorted(reading.PARSERS)],
        "tab": "integrations",
        "base": request.build_absolute_uri("/")[:-1],
    }
    return show(request, "settings/integrations.html", context | common(request) | more, status=status)


def mail_card() -> Card:
    """Whether messages leave by a mail server or lie in a folder."""
    options = site.MAILERS["default"].get("OPTIONS", {})
    if host := options.get("host"):
        return Card("E-mail", "done", "Connected", f"Through {host}, as {site.DEFAULT_FROM_EMAIL}.", test="email")
    steps = (
        "Set EMAIL_HOST, and EMAIL_HOST_USER and EMAIL_HOST_PASSWORD if the server asks for them.",
        "Start Lastgood again.",
        "Come back and press Test.",
    )
    text = "Pages and notices would reach people. Until then each is a file in the folder mail below LASTGOOD_VAR."
    return Card("E-mail", "open", "Never connected", text, test="email", setup=steps)


def slack_card() -> Card:
    """Whether Slack answers."""
    if not slack.connected():
        steps = (
            "Make an app from the manifest in docs/slack.md and install it.",
            "Set SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET, and SLACK_CHANNEL for the cards.",
            "Start Lastgood again and press Test.",
        )
        text = "A card for each incident in a channel, and the commander's verbs where people already talk."
        return Card("Slack", "open", "Never connected", text, setup=steps)
    health = SlackHealth.objects.filter(pk=1).first()
    if health is not None and health.unreachable_since is not None:
        return Card("Slack", "failed", "Unreachable", health.error, health.unreachable_since, test="slack")
    return Card("Slack", "done", "Connected", "", health.answered_at if health else None, test="slack")


def eval_card() -> Card:
    """Which command runs cases, and how the last run by it ended."""
    run = EvalRun.objects.filter(source=EvalRun.Source.COMMAND).order_by("-pk").first()
    last = f" Last run: {run.state}" if run is not None else " It has not run yet."
    if not site.EVAL_COMMAND:
        steps = (
            "Write a command that takes the path of a JSON file and prints a JSON line for each case (docs/evals.md).",
            "Set EVAL_COMMAND to it.",
            "Start Lastgood again, and run a set from an incident's Resolve step.",
        )
        text = "Your own runner would prove a fix on your own cases. Until then only practice agents can be run." + last
        return Card("Eval runner", "open", "Never connected", text, run.created_at if run else None, setup=steps)
    state, word = ("failed", "Last run broke") if run is not None and run.state == "error" else ("done", "Connected")
    return Card("Eval runner", state, word, f"{site.EVAL_COMMAND[0]}.{last}", run.created_at if run else None)


@require_POST
def test_card(request: ActorRequest, name: str) -> HttpResponse:
    """Mail the one who presses, or ask Slack who we are; shown is what was really answered."""
    actor = acting(request)
    try:
        if name == "email" and actor.person is not None:
            text = f"{actor.person.display_name} pressed Test in the settings of {site.BASE_URL}."
            said = registry.send("email", Message(actor.person.email, "Test message from Lastgood", text))
            said = f"{actor.person.email}: {said}"
        elif name == "slack" and slack.connected():
            told = slack.call("auth.test")
            said = f"Slack knows us as {told.get('user')} in {told.get('team')}."
        else:
            raise OperationRefused("There is nothing to test.", status=404)
    except TransportError as error:
        return listing(request, tested=name, failure=str(error), status=502)
    return listing(request, tested=name, said=said)


@require_POST
def create(request: ActorRequest) -> HttpResponse:
    """A new integration; its key is shown once, in the configuration to paste."""
    try:
        made, secret = monitors.create(
            request.POST.get("source", ""), request.POST.get("name", ""), actor=acting(request)
        )
    except OperationRefused as refusal:
        return listing(request, refusal=str(refusal), name=request.POST.get("name", ""), status=refusal.status)
    return whole(request, made.pk, secret=secret)


@require_safe
def integration(request: ActorRequest, pk: int) -> HttpResponse:
    """One integration: its address, a dry run, its words."""
    return whole(request, pk)


def whole(request: ActorRequest, pk: int, status: int = 200, **more: Any) -> HttpResponse:
    """One integration's page."""
    row = get_object_or_404(found(pk))
    key = Bundle.objects.order_by("agent__practice", "key").values_list("key", flat=True).first() or SAMPLE_KEY
    filling = connecting.Filling(
        request.build_absolute_uri("/")[:-1], key, "prod", intake_key=more.get("secret") or connecting.INTAKE_KEY
    )
    chosen = more.pop("chosen", row.settings)
    context = {
        "integration": row,
        "receipts": list(row.receipts.defer("body").order_by("-pk")[:5]),
        "config": filling.of(f"monitors/{row.source}") if row.source in connecting.MONITORS else "",
        "sample": trial.sample(row.source, key, now()).decode(),
        "graces": GRACES.items(),
        "fields": [(what, ", ".join(chosen.get("fields", {}).get(what, []))) for what in monitors.MAPPED],
        "severities": lines(chosen.get("severities", {})),
        "environments": lines(chosen.get("environments", {})),
        "levels": Severity.values,
        "tab": "integrations",
    }
    return show(request, "settings/integration.html", context | common(request) | more, status=status)


def lines(table: dict[str, str]) -> str:
    """``page = SEV1``, a line each."""
    return "\n".join(f"{word} = {choice}" for word, choice in table.items())


def table_of(text: str) -> dict[str, str]:
    """The words and choices of such lines; refused (422) when a line has no ``=``."""
    found = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        word, equals, choice = line.partition("=")
        if not equals:
            raise OperationRefused(f"Write “{line.strip()[:60]}” as word = choice, one on each line.", status=422)
        found[word.strip()] = choice.strip()
    return found


def chosen_of(request: ActorRequest) -> dict[str, Any]:
    """The settings as the form says them, unchecked."""
    asked = request.POST
    fields = {
        what: [name.strip() for name in asked.get(f"field_{what}", "").split(",") if name.strip()]
        for what in monitors.MAPPED
    }
    return {
        "fields": {what: names for what, names in fields.items() if names},
        "severities": table_of(asked.get("severities", "")),
        "environments": table_of(asked.get("environments", "")),
    }


@require_POST
def change(request: ActorRequest, pk: int) -> HttpResponse:
    """Show what other words would make of what came last; ``save`` gives them."""
    row, actor = get_object_or_404(Integration, pk=pk), acting(request)
    try:
        settings = monitors.checked(chosen_of(request))
        if "save" in request.POST:
            monitors.change(row, settings, actor=actor)
            return HttpResponseRedirect(reverse("incidents:integration", args=[pk]))
    except OperationRefused as refusal:
        return whole(request, pk, refusal.status, refusal=str(refusal))
    differences = trial.compare(row, settings)
    same = settings == row.settings
    return whole(request, pk, chosen=settings, previewed=True, same=same, differences=differences)


@require_POST
def test(request: ActorRequest, pk: int) -> HttpResponse:
    """A dry run of the given body, else of a sample: the real answer, and what would have happened."""
    row = get_object_or_404(Integration, pk=pk)
    key = Bundle.objects.order_by("agent__practice", "key").values_list("key", flat=True).first() or SAMPLE_KEY
    body = request.POST.get("body", "").encode() or trial.sample(row.source, key, now())
    try:
        tried = trial.run(row, body, actor=acting(request))
    except OperationRefused as refusal:
        return whole(request, pk, refusal.status, refusal=str(refusal))
    return whole(request, pk, trial=tried, tried_body=body.decode())


@require_POST
def rotate(request: ActorRequest, pk: int) -> HttpResponse:
    """A new key, shown once; the old one ends now or later."""
    row = get_object_or_404(Integration, pk=pk)
    hours = request.POST.get("grace", "0")
    grace = timedelta(hours=int(hours) if hours in GRACES else 0)
    try:
        secret = monitors.rotate(row, actor=acting(request), grace=grace)
    except OperationRefused as refusal:
        return whole(request, pk, refusal.status, refusal=str(refusal))
    return whole(request, pk, secret=secret)


@require_POST
def end_previous(request: ActorRequest, pk: int) -> HttpResponse:
    """Refuse the old key now."""
    monitors.end_previous(get_object_or_404(Integration, pk=pk), actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:integration", args=[pk]))


@require_POST
def revoke(request: ActorRequest, pk: int) -> HttpResponse:
    """Refuse every key of it from now on."""
    monitors.revoke(get_object_or_404(Integration, pk=pk), actor=acting(request))
    return HttpResponseRedirect(reverse("incidents:integrations"))
