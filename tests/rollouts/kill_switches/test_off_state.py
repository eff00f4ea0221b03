"""An off-state has to be a path that people can use."""

from __future__ import annotations

import pytest

from rollouts.off_state import Probe, findings


@pytest.mark.parametrize(
    "text",
    [
        "a human",
        "To a human",
        "the old form",
        "The queue of the billing desk",
        "https://help.example.com/refunds",
        "Search without ranking, as before AI",
        "The rule-based ranking",
        "Someone calls back within the hour: callback list",
        "A colleague at extension 500 to 510",
        "the form; agents correct errors by hand",
    ],
)
def test_a_path_without_the_agent_passes(text: str) -> None:
    assert findings(text) == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "Say what customers get"),
        ("  — ", "Say what customers get"),
        ("Nothing", "Say what customers get"),
        ("disabled", "Say what customers get"),
        ("returns an error", "error"),
        ("Error", "error"),
        ("HTTP 503", "error"),
        ("the API answers with a 500 error", "error"),
        ("an error page for the team", "error"),
        ("Something went wrong", "error"),
        ("an endless spinner", "never comes"),
        ("Loading…", "never comes"),
        ("Please wait", "never comes"),
        ("Sorry, the assistant is unavailable", "apology"),
        ("We apologise for the inconvenience. Contact our team", "apology"),
        ("Try again later", "apology"),
        ("the answer of a smaller model", "Name where"),
        ("no human, no form", "Name where"),
    ],
)
def test_an_error_a_spinner_an_apology_and_nothing_fail(text: str, word: str) -> None:
    assert any(word in finding for finding in findings(text))


def test_every_reason_is_said() -> None:
    assert len(findings("Sorry, loading… returns an error")) == 3


def test_an_address_has_to_answer_with_a_page_in_time() -> None:
    assert findings("a human", probe=Probe(204, 80), within_ms=100) == ()
    assert findings("a human", probe=Probe(200, 101), within_ms=100) == ("Its address took 0.1 s; it may take 0.1 s.",)
    assert findings("a human", probe=Probe(302, 10)) == ("Its address answered 302, not with a page.",)
    assert findings("a human", probe=Probe(503, 10)) == ("Its address answered 503, not with a page.",)
    assert findings("a human", probe=Probe(None, None, "No machine.")) == ("Its address did not answer. No machine.",)
