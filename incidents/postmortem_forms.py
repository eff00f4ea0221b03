"""What people fill in on a postmortem's rows. Forms check shape; operations decide."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django import forms
from django.db.models import Choices

from accounts.models import User
from incidents.models import (
    ActionItem,
    Confidence,
    Diagnosis,
    EscapeAnswer,
    Incident,
    InferenceRow,
    Layer,
    LayerFinding,
    MovedVariable,
    Postmortem,
)
from rollouts.models import BundleVersion

LONGEST = 20_000


class Markdown(forms.CharField):
    """Text as it is typed: what begins a line is part of Markdown. Blanks alone are nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def validate(self, value: Any) -> None:
        super().validate((value or "").strip())


def words(label: str, *, help_text: str = "", rows: int = 1, required: str = "") -> forms.CharField:
    """A text that grows as it is written. ``required``: what is said when it is missing."""
    return Markdown(
        label=label,
        help_text=help_text,
        required=bool(required),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": rows}),
        error_messages={"required": required} if required else None,
    )


def line(label: str, length: int = 200) -> forms.CharField:
    return forms.CharField(label=label, required=False, max_length=length)


def one_of(label: str, choices: type[Choices], *, blank: str = "", required: str = "") -> forms.ChoiceField:
    """One of a closed list. ``blank``: the word for none of them."""
    listed = [("", blank), *choices.choices] if blank else choices.choices
    errors = {"required": required} if required else None
    return forms.ChoiceField(label=label, choices=listed, required=bool(required), error_messages=errors)


class Lists:
    """What the selects of the rows offer, each asked for once and only when a row needs it.

    ``also``: people to offer although they cannot sign in any longer, since they own something here.
    """

    def __init__(self, incident: Incident, also: Iterable[int | None] = ()) -> None:
        self.incident, self.also = incident, {*also}

    @cached_property
    def everybody(self) -> dict[int, User]:
        """Everybody who ever could sign in: who wrote what is named by them."""
        return {user.pk: user for user in User.objects.only("name", "email", "is_active").order_by("name", "email")}

    @cached_property
    def people(self) -> dict[str, User]:
        """Who may own an action."""
        found = self.everybody.values()
        return {str(user.pk): user for user in found if user.is_active or user.pk in self.also}

    @cached_property
    def versions(self) -> dict[str, BundleVersion]:
        """The newest versions of the bundle this is about."""
        deployment = self.incident.deployment
        if deployment is None:
            return {}
        found = BundleVersion.objects.filter(bundle_id=deployment.bundle_id).defer("body")[:500]
        return {str(version.pk): version for version in found}


class RowForm(forms.Form):
    """A row of the page; ``row`` is the id of the element it stands in, so that no two fields share an id."""

    def __init__(self, data: Any = None, *, row: str, lists: Lists, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, auto_id=f"{row}-%s", initial=initial)
        self.offer(lists)

    def offer(self, lists: Lists) -> None:
        """Fill in what the selects offer."""

    def one_of_these(self, name: str, listed: dict[str, Any], blank: str, word: str = "") -> None:
        """Let the field called ``name`` be one of ``listed`` or None; ``word`` is the attribute that names them."""
        self.fields[name] = forms.TypedChoiceField(
            label=self.fields[name].label,
            required=False,
            choices=[
                ("", blank),
                *((key, getattr(value, word) if word else str(value)) for key, value in listed.items()),
            ],
            coerce=listed.__getitem__,
            empty_value=None,
        )


class InferenceForm(RowForm):
    """What the agent saw, made of it, and should have made of it."""

    saw = words("It saw", rows=2, help_text="Instruction, retrieved text, tool results, memory.")
    inferred = words("It inferred", rows=2, help_text="The plan or scenario, as its actions show.")
    should_have_inferred = words("Better", rows=2, help_text="What a competent reader of the same would infer.")
    spec = one_of("Was the spec complete?", InferenceRow.Spec, blank="Not decided")
    alternatives = words("Alternatives it had")
    cue = words("Cue", help_text="What it weighed wrongly, or lacked.")
    claimed_reasoning = words("What it said of itself", help_text="Testimony: self-explanations can be invented.")
    evidenced_reasoning = words("What its actions show", help_text="Evidence: calls, arguments, results.")
    action = words("It did", help_text="Tool calls, and what they changed.")
    authority = words("By what right", help_text="Which credential and rule allowed it; can it be undone?")
    failures = forms.IntegerField(label="Failed k times", required=False, min_value=0, max_value=1_000_000)
    replays = forms.IntegerField(label="of n replays", required=False, min_value=0, max_value=1_000_000)
    fixed_failures = forms.IntegerField(label="On the fix: k", required=False, min_value=0, max_value=1_000_000)
    fixed_replays = forms.IntegerField(label="On the fix: n", required=False, min_value=0, max_value=1_000_000)
    trace_id = forms.RegexField(
        r"^[0-9a-fA-F]{32}$",
        label="Trace",
        required=False,
        error_messages={"invalid": "Enter a trace id: 32 hexadecimal digits."},
    )
    day = forms.DateField(label="Day of the trace", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    version_at_fault = forms.TypedChoiceField(label="Version", required=False)

    def offer(self, lists: Lists) -> None:
        self.one_of_these("version_at_fault", lists.versions, "Not said", word="label")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, tried in (("failures", "replays"), ("fixed_failures", "fixed_replays")):
            failed, often = cleaned.get(name), cleaned.get(tried)
            if failed is not None and (often is None or failed > often):
                self.add_error(tried, "Enter how often it was tried: at least as often as it failed.")
        return cleaned


class VariableForm(RowForm):
    """Whether one variable moved, from what to what, and how we know."""

    moved = one_of("Moved?", MovedVariable.Moved, required="Choose moved, not moved or unknown.")
    before = words("Before")
    after = words("After")
    evidence = words("Evidence")


class LayerForm(RowForm):
    """One layer, examined."""

    finding = one_of("Finding", LayerFinding.Finding, required="Choose implicated, cleared or unknown.")
    evidence = words("Evidence")
    owner = line("Owner")


class EscapeForm(RowForm):
    """An answer to one of the questions every rollback asks."""

    answer = words("Answer", rows=2)


class VerdictForm(EscapeForm):
    """The last question has a verdict too."""

    verdict = one_of("Verdict", EscapeAnswer.Verdict, blank="Not decided")
    field_order = ["verdict", "answer"]


class FactorForm(RowForm):
    """One contributing factor."""

    text = words("Contributing factor", rows=2, required="Write the factor, or remove the row.")
    confidence = one_of("Confidence", Confidence, required="Choose how sure you are.")
    layer = one_of("Layer", Layer, blank="Not said")
    diagnosis = one_of("Class", Diagnosis, blank="Not said")
    evidence = words("Evidence", help_text="Link the trace, run, diff or entry that shows it.")


class ActionForm(RowForm):
    """One action: what, who, until when, and how we will know."""

    text = words("Action", rows=2, required="Write what will be done.")
    kind = one_of("Kind", ActionItem.Kind, required="Choose the kind.")
    owner = forms.TypedChoiceField(label="Owner", required=False)
    due_on = forms.DateField(label="Due", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    verification = words("How we will know", help_text="The case, rate or check that will show it.")
    tracker_url = forms.URLField(label="Tracker", required=False, max_length=500, assume_scheme="https")

    def offer(self, lists: Lists) -> None:
        self.one_of_these("owner", lists.people, "Nobody yet")


class OwnershipForm(RowForm):
    """Who made, reviewed and will own what changed; what the harm cost per second; what slowed the response."""

    made_by = line("Made by")
    reviewed_by = line("Reviewed by")
    next_owner = line("Next owner")
    path = line("How it got there")
    damage_rate_per_second = forms.FloatField(label="Damage per second", required=False, min_value=0)
    damage_unit = line("Counted in", 60)
    blast_seconds = forms.FloatField(
        label="Seconds until it cannot be borne", required=False, min_value=0, help_text="Containing must be faster."
    )
    autonomy = one_of("What the agent may do alone", Postmortem.Autonomy, blank="Not decided")
    access_blocked_minutes = forms.IntegerField(
        label="Minutes without access", required=False, min_value=0, help_text="Waited for a permission or sign-in."
    )
    false_acks = forms.IntegerField(
        label="False acknowledgements", required=False, min_value=0, help_text="Behind which nobody looked."
    )
    slowed_by = words("What else slowed the response")
