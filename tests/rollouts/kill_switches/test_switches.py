"""Kill switches as standing things: described by whoever ships, never expired, never deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from accounts import clock
from accounts.errors import NotPermitted, OperationRefused
from accounts.models import AuditEntry, Scope, SiteRole
from rollouts import switchboard
from rollouts.damage import Verdict
from rollouts.models import Containment, KillSwitch, Stop
from rollouts.operations import kill_switch, stop_words, switches
from tests import hooks
from tests.callers import Caller, signed_in
from tests.factories.accounts import machine, person, token
from tests.factories.rollouts import deployment, running

pytestmark = pytest.mark.django_db
PATH = "/api/v1/deployments/customer-service/prod/kill-switches"
TOLD = {"fallback": "a human", "usd_per_second": 2.5, "latency_budget_seconds": 30, "blast_seconds": 60}


def measured(stop: Stop, seconds: float, *, reached: int = 3) -> Containment:
    """What instances fetched of ``stop``: ``reached`` of three, the last after ``seconds``."""
    ms = seconds * 1000
    return Containment.objects.create(
        stop=stop, instances=3, reached=reached, p50_ms=ms / 2, p95_ms=ms, max_ms=ms, measured_at=clock.now()
    )


# -- describing ------------------------------------------------------------------------------------------------------
def test_a_switch_is_described_once_and_again_only_where_something_changed() -> None:
    where = deployment()
    switch, created = switches.describe(where, scope="tool:refund", told=TOLD, actor=machine(Scope.PUSH))
    assert created
    assert (switch.fallback, switch.usd_per_second, switch.blast_seconds) == ("a human", 2.5, 60)
    again, created = switches.describe(where, scope="tool:refund", told={"blast_seconds": None}, actor=person())
    assert (again, created, again.blast_seconds, again.usd_per_second) == (switch, False, None, 2.5)
    switches.describe(where, scope="tool:refund", told={"blast_seconds": None}, actor=person())
    assert [entry.data["scope"] for entry in AuditEntry.objects.filter(verb="describe kill switch")] == [
        "tool:refund", "tool:refund",
    ]  # fmt: skip


def test_who_may_describe() -> None:
    for stranger in (person(SiteRole.VIEWER), machine(Scope.CONTAIN)):
        with pytest.raises(NotPermitted):
            switches.describe(deployment(), scope="whole", told={}, actor=stranger)


@pytest.mark.parametrize(
    ("scope", "told", "word"),
    [
        ("everything", {}, "A scope is"),
        ("whole", {"usd_per_second": -1}, "from 0 to a billion"),
        ("whole", {"usd_per_second": float("nan")}, "from 0 to a billion"),
        ("whole", {"blast_seconds": 2e9}, "from 0 to a billion"),
        ("whole", {"off_state_url": "javascript:alert(1)"}, "begins with https"),
        ("whole", {"expires_at": None}, "has no expires_at"),
        ("whole", {"fallback": "x" * 1001}, "fewer words"),
    ],
)
def test_what_describes_nothing_is_refused(scope: str, told: dict[str, Any], word: str) -> None:
    with pytest.raises(OperationRefused, match=word) as refused:
        switches.describe(deployment(), scope=scope, told=told, actor=person())
    assert refused.value.status == 422
    assert not KillSwitch.objects.exists()


def test_an_off_state_that_is_no_path_is_taken_shown_red_and_stops_all_the_same() -> None:
    where = running("1.0.0")
    switches.describe(where, scope="whole", told={"fallback": "returns an error"}, actor=person())
    assert switchboard.row(where, "whole").findings
    stop = kill_switch.stop(where, actor=person())
    assert stop.released_at is None
    assert stop.fallback == "returns an error"


def test_it_is_never_deleted_and_says_why() -> None:
    switch, _ = switches.describe(deployment(), scope="whole", told={}, actor=person())
    with pytest.raises(OperationRefused, match="never deleted, and it does not expire"):
        switches.delete(switch.deployment, "whole", actor=person())
    with pytest.raises(NotPermitted):
        switches.delete(switch.deployment, "whole", actor=person(SiteRole.VIEWER))
    assert KillSwitch.objects.get() == switch


# -- what stands -----------------------------------------------------------------------------------------------------
def test_the_whole_agent_and_its_writes_stand_there_before_anybody_describes_them() -> None:
    found = switchboard.rows([deployment()])
    (rows,) = found.values()
    assert [(row.scope, row.switch, row.judged.verdict) for row in rows] == [
        ("whole", None, Verdict.UNMEASURED), ("writes", None, Verdict.UNMEASURED),
    ]  # fmt: skip
    assert all(row.judged.is_red and row.findings for row in rows)


def test_a_stop_that_everybody_followed_is_the_last_measurement_and_gives_the_floor() -> None:
    where = running("1.0.0")
    switches.describe(where, scope="whole", told=TOLD, actor=person())
    first = kill_switch.stop(where, actor=person())
    measured(first, 41)
    kill_switch.release(first, actor=person())
    row = switchboard.row(where, "whole")
    assert (row.seconds, row.measured_at) == (41, first.engaged_at)
    assert [str(floor) for floor in row.floors] == ["≥ $102"]
    assert row.judged.verdict == Verdict.LATE

    slower = kill_switch.stop(where, actor=person())
    measured(slower, 61, reached=2)
    assert switchboard.row(where, "whole").seconds == 41  # one is still waited for: nothing is proven yet
    Containment.objects.filter(stop=slower).update(reached=3)
    assert switchboard.row(where, "whole").judged.verdict == Verdict.THEATER


def test_the_time_counts_from_the_decision_to_the_last_act() -> None:
    where, at = running("1.0.0"), clock.now()
    stop, _ = kill_switch.engage(where, actor=person(), at=at, decided_at=at - timedelta(seconds=100))
    found = measured(stop, 2)
    assert found.seconds == pytest.approx(102)
    Containment.objects.filter(pk=found.pk).update(last_act_at=stop.engaged_at + timedelta(seconds=30))
    assert Containment.objects.get(pk=found.pk).seconds == pytest.approx(130)
    with pytest.raises(OperationRefused, match="lies in the future"):
        kill_switch.engage(where, actor=person(), scope="writes", decided_at=at + timedelta(hours=1))


def test_rows_take_three_questions_however_many_there_are(django_assert_num_queries: Any) -> None:
    where = running("1.0.0")
    for number in range(6):
        measured(kill_switch.stop(where, actor=person(), scope=f"tool:t{number}"), 1)
    with django_assert_num_queries(2):
        assert len(switchboard.rows([where])[where.pk]) == 8


# -- what is owed after ------------------------------------------------------------------------------------------------
def test_a_stop_of_the_whole_agent_owes_a_comparison_and_a_narrow_one_does_not() -> None:
    where = deployment()
    stop = kill_switch.stop(where, actor=person())
    assert stop.owes_comparison
    narrow = kill_switch.stop(where, actor=person(), scope="writes")
    assert not narrow.owes_comparison
    told: dict[str, Any] = {"wrong_share_percent": 0.1, "right_share_percent": 99.9, "reason": "no tool to single out"}
    actor = person()
    given = stop_words.give_reason(stop, actor=actor, **told)
    assert (given.wrong_share_percent, given.reasoned_by, given.owes_comparison) == (0.1, actor.user, False)
    with pytest.raises(OperationRefused, match="narrower one is its own reason"):
        stop_words.give_reason(narrow, actor=actor, **told)
    for wrong in ({"wrong_share_percent": 101}, {"right_share_percent": float("nan")}, {"reason": " "},
                  {"wrong_share_percent": 50}):  # fmt: skip
        with pytest.raises(OperationRefused) as refused:
            stop_words.give_reason(stop, actor=actor, **(told | wrong))
        assert refused.value.status == 422
    with pytest.raises(NotPermitted, match="Only a person"):
        stop_words.give_reason(stop, actor=machine(Scope.CONTAIN), **told)


def test_releasing_looks_at_the_criteria_and_nothing_else_ends_a_stop() -> None:
    stop = kill_switch.stop(running("1.0.0"), actor=person())
    today = clock.now().date()
    for wrong, word in (({"criteria": " "}, "at least one"),
                        ({"criteria": "c", "expected_on": today - timedelta(days=2)}, "today or later")):  # fmt: skip
        with pytest.raises(OperationRefused, match=word):
            stop_words.plan_restore(stop, actor=person(), **wrong)
    with pytest.raises(NotPermitted):
        stop_words.plan_restore(stop, actor=machine(Scope.CONTAIN), criteria="c")
    stop_words.plan_restore(stop, actor=person(), criteria="1 000 replays, none wrong", expected_on=today)
    with pytest.raises(OperationRefused, match="1 000 replays, none wrong") as refused:
        kill_switch.release(stop, actor=person())
    assert refused.value.status == 422
    kill_switch.release(stop, actor=person(), reason="replayed 1 200, none wrong")
    with pytest.raises(OperationRefused, match="released already"):
        stop_words.plan_restore(stop, actor=person(), criteria="c")


def test_days_off_are_counted_and_an_expected_day_that_passed_is_overdue(clock: Any, noon: Any) -> None:
    where = running("1.0.0")
    stop = kill_switch.stop(where, actor=person())
    stop_words.plan_restore(stop, actor=person(), criteria="c", expected_on=noon.date() + timedelta(days=30))
    clock.move_to(noon + timedelta(days=187, hours=1))
    row = switchboard.row(where, "whole")
    assert (row.days_off, row.overdue) == (187, True)
    assert row.engaged == stop


# -- the API -----------------------------------------------------------------------------------------------------------
def test_a_switch_is_described_read_and_not_deleted_over_the_api() -> None:
    running("1.0.0")
    caller = Caller(token(Scope.READ, Scope.PUSH)[1])
    made = caller.put(f"{PATH}/tool:refund", {**TOLD, "fallback": "Please wait"})
    assert made.status_code == 201, made.content
    told = caller.put(f"{PATH}/tool:refund", {"fallback": "the old form"}).json()
    assert (told["fallback"], told["usd_per_second"], told["off_state_ok"]) == ("the old form", 2.5, True)
    assert made.json()["off_state_findings"] == [
        "Customers would wait for an answer that never comes. Name a path that ends."
    ]
    assert (told["verdict"], told["measured_seconds"], told["expires_at"]) == ("unmeasured", None, None)
    listed = caller.get(PATH).json()["items"]
    assert [(item["scope"], item["described"]) for item in listed] == [
        ("whole", False), ("writes", False), ("tool:refund", True),
    ]  # fmt: skip
    refused = caller.delete(f"{PATH}/tool:refund")
    assert refused.status_code == 409
    assert "Clean up the launch flag instead" in refused.json()["error"]
    assert KillSwitch.objects.count() == 1
    assert caller.get(f"{PATH}/whole").json()["verdict"] == "unmeasured"
    assert caller.get(f"{PATH}/tool:other").status_code == 404
    assert caller.delete(f"{PATH}/tool:other").status_code == 404
    assert caller.delete(f"{PATH}/whole").status_code == 409
    assert caller.put(f"{PATH}/tool:refund", {"blast_seconds": -1}).status_code == 422
    assert caller.put(f"{PATH}/tool:refund", {"blast_seconds": "soon"}).status_code == 422
    assert Caller(token(Scope.READ)[1]).put(f"{PATH}/whole", {}).status_code == 403


def test_a_stop_answers_with_its_off_state_and_what_was_measured_and_takes_its_words_later() -> None:
    where = running("1.0.0")
    switches.describe(where, scope="whole", told=TOLD, actor=person())
    first = kill_switch.stop(where, actor=person())
    measured(first, 41)
    kill_switch.release(first, actor=person())
    actor = person()
    assert actor.user is not None
    caller = signed_in(actor.user)
    decided = clock.now() - timedelta(seconds=9)
    answer = caller.post("/api/v1/deployments/customer-service/prod/stop", {"decided_at": decided.isoformat()}).json()
    assert answer["switch"]["measured_seconds"] == 41
    assert answer["switch"]["damage_floor"] == {"usd": 102.5}
    path = f"/api/v1/stops/{answer['stop']}"
    assert caller.get(path).json()["containment"] is None
    assert Stop.objects.get(pk=answer["stop"]).decided_at == decided
    told = caller.put(
        f"{path}/reason", {"wrong_share_percent": 4, "right_share_percent": 96, "reason": "it pays out"}
    ).json()
    assert told["owes_comparison"] is False
    plan = caller.put(f"{path}/restore-plan", {"criteria": "replays pass"}).json()
    assert plan["restore_criteria"] == "replays pass"
    assert caller.get("/api/v1/stops/999999").status_code == 404
    assert Caller(token()[1]).put(f"{path}/restore-plan", {"criteria": "c"}).status_code == 403


# -- the probe ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def page(settings: Any) -> Iterator[hooks.Hook]:
    settings.WEBHOOK_ALLOW_PRIVATE = [ip_network("127.0.0.1")]
    with hooks.listening(body=b"<form>") as listening:
        yield listening


def probed(address: str) -> switchboard.Row:
    where = running("1.0.0")
    told = {"fallback": "the old form", "off_state_url": address}
    switch, _ = switches.describe(where, scope="whole", told=told, actor=person())
    switches.probe(switch, actor=person())
    return switchboard.row(where, "whole")


def test_an_address_that_answers_proves_the_off_state_with_its_time(page: hooks.Hook) -> None:
    row = probed(page.url)
    assert row.switch is not None
    assert row.switch.probe_status == 200
    assert row.switch.probe_ms is not None
    assert row.switch.probe_ms > 0
    assert row.switch.probed_at is not None
    assert row.findings == ()
    switches.describe(row.deployment, scope="whole", told={"off_state_url": page.url + "2"}, actor=person())
    assert switchboard.row(row.deployment, "whole").switch.probed_at is None  # type: ignore[union-attr]


def test_an_address_that_fails_shows_red(page: hooks.Hook) -> None:
    page.status = 503
    assert probed(page.url).findings == ("Its address answered 503, not with a page.",)


def test_an_address_that_points_elsewhere_is_not_followed(page: hooks.Hook) -> None:
    page.status, page.headers = 302, {"Location": "http://169.254.169.254/"}
    assert probed(page.url).findings == ("Its address answered 302, not with a page.",)


def test_no_private_machine_is_asked(settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = []
    with hooks.listening() as listening:
        (finding,) = probed(listening.url).findings
    assert "no public address" in finding
    assert listening.got == []


def test_without_an_address_there_is_nothing_to_ask() -> None:
    switch, _ = switches.describe(deployment(), scope="whole", told={}, actor=person())
    with pytest.raises(OperationRefused, match="no address to ask"):
        switches.probe(switch, actor=person())
