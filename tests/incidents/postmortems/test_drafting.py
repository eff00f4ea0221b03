"""The first draft, filled in from the record."""

from __future__ import annotations

import pytest

from accounts.models import SiteRole
from incidents.operations import contain, moves
from incidents.operations.postmortems import actions, closing, draft, edit, publish
from incidents.operations.postmortems.content import content_of
from tests.factories.accounts import person
from tests.factories.incidents import incident
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


def test_a_page_is_drafted_written_published_signed_and_closed() -> None:
    room, actor = incident(running("1.0.0", "1.1.0")), person(SiteRole.COMMANDER)
    rollback = contain.roll_back(room, actor=actor)
    moves.record("rollback", rollback.pk)
    page = draft.begin(room, actor=actor)
    for name in ("root_cause", "prevention", "impact"):
        row = page.sections.filter(name=name).first()
        edit.save_section(page, actor=actor, name=name, text="t", version=row.version if row else 0)
    for q in ("canary", "tests", "change"):
        edit.save_row(page, "escapes", q, actor=actor, version=1, values={"answer": "x"})
    edit.save_row(page, "variables", "prompt", actor=actor, version=1, values={"before": "x"})
    actions.add(page, actor=actor, text="a", kind="gate", owner=actor.user, due_on="2026-12-01")
    rev = publish.publish(page, actor=actor)
    assert publish.publish(page, actor=actor) == rev
    publish.sign(rev, actor=actor, role="commander")
    assert content_of(page)["schema"] == "lastgood.postmortem/1"
    assert closing.close(room, actor=actor).documented_at is not None
