"""What people write on the page, as plain JSON: the part that is signed, and that can be read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incidents.answers import moment
from incidents.models import (
    ActionItem,
    EscapeAnswer,
    InferenceRow,
    Layer,
    MovedVariable,
    Postmortem,
    PostmortemSection,
)
from rollouts.models import BundleVersion

Json = dict[str, Any]

PROSE = (
    "saw",
    "inferred",
    "should_have_inferred",
    "alternatives",
    "cue",
    "claimed_reasoning",
    "evidenced_reasoning",
    "action",
    "authority",
)
COUNTED = ("failures", "replays", "fixed_failures", "fixed_replays")
OWNERSHIP = ("made_by", "reviewed_by", "next_owner", "path")
FRICTION = ("access_blocked_minutes", "false_acks", "slowed_by")
#: Of ``damage``, what people set; the rest of it is measured.
DAMAGE_SET = ("rate_per_second", "unit", "blast_seconds")
EDITABLE = (
    "sections",
    "ownership",
    "autonomy",
    "friction",
    "inferences",
    "variables",
    "layers",
    "escapes",
    "factors",
    "actions",
)


def written(page: Postmortem) -> Json:
    """The page's own fields and every row that stands on it."""
    sections = {row.name: row for row in page.sections.all()}
    return {
        "sections": {
            name.value: {
                "title": name.label,
                "text": sections[name].text if name in sections else "",
                "draft": name in sections and sections[name].is_draft and sections[name].text != "",
            }
            for name in PostmortemSection.Name
        },
        "ownership": {name: getattr(page, name) for name in OWNERSHIP},
        "autonomy": page.autonomy,
        "friction": {name: getattr(page, name) for name in FRICTION},
        "inferences": [
            _inference(row)
            for row in page.inferences.filter(removed_at=None)
            .select_related("version_at_fault__bundle")
            .defer("version_at_fault__body")
        ],
        "variables": _keyed(page.variables.all(), "variable", MovedVariable.Variable.choices, VARIABLE),
        "layers": _keyed(page.layers.all(), "layer", Layer.choices, LAYER),
        "escapes": _keyed(page.escapes.all(), "question", EscapeAnswer.Question.choices, ESCAPE),
        "factors": [{name: getattr(row, name) for name in FACTOR} for row in page.factors.filter(removed_at=None)],
        "actions": [_action(row) for row in page.actions.select_related("owner", "done_by")],
    }


VARIABLE = ("moved", "before", "after", "evidence")
LAYER = ("finding", "evidence", "owner")
ESCAPE = ("verdict", "answer")
FACTOR = ("text", "layer", "diagnosis", "confidence", "evidence")


def editable(content: Mapping[str, Any]) -> Json:
    """What people wrote of a page: what a signature covers, and what survives a round trip."""
    damage = content.get("damage") or {}
    return {name: content.get(name) for name in EDITABLE} | {"damage": {name: damage.get(name) for name in DAMAGE_SET}}


def version(row: BundleVersion | None) -> Json | None:
    """A version with the bundle it is of."""
    return {"bundle": row.bundle.key, **row.as_json()} if row is not None else None


def _keyed(rows: Any, key: str, choices: list[tuple[str, str]], names: tuple[str, ...]) -> list[Json]:
    """Rows that each have their key, in the order of the keys."""
    found = {getattr(row, key): row for row in rows}
    return [
        {key: value, "label": label, **{name: getattr(found[value], name) for name in names}}
        for value, label in choices
        if value in found
    ]


def _inference(row: InferenceRow) -> Json:
    return {
        **{name: getattr(row, name) for name in (*PROSE, *COUNTED)},
        "spec": row.spec,
        "day": row.day.isoformat() if row.day else None,
        "trace_id": row.trace_id,
        "span_id": row.span_id,
        "version_at_fault": version(row.version_at_fault),
    }


def _action(row: ActionItem) -> Json:
    return {
        "text": row.text,
        "kind": row.kind,
        "label": row.get_kind_display(),
        "owner": {"email": row.owner.email, "name": row.owner.display_name} if row.owner else None,
        "due_on": row.due_on.isoformat() if row.due_on else None,
        "verification": row.verification,
        "tracker_url": row.tracker_url,
        "done_at": moment(row.done_at),
        "done_by": row.done_by.email if row.done_by else None,
        "dropped_at": moment(row.dropped_at),
        "dropped_reason": row.dropped_reason,
    }
