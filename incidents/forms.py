"""What people fill in about incidents. Forms check shape; operations decide."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import Team
from incidents.models import Confidence, Destination, DetectionSource, Origin, Severity
from incidents.notifications.events import EVENTS
from rollouts.models import Deployment

SHOWN = {"rows": 3}
SEVERITY_MEANINGS = {
    Severity.SEV1: "harm to many, now",
    Severity.SEV2: "harm to some",
    Severity.SEV3: "degraded",
    Severity.SEV4: "cosmetic",
}


class DeclareForm(forms.Form):
    """A title and a severity are enough; the rest can wait."""

    title = forms.CharField(
        max_length=300,
        label="What is wrong",
        help_text="As a customer would say it, like “Refund agent pays twice”.",
        error_messages={"required": "Say what is wrong, in a title."},
    )
    severity = forms.ChoiceField(
        choices=[(level.value, f"{level.value}: {meaning}") for level, meaning in SEVERITY_MEANINGS.items()],
        initial=Severity.SEV3,
        label="Severity",
    )
    deployment = forms.ModelChoiceField(
        queryset=Deployment.objects.select_related("bundle").order_by("-environment__position", "bundle__key"),
        required=False,
        label="Agent",
        empty_label="Not known yet",
    )
    detection_source = forms.ChoiceField(
        choices=DetectionSource.choices, initial=DetectionSource.EMPLOYEE, required=False, label="How it came to light"
    )
    note = forms.CharField(
        required=False, max_length=10_000, label="What you have seen", widget=forms.Textarea(attrs=SHOWN)
    )


class CauseForm(forms.Form):
    """One origin, how sure we are of it, and what speaks for it."""

    origin = forms.ChoiceField(
        choices=Origin.choices, label="Where it came from", error_messages={"required": "Choose where it came from."}
    )
    confidence = forms.ChoiceField(choices=Confidence.choices, required=False, label="How sure we are")
    note = forms.CharField(required=False, max_length=2_000, label="What speaks for it")


class ResolveForm(forms.Form):
    """What made it right; where nobody has named a cause yet, also that, and why there is no case."""

    origin = forms.ChoiceField(
        choices=[("", "As named above"), *Origin.choices], required=False, label="Where it came from"
    )
    confidence = forms.ChoiceField(choices=Confidence.choices, required=False, label="How sure we are")
    no_case_reason = forms.CharField(
        required=False,
        max_length=2_000,
        label="Why a cause without a case gets none",
        help_text="Left empty, every cause needs its case.",
    )
    resolution = forms.CharField(
        max_length=20_000,
        label="What makes it right",
        help_text="Name the system, not the person: “The new prompt had no output schema”.",
        widget=forms.Textarea(attrs=SHOWN),
        error_messages={"required": "Say what fixed it."},
    )


class HearingForm(forms.Form):
    """What a destination hears of."""

    name = forms.CharField(
        max_length=100,
        label="Name",
        help_text="What people call it, like “Payments channel”.",
        error_messages={"required": "Give the destination a name."},
    )
    events = forms.MultipleChoiceField(
        choices=list(EVENTS.items()),
        required=False,
        label="Events",
        help_text="None ticked: all of them.",
        widget=forms.CheckboxSelectMultiple,
    )
    least_severity = forms.ChoiceField(
        choices=[(level.value, f"{level.value} and worse") for level in Severity],
        initial=Severity.SEV4,
        label="Mildest severity",
    )
    team = forms.ModelChoiceField(
        queryset=Team.objects.order_by("name"), required=False, label="Agents of", empty_label="every team"
    )


class DestinationForm(HearingForm):
    """A new destination."""

    kind = forms.ChoiceField(choices=Destination.Kind.choices, label="Kind")
    address = forms.CharField(
        max_length=500,
        label="Address",
        help_text="An e-mail address, a channel like #incidents, or the https:// address of a webhook.",
        error_messages={"required": "Enter the address."},
    )
    field_order = ("kind", "name", "address")


class ChangeDestinationForm(HearingForm):
    """A destination that is there: kind and address stay."""

    @staticmethod
    def values(row: Destination) -> dict[str, Any]:
        """The fields as they stand."""
        return {"name": row.name, "events": row.events, "least_severity": row.least_severity, "team": row.team_id}


def errors_first(form: forms.Form) -> dict[str, Any]:
    """Mark the fields that need attention for assistive technology, after validation."""
    for name in form.errors:
        if name in form.fields:
            form.fields[name].widget.attrs["aria-invalid"] = "true"
    return {"form": form}


class DecisionForm(forms.Form):
    """What a review decides about one pattern."""

    pattern = forms.CharField(
        max_length=200, label="Pattern", error_messages={"required": "Name the pattern this is about."}
    )
    about = forms.CharField(required=False, max_length=100, widget=forms.HiddenInput)
    changed = forms.ChoiceField(
        choices=[("yes", "A standard changed"), ("no", "None changed")],
        label="What was decided",
        error_messages={"required": "Say whether a standard changed."},
    )
    standard = forms.CharField(
        required=False, max_length=200, label="Which standard", help_text="Such as “Tool schemas: breaking changes”."
    )
    text = forms.CharField(
        max_length=20_000,
        label="What it says now, or why none changed",
        widget=forms.Textarea(attrs=SHOWN),
        error_messages={"required": "Write what it says now, or why none changed."},
    )
