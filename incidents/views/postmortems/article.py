"""A page as it is read: the words for what it stores as codes, its texts in their order, its evidence."""

from __future__ import annotations

from typing import Any

from incidents.models import (
    Confidence,
    DetectionSource,
    Diagnosis,
    EscapeAnswer,
    InferenceRow,
    Layer,
    LayerFinding,
    MovedVariable,
    Postmortem,
    PostmortemSection,
)

#: Every code a page stores, with its word. Codes that several lists share mean the same in each.
WORDS: dict[str, str] = {
    value: str(word)
    for listed in (
        Confidence,
        DetectionSource,
        Layer,
        Diagnosis,
        EscapeAnswer.Verdict,
        LayerFinding.Finding,
        MovedVariable.Moved,
        InferenceRow.Spec,
        Postmortem.Autonomy,
    )
    for value, word in listed.choices
}
PROSE = (
    ("saw", "It saw"),
    ("inferred", "It inferred"),
    ("should_have_inferred", "Better"),
    ("alternatives", "Alternatives it had"),
    ("cue", "Cue"),
    ("claimed_reasoning", "What it said of itself (testimony)"),
    ("evidenced_reasoning", "What its actions show (evidence)"),
    ("action", "It did"),
    ("authority", "By what right"),
)
OWNERS = (("made_by", "Made by"), ("reviewed_by", "Reviewed by"), ("next_owner", "Next owner"), ("path", "By way of"))


def article(content: dict[str, Any]) -> dict[str, Any]:
    """What the templates that show a page need."""
    sections = content["sections"]
    ref = content["header"]["ref"]
    return {
        "content": content,
        "words": WORDS,
        "texts": {name: sections[name] for name in PostmortemSection.Name.values if name in sections},
        "inferences": [
            {
                "prose": [(word, row[name]) for name, word in PROSE if row.get(name)],
                "row": row,
                "run_url": f"/i/{ref}/runs/{row['day']}/{row['trace_id']}/" if row.get("trace_id") else "",
            }
            for row in content["inferences"]
        ],
        "owners": [(word, content["ownership"].get(name) or "") for name, word in OWNERS],
        "evidence": list(
            {
                (piece["kind"], piece["text"], piece["url"]): piece | {"url": led_from(ref, piece["url"] or "")}
                for piece in content["evidence"]
            }.values()
        ),
    }


def led_from(ref: str, address: str) -> str:
    """Where a piece of evidence leads; runs are named below their incident."""
    return f"/i/{ref}/{address}" if address.startswith("runs/") else address
