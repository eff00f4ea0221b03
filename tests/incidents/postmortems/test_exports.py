"""The page as a file: Markdown in which nothing acts, and the postmortems of others read through it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.markdown import render
from incidents import exports
from incidents.lint import findings
from incidents.models import Incident
from incidents.operations.postmortems import draft, edit
from incidents.quoting import cell, embedded, plain
from tests.browsers import Browser
from tests.factories.accounts import person
from tests.factories.incidents import incident, page_of, signed
from tests.intakes import FIXTURES

HOSTILE = "<script>alert(1)</script> ![x](https://evil.example/1.png) [y](javascript:alert(1)) | # `"


def test_hostile_text_is_quoted_wherever_it_stands() -> None:
    content = {
        "header": {"ref": "INC-1", "title": HOSTILE, "severity": "SEV1"},
        "timeline": [{"at": "2026-11-20T14:18:00.5Z", "actor": HOSTILE, "actor_kind": "agent", "text": HOSTILE}],
        "sections": {
            "summary": {"title": "Summary", "text": f"# Own heading\n\n{HOSTILE}\n\n```\nopen <b>", "draft": True}
        },
        "variables": [{"label": HOSTILE, "moved": "moved", "before": "a|b\nc", "after": HOSTILE, "evidence": HOSTILE}],
        "actions": [{"text": HOSTILE, "kind": "gate", "owner": {"name": HOSTILE}}],
        "factors": [{"text": HOSTILE, "confidence": "known"}],
    }
    text = exports.markdown(content)
    assert "### Own heading" in text
    assert "2026-11-20 14:18:00 UTC" in text
    assert "open <b>\n```" in text  # inside a code block, which is closed again
    assert "<script" not in text
    assert not re.search(r"(?<!\\)(?:!\[|\]\(javascript)", text)
    html = render(text)
    assert "<script" not in html
    assert "<img" not in html
    assert 'javascript:alert(1)"' not in html


@given(st.text(st.characters() | st.sampled_from("[]()<>!`~#\n\\:"), max_size=200))
def test_embedded_text_never_starts_html_nor_leaves_a_code_block_open(text: str) -> None:
    told = render(embedded(text) + "\n\nAFTER")
    assert "AFTER" in told
    assert "<img" not in told
    render(plain(text))
    row = render(f"| Evidence |\n| --- |\n| {cell(text)} |")
    assert "<img" not in row
    assert 'href="javascript' not in row
    assert row.count("<tr>") == 2


def test_evidence_in_a_table_opens_and_nothing_else_in_it_acts() -> None:
    row = {
        "label": "Prompt",
        "moved": "moved",
        "evidence": "Equal in [1.3.2 → 1.4.0](/bundles/f/diff/a..b/), digest `4413`",
    }
    text = exports.markdown({"variables": [row]})
    assert "Equal in [1.3.2 → 1.4.0](/bundles/f/diff/a..b/), digest `4413` |" in text
    for hostile in ("[x](//evil.example)", "![x](/1.png)", "[x](javascript:alert)", "`<script>`", "[a|b](/x|y)"):
        text = exports.markdown({"variables": [row | {"evidence": hostile}]})
        assert hostile not in text
        html = render(text)
        assert "<img" not in html
        assert "<script" not in html
        assert "href" not in html


@pytest.mark.django_db
def test_the_files_are_downloaded_of_now_or_of_a_revision() -> None:
    room, actor = incident(title="Refunds twice"), person()
    signed(page_of(room, actor, lessons="First."), actor)
    row = room.postmortem.sections.get(name="lessons")
    edit.save_section(room.postmortem, actor=actor, name="lessons", text="Second.", version=row.version)
    browser, at = Browser(), f"/i/{room.ref}/postmortem/export"
    now, then = browser.get(f"{at}.md"), browser.get(f"{at}.md?revision=1")
    assert "Second." in now.content.decode()
    assert "First." in then.content.decode()
    assert then["Content-Disposition"] == f'attachment; filename="{room.ref}-postmortem-r1.md"'
    whole = browser.get(f"{at}.json")
    assert json.loads(whole.content)["sections"]["lessons"]["text"] == "Second."
    number = room.ref.partition("-")[2]
    assert browser.get(f"/i/{number}/postmortem/export.json").status_code == 302
    for missing in ("?revision=9", "?revision=x", "?revision=99999999999999999999"):
        assert browser.get(f"{at}.json{missing}").status_code == 404
    assert browser.get("/i/INC-999/postmortem/export.json").status_code == 404
    assert browser.get(f"/i/{incident().ref}/postmortem/export.md").status_code == 404
    assert Incident.objects.get(pk=room.pk).postmortem == draft.begin(room, actor=actor)


# -- what others wrote ------------------------------------------------------------------------------------------------
FILES = sorted((FIXTURES / "postmortems").glob("*.json"))


def as_content(said: dict[str, Any]) -> dict[str, Any]:
    """Somebody's published postmortem in our shape, as far as it has places for it."""
    texts = {
        "summary": said.get("summary") or said.get("summary_own_words") or said.get("text") or "",
        "root_cause": said.get("root_cause") or "",
        "impact": json.dumps(said.get("blast_radius")) if said.get("blast_radius") else "",
        "resolution": said.get("recovery") or "",
        "prevention": said.get("prevention") or "",
        "detection": said.get("detection_text") or "",
    }
    return {
        "header": {"ref": "INC-1", "title": said.get("title"), "diagnosis": "spec_gap"},
        "sections": {name: {"title": name, "text": str(text), "draft": False} for name, text in texts.items()},
        "ownership": {"made_by": "", "reviewed_by": "nobody", "next_owner": ""},
        "factors": [
            {"text": str(factor), "confidence": "known", "evidence": "", "layer": "model"}
            for factor in said.get("contributing_factors") or ()
        ],
        "actions": [{"text": str(said.get("prevention")), "kind": "wording"}] if said.get("prevention") else [],
    }


@pytest.mark.skipif(not FILES, reason="needs the fixtures postmortems/*.json: set LASTGOOD_FIXTURES to their folder")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_postmortems_are_linted_exported_and_rendered(path: Path) -> None:
    content = as_content(json.loads(path.read_text()))
    rules = {finding.rule for finding in findings(content)}
    html = render(exports.markdown(content))
    assert "<script" not in html
    assert json.loads(exports.as_json(content)) == content
    if path.stem.startswith("agent-"):
        assert {"action-owner", "deterministic-only", "claim-evidence", "owner-nobody", "inference-missing"} <= rules
