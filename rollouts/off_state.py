"""Whether an off-state is a path that customers can use without the agent (R089). Pure.

"Returns an error", an endless spinner and an apology are what is left when there is no such path. A finding never
keeps anybody from stopping: the switch is shown red and works all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: How long a page of the off-state may take when its switch has no latency budget.
ANSWER_SECONDS = 5.0

_ERROR = re.compile(
    r"\b(?:returns?|throws?|shows?|raises?|gives?|answers?)\s+(?:with\s+)?(?:an?\s+|the\s+)?(?:\w+\s+)?errors?\b"
    r"|\berror\s+(?:page|message|code|screen|banner)\b|^\W*errors?\W*$|\bhttp\s*[45]\d\d\b"
    r"|^\W*[45]\d\d\W*$|\b[45]\d\d\s+(?:error|page|response|answer)\b"
    r"|\bsomething went wrong\b|\bexception\b|\bbroken page\b|\bblank (?:page|screen)\b",
    re.IGNORECASE,
)
_SPINNER = re.compile(
    r"\bspinn(?:er|ing)\b|\bloading\b|\bplease wait\b|\bhourglass\b|\bnever answers\b|\bhangs?\b", re.IGNORECASE
)
_APOLOGY = re.compile(
    r"\bsorry\b|\bapolog\w+|\boops\b|\bunavailable\b|\bnot available\b|\bout of (?:order|service)\b"
    r"|\btry (?:it )?again (?:later|soon)\b|\bcome back (?:later|soon)\b|\binconvenience\b|\bcoming (?:back )?soon\b"
    r"|\bmaintenance\b",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"^\W*(?:nothing|none|no answer|off|disabled|n/?a|tbd|todo|-|—)?\W*$", re.IGNORECASE)
_PATH = re.compile(
    r"\b(?:human|humans|person|people|colleagues?|staff|clerks?|team|desk|supervisors?|reps?|representatives?"
    r"|operators?|hotline|phone|call(?:back)?s?|chat with|mail|e-?mail|inbox|tickets?"
    r"|forms?|queues?|waiting list|page|pages|site|website|search|list|menu|checklist|spreadsheet|worksheet"
    r"|rules?|rule-based|template|manual|manually|by hand|old \w+|previous \w+|before ai)\b|https?://\S+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Probe:
    """What the off-state's address said when it was asked: ``answered`` is its status, None without an answer."""

    answered: int | None
    took_ms: float | None
    problem: str = ""


def findings(text: str, *, probe: Probe | None = None, within_ms: float = ANSWER_SECONDS * 1000) -> tuple[str, ...]:
    """Why this off-state is no usable path, as orders; empty when it is one."""
    found = list(_of_text(text.strip()))
    if probe is not None and (said := _of_probe(probe, within_ms)):
        found.append(said)
    return tuple(found)


def _of_text(text: str) -> list[str]:
    if _NOTHING.fullmatch(text):
        return ["Say what customers get instead: a human, a form, a queue or a link."]
    found = []
    if _ERROR.search(text):
        found.append("An error is no off-state. Name the path that works without the agent.")
    if _SPINNER.search(text):
        found.append("Customers would wait for an answer that never comes. Name a path that ends.")
    if _APOLOGY.search(text):
        found.append("An apology helps nobody. Say what customers can do instead.")
    if not found and not _PATH.search(re.sub(r"\b(?:no|without(?: an?| any)?) \w+", " ", text)):
        found.append("Name where customers go: a human, a form, a queue or a link.")
    return found


def _of_probe(probe: Probe, within_ms: float) -> str:
    if probe.answered is None:
        return f"Its address did not answer. {probe.problem}".strip()
    if not 200 <= probe.answered < 300:
        return f"Its address answered {probe.answered}, not with a page."
    if probe.took_ms is not None and probe.took_ms > within_ms:
        return f"Its address took {probe.took_ms / 1000:.1f} s; it may take {within_ms / 1000:.1f} s."
    return ""
