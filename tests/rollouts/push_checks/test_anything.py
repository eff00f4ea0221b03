"""Whatever can be stored can be checked: no body makes a check fail."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.body import findings
from rollouts.pinned import lacking
from rollouts.push_checks import Rules, concerns, refusals
from tests.factories.rollouts import body

NAMES = st.sampled_from(
    ["order_id", "orderId", "amount", "name", "arguments", "get_order", "model", "index", "version"]
)
WORDS = st.sampled_from(
    ["get_order", "(", ")", "{", "}", '"', "`", "order_id", "orderId", "=", ":", ",", " with ", "\n", "```", "…"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=30).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(
    ["properties", "required", "additionalProperties", "allOf", "anyOf", "$ref", "type", "items", "$defs", "pattern"]
)
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        "$schema": st.sampled_from(
            ["http://json-schema.org/draft-03/schema#", "http://json-schema.org/draft-07/schema#", "urn:unknown"]
        )
    },
).flatmap(lambda head: st.dictionaries(KEYWORDS, VALUES, max_size=4).map(lambda rest: {**rest, **head}))


@settings(max_examples=300, deadline=None)
@given(
    text=TEXTS,
    rows=st.lists(VALUES.filter(lambda row: isinstance(row, dict | list | str)), max_size=3),
    schema=SCHEMAS,
    output=SCHEMAS,
    value=VALUES,
    retrieval=st.dictionaries(NAMES, VALUES, max_size=4),
    harness=st.dictionaries(NAMES, VALUES, max_size=3),
)
def test_no_body_that_can_be_stored_makes_a_check_fail(
    text: str, rows: list[Any], schema: Any, output: Any, value: Any, retrieval: Any, harness: Any
) -> None:
    tool = {
        "name": "get_order", "input_schema": schema, "output_schema": output, "deterministic": True,
        "examples": [{"arguments": {"order_id": value}, "output": value}],
    }  # fmt: skip
    made = body(tools=[tool]) | {"retrieval": retrieval, "harness": harness}
    made["prompt"] = {"text": text, "few_shots": rows}
    if findings(made):
        made["tools"] = []
    if findings(made):
        return
    rules = Rules(5, ("Refunds (all)",), ("order_id",))
    for concern in (*concerns(made), *refusals(made, rules)):
        assert concern.message
        assert concern.place is None or text.split("\n")[concern.place.line - 1] is not None
    assert all(lack.message for lack in lacking(made))
