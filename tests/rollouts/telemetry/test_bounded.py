"""What strangers' text becomes before it is kept."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from rollouts.telemetry.bounded import COUNT_LIMIT, MASK, TOTAL_LIMIT, VALUE_LIMIT, bounded, clean, masked


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefghijklmnop",
        "ghp_abcdefghijklmnopqrstuvwxyz0123",
        "github_pat_11ABCDEFG0abcdefghijkl",
        "xoxb-123456789012-abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "lgt_abcdefghijklmnopqrstuvwxyz",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-def_ghi",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_masked_and_the_text_around_it_kept(secret: str) -> None:
    found = masked(f"the key is {secret} today")
    assert secret not in found
    assert found.startswith("the key is [masked]")
    assert found.endswith("today")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('{"password": "hunter22"}', "hunter22"),
        ("api_key=abcdef1234", "abcdef1234"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "abcdefghijklmnopqrst"),
        ("postgresql://lastgood:swordfish@db/x", "swordfish"),
        ('"{\\"api_key\\": \\"abcdef1234\\"}"', "abcdef1234"),
    ],
)
def test_a_secret_is_known_by_what_stands_before_it(text: str, secret: str) -> None:
    assert secret not in masked(text)
    assert MASK in masked(text)


@pytest.mark.parametrize("name", ["authorization", "http.request.header.x-api-key", "db.password", "Set-Cookie"])
def test_an_attribute_that_is_called_a_secret_is_one(name: str) -> None:
    assert bounded({name: "anything"}) == {name: MASK}


def test_counting_tokens_is_no_secret() -> None:
    kept = {"gen_ai.usage.reasoning_tokens": 12, "gen_ai.request.max_tokens": 100, "note": "the secret of good tea"}
    assert bounded(kept) == kept


def test_long_values_are_cut_and_say_so() -> None:
    found = bounded({"long": "x" * 20_000})["long"]
    assert found == "x" * VALUE_LIMIT + "… [cut: 20000 characters]"


def test_many_and_large_attributes_are_dropped_and_counted() -> None:
    many = bounded({f"a{number}": number for number in range(COUNT_LIMIT + 5)})
    assert len(many) == COUNT_LIMIT + 1
    assert many["lastgood.dropped_attributes"] == 5
    large = bounded({f"a{number}": "x" * 8_000 for number in range(20)})
    assert sum(len(str(value)) for value in large.values()) < TOTAL_LIMIT + VALUE_LIMIT
    assert large["lastgood.dropped_attributes"] == 15


def test_nul_and_half_characters_are_replaced() -> None:
    assert clean("a\x00b", 10) == "a\ufffdb"
    assert clean("a\ud800b", 10) == "a?b"
    assert clean("naïve 💥", 10) == "naïve 💥"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 2**70, {"a": [1, {"b\x00": "c\x00"}]}, [None, True]])
def test_what_is_kept_can_be_written_as_json(value: Any) -> None:
    text = json.dumps(bounded({"x": value}), allow_nan=False)
    assert "\\u0000" not in text


def test_masking_takes_no_time_worth_abusing() -> None:
    hostile = ["-----BEGIN " * 2_000, "eyJ" * 8_000, "password " * 3_000, "://" * 8_000, "a:" * 10_000, "sk-" * 8_000]
    began = time.process_time()
    for text in hostile:
        masked(text)
    assert time.process_time() - began < 1.0
