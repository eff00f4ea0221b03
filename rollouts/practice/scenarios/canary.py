"""The overcautious concierge: a new version in a pool of four, standing in for a canary until there are canaries.

The pool resolves a variant of its own, ``concierge.canary``, so that only the conversations it serves get the version.
"""

from __future__ import annotations

from rollouts.practice.resolved import Bundle
from rollouts.practice.scenarios.base import Scenario, Where, body, spread, tool
from rollouts.practice.spans import Call, Trace

TOOL = "look_up_house"
PROMPT = """\
You are the concierge of the Maren hotels. Guests write to you before and during their stay.

# How you work
- Look things up with look_up_house before you answer. Say when you do not know.
- Answer in the guest's language, in at most three sentences.
- Book nothing and promise nothing that costs money; the front desk does that.
{caution}"""
CAUTION = """\
- Decline anything that touches health, allergies or medicine.
- Decline anything about children.
"""
LOOK_UP_HOUSE = tool(
    TOOL,
    "What the house offers: rooms, kitchen, opening hours, rules.",
    {"topic": {"type": "string", "enum": ["rooms", "kitchen", "hours", "rules"]}},
    ["topic"],
)
#: Of every hundred guests: so many ask about an allergy, so many about a child.
KINDS = {"allergy": 14, "child": 8}
#: What a prompt that declines them says, and what the guest is told.
WORDS = {"allergy": ("health, allergies", "an allergy"), "child": ("about children", "a child")}


def serve(bundle: Bundle, number: int, where: Where, moved: bool) -> Trace:
    """One guest's question; the model declines what its prompt tells it to decline."""
    kind, conversation = spread(number, KINDS), f"guest-{number}"
    if not bundle.enabled:
        return Trace(bundle, conversation, bundle.fallback, None, "handed_over")
    told_to, about = WORDS.get(kind, ("", ""))
    declined = bool(told_to) and told_to in bundle.text
    calls = (Call(TOOL, {"topic": "kitchen" if kind == "allergy" else "rooms"}, {"found": True}),)
    return Trace(
        bundle,
        conversation,
        f"I cannot help with questions about {about}." if declined else "Here is what I found.",
        good=not declined,
        outcome="declined" if declined else "answered",
        facts={"guest.topic": kind or "stay", "lastgood.pool": "canary" if where.place < POOL else "main"},
        error_type="declined" if declined else "",
        message=f"declined: a question about {about}" if declined else "",
        calls=calls if bundle.may_call(TOOL) and not declined else (),
        finish="refusal" if declined else "stop",
    )


def version(label: str, caution: str, what: str, expect: str) -> dict[str, object]:
    return body(label, PROMPT.format(caution=caution), (what, expect), tools=[LOOK_UP_HOUSE], code="concierge@90b1e77")


#: How many of the twenty instances are in the pool.
POOL = 4
SCENARIO = Scenario(
    name="canary",
    title="The overcautious canary",
    happens="concierge 3.2.0 goes to a pool of four instances and begins to decline harmless questions: one guest in "
    "five there gets no answer, everybody else is well. The pool is a variant of its own, concierge.canary: a stand-in "
    "until canaries exist.",
    teaches="See that only the share that got the new version suffers, and take it back there alone.",
    contain="Roll back concierge.canary to 3.1.4.",
    minutes=5,
    key="concierge.canary",
    metric="answered_rate",
    measures="Answered rate",
    alert="AnsweredLow",
    trouble="declines harmless questions in its canary pool",
    serve=serve,
    versions={
        "3.1.4": version("3.1.4", "", "Three sentences at most.", "Shorter answers"),
        "3.2.0": version("3.2.0", CAUTION, "Decline what might be delicate.", "No advice that needs a doctor"),
    },
    first=("3.1.4",),
    release="3.2.0",
    pool=POOL,
    others="concierge",
)
