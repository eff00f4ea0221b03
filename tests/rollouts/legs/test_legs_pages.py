"""The page of a rollback, its list of conversations, and the tab of connectors."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import clock
from accounts.actors import Actor
from accounts.models import SiteRole
from rollouts.models import Connector, Rollback, TaintedConversation
from rollouts.operations import leg_work
from rollouts.operations.roll_back import roll_back
from tests import hooks
from tests.factories.accounts import UserFactory, person
from tests.factories.connectors import webhook
from tests.factories.rollouts import activate, deployment, running, version

pytestmark = pytest.mark.django_db


def signed_in(*roles: str) -> tuple[Client, Actor]:
    user = UserFactory(roles=list(roles) or [SiteRole.RESPONDER])
    client = Client()
    client.force_login(user)
    return client, Actor.of_user(user)


def rolled_back() -> Rollback:
    return roll_back(running("1.0.0", "2.0.0"), actor=person(), reason="wrong refunds")[0]


def tainted(made: Rollback, *names: str) -> None:
    at = clock.now()
    for name in names:
        TaintedConversation.objects.create(
            rollback=made, deployment=made.deployment, conversation_id=name, turns=1, first_at=at, last_at=at,
            active=True, region="eu",
        )  # fmt: skip


def test_the_page_says_how_far_each_leg_is_and_shows_the_evidence(hook: hooks.Hook) -> None:
    hook.body = b'{"count": 1902}'
    webhook(hook, name="Answer cache")
    made = rolled_back()
    leg_work.work_due()
    client, _ = signed_in()
    page = client.get(f"/rollbacks/{made.pk}/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "Answer cache" in text
    assert "1 902" in text or "1,902" in text or "1902" in text
    assert "It answered 200" in text
    for stage in ("Pointer", "Router", "Drain", "Notify"):
        assert stage in text
    assert "Verify" in text
    part = client.get(f"/rollbacks/{made.pk}/", headers={"HX-Request": "true"})
    assert part.content.startswith(b'<div id="rollback"')
    tag = part.headers["HX-PTag"]
    again = client.get(f"/rollbacks/{made.pk}/", headers={"HX-Request": "true", "HX-PTag": tag})
    assert again.status_code == 304


def test_the_page_asks_the_database_no_more_however_much_is_on_it(hook: hooks.Hook) -> None:
    activate(version(label="1.0.0"))
    activate(version(label="2.0.0", metadata={"experiment": "exp-7", "eval_set": "golden", "output_contract": "v2"}))
    for number in range(3):
        webhook(hook, "flip", "semantic_cache", "prefix_cache", name=f"hook {number}")
    made = roll_back(deployment(), actor=person())[0]
    leg_work.work_due()
    tainted(made, *(f"c{number}" for number in range(30)))
    client, _ = signed_in()
    client.get(f"/rollbacks/{made.pk}/")
    with CaptureQueriesContext(connection) as asked:
        client.get(f"/rollbacks/{made.pk}/")
    assert len(asked) <= 15, [query["sql"][:90] for query in asked.captured_queries]


def test_a_leg_is_closed_waived_verified_and_retried_from_the_page(hook: hooks.Hook) -> None:
    webhook(hook)
    made = rolled_back()
    leg_work.work_due()
    client, actor = signed_in()
    where = f"/rollbacks/{made.pk}/legs"
    assert client.post(f"{where}/semantic_cache/", {"verb": "verify"}).status_code == 302
    assert client.post(f"{where}/prefix_cache/", {"verb": "retry"}).status_code == 302
    assert client.post(f"{where}/prefix_cache/", {"verb": "done"}).status_code == 302
    assert client.post(f"{where}/histories/", {"verb": "waive", "reason": "none begun"}).status_code == 302
    states = dict(made.legs.values_list("kind", "state"))
    assert (states["prefix_cache"], states["histories"]) == ("done", "waived")
    assert made.legs.get(kind="semantic_cache").verified_by == actor.user
    assert "Complete" in client.get(f"/rollbacks/{made.pk}/").content.decode()
    refused = client.post(f"{where}/histories/", {"verb": "waive", "reason": ""})
    assert refused.status_code == 409
    assert client.post(f"{where}/flip/", {"verb": "explode"}).status_code == 422
    assert client.post(f"{where}/nothing/", {"verb": "done"}).status_code == 404


def test_a_cohort_is_treated_from_the_page_and_listed_page_by_page() -> None:
    made = rolled_back()
    tainted(made, *(f"c{number}" for number in range(130)), "<script>alert(1)</script>")
    client, _ = signed_in()
    page = client.get(f"/rollbacks/{made.pk}/").content.decode()
    assert "Treat 131" in page
    listed = client.get(f"/rollbacks/{made.pk}/conversations/").content.decode()
    assert "&lt;script&gt;" in listed
    assert "<script>alert" not in listed
    assert "before=" in listed
    sent = client.post(f"/rollbacks/{made.pk}/treat/", {"cohort": "all", "treatment": "reset"})
    assert sent.status_code == 302
    assert made.legs.get(kind="histories").state == "done"
    assert client.get(f"/rollbacks/{made.pk}/conversations/?cohort=some").status_code == 422
    assert client.get(f"/rollbacks/{made.pk}/conversations.xml").status_code == 404


def test_a_decision_is_pressed_on_the_page() -> None:
    activate(version(label="1.0.0"))
    activate(version(label="2.0.0", metadata={"experiment": "exp-7"}))
    made = roll_back(deployment(), actor=person())[0]
    client, _ = signed_in()
    assert "Experiment dead" in client.get(f"/rollbacks/{made.pk}/").content.decode()
    asked = {"verb": "decide", "subject": "exp-7", "choice": "dead"}
    assert client.post(f"/rollbacks/{made.pk}/legs/experiment/", asked).status_code == 302
    assert made.legs.get(kind="experiment").state == "done"


def test_a_viewer_sees_and_does_not_press() -> None:
    made = rolled_back()
    client, _ = signed_in(SiteRole.VIEWER)
    page = client.get(f"/rollbacks/{made.pk}/").content.decode()
    assert "Working on legs needs the role" in page
    assert "Waive" not in page
    assert client.post(f"/rollbacks/{made.pk}/legs/histories/", {"verb": "done"}).status_code == 403


def test_an_admin_adds_tests_reviews_and_disables_a_connector(hook: hooks.Hook) -> None:
    client, _ = signed_in(SiteRole.ADMIN)
    form = {
        "webhook-name": "Cache",
        "webhook-set_address": hook.url,
        "webhook-set_repeat": "safe",
        "webhook-legs": ["semantic_cache"],
    }
    made = client.post("/settings/connectors/add/webhook/", form).content.decode()
    assert "whsec_" in made
    row = Connector.objects.get()
    assert "whsec_" not in client.get("/settings/connectors/").content.decode(), "shown once"
    tested = client.post(f"/settings/connectors/{row.pk}/", {"verb": "test"}).content.decode()
    assert "Cache can be reached" in tested
    assert "Review is due" not in tested
    Connector.objects.update(review_due_at=clock.now() - timedelta(days=1))
    assert "Review is due" in client.get("/settings/connectors/").content.decode()
    client.post(f"/settings/connectors/{row.pk}/", {"verb": "review"})
    assert "Review is due" not in client.get("/settings/connectors/").content.decode()
    client.post(f"/settings/connectors/{row.pk}/", {"verb": "disable"})
    row.refresh_from_db()
    assert row.disabled_at is not None


def test_what_cannot_work_is_said_at_its_field_and_nothing_is_lost() -> None:
    client, _ = signed_in(SiteRole.ADMIN)
    form = {
        "redis-name": "Cache",
        "redis-set_address": "redis://10.0.0.1/0",
        "redis-set_pattern": "a:{label}",
        "redis-legs": ["semantic_cache"],
    }
    answer = client.post("/settings/connectors/add/redis/", form)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "no public address" in text
    assert 'value="redis://10.0.0.1/0"' in text
    assert "Error: Connectors" in text
    assert client.post("/settings/connectors/add/smoke/", {}).status_code == 404


def test_a_responder_sees_connectors_without_their_addresses(hook: hooks.Hook) -> None:
    webhook(hook, name="Cache")
    client, _ = signed_in()
    text = client.get("/settings/connectors/").content.decode()
    assert "Cache" in text
    assert hook.url not in text
    assert client.post("/settings/connectors/add/webhook/", {}).status_code == 403
