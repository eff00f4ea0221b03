"""Wrong, revoked, expired and foreign keys at every door, against a whole server: nothing opens, nothing is stored."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from accounts.actors import Actor
from accounts.models import ApiToken, Scope, SiteRole, User
from accounts.operations import keys, login
from incidents.models import Incident, Integration
from incidents.operations import acknowledge, integrations
from tests.faults.scene import Browser, alarm, count, its_rows, room_about, ship, somebody
from tests.processes import Workbench

pytestmark = pytest.mark.story

TRACES: dict[str, object] = {"resourceSpans": [{"scopeSpans": [{"spans": []}]}]}
NO = {401, 403}
KEPT = ("incidents_receipt", "incidents_incident", "rollouts_rollback", "rollouts_activation", "rollouts_stop")
Door = Callable[[Workbench, str], httpx.Response]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}".strip()}


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"any:{secret}".encode()).decode()}


DOORS: dict[str, Door] = {
    "intake": lambda site, key: site.http.post(f"/intake/alertmanager/{key}", json=alarm()),
    "one flag": lambda site, key: site.http.post("/ofrep/v1/evaluate/flags/keys", json={}, headers=bearer(key)),
    "one flag by X-API-Key": lambda site, key: site.http.post(
        "/ofrep/v1/evaluate/flags/keys", json={}, headers={"X-API-Key": key}
    ),
    "all flags": lambda site, key: site.http.post("/ofrep/v1/evaluate/flags", json={}, headers=bearer(key)),
    "change stream": lambda site, key: site.http.get("/api/stream", headers=bearer(key)),
    "change stream by token": lambda site, key: site.http.get("/api/stream", params={"token": key}),
    "prompt": lambda site, key: site.http.get("/api/public/v2/prompts/keys", headers=basic(key)),
    "prompts": lambda site, key: site.http.get("/api/public/v2/prompts", headers=basic(key)),
    "Langfuse traces": lambda site, key: site.http.post(
        "/api/public/otel/v1/traces", json=TRACES, headers=basic(key)
    ),
    "traces": lambda site, key: site.http.post("/v1/traces", json=TRACES, headers=bearer(key)),
    "traces by password": lambda site, key: site.http.post("/v1/traces", json=TRACES, headers=basic(key)),
    "API, reading": lambda site, key: site.http.get("/api/v1/incidents", headers=bearer(key)),
    "API, pressing": lambda site, key: site.http.post(
        "/api/v1/deployments/keys/prod/rollback", headers=bearer(key)
    ),
    "API, declaring": lambda site, key: site.http.post(
        "/api/v1/incidents", json={"title": "Mine"}, headers=bearer(key)
    ),
}  # fmt: skip
API_DOORS = {door for door in DOORS if door.startswith("API")}
RESOLVER_DOORS = {"one flag", "one flag by X-API-Key", "all flags", "change stream", "prompt", "prompts"}
#: kind of key → the doors that it opens rightly, so that there it is not foreign.
OWN = {
    "wrong": set[str](),
    "empty": set[str](),
    "revoked token": set[str](),
    "expired token": set[str](),
    "revoked resolver key": set[str](),
    "revoked intake key": set[str](),
    "intake key of another source": set[str](),
    "session of somebody who left": set[str](),
    "intake key": {"intake"},
    "resolver key": RESOLVER_DOORS | {"Langfuse traces"},
    "token that only reads": {"API, reading"},
    "token that only reports": {"traces", "traces by password", "Langfuse traces"},
}


@pytest.fixture(scope="module")
def secrets(shared: Workbench, django_db_blocker: object) -> dict[str, str]:
    ship(shared, "keys")
    with django_db_blocker.unblock(), its_rows(shared):  # type: ignore[attr-defined]
        admin = User.objects.get(email=shared.credentials["admin"]["email"])
        actor = Actor.of_user(admin)

        def token(*scopes: str) -> tuple[ApiToken, str]:
            return keys.issue_token("narrow", scopes or [scope.value for scope in Scope], issuer=admin, actor=actor)

        revoked, revoked_secret = token()
        keys.revoke(revoked, actor=actor)
        expired, expired_secret = token()
        ApiToken.objects.filter(pk=expired.pk).update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        resolver, resolver_secret = keys.issue_resolver_key("gone", "prod", issuer=admin, actor=actor)
        keys.revoke(resolver, actor=actor)
        integration, intake_secret = integrations.create("alertmanager", "gone", actor=actor)
        integrations.revoke(integration, actor=actor)
        found = {
            "wrong": "lgt_nobody-has-ever-made-this-one",
            "empty": "",
            "revoked token": revoked_secret,
            "expired token": expired_secret,
            "revoked resolver key": resolver_secret,
            "revoked intake key": intake_secret,
            "intake key of another source": integrations.create("generic", "other", actor=actor)[1],
            "session of somebody who left": session_of_somebody_who_left(),
            "intake key": shared.credentials["intake"]["alertmanager"],
            "resolver key": shared.credentials["ofrep_key"],
            "token that only reads": token(Scope.READ)[1],
            "token that only reports": token(Scope.TELEMETRY)[1],
        }
    time.sleep(0.5)
    return found


def session_of_somebody_who_left() -> str:
    user, _ = somebody("Left", SiteRole.ADMIN)
    started = login.start()
    login.approve(started.user_code, actor=Actor.of_user(user))
    granted = login.redeem(started.device_code)
    assert granted is not None
    user.is_active = False
    user.save()
    return granted.session


@pytest.mark.parametrize("kind", OWN)
def test_a_key_opens_its_own_doors_and_no_other(site: Workbench, secrets: dict[str, str], kind: str) -> None:
    before = {table: count(site, table) for table in KEPT}
    for name, door in DOORS.items():
        if name in OWN[kind]:
            continue
        answer = door(site, secrets[kind])
        allowed = NO | ({404} if name == "intake" and kind == "empty" else set())
        assert answer.status_code in allowed, f"{kind} at {name}: {answer.status_code} {answer.text[:200]}"
    assert {table: count(site, table) for table in KEPT} == before


def test_a_key_that_is_revoked_stops_opening_within_seconds(site: Workbench) -> None:
    """What is remembered for speed (resolver, intake) is remembered for seconds only."""
    with its_rows(site):
        admin = User.objects.get(email=site.credentials["admin"]["email"])
        actor = Actor.of_user(admin)
        resolver, resolver_secret = keys.issue_resolver_key("soon gone", "prod", issuer=admin, actor=actor)
        made, token_secret = keys.issue_token("soon gone", [Scope.READ], issuer=admin, actor=actor)
        integration, intake_secret = integrations.create("alertmanager", "soon gone", actor=actor)
    site.eventually(lambda: DOORS["all flags"](site, resolver_secret).status_code == 200)
    assert DOORS["API, reading"](site, token_secret).status_code == 200
    assert DOORS["intake"](site, intake_secret).status_code == 200
    with its_rows(site):
        keys.revoke(resolver, actor=actor)
        keys.revoke(made, actor=actor)
        integrations.revoke(Integration.objects.get(pk=integration.pk), actor=actor)
    assert DOORS["API, reading"](site, token_secret).status_code == 401
    assert DOORS["intake"](site, intake_secret).status_code == 401
    site.eventually(lambda: DOORS["all flags"](site, resolver_secret).status_code == 401, 10)


PAGES = ["/live", "/incidents/", "/audit/", "/settings/tokens/", "/bundles/", "/fleet/", "/receipts/", "/events/"]


@pytest.mark.parametrize("cookie", [None, "nonsense", "' OR 1=1 --"])
def test_a_page_without_a_session_sends_to_the_sign_in(site: Workbench, cookie: str | None) -> None:
    cookies = {"sessionid": cookie} if cookie else {}
    with httpx.Client(base_url=site.url, cookies=cookies, trust_env=False) as stranger:
        for path in PAGES:
            answer = stranger.get(path)
            assert (answer.status_code, answer.headers["location"][:16]) == (302, "/accounts/login/"), path


def test_a_session_ends_at_once_when_its_person_is_disabled_or_signs_out(site: Workbench) -> None:
    with its_rows(site):
        user, link = somebody("Goes", SiteRole.ADMIN)
    with Browser(site).by_link(link) as browser:
        assert browser.http.get("/audit/").status_code == 200
        with its_rows(site):
            User.objects.filter(pk=user.pk).update(is_active=False)
        for path in PAGES:
            assert browser.http.get(path).status_code == 302, path
        assert browser.http.post("/i/INC-1/rollback/").status_code in {302, 403}


def test_a_viewer_reads_and_presses_nothing_through_real_forms(site: Workbench) -> None:
    ship(site, "viewed")
    room = room_about(site, "viewed")
    with its_rows(site):
        _, link = somebody("Views", SiteRole.VIEWER)
    with Browser(site).by_link(link) as browser:
        token = browser.token("/live")
        for verb in ("acknowledge", "severity", "duty", "rollback", "rollforward", "stop", "waive"):
            answer = browser.http.post(f"/i/{room}/{verb}/", data={"csrfmiddlewaretoken": token})
            assert answer.status_code == 403, f"{verb}: {answer.status_code}"
        assert browser.http.get(f"/i/{room}/contain/").status_code == 200
        assert f'action="/i/{room}/rollback/"' not in browser.http.get(f"/i/{room}/contain/").text
    assert site.sql("SELECT acknowledged_at, contained_at FROM incidents_incident WHERE ref = %s", [room]) == [
        (None, None)
    ]


def test_a_link_is_for_the_person_it_was_sent_to_whoever_opens_it(site: Workbench) -> None:
    """It acts as its addressee, never as the one signed in who found it; spent, late or made up it does nothing."""
    ship(site, "linked")
    room = room_about(site, "linked")
    with its_rows(site):
        mara, sign_in = somebody("Mara", SiteRole.RESPONDER)
        _, finders = somebody("Finder", SiteRole.VIEWER)
        incident = Incident.objects.get(ref=room)
        secret = acknowledge.make_link(incident, mara)
        late = acknowledge.make_link(incident, mara, at=datetime.now(UTC) - timedelta(minutes=31))
    with Browser(site).by_link(finders) as finder:
        assert finder.http.get("/oncall/ack/made-up/").status_code == 404
        assert finder.http.get(f"/oncall/ack/{late}/").status_code == 410
        link = f"/oncall/ack/{secret}/"
        assert "Mara" in finder.http.get(link).text
        assert site.sql("SELECT acknowledged_at FROM incidents_incident WHERE ref = %s", [room]) == [(None,)]
        assert finder.submit(link, link).status_code == 200
    who = "SELECT u.name FROM incidents_incident i JOIN accounts_user u ON u.id = i.acknowledged_by_id WHERE i.ref = %s"
    assert site.sql(who, [room]) == [("Mara",)]

    with Browser(site) as first, Browser(site) as second:
        assert first.submit(f"/sign-in/{sign_in}/", f"/sign-in/{sign_in}/").status_code == 302
        assert second.submit(f"/sign-in/{sign_in}/", f"/sign-in/{sign_in}/").status_code == 410
        assert second.http.get("/live").status_code == 302


def test_what_posts_from_another_site_is_refused(site: Workbench) -> None:
    """A signed-in browser that another page makes send a form, or JSON to the API, presses nothing."""
    ship(site, "forged")
    room = room_about(site, "forged")
    before = count(site, "rollouts_rollback")
    with Browser(site).as_admin(site) as browser:
        elsewhere = {"Origin": "https://elsewhere.example", "Referer": "https://elsewhere.example/"}
        assert browser.http.post(f"/i/{room}/rollback/").status_code == 403
        token = browser.token(f"/i/{room}/contain/")
        forged = browser.http.post(f"/i/{room}/rollback/", data={"csrfmiddlewaretoken": token}, headers=elsewhere)
        assert forged.status_code == 403
        assert browser.http.post("/api/v1/deployments/forged/prod/rollback", json={}).status_code == 401
    assert count(site, "rollouts_rollback") == before
