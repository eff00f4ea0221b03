"""The whole page as plain JSON: what is published, exported, linted and read back. Schema: docs/postmortems.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Q

from accounts import clock
from incidents import links
from incidents.answers import moment
from incidents.models import Diagnosis, Factor, Incident, LayerFinding, Postmortem, TimelineEntry
from incidents.models.cause import surest_first
from incidents.operations.postmortems import record, times
from incidents.operations.postmortems.evidence import evidence_of
from incidents.operations.postmortems.record import Damage, Moves, Runs
from incidents.operations.postmortems.sentences import diff_path
from incidents.operations.postmortems.written import version, written
from rollouts.models import EvalResult, RegressionCase, Rollback, Stop

SCHEMA = "lastgood.postmortem/1"
Json = dict[str, Any]

#: Entries about the page itself: a page that told of its own publishing would never be the same twice.
ITS_OWN = (TimelineEntry.Kind.PUBLISHED, TimelineEntry.Kind.SIGNED, TimelineEntry.Kind.DOCUMENTED)


def content_of(postmortem: Postmortem) -> Json:
    """Everything the page says, by the schema ``lastgood.postmortem/1``. Asks, changes nothing."""
    page = Postmortem.objects.select_related("incident__deployment__bundle", "incident__repeat_of").get(
        pk=postmortem.pk
    )
    incident = page.incident
    moves = record.moves_of(incident)
    entries = list(incident.timeline.filter(is_key=True).exclude(kind__in=ITS_OWN).order_by("sequence"))
    content: Json = {
        "schema": SCHEMA,
        "header": _header(incident),
        "timeline": [_entry(row) for row in entries],
        "impact": _impact(incident, record.runs_of(incident, moves.bad, clock.now())),
        "bundle": _bundle(incident, moves),
        "rollbacks": [_rollback(row) for row in moves.rollbacks],
        "stops": [_stop(row) for row in moves.stops],
        "damage": _damage(page, record.damage_of(incident, page, moves)),
        "cases": _cases(incident),
        "causes": _causes(incident),
        **written(page),
        "similar": similar(page),
    }
    content["people"] = _people(incident, entries, content)
    content["evidence"] = evidence_of(content)
    return content


def similar(page: Postmortem) -> list[Json]:
    """Earlier incidents written up the same way: a class that triage or a factor names, with the same layer implicated
    (R157); before them the one that somebody says this is again (R160)."""
    incident = page.incident
    found: dict[str, Json] = {}
    if incident.repeat_of is not None:
        found[incident.repeat_of.ref] = _named(incident.repeat_of, "")
    implicated = page.layers.filter(finding=LayerFinding.Finding.IMPLICATED).values("layer")
    factors = Factor.objects.filter(removed_at=None)
    classes = {incident.diagnosis, *factors.filter(postmortem=page).values_list("diagnosis", flat=True)}
    classes -= {"", Diagnosis.UNKNOWN}
    if classes:
        alike = Q(postmortem__incident__diagnosis__in=classes)
        alike |= Q(postmortem__in=factors.filter(diagnosis__in=classes).values("postmortem"))
        rows = (
            LayerFinding.objects.filter(
                alike,
                layer__in=implicated,
                finding=LayerFinding.Finding.IMPLICATED,
                postmortem__incident__opened_at__lt=incident.opened_at,
            )
            .exclude(postmortem=page)
            .select_related("postmortem__incident")
            .order_by("-postmortem__incident__opened_at", "pk")[:20]
        )
        for row in rows:
            found.setdefault(row.postmortem.incident.ref, _named(row.postmortem.incident, row.layer))
    return list(found.values())


def _named(incident: Incident, layer: str) -> Json:
    return {
        "ref": incident.ref,
        "title": incident.title,
        "diagnosis": incident.diagnosis,
        "layer": layer,
        "at": moment(incident.opened_at),
    }


def _header(incident: Incident) -> Json:
    return {
        "ref": incident.ref,
        "title": incident.title,
        "severity": incident.severity,
        "kind": incident.kind,
        "deployment": str(incident.deployment) if incident.deployment else None,
        "detection_source": incident.detection_source,
        "diagnosis": incident.diagnosis,
        "times": times.times(incident),
        "lags": times.lags(incident),
        "unowned_seconds": times.unowned_seconds(incident, incident.acknowledgements.all()),
        "repeat_of": incident.repeat_of.ref if incident.repeat_of else None,
        "url": links.room(incident.ref),
    }


def _entry(row: TimelineEntry) -> Json:
    return {
        "sequence": row.sequence,
        "at": moment(row.at),
        "kind": row.kind,
        "actor": row.actor_label,
        "actor_kind": row.actor_kind,
        "text": row.text,
        "digest": row.digest,
    }


def _impact(incident: Incident, runs: Runs | None) -> Json:
    told: Json = {"alerts": incident.alerts.count(), "runs": None, "exposure": None}
    if runs is None:
        return told
    found = runs.summary
    return told | {
        "runs": {
            "total": found.total_runs,
            "failed": found.failed_runs,
            "since": moment(runs.window.since),
            "until": moment(runs.window.until),
        },
        "exposure": runs.bad
        and {
            "version": runs.bad.label,
            "runs": runs.bad.runs,
            "failed_runs": runs.bad.failed_runs,
            "conversations": runs.bad.conversations,
            "share_of_runs": round(runs.bad.share_of_runs, 6),
            "first_at": moment(runs.bad.first_at),
            "last_at": moment(runs.bad.last_at),
            "regions_reached": runs.regions_reached,
            "regions_never_reached": runs.regions_spared,
            "tool_calls_not_undone": [{"tool": tool, "calls": calls} for tool, calls in runs.tool_calls],
        },
    }


def _bundle(incident: Incident, moves: Moves) -> Json:
    """``from`` is the version at fault, ``to`` the good one; what moved is told from good to bad."""
    moved = record.moved_between(moves.good, moves.bad)
    known = moves.good is not None and moves.bad is not None
    return {
        "deployment": str(incident.deployment) if incident.deployment else None,
        "from": version(moves.bad),
        "to": version(moves.good),
        "summary": moved.summary if moved is not None else None,
        "parts": moved.parts if moved is not None else [],
        "diff_url": diff_path(moves.good, moves.bad) if known and moves.good and moves.bad else None,
    }


def _rollback(row: Rollback) -> Json:
    measured = getattr(row.activation, "propagation", None)
    return {
        "from": version(row.from_version),
        "to": version(row.to_version),
        "decided_at": moment(row.decided_at),
        "flipped_at": moment(row.flipped_at),
        "committed_ms": round(row.committed_ms, 3),
        "by": row.actor_label,
        "by_kind": row.actor_kind,
        "reason": row.reason,
        "in_flight_policy": row.in_flight_policy,
        "propagation": measured
        and {
            "instances": measured.instances,
            "reached": measured.reached,
            "p50_ms": measured.p50_ms,
            "p95_ms": measured.p95_ms,
            "max_ms": measured.max_ms,
        },
        "legs": [
            {
                "kind": leg.kind,
                "label": leg.get_kind_display(),
                "state": leg.state,
                "sentence": leg.sentence,
                "reason": leg.reason,
                "by": leg.closed_by_label or None,
                "closed_at": moment(leg.closed_at),
            }
            for leg in row.legs.all()
        ],
    }


def _stop(row: Stop) -> Json:
    return {
        "scope": row.kill_switch.scope,
        "decided_at": moment(row.decided_at),
        "engaged_at": moment(row.engaged_at),
        "released_at": moment(row.released_at),
        "by": row.actor_label,
        "by_kind": row.actor_kind,
        "reason": row.reason,
        "fallback": row.fallback,
    }


def _damage(page: Postmortem, found: Damage) -> Json:
    return {
        "rate_per_second": page.damage_rate_per_second,
        "unit": page.damage_unit,
        "blast_seconds": page.blast_seconds,
        "decided_at": moment(found.decided_at),
        "last_effect_at": moment(found.last_effect_at),
        "latency_seconds": found.latency_seconds,
        "runs_after_decision": found.runs_after_decision,
        "failed_runs_after_decision": found.failed_runs_after_decision,
        "minimum_damage": found.minimum_damage,
        "verdict": found.verdict,
    }


def _cases(incident: Incident) -> list[Json]:
    """The cases of this incident, with how often each failed of how many tries, per version; errors are no tries."""
    cases = list(
        RegressionCase.objects.filter(Q(incident_ref=incident.ref) | Q(causes__incident=incident), replaced_by=None)
        .select_related("eval_set__bundle")
        .order_by("pk")
        .distinct()
    )
    judged = EvalResult.objects.filter(case__in=cases, run__done_at__isnull=False).exclude(outcome="error")
    tries = (
        judged.order_by("run__version__number")
        .values_list("case", "run__version__label")
        .annotate(tries=Count("pk"), failed=Count("pk", filter=Q(outcome="fail")))
    )
    tried: dict[int, list[Json]] = {}
    for pk, label, count, failed in tries:
        tried.setdefault(pk, []).append({"version": label, "failed": failed, "tries": count})
    return [
        {
            "key": case.key,
            "title": case.title,
            "set": str(case.eval_set),
            "check": case.check_kind,
            "tried": tried.get(case.pk, []),
        }
        for case in cases
    ]


def _causes(incident: Incident) -> list[Json]:
    return [
        {
            "origin": cause.origin,
            "label": cause.get_origin_display(),
            "confidence": cause.confidence,
            "note": cause.note,
            "no_case_reason": cause.no_case_reason,
            "cases": [case.key for case in cause.cases.all()],
        }
        for cause in surest_first(incident.causes.live().prefetch_related("cases"))
    ]


def _people(incident: Incident, entries: Iterable[TimelineEntry], content: Json) -> list[str]:
    """The names of people the page is about, so that a narrative that names one can be told."""
    names = {entry.actor_label for entry in entries if entry.actor_kind == "person"}
    names |= {str(responder.user) for responder in incident.responders.select_related("user")}
    names |= {content["ownership"][name] for name in ("made_by", "reviewed_by", "next_owner")}
    names |= {action["owner"]["name"] for action in content["actions"] if action["owner"]}
    return sorted(name for name in names if name and name.lower() != Postmortem.NOBODY)
