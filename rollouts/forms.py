"""What people fill in about the machine. Forms check shape; operations decide."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms

from rollouts.models import Environment


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
