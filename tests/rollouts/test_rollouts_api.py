"""The JSON doors of the machine, as a stranger with a token finds them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts import clock
from accounts.models import Scope, SiteRole
from rollouts.models import Deployment, Rollback, Stop
from tests.factories.accounts import UserFactory, token
from tests.factories.rollouts import body, deployment, running, version

pytestmark = pytest.mark.django_db

SEVEN = ["flip", "prefix_cache", "semantic_cache", "histories", "baseline", "experiment", "downstream"]


class Caller:
    """Sends JSON with one token."""

    def __init__(self, *scopes: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token(*scopes)[1]}"})

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}")

    def post(self, path: str, content: Any = None, raw: bytes | None = None, once: str = "") -> Any:
        sent = raw if raw is not None else b"" if content is None else json.dumps(content).encode()
        headers = {"Idempotency-Key": once} if once else {}
        return self.client.post(f"/api/v1{path}", sent, content_type="application/json", headers=headers)


@pytest.fixture
def caller() -> Caller:
    return Caller()


def test_a_push_makes_agent_bundle_deployments_and_version(caller: Caller) -> None:
    answer = caller.post("/bundles/support.emea/versions", body(label="2.1.0"))
    assert answer.status_code == 201
    assert answer.json().keys() == {"number", "label", "digest"}
    assert (answer.json()["number"], answer.json()["label"]) == (1, "2.1.0")
    again = caller.post("/bundles/support.emea/versions", body(label="2.1.0"))
    assert (again.status_code, again.json()) == (200, answer.json())
    clash = caller.post("/bundles/support.emea/versions", body(label="2.1.0", text="Other"))
    assert clash.status_code == 409
    assert "Choose another label" in clash.json()["error"]
    bundle = caller.get("/bundles/support.emea").json()
    assert (bundle["agent"], bundle["variant"]) == ("support", "emea")
    assert bundle["active"] == {"dev": None, "staging": None, "prod": None}
    assert [row["label"] for row in bundle["versions"]] == ["2.1.0"]
    assert caller.get("/bundles").json()["items"][0]["latest"] == answer.json()


def test_findings_are_told_all_at_once(caller: Caller) -> None:
    wrong = body(label="12", harness=[], extra=1)
    wrong["tools"][0]["input_schema"]["type"] = "strin"
    answer = caller.post("/bundles/x/versions", wrong)
    assert answer.status_code == 422
    paths = {error["path"] for error in answer.json()["errors"]}
    assert paths == {"label", "harness", "extra", "tools.0.input_schema.type"}


@pytest.mark.parametrize(
    ("raw", "status", "said"),
    [
        (b"{", 400, "not JSON"),
        (b"", 422, "does not fit"),
        (b"[]", 422, "does not fit"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b'{"a": 1, "a": 2}', 400, "twice"),
        (b'{"a": NaN}', 400, "NaN"),
        (b"[" * 200_000, 400, "nested deeper than 64 levels"),
        (b'{"a": ' + b"9" * 5_000 + b"}", 400, "too long"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, 400, "nested deeper than 64 levels"),
    ],
)
def test_an_unreadable_body_is_refused_in_a_sentence(caller: Caller, raw: bytes, status: int, said: str) -> None:
    answer = caller.post("/bundles/x/versions", raw=raw)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_a_version_is_found_by_number_and_by_label(caller: Caller) -> None:
    made = version(label="2.1.0")
    by_label = caller.get("/bundles/customer-service/versions/2.1.0").json()
    assert by_label == caller.get("/bundles/customer-service/versions/1").json()
    assert by_label["body"]["model"] == made.body["model"]
    assert caller.get("/bundles/customer-service.default/versions/1").status_code == 200
    for missing in ("/bundles/customer-service/versions/9.9", "/bundles/nobody/versions/1", "/bundles/nobody"):
        answer = caller.get(missing)
        assert answer.status_code == 404
        assert answer.json()["error"]


def test_the_stack_of_a_deployment(caller: Caller) -> None:
    running("1.0.0", "2.0.0")
    answer = caller.get("/deployments/customer-service/prod").json()
    assert answer["active"]["label"] == "2.0.0"
    assert answer["last_good"]["label"] == "1.0.0"
    assert answer["epoch"] == 2
    assert [(row["number"], row["state"]) for row in answer["stack"]] == [(2, "active"), (1, "warm")]
    assert caller.get("/deployments/customer-service/mars").status_code == 404
    listed = caller.get("/deployments").json()["items"]
    assert {row["deployment"] for row in listed} == {"customer-service/prod", "customer-service/staging"}
    assert caller.get("/deployments?agent=customer-service").json()["items"] == listed
    assert caller.get("/deployments?agent=another").json()["items"] == []
    assert caller.get("/deployments?agent=%00").status_code == 422


def test_promotion_through_the_gates(caller: Caller) -> None:
    version(label="1.0.0")
    refused = caller.post("/deployments/customer-service/prod/promote", {"number": 1})
    assert refused.status_code == 409
    assert refused.json()["reasons"] == [
        "Gate evals has no result and there is no waiver.",
        "Gate staging has no result and there is no waiver.",
    ]
    green = caller.post("/bundles/customer-service/versions/1/gates", {"gate": "evals", "state": "green"})
    assert green.status_code == 201
    assert caller.post("/deployments/customer-service/staging/promote", {"number": 1}).status_code == 200
    answer = caller.post("/deployments/customer-service/prod/promote", {"number": 1})
    assert answer.status_code == 200
    assert (answer.json()["from"], answer.json()["to"]["label"], answer.json()["waiver"]) == (None, "1.0.0", None)


def test_the_waiver_is_listed_in_the_answer(caller: Caller) -> None:
    version(label="1.0.0")
    expires_at = (clock.now() + timedelta(days=7)).isoformat()
    waiver = {"reason": "launch day", "expires_at": expires_at}
    answer = caller.post("/deployments/customer-service/prod/promote", {"number": 1, "waiver": waiver})
    assert answer.status_code == 200
    assert answer.json()["waiver"]["gates"] == ["evals", "staging"]
    assert answer.json()["waiver"]["reason"] == "launch day"


@pytest.mark.parametrize("sent", [{}, {"number": "1"}, {"number": True}, {"number": 1, "waver": {}}, {"number": 1.5}])
def test_a_promotion_that_does_not_fit_is_refused(caller: Caller, sent: dict[str, Any]) -> None:
    version()
    answer = caller.post("/deployments/customer-service/prod/promote", sent)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] in {"number", "waver"}


@pytest.mark.parametrize("content_type", ["application/json", "", "application/x-www-form-urlencoded"])
def test_rollback_with_an_empty_body(caller: Caller, content_type: str) -> None:
    running("1.0.0", "2.0.0")
    path = "/api/v1/deployments/customer-service/prod/rollback"
    answer = caller.client.post(path, b"", content_type=content_type)
    assert answer.status_code == 201
    told = answer.json()
    assert told.keys() == {"rollback", "from", "to", "committed_ms", "incident", "legs"}
    assert (told["from"]["label"], told["to"]["label"]) == ("2.0.0", "1.0.0")
    assert [leg["kind"] for leg in told["legs"]] == SEVEN
    assert told["legs"][0] == {"kind": "flip", "state": "done"}
    again = caller.client.post(path, b"{}", content_type="application/json")
    assert (again.status_code, again.json()["rollback"]) == (200, told["rollback"])


def test_a_token_that_may_only_contain_can_roll_back(caller: Caller) -> None:
    running("1.0.0", "2.0.0")
    path = "/deployments/customer-service/prod/rollback"
    assert Caller(Scope.READ, Scope.PUSH, Scope.APPROVER).post(path).status_code == 403
    answer = Caller(Scope.CONTAIN).post(path, {"reason": "wrong refunds"})
    assert answer.status_code == 201
    assert Rollback.objects.get().reason == "wrong refunds"


def test_nothing_to_go_back_to_offers_a_human(caller: Caller) -> None:
    running("1.0.0")
    answer = caller.post("/deployments/customer-service/prod/rollback")
    assert answer.status_code == 409
    assert answer.json()["error"].startswith("Nothing to go back to")
    assert answer.json()["offer"] == "Send to a human"


@pytest.mark.parametrize("sent", [{"to": "1"}, {"to": 1.5}, {"to": True}, {"too": 1}, [], "x", 5])
def test_a_rollback_body_that_does_not_fit_flips_nothing(caller: Caller, sent: Any) -> None:
    running("1.0.0", "2.0.0")
    assert caller.post("/deployments/customer-service/prod/rollback", sent).status_code == 422
    assert caller.post("/deployments/customer-service/prod/rollback", raw=b"{").status_code == 400
    assert not Rollback.objects.exists()


def test_roll_forward_brings_it_back(caller: Caller) -> None:
    running("1.0.0", "2.0.0")
    assert caller.post("/deployments/customer-service/prod/roll-forward").status_code == 409
    caller.post("/deployments/customer-service/prod/rollback")
    answer = caller.post("/deployments/customer-service/prod/roll-forward", {"reason": "it was the cache"})
    assert (answer.status_code, answer.json()["to"]["label"]) == (200, "2.0.0")


def test_a_stop_engages_once_and_only_a_person_releases_it(caller: Caller) -> None:
    running("1.0.0")
    path = "/deployments/customer-service/prod"
    answer = caller.post(f"{path}/stop", {"scope": "writes", "reason": "double refunds", "fallback": "To a human"})
    assert answer.status_code == 201
    assert answer.json()["state"] == "engaged"
    assert answer.json().keys() >= {"stop", "engaged_at", "state"}
    again = caller.post(f"{path}/stop", {"scope": "writes"})
    assert (again.status_code, again.json()["stop"]) == (200, answer.json()["stop"])
    refused = caller.post(f"{path}/release", {"scope": "writes"})
    assert refused.status_code == 403
    assert "takes a person" in refused.json()["error"]
    assert caller.post(f"{path}/stop", {"scope": "everything"}).status_code == 422
    assert caller.post(f"{path}/stop").status_code == 201
    assert [row["scope"] for row in caller.get(path).json()["stops"]] == ["whole", "writes"]
    assert Stop.objects.filter(released_at=None).count() == 2


def test_a_leg_is_a_persons_to_close(caller: Caller) -> None:
    running("1.0.0", "2.0.0")
    pk = caller.post("/deployments/customer-service/prod/rollback").json()["rollback"]
    answer = caller.post(f"/rollbacks/{pk}/legs/histories", {"state": "done"})
    assert answer.status_code == 403
    assert caller.post(f"/rollbacks/{pk}/legs/knees", {"state": "done"}).status_code == 404
    told = caller.get(f"/rollbacks/{pk}").json()
    assert all(leg["sentence"] for leg in told["legs"])
    assert caller.get(f"/rollbacks/{pk + 1}").status_code == 404


def test_the_diff_of_two_versions(caller: Caller) -> None:
    version(label="1.0.0", text="Be brief.")
    version(label="2.0.0", text="Be kind.", metadata={"reviewer": "Lin"})
    version(label="2.0.1", text="Be kind.", metadata={"reviewer": "Ada"})
    answer = caller.get("/bundles/customer-service/diff?from=1.0.0&to=2").json()
    assert answer["prompt"] == [
        {"kind": "same", "text": "Be "},
        {"kind": "removed", "text": "brief"},
        {"kind": "added", "text": "kind"},
        {"kind": "same", "text": "."},
    ]
    same = caller.get("/bundles/customer-service/diff?from=2.0.0&to=2.0.1").json()
    assert same["behaviour_unchanged"] is True
    assert same["summary"].startswith("Behaviour unchanged")
    assert [change["path"] for change in same["metadata"]] == ["reviewer"]
    assert caller.get("/bundles/customer-service/diff?from=1.0.0").status_code == 422


def test_a_stranger_is_turned_away_at_every_door() -> None:
    running("1.0.0", "2.0.0")
    for path in ("bundles", "bundles/customer-service", "deployments", "deployments/customer-service/prod"):
        assert Client().get(f"/api/v1/{path}").status_code == 401
    for path in ("promote", "rollback", "roll-forward", "stop", "release"):
        answer = Client().post(f"/api/v1/deployments/customer-service/prod/{path}", b"", content_type="")
        assert answer.status_code == 401
        assert "Bearer" in answer.json()["error"]
    assert not Rollback.objects.exists()


def test_a_browser_session_reads_and_does_not_write_here() -> None:
    where = running("1.0.0", "2.0.0")
    client = Client()
    client.force_login(UserFactory.create(roles=[SiteRole.ADMIN]))
    assert client.get("/api/v1/deployments/customer-service/prod").status_code == 200
    assert client.post("/api/v1/deployments/customer-service/prod/rollback").status_code == 401
    assert Deployment.objects.get(pk=where.pk).stack == [1, 2]


def test_an_idempotency_key_answers_a_repeat_with_the_first_answer(caller: Caller) -> None:
    deployment()
    path = "/deployments/customer-service/dev/stop"
    first = caller.post(path, {"reason": "x"}, once="k1")
    again = caller.post(path, {"reason": "x"}, once="k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_text_that_cannot_be_stored_is_a_finding(caller: Caller, text: str) -> None:
    running("1.0.0", "2.0.0")
    for path in ("rollback", "stop", "roll-forward"):
        answer = caller.post(f"/deployments/customer-service/prod/{path}", {"reason": text})
        assert answer.status_code == 422
    pushed = caller.post("/bundles/x/versions", body(text=text))
    assert (pushed.status_code, pushed.json()["errors"][0]["path"]) == (422, "prompt.text")
    assert not Rollback.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/bundles/a%00b",
        "/bundles/customer-service/versions/%00",
        "/bundles/customer-service/versions/99999999999999999999",
        "/bundles/customer-service/diff?from=%00&to=1",
        "/deployments/customer-service/%00",
        "/rollbacks/99999999999999999999",
    ],
)
def test_names_and_numbers_nobody_could_have_are_not_found(caller: Caller, path: str) -> None:
    version()
    assert caller.get(path).status_code == 404


def test_numbers_beyond_any_column_are_refused(caller: Caller) -> None:
    running("1.0.0", "2.0.0")
    path = "/deployments/customer-service/prod"
    assert caller.post(f"{path}/rollback", {"to": 10**30}).status_code == 409
    assert caller.post(f"{path}/rollback", {"to": -1}).status_code == 409
    assert caller.post(f"{path}/promote", {"number": 10**30}).status_code == 404
