"""The postmortem's editor: whole without script, piece by piece with it, and nothing is ever overwritten unseen."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import SiteRole
from incidents.models import ActionItem, Incident, Postmortem
from incidents.operations import contain, moves
from incidents.operations.postmortems import actions, draft, edit
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.incidents import incident, resolved, someone
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db


def begun(room: Incident | None = None) -> tuple[str, Postmortem]:
    """The address of a begun postmortem, and the postmortem."""
    room = room or incident(running("1.0.0", "2.0.0"))
    return f"/i/{room.ref}/postmortem/", draft.begin(room, actor=person())


def rolled_back() -> Incident:
    room = incident(running("1.0.0", "1.1.0"), severity="SEV1")
    moves.record("rollback", contain.roll_back(room, actor=person()).pk)
    return room


def saved(browser: Browser, path: str, **fields: Any) -> Any:
    """What the page's script gets for one piece."""
    return browser.press_in("", path, **fields)


# -- the page ------------------------------------------------------------------------------------------------------
def test_it_is_started_by_one_press_and_drafted_from_the_record() -> None:
    room, browser = rolled_back(), Browser()
    path = f"/i/{room.ref}/postmortem/"
    assert "Start the postmortem" in text(browser.get(path))
    assert browser.press(f"{path}begin/")["Location"] == path
    page = text(browser.get(path))
    assert "draft, check" in page
    assert page.count("<textarea") > 20
    for word in ("Prompt revision", "Permissions", "Why did the canary miss it?"):
        assert word in page
    assert page.count("<h1") == 1


def test_the_page_asks_no_more_than_fifteen_questions(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    path, page = begun(rolled_back())
    jo = someone("Jo")
    for number in range(10):
        actions.add(page, actor=person(), text=f"Do {number}", kind="gate", owner=jo)
        edit.add_row(page, "factors", actor=person(), values={"text": f"Factor {number}"})
        edit.add_row(page, "inferences", actor=person(), values={"saw": f"Saw {number}"})
    browser = Browser()
    browser.get("/live")
    with django_assert_max_num_queries(15):
        answer = browser.get(path)
    assert answer.status_code == 200
    assert len(answer.content) < 300_000


def test_what_is_missing_and_the_record_come_alone_or_by_a_link() -> None:
    room = rolled_back()
    path, _ = begun(room)
    browser = Browser()
    later = text(browser.get(path))
    assert f'href="{path}?record=1"' in later
    assert "Ready" not in later
    whole = text(browser.get(path, record=1))
    assert "Ready 1/9" in whole
    assert f'href="/i/{room.ref}/resolve/"' in whole
    assert 'href="#escapes-canary"' in whole
    record = text(browser.region(path, "section#pm-record"))
    assert record.startswith('<section id="pm-record"')
    assert "1.1.0" in record
    assert "Show the diff" in record


def test_whoever_may_not_write_reads_the_draft_and_finds_no_form() -> None:
    path, page = begun()
    edit.save_section(page, actor=person(), name="lessons", text="Luck **helped**.", version=0)
    answer = Browser(SiteRole.VIEWER).get(path)
    assert "Luck <strong>helped</strong>." in text(answer)
    assert 'id="editor"' not in text(answer)
    assert Browser(SiteRole.VIEWER).press(f"{path}sections/impact/", text="x", version=0).status_code == 403


def test_a_closed_one_is_read_only_until_it_is_reopened() -> None:
    room = resolved(incident(running("1.0.0", "2.0.0"), severity="SEV3"))
    path, page = begun(room)
    browser = Browser(SiteRole.COMMANDER)
    for name in ("root_cause", "impact", "resolution", "prevention"):
        row = page.sections.filter(name=name).first()
        version = row.version if row else 0
        assert browser.press(f"{path}sections/{name}/", text=f"About {name}", version=version).status_code == 302
    assert browser.press(f"{path}publish/")["Location"] == f"{path}#sign"
    early = browser.press(f"{path}close/")
    assert early.status_code == 409
    assert "signed" in text(early)
    assert browser.press(f"{path}revisions/1/sign/", role="commander").status_code == 302
    assert browser.press(f"{path}close/").status_code == 302
    closed = text(browser.get(path))
    assert 'id="editor"' not in closed
    assert "Approved and closed" in closed
    assert "About impact" in closed
    late = browser.press(f"{path}sections/impact/", text="Later", version=2)
    assert late.status_code == 409
    assert "Reopen it to change it" in text(late)
    assert browser.press(f"/i/{room.ref}/reopen/", reason="It came back.").status_code == 302
    assert 'id="editor"' in text(browser.get(path))


# -- texts ---------------------------------------------------------------------------------------------------------
def test_a_text_is_saved_by_a_plain_form_and_by_script() -> None:
    path, page = begun()
    browser = Browser(user=someone("Jo"))
    answer = browser.press(f"{path}sections/impact/", text="418 refunds.", version=0)
    assert (answer.status_code, answer["Location"]) == (302, f"{path}#s-impact")
    answer = saved(browser, f"{path}sections/impact/", text="419 refunds.", version=1)
    assert answer.json() == {"version": 2}
    assert page.texts()["impact"] == "419 refunds."
    assert "by Jo" in text(browser.get(path))


def test_two_writers_get_both_texts_and_lose_nothing() -> None:
    path, page = begun()
    jo, mara = Browser(user=someone("Jo")), Browser(user=someone("Mara"))
    saved(jo, f"{path}sections/impact/", text="One line.\nJo was here.", version=0)
    answer = saved(mara, f"{path}sections/impact/", text="One line.\nMara was here.", version=0)
    assert answer.status_code == 409
    assert answer["X-Conflict"] == "1"
    piece = text(answer)
    assert "Jo saved this" in piece
    assert "<ins>Mara </ins>" in piece
    assert "<del>Jo </del>" in piece
    assert page.texts()["impact"] == "One line.\nJo was here."

    plain = mara.press(f"{path}sections/impact/", text="One line.\nMara was here.", version=0)
    assert plain.status_code == 409
    both = text(plain)
    assert "<html" in both
    assert 'name="version" value="1"' in both
    assert both.count("Mara was here.") >= 2
    assert "Jo was here." in both
    assert "Keep mine" in both

    merged = mara.press(f"{path}sections/impact/", text="One line.\nMara was here.", version=0, choice="merge")
    assert "One line.\nJo was here.\nMara was here.</textarea>" in text(merged)
    kept = mara.press(f"{path}sections/impact/", text="One line.\nMara was here.", version=1)
    assert kept.status_code == 302
    assert page.texts()["impact"] == "One line.\nMara was here."


def test_the_same_text_twice_is_no_conflict() -> None:
    path, _ = begun()
    saved(Browser(), f"{path}sections/impact/", text="Same.", version=0)
    assert saved(Browser(), f"{path}sections/impact/", text="Same.\r\n".strip(), version=0).json() == {"version": 1}


def test_a_draft_stands_when_a_person_says_so() -> None:
    path, page = begun()
    row = page.sections.get(name="summary")
    assert row.is_draft
    answer = saved(Browser(), f"{path}sections/summary/", text=row.text, version=row.version, choice="check")
    assert answer.json() == {"version": row.version + 1}
    row.refresh_from_db()
    assert not row.is_draft


def test_one_piece_can_be_fetched_alone() -> None:
    path, page = begun()
    action = actions.add(page, actor=person(), text="Gate it", kind="gate")
    for url, start in (
        (f"{path}sections/impact/", '<section id="s-impact"'),
        (f"{path}ownership/", '<li id="ownership-row"'),
        (f"{path}rows/variables/prompt/", '<li id="variables-prompt"'),
        (f"{path}rows/actions/{action.pk}/", f'<li id="actions-{action.pk}"'),
    ):
        assert text(Browser().region(url, "")).lstrip().startswith(start)
    for wrong in ("sections/poem/", "rows/moods/1/", "rows/variables/moon/", "rows/factors/999/", "rows/actions/x/"):
        assert Browser().get(f"{path}{wrong}").status_code == 404


def test_the_preview_is_drawn_and_kept_nowhere() -> None:
    path, page = begun()
    before = page.texts()
    assert text(Browser().press(f"{path}preview/", text="*so*")) == "<p><em>so</em></p>"
    assert page.texts() == before


# -- rows ----------------------------------------------------------------------------------------------------------
def test_rows_are_added_saved_and_removed_without_script() -> None:
    path, page = begun()
    browser = Browser()
    assert browser.press(f"{path}rows/inferences/").status_code == 302
    row = page.inferences.latest("pk")
    url = f"{path}rows/inferences/{row.pk}/"
    fields = {"saw": "A refund policy", "inferred": "Refund all", "failures": "3", "replays": "5", "trace_id": "a" * 32}
    assert browser.press(url, version=1, **fields, day="2026-11-20")["Location"] == f"{path}#inferences-{row.pk}"
    row.refresh_from_db()
    assert (row.inferred, row.failures, row.replays) == ("Refund all", 3, 5)
    page_now = text(browser.get(path))
    assert f"/runs/2026-11-20/{'a' * 32}/" in page_now
    assert '<span class="chip warn">testimony</span>' in page_now
    assert browser.press(f"{url}remove/", version=2).status_code == 302
    assert "Refund all" not in text(browser.get(path))
    assert browser.press(url, version=3, **fields).status_code == 404


def test_wrong_input_is_said_and_kept() -> None:
    path, page = begun()
    row = edit.add_row(page, "inferences", actor=person(), values={})
    url = f"{path}rows/inferences/{row.pk}/"
    answer = Browser().press(url, version=1, saw="kept", failures="7", replays="3")
    assert answer.status_code == 422
    assert "at least as often as it failed" in text(answer)
    assert "kept</textarea>" in text(answer)
    by_script = saved(Browser(), url, version=1, saw="kept", trace_id="zz")
    assert by_script.status_code == 422
    assert "32%20hexadecimal" in by_script["X-Sentence"]


def test_a_row_that_somebody_else_saved_shows_both_in_words() -> None:
    path, _ = begun()
    url = f"{path}rows/variables/prompt/"
    saved(Browser(user=someone("Jo")), url, version=1, moved="not_moved", before="1.0.0")
    answer = Browser().press(url, version=1, moved="moved", before="1.0.1")
    assert answer.status_code == 409
    page = text(answer)
    assert "Jo saved this" in page
    assert ">Not moved</dd>" in page
    assert ">Moved</dd>" in page
    assert ">1.0.1</textarea>" in page.replace("\n", "")


def test_nobody_is_an_answer_by_one_press() -> None:
    path, page = begun()
    page.refresh_from_db()
    answer = Browser().press(f"{path}ownership/", version=page.version, nobody="next_owner", made_by="Mara")
    assert answer.status_code == 302
    page.refresh_from_db()
    assert (page.made_by, page.next_owner) == ("Mara", "nobody")


def test_another_question_can_be_asked() -> None:
    path, page = begun()
    assert Browser().press(f"{path}rows/escapes/", question="people").status_code == 302
    assert page.escapes.filter(question="people").exists()
    assert Browser().press(f"{path}rows/variables/").status_code == 409


def test_the_verdict_stands_with_the_question_of_the_change() -> None:
    path, page = begun(rolled_back())
    answer = Browser().press(f"{path}rows/escapes/change/", version=1, verdict="lacked_exception", answer="No way out.")
    assert answer.status_code == 302
    assert page.escapes.get(question="change").verdict == "lacked_exception"
    assert "Right, but lacked an exception path" in text(Browser().get(path))


def test_actions_are_added_owned_finished_and_dropped() -> None:
    path, page = begun()
    jo, browser = someone("Jo"), Browser()
    browser.press(f"{path}rows/actions/", text="Gate the schema", kind="gate")
    browser.press(f"{path}rows/actions/", text="Say it better", kind="wording")
    first, second = ActionItem.objects.filter(postmortem=page)
    url = f"{path}rows/actions/{first.pk}/"
    fields = {"text": "Gate the schema", "kind": "gate", "owner": jo.pk, "due_on": "2026-12-01"}
    assert browser.press(url, version=1, verification="Case c-1 passes", **fields).status_code == 302
    first.refresh_from_db()
    assert (first.owner, str(first.due_on), first.verification) == (jo, "2026-12-01", "Case c-1 passes")
    assert browser.press(f"{path}actions/{first.pk}/finish/").status_code == 302
    assert browser.press(f"{path}actions/{second.pk}/drop/", reason=" ").status_code == 422
    answer = saved(browser, f"{path}actions/{second.pk}/drop/", reason="Wording moves nothing.")
    assert "Dropped" in text(answer)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.done_at
    assert second.dropped_reason == "Wording moves nothing."


# -- who is here, remarks ------------------------------------------------------------------------------------------
def test_others_see_who_is_here_and_where() -> None:
    path, _ = begun()
    jo, mara = Browser(user=someone("Jo")), Browser(user=someone("Mara"))
    saved(jo, f"{path}here/", section="impact")
    line = text(saved(mara, f"{path}here/", section=""))
    assert "Jo" in line
    assert "(Impact)" in line
    assert "Mara</span> is here" not in line
    assert "<hx-partial" in line


def test_remarks_stand_where_they_belong_and_block_nothing() -> None:
    path, page = begun()
    action = actions.add(page, actor=person(), text="Reword it", kind="wording")
    shown = text(Browser().get(path, record=1))
    assert f'<li data-for="actions-{action.pk}">Name an owner for action 1.' in shown
    assert f'href="#actions-{action.pk}"' in shown
    assert Browser().press(f"{path}sections/impact/", text="x", version=0).status_code == 302
