"""Pushing: what is stored, what is refused, and what never changes."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from django.db import connections
from django.test import Client
from jsonschema import Draft202012Validator

from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts.body import findings
from rollouts.models import Agent, Bundle, BundleVersion, Deployment
from rollouts.operations.push import PushRefused, push
from tests.factories.accounts import machine, person
from tests.factories.rollouts import body, version

pytestmark = pytest.mark.django_db


def paths(sent: Any) -> list[str]:
    return [finding.path for finding in findings(sent)]


def test_an_unknown_key_creates_agent_bundle_and_three_deployments() -> None:
    made, created = push("support.emea", body(), actor=machine(Scope.PUSH))
    assert created
    assert (Agent.objects.get().slug, Bundle.objects.get().key, made.number) == ("support", "support.emea", 1)
    environments = Deployment.objects.values_list("environment_id", flat=True)
    assert set(environments) == {"dev", "staging", "prod"}
    assert AuditEntry.objects.get(verb="push").data == {"number": 1, "digest": made.digest}


def test_the_digest_is_sha256_of_canonical_json_without_the_label() -> None:
    sent = body(label="1.0.0")
    made, _ = push("support", sent, actor=person())
    content = {name: value for name, value in sent.items() if name != "label"}
    assert made.digest == hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    behaviour = {name: value for name, value in content.items() if name != "metadata"}
    assert made.behaviour_digest == hashlib.sha256(rfc8785.dumps(behaviour)).hexdigest()
    assert made.part_digests["prompt"] == hashlib.sha256(rfc8785.dumps(content["prompt"])).hexdigest()
    made.refresh_from_db()
    assert hashlib.sha256(rfc8785.dumps(made.body)).hexdigest() == made.digest, "storage keeps what was hashed"


def test_the_same_body_again_is_the_same_version() -> None:
    first, _ = push("support", body(label="1.0.0"), actor=person())
    assert push("support", body(label="1.0.0"), actor=person()) == (first, False)
    assert push("support", body(), actor=person()) == (first, False), "without a label, too"
    other, created = push("support", body(label="1.0.1"), actor=person())
    assert (created, other.number, other.digest) == (True, 2, first.digest), "a label of its own is a version"
    elsewhere, created = push("other", body(), actor=person())
    assert (created, elsewhere.number) == (True, 1)


def test_a_new_reviewer_is_a_new_number_that_behaves_alike() -> None:
    first, _ = push("support", body(), actor=person())
    second, created = push("support", body(metadata={"reviewer": "Lin"}), actor=person())
    assert created
    assert second.behaviour_digest == first.behaviour_digest
    assert second.digest != first.digest


def test_a_used_label_with_other_content_is_refused() -> None:
    push("support", body(label="1.0.0"), actor=person())
    with pytest.raises(OperationRefused, match="Choose another label") as refused:
        push("support", body(label="1.0.0", text="Other"), actor=person())
    assert refused.value.status == 409


def test_default_labels_count_the_day() -> None:
    at = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    labels = [push("support", body(text=f"Take {n}"), actor=person(), at=at)[0].label for n in range(2)]
    push("support", body(text="x", label="2026.11.20-3"), actor=person(), at=at)
    labels.append(push("support", body(text="Take 9"), actor=person(), at=at)[0].label)
    assert labels == ["2026.11.20-1", "2026.11.20-2", "2026.11.20-4"]


@pytest.mark.parametrize("key", ["", "a b", "a/b", ".a", "a.", "a.b.c", "a.version", "a.Enabled", "é", "-a", "a" * 101])
def test_a_key_that_cannot_be_one_is_refused(key: str) -> None:
    with pytest.raises(PushRefused) as refused:
        push(key, body(), actor=person())
    assert refused.value.status == 422
    assert [error["path"] for error in refused.value.details["errors"]] == ["key"]
    assert not Agent.objects.exists()


def test_the_default_variant_has_one_name() -> None:
    push("support", body(), actor=person())
    made, created = push("support.default", body(), actor=person())
    assert (created, made.bundle.key) == (False, "support")


def test_who_may_push() -> None:
    for stranger in (person(SiteRole.VIEWER), machine(Scope.CONTAIN, Scope.READ)):
        with pytest.raises(NotPermitted):
            push("support", body(), actor=stranger)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"label": "12"}, "label"),
        ({"label": "a b"}, "label"),
        ({"label": "x" * 65}, "label"),
        ({"label": ".."}, "label"),
        ({"label": 3}, "label"),
        ({"promt": {}}, "promt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": {"text": " "}}, "prompt.text"),
        ({"prompt": {"text": 1}}, "prompt.text"),
        ({"prompt": {"text": "x" * 1_000_001}}, "prompt.text"),
        ({"prompt": {"few_shots": {}}}, "prompt.few_shots"),
        ({"prompt": {"few_shots": [1]}}, "prompt.few_shots.0"),
        ({"prompt": {"fewshots": []}}, "prompt.fewshots"),
        ({"prompt": {"text": "a\x00b"}}, "prompt.text"),
        ({"prompt": {"text": "\ud800"}}, "prompt.text"),
        ({"model": None}, "model"),
        ({"model": {"snapshot": ""}}, "model.snapshot"),
        ({"model": {"parameters": []}}, "model.parameters"),
        ({"model": {"parameters": {"seed": 2**53}}}, "model.parameters.seed"),
        ({"model": {"parameters": {"top_p": float("inf")}}}, "model.parameters.top_p"),
        ({"model": {"parameters": {"x": 1e300}}}, "model.parameters.x"),
        ({"model": {"route": 5}}, "model.route"),
        ({"model": {"temperature": 1}}, "model.temperature"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools.0.name"),
        ({"tools": [{"name": "a", "input_schema": {}}, {"name": "a", "input_schema": {}}]}, "tools.1.name"),
        ({"tools": [{"name": "a", "input_schema": True}]}, "tools.0.input_schema"),
        (
            {"tools": [{"name": "a", "input_schema": {"properties": {"b": {"type": 1}}}}]},
            "tools.0.input_schema.properties.b.type",
        ),
        ({"tools": [{"name": "a", "input_schema": {"pattern": "("}}]}, "tools.0.input_schema.pattern"),
        ({"retrieval": []}, "retrieval"),
        ({"harness": "x"}, "harness"),
        ({"harness": {"n\x00": 1}}, "harness"),
        ({"metadata": {"in_flight_policy": "drop"}}, "metadata.in_flight_policy"),
        ({"metadata": {"in_flight_policy": []}}, "metadata.in_flight_policy"),
        ({"metadata": {"reviewer": 5}}, "metadata.reviewer"),
        ({"metadata": {"colour": "red"}}, "metadata.colour"),
        ({"metadata": {"change": {"why": "x"}}}, "metadata.change.why"),
        ({"metadata": {"change": {"threshold": []}}}, "metadata.change.threshold"),
        ({"harness": {"blob": "x" * (4 * 1024 * 1024)}}, ""),
    ],
)
def test_each_thing_that_can_be_wrong_is_found_where_it_is(changes: dict[str, Any], path: str) -> None:
    assert path in paths(body(**changes))


def test_a_body_without_findings_has_none() -> None:
    assert paths(body()) == []
    assert paths({"prompt": {"text": "x"}, "model": {"provider": "p", "snapshot": "s"}}) == []


@pytest.mark.parametrize("changes", [{}, {"label": "1.0.0"}, {"tools": None}, {"prompt": {"text": 1}}, {"extra": 1}])
def test_the_published_schema_agrees(client: Client, changes: dict[str, Any]) -> None:
    route = client.get("/api/openapi.json").json()["paths"]["/api/v1/bundles/{key}/versions"]["post"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]
    assert Draft202012Validator(schema).is_valid(body(**changes)) == (paths(body(**changes)) == [])


def test_a_body_that_is_no_object_or_nests_too_deep_is_one_finding() -> None:
    assert paths([]) == [""]
    deep: Any = 1
    for _ in range(500):
        deep = {"d": deep}
    assert len(paths(body(harness=deep))) == 1


def test_findings_end_somewhere() -> None:
    assert len(findings(body(**{f"x{n}": 1 for n in range(500)}))) == 101


@pytest.mark.django_db(transaction=True)
def test_pushes_at_once_get_numbers_of_their_own() -> None:
    actors = [person() for _ in range(8)]
    barrier = threading.Barrier(8)
    failures: list[BaseException] = []

    def push_here(index: int) -> None:
        try:
            barrier.wait(timeout=20)
            push("support", body(text=f"Take {index % 4}"), actor=actors[index])
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=push_here, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert sorted(BundleVersion.objects.values_list("number", flat=True)) == [1, 2, 3, 4]
    assert Bundle.objects.get().last_number == 4


def test_a_version_is_named_by_key_and_label() -> None:
    made = version(label="2.1.0")
    assert str(made) == "customer-service@2.1.0"
    assert made.as_json() == {"number": 1, "label": "2.1.0", "digest": made.digest}
