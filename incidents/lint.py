"""What a reader would stumble over in a postmortem. Pure: content in, findings out; nothing in it makes it fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from accounts.words import duration
from incidents.blame import blame
from incidents.contents import (
    NOBODY,
    Content,
    classes,
    is_unowned,
    listed_in,
    of,
    rows_of,
    section_of,
    standing,
    text_of,
    without_code,
)

#: Diagnosis classes where what the agent inferred was wrong: wording and guards alone do not change that.
INFERENTIAL = frozenset(
    {"spec_gap", "missing_capability", "scope_creep", "oversight_failure", "compounding_error", "model_level"}
    | {"perceptual"}
)
DETERMINISTIC = frozenset({"wording", "guard"})
OWNERS = {"made_by": "made it", "reviewed_by": "reviewed it", "next_owner": "owns it next"}
#: A name for the failure instead of a cause, such as "prompt regression" or "the model drifted".
ONLY_A_NAME = re.compile(
    r"\b(?:prompt|model|agent|llm|bundle|version|behaviou?r|quality|tool|schema)s?\W{1,3}(?:\w+\W{1,3}){0,5}"
    r"(?:regression|regressed|regress|drift|drifted|degradation|degraded|bug|issue|problem)\b"
    r"|\b(?:regression|bug|issue|problem)\W{1,3}(?:in|of|with)\W{1,3}(?:the\W{1,3}|a\W{1,3}|our\W{1,3})?"
    r"(?:\w+\W{1,3})?(?:prompt|model|agent|llm|bundle|version)\b|\bbad\W{1,3}(?:prompt|model|version|bundle)\b",
    re.IGNORECASE,
)
UNOWNED = re.compile(
    r"\b(?:nobody|no ?one|unowned|unreviewed|(?:no|without an?|without) (?:own|review)\w*)\b", re.IGNORECASE
)
#: A root cause of so few words that names the failure says nothing beside the name.
ALONE = 25
LINKED = re.compile(r"!?\[[^\]\n]{0,300}\]\([^)\n]{0,1000}\)|<?https?://[^\s>]{1,1000}>?")
NUMBER = re.compile(r"(?<![\w.])\d[\d   .,]{0,20}(?:\s?%|\s?[A-Za-z]{1,20})?")
MOST_NUMBERS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: which ``rule``, ``where`` on the page (``sections.impact``, ``actions.2``), what it is, as an order,
    what could stand there instead, and whether the page can be closed with it."""

    rule: str
    where: str
    sentence: str
    suggestion: str = ""
    blocks: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def findings(content: Content) -> list[Finding]:
    """Everything found: what blocks first, else in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(content)]
    return sorted(found, key=lambda finding: not finding.blocks)


# -- actions ----------------------------------------------------------------------------------------------------------
def deterministic_only(content: Content) -> Iterator[Finding]:
    """R156: every action a reword or a guard, while what went wrong was an inference."""
    inferential = sorted(classes(content) & INFERENTIAL)
    kinds = [action.get("kind") for _, action in standing(content)]
    if inferential and kinds and DETERMINISTIC.issuperset(kinds):
        yield Finding(
            "deterministic-only",
            "actions",
            f"Every action is a wording or a guard, but the class is {' and '.join(inferential).replace('_', ' ')}:"
            " the plan was wrong, and will be wrong elsewhere.",
            "Add an eval case, a rate target, a narrower scope, an owner or a gate.",
        )


def ownerless(content: Content) -> Iterator[Finding]:
    """R159: an action that nobody does or did, or that is still to be done and due on no day."""
    for number, action in standing(content):
        if not action.get("owner"):
            yield Finding("action-owner", f"actions.{number}", f"Name an owner for action {number}.", blocks=True)
        if not action.get("due_on") and not action.get("done_at"):
            yield Finding("action-due", f"actions.{number}", f"Set a due day for action {number}.", blocks=True)


def unverified(content: Content) -> Iterator[Finding]:
    """An action of which nobody could tell whether it worked."""
    for number, action in standing(content):
        if not text_of(action, "verification"):
            sentence = f"Say how you will know that action {number} worked."
            yield Finding("action-verification", f"actions.{number}", sentence)


# -- causes and owners ------------------------------------------------------------------------------------------------
def only_a_name(content: Content) -> Iterator[Finding]:
    """R162: a root cause that only names the failure, while nobody owned or reviewed the change."""
    text = without_code(section_of(content, "root_cause"))
    lacking = [word for name, word in OWNERS.items() if is_unowned(content, name)]
    words = re.findall(r"\w+", text)
    if lacking and len(words) <= ALONE and ONLY_A_NAME.search(text):
        yield Finding(
            "only-a-name",
            "sections.root_cause",
            f"The root cause names the failure, not why it could happen: nobody is known who {' or '.join(lacking)}.",
            "Write instead: “The change went out although nobody reviewed it, and nobody owns the prompt”, and add "
            "change governance as a factor. Or say who made it, reviewed it and owns it next.",
            blocks=True,
        )


def nobody(content: Content) -> Iterator[Finding]:
    """R161: "nobody" is an answer, and a cause that has to be named; a blank is neither."""
    governed = any(
        row.get("layer") == "governance" or UNOWNED.search(text_of(row, "text")) for row in rows_of(content, "factors")
    ) or any(UNOWNED.search(text_of(row, "note")) for row in rows_of(content, "causes"))
    for name, word in OWNERS.items():
        said = text_of(of(content, "ownership"), name)
        if not said:
            yield Finding("owner-blank", "ownership", f"Say who {word}; nobody is an answer.")
        elif said.lower() == NOBODY and not governed:
            yield Finding(
                "owner-nobody",
                "ownership",
                f"Nobody {word}: that is a contributing factor.",
                f"Add the factor “Nobody {word}”, layer change governance.",
                blocks=True,
            )


def unclassed(content: Content) -> Iterator[Finding]:
    """R156, R157: neither triage nor a factor says what kind of failure it was, so nothing can be compared."""
    if not classes(content):
        yield Finding(
            "class-unknown",
            "factors",
            "Name the class: what kind of failure this was.",
            "Choose it in triage, or on a factor. Without one nobody can tell whether it comes back.",
        )


def recurrence(content: Content) -> Iterator[Finding]:
    """R157: written up the same way before."""
    refs = [str(row.get("ref")) for row in rows_of(content, "similar") if row.get("ref")]
    if refs:
        yield Finding(
            "recurrence",
            "similar",
            f"It was written up before, for {', '.join(refs[:5])}: say why what was done then did not hold.",
            "Compare their actions with these; the same action again will not do more.",
        )


# -- what the agent inferred, and how it was looked into --------------------------------------------------------------
def without_inference(content: Content) -> Iterator[Finding]:
    """R154: an inferential class without what the agent saw, inferred and should have inferred; then the first fork."""
    if not classes(content) & INFERENTIAL:
        return
    rows = rows_of(content, "inferences")
    if not rows:
        yield Finding("inference-missing", "inferences", "Add what the agent saw, inferred, and should have inferred.")
    asked = {
        "saw": "what it saw",
        "inferred": "what it inferred",
        "should_have_inferred": "what would have been better",
    }
    for number, row in enumerate(rows, 1):
        lacking = [word for name, word in asked.items() if not text_of(row, name)]
        if lacking:
            sentence = f"Say {', '.join(lacking)} in inference {number}."
            yield Finding("inference-incomplete", f"inferences.{number}", sentence)
        elif not row.get("spec"):
            sentence = f"Say of inference {number} whether the spec was complete: a gap in it, or in following it."
            yield Finding("inference-spec", f"inferences.{number}", sentence)


def testimony(content: Content) -> Iterator[Finding]:
    """What a model says of itself is no evidence of why it did something."""
    for number, row in enumerate(rows_of(content, "inferences"), 1):
        if text_of(row, "claimed_reasoning") and not text_of(row, "evidenced_reasoning"):
            yield Finding(
                "testimony-only",
                f"inferences.{number}",
                f"Inference {number} rests on what the model says of itself.",
                "Say what its actions show: the calls it made, in which order, with what.",
            )


def unexamined(content: Content) -> Iterator[Finding]:
    """R158: no layer looked at."""
    rows = rows_of(content, "layers")
    if rows and all(row.get("finding") == "unknown" for row in rows):
        yield Finding("layers-unknown", "layers", "Examine the layers: mark each implicated or cleared, with evidence.")


def unasked(content: Content) -> Iterator[Finding]:
    """R120: whether a smaller wave or a longer bake would have caught it. Three others stop the closing (R076)."""
    for row in rows_of(content, "escapes"):
        if row.get("question") not in {"canary", "tests", "change"} and not text_of(row, "answer"):
            yield Finding("escape-open", f"escapes.{row.get('question')}", f"Answer: {row.get('label')}")


# -- evidence ---------------------------------------------------------------------------------------------------------
def unfounded(content: Content) -> Iterator[Finding]:
    """A claim that nothing stands behind."""
    for number, row in enumerate(rows_of(content, "factors"), 1):
        if row.get("confidence") == "known" and not text_of(row, "evidence"):
            yield Finding(
                "claim-evidence",
                f"factors.{number}",
                f"Factor {number} is called known without evidence.",
                "Link a run, a diff or an entry, or call it likely or possible.",
            )
    for row in rows_of(content, "layers"):
        if row.get("finding") == "implicated" and not text_of(row, "evidence"):
            sentence = f"{row.get('label') or row.get('layer')} is implicated without evidence."
            yield Finding("claim-evidence", f"layers.{row.get('layer')}", sentence, "Link what implicates it.")
    for row in rows_of(content, "variables"):
        if row.get("moved") == "moved" and not text_of(row, "evidence"):
            sentence = f"{row.get('label') or row.get('variable')} is said to have moved without evidence."
            yield Finding("claim-evidence", f"variables.{row.get('variable')}", sentence, "Link the diff.")


def unsourced(content: Content) -> Iterator[Finding]:
    """Numbers in the impact that open nothing."""
    found = 0
    for line in without_code(section_of(content, "impact")).splitlines():
        number = NUMBER.search(line)
        if number is None or LINKED.search(line):
            continue
        found += 1
        if found > MOST_NUMBERS:
            break
        yield Finding(
            "number-source",
            "sections.impact",
            f"“{number[0].strip()}” has no source.",
            "Link the run, chart or query it comes from.",
        )


def containment(content: Content) -> Iterator[Finding]:
    """R084, R086: containment that was never measured, or that came after the damage was done."""
    damage = of(content, "damage")
    latency, blast = damage.get("latency_seconds"), damage.get("blast_seconds")
    if damage.get("decided_at") and latency is None:
        yield Finding(
            "containment-unmeasured",
            "damage",
            "Nothing measured how long it took from the decision to the last effect.",
        )
    if isinstance(latency, int | float) and isinstance(blast, int | float) and latency > blast:
        yield Finding(
            "containment-theater",
            "damage",
            f"Containing took {duration(latency)}, the damage {duration(blast)}: containment theater.",
            "Add an action that makes stopping faster, or the damage slower.",
        )


# -- words ------------------------------------------------------------------------------------------------------------
def unchecked(content: Content) -> Iterator[Finding]:
    """Filled in from the record, and nobody has read it."""
    for name, section in of(content, "sections").items():
        if isinstance(section, Mapping) and section.get("draft") and text_of(section, "text"):
            title = str(section.get("title") or name)
            yield Finding("draft-unchecked", f"sections.{name}", f"Check “{title}”: it was filled in from the record.")


def blaming(content: Content) -> Iterator[Finding]:
    """Words that find a person instead of a cause."""
    people = [name for name in listed_in(content, "people") if isinstance(name, str)]
    for where, text in prose(content):
        for said, suggestion in blame(without_code(text), people):
            yield Finding("blame", where, f"“{said}” finds a culprit, not a cause.", suggestion)


def prose(content: Content) -> Iterator[tuple[str, str]]:
    """(where, text) of everything people write in sentences."""
    for name in of(content, "sections"):
        yield f"sections.{name}", section_of(content, name)
    for kind, names in PROSE.items():
        for number, row in enumerate(rows_of(content, kind), 1):
            for name in names:
                yield f"{kind}.{row.get(KEYS.get(kind, ''), number)}", text_of(row, name)


PROSE = {
    "inferences": ("inferred", "should_have_inferred", "alternatives", "cue", "evidenced_reasoning"),
    "layers": ("evidence",),
    "factors": ("text",),
    "escapes": ("answer",),
    "actions": ("text", "verification"),
}
KEYS = {"layers": "layer", "escapes": "question"}


RULES: tuple[Callable[[Content], Iterable[Finding]], ...] = (
    only_a_name,
    ownerless,
    deterministic_only,
    nobody,
    unclassed,
    without_inference,
    testimony,
    unfounded,
    unsourced,
    containment,
    unexamined,
    unasked,
    recurrence,
    unverified,
    unchecked,
    blaming,
)
