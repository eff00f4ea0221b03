"""Keys, labels, references, and which model names are pinned."""

from __future__ import annotations

import pytest

from rollouts.names import Key, label_problem, parse_key, reference
from rollouts.snapshots import is_pinned


def test_a_key_is_an_agent_or_an_agent_and_its_variant() -> None:
    assert parse_key("forge") == parse_key("forge.default") == Key("forge", "default")
    assert str(parse_key("forge.default")) == "forge"
    assert str(parse_key("forge.system")) == "forge.system"
    with pytest.raises(ValueError, match="name of a flag"):
        parse_key("forge.enabled")


def test_a_reference_has_four_parts() -> None:
    assert reference("forge.system", "prod", "1.4.0") == "forge/prod/system/1.4.0"
    assert reference("customer-service", "prod", "2.1.0") == "customer-service/prod/default/2.1.0"


@pytest.mark.parametrize("label", ["2.1.0", "v1", "2026.11.20-1", "x" * 64, "1_0"])
def test_labels_that_can_be(label: str) -> None:
    assert label_problem(label) is None


@pytest.mark.parametrize("label", ["", "7", "2 1", "x" * 65, "é", "..", "1\n"])
def test_labels_that_cannot_be(label: str) -> None:
    assert label_problem(label)


@pytest.mark.parametrize(
    "snapshot",
    [
        "claude-sonnet-4-5-20250929",
        "gpt-4o-2024-08-06",
        "gpt-4-0613",
        "gemini-1.5-pro-002",
        "gemini-2.5-flash-preview-05-20",
        "mistral-large-2407",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        "claude-opus-4-6",
        "ft:gpt-4o-2024-08-06:acme::9abcXYZ",
        "llama-3.1-70b@sha256:0123456789abcdef",
        "org/model@1a2b3c4d",
        "intent-router-v3",
    ],
)
def test_pinned_snapshots(snapshot: str) -> None:
    assert is_pinned(snapshot)


@pytest.mark.parametrize(
    "snapshot",
    [
        "",
        "gpt-4o",
        "gpt-5",
        "claude-sonnet-4-5",
        "claude-3-5-sonnet-latest",
        "gemini-2.5-pro",
        "gemini-2.5-pro-preview",
        "mistral-large-LATEST",
        "llama3:latest",
        "house-model",
    ],
)
def test_aliases(snapshot: str) -> None:
    assert not is_pinned(snapshot)
