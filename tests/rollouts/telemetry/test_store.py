"""Keeping invocations: once each, under the right bundle and version, and folded into runs in any order."""

from __future__ import annotations

import itertools
import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from accounts import clock
from rollouts.models import AgentRun, Invocation
from rollouts.telemetry import partitions, runs
from rollouts.telemetry.store import Stored, store
from tests.factories.rollouts import version
from tests.spans import ERROR, OK, UNSET, rows, span, told

pytestmark = pytest.mark.django_db

AGENT = {"gen_ai.operation.name": "invoke_agent"}
CHAT = {"gen_ai.operation.name": "chat"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund"}
SHOP = {"lastgood.bundle": "shop"}


# -- once ----------------------------------------------------------------------------------------------------------
def test_what_is_known_already_changes_nothing() -> None:
    made = [span(CHAT | SHOP) for _ in range(3)]
    assert told(*made) == Stored(3, 0)
    assert told(*made, span(CHAT | SHOP)) == Stored(1, 3)
    assert told(made[0], made[0]) == Stored(0, 1)
    assert told() == Stored(0, 0)


@pytest.mark.django_db(transaction=True)
def test_the_same_batch_from_many_connections_at_once_is_kept_once() -> None:
    at = clock.now() - timedelta(days=3)  # a day that has no partition yet
    made = [span(CHAT | SHOP, at=at) for _ in range(20)]
    stored: list[int] = []
    barrier = threading.Barrier(4)

    def send(order: int) -> None:
        barrier.wait()
        try:
            stored.append(told(*(made if order % 2 else reversed(made))).stored)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send, args=(order,)) for order in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(stored) == 20
    assert len(stored) == 4
    assert (Invocation.objects.count(), AgentRun.objects.count()) == (20, 20)


# -- which version -------------------------------------------------------------------------------------------------
def version_of(attributes: dict[str, Any], **more: Any) -> tuple[str, int | None, str]:
    told(span(CHAT | attributes, **more))
    found = Invocation.objects.latest("id")
    return found.bundle_key, found.version_number, found.version_label


def test_number_and_label_complete_each_other() -> None:
    made = version("shop", "2.1.0")
    expected = ("shop", made.number, "2.1.0")
    assert version_of(SHOP | {"lastgood.version": "2.1.0"}) == expected
    assert version_of(SHOP | {"lastgood.version": made.number}) == expected
    assert version_of(SHOP | {"lastgood.version": "9.9"}) == ("shop", None, "9.9")
    assert version_of(SHOP | {"lastgood.version": 99}) == ("shop", 99, "")
    assert version_of({"lastgood.bundle": "unheard-of", "lastgood.version": 1}) == ("unheard-of", 1, "")
    assert version_of(SHOP) == ("shop", None, "")


def test_a_flag_is_believed_when_it_names_a_bundle_we_hold() -> None:
    made = version("shop", "2.1.0")
    dark = ("feature_flag.evaluation", {"feature_flag.key": "dark-mode", "feature_flag.result.variant": "on"})
    ours = ("feature_flag.evaluation", {"feature_flag.key": "shop", "feature_flag.result.variant": "2.1.0"})
    assert version_of({}, events=[dark, ours]) == ("shop", made.number, "2.1.0")
    assert version_of({}, events=[dark]) == ("", None, "")


# -- arguments against schemas -------------------------------------------------------------------------------------
def test_tool_arguments_are_held_against_the_schemas_of_that_version() -> None:
    made = version("shop", "1.0.0")  # get_order takes {"order_id": string}
    at = {"lastgood.bundle": "shop", "lastgood.version": made.number, "gen_ai.tool.name": "get_order"}
    tool = {**at, "gen_ai.operation.name": "execute_tool"}
    asked = '[{"role": "assistant", "parts": [{"type": "tool_call", "name": "get_order", "arguments": %s}]}]'
    facts = []
    for attributes in (
        tool | {"gen_ai.tool.call.arguments": '{"order_id": "A-1"}'},
        tool | {"gen_ai.tool.call.arguments": '{"order": 1}'},
        tool | {"gen_ai.tool.call.arguments": "{not json"},
        tool | {"gen_ai.tool.name": "unknown", "gen_ai.tool.call.arguments": "{}"},
        tool | {"lastgood.version": 77, "gen_ai.tool.call.arguments": '{"order": 1}'},
        at | CHAT | {"gen_ai.output.messages": asked % '{"order_id": 5}'},
    ):
        told(span(attributes))
        found = Invocation.objects.latest("id")
        facts.append((found.schema_valid, found.failed, found.error_type))
    invalid = (False, True, "schema_invalid")
    unknown = (None, False, "")
    assert facts == [(True, False, ""), invalid, unknown, unknown, unknown, invalid]


def test_what_an_evaluation_said_of_the_schema_stands() -> None:
    made = version("shop", "1.0.0")
    tool = {"lastgood.bundle": "shop", "lastgood.version": made.number, "gen_ai.tool.name": "get_order"}
    said = {"gen_ai.evaluation.name": "schema_valid", "gen_ai.evaluation.score.label": "pass"}
    told(
        span(
            tool | {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": "{}"},
            events=[("gen_ai.evaluation.result", said)],
        )
    )
    assert Invocation.objects.get().schema_valid is True


def test_a_schema_that_points_elsewhere_is_not_fetched_and_says_nothing() -> None:
    schema = {"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    made = version("shop", "1.0.0", tools=[{"name": "far", "description": "", "input_schema": schema}])
    told(
        span(
            {"lastgood.bundle": "shop", "lastgood.version": made.number, "gen_ai.operation.name": "execute_tool",
             "gen_ai.tool.name": "far", "gen_ai.tool.call.arguments": '{"x": 1}'}
        )
    )  # fmt: skip
    assert Invocation.objects.get().schema_valid is None


# -- whose spans these are -----------------------------------------------------------------------------------------
def family() -> list[dict[str, Any]]:
    """An agent's run that names its bundle, and calls inside it that do not."""
    trace = "ab" * 16
    return [
        span(AGENT | SHOP | {"lastgood.version": "2.1.0"}, trace=trace, span_id="a" * 16, status=UNSET, seconds=5),
        span(CHAT, trace=trace, span_id="b" * 16, parent="a" * 16),
        span(TOOL, trace=trace, span_id="c" * 16, parent="b" * 16, status=ERROR, message="over the limit"),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_calls_belong_to_the_run_around_them_whatever_order_they_come_in(order: tuple[int, ...]) -> None:
    made = family()
    for index in order:
        told(made[index])
    assert set(Invocation.objects.values_list("bundle_key", "version_label")) == {("shop", "2.1.0")}
    run = AgentRun.objects.get()
    assert (run.failed, run.tools, run.failed_tools, run.span_id) == (True, ["refund"], ["refund"], "c" * 16)
    assert (run.error_message, run.version_label, run.environment) == ("over the limit", "2.1.0", "prod")


def test_a_call_between_two_agents_belongs_to_the_nearer() -> None:
    trace = "cd" * 16
    told(
        span(AGENT | SHOP, trace=trace, span_id="a" * 16),
        span(AGENT | {"lastgood.bundle": "billing"}, trace=trace, span_id="b" * 16, parent="a" * 16),
        span(TOOL, trace=trace, span_id="c" * 16, parent="b" * 16),
        span(CHAT, trace=trace, span_id="d" * 16, parent="9" * 16),
    )
    keys = dict(Invocation.objects.values_list("span_id", "bundle_key"))
    assert keys == {"a" * 16: "shop", "b" * 16: "billing", "c" * 16: "billing", "d" * 16: ""}
    assert AgentRun.objects.count() == 2


def test_parents_in_a_circle_are_borne() -> None:
    trace = "ef" * 16
    told(
        span(CHAT, trace=trace, span_id="a" * 16, parent="b" * 16),
        span(CHAT, trace=trace, span_id="b" * 16, parent="a" * 16),
    )
    assert Invocation.objects.count() == 2


# -- runs ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("agent", "tool", "failed"),
    [
        (UNSET, ERROR, True),  # the run says nothing, a part failed
        (OK, ERROR, False),  # the run says it went well in spite of it
        (ERROR, OK, True),
        (UNSET, OK, False),
    ],
)
def test_a_run_is_as_its_own_span_says_else_as_its_parts(agent: int, tool: int, failed: bool) -> None:
    trace = "12" * 16
    told(
        span(AGENT | SHOP, trace=trace, span_id="a" * 16, status=agent),
        span(TOOL | SHOP, trace=trace, span_id="b" * 16, parent="a" * 16, status=tool),
    )
    assert AgentRun.objects.get().failed is failed


def test_a_run_that_was_judged_wrong_failed_whatever_it_says() -> None:
    wrong = ("gen_ai.evaluation.result", {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.label": "fail"})
    trace = "34" * 16
    told(span(AGENT | SHOP, trace=trace, status=OK), span(CHAT | SHOP, trace=trace, events=[wrong]))
    run = AgentRun.objects.get()
    assert (run.failed, run.error_type) == (True, "evaluation helpful")


def test_a_request_of_one_span_is_a_run() -> None:
    told(span(CHAT | SHOP), span(CHAT | SHOP, status=ERROR), span(CHAT))
    assert sorted(AgentRun.objects.values_list("failed", flat=True)) == [False, True]


SPANS = st.lists(
    st.tuples(
        st.sampled_from([AGENT, CHAT, TOOL]),
        st.sampled_from([UNSET, OK, ERROR]),
        st.sampled_from([None, "pass", "fail"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


@budget(max_examples=40, deadline=None)
@given(told_spans=SPANS, seed=st.integers(0, 1_000), cuts=st.integers(1, 4))
def test_a_run_is_the_same_however_its_spans_arrive(told_spans: list[Any], seed: int, cuts: int) -> None:
    at = clock.now()
    made = []
    for number, (attributes, status, verdict, second) in enumerate(told_spans):
        said = {"gen_ai.evaluation.name": "schema_valid", "gen_ai.evaluation.score.label": verdict}
        events = [("gen_ai.evaluation.result", said)] if verdict else []
        trace, span_id = f"{seed + 1:032x}", f"{number + 1:016x}"
        moment = at + timedelta(seconds=second)
        made.append(span(attributes | SHOP, trace=trace, span_id=span_id, status=status, events=events, at=moment))
    (whole,) = runs.fold(rows(*made))
    AgentRun.objects.all().delete()
    Invocation.objects.all().delete()
    random.Random(seed).shuffle(made)
    for start in range(cuts):
        told(*made[start::cuts])
        told(*made[start::cuts])
    run = AgentRun.objects.get()
    for name in ("said_failed", "part_failed", "judged_failed", "schema_valid", "tools", "failed_tools", "at"):
        assert getattr(run, name) == getattr(whole, name), name


# -- partitions ----------------------------------------------------------------------------------------------------
def days_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT right(relname, 8) FROM pg_class JOIN pg_inherits ON inhrelid = oid"
            " WHERE inhparent = %s::regclass AND relname ~ '[0-9]{8}$' ORDER BY 1",
            [table],
        )
        return [found[0] for found in cursor.fetchall()]


def test_every_day_that_is_told_of_has_its_partition() -> None:
    at = clock.now()
    told(*(span(CHAT | SHOP, at=at - timedelta(days=days)) for days in (0, 4, 34)))
    wanted = {f"{at - timedelta(days=days):%Y%m%d}" for days in (0, 4, 34)}
    assert wanted <= set(days_of("rollouts_invocation"))
    assert wanted <= set(days_of("rollouts_agentrun"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM rollouts_invocation_default")
        assert cursor.fetchone() == (0,)


def test_rows_that_came_before_their_partition_move_into_it() -> None:
    day = clock.now().date() - timedelta(days=9)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO rollouts_invocation (day, at, received_at, trace_id, span_id, name)"
            " VALUES (%(day)s, %(day)s, %(day)s, %(trace)s, 'a', 'chat')",
            {"day": day, "trace": "a" * 32},
        )
        cursor.execute(
            "INSERT INTO rollouts_agentrun (day, at, trace_id, bundle_key, span_id, part_failed)"
            " VALUES (%(day)s, %(day)s, 'a', 'shop', 'a', true)",
            {"day": day},
        )
    assert partitions.ensure_partitions([day]) == 2
    assert partitions.ensure_partitions([day]) == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM rollouts_invocation")
        assert cursor.fetchall() == [(f"rollouts_invocation_{day:%Y%m%d}",)]
        cursor.execute("SELECT tableoid::regclass::text, failed FROM rollouts_agentrun")
        assert cursor.fetchall() == [(f"rollouts_agentrun_{day:%Y%m%d}", True)]


def test_the_clock_makes_days_ahead_and_drops_those_past_the_retention(settings: Any) -> None:
    settings.TELEMETRY_RETENTION_DAYS = 3
    at = clock.now()
    partitions.ensure_partitions([(at - timedelta(days=days)).date() for days in (3, 4, 30)])
    partitions.keep_partitions(at)
    for table in partitions.TABLES:
        days = days_of(table)
        assert days[0] == f"{at - timedelta(days=3):%Y%m%d}"
        assert f"{at + timedelta(days=2):%Y%m%d}" in days
    assert partitions.keep_partitions(at) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_partition_wanted_by_many_at_once_is_made_once() -> None:
    day = clock.now().date() - timedelta(days=12)
    with connection.cursor() as cursor:
        for table in partitions.TABLES:
            cursor.execute(f"DROP TABLE IF EXISTS {partitions.partition_name(table, day)}")
    made: list[int] = []
    barrier = threading.Barrier(5)

    def make() -> None:
        barrier.wait()
        try:
            made.append(partitions.ensure_partitions([day]))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 0, 0, 0, 2]


def test_storing_takes_the_moment_it_is_told() -> None:
    moment = clock.now() - timedelta(hours=1)
    store(rows(span(CHAT)), at=moment)
    assert Invocation.objects.get().received_at == moment
