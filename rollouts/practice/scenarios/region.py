"""One region: a carrier's gateway fails for Europe, right after a release that has nothing to do with it."""

from __future__ import annotations

from rollouts.practice.resolved import Bundle
from rollouts.practice.scenarios.base import Scenario, Where, body, spread, tool
from rollouts.practice.spans import Call, Trace

TOOL = "track_parcel"
PROMPT = """\
You tell customers of Halden Home where their parcel is.

# How you work
- Ask track_parcel before you say anything about a delivery. It asks the carrier of the customer's region.
- Say the day and the part of the day. {tone}
- When the carrier does not answer, say so; never guess.
"""
TRACK_PARCEL = tool(
    TOOL,
    "Where a parcel is, as the carrier of that region says.",
    {"parcel": {"type": "string", "pattern": "^P-[0-9]+$"}},
    ["parcel"],
)
#: Of every hundred parcels in the region whose gateway fails: how it fails. The rest get through.
FAILURES = {"carrier_timeout": 60, "carrier_bad_gateway": 25}
MESSAGES = {
    "carrier_timeout": "the carrier gateway did not answer within 5 s",
    "carrier_bad_gateway": "the carrier gateway answered 502",
    "parcel_unknown": "the carrier does not know this parcel",
}
REGION = "eu"


def touched(bundle: Bundle, where: Where) -> bool:
    """Who has to ask the gateway that fails."""
    return where.region == REGION and bundle.may_call(TOOL)


def serve(bundle: Bundle, number: int, where: Where, moved: bool) -> Trace:
    """One parcel asked for. What the carrier answers depends on the region, not on the bundle."""
    conversation = f"parcel-{number}"
    if not bundle.may_call(TOOL):
        return Trace(bundle, conversation, bundle.fallback, None, "handed_over")
    failure = spread(number, {"parcel_unknown": 1})
    if moved and touched(bundle, where):
        failure = spread(number, FAILURES, 41)
    call = Call(TOOL, {"parcel": f"P-{number}"}, {"found": not failure}, failure, MESSAGES.get(failure, ""))
    return Trace(
        bundle,
        conversation,
        "I cannot reach the carrier now." if failure else "It arrives tomorrow morning.",
        good=not failure,
        outcome="unknown" if failure else "told",
        error_type=failure,
        message=MESSAGES.get(failure, ""),
        calls=(call,),
    )


def version(label: str, tone: str, what: str, expect: str) -> dict[str, object]:
    return body(label, PROMPT.format(tone=tone), (what, expect), tools=[TRACK_PARCEL], code="parcel-desk@3be0917")


SCENARIO = Scenario(
    name="one-region",
    title="Only Europe",
    happens="parcel-desk 5.2.0 goes live and is well. Shortly after, the carrier's gateway for Europe stops answering: "
    "the six eu instances fail, on either version.",
    teaches="Ask what the bad runs share before rolling back: here it is the region, and rolling back does not help. "
    "Stop that region only; the rest keeps working.",
    contain="Stop region:eu. Its customers go to a human until the carrier has mended the gateway.",
    minutes=6,
    key="parcel-desk",
    metric="parcel_found_rate",
    measures="Parcels found",
    alert="ParcelsFoundLow",
    trouble="cannot reach the carrier in eu",
    serve=serve,
    versions={
        "5.1.0": version("5.1.0", "Be brief.", "Say the part of the day too.", "Fewer second questions"),
        "5.2.0": version("5.2.0", "Be brief and warm.", "A warmer tone.", "The same numbers"),
    },
    first=("5.1.0",),
    release="5.2.0",
    outside=True,
    touched=touched,
)
