"""The questions, answered by PostgreSQL: one pass over the narrow rows of ``AgentRun`` for each."""

# ruff: noqa: S608 (what is put into the statements are names and expressions of this file)
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from rollouts.models import Invocation
from rollouts.telemetry.facts import (
    SYMPTOMS,
    Bucket,
    Difference,
    Dimension,
    FailurePattern,
    FailureSummary,
    Sample,
    Shared,
    VersionSeen,
    Window,
)

#: The window's rows. ``day`` repeats ``at`` so that the planner opens only the days' partitions.
WITHIN = (
    "bundle_key = %(bundle_key)s AND environment = ANY(%(environments)s)"
    " AND day BETWEEN %(first_day)s AND %(last_day)s AND at >= %(since)s AND at < %(until)s"
)
#: The same beside ``told(environment)``: one environment at a time can be read in the index's order.
OF_ONE_ENVIRONMENT = WITHIN.replace("environment = ANY(%(environments)s)", "environment = told.environment")
MODEL = "coalesce(nullif(response_model, ''), request_model)"
VERSION = "coalesce(nullif(version_label, ''), version_number::text, '')"
#: The step of the series that a run falls into.
BUCKET = "date_bin(%(step)s, at, %(since)s)"
SCHEMA = "CASE WHEN schema_valid THEN 'valid' WHEN NOT schema_valid THEN 'invalid' ELSE '' END"
#: What a run has one value of; tools are a list.
EXPRESSIONS = {
    Dimension.REGION: "region",
    Dimension.INSTANCE: "instance",
    Dimension.VERSION: VERSION,
    Dimension.MODEL: MODEL,
    Dimension.ERROR_TYPE: "error_type",
    Dimension.FINISH_REASON: "finish_reason",
    Dimension.SCHEMA_VALID: SCHEMA,
}
#: A smaller gap than this is noise to somebody woken at night.
LEAST_GAP = 0.05
#: ``shared_by_failures`` looks at this many slices of the window, and in each at so many bad and so many good runs.
SLICES, SLICE_RUNS = 200, 50

SAMPLE = """
    run.day, run.trace_id, run.span_id, span.id, run.at, run.failed, run.version_number, run.version_label,
    run.instance, run.region, coalesce(nullif(run.response_model, ''), run.request_model), run.tools, run.error_type,
    run.error_message, run.conversation_id
"""
SPAN = """LEFT JOIN rollouts_invocation AS span
    ON span.day = run.day AND span.trace_id = run.trace_id AND span.span_id = run.span_id"""


def parameters(window: Window, **more: Any) -> dict[str, Any]:
    """Spans that name no environment count as prod."""
    return {
        "bundle_key": window.bundle_key,
        "environments": [window.environment, *([""] if window.environment == "prod" else [])],
        "first_day": window.since.date(),
        "last_day": window.until.date(),
        "since": window.since,
        "until": window.until,
        **more,
    }


def rows_of(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def sample(row: Sequence[Any]) -> Sample:
    values = list(row)
    values[11] = tuple(values[11])
    return Sample(*values)


def ranked(seen: dict[tuple[Dimension, str], Counter[bool]], bad: int, good: int, limit: int) -> Shared:
    """Values by how much more often bad runs have them; causes before symptoms."""
    found = [
        Difference(name, value, runs[True], runs[False], runs[True] / bad, runs[False] / good if good else 0.0)
        for (name, value), runs in seen.items()
        if runs[True]
    ]
    by_gap = sorted(
        (each for each in found if each.gap >= LEAST_GAP),
        key=lambda each: (each.dimension in SYMPTOMS, -each.gap, -each.bad_runs, each.dimension, each.value),
    )
    return Shared(bad, good, tuple(by_gap[:limit]))


class PostgresTelemetry:
    """Answers from the tables that ``store`` fills."""

    def failure_summary(self, window: Window) -> FailureSummary:
        statement = f"""
            SELECT count(*), count(*) FILTER (WHERE failed), count(*) FILTER (WHERE refused),
                count(schema_valid), count(*) FILTER (WHERE schema_valid)
            FROM rollouts_agentrun WHERE {WITHIN}"""
        return FailureSummary(*rows_of(statement, parameters(window))[0])

    def shared_by_failures(self, window: Window, limit: int) -> Shared:
        """Counts every combination once in the database; what has how often is added up here.

        Of each slice of the window at most so many bad and so many good runs are looked at, which keeps the question
        quick however much there is, and is all of them unless there is very much.
        """
        single = list(EXPRESSIONS)
        columns = ", ".join(f"{EXPRESSIONS[name]} AS {name}" for name in single)
        some = f"""
            SELECT failed, tools, {columns} FROM rollouts_agentrun
            WHERE bundle_key = %(bundle_key)s AND environment = told.environment
                AND day BETWEEN %(first_day)s AND %(last_day)s AND day BETWEEN first_day AND last_day
                AND at >= begins AND at < ends AND {{}} ORDER BY at LIMIT {SLICE_RUNS}"""
        statement = f"""
            WITH slice AS (
                SELECT begins, begins + %(slice)s AS ends, (begins AT TIME ZONE 'UTC')::date AS first_day,
                    ((begins + %(slice)s) AT TIME ZONE 'UTC')::date AS last_day
                FROM generate_series(0, {SLICES - 1}) AS number,
                    LATERAL (SELECT %(since)s::timestamptz + number * %(slice)s AS begins) AS moment
            )
            SELECT failed, tools, {", ".join(single)}, count(*)
            FROM slice CROSS JOIN unnest(%(environments)s::text[]) AS told(environment)
                CROSS JOIN LATERAL (({some.format("failed")}) UNION ALL ({some.format("NOT failed")})) AS run
            GROUP BY {", ".join(map(str, range(1, len(single) + 3)))}"""
        totals: Counter[bool] = Counter()
        seen: dict[tuple[Dimension, str], Counter[bool]] = defaultdict(Counter)
        slice_length = (window.until - window.since) / SLICES
        for failed, tools, *values, runs in rows_of(statement, parameters(window, slice=slice_length)):
            totals[failed] += runs
            for tool in tools:
                seen[Dimension.TOOL, tool][failed] += runs
            for name, value in zip(single, values, strict=True):
                if value:
                    seen[name, value][failed] += runs
        return ranked(seen, totals[True], totals[False], limit)

    def failure_patterns(self, window: Window, limit: int) -> tuple[FailurePattern, ...]:
        statement = f"""
            WITH bad AS (
                SELECT *, regexp_replace(left(error_message, 160), '[0-9a-f-]{{8,}}|[0-9]+', '#', 'g') AS message
                FROM rollouts_agentrun WHERE {WITHIN} AND failed
            ), pattern AS (
                SELECT error_type, message, count(*) AS runs, sum(count(*)) OVER () AS all_runs, min(at) AS first_at,
                    max(at) AS last_at
                FROM bad GROUP BY error_type, message ORDER BY runs DESC, error_type, message LIMIT %(limit)s
            )
            SELECT pattern.error_type, pattern.message, runs, all_runs, first_at, last_at, {SAMPLE}
            FROM pattern CROSS JOIN LATERAL (
                SELECT * FROM bad WHERE bad.error_type = pattern.error_type AND bad.message = pattern.message
                ORDER BY at DESC LIMIT 1
            ) AS run {SPAN} ORDER BY runs DESC, pattern.error_type, pattern.message"""
        return tuple(
            FailurePattern(row[0], row[1], row[2], row[2] / int(row[3]), row[4], row[5], sample(row[6:]))
            for row in rows_of(statement, parameters(window, limit=limit))
        )

    def samples(
        self, window: Window, *, failed: bool | None, dimension: Dimension | None, value: str, limit: int, newest: bool
    ) -> tuple[Sample, ...]:
        where = ""
        if failed is not None:
            where += " AND failed" if failed else " AND NOT failed"
        if dimension == Dimension.TOOL:
            where += " AND %(value)s = ANY(tools)"
        elif dimension is not None:
            where += f" AND {EXPRESSIONS[dimension]} = %(value)s"
        order = "DESC" if newest else "ASC"
        statement = f"""
            SELECT {SAMPLE} FROM (
                SELECT found.* FROM unnest(%(environments)s::text[]) AS told(environment), LATERAL (
                    SELECT * FROM rollouts_agentrun WHERE {OF_ONE_ENVIRONMENT} {where}
                    ORDER BY at {order} LIMIT %(limit)s
                ) AS found ORDER BY found.at {order}, found.trace_id LIMIT %(limit)s
            ) AS run {SPAN} ORDER BY run.at {order}, run.trace_id"""
        return tuple(map(sample, rows_of(statement, parameters(window, value=value, limit=limit))))

    def tally(self, window: Window, step: timedelta) -> tuple[FailureSummary, tuple[Bucket, ...]]:
        """``failure_summary`` and ``rate_series`` in one pass."""
        statement = f"""
            SELECT {BUCKET} AS bucket, count(*), count(*) FILTER (WHERE failed), count(*) FILTER (WHERE refused),
                count(schema_valid), count(*) FILTER (WHERE schema_valid)
            FROM rollouts_agentrun WHERE {WITHIN} GROUP BY bucket"""
        found = {row[0]: row[1:] for row in rows_of(statement, parameters(window, step=step))}
        sums = [sum(column) for column in zip(*found.values(), strict=True)] or [0] * 5
        begins = [window.since + step * index for index in range(-((window.since - window.until) // step))]
        return FailureSummary(*sums), tuple(Bucket(at, *found.get(at, (0, 0))[:2]) for at in begins)

    def rate_series(self, window: Window, step: timedelta) -> tuple[Bucket, ...]:
        return self.tally(window, step)[1]

    def versions_seen(self, window: Window) -> tuple[VersionSeen, ...]:
        statement = f"""
            WITH told AS (
                SELECT version_number, version_label, conversation_id, count(*) AS runs,
                    count(*) FILTER (WHERE failed) AS failed_runs, min(at) AS first_at, max(at) AS last_at
                FROM rollouts_agentrun WHERE {WITHIN} GROUP BY 1, 2, 3
            )
            SELECT version_number, version_label, sum(runs)::int, sum(failed_runs)::int,
                count(*) FILTER (WHERE conversation_id <> ''), min(first_at), max(last_at)
            FROM told GROUP BY 1, 2 ORDER BY 3 DESC, 1 DESC"""
        rows = rows_of(statement, parameters(window))
        total = sum(row[2] for row in rows)
        return tuple(
            VersionSeen(number, label, runs, failed, conversations, runs / total, first_at, last_at)
            for number, label, runs, failed, conversations, first_at, last_at in rows
        )

    def models_seen(self, window: Window) -> tuple[tuple[str, str, datetime, int], ...]:
        """(model asked for, model that answered, since when, runs looked at), in the order they appeared.

        Looks at the first and last runs of each day, which is enough to see a change and cheap over three weeks.
        """
        edge = f"""
            SELECT request_model, response_model, at FROM rollouts_agentrun
            WHERE {OF_ONE_ENVIRONMENT} AND day = each AND response_model <> '' ORDER BY at {{}} LIMIT 200"""
        statement = f"""
            SELECT request_model, response_model, min(at), count(*)
            FROM generate_series(%(first_day)s::date, %(last_day)s::date, '1 day') AS series(moment),
                LATERAL (SELECT moment::date AS each) AS days,
                unnest(%(environments)s::text[]) AS told(environment),
                LATERAL (({edge.format("ASC")}) UNION ALL ({edge.format("DESC")})) AS edges
            GROUP BY 1, 2 ORDER BY 3"""
        return tuple((asked, served, at, runs) for asked, served, at, runs in rows_of(statement, parameters(window)))

    def spans_of(self, day: date, trace_id: str) -> list[Invocation]:
        """Also those of the next day: a run may pass midnight."""
        days = [day, day + timedelta(days=1)]
        return list(Invocation.objects.filter(day__in=days, trace_id=trace_id).order_by("at", "id")[:500])
