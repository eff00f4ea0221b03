"""The form of a regression case: JSON for what goes in, one of three ways to tell that it went right."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from accounts import strict_json
from rollouts.checks import OPERATORS, WITHOUT_VALUE
from rollouts.models import BundleVersion, RegressionCase

Check = RegressionCase.Check
LONGEST = 200_000
ROWS = {"rows": 8, "class": "mono", "spellcheck": "false"}


class JsonText(forms.CharField):
    """Strict JSON typed by a person; text that is no JSON is kept as the text it is when ``or_text``."""

    def __init__(self, *, or_text: bool = False, rows: int = 8, **options: Any) -> None:
        super().__init__(max_length=LONGEST, widget=forms.Textarea(attrs=ROWS | {"rows": rows}), **options)
        self.or_text = or_text

    def clean(self, value: Any) -> Any:
        text = super().clean(value).strip()
        if not text:
            return None
        try:
            return strict_json.load(text.encode())
        except strict_json.UnreadableJson as error:
            if self.or_text:
                return text
            raise forms.ValidationError(f"This is not JSON: {error}") from None


class VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no generic when it runs
    """A version by its label."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.label)


class CaseForm(forms.Form):
    """Everything of a case that a person may say."""

    title = forms.CharField(
        max_length=300,
        label="What has to go right",
        help_text="In one line, like “A refund of $240 goes through”.",
        error_messages={"required": "Say what has to go right."},
    )
    inputs = JsonText(
        label="What the agent is given",
        help_text="JSON: messages, and the tool calls of the run, as the telemetry kept them.",
        error_messages={"required": "Write what the agent is given."},
    )
    expected = JsonText(required=False, rows=4, label="What is expected", help_text="JSON; for people to compare with.")
    check_kind = forms.ChoiceField(choices=Check.choices, label="How to tell", widget=forms.RadioSelect)
    pointer = forms.CharField(
        required=False, max_length=500, label="Path", help_text="Into the output, dotted: error, tool_calls.0.name."
    )
    operator = forms.ChoiceField(
        required=False, choices=[(name, name.replace("_", " ")) for name in OPERATORS], label="Is"
    )
    value = JsonText(required=False, or_text=True, rows=1, label="Value")
    schema = JsonText(required=False, label="JSON Schema of the output")
    rubric = forms.CharField(
        required=False,
        max_length=20_000,
        label="What a judge should look for",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    repeats = forms.IntegerField(
        min_value=1, max_value=100, initial=1, label="Tries in a run", help_text="The n of “k of n”, 1 to 100."
    )
    key = forms.CharField(
        required=False, max_length=100, label="Key", help_text="What runners call it; made from the title when empty."
    )
    bad_version = VersionField(
        queryset=BundleVersion.objects.none(), required=False, label="Fails on", empty_label="Not known"
    )

    def __init__(self, *given: Any, versions: Any = None, **named: Any) -> None:
        super().__init__(*given, **named)
        field = self.fields["bad_version"]
        if versions is None:
            del self.fields["bad_version"]
        elif isinstance(field, forms.ModelChoiceField):
            field.queryset = versions

    def said(self) -> dict[str, Any]:
        """The arguments of the operations that make and refine a case."""
        data = self.cleaned_data
        named = {name: data[name] for name in ("title", "inputs", "expected", "check_kind", "repeats", "key")}
        return named | {"check_body": self._check_body()}

    def _check_body(self) -> Any:
        data = self.cleaned_data
        if data["check_kind"] == Check.JSON_SCHEMA:
            return data["schema"]
        if data["check_kind"] == Check.RUBRIC:
            return {"text": data["rubric"].strip()}
        body = {"path": data["pointer"].strip(), "operator": data["operator"]}
        return body if data["operator"] in WITHOUT_VALUE else body | {"value": data["value"]}


def initial(
    *, title: str, inputs: Any, expected: Any, check_kind: str, check_body: Any, repeats: int = 1, key: str = ""
) -> dict[str, Any]:
    """What the form shows of a case or a draft."""
    shown = {
        "title": title,
        "inputs": written(inputs) if inputs else "",
        "expected": written(expected) if expected is not None else "",
        "check_kind": check_kind,
        "repeats": repeats,
        "key": key,
    }
    if check_kind == Check.JSON_SCHEMA:
        return shown | {"schema": written(check_body)}
    if check_kind == Check.RUBRIC:
        return shown | {"rubric": check_body.get("text", "")}
    value = check_body.get("value")
    said = {"pointer": check_body.get("path", ""), "operator": check_body.get("operator", "")}
    return shown | said | {"value": value if isinstance(value, str) else written(value)}


def written(value: Any) -> str:
    """JSON as a person edits it."""
    return json.dumps(value, ensure_ascii=False, indent=2)
