"""What the JSON API says of legs, their connectors and conversations, and what leaves as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Prefetch

from accounts.errors import OperationRefused
from rollouts.connectors import KINDS
from rollouts.models import (
    Connector,
    Deployment,
    LegEvidence,
    LegStep,
    Rollback,
    RollbackLeg,
    TaintedConversation,
)
from rollouts.operations import cohorts, drain, leg_subjects

Json = dict[str, Any]

#: Rows that one statement of an export fetches, however many there are.
PAGE = 2_000
#: Evidence of a leg that is answered at once; the newest.
SHOWN = 200
COLUMNS = ("conversation", "turns", "first_at", "last_at", "region", "active", "treatment", "treated_at")
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}


def leg(row: RollbackLeg) -> Json:
    """Where it stands, who closed it, who verified it, what connectors do, and every piece of evidence."""
    evidence = list(row.evidence.all())[-SHOWN:]
    made = {each.subject: each for each in row.decisions.all()}
    asked = leg_subjects.subjects(row) if row.kind in leg_subjects.CHOICES and row.state != "not_applicable" else []
    return {
        "kind": row.kind,
        "state": row.state,
        "sentence": row.sentence,
        "reason": row.reason,
        "closed_at": row.closed_at,
        "closed_by": row.closed_by_label or None,
        "verified_at": row.verified_at,
        "verified_by": str(row.verified_by) if row.verified_by is not None else None,
        "looked_at": row.work.done_at if hasattr(row, "work") else None,
        "steps": [step(each) for each in row.steps.all()],
        "decisions": [
            {
                "subject": subject,
                "choice": made[subject].choice if subject in made else None,
                "by": made[subject].actor_label if subject in made else None,
                "at": made[subject].at if subject in made else None,
                "choices": list(leg_subjects.CHOICES[row.kind]),
            }
            for subject in asked
        ],
        "evidence": [proof(each) for each in evidence],
    }


def legs_of(row: Rollback) -> list[RollbackLeg]:
    """The seven legs with everything that was done about them, in a handful of statements."""
    steps = Prefetch("steps", LegStep.objects.select_related("connector"))
    rows = list(
        row.legs.select_related("closed_by", "verified_by", "work").prefetch_related(steps, "evidence", "decisions")
    )
    for leg_row in rows:
        leg_row.rollback = row
    return rows


def step(row: LegStep) -> Json:
    return {
        "step": row.pk,
        "connector": row.connector.name,
        "kind": row.connector.kind,
        "verb": row.verb,
        "state": row.state,
        "attempts": row.attempts,
        "due_at": row.due_at if row.state in {"open", "running"} else None,
        "done_at": row.done_at,
        "count": row.count,
        "answer": row.answer,
        "error": row.error,
    }


def proof(row: LegEvidence) -> Json:
    return {
        "at": row.at,
        "kind": row.kind,
        "text": row.text,
        "count": row.count,
        "took_ms": row.took_ms,
        "source": row.source,
        "by": row.by,
        "step": row.step_id,
        "data": row.data,
    }


def rollback(row: Rollback) -> Json:
    """Its legs, and what belongs to the rollback: in-flight counts, side effects, the stages with their times."""
    counts = drain.totals(row)
    legs = legs_of(row)
    flip = next(each for each in legs if each.kind == "flip")
    stages = drain.stages(row, counts, list(flip.steps.all()))
    return {
        "complete": all(each.is_closed for each in legs),
        "stages": [{"stage": stage.name, "at": stage.at, "says": stage.says} for stage in stages],
        "in_flight": counts,
        "not_undone": not_undone(flip),
        "legs": [leg(each) for each in legs],
    }


def not_undone(flip: RollbackLeg) -> list[Json]:
    """Tools that what was taken back had called, as last counted; empty while nobody has counted."""
    told = [proved.data["not_undone"] for proved in flip.evidence.all() if "not_undone" in proved.data]
    return list(told[-1]) if told else []


def connector(row: Connector) -> Json:
    """A connector without its secret."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "name": row.name,
        "agent": row.agent.slug if row.agent is not None else None,
        "environment": row.environment_id,
        "legs": row.legs,
        "config": row.config,
        "undo_verb": KINDS[row.kind].undo_verb or None,
        "review_due_at": row.review_due_at,
        "disabled_at": row.disabled_at,
    }


def conversation(row: TaintedConversation) -> Json:
    chosen = row.treatment
    return {
        "conversation": row.conversation_id,
        "turns": row.turns,
        "first_at": row.first_at.isoformat(),
        "last_at": row.last_at.isoformat(),
        "region": row.region,
        "active": row.active,
        "treatment": chosen.treatment if chosen is not None else None,
        "treated_at": chosen.at.isoformat() if chosen is not None else None,
    }


def taint(deployment: Deployment, conversation_id: str) -> Json:
    """Whether a conversation holds turns of what stands taken back here, and what was chosen for it.

    ``tainted`` is null while the newest rollback's conversations have not been counted: unknown is not clean. A
    version that was rolled forward or promoted again taints nothing.
    """
    rows = (
        TaintedConversation.objects.filter(deployment=deployment, conversation_id=conversation_id)
        .exclude(rollback__from_version__number__in=deployment.stack)
        .select_related("rollback__from_version", "treatment")
        .defer("rollback__from_version__body")
        .order_by()
    )
    found = max(rows, key=lambda row: row.rollback_id, default=None)  # a conversation is in few rollbacks
    answer: Json = {"conversation": conversation_id, "tainted": None, "treatment": None, "rollback": None}
    if found is not None:
        chosen = found.treatment
        return answer | {
            "tainted": True,
            "treatment": chosen.treatment if chosen is not None else None,
            "rollback": found.rollback_id,
            "version": found.rollback.from_version.as_json(),
            "turns": found.turns,
            "first_at": found.first_at,
            "last_at": found.last_at,
        }
    newest = Rollback.objects.filter(deployment=deployment).order_by("-pk").first()
    if newest is None or newest.legs.filter(kind="histories", state="not_applicable").exists():
        return answer | {"tainted": False}
    told = LegEvidence.objects.filter(leg__rollback=newest, leg__kind="histories", kind="count").order_by("-pk").first()
    known = told is not None and told.count is not None
    return answer | {"tainted": False if known else None, "rollback": newest.pk}


async def export(row: Rollback, cohort: str, form: str) -> AsyncIterator[bytes]:
    """Every conversation of a cohort, line by line: a page of rows in memory, whatever their number."""
    if form == "csv":
        yield _csv([COLUMNS])
    after = 0
    while True:
        rows = await sync_to_async(_page)(row, cohort, after)
        if not rows:
            return
        after = rows[-1].pk
        told = [conversation(each) for each in rows]
        if form == "csv":
            yield _csv([[_cell(each[name]) for name in COLUMNS] for each in told])
        else:
            yield "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in told).encode()


def known_format(form: str) -> str:
    if form not in FORMATS:
        raise OperationRefused("A list leaves as csv or jsonl.", status=422)
    return FORMATS[form]


def _page(row: Rollback, cohort: str, after: int) -> list[TaintedConversation]:
    return list(cohorts.of(row, cohort).filter(pk__gt=after).select_related("treatment").order_by("pk")[:PAGE])


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
