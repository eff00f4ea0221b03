"""The people of this site: who may do what, and seeing them in and out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.clock import now
from accounts.errors import OperationRefused
from accounts.forms import InviteForm
from accounts.http import show
from accounts.middleware import ActorRequest
from accounts.models import ApiToken, AuditEntry, ResolverKey, SiteRole, User
from accounts.operations import people as persons
from accounts.permissions import GRANTS, Permission
from incidents.models import Incident, OnCall, Responder, SlackIdentity
from incidents.views.frame_of_settings import acting, common

#: What each right lets a person do, for the lists of what a change gives and takes.
RIGHTS: dict[Permission, str] = {
    Permission.RESPOND: "work on incidents",
    Permission.ACKNOWLEDGE: "acknowledge",
    Permission.COMMAND: "close and skip steps",
    Permission.CONTAIN: "roll back and stop",
    Permission.RELEASE: "release what was stopped",
    Permission.PUSH: "push bundles",
    Permission.APPROVE: "promote and waive gates",
    Permission.SIGN: "sign off",
    Permission.ADMIN: "look after people, keys and integrations",
}


@dataclass(slots=True)
class Carries:
    """What hangs on one person: keys they answer for, and what somebody else would have to take over."""

    tokens: list[ApiToken] = field(default_factory=list)
    keys: list[ResolverKey] = field(default_factory=list)
    shifts: list[OnCall] = field(default_factory=list)
    duties: list[Responder] = field(default_factory=list)
    holds: list[Incident] = field(default_factory=list)

    @property
    def to_hand_over(self) -> int:
        """How many shifts, duties and incidents."""
        return len(self.shifts) + len(self.duties) + len(self.holds)


def carried(people: list[User], at: datetime) -> dict[int, Carries]:
    """By person, in five queries however many they are."""
    found = {person.pk: Carries() for person in people}
    for token in ApiToken.objects.usable(at).filter(issued_by__in=found).order_by("name"):
        found[token.issued_by_id].tokens.append(token)
    for key in ResolverKey.objects.usable(at).filter(issued_by__in=found).order_by("name"):
        found[key.issued_by_id].keys.append(key)
    shifts = OnCall.objects.filter(Q(to_at=None) | Q(to_at__gt=at), user__in=found).select_related("team")
    for shift in shifts.order_by("from_at"):
        found[shift.user_id].shifts.append(shift)
    for duty in Responder.objects.filter(user__in=found, to_at=None, incident__resolved_at=None).select_related(
        "incident"
    ):
        found[duty.user_id].duties.append(duty)
    for incident in Incident.objects.open().filter(acknowledged_by__in=found).order_by("severity"):
        if incident.acknowledged_by_id is not None:
            found[incident.acknowledged_by_id].holds.append(incident)
    return found


def rights_of(roles: list[str]) -> set[Permission]:
    """What these roles let a person do."""
    held = {SiteRole(role) for role in roles if role in SiteRole.values}
    return {right for right in RIGHTS if SiteRole.ADMIN in held or GRANTS[right][0] & held}


@dataclass(frozen=True, slots=True)
class Change:
    """Roles before and after, and what that gives and takes."""

    before: list[str]
    after: list[str]

    @property
    def gained(self) -> list[str]:
        return self._words(rights_of(self.after) - rights_of(self.before))

    @property
    def lost(self) -> list[str]:
        return self._words(rights_of(self.before) - rights_of(self.after))

    @staticmethod
    def _words(rights: set[Permission]) -> list[str]:
        return [word for right, word in RIGHTS.items() if right in rights]


@require_safe
def first(request: ActorRequest) -> HttpResponse:
    """Settings open on people."""
    return HttpResponseRedirect(reverse("incidents:people"))


@require_safe
def people(request: ActorRequest) -> HttpResponse:
    """Everybody with their roles."""
    return listing(request, InviteForm())


def listing(request: ActorRequest, form: InviteForm, status: int = 200, **more: Any) -> HttpResponse:
    """The tab, with the form as it was filled in."""
    found = list(User.objects.order_by("-is_active", "email")[:300])
    carries = carried(found, now())
    rows = [(person, carries[person.pk]) for person in found]
    context = {"rows": rows, "form": form, "tab": "people"} | common(request) | more
    return show(request, "settings/people.html", context, status=status)


@require_POST
def invite(request: ActorRequest) -> HttpResponse:
    """Let somebody in by a link that signs in once."""
    form = InviteForm(request.POST)
    if form.is_valid():
        try:
            user, secret = persons.invite(actor=acting(request), **form.cleaned_data)
        except OperationRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return listing(request, InviteForm(), invited=user, link=link_of(request, secret))
    return listing(request, form, status=422)


def link_of(request: ActorRequest, secret: str) -> str:
    """The address that signs somebody in once."""
    return request.build_absolute_uri(reverse("accounts:sign_in_link", args=[secret]))


@require_safe
def person(request: ActorRequest, pk: int) -> HttpResponse:
    """One person; ``?roles=…`` shows what a change of roles would give and take before anybody makes it."""
    return whole(request, get_object_or_404(User, pk=pk))


def whole(request: ActorRequest, user: User, status: int = 200, **more: Any) -> HttpResponse:
    """One person's page."""
    wanted = [role for role in SiteRole.values if role in request.GET.getlist("roles")]
    context = {
        "person": user,
        "carries": carried([user], now())[user.pk],
        "ticked": wanted or user.roles,
        "change": Change(user.roles, wanted) if wanted and wanted != persons.in_order(user.roles) else None,
        "unchanged": bool(wanted) and wanted == persons.in_order(user.roles),
        "rights": [RIGHTS[right] for right in RIGHTS if right in rights_of(user.roles)],
        "history": list(AuditEntry.objects.filter(subject=user.email).order_by("-sequence")[:10]),
        "slack": SlackIdentity.objects.filter(user=user).first(),
        "slack_connected": bool(settings.SLACK_BOT_TOKEN),
        "tab": "people",
    }
    return show(request, "settings/person.html", context | common(request) | more, status=status)


@require_POST
def roles(request: ActorRequest, pk: int) -> HttpResponse:
    """Give one person exactly the ticked roles."""
    user = get_object_or_404(User, pk=pk)
    wanted = [role for role in SiteRole.values if role in request.POST.getlist("roles")]
    try:
        persons.set_roles(user, actor=acting(request), roles=wanted)
    except OperationRefused as refusal:
        return whole(request, user, refusal.status, refusal=str(refusal))
    return HttpResponseRedirect(reverse("incidents:person", args=[pk]))


@require_POST
def disable(request: ActorRequest, pk: int) -> HttpResponse:
    """Keep one person out."""
    user = get_object_or_404(User, pk=pk)
    try:
        persons.disable(user, actor=acting(request), reason=request.POST.get("reason", ""))
    except OperationRefused as refusal:
        return whole(request, user, refusal.status, refusal=str(refusal))
    return HttpResponseRedirect(reverse("incidents:person", args=[pk]))


@require_POST
def enable(request: ActorRequest, pk: int) -> HttpResponse:
    """Let one person in again."""
    user = get_object_or_404(User, pk=pk)
    try:
        persons.enable(user, actor=acting(request))
    except OperationRefused as refusal:
        return whole(request, user, refusal.status, refusal=str(refusal))
    return HttpResponseRedirect(reverse("incidents:person", args=[pk]))


@require_POST
def reset(request: ActorRequest, pk: int) -> HttpResponse:
    """Sign one person out everywhere; the link that lets them back in is shown on this answer only."""
    user = get_object_or_404(User, pk=pk)
    try:
        user, secret = persons.reset(user, actor=acting(request))
    except OperationRefused as refusal:
        return whole(request, user, refusal.status, refusal=str(refusal))
    return whole(request, user, link=link_of(request, secret))
