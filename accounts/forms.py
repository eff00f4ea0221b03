"""What admins fill in about people and keys. Forms check shape; operations decide."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms

from accounts.models import Scope, SiteRole


class InviteForm(forms.Form):
    """Somebody who may sign in."""

    email = forms.EmailField(label="E-mail", error_messages={"required": "Enter an e-mail address."})
    name = forms.CharField(max_length=100, required=False, label="Name")
    roles = forms.MultipleChoiceField(
        choices=SiteRole.choices,
        initial=[SiteRole.RESPONDER],
        label="Roles",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Tick at least one role."},
    )


class TokenForm(forms.Form):
    """A bearer token for the API or the command line."""

    name = forms.CharField(max_length=100, label="Name", help_text="What carries it, like “deploy pipeline”.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        label="Scopes",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Tick at least one scope."},
    )
    days = forms.IntegerField(min_value=1, max_value=3650, initial=90, required=False, label="Valid for, days")

    def expires_at(self, at: datetime) -> datetime | None:
        """When it stops working; None when no days were given."""
        days = self.cleaned_data.get("days")
        return at + timedelta(days=days) if days else None


class ResolverKeyForm(forms.Form):
    """A key that agent runtimes of one environment resolve with."""

    name = forms.CharField(max_length=100, label="Name", help_text="Which runtimes carry it, like “support in prod”.")
    environment = forms.ChoiceField(choices=[(name, name) for name in ("prod", "staging", "dev")], label="Environment")
    days = forms.IntegerField(
        min_value=1, max_value=3650, required=False, label="Valid for, days", help_text="Empty: until revoked."
    )

    def expires_at(self, at: datetime) -> datetime | None:
        """When it stops working; None when no days were given."""
        days = self.cleaned_data.get("days")
        return at + timedelta(days=days) if days else None
