"""Settings › Connectors: what a rollback's legs can ask of the systems others run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Count, Max, Q
from django.http import Http404, HttpResponse, QueryDict
from django.views.decorators.http import require_POST, require_safe

from accounts.clock import now
from accounts.errors import NotPermitted, OperationRefused
from accounts.http import Rights, show
from accounts.middleware import ActorRequest
from rollouts import access
from rollouts.connectors import KINDS
from rollouts.models import Agent, Connector, Environment, RollbackLeg
from rollouts.operations import connectors as operations

TEMPLATE = "settings/connectors.html"
WORDS = dict(RollbackLeg.Kind.choices)


class ConnectorForm(forms.Form):
    """A new connector of one kind: its own settings, which legs it works for, and for whom."""

    name = forms.CharField(
        max_length=100, label="Name", help_text="What people call it, like “Answer cache”.",
        error_messages={"required": "Give the connector a name."},
    )  # fmt: skip
    agent = forms.ModelChoiceField(
        queryset=Agent.objects.order_by("slug"), required=False, label="Agent", empty_label="Every agent",
        to_field_name="slug",
    )  # fmt: skip
    environment = forms.ModelChoiceField(
        queryset=Environment.objects.all(), required=False, label="Environment", empty_label="Every environment"
    )

    def __init__(self, kind: str, data: QueryDict | None = None) -> None:
        super().__init__(data, prefix=kind, auto_id=f"{kind}-%s")
        self.kind, system = kind, KINDS[kind]
        for line in system.lines:
            self.fields[f"set_{line.name}"] = forms.CharField(
                max_length=600,
                required=line.required and not line.default,
                label=line.label,
                help_text=line.help,
                initial=line.default,
            )
        if len(system.legs) > 1:
            self.fields["legs"] = forms.MultipleChoiceField(
                choices=[(leg, WORDS[leg]) for leg in system.legs],
                label="Legs",
                widget=forms.CheckboxSelectMultiple,
                error_messages={"required": "Choose at least one leg."},
            )
        if system.secret != "made":  # noqa: S105
            self.fields["secret"] = forms.CharField(
                max_length=4096,
                required=system.secret == "needed",  # noqa: S105
                label="Secret",
                help_text="Stored sealed, never shown again.",
                widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
            )

    def asked(self) -> dict[str, Any]:
        """What the operation takes."""
        given = self.cleaned_data
        return {
            "kind": self.kind,
            "name": given["name"],
            "config": {line.name: given.get(f"set_{line.name}", "") for line in KINDS[self.kind].lines},
            "legs": given.get("legs") or (),
            "secret": given.get("secret") or "",
            "agent": given.get("agent"),
            "environment": given.get("environment"),
        }


@dataclass(frozen=True, slots=True)
class Place:
    """A connector and how it does."""

    row: Connector
    verb: str
    legs: list[str]
    done: int
    stuck: int
    last_at: Any
    review_due: bool


@require_safe
def connectors(request: ActorRequest) -> HttpResponse:
    """What there is, how it does, and a form for each kind."""
    return page(request)


@require_POST
def add(request: ActorRequest, kind: str) -> HttpResponse:
    """A new connector; a webhook's secret is shown once, on the answer to this press."""
    if kind not in KINDS:
        raise Http404
    form = ConnectorForm(kind, request.POST)
    if form.is_valid():
        try:
            made, secret = operations.create(actor=acting(request), **form.asked())
        except OperationRefused as refusal:
            if refusal.status == 403:
                raise
            name = f"set_{refusal.details.get('setting', '')}"
            form.add_error(name if name in form.fields else None, str(refusal))
        else:
            return page(request, made=made, secret=secret)
    for name in form.errors:
        if name in form.fields:
            form.fields[name].widget.attrs["aria-invalid"] = "true"
    return page(request, filled=form, status=422)


@require_POST
def press(request: ActorRequest, pk: int) -> HttpResponse:
    """Test, look at again or disable one, as the form says."""
    actor = acting(request)
    found = access.get_connector(actor, pk)
    match request.POST.get("verb"):
        case "test":
            return page(request, tested=found, trial=operations.test(found, actor=actor))
        case "review":
            operations.review(found, actor=actor)
        case "disable":
            operations.disable(found, actor=actor)
        case _:
            raise OperationRefused("A connector is tested, reviewed or disabled.", status=422)
    return page(request)


def page(request: ActorRequest, *, filled: ConnectorForm | None = None, status: int = 200, **more: Any) -> HttpResponse:
    """The tab, with the form as it was filled in and the answer to the last press."""
    rows = (
        Connector.objects.select_related("agent")
        .annotate(
            done=Count("steps", filter=Q(steps__state="done")),
            stuck=Count("steps", filter=Q(steps__state__in=["failed", "blocked"])),
            last_at=Max("steps__done_at"),
        )
        .order_by("disabled_at", "name", "pk")[:200]
    )
    at = now()
    places = [
        Place(
            row,
            KINDS[row.kind].undo_verb,
            [WORDS[leg] for leg in row.legs],
            row.done,
            row.stuck,
            row.last_at,
            row.disabled_at is None and row.review_due_at is not None and row.review_due_at <= at,
        )
        for row in rows
    ]
    kinds = [
        (kind, system, filled if filled is not None and filled.kind == kind else ConnectorForm(kind))
        for kind, system in KINDS.items()
    ]
    context = {
        "places": places,
        "kinds": kinds,
        "filled": filled.kind if filled is not None else "",
        "form": filled,
        "tab": "connectors",
        "may": Rights(request.actor),
    }
    return show(request, TEMPLATE, context | more, status=status)


def acting(request: ActorRequest) -> Any:
    """Who asks; these doors let nobody else in."""
    if request.actor is None:
        raise NotPermitted("Sign in first.")
    return request.actor
