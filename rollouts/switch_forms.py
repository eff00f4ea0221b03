"""What people fill in about a kill switch and after a stop. Forms check shape; operations decide."""

from __future__ import annotations

from typing import Any

from django import forms

LARGEST = 1e9


class Amount(forms.FloatField):
    """A number that may be unknown."""

    def __init__(self, label: str, **more: Any) -> None:
        wrong = {"invalid": f"{label}: enter a number, such as 2.5, or leave it empty."}
        super().__init__(
            required=False, min_value=0, max_value=LARGEST, label=label, error_messages=wrong, localize=False, **more
        )
        self.widget.attrs |= {"step": "any", "inputmode": "decimal"}


class DescribeForm(forms.Form):
    """One switch: what customers get, what a harm costs each second, how soon a stop has to hold."""

    scope = forms.CharField(
        max_length=120, label="Scope", help_text="whole, writes, region:<name>, tool:<name> or cohort:<name>"
    )
    fallback = forms.CharField(max_length=1_000, required=False, label="Customers get")
    off_state_url = forms.CharField(max_length=500, required=False, label="Where that can be seen (address)")
    actions_per_second = Amount("Actions per second")
    calls_per_second = Amount("Calls per second")
    usd_per_second = Amount("US dollars per second")
    messages_per_second = Amount("Messages per second")
    latency_budget_seconds = Amount("A stop may take, seconds")
    blast_seconds = Amount("The damage is done after, seconds")

    def told(self) -> dict[str, Any]:
        """What the operation takes: everything but the scope; empty amounts are unknown."""
        return {name: value for name, value in self.cleaned_data.items() if name != "scope"}


class ReasonForm(forms.Form):
    """Why all of it: the share that went wrong beside the share that was right."""

    wrong_share_percent = forms.FloatField(min_value=0, max_value=100, label="Went wrong, %")
    right_share_percent = forms.FloatField(min_value=0, max_value=100, label="Was right, %")
    reason = forms.CharField(max_length=2_000, label="Why a narrower stop would not hold the harm")


class PlanForm(forms.Form):
    """By what it may act again."""

    criteria = forms.CharField(max_length=4_000, label="It may act again when", widget=forms.Textarea)
    expected_on = forms.DateField(
        required=False, label="Expected on", error_messages={"invalid": "Enter a day, like 2026-12-24."}
    )


def first_error(form: forms.Form) -> str:
    """The first thing to put right, with the name of its field."""
    name, errors = next(iter(form.errors.items()))
    label = form.fields[name].label if name in form.fields else ""
    said = str(errors[0])
    return said if not label or said.startswith(str(label)) else f"{label}: {said}"
