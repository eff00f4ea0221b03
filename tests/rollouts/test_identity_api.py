"""What a bundle is, and whether it is what runs, over the JSON API."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts.models import Activation, BundleVersion, Drift, PromptRules, PushWarning
from rollouts.operations import drift, gates, prompt_rules
from rollouts.operations.promote import promote
from tests.factories.accounts import machine, person, token
from tests.factories.evals import case, filed
from tests.factories.rollouts import KEY, activate, body, deployment, running, version

pytestmark = pytest.mark.django_db
NOTE = {"change": {"what": "shorter", "expect": "helpfulness", "threshold": 2}}


class Api:
    """Asks ``/api/v1`` with one token."""

    def __init__(self, *scopes: Scope) -> None:
        self.headers = {"Authorization": f"Bearer {token(*scopes)[1]}"}

    def __call__(self, method: str, path: str, sent: Any = None, *, expect: int = 200) -> Any:
        answer = Client().generic(
            method, f"/api/v1/{path}", json.dumps(sent) if sent is not None else "",
            content_type="application/json", headers=self.headers,
        )  # fmt: skip
        assert answer.status_code == expect, answer.content
        return answer.json()


# -- what checks found -----------------------------------------------------------------------------------------------
def test_a_push_with_nothing_to_say_of_is_answered_with_the_version_alone() -> None:
    told = Api()("POST", "bundles/support/versions", body(metadata=NOTE), expect=201)
    assert told.keys() == {"number", "label", "digest"}


def test_what_looks_wrong_is_stored_told_with_its_place_and_told_again() -> None:
    api = Api()
    sent = body(text="Be brief.\nCall get_order(order_id=…, currency=…).", metadata=NOTE)
    told = api("POST", "bundles/support/versions", sent, expect=201)
    assert told["warnings"] == [
        {
            "path": "prompt.text",
            "message": "get_order does not take currency; it takes order_id.",
            "severity": "warning",
            "check": "arguments",
            "line": 2,
            "column": 28,
        }
    ]
    assert api("POST", "bundles/support/versions", sent) == told, "the same body again tells the same"
    assert api("GET", "bundles/support/versions/1")["warnings"] == told["warnings"]
    assert PushWarning.objects.count() == 1


def test_a_warning_does_not_keep_a_version_out_of_prod() -> None:
    made = version(text="Call get_order(order_id=…, currency=…).")
    assert activate(made, "prod").version == made


def test_the_rules_of_a_bundle_refuse_its_next_push_and_leave_what_was_pushed() -> None:
    api = Api()
    sent = body(text="We guarantee it.", label="1.0.0", metadata=NOTE)
    api("POST", "bundles/support/versions", sent, expect=201)
    rules = {"max_characters": 5_000, "sections": [" Refunds ", ""], "forbidden": ["guarantee", "guarantee"]}
    told = api("POST", "bundles/support/prompt-rules", rules)
    assert told == {"max_characters": 5_000, "sections": ["Refunds"], "forbidden": ["guarantee"]}
    assert api("GET", "bundles/support/prompt-rules") == told
    assert api("POST", "bundles/support/versions", sent)["number"] == 1, "what was pushed stays what it is"
    refused = api("POST", "bundles/support/versions", {**sent, "label": "1.0.1"}, expect=422)
    assert [(each["path"], each.get("line"), each.get("column")) for each in refused["errors"]] == [
        ("prompt.text", None, None),
        ("prompt.text", 1, 4),
    ]
    assert api("POST", "bundles/other/versions", sent, expect=201), "another bundle has rules of its own"
    assert BundleVersion.objects.count() == 2


@pytest.mark.parametrize(
    "rules", [{"max_characters": 0}, {"sections": ["x" * 101]}, {"forbidden": ["x" * 201]}, {"forbidden": ["a", 1]}]
)
def test_rules_that_cannot_be_are_refused(rules: dict[str, Any]) -> None:
    version()
    Api()("POST", f"bundles/{KEY}/prompt-rules", rules, expect=422)
    assert not PromptRules.objects.exists()


def test_only_whoever_approves_sets_the_rules() -> None:
    bundle = version().bundle
    Api(Scope.PUSH, Scope.READ)("POST", f"bundles/{KEY}/prompt-rules", {}, expect=403)
    with pytest.raises(NotPermitted):
        prompt_rules.change(bundle, actor=machine(Scope.PUSH), max_characters=None, sections=(), forbidden=())
    prompt_rules.change(bundle, actor=person(SiteRole.APPROVER), max_characters=9, sections=(), forbidden=())
    assert AuditEntry.objects.get(verb="change prompt rules").data["after"]["max_characters"] == 9


def test_too_many_rules_are_refused() -> None:
    many = [f"phrase {number}" for number in range(51)]
    with pytest.raises(OperationRefused, match="At most 50"):
        prompt_rules.change(
            version().bundle, actor=person(SiteRole.APPROVER), max_characters=None, sections=(), forbidden=many
        )


# -- what it is --------------------------------------------------------------------------------------------------------
def test_a_version_says_whether_it_is_pinned_and_why_not() -> None:
    version(label="1.0.0", retrieval={"embedding_model": "e-3"})
    version(label="1.0.1", model={"snapshot": "gpt-4o"}, harness=None)
    api = Api()
    told = api("GET", f"bundles/{KEY}/versions/1.0.0")
    assert (told["pinned"], told["not_reproducible"]) == (True, [])
    told = api("GET", f"bundles/{KEY}/versions/1.0.1")
    assert told["pinned"] is False
    assert [lack["part"] for lack in told["not_reproducible"]] == ["model", "retrieval", "harness"]


def test_agents_that_depend_on_one_prompt_are_found_by_its_digest() -> None:
    text = "You answer questions about orders."
    activate(version("support", "1.0.0", text=text))
    version("support", "1.0.1", text=text, model={"parameters": {"temperature": 0}})
    version("support.emea", "7.0.0", text=text)
    activate(version("shop", "2.0.0", text=text), "dev")
    version("shop", "2.1.0", text="Another.")
    told = Api()("GET", "bundles/support/versions/1.0.0/dependents")
    assert told["verdict"] == "2 agents depend on this prompt."
    assert [(row["bundle"], row["version"]["label"], row["environments"]) for row in told["items"]] == [
        ("shop", "2.0.0", ["dev"]),
        ("support", "1.0.1", ["staging", "prod"]),
        ("support.emea", "7.0.0", []),
    ]
    alone = Api()("GET", "bundles/shop/versions/2.1.0/dependents")
    assert alone["verdict"] == "No other bundle has this prompt."


def test_environments_are_compared_with_each_other_and_with_what_was_pushed_last() -> None:
    running("1.0.0")
    activate(version(label="2.0.0", model={"snapshot": "claude-sonnet-4-5-20260101"}), "staging")
    told = Api()("GET", f"bundles/{KEY}/environments")
    assert told["diverged"] is True
    assert told["snapshots"]["staging"] == "claude-sonnet-4-5-20260101"
    assert [(each["one"], each["other"], each["parts"]) for each in told["differences"]] == [
        ("staging", "prod", ["prompt", "model"]),
        ("pushed last", "prod", ["prompt", "model"]),
    ]


def test_every_flip_keeps_the_tuple_it_stood_for() -> None:
    made = version(label="1.0.0", metadata={"eval_set": "refunds", "output_contract": "v3", "experiment": "exp-7"})
    flip = activate(made, "staging")
    assert flip.text_digest == made.part_digests["prompt"]
    assert (flip.rollout_state, flip.share_percent) == ("full", 100)
    assert (flip.baseline_id, flip.cohort_id, flip.downstream_contract_version) == ("refunds", "exp-7", "v3")
    told = Api()("POST", f"deployments/{KEY}/staging/promote", {"number": 1})
    assert told["downstream_contract_version"] == "v3"
    assert told["baseline_id"] == "refunds"
    assert Activation.objects.count() == 1


def test_a_flip_is_anchored_to_the_green_run_of_its_own_version() -> None:
    made = version(label="1.0.0", metadata={"eval_set": "refunds"})
    case("refund")
    run = filed(made, refund="pass")
    assert promote(deployment(environment="staging"), made, actor=person(SiteRole.APPROVER)).baseline_id == (
        f"golden@1#run-{run.pk}"
    )


# -- deterministic tools -----------------------------------------------------------------------------------------------
GATES = f"bundles/{KEY}/versions/1.0.0/gates"
PRICE = {
    "name": "price",
    "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
    "deterministic": True,
    "examples": [{"arguments": {"n": 1}, "output": 2}, {"arguments": {"n": 2}, "output": 4}],
}


def ran(*outputs: list[Any]) -> list[dict[str, Any]]:
    return [{"tool": "price", "example": number, "outputs": each} for number, each in enumerate(outputs)]


def test_a_version_with_deterministic_tools_waits_for_the_gate() -> None:
    made = version(label="1.0.0", tools=[PRICE])
    where = deployment(environment="staging")
    gates.record(made, "evals", "green", actor=person())
    with pytest.raises(OperationRefused, match="Gate determinism has no result"):
        promote(where, made, actor=person(SiteRole.APPROVER))
    told = Api()(
        "POST",
        GATES,
        {"gate": "determinism", "outputs": ran([2, 2], [4, 4.0])},
        expect=201,
    )
    assert (told["state"], told["detail"]) == ("green", "2 examples, each run 2 times or more, with one output.")
    assert promote(where, made, actor=person(SiteRole.APPROVER)).version == made


@pytest.mark.parametrize(
    ("outputs", "detail"),
    [
        (ran([2, 3], [4, 4]), "price, example 0: run 2 gave another output than run 1."),
        (ran([2, 2], [5, 5]), "price, example 1: every run gave one output, and not the one it should."),
        (ran([2, 2], [True, True]), "price, example 1: every run gave one output, and not the one it should."),
    ],
)
def test_outputs_that_differ_are_red_whatever_was_said_and_refuse(outputs: list[Any], detail: str) -> None:
    made = version(label="1.0.0", tools=[PRICE])
    sent = {"gate": "determinism", "state": "green", "outputs": outputs}
    told = Api()("POST", GATES, sent, expect=201)
    assert (told["state"], told["detail"]) == ("red", detail)
    with pytest.raises(OperationRefused, match="Gate determinism is red"):
        promote(
            deployment(environment="staging"), made, actor=person(SiteRole.APPROVER), waiver_reason="urgent",
            waiver_expires_at=clock.now() + timedelta(days=1),
        )  # fmt: skip


@pytest.mark.parametrize(
    "sent",
    [
        {"state": "green"},
        {"outputs": ran([2, 2])},
        {"outputs": ran([2], [4])},
        {"outputs": [*ran([2, 2], [4, 4]), {"tool": "other", "example": 0, "outputs": [1, 1]}]},
        {},
    ],
)
def test_determinism_is_never_green_by_word_alone(sent: dict[str, Any]) -> None:
    version(label="1.0.0", tools=[PRICE])
    Api()("POST", GATES, {"gate": "determinism", **sent}, expect=422)


def test_other_gates_take_no_outputs_and_a_version_without_such_tools_has_no_such_gate() -> None:
    made = version(label="1.0.0")
    api = Api()
    api(
        "POST",
        GATES,
        {"gate": "evals", "state": "green", "outputs": ran([1, 1])},
        expect=422,
    )
    api("POST", GATES, {"gate": "determinism", "outputs": ran([1, 1])}, expect=422)
    assert activate(made).version == made


# -- whether it is what runs -------------------------------------------------------------------------------------------
def test_parts_are_compared_with_the_active_version_without_keeping_anything() -> None:
    live = running("1.0.0", "2.0.0")
    assert live.active is not None
    sent = {name: live.active.body[name] for name in ("prompt", "model", "tools")}
    api = Api(Scope.READ)
    assert api("POST", f"deployments/{KEY}/prod/compare", sent)["same"] is True
    told = api("POST", f"deployments/{KEY}/prod/compare", sent | {"prompt": {"text": "Be kind."}})
    assert told["same"] is False
    assert [(part["part"], part["same"]) for part in told["parts"]] == [
        ("prompt", False), ("model", True), ("tools", True),
    ]  # fmt: skip
    assert told["diff"]["parts"] == ["prompt"]
    assert not Drift.objects.exists()


def test_what_really_runs_is_reported_and_what_nobody_pushed_is_unreviewed() -> None:
    live = running("1.0.0", "2.0.0")
    first = BundleVersion.objects.get(label="1.0.0")
    api = Api(Scope.PUSH, Scope.READ)
    edited = {"prompt": {"text": "Edited at 23:00 in a dashboard."}, "source": "vendor dashboard"}
    for _ in range(2):
        told = api("POST", f"deployments/{KEY}/prod/report", edited)
        assert told["parts"][0]["known_as"] is None
    told = api("POST", f"deployments/{KEY}/prod/report", {"prompt": first.body["prompt"]})
    assert told["parts"][0]["known_as"] == "1.0.0"
    rows = {row.unreviewed: row for row in Drift.objects.all()}
    assert (rows[True].count, rows[True].source, rows[True].about) == (2, "vendor dashboard", "prompt")
    assert rows[False].count == 1
    (found,) = api("GET", "drift?unreviewed=true")["items"]
    assert (found["deployment"], found["kind"], found["lately"]) == (f"{KEY}/prod", "content", True)
    assert AuditEntry.objects.filter(verb="report drift", data__unreviewed=["prompt"]).count() == 2
    assert [live.pk] == list(drift.open_in([live], rows[True].last_seen_at))


def test_what_runs_as_it_should_leaves_no_drift() -> None:
    live = running("1.0.0")
    assert live.active is not None
    Api()("POST", f"deployments/{KEY}/prod/report", {"tools": live.active.body["tools"]})
    assert not Drift.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"promt": {}}, {"source": "x"}, {"prompt": {"text": "a\u0000"}}])
def test_a_report_of_nothing_or_of_what_cannot_be_is_refused(sent: dict[str, Any]) -> None:
    running("1.0.0")
    Api()("POST", f"deployments/{KEY}/prod/report", sent, expect=422)
    assert not Drift.objects.exists()


def test_there_is_nothing_to_compare_with_before_the_first_promotion() -> None:
    deployment()
    Api()("POST", f"deployments/{KEY}/dev/compare", {"prompt": {"text": "x"}}, expect=409)


def test_reading_is_not_enough_to_report() -> None:
    running("1.0.0")
    Api(Scope.READ)("POST", f"deployments/{KEY}/prod/report", {"prompt": {"text": "x"}}, expect=403)
