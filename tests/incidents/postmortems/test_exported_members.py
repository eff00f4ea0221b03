"""Whatever the JSON of a page says, its Markdown says too."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from accounts import clock
from accounts.models import SiteRole
from incidents import exports
from incidents.models import Incident
from incidents.operations import causes, contain, moves, triage
from incidents.operations.postmortems import actions, draft, edit
from incidents.operations.postmortems.content import content_of
from rollouts.models import BundleVersion, Propagation, Rollback
from tests.factories import evals
from tests.factories.accounts import person
from tests.factories.incidents import incident

pytestmark = pytest.mark.django_db

#: What a reader of Markdown has no use for: digests and numbers of the record, codes whose word stands there, and the
#: names that lint looks for.
LEFT_OUT = {
    "schema",
    "people.0",
    "timeline.0.sequence",
    "timeline.0.kind",
    "timeline.0.digest",
    "rollbacks.0.from.digest",
    "rollbacks.0.to.digest",
    "rollbacks.0.legs.0.kind",
    "inferences.0.version_at_fault.digest",
    "inferences.0.version_at_fault.number",
    "causes.0.origin",
    "variables.0.variable",
    "layers.0.layer",
    "escapes.0.question",
    "actions.0.kind",
    "actions.0.owner.email",
}
Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """(path, value) of everything that is told; of a list, every row."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def named(path: Path) -> str:
    """``timeline.0.at`` whichever row it is of, and whichever section."""
    parts = ["0" if isinstance(part, int) else part for part in path]
    return ".".join(["sections", "*", *parts[2:]] if parts[0] == "sections" else parts)


def changed(content: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The content with another value at ``path``."""
    whole = deepcopy(content)
    inside: Any = whole
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = not value if isinstance(value, bool) else value + 7_654_321 if _counts(value) else f"zq{value}qz"
    return whole


def _counts(value: Any) -> bool:
    return isinstance(value, int | float)


@pytest.fixture
def everything(refunds: Incident) -> dict[str, Any]:
    """A page with something in every member."""
    mara = person(SiteRole.COMMANDER, name="Ines")
    bad = BundleVersion.objects.get(label="2.1.0")
    rollback = Rollback.objects.get()
    Propagation.objects.update_or_create(
        activation=rollback.activation,
        defaults={
            "instances": 20,
            "reached": 20,
            "p50_ms": 400.0,
            "p95_ms": 900.0,
            "max_ms": 1200.0,
            "measured_at": clock.now(),
        },
    )
    moves.record("stop", contain.stop(refunds, actor=mara, scope="writes", reason="mails", fallback="A form").pk)
    moves.record("release", contain.release(refunds, actor=mara, scope="writes", reason="over").pk)
    cause = causes.add(refunds, actor=mara, origin="hot_edit", note="from a console")
    causes.no_case(cause, actor=mara, reason="A console has no cases.")
    evals.case("limit", incident_ref=refunds.ref)
    evals.filed(bad, limit="fail")
    page = draft.begin(refunds, actor=mara)
    for name in ("root_cause", "prevention", "detection", "customers", "lessons"):
        edit.save_section(page, actor=mara, name=name, text=f"About {name}.", version=0)
    values: dict[str, Any] = {"made_by": "Ada", "reviewed_by": "Grace", "next_owner": "Refunds", "path": "push"}
    values |= {"damage_rate_per_second": 0.5, "damage_unit": "refunds", "blast_seconds": 30, "autonomy": "narrow"}
    values |= {"access_blocked_minutes": 90, "false_acks": 1, "slowed_by": "Nobody had the link."}
    edit.save_page(page, actor=mara, version=page.version, values=values)
    row = page.inferences.get()
    prose = ("saw", "inferred", "should_have_inferred", "alternatives", "cue", "claimed_reasoning", "action")
    told: dict[str, Any] = {name: f"It {name}." for name in (*prose, "evidenced_reasoning", "authority")}
    told |= {"failures": 1, "replays": 3, "fixed_failures": 1, "fixed_replays": 4, "spec": "incomplete"}
    told |= {"day": "2026-11-20", "trace_id": "a" * 32, "span_id": "b" * 16, "version_at_fault": bad}
    edit.save_row(page, "inferences", row.pk, actor=mara, version=row.version, values=told)
    for kind, key, about in (
        ("variables", "prompt", {"moved": "moved", "before": "Before.", "after": "After.", "evidence": "Diff."}),
        ("layers", "instruction", {"finding": "implicated", "evidence": "See it.", "owner": "Prompts"}),
        ("escapes", "change", {"verdict": "spec_error", "answer": "It was one."}),
    ):
        standing = getattr(page, kind).get(**{{"variables": "variable", "layers": "layer"}.get(kind, "question"): key})
        edit.save_row(page, kind, key, actor=mara, version=standing.version, values=about)
    made: dict[str, Any] = {"owner": mara.user, "due_on": "2026-12-01", "verification": "A run."}
    made |= {"tracker_url": "https://tracker.example/7"}
    for end in (lambda _: None, lambda each: actions.finish(each, actor=mara)):
        end(actions.add(page, actor=mara, text="Add a gate", kind="gate", **made))
    actions.drop(actions.add(page, actor=mara, text="Reword", kind="wording", **made), actor=mara, reason="Too weak.")
    alike = incident(title="The second time", at=refunds.opened_at - timedelta(days=1))
    triage.answer(alike, actor=mara, diagnosis="spec_gap")
    implicated = {"finding": "implicated"}
    edit.save_row(draft.begin(alike, actor=mara), "layers", "instruction", actor=mara, version=1, values=implicated)
    Incident.objects.filter(pk=refunds.pk).update(
        repeat_of=incident(title="The first time"),
        recovered_at=refunds.contained_at,
        resolved_at=refunds.contained_at,
    )
    return content_of(page)


def test_every_member_of_the_json_stands_in_the_markdown(everything: dict[str, Any]) -> None:
    text = exports.markdown(everything)
    told: dict[str, set[bool]] = {}
    for path, value in leaves(everything):
        seen = told.setdefault(named(path), set())
        if value not in (None, ""):
            seen.add(exports.markdown(changed(everything, path, value)) != text)
    assert {name for name, seen in told.items() if not seen} == set()  # the page has something everywhere
    assert {name for name, seen in told.items() if True not in seen} == LEFT_OUT


def test_a_reader_finds_causes_cases_autonomy_trackers_and_evidence(everything: dict[str, Any]) -> None:
    text = exports.markdown(everything)
    for line in (
        "- Prompt change (known): the limit had no exception. Cases: case-1",
        "- Hot edit (known): from a console. No case: A console has no cases.",
        "2.1.0 failed 1 of 1",
        "What the agent may do alone: narrow",
        "[tracker](https://tracker.example/7)",
        "Layer: instruction. Class: spec gap.",
        "## Evidence",
    ):
        assert line in text, line
