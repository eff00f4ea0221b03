"""What a reader would stumble over: each rule where it speaks, and where it must not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents import exports
from incidents.blame import blame
from incidents.lint import Finding, findings


def content(**parts: Any) -> dict[str, Any]:
    """A page on which nothing is found, but for ``parts``."""
    whole: dict[str, Any] = {
        "header": {"diagnosis": "not_the_agent"},
        "sections": {},
        "ownership": {"made_by": "Ada", "reviewed_by": "Grace", "next_owner": "Refunds team"},
        "damage": {},
    }
    return whole | parts


def found(rule: str, **parts: Any) -> list[Finding]:
    return [each for each in findings(content(**parts)) if each.rule == rule]


def texts(**sections: str) -> dict[str, Any]:
    return {name: {"title": name, "text": text, "draft": False} for name, text in sections.items()}


def action(**values: Any) -> dict[str, Any]:
    return {"text": "Do", "kind": "gate", "owner": {"name": "Jo"}, "due_on": "2026-12-01", "verification": "v"} | values


def test_a_page_without_fault_has_no_findings() -> None:
    assert findings(content(actions=[action()])) == []


def test_wording_and_guards_alone_do_not_mend_an_inference() -> None:
    patches = [action(kind="wording"), action(kind="guard")]
    (finding,) = found("deterministic-only", header={"diagnosis": "spec_gap"}, actions=patches)
    assert not finding.blocks
    assert "spec gap" in finding.sentence
    assert not found("deterministic-only", header={"diagnosis": "spec_gap"}, actions=[*patches, action()])
    assert not found("deterministic-only", header={"diagnosis": "not_the_agent"}, actions=patches)
    assert not found("deterministic-only", header={"diagnosis": "spec_gap"}, actions=[])
    by_factor = [{"text": "x", "diagnosis": "perceptual", "evidence": "x"}]
    assert found("deterministic-only", header={"diagnosis": "unknown"}, factors=by_factor, actions=patches)
    dropped = action(dropped_at="2026-11-20T12:00:00Z")
    assert found("deterministic-only", header={"diagnosis": "spec_gap"}, actions=[*patches, dropped])


def test_the_class_is_asked_for_until_triage_or_a_factor_names_it() -> None:
    unknown = {"diagnosis": "unknown"}
    (finding,) = found("class-unknown", header=unknown, factors=[{"text": "x", "diagnosis": "unknown"}])
    assert finding.sentence.startswith("Name the class")
    assert not finding.blocks
    assert not found("class-unknown", header=unknown, factors=[{"text": "x", "diagnosis": "model_level"}])
    assert not found("class-unknown", header={"diagnosis": "scope_creep"})


def test_an_action_without_owner_or_day_blocks_unless_it_is_over() -> None:
    bare = action(owner=None, due_on=None)
    assert [(each.where, each.blocks) for each in found("action-owner", actions=[action(), bare])] == [
        ("actions.2", True)
    ]
    assert [each.blocks for each in found("action-due", actions=[bare])] == [True]
    assert not found("action-owner", actions=[bare | {"dropped_at": "2026-11-20T12:00:00Z"}])
    done = bare | {"done_at": "2026-11-20T12:00:00Z"}  # nobody did it, as far as anybody can tell
    assert found("action-owner", actions=[done])
    assert not found("action-due", actions=[done])
    assert found("action-verification", actions=[action(verification=" ")])


@pytest.mark.parametrize(
    "cause",
    [
        "Prompt regression.",
        "A regression in the prompt",
        "The prompt of customer-service regressed in 2.1.0.",
        "It was a bad prompt.",
        "Model drift",
        "**Prompt** regression",
    ],
)
@pytest.mark.parametrize("lacking", [{"reviewed_by": "nobody"}, {"reviewed_by": ""}, {"next_owner": "Nobody"}])
def test_the_name_of_the_failure_is_no_root_cause_while_nobody_owned_it(cause: str, lacking: dict[str, str]) -> None:
    owners = content()["ownership"] | lacking
    (finding,) = found("only-a-name", sections=texts(root_cause=cause), ownership=owners)
    assert finding.blocks
    assert "Write instead" in finding.suggestion
    assert not found("only-a-name", sections=texts(root_cause=cause))


def test_a_root_cause_that_says_why_is_let_through() -> None:
    owners = content()["ownership"] | {"reviewed_by": "nobody"}
    why = (
        "The refund limit went from 500 to 100 dollars without a reviewer, since prompts are merged from a console "
        "that asks for none; orders with an approved amount had no exception path. It looked like a prompt regression."
    )
    assert not found("only-a-name", sections=texts(root_cause=why), ownership=owners)
    assert not found("only-a-name", sections=texts(root_cause="Nobody reviewed the change."), ownership=owners)


def test_nobody_is_a_cause_and_a_blank_is_a_question() -> None:
    owners = content()["ownership"] | {"reviewed_by": "nobody", "next_owner": ""}
    (finding,) = found("owner-nobody", ownership=owners)
    assert "Nobody reviewed it" in finding.suggestion
    assert finding.blocks
    assert not found("owner-nobody", ownership=owners, causes=[{"note": "It went out unreviewed."}])
    assert [each.sentence for each in found("owner-blank", ownership=owners)] == [
        "Say who owns it next; nobody is an answer."
    ]
    for factor in ({"layer": "governance", "text": "x"}, {"layer": "", "text": "It had no reviewer"}):
        assert not found("owner-nobody", ownership=owners, factors=[factor | {"evidence": "x"}])


def test_known_implicated_and_moved_need_evidence() -> None:
    for kind, claim, modest in (
        ("factors", {"text": "x", "confidence": "known"}, {"text": "x", "confidence": "likely"}),
        ("layers", {"layer": "model", "finding": "implicated"}, {"layer": "model", "finding": "cleared"}),
        ("variables", {"variable": "prompt", "moved": "moved"}, {"variable": "prompt", "moved": "unknown"}),
    ):
        assert found("claim-evidence", **{kind: [claim]}), kind
        assert not found("claim-evidence", **{kind: [claim | {"evidence": "[diff](/bundles/a/diff/1..2/)"}]})
        assert not found("claim-evidence", **{kind: [modest]})


def test_a_number_of_the_impact_opens_its_source() -> None:
    (finding,) = found("number-source", sections=texts(impact="- 418 refunds were refused."))
    assert finding.sentence == "“418 refunds” has no source."
    for sourced in (
        "- [418 refunds](/i/INC-1/triage/) were refused.",
        "Some.",
        "`SELECT 1`",
        "418, see https://a.example/b",
    ):
        assert not found("number-source", sections=texts(impact=sourced)), sourced
    assert len(found("number-source", sections=texts(impact="7 apples\n" * 50))) == 5


def test_recurrence_names_the_incidents() -> None:
    (finding,) = found("recurrence", similar=[{"ref": "INC-3"}, {"ref": "INC-7"}])
    assert "INC-3, INC-7" in finding.sentence
    assert not found("recurrence", similar=[])


def test_containment_is_measured_and_quick_enough() -> None:
    decided = {"decided_at": "2026-11-20T14:18:00Z"}
    assert found("containment-unmeasured", damage=decided | {"latency_seconds": None})
    (theater,) = found("containment-theater", damage=decided | {"latency_seconds": 2580, "blast_seconds": 600})
    assert "43 min" in theater.sentence
    assert not found("containment-theater", damage=decided | {"latency_seconds": 60, "blast_seconds": 600})
    assert not found("containment-unmeasured", damage={})


def test_what_the_agent_inferred_is_asked_for_where_the_class_is_inferential() -> None:
    wrong = {"diagnosis": "perceptual"}
    assert found("inference-missing", header=wrong, inferences=[])
    (finding,) = found("inference-incomplete", header=wrong, inferences=[{"saw": "x", "inferred": "y"}])
    assert finding.sentence == "Say what would have been better in inference 1."
    told = {"saw": "x", "inferred": "y", "should_have_inferred": "z"}
    assert found("inference-spec", header=wrong, inferences=[told])
    assert not found("inference-spec", header=wrong, inferences=[told | {"spec": "complete"}])
    assert not found("inference-missing", header={"diagnosis": "not_the_agent"}, inferences=[])
    assert found("testimony-only", inferences=[{"claimed_reasoning": "I thought"}])
    assert not found("testimony-only", inferences=[{"claimed_reasoning": "I", "evidenced_reasoning": "It called"}])


def test_layers_and_the_question_of_the_wave_are_asked_for() -> None:
    assert found("layers-unknown", layers=[{"layer": "model", "finding": "unknown"}])
    assert not found("layers-unknown", layers=[{"finding": "unknown"}, {"finding": "cleared"}])
    assert found("escape-open", escapes=[{"question": "wave", "answer": ""}])
    assert not found(
        "escape-open", escapes=[{"question": "wave", "answer": "No."}, {"question": "canary", "answer": ""}]
    )


def test_a_draft_is_to_be_checked() -> None:
    drafted = {"summary": {"title": "Summary", "text": "x", "draft": True}}
    assert found("draft-unchecked", sections=drafted)
    assert not found("draft-unchecked", sections=texts(summary="x"))


@pytest.mark.parametrize(
    "text",
    [
        "It was human error.",
        "They should have known.",
        "careless",
        "The job failed to run",
        "Obviously wrong",
        "He forgot.",
    ],
)
def test_blame_is_answered_with_a_suggestion_and_never_blocks(text: str) -> None:
    (finding,) = found("blame", sections=texts(root_cause=text))
    assert finding.suggestion
    assert not finding.blocks
    assert not found("blame", sections=texts(root_cause=f"`{text}`\n\n```\n{text}\n```"))


def test_a_name_is_blamed_as_the_subject_of_a_failure_only() -> None:
    people = ["Mara Lindt", "Jo"]
    for blamed in ("Mara forgot the gate.", "Then Mara Lindt did not roll back.", "Jo broke it."):
        assert any("X forgot" in instead for _, instead in blame(blamed, people)), blamed
    for fine in ("Mara rolled back at 14:18.", "The gate broke. Mara saw it.", "Major outage broke it."):
        assert not list(blame(fine, people)), fine
    (finding,) = found("blame", people=people, factors=[{"text": "Jo missed the alert", "evidence": "x"}])
    assert finding.where == "factors.1"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
PARTS = st.sampled_from(
    [
        *("header", "sections", "ownership", "damage", "inferences", "variables", "layers", "factors", "escapes"),
        *("actions", "similar", "people", "impact", "bundle", "rollbacks", "stops", "timeline", "cases", "causes"),
    ]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(PARTS, JSON, max_size=8))
def test_no_content_makes_lint_or_an_export_fail(anything: dict[str, Any]) -> None:
    findings(anything)
    exports.markdown(anything)
