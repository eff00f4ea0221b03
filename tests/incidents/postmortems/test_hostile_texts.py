"""Script in every text of a postmortem stays text: in the editor, its pieces, its preview, revisions and on paper."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from accounts.models import SiteRole
from incidents.models import ActionItem, EscapeAnswer, Layer, MovedVariable, PostmortemSection
from incidents.operations.postmortems import draft
from incidents.views.postmortems.article import PROSE
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.incidents import incident
from tests.factories.rollouts import running

pytestmark = pytest.mark.django_db

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> [a](javascript:alert(3)) [b](JaVaScRiPt&colon;alert(4))"
    " ![c](javascript:alert(5)) <a href='data:text/html,x'>d</a> [e]: javascript:alert(6) <svg/onload=alert(7)>"
    " </textarea><script>alert(8)</script> ```x\n<script>alert(9)</script>\n``` <hx-partial hx-target=body> | a |"
)
FORBIDDEN = {"img", "iframe", "object", "embed", "base", "style"}
ADDRESS = {"href", "src", "action", "formaction"}


class Reader(HTMLParser):
    """Reads a page as a browser would and notes what could run, or reach further than a text may."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag in FORBIDDEN or (tag == "script" and not (said.get("src") or "").startswith("/static/")):
            self.found.append(f"<{tag}>")
        if tag == "hx-partial" and said.get("hx-target") != "#sign":
            self.found.append("<hx-partial>")
        for name, value in attrs:
            scheme = (value or "").strip().partition(":")[0].lower()
            if name.startswith("on") or (name in ADDRESS and scheme in {"javascript", "data", "vbscript"}):
                self.found.append(f"{tag} {name}={value}")


def harmless(page: str, where: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert reader.found == [], where


def test_script_in_every_field_stays_text_everywhere() -> None:
    room = incident(running("1.0.0", "2.0.0"), severity="SEV3", title=HOSTILE[:280])
    page, browser = draft.begin(room, actor=person()), Browser(SiteRole.COMMANDER)
    path = f"/i/{room.ref}/postmortem/"

    def press(piece: str, **fields: str) -> None:
        answer = browser.client.post(path + piece, fields)
        assert answer.status_code == 302, (piece, text(answer)[-3000:])

    for name in PostmortemSection.Name.values:
        row = page.sections.filter(name=name).first()
        press(f"sections/{name}/", text=HOSTILE, version=str(row.version if row else 0))
    short = HOSTILE[:190]
    page.refresh_from_db()
    press("ownership/", version=str(page.version), made_by=short, reviewed_by=short, next_owner=short, path=short)
    press("rows/inferences/")
    inference = page.inferences.latest("pk")
    prose = [name for name, _ in PROSE]
    press(f"rows/inferences/{inference.pk}/", version="1", **dict.fromkeys(prose, HOSTILE))
    for variable in MovedVariable.Variable.values:
        row_version = str(page.variables.get(variable=variable).version)
        fields = {"before": HOSTILE, "after": HOSTILE, "evidence": HOSTILE}
        press(f"rows/variables/{variable}/", version=row_version, moved="moved", **fields)
    for layer in Layer.values:
        press(f"rows/layers/{layer}/", version="1", finding="implicated", evidence=HOSTILE, owner=short)
    for question in EscapeAnswer.Question.values:
        if not page.escapes.filter(question=question).exists():
            press("rows/escapes/", question=question)
        press(f"rows/escapes/{question}/", version="1", answer=HOSTILE)
    press("rows/factors/", text=HOSTILE)
    factor = page.factors.latest("pk")
    press(f"rows/factors/{factor.pk}/", version="1", text=HOSTILE, confidence="known", evidence=HOSTILE)
    press("rows/actions/", text=HOSTILE, kind="gate")
    press("rows/actions/", text=HOSTILE, kind="gate")
    action, dropped = ActionItem.objects.filter(postmortem=page)
    press(f"rows/actions/{action.pk}/", version="1", text=HOSTILE, kind="gate", verification=HOSTILE)
    press(f"actions/{dropped.pk}/drop/", reason=HOSTILE)
    press("publish/")
    press("sections/impact/", version="2" if page.sections.get(name="impact").version == 2 else "1", text=f"{HOSTILE}!")
    press("publish/")

    for where in ("", "?record=1", "revisions/1/", "revisions/", "revisions/?old=1&new=2", "print/", "print/?draft=1"):
        answer = browser.client.get(path + where)
        assert answer.status_code == 200, where
        harmless(text(answer), where)
    harmless(text(Browser(SiteRole.VIEWER).get(path)), "read by a viewer")
    harmless(text(browser.get("/bundles/" + str(room.deployment).partition("/")[0] + "/2.0.0/")), "the version's page")
    for piece in ("sections/impact/", f"rows/inferences/{inference.pk}/", "ownership/", f"rows/actions/{action.pk}/"):
        harmless(text(browser.region(path + piece, "")), piece)
    harmless(text(browser.press(f"{path}preview/", text=HOSTILE)), "preview")
    clash = browser.press(f"{path}sections/impact/", text=f"mine {HOSTILE}", version=0)
    assert clash.status_code == 409
    harmless(text(clash), "a conflict")
    harmless(text(browser.press_in("", f"{path}here/", section=HOSTILE)), "here")
