"""Why it got through: what every rollback asks (R076), whether the page was begun before it or after."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from incidents.models import EscapeAnswer, Incident, Postmortem
from incidents.operations import timeline
from incidents.operations.postmortems.edit import PINGS

Question = EscapeAnswer.Question
#: Those a rollback cannot leave open, and whether a smaller wave would have caught it (R120).
ASKED = (*EscapeAnswer.OWED, Question.WAVE)


def ask(incident: Incident, *, at: datetime) -> None:
    """Put the questions on the page of a locked ``incident`` that has one; those that stand there stay as they are."""
    page = Postmortem.objects.filter(incident=incident).first()
    if page is None:
        return
    EscapeAnswer.objects.bulk_create(
        [EscapeAnswer(postmortem=page, question=question, updated_at=at) for question in ASKED], ignore_conflicts=True
    )
    timeline.notify(incident.ref, *PINGS)


def unanswered(content: Mapping[str, Any]) -> list[str]:
    """The questions of the page's rollbacks that nobody has answered, as orders. A verdict answers that of the change
    alone; the others take words."""
    if not content["rollbacks"]:
        return []
    said = {
        row["question"]
        for row in content["escapes"]
        if row["answer"].strip() or (row["verdict"] and row["question"] == Question.CHANGE)
    }
    return [f"Answer: {question.label}" for question in EscapeAnswer.OWED if question not in said]
