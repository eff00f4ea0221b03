"""The provider's update: the model behind an alias changes, and nothing of ours was deployed."""

from __future__ import annotations

from rollouts.practice.resolved import Bundle
from rollouts.practice.scenarios.base import Scenario, Where, body, outcome_case, spread, tool
from rollouts.practice.spans import Call, Trace

TOOL = "file_mail"
PROMPT = """\
You sort the mail of an insurance office.

# How you work
- Answer with one JSON object and nothing else: {{"folder": …, "urgent": true or false}}.
- folder is one of claims, contracts, invoices, other.
- {order}
"""
FILE_MAIL = tool(
    TOOL,
    "Put one mail into a folder.",
    {
        "folder": {"type": "string", "enum": ["claims", "contracts", "invoices", "other"]},
        "urgent": {"type": "boolean"},
    },
    ["folder", "urgent"],
)
SNAPSHOT = "gpt-4.1-mini-2025-04-14"
NEWER = "gpt-4.1-mini-2026-11-05"
#: What our runtime asks the gateway for; the gateway decides what that is today.
ALIAS = "gateway/gpt-4.1-mini"
#: The newer snapshot puts its JSON into a fence, or asks back, in so many of a hundred answers.
SHIFTS = {"json_fenced": 24, "asked_back": 9}
MESSAGES = {
    "json_fenced": "the answer is not JSON: it begins with ```json",
    "asked_back": "the answer is not JSON: it is a question",
    "unreadable_mail": "the mail has no text",
}


def served_by(bundle: Bundle, moved: bool) -> str:
    """Which snapshot answers: a route that names one is served by it, the alias by what the provider chose."""
    if bundle.route != ALIAS:
        return bundle.model
    return NEWER if moved else SNAPSHOT


def touched(bundle: Bundle, where: Where) -> bool:
    """Who asks by the alias."""
    return bundle.may_call(TOOL) and bundle.route == ALIAS


def serve(bundle: Bundle, number: int, where: Where, moved: bool) -> Trace:
    """One mail. What comes back depends on the snapshot that answered."""
    conversation = f"mail-{number}"
    if not bundle.may_call(TOOL):
        return Trace(bundle, conversation, bundle.fallback, None, "handed_over")
    served = served_by(bundle, moved)
    failure = spread(number, {"unreadable_mail": 1} | (SHIFTS if served == NEWER else {}))
    sorted_into = {"folder": ["claims", "contracts", "invoices", "other"][number % 4], "urgent": number % 9 == 0}
    return Trace(
        bundle,
        conversation,
        f"```json {sorted_into}```" if failure == "json_fenced" else str(sorted_into),
        good=not failure,
        outcome="unsorted" if failure else "sorted",
        error_type=failure,
        message=MESSAGES.get(failure, ""),
        calls=() if failure else (Call(TOOL, sorted_into, {"filed": True}),),
        asked=bundle.route,
        served=served,
        verbosity=1.3 if served == NEWER else 1.0,
    )


def version(label: str, order: str, route: str, what: str, expect: str) -> dict[str, object]:
    return body(
        label, PROMPT.format(order=order), (what, expect), tools=[FILE_MAIL], code="mail-sorter@c51d2aa",
        snapshot=SNAPSHOT, route=route,
    )  # fmt: skip


SCENARIO = Scenario(
    name="provider-update",
    title="The provider's update",
    happens="Nothing is deployed. The provider moves an alias that mail-sorter's runtime asks for to a newer snapshot: "
    "answers get longer, JSON comes in a fence, and a third of the mail is not sorted.",
    teaches="“What changed?” also lists what we did not change. Rolling back goes from one version that asks for the "
    "alias to another; only naming the snapshot helps.",
    contain="Stop the agent, push the fix (4.0.2 asks for the snapshot by its date), promote it, release.",
    minutes=8,
    key="mail-sorter",
    metric="sorted_rate",
    measures="Mail sorted",
    alert="MailSortedLow",
    trouble="leaves mail unsorted",
    serve=serve,
    versions={
        "4.0.0": version("4.0.0", "When in doubt, choose other.", ALIAS, "The first that sorts by itself.", "Sorted"),
        "4.0.1": version("4.0.1", "Urgent is what has a deadline.", ALIAS, "Say what urgent is.", "Fewer alarms"),
        "4.0.2": version(
            "4.0.2", "Urgent is what has a deadline.", f"gateway/{SNAPSHOT}",
            "Ask the gateway for the snapshot by its date, not for the alias.", "Mail sorted back above 95 %",
        ),
    },
    first=("4.0.0", "4.0.1"),
    outside=True,
    touched=touched,
    fixes=("4.0.2",),
    cases=(
        outcome_case("no-fence", "The answer is JSON without a fence", {"mail": "json_fenced"}, "sorted", "4.0.1"),
        outcome_case("no-question", "The answer is not a question", {"mail": "asked_back"}, "sorted", "4.0.1"),
    ),
)  # fmt: skip
