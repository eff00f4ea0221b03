"""The other checks of a push: rules of the team, alias, embedding, reviewer, change note, examples."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.push_checks import Rules, concerns, refusals
from tests.factories.rollouts import body

COMPLETE = {"change": {"what": "shorter", "expect": "helpfulness", "threshold": 0}}


def told(**changes: Any) -> list[tuple[str, str]]:
    metadata = COMPLETE | changes.pop("metadata", {})
    return [(concern.check, concern.path) for concern in concerns(body(metadata=metadata, **changes))]


def test_a_body_with_nothing_to_say_of_has_no_concern() -> None:
    assert told() == []


def test_an_alias_is_a_concern() -> None:
    assert told(model={"snapshot": "gpt-4o"}) == [("model_alias", "model.snapshot")]


def test_the_change_note_asks_three_things() -> None:
    assert told(metadata={"change": None}) == [("change_note", "metadata.change")]
    assert told(metadata={"change": {"what": " ", "threshold": 2}}) == [
        ("change_note", "metadata.change.what"),
        ("change_note", "metadata.change.expect"),
    ]


def test_the_first_version_of_a_bundle_owes_no_note_but_finishes_the_one_it_has() -> None:
    assert concerns(body(), first=True) == []
    half = body(metadata={"change": {"what": "a first try"}})
    assert [concern.path for concern in concerns(half, first=True)] == [
        "metadata.change.expect",
        "metadata.change.threshold",
    ]


def test_an_author_does_not_review_their_own_work() -> None:
    assert told(metadata={"author": "Ada  Lovelace", "reviewer": "ada lovelace"}) == [("reviewer", "metadata.reviewer")]
    assert told(metadata={"author": "", "reviewer": ""}) == [], "that none is named is for promotion to say"


@pytest.mark.parametrize(
    "retrieval",
    [
        {"embedding_model": "e-3", "index_embedding_model": "e-2"},
        {"embedding_model": "e-3", "index": {"name": "orders", "embedding_model": "e-2"}},
        {"query": {"embedding_model": "e-3"}, "index": {"embedded_with": "e-2"}},
        {"embedding": {"model": "e-3"}, "index": {"embedding": {"model": "e-2"}}},
    ],
)
def test_an_index_embedded_by_another_model_than_it_is_asked_with_is_a_concern(retrieval: dict[str, Any]) -> None:
    (concern,) = concerns(body(metadata=COMPLETE, retrieval=retrieval))
    assert concern.check == "embedding"
    assert concern.message.startswith("The index was embedded with e-2 and is asked with e-3.")
    assert concern.severity == "error"


def test_an_index_that_does_not_say_what_it_was_embedded_with_is_left_alone() -> None:
    assert told(retrieval={"embedding_model": "e-3", "index": "orders-7"}) == []
    assert told(retrieval={"embedding_model": "e-3", "index": {"embedding_model": "e-3"}}) == []


def test_the_rules_of_a_bundle_refuse_with_their_places() -> None:
    rules = Rules(max_characters=40, sections=("Refunds", "Handing over"), forbidden=("guaranteed", "as an AI"))
    text = "# Refunds\nMoney back is Guaranteed.\n<handing over>\nto a colleague"
    found = refusals(body(text=text), rules)
    assert [(concern.message, concern.place and (concern.place.line, concern.place.column)) for concern in found] == [
        (f"{len(text)} characters; the rules of this bundle allow 40.", (3, 5)),
        ("“guaranteed” must not stand in a prompt of this bundle.", (2, 15)),
    ]
    (missing,) = refusals(body(text="No refunds here."), Rules(sections=("Refunds",)))
    assert missing.message == "The section Refunds is required and missing: write it as a heading or as <Refunds>."
    assert refusals(body(), Rules()) == []


def priced(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": "price",
            "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
            "output_schema": {"type": "number"},
            "deterministic": True,
            "examples": examples,
        }
    ]


def test_examples_that_contradict_their_own_tool_are_refused() -> None:
    wrong = priced([{"arguments": {"n": 1}, "output": 2}, {"arguments": {"n": "1"}, "output": "2"}])
    assert [(concern.path, concern.message) for concern in refusals(body(tools=wrong), Rules())] == [
        ("tools.0.examples.1.arguments", "price does not take this: n: '1' is not of type 'integer'"),
        ("tools.0.examples.1.output", "price does not give this: '2' is not of type 'number'"),
    ]


def test_a_deterministic_tool_without_examples_cannot_be_tested() -> None:
    assert told(tools=priced([])) == [("determinism", "tools.0.examples")]
