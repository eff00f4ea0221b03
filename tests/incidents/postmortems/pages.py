"""Pages of any content, as Hypothesis makes them: what people can write, in every row."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from incidents.models import (
    ActionItem,
    Confidence,
    Diagnosis,
    EscapeAnswer,
    InferenceRow,
    Layer,
    LayerFinding,
    MovedVariable,
    Postmortem,
    PostmortemSection,
)
from incidents.operations.postmortems.content import SCHEMA

#: Anything PostgreSQL can hold, with what Markdown and HTML care about more often than by chance.
HOSTILE = st.sampled_from(
    [
        "<script>alert(1)</script>",
        "```\n",
        "| a |",
        "[x](javascript:alert(1))",
        "![](https://evil.example/1.png)",
        "# h",
    ]
)
TEXT = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=40),
        HOSTILE,
        st.sampled_from(["\n", "`", "&lt;", "human error"]),
    ),
    max_size=4,
).map("".join)
NAME = TEXT.map(lambda text: text.strip()[:200].strip())
SOME = TEXT.filter(str.strip)
COUNTS = st.one_of(
    st.just((None, None)), st.integers(0, 50).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
)
SECTION = st.tuples(TEXT, st.booleans()).map(lambda drawn: {"text": drawn[0], "draft": drawn[1] and drawn[0] != ""})
HEX = st.sampled_from("0123456789abcdef")


def rows(key: str, keys: list[str], **fields: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    """A row for every key, in their order."""
    return st.tuples(*(st.fixed_dictionaries({key: st.just(each), **fields}) for each in keys)).map(list)


@st.composite
def inferences(draw: st.DrawFn) -> dict[str, Any]:
    """One inference; what failed was tried."""
    prose = ("saw", "inferred", "should_have_inferred", "alternatives", "cue", "claimed_reasoning")
    row: dict[str, Any] = {name: draw(TEXT) for name in (*prose, "evidenced_reasoning", "action", "authority")}
    row["failures"], row["replays"] = draw(COUNTS)
    row["fixed_failures"], row["fixed_replays"] = draw(COUNTS)
    row["day"] = draw(st.one_of(st.none(), st.dates().map(str)))
    row["trace_id"] = draw(st.one_of(st.just(""), st.text(HEX, min_size=32, max_size=32)))
    row["span_id"] = draw(st.one_of(st.just(""), st.text(HEX, min_size=16, max_size=16)))
    row["version_at_fault"] = None
    row["spec"] = draw(st.sampled_from(["", *InferenceRow.Spec.values]))
    return row


@st.composite
def action_items(draw: st.DrawFn, emails: list[str]) -> dict[str, Any]:
    """One action: open, done by somebody, or dropped for a reason."""
    people = st.sampled_from(emails)
    state = draw(st.sampled_from(["open", "done", "dropped"]))
    moments = st.datetimes().filter(lambda at: at.year > 1).map(lambda at: f"{at.isoformat()}Z")
    return {
        "text": draw(SOME),
        "kind": draw(st.sampled_from(ActionItem.Kind.values)),
        "owner": draw(st.one_of(st.none(), people.map(lambda email: {"email": email}))),
        "due_on": draw(st.one_of(st.none(), st.dates().map(str))),
        "verification": draw(TEXT),
        "tracker_url": draw(st.sampled_from(["", "https://tracker.example/7"])),
        "done_at": draw(moments) if state == "done" else None,
        "done_by": draw(people) if state == "done" else None,
        "dropped_at": draw(moments) if state == "dropped" else None,
        "dropped_reason": draw(SOME) if state == "dropped" else "",
    }


def contents(emails: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """The editable parts of a page whose actions belong to these people."""
    amounts = st.one_of(st.none(), st.floats(0, 1e12))
    return st.fixed_dictionaries(
        {
            "schema": st.just(SCHEMA),
            "sections": st.fixed_dictionaries(dict.fromkeys(PostmortemSection.Name.values, SECTION)),
            "ownership": st.fixed_dictionaries(dict.fromkeys(("made_by", "reviewed_by", "next_owner", "path"), NAME)),
            "damage": st.fixed_dictionaries(
                {"rate_per_second": amounts, "unit": NAME.map(lambda text: text[:60].strip()), "blast_seconds": amounts}
            ),
            "autonomy": st.sampled_from(["", *Postmortem.Autonomy.values]),
            "friction": st.fixed_dictionaries(
                {
                    "access_blocked_minutes": st.one_of(st.none(), st.integers(0, 2**31 - 1)),
                    "false_acks": st.one_of(st.none(), st.integers(0, 50)),
                    "slowed_by": TEXT,
                }
            ),
            "inferences": st.lists(inferences(), max_size=3),
            "variables": rows(
                "variable",
                MovedVariable.Variable.values,
                moved=st.sampled_from(MovedVariable.Moved.values),
                before=TEXT,
                after=TEXT,
                evidence=TEXT,
            ),
            "layers": rows(
                "layer", Layer.values, finding=st.sampled_from(LayerFinding.Finding.values), evidence=TEXT, owner=NAME
            ),
            "escapes": rows(
                "question",
                EscapeAnswer.Question.values,
                verdict=st.sampled_from(["", *EscapeAnswer.Verdict.values]),
                answer=TEXT,
            ),
            "factors": st.lists(
                st.fixed_dictionaries(
                    {
                        "text": TEXT,
                        "layer": st.sampled_from(["", *Layer.values]),
                        "diagnosis": st.sampled_from(["", *Diagnosis.values]),
                        "confidence": st.sampled_from(Confidence.values),
                        "evidence": TEXT,
                    }
                ),
                max_size=3,
            ),
            "actions": st.lists(action_items(emails), max_size=3),
        }
    )
