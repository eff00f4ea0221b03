"""What people fill in about the machine. Forms check shape; operations decide."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django import forms

from rollouts.models import Environment
from rollouts.push_checks import Rules


class PromoteForm(forms.Form):
    """Where to, and for gates without a result: why that is acceptable, and until when."""

    environment = forms.ModelChoiceField(
        queryset=Environment.objects.all(), widget=forms.HiddenInput, to_field_name="name"
    )
    waiver_reason = forms.CharField(required=False, max_length=2_000)
    waiver_days = forms.IntegerField(required=False, min_value=1, max_value=366)

    def clean_environment(self) -> str:
        """Its name."""
        environment: Environment = self.cleaned_data["environment"]
        return environment.name

    def waiver_expires_at(self, at: datetime) -> datetime | None:
        """When the waiver ends: seven days from now unless said otherwise; None without a waiver."""
        if not self.cleaned_data.get("waiver_reason"):
            return None
        return at + timedelta(days=self.cleaned_data.get("waiver_days") or 7)


class Lines(forms.CharField):
    """One entry per line."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in str(value or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(value or ())


class RulesForm(forms.Form):
    """What prompts of one bundle have to keep to; the operation says what is too much."""

    max_characters = forms.IntegerField(required=False, min_value=1)
    sections = Lines(required=False, strip=False)
    forbidden = Lines(required=False, strip=False)

    @classmethod
    def of(cls, rules: Rules) -> Self:
        """Filled in with what holds now."""
        return cls(
            initial={
                "max_characters": rules.max_characters,
                "sections": rules.sections,
                "forbidden": rules.forbidden,
            }
        )
