"""The semantic diff: prompts by word, schemas by field, metadata apart."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.diff import compare
from rollouts.schema_diff import FieldChange, compare_schemas
from rollouts.text_diff import Span, compare_texts
from tests.factories.rollouts import body


def spans(old: str, new: str) -> list[tuple[str, str]]:
    return [(span.kind, span.text) for span in compare_texts(old, new)]


def fields(old: Any, new: Any) -> list[FieldChange]:
    return list(compare_schemas(old, new, "in"))


def properties(**schemas: Any) -> dict[str, Any]:
    required = schemas.pop("required", [])
    return {"type": "object", "properties": schemas, "required": required}


TEXT, NUMBER = {"type": "string"}, {"type": "number"}


def test_a_changed_word_is_one_removed_and_one_added() -> None:
    assert spans("Answer in one sentence.\nBe kind.\n", "Answer in two sentences.\nBe kind.\n") == [
        ("same", "Answer in "),
        ("removed", "one sentence"),
        ("added", "two sentences"),
        ("same", ".\nBe kind.\n"),
    ]


def test_equal_texts_are_one_span_and_empty_ones_none() -> None:
    assert spans("a b", "a b") == [("same", "a b")]
    assert spans("", "") == []
    assert spans("", "a") == [("added", "a")]


SMALL = st.text(alphabet="ab \n.", max_size=60)


@given(SMALL, SMALL)
def test_spans_spell_both_texts_and_neighbours_differ(old: str, new: str) -> None:
    made = compare_texts(old, new)
    assert "".join(span.text for span in made if span.kind != "added") == old
    assert "".join(span.text for span in made if span.kind != "removed") == new
    assert all(one.kind != other.kind for one, other in itertools.pairwise(made))
    assert all(span.text for span in made)


def test_a_prompt_of_50_kb_rewritten_word_by_word_is_compared() -> None:
    old = " ".join(f"word{n * 7919 % 3001}" for n in range(6_500))
    new = " ".join(f"word{n * 104_729 % 3001}" for n in range(6_500))
    made = compare_texts(old, new)
    assert "".join(span.text for span in made if span.kind != "removed") == new


def test_a_field_added_removed_and_changed() -> None:
    old = properties(id=TEXT, amount=NUMBER)
    new = properties(id={"type": "string", "format": "uuid"}, currency={"enum": ["EUR"]}, required=["currency"])
    assert fields(old, new) == [
        FieldChange("removed", "in.amount", before=NUMBER),
        FieldChange("added", "in.currency", after={"enum": ["EUR"]}, facet="required"),
        FieldChange("changed", "in.id", before=None, after="uuid", facet="format"),
    ]


def test_required_moves_are_told_at_the_field() -> None:
    assert fields(properties(id=TEXT), properties(id=TEXT, required=["id"])) == [
        FieldChange("required", "in.id", before=False, after=True)
    ]
    assert fields({"required": ["x"]}, {}) == [FieldChange("required", "in.x", before=True, after=False)]


@pytest.mark.parametrize(
    ("old", "new"), [("account_id", "accountId"), ("account-id", "ACCOUNT_ID"), ("customer_ref", "customer_reference")]
)
def test_a_rename_is_guessed(old: str, new: str) -> None:
    made = fields(properties(**{old: TEXT}, required=[old]), properties(**{new: TEXT}, required=[new]))
    assert made == [FieldChange("renamed", f"in.{old}", before=old, after=new)]


def test_a_renamed_field_whose_type_moved_says_both() -> None:
    made = fields(properties(account_id=TEXT), properties(accountId=NUMBER))
    assert [change.kind for change in made] == ["renamed", "changed"]
    assert made[1] == FieldChange("changed", "in.accountId", before="string", after="number", facet="type")


def test_unlike_names_with_the_same_schema_are_no_rename() -> None:
    kinds = {change.kind for change in fields(properties(colour=TEXT), properties(weight=TEXT))}
    assert kinds == {"added", "removed"}


def test_nested_objects_lists_and_alternatives_are_walked() -> None:
    old = properties(lines={"type": "array", "items": properties(sku=TEXT)}, by={"anyOf": [TEXT]})
    new = properties(lines={"type": "array", "items": properties(sku=NUMBER)}, by={"anyOf": [TEXT, NUMBER]})
    assert fields(old, new) == [
        FieldChange("added", "in.by.anyOf.1", after=NUMBER),
        FieldChange("changed", "in.lines[].sku", before="string", after="number", facet="type"),
    ]


def test_equal_schemas_have_no_changes() -> None:
    assert fields(properties(id=TEXT), properties(id=TEXT)) == []
    assert fields(True, True) == []
    assert fields(True, {}) == [FieldChange("changed", "in", before=True, after={})]


def test_everything_that_moved_between_two_bodies() -> None:
    old = body(text="Be brief.")
    new = body(
        text="Be kind.",
        model={"parameters": {"temperature": 0.7}, "route": "us"},
        retrieval={"index": "orders-8"},
        harness=None,
        metadata={"reviewer": "Lin"},
    )
    new["prompt"]["few_shots"] = [{"user": "Hi", "agent": "Good day"}, {"user": "Bye", "agent": "Bye"}]
    new["tools"][0]["description"] = "Finds an order."
    new["tools"].append({"name": "refund", "input_schema": {}})
    made = compare(old, new, behaviour_unchanged=False)
    assert made.parts == ["prompt", "model", "tools", "retrieval", "harness"]
    assert [change.path for change in made.model] == ["parameters.temperature", "route"]
    assert made.retrieval == (FieldChange("changed", "index", before="orders-7", after="orders-8"),)
    assert made.harness == (FieldChange("removed", "commit", before="abc1234"),)
    assert [(row.kind, row.index) for row in made.few_shots] == [("changed", 0), ("added", 1)]
    assert [(tool.kind, tool.name) for tool in made.tools] == [("changed", "get_order"), ("added", "refund")]
    assert [change.path for change in made.tools[0].fields] == ["description"]
    assert [change.path for change in made.metadata] == ["reviewer"]
    assert made.summary == "prompt +1 −1 words, few-shots 2, model 2, tools 2, retrieval 1, harness 1"
    assert made.as_json()["prompt"][0] == {"kind": "same", "text": "Be "}


def test_only_metadata_moved() -> None:
    made = compare(body(), body(metadata={"reviewer": "Lin"}), behaviour_unchanged=True)
    assert (made.parts, made.summary) == ([], "Behaviour unchanged; only metadata differs.")
    assert compare(body(), body(), behaviour_unchanged=True).summary == "Behaviour unchanged."
    assert made.prompt == (Span("same", body()["prompt"]["text"]),)
