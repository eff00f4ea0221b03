"""What an agent did between the decision to stop it and now, and whether anything acted after the stop (R087).

An act is a span that names a tool or a model: an agent that hands its customer to a human calls neither. The scope
narrows it: a region by the span's region, a tool by its name, writes to calls of tools that their schema does not call
read-only (``readOnly: true`` in ``input_schema``). Telemetry names no cohorts, so of a stopped cohort nothing can be
said.
"""

# ruff: noqa: S608 (what is put into the statements are conditions of this file)
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from rollouts.models import BundleVersion, Stop
from rollouts.telemetry.facts import Window
from rollouts.telemetry.postgres import WITHIN, parameters, rows_of

#: Whoever acts longer than this after the stop has not been stopped.
LATE = timedelta(seconds=60)
ACTS = f"{WITHIN} AND (tool_name <> '' OR request_model <> '' OR response_model <> '')"


@dataclass(frozen=True, slots=True)
class Acts:
    """Calls in the stop's scope that began after it, those that were ``late``, by how many instances, and the last."""

    total: int
    late: int
    instances: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class ToolEffect:
    """How often one tool was called, and how often it is known to have worked."""

    tool: str
    calls: int
    succeeded: int


@dataclass(frozen=True, slots=True)
class Effects:
    """What was done in the scope from the decision until ``until``: none of it is undone by stopping."""

    since: datetime
    until: datetime
    runs: int
    model_calls: int
    usd: Decimal | None
    tools: tuple[ToolEffect, ...]

    @property
    def tool_calls(self) -> int:
        return sum(tool.calls for tool in self.tools)


def acts_after(stop: Stop, at: datetime) -> Acts | None:
    """What has acted since ``stop``, as far as telemetry has told by ``at``; None where it cannot tell."""
    until = stop.released_at or at
    scope = _within(stop)
    if scope is None:
        return None
    statement = f"""
        SELECT count(*), count(*) FILTER (WHERE at >= %(late)s), count(DISTINCT instance), max(at)
        FROM rollouts_invocation WHERE {ACTS} AND at > %(engaged)s AND {scope[0]}"""
    values = parameters(_window(stop, stop.engaged_at, until), engaged=stop.engaged_at, late=stop.engaged_at + LATE)
    return Acts(*rows_of(statement, values | scope[1])[0])


def effects(stop: Stop, at: datetime) -> Effects | None:
    """What was done from the decision on, until nothing acted any more; None where telemetry cannot tell."""
    until = stop.released_at or at
    scope = _within(stop)
    if scope is None:
        return None
    statement = f"""
        SELECT tool_name, count(*), count(*) FILTER (WHERE tool_succeeded),
            count(*) FILTER (WHERE tool_name = '' AND operation NOT IN ('invoke_agent', 'create_agent')),
            sum(cost_usd), max(at)
        FROM rollouts_invocation WHERE {ACTS} AND {scope[0]} GROUP BY tool_name ORDER BY 2 DESC, 1"""
    values = parameters(_window(stop, stop.decided_at, until)) | scope[1]
    rows = rows_of(statement, values)
    ((runs,),) = rows_of(
        f"SELECT count(DISTINCT trace_id) FROM rollouts_invocation WHERE {ACTS} AND {scope[0]}", values
    )
    spent = [row[4] for row in rows if row[4] is not None]
    return Effects(
        since=stop.decided_at,
        until=max((row[5] for row in rows), default=stop.engaged_at),
        runs=runs,
        model_calls=sum(row[3] for row in rows),
        usd=sum(spent, Decimal()) if spent else None,
        tools=tuple(ToolEffect(row[0], row[1], row[2]) for row in rows if row[0]),
    )


def _window(stop: Stop, since: datetime, until: datetime) -> Window:
    deployment = stop.kill_switch.deployment
    return Window(deployment.bundle.key, deployment.environment_id, since, until)


def _within(stop: Stop) -> tuple[str, dict[str, Any]] | None:
    """The scope as a condition with its values."""
    kind, _, value = stop.kill_switch.scope.partition(":")
    if kind == "whole":
        return "true", {}
    if kind == "region":
        return "region = %(region)s", {"region": value}
    if kind == "tool":
        return "tool_name = %(tool)s", {"tool": value}
    if kind == "writes":
        return "tool_name <> '' AND tool_name <> ALL (%(reading)s)", {"reading": _reading_tools(stop)}
    return None


def _reading_tools(stop: Stop) -> list[str]:
    """The tools of the active version that say that they only read."""
    served = BundleVersion.objects.filter(pk__in=[stop.kill_switch.deployment.active_id])
    tools = served.values_list("body__tools", flat=True).first() or []
    return [
        str(tool.get("name"))
        for tool in tools
        if isinstance(tool, dict) and (tool.get("input_schema") or {}).get("readOnly") is True
    ]
